//! Seals everything under the present master key that was sealed under another.
//!
//! Beside running servers, which open both: what one of them changes meanwhile it has sealed itself, and is let be.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{
    Store, StoreError, Tx, audit,
    change::{Changed, announce},
};
use crate::{
    domain::event::{AuditEntry, Event},
    master_key::SealingKey,
    random::Random,
};

/// Rows of one transaction.
const BATCH: i64 = 500;

/// How many rows of what were sealed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rekeyed {
    /// Signing keys.
    pub signing_keys: usize,
    /// Keys for what is encrypted for us.
    pub encryption_keys: usize,
    /// What pairwise names are made with.
    pub issuer_secrets: usize,
    /// Secrets of clients.
    pub client_secrets: usize,
    /// Second factors.
    pub second_factors: usize,
    /// Keys of what names people in the audit trail, and of its log.
    pub audit_keys: usize,
    /// Jobs that wait.
    pub jobs: usize,
}

/// A column that is sealed, and by what a row of it is known.
struct Column {
    /// The table, and what must be true of a row.
    rows: &'static str,
    condition: &'static str,
    id: &'static str,
    sealed: &'static str,
}

const SIGNING_KEYS: Column = Column { rows: "signing_key", condition: "TRUE", id: "kid", sealed: "sealed" };
const ISSUER_SECRETS: Column = Column { rows: "issuer_secret", condition: "TRUE", id: "name", sealed: "sealed" };
const ENCRYPTION_KEYS: Column = Column { rows: "encryption_key", condition: "TRUE", id: "kid", sealed: "sealed" };
const CLIENT_SECRETS: Column =
    Column { rows: "client", condition: "secret_kind = 'encrypted'", id: "id", sealed: "secret" };
const AUDIT_KEYS: Column = Column { rows: "audit_key", condition: "TRUE", id: "user_id", sealed: "sealed" };
const JOBS: Column = Column { rows: "job", condition: "TRUE", id: "id", sealed: "sealed" };

impl Store {
    /// Seals everything under the present master key. `client_secrets` is what secrets of clients are sealed with.
    ///
    /// # Errors
    /// [`StoreError::Unsealable`] when something was sealed under a master key that is none of ours; what was sealed anew before
    /// stays so, and another run goes on.
    pub async fn rekey(&self, client_secrets: &SealingKey) -> Result<Rekeyed, StoreError> {
        let inner = &self.0;
        // Whatever names nobody any more is sealed under keys that are about to be forgotten.
        let mut tx = self.write().await?;
        let mut audit_keys = audit::reseal(&mut tx).await? + log_key(&mut tx).await?;
        tx.commit().await?;
        audit_keys += self.reseal(&AUDIT_KEYS, inner.audit.wrapping()).await?;
        let rekeyed = Rekeyed {
            signing_keys: self.reseal(&SIGNING_KEYS, &inner.secrets).await?,
            encryption_keys: self.reseal(&ENCRYPTION_KEYS, &inner.secrets).await?,
            issuer_secrets: self.reseal(&ISSUER_SECRETS, &inner.secrets).await?,
            client_secrets: self.reseal(&CLIENT_SECRETS, client_secrets).await?,
            second_factors: self.reseal_second_factors().await?,
            audit_keys,
            jobs: self.reseal(&JOBS, inner.queue.payloads()).await?,
        };
        // Servers keep keys and clients in memory, and what they have is still right; but let them see the new rows.
        let mut tx = self.write().await?;
        announce(&mut tx, Changed::Key).await?;
        announce(&mut tx, Changed::Client).await?;
        audit::record(&mut tx, &AuditEntry::new(Event::MasterKeyChanged), inner.clock.now()).await?;
        tx.commit().await?;
        Ok(rekeyed)
    }

    async fn reseal(&self, of: &Column, key: &SealingKey) -> Result<usize, StoreError> {
        let Column { rows, condition, id, sealed: column } = of;
        let select =
            format!("SELECT {id}, {column} FROM {rows} WHERE {condition} AND {id} > $1 ORDER BY {id} LIMIT $2");
        let update = format!("UPDATE {rows} SET {column} = $3 WHERE {id} = $1 AND {column} = $2");
        let (mut after, mut resealed) = (String::new(), 0);
        loop {
            let mut tx = self.write().await?;
            let found: Vec<(String, Vec<u8>)> =
                fetch_all!(&mut tx, sqlx::AssertSqlSafe(select.as_str()), &after, BATCH)?;
            let Some((last, _)) = found.last() else { return Ok(resealed) };
            after.clone_from(last);
            for (id, sealed) in found {
                let Some(fresh) = reseal_one(key, &sealed, &id, &self.0.random)? else { continue };
                execute!(&mut tx, sqlx::AssertSqlSafe(update.as_str()), &id, &sealed, fresh)?;
                resealed += 1;
            }
            tx.commit().await?;
        }
    }

    /// The same of second factors, which stand in a column of text.
    async fn reseal_second_factors(&self) -> Result<usize, StoreError> {
        let inner = &self.0;
        let (mut after, mut resealed) = (String::new(), 0);
        loop {
            let mut tx = self.write().await?;
            let found: Vec<(String, String)> = fetch_all!(
                &mut tx,
                "SELECT user_id, secret FROM credential WHERE kind = 'totp' AND user_id > $1 ORDER BY user_id LIMIT $2",
                &after,
                BATCH,
            )?;
            let Some((last, _)) = found.last() else { return Ok(resealed) };
            after.clone_from(last);
            for (user, secret) in found {
                let sealed = STANDARD_NO_PAD.decode(&secret);
                let sealed = sealed.map_err(|_| StoreError::corrupt("credential", "a secret is not base64"))?;
                let Some(fresh) = reseal_one(&inner.second_factors, &sealed, &user, &inner.random)? else { continue };
                execute!(
                    &mut tx,
                    "UPDATE credential SET secret = $3 WHERE user_id = $1 AND kind = 'totp' AND secret = $2",
                    &user,
                    &secret,
                    STANDARD_NO_PAD.encode(fresh),
                )?;
                resealed += 1;
            }
            tx.commit().await?;
        }
    }
}

fn reseal_one(key: &SealingKey, sealed: &[u8], id: &str, random: &Random) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(key.reseal(sealed, id.as_bytes(), random)?)
}

/// The key of the audit log.
async fn log_key(tx: &mut Tx) -> Result<usize, StoreError> {
    let row: Option<(Vec<u8>,)> = fetch_optional!(tx, "SELECT sealed_key FROM audit_log WHERE id = 1")?;
    let Some((sealed,)) = row else { return Ok(0) };
    let inner = tx.inner();
    let Some(fresh) = inner.log.key().reseal(&sealed, b"audit log", &inner.random)? else { return Ok(0) };
    let changed = execute!(tx, "UPDATE audit_log SET sealed_key = $1 WHERE id = 1", fresh)?;
    Ok(usize::try_from(changed).unwrap_or_default())
}
