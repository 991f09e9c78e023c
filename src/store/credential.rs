//! What people prove who they are with.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{StoreError, Tx};
use crate::domain::credential::{CredentialKind, PasswordCredential};

/// The password of an account, hashed, if it has one.
pub async fn find_password(tx: &mut Tx, user: &UserId) -> Result<Option<PasswordCredential>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        tx,
        "SELECT secret FROM credential WHERE user_id = $1 AND kind = $2",
        user.as_str(),
        CredentialKind::Password.as_str(),
    )?;
    Ok(row.map(|(phc,)| PasswordCredential { user: user.clone(), phc }))
}

/// Sets the password of an account.
pub async fn set_password(tx: &mut Tx, password: &PasswordCredential, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO credential (user_id, kind, params, secret, version, created_at, updated_at)
         VALUES ($1, $2, '{}', $3, 1, $4, $4)
         ON CONFLICT (user_id, kind)
         DO UPDATE SET secret = excluded.secret, version = credential.version + 1, updated_at = excluded.updated_at",
        password.user.as_str(),
        CredentialKind::Password.as_str(),
        &password.phc,
        now,
    )?;
    Ok(())
}
