//! The ways to get a token, one file each. By the time a grant sees a request, its client is authenticated.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use countersign_types::Confirmation;

use super::error::OAuthError;
use crate::{
    app::{App, Issuer},
    domain::{
        client::Client,
        event::{AuditEntry, Event},
        grant::PersonGrant,
    },
    http::form::Parameters,
    login::Device,
    store::{StoreError, audit, revocation},
};

pub(super) mod authorization_code;
pub(super) mod client_credentials;
pub(super) mod refresh_token;

/// A token request of an authenticated client.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) app: &'a App,
    pub(super) issuer: &'a Issuer,
    pub(super) client: Arc<Client>,
    pub(super) form: &'a Parameters,
    pub(super) device: &'a Device,
    /// The thumbprint of the key that the client proved to hold (RFC 9449).
    pub(super) proven: Option<String>,
}

impl TokenRequest<'_> {
    /// What an access token that comes of this request is bound to.
    fn confirmation(&self) -> Option<Confirmation> {
        let jkt = self.proven.clone()?;
        Some(Confirmation { jkt: Some(jkt), ..Confirmation::default() })
    }

    /// An event that concerns a person's grant.
    fn entry(&self, person: &PersonGrant, event: Event) -> AuditEntry {
        AuditEntry::new(event)
            .user(&person.user)
            .client(&self.client.id)
            .session(&person.session)
            .grant(&person.id)
            .personal(self.device.personal())
    }

    /// Revokes a grant, since a code or refresh token of it was used twice.
    async fn revoke_replayed(&self, person: &PersonGrant, event: Event, now: DateTime<Utc>) -> Result<(), OAuthError> {
        let (store, entry) = (self.app.store.clone(), self.entry(person, event));
        let (grant, until) = (person.id.clone(), person.ends_at);
        // In a task of its own: whoever brought it may hang up, and the grant must die all the same.
        let revoked = tokio::spawn(async move {
            let mut tx = store.write().await?;
            revocation::revoke(&mut tx, revocation::Revoked::Grant(&grant), now, until).await?;
            audit::record(&mut tx, &entry, now).await?;
            tx.commit().await
        });
        revoked.await.map_err(|error| OAuthError::broken(&error))?.map_err(StoreError::into)
    }
}
