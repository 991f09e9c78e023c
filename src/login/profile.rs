//! What people say of themselves, stored.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::Device;
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        profile::Profile,
    },
    store::{StoreError, account, audit},
};

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The user name is another's.
    #[error("this user name belongs to another account")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores what somebody says of themselves. What changes nothing is not recorded.
pub async fn save(
    app: &App,
    id: &UserId,
    profile: &Profile,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(), SaveError> {
    let mut tx = app.store.write().await?;
    let Some(mut user) = account::find_to_change(&mut tx, id).await?.filter(|user| user.enabled) else { return Ok(()) };
    let fields = profile.apply(&mut user);
    if fields.is_empty() {
        return Ok(());
    }
    user.updated_at = now;
    account::update(&mut tx, &user).await.map_err(|error| match error {
        StoreError::Conflict => SaveError::Taken,
        other => SaveError::Store(other),
    })?;
    let entry = AuditEntry::new(Event::UserChanged { fields }).user(id).personal(device.personal());
    audit::record(&mut tx, &entry, now).await?;
    Ok(tx.commit().await?)
}
