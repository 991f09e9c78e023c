//! Recovery codes, for whoever lost their authenticator app.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use crate::{
    app::App,
    domain::recovery_code::{RECOVERY_CODES, RecoveryCode},
    store::{StoreError, Tx, recovery_code},
};

/// Whether a code is right, and was not used before: how many are left then. If so it is spent, with this transaction.
pub(super) async fn accept(
    tx: &mut Tx,
    user: &UserId,
    code: &RecoveryCode,
    now: DateTime<Utc>,
) -> Result<Option<u32>, StoreError> {
    if !recovery_code::spend(tx, user, &code.digest(), now).await? {
        return Ok(None);
    }
    Ok(Some(recovery_code::count_unused(tx, user).await?))
}

/// Makes new codes for a person, to be shown once. Those that they had are dead.
pub(super) async fn replace(
    app: &App,
    tx: &mut Tx,
    user: &UserId,
    now: DateTime<Utc>,
) -> Result<Vec<RecoveryCode>, StoreError> {
    let codes: Vec<_> =
        std::iter::repeat_with(|| RecoveryCode::new(&app.random.bytes())).take(RECOVERY_CODES).collect();
    recovery_code::replace(tx, user, &codes, now).await?;
    Ok(codes)
}
