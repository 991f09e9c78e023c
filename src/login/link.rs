//! Single-use links: the first administrator, and passwords that people choose themselves.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use countersign_types::UserId;
use serde_json::Map;

use super::{
    Device, device,
    mail::{self, Recipient},
    new_password::{self, NewPasswordError},
    session, throttle,
};
use crate::{
    app::App,
    domain::{
        credential::{Password, PasswordCredential, PasswordError},
        event::{AuditEntry, Event, Personal},
        mail::{Mail, MailedLink},
        password_rules::NearWords,
        session::SessionEnd,
        token::{Digest, Secret},
        user::{ADMIN_ROLE, User},
    },
    passwords::HashError,
    store::{
        StoreError, Tx, account, audit, credential,
        link::{self, LinkPurpose, NewLink},
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

/// A link to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// What it lets its holder do.
    pub purpose: &'a LinkPurpose,
    /// The sealed request of the app that the person was on their way to.
    pub request: Option<&'a str>,
    /// From where it was asked for.
    pub from: &'a Personal,
}

/// Makes a link for a purpose. Older ones for the same purpose stop working.
pub async fn issue(app: &App, tx: &mut Tx, purpose: &LinkPurpose, now: DateTime<Utc>) -> Result<Secret, StoreError> {
    let new = New { purpose, request: None, from: &Personal::default() };
    Ok(make(app, tx, &new, now).await?.0)
}

/// Makes a link that is sent by mail.
pub async fn mailed(app: &App, tx: &mut Tx, new: &New<'_>, now: DateTime<Utc>) -> Result<MailedLink, StoreError> {
    let (secret, until) = make(app, tx, new, now).await?;
    Ok(MailedLink { address: address(app, &secret), until })
}

async fn make(
    app: &App,
    tx: &mut Tx,
    new: &New<'_>,
    now: DateTime<Utc>,
) -> Result<(Secret, DateTime<Utc>), StoreError> {
    let lifetimes = &app.settings.lifetimes;
    let lifetime = match new.purpose {
        LinkPurpose::Invitation(_) => lifetimes.invitation,
        LinkPurpose::FirstAdministrator
        | LinkPurpose::ChoosePassword(_)
        | LinkPurpose::ResetPassword(_)
        | LinkPurpose::SignUp(_)
        | LinkPurpose::VerifyEmail(..)
        | LinkPurpose::ChangeEmail(..) => lifetimes.link,
    };
    let (secret, expires_at) = (app.random.secret(), now + lifetime);
    let link = NewLink { purpose: new.purpose, request: new.request, expires_at };
    link::insert(tx, &secret.digest(), &link, now).await?;
    let entry = AuditEntry::new(Event::LinkIssued { purpose: new.purpose.as_str() }).personal(new.from.clone());
    let entry = new.purpose.user().into_iter().fold(entry, AuditEntry::user);
    audit::record(tx, &entry, now).await?;
    Ok((secret, expires_at))
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
    // Whoever holds a link that was made meanwhile waits here, and then finds the administrator.
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

/// Sets the password of the account that a link names, and ends what was signed in under the old one. It signs nobody in:
/// whoever has a second factor is still asked for it. But the device is one of the person's own from now on: its cookie. So whoever
/// fails at the account on purpose, without end, keeps its owner from no device where they chose a password.
pub async fn choose_password(
    app: &App,
    digest: &Digest,
    password: &Password,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Secret, LinkError> {
    let mut tx = app.store.read().await?;
    let open = link::find(&mut tx, digest, now).await?.ok_or(LinkError::Spent)?;
    let (LinkPurpose::ChoosePassword(id) | LinkPurpose::ResetPassword(id)) = &open.purpose else {
        return Err(LinkError::Spent);
    };
    let user = account::find(&mut tx, id).await?.ok_or(LinkError::Spent)?;
    drop(tx);
    let phc = new_password::hash(app, password, NearWords::of_person(&user)).await?;
    let mut tx = app.store.write().await?;
    // Of many who are as far as this, one spends it.
    if link::spend(&mut tx, digest, now).await? != Some(open.purpose) {
        return Err(LinkError::Spent);
    }
    set_password(app, &mut tx, &user, phc, now).await?;
    let recognised = device::recognise(app, &mut tx, &user.id, device, now).await?;
    tx.commit().await?;
    throttle::forget(app, &user.id).await;
    Ok(recognised.cookie)
}

/// Stores a new password, ends what was signed in under the old one, and tells the owner.
pub async fn set_password(
    app: &App,
    tx: &mut Tx,
    user: &User,
    phc: String,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    session::end_all(app, tx, user, SessionEnd::PasswordChanged, now).await?;
    store_password(app, tx, user, phc, now).await
}

/// Stores a new password, and tells the owner. What it must end is left to the caller.
pub(super) async fn store_password(
    app: &App,
    tx: &mut Tx,
    user: &User,
    phc: String,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let is_first = credential::find_password(tx, &user.id).await?.is_none();
    credential::set_password(tx, &PasswordCredential { user: user.id.clone(), phc }, now).await?;
    if !is_first {
        let owner = Recipient::of(tx, user).await?;
        mail::queue(app, tx, &owner, &Mail::PasswordChanged, now).await?;
    }
    audit::record(tx, &AuditEntry::new(Event::PasswordChanged).user(&user.id), now).await
}
