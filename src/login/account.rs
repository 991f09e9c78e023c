//! The end of an account.

use chrono::{DateTime, Utc};

use super::{mail, mail::Recipient, session};
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        mail::Mail,
        session::SessionEnd,
        user::User,
    },
    store::{StoreError, Tx, account, audit},
};

/// Why an account stays.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// Nobody would be left who may administer Countersign, and a link would make anybody the first one again.
    #[error("this is the only account that may administer Countersign")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Removes an account: sign-ins end, tokens are dead, and all that is stored of the person goes. The audit trail stays and names
/// nobody, since the key of what named them is destroyed. Nothing happens if the account is gone already.
pub async fn delete(app: &App, tx: &mut Tx, user: &User, now: DateTime<Utc>) -> Result<(), DeleteError> {
    // Of two administrators who go at the same time, one stays.
    account::lock_administrators(tx).await?;
    if !account::hold(tx, &user.id).await? {
        return Ok(());
    }
    if account::is_last_administrator(tx, &user.id).await? {
        return Err(DeleteError::LastAdministrator);
    }
    let owner = Recipient::of(tx, user).await?;
    session::end_all(app, tx, user, SessionEnd::AccountDeleted, now).await?;
    audit::destroy_key(tx, &user.id).await?;
    account::delete(tx, &user.id).await?;
    audit::record(tx, &AuditEntry::new(Event::UserDeleted).user(&user.id), now).await?;
    mail::queue(app, tx, &owner, &Mail::AccountDeleted, now).await?;
    Ok(())
}
