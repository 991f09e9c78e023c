//! What a registration says of other places, looked at there.

use chrono::TimeDelta;
use countersign_jose::MAX_JWK_SET_BYTES;
use serde_json::Value;
use url::Url;

use super::answer::Refused;
use crate::{
    app::App,
    domain::client::{ClientMetadata, WebLink, registration::Refusal},
    oauth::error::OAuthError,
    outbound::OutboundError,
    relying_party::keys,
};

/// The longest list of redirect URIs, in bytes.
const MAX_SECTOR_BYTES: usize = MAX_JWK_SET_BYTES;
/// How old what was fetched may be: a mistake that was corrected just now shall not be told again.
const AGE: TimeDelta = TimeDelta::seconds(5);

/// Refuses what the places that a client names do not bear out.
pub(super) async fn check_outside(app: &App, metadata: &ClientMetadata) -> Result<(), Refused> {
    if let Some(uri) = &metadata.sector_identifier_uri {
        check_sector(app, metadata, uri).await?;
    }
    if let Some(uri) = &metadata.jwks_uri {
        let fetched = keys::fetch_to_register(app, uri).await;
        let keys = fetched.map_err(|error| refused("jwks_uri", error.is_ours(), &error))?;
        // What must be among them is the same as if they had been sent.
        let inline = ClientMetadata { jwks: Some(keys), jwks_uri: None, ..metadata.clone() };
        inline.check().map_err(|contradiction| Refusal::of("jwks_uri", contradiction))?;
    }
    Ok(())
}

/// OpenID Connect Registration §5: a JSON array that has all redirect URIs in it.
async fn check_sector(app: &App, metadata: &ClientMetadata, uri: &WebLink) -> Result<(), Refused> {
    const NAME: &str = "sector_identifier_uri";
    // Registered as a link, so it is a URL.
    let url = Url::parse(uri.as_str()).map_err(|error| Refusal::of(NAME, error))?;
    let fetched = app.outbound.get_now(&url, MAX_SECTOR_BYTES, AGE).await.map_err(|error| {
        let is_ours = matches!(error, OutboundError::Busy | OutboundError::Unavailable);
        refused(NAME, is_ours, &error)
    })?;
    // The host of the list is the sector: one that sends us elsewhere has not written it.
    if fetched.host.as_deref() != url.host_str() {
        return Err(Refusal::of(NAME, "what is there leads to another host").into());
    }
    let listed: Vec<Value> = serde_json::from_slice(&fetched.body)
        .map_err(|_| Refusal::of(NAME, "what is there is not a JSON array of redirect URIs"))?;
    let is_listed = |uri: &str| listed.iter().any(|one| one.as_str() == Some(uri));
    if metadata.redirect_uris.iter().all(|uri| is_listed(uri.as_str())) {
        return Ok(());
    }
    Err(Refusal::of(NAME, "what is there does not list all redirect_uris").into())
}

fn refused(member: &str, is_ours: bool, error: &dyn std::error::Error) -> Refused {
    if is_ours {
        return OAuthError::temporarily_unavailable("an address of the client cannot be fetched now; try again", 2)
            .into();
    }
    Refusal::of(member, error).into()
}
