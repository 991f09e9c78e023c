//! What is for whoever sits at this machine alone.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts, uri::Authority},
};

use super::error_page::ErrorPage;
use crate::config::is_loopback_name;

/// What proxies add. A request that has one came from elsewhere, wherever its last hop was.
const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// That a request was made on this machine. To all others there is nothing here.
#[derive(Clone, Copy, Debug)]
pub struct Near;

impl<S: Sync> FromRequestParts<S> for Near {
    type Rejection = ErrorPage;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_here = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
        let is_forwarded = OF_PROXIES.iter().any(|name| parts.headers.contains_key(*name));
        if is_here && !is_forwarded && names_this_machine(&parts.headers) {
            Ok(Self)
        } else {
            Err(ErrorPage::not_found())
        }
    }
}

/// A page of somebody else's could have its own name lead here, and read the answers as its own (DNS rebinding); but then the
/// browser names that host.
fn names_this_machine(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).is_none_or(|host| {
        let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        authority.is_some_and(|authority| is_loopback_name(authority.host().trim_matches(['[', ']'])))
    })
}
