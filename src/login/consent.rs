//! What a person allowed an app, taken back.

use chrono::{DateTime, Utc};
use countersign_types::ClientId;

use super::Device;
use crate::{
    domain::{
        event::{AuditEntry, Event},
        session::Session,
    },
    store::{StoreError, Tx, audit, consent, revocation},
};

/// Forgets what a person allowed a client, and revokes all that came of it. Nothing is recorded where there was nothing.
pub async fn withdraw(
    tx: &mut Tx,
    by: &Session,
    client: &ClientId,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let was_allowed = consent::withdraw(tx, &by.user, client).await?;
    let held_grants = revocation::revoke_grants_of_user_to_client(tx, &by.user, client, now).await?;
    if was_allowed || held_grants {
        let entry = AuditEntry::new(Event::ConsentWithdrawn).user(&by.user).client(client).session(&by.id);
        audit::record(tx, &entry.personal(device.personal()), now).await?;
    }
    Ok(())
}
