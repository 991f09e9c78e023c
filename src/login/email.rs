//! Mail addresses: each counts once its owner has followed a link that was sent there.

use chrono::{DateTime, Utc};

use super::{
    link::LinkError,
    mail::{self, Recipient},
};
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        mail::Mail,
        token::Digest,
        user::{User, fold},
    },
    store::{
        StoreError, account, audit,
        link::{self, LinkPurpose},
    },
};

/// Takes an address for verified, or gives an account its new one: whatever the link is for.
pub async fn confirm(app: &App, digest: &Digest, now: DateTime<Utc>) -> Result<(), LinkError> {
    let mut tx = app.store.write().await?;
    let spent = link::spend(&mut tx, digest, now).await?;
    let (id, email, is_new) = match spent {
        Some(LinkPurpose::VerifyEmail(id, email)) => (id, email, false),
        Some(LinkPurpose::ChangeEmail(id, email)) => (id, email, true),
        Some(
            LinkPurpose::FirstAdministrator
            | LinkPurpose::ChoosePassword(_)
            | LinkPurpose::ResetPassword(_)
            | LinkPurpose::SignUp(_)
            | LinkPurpose::Invitation(_),
        )
        | None => return Err(LinkError::Spent),
    };
    let before = account::find_to_change(&mut tx, &id).await?.filter(|user| user.enabled).ok_or(LinkError::Spent)?;
    // Meanwhile the account may have got another address, which this link says nothing of.
    if !is_new && fold(&before.email) != fold(&email) {
        return Err(LinkError::Spent);
    }
    let after = User { email, email_verified: true, updated_at: now, ..before.clone() };
    account::update(&mut tx, &after).await.map_err(|error| match error {
        StoreError::Conflict => LinkError::Taken,
        other => LinkError::Store(other),
    })?;
    let fields = if is_new { vec!["email".to_owned()] } else { vec!["email_verified".to_owned()] };
    if is_new {
        // Links on their way to the old address open nothing any more, and its reader hears why.
        link::forget(&mut tx, &id).await?;
        let owner = Recipient::of(&mut tx, &before).await?;
        mail::queue(app, &mut tx, &owner, &Mail::EmailChanged, now).await?;
    }
    audit::record(&mut tx, &AuditEntry::new(Event::UserChanged { fields }).user(&id), now).await?;
    tx.commit().await?;
    Ok(())
}
