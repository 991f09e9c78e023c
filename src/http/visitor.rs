//! Who is on the other end of a request: network address, browser, and the cookie that tells browsers apart.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{Extensions, HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use ipnet::IpNet;

use super::cookies::Cookie;
use crate::{
    app::App,
    domain::token::{Digest, Secret},
    login::Device,
    text::Language,
};

/// How long a cookie of ours is: 256 bits in base64url.
pub(super) const SECRET_CHARS: usize = 43;

/// A browser. It has a cookie of its own from its first page on.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// From where the request comes.
    pub device: Device,
    browser: Browser,
    /// What changes with whoever is signed in.
    state: Option<String>,
}

#[derive(Clone)]
enum Browser {
    Known(String),
    /// Was not here before: its cookie goes out with the answer.
    New(String),
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Visitor {
    /// What forms and requests in addresses are bound to.
    pub fn binding(&self) -> Digest {
        let (Browser::Known(value) | Browser::New(value)) = &self.browser;
        Digest::of(value)
    }

    /// What the browser keeps of who is signed in: another value for everybody, and none for nobody.
    pub fn browser_state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether this browser was here before. One that was not cannot have filled in a form of ours.
    pub fn is_known(&self) -> bool {
        matches!(self.browser, Browser::Known(_))
    }

    /// Lets the answer carry the browser's cookie, if it has none yet.
    pub fn remember(&self, app: &App, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        if let Browser::New(value) = &self.browser {
            response.headers_mut().append(header::SET_COOKIE, Cookie::Browser.set(app, value, None));
        }
        response
    }
}

impl<S> FromRequestParts<S> for Visitor
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let app = Arc::<App>::from_ref(state);
        let browser = match Cookie::Browser.read(&app, &parts.headers) {
            Some(value) if value.len() == SECRET_CHARS => Browser::Known(value.to_owned()),
            _ => Browser::New(app.random.secret().expose().to_owned()),
        };
        let state = Cookie::BrowserState.read(&app, &parts.headers).map(str::to_owned);
        Ok(Self { device: device(&app, parts), browser, state })
    }
}

/// The device alone, for endpoints that no browser cookie reaches.
#[derive(Clone, Debug)]
pub struct Caller(pub Device);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(device(&Arc::<App>::from_ref(state), parts)))
    }
}

fn device(app: &App, parts: &Parts) -> Device {
    let cookie = Cookie::Device.read(app, &parts.headers).filter(|value| value.len() == SECRET_CHARS);
    let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let user_agent = parts.headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    Device {
        address: address(app, &parts.extensions, &parts.headers),
        user_agent: String::from_utf8_lossy(user_agent).chars().filter(|c| !c.is_control()).take(256).collect(),
        language: Language::negotiate(&[], None, accepted).tag(),
        cookie: cookie.map(|value| Secret::new(value.to_owned())),
    }
}

/// From which address a request comes.
pub(super) fn address(app: &App, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip().to_canonical());
    client_address(peer, headers, &app.settings.trusted_proxies)
}

/// The address of the person's side: that of the peer, or, behind proxies that the operator trusts, the last address in
/// `X-Forwarded-For` that no trusted proxy has. What stands before it could have been made up by anybody.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut nearest = peer;
    for hop in hops.into_iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { return nearest };
        nearest = address.to_canonical();
        if !is_trusted(&nearest) {
            return nearest;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &str, trusted: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let trusted: Vec<IpNet> =
            trusted.split(' ').filter(|net| !net.is_empty()).map(|net| net.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
        assert_eq!(seen("192.0.2.1", "198.51.100.7", ""), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", "198.51.100.7", "10.0.0.0/8"), "198.51.100.7");
    }

    #[test]
    fn what_a_client_made_up_does_not_count() {
        assert_eq!(seen("10.0.0.1", "203.0.113.9, 198.51.100.7", "10.0.0.0/8"), "198.51.100.7");
        assert_eq!(seen("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "10.0.0.0/8"), "198.51.100.7");
        assert_eq!(seen("10.0.0.1", "rubbish", "10.0.0.0/8"), "10.0.0.1");
    }
}
