//! One fetch: the rules for a URL, names resolved only to addresses in reach, redirects followed by hand, a body that
//! ends at the limit.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use http::{StatusCode, header};
use reqwest::{
    Certificate, Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use url::{Host, Url};

use super::{Fetched, OutboundError, address::Reach, cache::max_age};

/// How often a server may send us on to the next.
const MAX_REDIRECTS: usize = 3;

/// The client: no proxy, no cookies, no referer, no connection kept, and no redirect followed on its own.
pub(super) fn client(
    reach: Arc<Reach>,
    authorities: &[Certificate],
    connect_timeout: Duration,
) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent("Countersign")
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .http1_only()
        .pool_max_idle_per_host(0)
        .min_tls_version(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(connect_timeout)
        .dns_resolver(Arc::new(GuardedResolver { reach }));
    authorities.iter().cloned().fold(builder, reqwest::ClientBuilder::add_root_certificate).build()
}

/// Resolves a name and hands on only the addresses that may be reached. The connection is made to one of these and to
/// nothing else, so a name cannot change its mind between the check and the connection.
struct GuardedResolver {
    reach: Arc<Reach>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = Arc::clone(&self.reach);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> = found.filter(|address| reach.permits(address.ip())).collect();
            if permitted.is_empty() {
                return Err("the name has no address that may be reached (see outbound.allow)".into());
            }
            let addresses: Addrs = Box::new(permitted.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether this URL may be asked at all. A name is not resolved here: the resolver guards that, at each connection.
pub(super) fn check_url(reach: &Reach, url: &Url) -> Result<(), OutboundError> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err(OutboundError::Scheme),
    };
    let loopback = address.map_or(url.host_str() == Some("localhost"), |address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if loopback && reach.permits_loopback() => {}
        _ => return Err(OutboundError::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OutboundError::Userinfo);
    }
    if address.is_some_and(|address| !reach.permits(address)) {
        return Err(OutboundError::Address);
    }
    Ok(())
}

/// What a server answered, and how long it asks to have it remembered.
pub(super) struct Answer {
    pub(super) fetched: Fetched,
    pub(super) max_age: Option<TimeDelta>,
}

/// Asks `url`, follows redirects, and reads at most `limit` bytes.
pub(super) async fn fetch(client: &Client, reach: &Reach, url: &Url, limit: usize) -> Result<Answer, OutboundError> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        check_url(reach, &url)?;
        let request = client.get(url.clone()).header(header::ACCEPT_ENCODING, "identity");
        let response = request.send().await.map_err(|error| failed(&url, error))?;
        check_peer(reach, &url, response.remote_addr())?;
        match response.status() {
            StatusCode::OK => return read(&url, response, limit).await,
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => url = redirect_target(&url, &response)?,
            status => return Err(OutboundError::Status(status.as_u16())),
        }
    }
    Err(OutboundError::Redirect)
}

/// Posts `body` to `url`.
pub(super) async fn post(
    client: &Client,
    reach: &Reach,
    url: &Url,
    content_type: &'static str,
    body: String,
) -> Result<(), OutboundError> {
    check_url(reach, url)?;
    let request = client.post(url.clone()).header(header::CONTENT_TYPE, content_type).body(body);
    let response = request.send().await.map_err(|error| failed(url, error))?;
    check_peer(reach, url, response.remote_addr())?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(OutboundError::Status(status.as_u16())),
    }
}

/// The last look, at the address that we are in fact connected to.
fn check_peer(reach: &Reach, url: &Url, peer: Option<SocketAddr>) -> Result<(), OutboundError> {
    let peer = peer.map(|peer| peer.ip()).ok_or(OutboundError::Unreachable)?;
    let permitted = reach.permits(peer) && (url.scheme() == "https" || peer.is_loopback());
    if permitted { Ok(()) } else { Err(OutboundError::Unreachable) }
}

fn redirect_target(url: &Url, response: &Response) -> Result<Url, OutboundError> {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.and_then(|location| url.join(location).ok()).ok_or(OutboundError::Redirect)
}

async fn read(url: &Url, mut response: Response, limit: usize) -> Result<Answer, OutboundError> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    // We asked for no coding, and unpacking one could turn little into much.
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(OutboundError::Encoding);
    }
    let content_type = text(header::CONTENT_TYPE).map(str::to_owned);
    let max_age = text(header::CACHE_CONTROL).and_then(max_age);

    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(OutboundError::TooLarge(limit));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        if chunk.len() > limit - body.len() {
            return Err(OutboundError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        fetched: Fetched { content_type, body: body.into(), host: url.host_str().map(str::to_owned) },
        max_age,
    })
}

/// The reason goes to the log, for the operator; whoever named the URL learns only that it did not work, since more
/// would tell them about our network.
fn failed(url: &Url, error: reqwest::Error) -> OutboundError {
    let outcome = if error.is_timeout() { OutboundError::Timeout } else { OutboundError::Unreachable };
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    tracing::info!(host = url.host_str(), reason, "a URL could not be fetched");
    outcome
}
