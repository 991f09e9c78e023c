//! Encrypts answers for a client that registered so (OpenID Connect Core §16.14, RFC 7516).

use countersign_jose::{ContentEncryption, EncryptionKey, KeyManagement, encrypt};
use countersign_types::{ErrorCode, ScopeSet};

use super::{client_keys::client_keys, error::OAuthError};
use crate::{
    app::App,
    domain::{api::OPENID, client::Client},
};

/// What a client alone can open.
#[derive(Debug)]
pub(super) struct Lock {
    key: EncryptionKey,
    enc: ContentEncryption,
}

impl Lock {
    /// For ID tokens; none if the client did not register so, or gets none by this scope.
    pub(super) async fn for_id_token(app: &App, client: &Client, scope: &ScopeSet) -> Result<Option<Self>, OAuthError> {
        if !scope.contains(OPENID) {
            return Ok(None);
        }
        let metadata = &client.metadata;
        let asked = (metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc);
        Self::find(app, client, asked).await
    }

    /// For userinfo; none if the client did not register so.
    pub(super) async fn for_userinfo(app: &App, client: &Client) -> Result<Option<Self>, OAuthError> {
        let metadata = &client.metadata;
        let asked = (metadata.userinfo_encrypted_response_alg, metadata.userinfo_encrypted_response_enc);
        Self::find(app, client, asked).await
    }

    async fn find(
        app: &App,
        client: &Client,
        (algorithm, enc): (Option<KeyManagement>, Option<ContentEncryption>),
    ) -> Result<Option<Self>, OAuthError> {
        const UNKNOWN: &str = "the client registered to have this encrypted, but no key of it fits the algorithm";
        let Some(algorithm) = algorithm else { return Ok(None) };
        let unknown = || OAuthError::new(ErrorCode::InvalidRequest, UNKNOWN);
        let keys = match client_keys(app, client).await {
            Ok(keys) => keys,
            Err(error) => return Err(error.as_reason(unknown())?),
        };
        let key = keys.encryption_key(algorithm).and_then(|key| EncryptionKey::public(algorithm, key).ok());
        // The default of OpenID Connect Registration §2.
        let enc = enc.unwrap_or(ContentEncryption::A128CbcHs256);
        Ok(Some(Self { key: key.ok_or_else(unknown)?, enc }))
    }

    /// The text, encrypted. `content_type` is `JWT` for a token that is signed (RFC 7519 §5.2).
    pub(super) fn close(&self, text: &str, content_type: Option<&str>) -> Result<String, OAuthError> {
        encrypt(text.as_bytes(), &self.key, self.enc, content_type).map_err(|error| OAuthError::broken(&error))
    }
}
