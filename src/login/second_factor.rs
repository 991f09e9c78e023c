//! The second factor: proving it at a sign-in or on a session, setting it up and taking it away.

use std::fmt;

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{
    Device, Proof, device,
    mail::{self, Recipient},
    recovery_code,
    session::{Begun, SignedIn, begin, strengthen},
    throttle::{self, Target, Throttled},
    totp,
};
use crate::{
    app::App,
    domain::{
        accounts::{Accounts, Manner},
        event::{AuditEntry, Event, Remover},
        mail::Mail,
        recovery_code::RecoveryCode,
        second_factor::{Factor, Shown, Standing, TypedCode},
        session::Session,
        totp::{Step, TotpSecret},
        user::User,
    },
    store::{StoreError, Tx, account, audit, credential, device as devices, recovery_code as recovery_codes},
};

/// A code, as somebody typed it somewhere.
#[derive(Clone, Copy)]
pub struct Typed<'a> {
    /// What they typed.
    pub code: &'a str,
    /// Where.
    pub device: &'a Device,
    /// When.
    pub at: DateTime<Utc>,
}

impl fmt::Debug for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a code opened nothing.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// It is wrong or was used, or the person has no second factor. Which of them is nobody's business.
    #[error("the code is wrong or was used already")]
    Wrong,
    /// Too many tries.
    #[error("too many tries; wait {} seconds", .0.retry_after.as_secs().max(1))]
    Throttled(Throttled),
    /// What the code was to complete is gone: the password was changed, the account disabled or the session ended.
    #[error("the sign-in does not count any more")]
    Void,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a person has a second factor.
pub async fn is_enrolled(app: &App, user: &UserId) -> Result<bool, StoreError> {
    Ok(credential::find_totp(&mut app.store.read().await?, user).await?.is_some())
}

/// How a person stands with the second factor on this device.
pub async fn standing(
    app: &App,
    tx: &mut Tx,
    user: &User,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Standing, StoreError> {
    if credential::find_totp(tx, &user.id).await?.is_some() {
        return Ok(Standing::Enrolled { trusted_device: device::is_trusted(app, tx, &user.id, device, now).await? });
    }
    Ok(Standing::Without { demanded: app.settings.second_factor.policy.demands(user) })
}

/// Completes a sign-in whose password was right. The code is spent if, and only if, the session begins.
pub async fn complete(
    app: &App,
    typed: Typed<'_>,
    proof: &Proof,
    there: (Accounts, Manner),
    trust_device: bool,
) -> Result<SignedIn, CodeError> {
    let attempt = Attempt::begin(app, typed, &proof.user).await?;
    let outcome = async {
        let mut tx = app.store.write().await?;
        let Some(factor) = attempt.accept(&mut tx).await? else { return attempt.fail(tx).await };
        let proof = Proof { shown: Shown::Factor(factor), at: typed.at, ..proof.clone() };
        let mut signed_in = match begin(app, &mut tx, &proof, there, typed.device).await? {
            Begun::SignedIn(signed_in) => *signed_in,
            // Nothing else is missing.
            Begun::Void | Begun::AskCode | Begun::Enrol => return Err(CodeError::Void),
        };
        if trust_device {
            device::trust(app, &mut tx, &mut signed_in, typed.device, typed.at).await?;
        }
        tx.commit().await?;
        Ok(signed_in)
    };
    attempt.settle(outcome.await).await
}

/// Makes a session as strong as a sign-in with both factors. The code is spent if, and only if, that happens.
pub async fn step_up(app: &App, typed: Typed<'_>, session: &Session) -> Result<SignedIn, CodeError> {
    let user = account::find(&mut app.store.read().await?, &session.user).await?.ok_or(CodeError::Void)?;
    let attempt = Attempt::begin(app, typed, &user).await?;
    let outcome = async {
        let mut tx = app.store.write().await?;
        let Some(factor) = attempt.accept(&mut tx).await? else { return attempt.fail(tx).await };
        let strengthened = strengthen(app, &mut tx, session, factor, typed.device, typed.at).await?;
        let signed_in = strengthened.ok_or(CodeError::Void)?;
        tx.commit().await?;
        Ok(signed_in)
    };
    attempt.settle(outcome.await).await
}

/// A try at a code, counted before the code is looked at.
struct Attempt<'a> {
    app: &'a App,
    typed: Typed<'a>,
    user: &'a User,
    counted: throttle::Attempt,
}

