//! Single-use links.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{StoreError, Tx};
pub use crate::domain::link::LinkPurpose;
use crate::domain::{token::Digest, user::fold};

/// A link to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// What it lets its holder do.
    pub purpose: &'a LinkPurpose,
    /// The sealed request of the app that the person was on their way to. Good for the browser alone that brought it.
    pub request: Option<&'a str>,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
}

/// A link that can be used.
#[derive(Clone, Debug)]
pub struct OpenLink {
    /// What it lets its holder do.
    pub purpose: LinkPurpose,
    /// The sealed request of the app that the person was on their way to.
    pub request: Option<String>,
}

/// Purpose, account and mail address of a link.
type Row = (String, Option<String>, Option<String>);

/// Stores a link. An older unused one for the same purpose and the same account or address stops working: of many that are made
/// at once, too, one alone is left.
pub async fn insert(tx: &mut Tx, digest: &Digest, link: &NewLink<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    let email = link.purpose.email();
    execute!(
        tx,
        "INSERT INTO link (digest, purpose, user_id, email, email_folded, request, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (purpose, COALESCE(user_id, email_folded, '')) WHERE used_at IS NULL
         DO UPDATE SET digest = excluded.digest, email = excluded.email, email_folded = excluded.email_folded,
             request = excluded.request, created_at = excluded.created_at, expires_at = excluded.expires_at",
        digest.as_bytes(),
        link.purpose.as_str(),
        link.purpose.user().map(UserId::as_str),
        email,
        email.map(fold),
        link.request,
        now,
        link.expires_at,
    )?;
    Ok(())
}

/// An unused link that has not expired.
pub async fn find(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<Option<OpenLink>, StoreError> {
    type Columns = (String, Option<String>, Option<String>, Option<String>);
    let row: Option<Columns> = fetch_optional!(
        tx,
        "SELECT purpose, user_id, email, request FROM link WHERE digest = $1 AND used_at IS NULL AND expires_at > $2",
        digest.as_bytes(),
        now,
    )?;
    let open = |(name, user, email, request)| Ok(OpenLink { purpose: purpose((name, user, email))?, request });
    row.map(open).transpose()
}

/// Spends a link: of any number of tries at once, one alone gets an answer.
pub async fn spend(tx: &mut Tx, digest: &Digest, now: DateTime<Utc>) -> Result<Option<LinkPurpose>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        tx,
        "UPDATE link SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND expires_at > $2
         RETURNING purpose, user_id, email",
        digest.as_bytes(),
        now,
    )?;
    row.map(purpose).transpose()
}

/// Removes the unused links of an account: whoever has one of them has no use for it any more.
pub async fn forget(tx: &mut Tx, user: &UserId) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM link WHERE user_id = $1 AND used_at IS NULL", user.as_str())?;
    Ok(())
}

/// Removes links that expired before this time, used or not. How many.
pub async fn sweep(tx: &mut Tx, expired_before: DateTime<Utc>, most: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "DELETE FROM link WHERE digest IN (SELECT digest FROM link WHERE expires_at <= $1 LIMIT $2)",
        expired_before,
        most
    )
}

fn purpose((name, user, email): Row) -> Result<LinkPurpose, StoreError> {
    LinkPurpose::restore(&name, user.map(UserId::new), email).ok_or_else(|| StoreError::corrupt("link", name))
}
