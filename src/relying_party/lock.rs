//! Encrypts for a client what it registered to have encrypted (OpenID Connect Core §16.14, RFC 7516).

use countersign_jose::{ContentEncryption, EncryptionKey, JweError, KeyManagement, encrypt};

use super::keys::{KeysError, client_keys};
use crate::{app::App, domain::client::Client};

/// What a client alone can open.
#[derive(Debug)]
pub struct Lock {
    key: EncryptionKey,
    enc: ContentEncryption,
}

/// Why nothing can be encrypted for a client that registered so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Its keys cannot be read.
    #[error("the keys of the client cannot be read: {0}")]
    Keys(#[from] KeysError),
    /// None of them fits.
    #[error("no key of the client fits the algorithm that it registered")]
    NoKey,
}

impl LockError {
    /// Whether it is our trouble, which may pass.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Keys(error) => error.is_ours(),
            Self::NoKey => false,
        }
    }
}

impl Lock {
    /// For ID tokens and logout tokens; none if the client did not register so.
    ///
    /// # Errors
    /// [`LockError`].
    pub async fn for_id_token(app: &App, client: &Client) -> Result<Option<Self>, LockError> {
        let metadata = &client.metadata;
        let asked = (metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc);
        Self::find(app, client, asked).await
    }

    /// For userinfo; none if the client did not register so.
    ///
    /// # Errors
    /// [`LockError`].
    pub async fn for_userinfo(app: &App, client: &Client) -> Result<Option<Self>, LockError> {
        let metadata = &client.metadata;
        let asked = (metadata.userinfo_encrypted_response_alg, metadata.userinfo_encrypted_response_enc);
        Self::find(app, client, asked).await
    }

    async fn find(
        app: &App,
        client: &Client,
        (algorithm, enc): (Option<KeyManagement>, Option<ContentEncryption>),
    ) -> Result<Option<Self>, LockError> {
        let Some(algorithm) = algorithm else { return Ok(None) };
        let keys = client_keys(app, client).await?;
        let key = keys.encryption_key(algorithm).and_then(|key| EncryptionKey::public(algorithm, key).ok());
        // The default of OpenID Connect Registration §2.
        let enc = enc.unwrap_or(ContentEncryption::A128CbcHs256);
        Ok(Some(Self { key: key.ok_or(LockError::NoKey)?, enc }))
    }

    /// The text, encrypted. `content_type` is `JWT` for a token that is signed (RFC 7519 §5.2).
    ///
    /// # Errors
    /// OpenSSL cannot encrypt.
    pub fn close(&self, text: &str, content_type: Option<&str>) -> Result<String, JweError> {
        encrypt(text.as_bytes(), &self.key, self.enc, content_type)
    }
}