impl<'a> Attempt<'a> {
    async fn begin(app: &'a App, typed: Typed<'a>, user: &'a User) -> Result<Self, CodeError> {
        let own = device::own(&mut app.store.read().await?, Some(&user.id), typed.device).await?;
        let target = Target::SecondFactor { user: &user.id, own: own.as_ref() };
        match throttle::begin(app, target, typed.device, typed.at).await {
            Ok(counted) => Ok(Self { app, typed, user, counted }),
            Err(throttled) => {
                if throttled.is_news {
                    let entry = AuditEntry::new(Event::SecondFactorThrottled).user(&user.id);
                    let mut tx = app.store.write().await?;
                    audit::record(&mut tx, &entry.personal(typed.device.personal()), typed.at).await?;
                    tx.commit().await?;
                }
                Err(CodeError::Throttled(throttled))
            }
        }
    }

    /// Which factor the code is of, if it is right; then it is spent, with this transaction.
    async fn accept(&self, tx: &mut Tx) -> Result<Option<Factor>, StoreError> {
        let (user, now) = (&self.user.id, self.typed.at);
        match TypedCode::read(self.typed.code) {
            None => Ok(None),
            Some(TypedCode::Totp(code)) => Ok(totp::accept(tx, user, &code, now).await?.then_some(Factor::Totp)),
            Some(TypedCode::Recovery(code)) => {
                let Some(left) = recovery_code::accept(tx, user, &code, now).await? else { return Ok(None) };
                audit::record(tx, &self.entry(Event::RecoveryCodeUsed { left }), now).await?;
                let owner = Recipient::of(tx, self.user).await?;
                mail::queue(self.app, tx, &owner, &Mail::RecoveryCodeUsed { left }, now).await?;
                Ok(Some(Factor::RecoveryCode))
            }
        }
    }

    fn entry(&self, event: Event) -> AuditEntry {
        AuditEntry::new(event).user(&self.user.id).personal(self.typed.device.personal())
    }

    async fn fail<T>(&self, mut tx: Tx) -> Result<T, CodeError> {
        audit::record(&mut tx, &self.entry(Event::SecondFactorFailed), self.typed.at).await?;
        tx.commit().await?;
        Err(CodeError::Wrong)
    }

    /// What the try counts as, now that it is over.
    async fn settle<T>(&self, outcome: Result<T, CodeError>) -> Result<T, CodeError> {
        match &outcome {
            Ok(_) => throttle::succeed(self.app, &self.counted).await,
            // By no fault of theirs, and nobody learned whether it was right.
            Err(CodeError::Store(_)) => throttle::take_back(self.app, &self.counted).await,
            Err(CodeError::Wrong | CodeError::Void | CodeError::Throttled(_)) => {}
        }
        outcome
    }
}

/// Whose first second factor it is, and what they have proved.
#[derive(Debug)]
pub enum First {
    /// Somebody whose sign-in waits for it.
    OfSignIn {
        /// The sign-in.
        proof: Box<Proof>,
        /// Who is signed in on the browser, and how the person comes to them.
        there: (Accounts, Manner),
    },
    /// Somebody who is signed in.
    OfSession(Session),
}

/// A person with a second factor, signed in by it.
#[derive(Debug)]
pub struct Enrolled {
    /// Their session.
    pub signed_in: SignedIn,
    /// Their recovery codes, to be shown once.
    pub codes: Vec<RecoveryCode>,
}

/// Why no second factor was set up.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is one, and a password alone must not replace it.
    #[error("the account has a second factor already")]
    AlreadyEnrolled,
    /// The password was changed, the account disabled or the session ended.
    #[error("the sign-in does not count any more")]
    Void,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets up a person's first second factor, and signs them in by it. `proven` is the secret, and the step of the code that proved
