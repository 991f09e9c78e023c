//! The name of one request, by which what it left in logs is found again.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName},
};
use ipnet::IpNet;

use crate::app::App;

/// How it is carried, in and out.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest name that is taken over.
const MAX_CHARS: usize = 64;

/// What a request is called. A proxy that the operator trusts may have named it; nobody else can, or they could hide among others.
pub(super) fn of(app: &App, request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
    let given = peer.and_then(|peer| given(peer, request.headers(), &app.settings.trusted_proxies));
    given.unwrap_or_else(|| app.request_names.next())
}

/// What a trusted peer called the request, if that can be a name.
fn given(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<String> {
    let id = headers.get(HEADER)?.to_str().ok()?;
    let is_name = (1..=MAX_CHARS).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'+' | b'/'));
    (is_name && trusted.iter().any(|network| network.contains(&peer))).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(peer: &str, id: &str) -> bool {
        let headers = HeaderMap::from_iter([(HEADER, id.parse().unwrap())]);
        given(peer.parse().unwrap(), &headers, &["10.0.0.0/8".parse().unwrap()]).is_some()
    }

    #[test]
    fn a_trusted_proxy_names_a_request_and_nobody_else() {
        let id = "6f1c2b3a-5d4e-4f00-8a9b-0c1d2e3f4a5b";
        assert!(taken("10.1.2.3", id));
        assert!(!taken("192.0.2.1", id));
    }

    #[test]
    fn what_could_be_more_than_a_name_is_not_taken_over() {
        for id in ["", "a b", "a\tb", "<script>", "a;b", "ä", &"a".repeat(65)] {
            assert!(!taken("10.1.2.3", id), "{id:?}");
        }
    }
}
