//! Sign-in by password.

use chrono::{DateTime, Utc};
use countersign_types::vocabulary::ACR_PASSWORD;

use super::{
    Device, Proof,
    throttle::{self, Throttled},
};
use crate::{
    app::App,
    domain::{
        credential::Password,
        event::{AuditEntry, Event},
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
            HashError::Argon2(_) => Self::Hash(error),
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
    let found = match &user {
        Some(user) if user.enabled => credential::find_password(&mut tx, &user.id).await?,
        _ => None,
    };
    drop(tx);

    let entry = |event| {
        let entry = AuditEntry::new(event).personal(device.personal());
        match &user {
            Some(user) => entry.user(&user.id),
            None => entry,
        }
    };
    let account = user.as_ref().map_or_else(|| fold(name), |user| user.id.to_string());
    let attempt = match throttle::begin(app, &account, device, now).await {
        Ok(attempt) => attempt,
        Err(throttled) => {
            record(app, &entry(Event::LoginThrottled), now).await?;
            return Err(LoginError::Throttled(throttled));
        }
    };

    // A password that is too long is still compared, with nothing that it could match, to take the same time.
    let password = Password::typed(password);
    let (phc, version) = found.filter(|_| password.is_some()).map(|(found, version)| (found.phc, version)).unzip();
    let typed = password.or_else(|| Password::typed(String::new())).ok_or(LoginError::Invalid)?;
    let matches = app.passwords.verify(phc, &typed).await?;
    let failed = entry(Event::LoginFailed);
    match user.zip(version) {
        Some((user, password)) if matches => {
            throttle::succeed(app, &attempt).await;
            Ok(Proof { user, password, amr: vec!["pwd".to_owned()], acr: ACR_PASSWORD, at: now })
        }
        _ => {
            record(app, &failed, now).await?;
            Err(LoginError::Invalid)
        }
    }
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

async fn record(app: &App, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut tx = app.store.write().await?;
    audit::record(&mut tx, entry, now).await?;
    tx.commit().await
}