/// that an app has it.
pub async fn complete_enrolment(
    app: &App,
    first: First,
    proven: (&TotpSecret, Step),
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Enrolled, EnrolError> {
    let mut tx = app.store.write().await?;
    let user = match &first {
        First::OfSignIn { proof, .. } => proof.user.clone(),
        First::OfSession(session) => account::find(&mut tx, &session.user).await?.ok_or(EnrolError::Void)?,
    };
    if !credential::add_totp(&mut tx, &user.id, proven.0, proven.1, now).await? {
        return Err(EnrolError::AlreadyEnrolled);
    }
    let codes = enrolled(app, &mut tx, &user, now).await?;
    let signed_in = match first {
        First::OfSignIn { proof, there } => {
            let proof = Proof { shown: Shown::Factor(Factor::Totp), at: now, ..*proof };
            match begin(app, &mut tx, &proof, there, device).await? {
                Begun::SignedIn(signed_in) => *signed_in,
                // Nothing else is missing.
                Begun::Void | Begun::AskCode | Begun::Enrol => return Err(EnrolError::Void),
            }
        }
        First::OfSession(session) => {
            strengthen(app, &mut tx, &session, Factor::Totp, device, now).await?.ok_or(EnrolError::Void)?
        }
    };
    tx.commit().await?;
    Ok(Enrolled { signed_in, codes })
}

/// Gives a person who has proved both factors another second factor, in place of the one that they have, if they have one. The
/// recovery codes are to be shown once.
pub async fn replace(
    app: &App,
    tx: &mut Tx,
    user: &User,
    proven: (&TotpSecret, Step),
    now: DateTime<Utc>,
) -> Result<Vec<RecoveryCode>, StoreError> {
    credential::set_totp(tx, &user.id, proven.0, proven.1, now).await?;
    enrolled(app, tx, user, now).await
}

/// What follows from a new second factor. The recovery codes are to be shown once.
async fn enrolled(app: &App, tx: &mut Tx, user: &User, now: DateTime<Utc>) -> Result<Vec<RecoveryCode>, StoreError> {
    devices::forget_second_factors(tx, &user.id).await?;
    let codes = recovery_code::replace(app, tx, &user.id, now).await?;
    audit::record(tx, &AuditEntry::new(Event::SecondFactorEnrolled).user(&user.id), now).await?;
    let owner = Recipient::of(tx, user).await?;
    mail::queue(app, tx, &owner, &Mail::SecondFactorOn, now).await?;
    Ok(codes)
}

/// Takes the second factor from a person, and all that stood in for it. `false`, and nothing happens, if they had none.
pub async fn remove(app: &App, tx: &mut Tx, user: &User, by: Remover, now: DateTime<Utc>) -> Result<bool, StoreError> {
    if !credential::remove_totp(tx, &user.id).await? {
        return Ok(false);
    }
    recovery_codes::remove(tx, &user.id).await?;
    devices::forget_second_factors(tx, &user.id).await?;
    audit::record(tx, &AuditEntry::new(Event::SecondFactorRemoved { by }).user(&user.id), now).await?;
    let owner = Recipient::of(tx, user).await?;
    mail::queue(app, tx, &owner, &Mail::SecondFactorOff, now).await?;
    Ok(true)
}

/// Gives a person new recovery codes, to be shown once. Those that they had are dead.
pub async fn renew_recovery_codes(
    app: &App,
    tx: &mut Tx,
    user: &User,
    now: DateTime<Utc>,
) -> Result<Vec<RecoveryCode>, StoreError> {
    let codes = recovery_code::replace(app, tx, &user.id, now).await?;
    audit::record(tx, &AuditEntry::new(Event::RecoveryCodesRenewed).user(&user.id), now).await?;
    let owner = Recipient::of(tx, user).await?;
    mail::queue(app, tx, &owner, &Mail::RecoveryCodesRenewed, now).await?;
    Ok(codes)
}

/// Asks for the second factor on every device of a person again.
pub async fn distrust_devices(tx: &mut Tx, user: &User, now: DateTime<Utc>) -> Result<(), StoreError> {
    devices::forget_second_factors(tx, &user.id).await?;
    audit::record(tx, &AuditEntry::new(Event::DevicesDistrusted).user(&user.id), now).await
}
