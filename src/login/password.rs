//! Sign-in by password.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};

use super::{
    Device, Proof, device,
    throttle::{self, Target, Throttled},
};
use crate::{
    app::App,
    domain::{
        credential::{CredentialVersion, Password, PasswordCredential},
        event::{AuditEntry, Event},
        second_factor::Shown,
        user::{User, fold},
    },
    passwords::HashError,
    store::{StoreError, account, audit, credential},
};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Name and password do not belong together. Whether the name exists is nobody's business.
    #[error("name and password do not match an account")]
    Invalid,
    /// Too many tries.
    #[error("too many tries; wait {} seconds", .0.retry_after.as_secs().max(1))]
    Throttled(Throttled),
    /// Too many people at once.
    #[error("too many people are signing in; try again in a moment")]
    Busy,
    /// The hash of this account cannot be used.
    #[error(transparent)]
    Hash(HashError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<HashError> for LoginError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Failed(_) => Self::Hash(error),
        }
    }
}

impl LoginError {
    /// Whether it was for our sake that a try came to nothing, before anybody learned whether it was right.
    fn is_ours(&self) -> bool {
        match self {
            Self::Busy | Self::Store(_) => true,
            // The hash of one account stays as it is: nobody is to ask for it without end.
            Self::Invalid | Self::Throttled(_) | Self::Hash(_) => false,
        }
    }
}

/// Checks a name and a password. Failures are written to the audit trail here, success by whoever starts the session.
pub async fn prove(
    app: &App,
    name: &str,
    password: String,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Proof, LoginError> {
    let mut tx = app.store.read().await?;
    let user = account::find_by_name(&mut tx, name).await?;
    let own = match &user {
        Some(user) => credential::find_password(&mut tx, &user.id).await?,
        None => None,
    };
    let compared = match &own {
        Some((own, _)) => Some(own.phc.clone()),
        None => credential::stand_in(&mut tx, &place(app, name)).await?,
    };
    let own_device = device::own(&mut tx, user.as_ref().map(|user| &user.id), device).await?;
    drop(tx);

    let account = user.as_ref().map_or_else(|| fold(name), |user| user.id.to_string());
    let entry = |event| {
        let entry = AuditEntry::new(event).personal(device.personal());
        user.iter().fold(entry, |entry, user| entry.user(&user.id))
    };
    let target = Target::Password { account: &account, own: own_device.as_ref() };
    let attempt = match throttle::begin(app, target, device, now).await {
        Ok(attempt) => attempt,
        Err(throttled) => {
            if throttled.is_news {
                record(app, &entry(Event::LoginThrottled), now).await?;
            }
            return Err(LoginError::Throttled(throttled));
        }
    };

    // A try that cannot be right is compared all the same, with what it could not match, to take the same time.
    let password = Password::typed(password);
    let is_possible = password.is_some() && user.as_ref().is_some_and(|user| user.enabled);
    let typed = password.or_else(|| Password::typed(String::new())).ok_or(LoginError::Invalid)?;
    let outcome = async {
        if app.passwords.verify(compared, &typed).await? && is_possible {
            return Ok(());
        }
        record(app, &entry(Event::LoginFailed), now).await?;
        Err(LoginError::Invalid)
    };
    match outcome.await {
        Ok(()) => throttle::succeed(app, &attempt).await,
        Err(error) => {
            if error.is_ours() {
                throttle::take_back(app, &attempt).await;
            }
            return Err(error);
        }
    }
    let (user, (own, password)) = user.zip(own).ok_or(LoginError::Invalid)?;
    if app.passwords.is_outdated(&own.phc)
        && let Err(error) = upgrade(app, own, password, &typed, now).await
    {
        tracing::warn!(%error, "an outdated password hash could not be replaced; the next sign-in tries again");
    }
    Ok(proof(user, password, now))
}

/// That a person has just shown to know their password.
pub fn proof(user: User, password: CredentialVersion, now: DateTime<Utc>) -> Proof {
    Proof { user, password, shown: Shown::Nothing, password_at: now, at: now }
}

/// Checks the password of a person who is signed in.
pub async fn prove_again(
    app: &App,
    user: &User,
    password: String,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Proof, LoginError> {
    let proof = prove(app, &user.email, password, device, now).await?;
    // The address may have gone to someone else a moment ago.
    if proof.user.id == user.id { Ok(proof) } else { Err(LoginError::Invalid) }
}

/// Where a name that has no password stands among the accounts, which are in the order of random ids: always at the same place,
/// and nobody outside knows which.
///
/// Hashes that were imported cost more or less than our own. So the one that comes next there stands in for the missing one:
/// among names that nobody has, costly ones are then as frequent as among those that somebody has.
fn place(app: &App, name: &str) -> String {
    URL_SAFE_NO_PAD.encode(app.keys.stand_in.authenticate(fold(name).as_bytes()))
}

/// Replaces a hash that was imported, or made with other settings. It stays the same password.
async fn upgrade(
    app: &App,
    own: PasswordCredential,
    version: CredentialVersion,
    typed: &Password,
    now: DateTime<Utc>,
) -> Result<(), LoginError> {
    let upgraded = PasswordCredential { phc: app.passwords.hash(typed).await?, ..own };
    let mut tx = app.store.write().await?;
    credential::replace_hash(&mut tx, &upgraded, version, now).await?;
    Ok(tx.commit().await?)
}

async fn record(app: &App, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut tx = app.store.write().await?;
    audit::record(&mut tx, entry, now).await?;
    tx.commit().await
}
