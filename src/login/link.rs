//! Single-use links: the first administrator, and passwords that people choose themselves.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use countersign_types::UserId;
use serde_json::Map;

use super::{
    new_password::{self, NewPasswordError},
    session,
};
use crate::{
    app::App,
    domain::{
        credential::{Password, PasswordCredential, PasswordError},
        event::{AuditEntry, Event},
        password_rules::NearWords,
        session::SessionEnd,
        token::{Digest, Secret},
        user::{ADMIN_ROLE, User},
    },
    passwords::HashError,
    store::{
        StoreError, Tx, account, audit, credential,
        link::{self, LinkPurpose},
    },
};

/// Why a link did nothing. It can be used again unless it is [`LinkError::Spent`].
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Unknown, used or expired.
    #[error("this link was used already or has expired")]
    Spent,
    /// There is an administrator already.
    #[error("there is an administrator already")]
    AdministratorExists,
    /// The address or user name is taken.
    #[error("this mail address or user name belongs to another account")]
    Taken,
    /// The password breaks a rule.
    #[error(transparent)]
    Refused(PasswordError),
    /// Too many at once.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NewPasswordError> for LinkError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Refused(error) => Self::Refused(error),
            NewPasswordError::Hash(error) => Self::Hash(error),
        }
    }
}

/// Makes a link for a purpose. Older ones for the same purpose stop working.
pub async fn issue(app: &App, tx: &mut Tx, purpose: &LinkPurpose, now: DateTime<Utc>) -> Result<Secret, StoreError> {
    let secret = app.random.secret();
    let expires_at = now + app.settings.lifetimes.link;
    link::insert(tx, &secret.digest(), purpose, now, expires_at).await?;
    let entry = AuditEntry::new(Event::LinkIssued { purpose: purpose.as_str() });
    let entry = match purpose {
        LinkPurpose::FirstAdministrator => entry,
        LinkPurpose::ChoosePassword(user) => entry.user(user),
    };
    audit::record(tx, &entry, now).await?;
    Ok(secret)
}

/// The address of a link. Always of the configured issuer, whatever a request claims.
pub fn address(app: &App, secret: &Secret) -> String {
    format!("{}/link?t={}", app.settings.issuer.as_str(), secret.expose())
}

/// Makes the first administrator. Two at once: the link is spent by one.
pub async fn create_administrator(
    app: &App,
    digest: &Digest,
    (email, username): (String, Option<String>),
    password: &Password,
    now: DateTime<Utc>,
) -> Result<User, LinkError> {
    let user = User {
        id: UserId::new(app.random.id()),
        email,
        email_verified: false,
        username,
        claims: Map::new(),
        roles: BTreeSet::from([ADMIN_ROLE.to_owned()]),
        enabled: true,
        second_factor_required: false,
        created_at: now,
        updated_at: now,
    };
    let phc = new_password::hash(app, password, NearWords::of_person(&user)).await?;
    let mut tx = app.store.write().await?;
    if link::spend(&mut tx, digest, now).await? != Some(LinkPurpose::FirstAdministrator) {
        return Err(LinkError::Spent);
    }
    // Links that were made at the same time know nothing of each other, and each has a holder.
    account::lock_administrators(&mut tx).await?;
    if account::find_administrator(&mut tx).await?.is_some() {
        return Err(LinkError::AdministratorExists);
    }
    account::insert(&mut tx, &user).await.map_err(|error| match error {
        StoreError::Conflict => LinkError::Taken,
        other => LinkError::Store(other),
    })?;
    credential::set_password(&mut tx, &PasswordCredential { user: user.id.clone(), phc }, now).await?;
    audit::record(&mut tx, &AuditEntry::new(Event::FirstAdministratorCreated).user(&user.id), now).await?;
    tx.commit().await?;
    Ok(user)
}

/// Sets the password of the account that a link names, and ends what was signed in under the old one.
pub async fn choose_password(
    app: &App,
    digest: &Digest,
    password: &Password,
    now: DateTime<Utc>,
) -> Result<(), LinkError> {
    let mut tx = app.store.read().await?;
    let Some(LinkPurpose::ChoosePassword(user)) = link::find(&mut tx, digest, now).await? else {
        return Err(LinkError::Spent);
    };
    let user = account::find(&mut tx, &user).await?.ok_or(LinkError::Spent)?;
    drop(tx);
    let phc = new_password::hash(app, password, NearWords::of_person(&user)).await?;
    let mut tx = app.store.write().await?;
    // Of many who are as far as this, one spends it.
    if link::spend(&mut tx, digest, now).await? != Some(LinkPurpose::ChoosePassword(user.id.clone())) {
        return Err(LinkError::Spent);
    }
    set_password(app, &mut tx, &user, phc, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Stores a new password, and ends what was signed in under the old one.
pub async fn set_password(
    app: &App,
    tx: &mut Tx,
    user: &User,
    phc: String,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    credential::set_password(tx, &PasswordCredential { user: user.id.clone(), phc }, now).await?;
    session::end_all(app, tx, user, SessionEnd::PasswordChanged, now).await?;
    audit::record(tx, &AuditEntry::new(Event::PasswordChanged).user(&user.id), now).await
}
