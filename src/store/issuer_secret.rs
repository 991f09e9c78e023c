//! Secrets of the issuer that stay what they are for as long as the database lives, sealed under the master key.

use super::{StoreError, Tx};

/// What pairwise names are made with (OpenID Connect Core §8.1). With another one nobody would be known any more.
const PAIRWISE_SALT: &str = "pairwise_salt";

/// The salt of pairwise names; made here if there is none yet.
pub async fn pairwise_salt(tx: &mut Tx) -> Result<[u8; 32], StoreError> {
    let inner = tx.inner();
    let fresh = inner.secrets.seal(&inner.random.bytes::<32>(), PAIRWISE_SALT.as_bytes(), &inner.random);
    execute!(
        tx,
        "INSERT INTO issuer_secret (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        PAIRWISE_SALT,
        fresh,
    )?;
    find_pairwise_salt(tx).await?.ok_or_else(|| StoreError::corrupt("issuer_secret", "the salt is gone"))
}

/// The salt of pairwise names, if there is one already.
pub async fn find_pairwise_salt(tx: &mut Tx) -> Result<Option<[u8; 32]>, StoreError> {
    let row: Option<(Vec<u8>,)> =
        fetch_optional!(tx, "SELECT sealed FROM issuer_secret WHERE name = $1", PAIRWISE_SALT)?;
    let Some((sealed,)) = row else { return Ok(None) };
    let salt = tx.inner().secrets.open(&sealed, PAIRWISE_SALT.as_bytes())?;
    salt.try_into().map(Some).map_err(|_| StoreError::corrupt("issuer_secret", "the salt has another length"))
}
