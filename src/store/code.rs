//! Authorization codes. A spent code stays as long as its grant, so that another use of it is known for what it is.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    person_grant::{self, Standing, StandingRow},
};
use crate::domain::{grant::Grant, token::Digest};

/// What a code is bound to.
#[derive(Clone, Debug)]
pub struct CodeBinding {
    /// Where it was sent.
    pub redirect_uri: String,
    /// Whether the token request must name that again (RFC 6749 §4.1.3).
    pub redirect_uri_sent: bool,
    /// The PKCE challenge (RFC 7636 §4.4).
    pub code_challenge: Option<String>,
    /// The `nonce` of the ID token.
    pub nonce: Option<String>,
    /// The thumbprint of the key that must be proven (RFC 9449 §10).
    pub dpop_jkt: Option<String>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

/// A code as stored, with the grant behind it.
#[derive(Clone, Debug)]
pub struct StoredCode {
    /// What it is bound to.
    pub binding: CodeBinding,
    /// The grant that it stands for.
    pub grant: Grant,
    /// Whether that still opens anything.
    pub standing: Standing,
    /// When it was spent.
    pub used_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    redirect_uri: String,
    redirect_uri_sent: bool,
    code_challenge: Option<String>,
    nonce: Option<String>,
    dpop_jkt: Option<String>,
    expires_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    standing: StandingRow,
}

/// Stores a fresh code for a grant that is stored already.
pub async fn insert(
    tx: &mut Tx,
    digest: &Digest,
    grant: &countersign_types::GrantId,
    binding: &CodeBinding,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO authorization_code (digest, gid, redirect_uri, redirect_uri_sent, code_challenge, nonce, expires_at,
             dpop_jkt)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        digest.as_bytes(),
        grant.as_str(),
        &binding.redirect_uri,
        binding.redirect_uri_sent,
        &binding.code_challenge,
        &binding.nonce,
        binding.expires_at,
        &binding.dpop_jkt,
    )?;
    Ok(())
}

/// The code and its grant, spent or not.
pub async fn find(tx: &mut Tx, digest: &Digest) -> Result<Option<StoredCode>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        tx,
        concat!(
            "SELECT c.redirect_uri, c.redirect_uri_sent, c.code_challenge, c.nonce, c.dpop_jkt, c.expires_at, c.used_at, ",
            person_grant::columns!(),
            " FROM authorization_code c JOIN person_grant g ON g.gid = c.gid ",
            person_grant::joins!(),
            " WHERE c.digest = $1",
        ),
        digest.as_bytes(),
    )?;
    let Some(row) = row else { return Ok(None) };
    let (grant, standing) = row.standing.split()?;
    Ok(Some(StoredCode {
        binding: CodeBinding {
            redirect_uri: row.redirect_uri,
            redirect_uri_sent: row.redirect_uri_sent,
            code_challenge: row.code_challenge,
            nonce: row.nonce,
            dpop_jkt: row.dpop_jkt,
            expires_at: row.expires_at,
        },
        grant,
        standing,
        used_at: row.used_at,
    }))
}

/// Spends a code. Of any number of tries at once, one alone gets `true`.
pub async fn spend(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let spent = execute!(
        tx,
        "UPDATE authorization_code SET used_at = $2 WHERE digest = $1 AND used_at IS NULL",
        digest.as_bytes(),
        now
    )?;
    Ok(spent == 1)
}

/// Grants whose code expired unused before this time: nothing can come of them, and an access token that was sent beside the code
/// has expired too. How many.
pub async fn sweep_unused(tx: &mut Tx, before: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM person_grant WHERE gid IN (
             SELECT gid FROM authorization_code WHERE used_at IS NULL AND expires_at <= $1 LIMIT $2)",
        before,
        most
    )
}
