//! The way into the endpoints of clients: the form is read, its client authenticated, and the request counted.

use std::sync::Arc;

use axum::http::HeaderMap;

use super::{client_auth, error::OAuthError};
use crate::{
    domain::{client::Client, rate::Endpoint},
    http::{
        form::{FormError, Parameters},
        rate::{self, Rate},
        state::AppState,
    },
    login::Device,
};

/// What is told to whoever asks too often. What came with the request may be spent: an assertion can be sent once.
pub(super) const TOO_MANY: &str =
    "there were too many requests; wait for as many seconds as Retry-After says, then make a new one";

/// A request that was looked at and counted.
pub(super) struct Entry {
    /// Its client and its parameters, if it may go on.
    pub(super) sent: Result<(Arc<Client>, Parameters), OAuthError>,
    /// Its client, which may read the answer even where it may not go on.
    pub(super) client: Option<Arc<Client>>,
    /// What the answer tells of the limits.
    pub(super) rate: Rate,
}

/// Who sent a form, and whether there were too many of them.
pub(super) async fn enter(
    state: &AppState,
    endpoint: Endpoint,
    device: &Device,
    headers: &HeaderMap,
    form: Result<Parameters, FormError>,
) -> Entry {
    let (app, issuer) = (&*state.app, &*state.issuer);
    let sent: Result<_, OAuthError> = async {
        let form = form?.unique()?;
        Ok((client_auth::authenticate(app, issuer, device, headers, &form).await?, form))
    }
    .await;
    let client = sent.as_ref().ok().map(|(client, _)| client.clone());
    let rate = match &sent {
        // Nobody is to blame for what fails on our side.
        Err(error) if error.is_ours() => Rate::default(),
        Ok(_) | Err(_) => rate::of_program(app, endpoint, client.as_deref(), device.address).await,
    };
    let sent = match rate.retry_after() {
        Some(seconds) => Err(too_many(seconds)),
        None => sent,
    };
    Entry { sent, client, rate }
}

/// The answer to one request too many.
///
/// RFC 6749 §5.2 has no code for it, and clients know no other codes. `temporarily_unavailable` (§4.1.2.1, and erratum 4745 for the token
/// endpoint) is the one that no client takes for a verdict on its grant: after `invalid_grant` it would throw its refresh token away, after
/// `invalid_client` its registration, and `slow_down` belongs to the device grant alone (RFC 8628 §3.5). The status says the rest.
pub(super) fn too_many(retry_after: u64) -> OAuthError {
    OAuthError::too_many_tries(TOO_MANY, retry_after)
}
