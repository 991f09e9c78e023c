//! Relying parties.

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, SessionId};
use sqlx::types::Json;

use super::{
    StoreError, Tx,
    change::{Changed, announce},
    revocation,
};
use crate::domain::{
    client::{Client, ClientMetadata, Registrar, StoredSecret},
    token::Digest,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    metadata: Json<ClientMetadata>,
    secret_kind: Option<String>,
    secret: Option<Vec<u8>>,
    enabled: bool,
    created_at: DateTime<Utc>,
    registration_digest: Option<Vec<u8>>,
    used_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Client {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let secret = match (row.secret_kind.as_deref(), row.secret) {
            (None, None) => None,
            (Some("digest"), Some(secret)) => Some(StoredSecret::Digest(secret)),
            (Some("argon2"), Some(secret)) => {
                let phc = String::from_utf8(secret).map_err(|error| StoreError::corrupt("client", error))?;
                Some(StoredSecret::Argon2(phc))
            }
            (Some("encrypted"), Some(secret)) => Some(StoredSecret::Encrypted(secret)),
            (kind, _) => return Err(StoreError::corrupt("client", format!("secret_kind {kind:?}"))),
        };
        Ok(Self {
            id: ClientId::new(row.id),
            metadata: row.metadata.0,
            secret,
            enabled: row.enabled,
            created_at: row.created_at,
            registered_by: match row.registration_digest {
                None => Registrar::Operator,
                Some(_) => Registrar::Itself { is_used: row.used_at.is_some() },
            },
        })
    }
}

fn secret_columns(secret: Option<&StoredSecret>) -> (Option<&'static str>, Option<&[u8]>) {
    match secret {
        None => (None, None),
        Some(StoredSecret::Digest(digest)) => (Some("digest"), Some(digest)),
        Some(StoredSecret::Argon2(phc)) => (Some("argon2"), Some(phc.as_bytes())),
        Some(StoredSecret::Encrypted(sealed)) => (Some("encrypted"), Some(sealed)),
    }
}

/// Registers a client. `Conflict` when the id is taken.
pub async fn insert(tx: &mut Tx, client: &Client) -> Result<(), StoreError> {
    insert_with(tx, client, None).await?;
    announce(tx, Changed::Client).await
}

/// Registers a client that comes by itself and will show a token of this digest, unless there are so many of them already: whether
/// there was room. Several that come at once wait for each other.
pub async fn insert_itself(tx: &mut Tx, client: &Client, token: &Digest, most: u32) -> Result<bool, StoreError> {
    // First, since it holds a lock that the next one needs.
    announce(tx, Changed::Client).await?;
    let (count,): (i64,) = fetch_one!(tx, "SELECT count(*) FROM client WHERE registration_digest IS NOT NULL")?;
    if count >= i64::from(most) {
        return Ok(false);
    }
    insert_with(tx, client, Some(token)).await?;
    Ok(true)
}

async fn insert_with(tx: &mut Tx, client: &Client, token: Option<&Digest>) -> Result<(), StoreError> {
    let (kind, secret) = secret_columns(client.secret.as_ref());
    execute!(
        tx,
        "INSERT INTO client (id, metadata, secret_kind, secret, enabled, created_at, updated_at, registration_digest)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
        client.id.as_str(),
        Json(&client.metadata),
        kind,
        secret,
        client.enabled,
        client.created_at,
        token.map(Digest::as_bytes),
    )?;
    Ok(())
}

/// Stores a client's new values.
pub async fn update(tx: &mut Tx, client: &Client, now: DateTime<Utc>) -> Result<(), StoreError> {
    let (kind, secret) = secret_columns(client.secret.as_ref());
    execute!(
        tx,
        "UPDATE client SET metadata = $2, secret_kind = $3, secret = $4, enabled = $5, updated_at = $6 WHERE id = $1",
        client.id.as_str(),
        Json(&client.metadata),
        kind,
        secret,
        client.enabled,
        now,
    )?;
    announce(tx, Changed::Client).await
}

/// Removes a client with all that was granted to it. Whether there was one.
pub async fn delete(tx: &mut Tx, id: &ClientId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    // Its access tokens are not rows that could be removed, and another client may take its name.
    revocation::revoke_grants_of_client(tx, id, now).await?;
    let removed = execute!(tx, "DELETE FROM client WHERE id = $1", id.as_str())?;
    announce(tx, Changed::Client).await?;
    Ok(removed > 0)
}

