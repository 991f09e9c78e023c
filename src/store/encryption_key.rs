//! Our own keys for what is encrypted for us. The private parts are sealed under the master key.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    change::{Changed, announce},
};

/// A key as stored.
#[derive(Clone)]
pub struct StoredEncryptionKey {
    /// Its `kid`: the thumbprint of the public key.
    pub kid: String,
    /// The algorithm it is for.
    pub algorithm: String,
    /// The private key as a JWK.
    pub private_jwk: Vec<u8>,
    /// When it was made.
    pub made_at: DateTime<Utc>,
}

impl std::fmt::Debug for StoredEncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredEncryptionKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Stores a key.
pub async fn insert(tx: &mut Tx, key: &StoredEncryptionKey) -> Result<(), StoreError> {
    let inner = tx.inner();
    let sealed = inner.secrets.seal(&key.private_jwk, key.kid.as_bytes(), &inner.random);
    execute!(
        tx,
        "INSERT INTO encryption_key (kid, algorithm, sealed, made_at) VALUES ($1, $2, $3, $4)",
        &key.kid,
        &key.algorithm,
        sealed,
        key.made_at,
    )?;
    announce(tx, Changed::Key).await
}

/// All keys, the newest first.
pub async fn all(tx: &mut Tx) -> Result<Vec<StoredEncryptionKey>, StoreError> {
    let rows: Vec<(String, String, Vec<u8>, DateTime<Utc>)> =
        fetch_all!(tx, "SELECT kid, algorithm, sealed, made_at FROM encryption_key ORDER BY made_at DESC, kid")?;
    let inner = tx.inner();
    rows.into_iter()
        .map(|(kid, algorithm, sealed, made_at)| {
            let private_jwk = inner.secrets.open(&sealed, kid.as_bytes())?;
            Ok(StoredEncryptionKey { kid, algorithm, private_jwk, made_at })
        })
        .collect()
}

/// Removes a key that nobody encrypts with any more.
pub async fn delete(tx: &mut Tx, kid: &str) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM encryption_key WHERE kid = $1", kid)?;
    announce(tx, Changed::Key).await
}
