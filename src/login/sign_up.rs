//! Accounts that people make themselves, by a link that was mailed to them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use countersign_types::UserId;
use serde_json::Map;

use super::{Device, Proof, link::LinkError, new_password, password};
use crate::{
    app::App,
    config::SignUpMode,
    domain::{
        credential::{Password, PasswordCredential},
        event::{AuditEntry, Event},
        password_rules::NearWords,
        profile::Profile,
        token::Digest,
        user::User,
    },
    store::{
        StoreError, Tx, account, audit, credential,
        link::{self, LinkPurpose},
    },
};

/// What a person says of themselves. The mail address is not among it: the link was sent there.
#[derive(Debug)]
pub struct NewPerson {
    /// User name, name and whatever else.
    pub profile: Profile,
    /// Their password.
    pub password: Password,
}

/// The mail address that a link makes an account with, if it does and the settings still allow it.
pub fn email_of<'a>(app: &App, purpose: &'a LinkPurpose) -> Option<&'a str> {
    match (purpose, app.settings.signup.mode) {
        (LinkPurpose::SignUp(email), SignUpMode::Open)
        | (LinkPurpose::Invitation(email), SignUpMode::Open | SignUpMode::Invitation) => Some(email),
        (LinkPurpose::SignUp(_), SignUpMode::Off | SignUpMode::Invitation)
        | (LinkPurpose::Invitation(_), SignUpMode::Off)
        | (
            LinkPurpose::FirstAdministrator
            | LinkPurpose::ChoosePassword(_)
            | LinkPurpose::ResetPassword(_)
            | LinkPurpose::VerifyEmail(..)
            | LinkPurpose::ChangeEmail(..),
            _,
        ) => None,
    }
}

/// Makes the account. Whoever has the link reads mails at its address, so the address is verified; whoever has just chosen the
/// password has proven who they are. It is theirs once the transaction is committed: to sign in belongs to it, since the link is spent.
pub async fn create(
    app: &App,
    digest: &Digest,
    person: NewPerson,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<(Tx, Proof), LinkError> {
    let open = link::find(&mut app.store.read().await?, digest, now).await?.ok_or(LinkError::Spent)?;
    let email = email_of(app, &open.purpose).ok_or(LinkError::Spent)?;
    let mut user = User {
        id: UserId::new(app.random.id()),
        email: email.to_owned(),
        email_verified: true,
        username: None,
        claims: Map::new(),
        roles: BTreeSet::new(),
        enabled: true,
        second_factor_required: false,
        created_at: now,
        updated_at: now,
    };
    person.profile.apply(&mut user);
    let phc = new_password::hash(app, &person.password, NearWords::of_person(&user)).await?;

    let mut tx = app.store.write().await?;
    // Of many who are as far as this, one spends it.
    if link::spend(&mut tx, digest, now).await?.is_none() {
        return Err(LinkError::Spent);
    }
    account::insert(&mut tx, &user).await.map_err(|error| match error {
        StoreError::Conflict => LinkError::Taken,
        other => LinkError::Store(other),
    })?;
    let version = credential::set_password(&mut tx, &PasswordCredential { user: user.id.clone(), phc }, now).await?;
    let entry = AuditEntry::new(Event::UserCreated).user(&user.id).personal(device.personal());
    audit::record(&mut tx, &entry, now).await?;
    Ok((tx, password::proof(user, version, now)))
}