/// The client with this id.
pub async fn find(tx: &mut Tx, id: &ClientId) -> Result<Option<Client>, StoreError> {
    let row: Option<Row> = fetch_optional!(tx, "SELECT * FROM client WHERE id = $1", id.as_str())?;
    row.map(Client::try_from).transpose()
}

/// The client with this id, as nobody else changes it until this transaction ends.
pub async fn find_to_change(tx: &mut Tx, id: &ClientId) -> Result<Option<Client>, StoreError> {
    execute!(tx, "UPDATE client SET enabled = enabled WHERE id = $1", id.as_str())?;
    find(tx, id).await
}

/// The operator's own apps that can be started from our pages, whether or not they are enabled, in the order of their ids.
pub async fn startable_first_party(tx: &mut Tx) -> Result<Vec<Client>, StoreError> {
    // As the index has it; one engine writes `true`, the other 1.
    let rows: Vec<Row> = fetch_all!(
        tx,
        "SELECT * FROM client
         WHERE (metadata ->> 'initiate_login_uri') IS NOT NULL AND CAST(metadata ->> 'first_party' AS TEXT) IN ('true', '1')
         ORDER BY id",
    )?;
    rows.into_iter().map(Client::try_from).collect()
}

/// The clients that have something from a session, and are not disabled, in the order of their ids.
pub async fn of_session(tx: &mut Tx, session: &SessionId) -> Result<Vec<Client>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        tx,
        "SELECT * FROM client WHERE enabled AND id IN (SELECT client_id FROM person_grant WHERE sid = $1) ORDER BY id",
        session.as_str(),
    )?;
    rows.into_iter().map(Client::try_from).collect()
}

/// The client with this id, if it registered itself and this is the digest of its token.
pub async fn find_itself(tx: &mut Tx, id: &ClientId, token: &Digest) -> Result<Option<Client>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        tx,
        "SELECT * FROM client WHERE id = $1 AND registration_digest = $2",
        id.as_str(),
        token.as_bytes(),
    )?;
    row.map(Client::try_from).transpose()
}

/// The same, as nobody else changes it until this transaction ends.
pub async fn find_itself_to_change(tx: &mut Tx, id: &ClientId, token: &Digest) -> Result<Option<Client>, StoreError> {
    execute!(tx, "UPDATE client SET enabled = enabled WHERE id = $1", id.as_str())?;
    find_itself(tx, id, token).await
}

/// Somebody uses a client that registered itself.
pub async fn use_first(tx: &mut Tx, id: &ClientId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let marked = execute!(
        tx,
        "UPDATE client SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND registration_digest IS NOT NULL",
        id.as_str(),
        now,
    )?;
    if marked > 0 { announce(tx, Changed::Client).await } else { Ok(()) }
}

/// Whether it knows anybody: a person allowed it something, or holds a grant to it.
pub async fn knows_people(tx: &mut Tx, id: &ClientId) -> Result<bool, StoreError> {
    let (knows,): (bool,) = fetch_one!(
        tx,
        "SELECT EXISTS (SELECT 1 FROM consent WHERE client_id = $1) OR EXISTS (SELECT 1 FROM person_grant WHERE client_id = $1)",
        id.as_str(),
    )?;
    Ok(knows)
}

/// Clients that registered themselves before this time, and were never used. They stay so until this transaction ends.
pub async fn unused(tx: &mut Tx, before: DateTime<Utc>, most: i64) -> Result<Vec<ClientId>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        tx,
        "UPDATE client SET enabled = enabled WHERE used_at IS NULL AND id IN (
             SELECT id FROM client WHERE registration_digest IS NOT NULL AND used_at IS NULL AND created_at <= $1
             ORDER BY created_at LIMIT $2)
         RETURNING id",
        before,
        most,
    )?;
    Ok(rows.into_iter().map(|(id,)| ClientId::new(id)).collect())
}

/// All clients in the order of their ids.
pub async fn all(tx: &mut Tx) -> Result<Vec<Client>, StoreError> {
    let rows: Vec<Row> = fetch_all!(tx, "SELECT * FROM client ORDER BY id")?;
    rows.into_iter().map(Client::try_from).collect()
}
