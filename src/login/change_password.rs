//! Another password, by whoever knows the present one.

use chrono::{DateTime, Utc};

use super::{
    Device, link,
    new_password::{self, NewPasswordError},
    password::{self, LoginError},
    session,
};
use crate::{
    app::App,
    domain::{
        credential::{Password, PasswordError},
        password_rules::NearWords,
        session::{Session, SessionEnd},
        token::Secret,
        user::User,
    },
    passwords::HashError,
    store::{StoreError, account, credential, session as sessions},
};

/// What a person who is signed in asks for.
#[derive(Debug)]
pub struct Change<'a> {
    /// Whose password it is.
    pub user: &'a User,
    /// Where they are signed in.
    pub session: &'a Session,
    /// The new password.
    pub new: &'a Password,
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The present one was not right, or could not be looked at.
    #[error(transparent)]
    Present(#[from] LoginError),
    /// The new one breaks a rule.
    #[error(transparent)]
    New(PasswordError),
    /// The new one could not be hashed.
    #[error(transparent)]
    Hash(HashError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NewPasswordError> for ChangeError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Refused(error) => Self::New(error),
            NewPasswordError::Hash(error) => Self::Hash(error),
        }
    }
}

/// Changes the password of a person who types the present one too (ASVS 6.2.3), and ends what was signed in under it, but for
/// their session here: the new value of its cookie.
pub async fn run(
    app: &App,
    change: Change<'_>,
    present: String,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Secret, ChangeError> {
    let Change { user, session, new } = change;
    let proof = password::prove_again(app, user, present, device, now).await?;
    let phc = new_password::hash(app, new, NearWords::of_person(user)).await?;
    let cookie = app.random.secret();
    let mut tx = app.store.write().await?;
    // Meanwhile someone else may have changed it, disabled the account or ended the session: then this proved nothing.
    let still_counts = account::hold_enabled(&mut tx, &user.id).await?
        && credential::hold_password(&mut tx, &user.id, proof.password).await?
        && sessions::touch(&mut tx, &session.id, now).await?;
    if !still_counts {
        return Err(LoginError::Invalid.into());
    }
    session::end_others(app, &mut tx, session, SessionEnd::PasswordChanged, now).await?;
    link::store_password(app, &mut tx, user, phc, now).await?;
    // A password alone makes no sign-in with two factors fresh.
    let auth_time = if session.has_second_factor() { session.auth_time } else { now };
    let kept = Session { auth_time, last_seen: now, ..session.clone() };
    sessions::reauthenticate(&mut tx, &kept, &cookie.digest()).await?;
    tx.commit().await?;
    Ok(cookie)
}
