//! Codes of an authenticator app.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use crate::{
    app::App,
    domain::totp::{TotpCode, TotpSecret},
    store::{StoreError, Tx, credential},
};

/// A secret that no app has yet.
pub fn fresh_secret(app: &App) -> TotpSecret {
    TotpSecret::new(app.random.bytes())
}

/// Whether a code is right, and was not used before. If so it is spent, with this transaction.
pub(super) async fn accept(
    tx: &mut Tx,
    user: &UserId,
    code: &TotpCode,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let Some(stored) = credential::find_totp(tx, user).await? else { return Ok(false) };
    match stored.secret.accept(code, Some(stored.last), now) {
        Some(step) => credential::spend_totp(tx, user, stored.version, step, now).await,
        None => Ok(false),
    }
}
