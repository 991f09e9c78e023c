//! `user require-mfa` and `user reset-mfa`: the second factor of one person.

use serde_json::{Value, json};

use super::{CliError, Output};
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event, Remover},
        session::SessionEnd,
        user::User,
    },
    login::{second_factor, session},
    store::{StoreError, account, audit, credential, recovery_code},
};

/// Demands a second factor of a person, or no longer.
pub(super) async fn require(app: &App, user: &User, required: bool, out: Output) -> Result<(), CliError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    account::require_second_factor(&mut tx, &user.id, required, now).await?;
    let event = Event::SecondFactorRequired { required };
    audit::record(&mut tx, &AuditEntry::new(event).user(&user.id), now).await?;
    tx.commit().await?;
    let demands = app.settings.second_factor.policy.demands(&User { second_factor_required: required, ..user.clone() });
    let text = match (required, demands) {
        (true, _) => format!("{} must have a second factor from the next sign-in on.", user.email),
        (false, false) => format!("{} may do without a second factor.", user.email),
        (false, true) => {
            format!("{} must still have a second factor, since the settings `second_factor.*` say so.", user.email)
        }
    };
    out.print(&json!({ "id": user.id, "second_factor_required": demands }), text)
}

/// Takes the second factor from a person who lost it, and their recovery codes.
pub(super) async fn reset(app: &App, user: &User, out: Output) -> Result<(), CliError> {
    let mut tx = app.store.write().await?;
    let now = app.clock.now();
    let had_one = second_factor::remove(app, &mut tx, user, Remover::Operator, now).await?;
    if had_one {
        // Whoever found what was lost may be signed in by it.
        session::end_all(app, &mut tx, user, SessionEnd::Revoked, now).await?;
    }
    tx.commit().await?;
    let text = if had_one {
        format!(
            "{} was signed out everywhere, signs in with the password alone now, and can set up a second factor again.",
            user.email
        )
    } else {
        format!("{} has no second factor.", user.email)
    };
    out.print(&json!({ "id": user.id, "removed": had_one }), text)
}

/// What there is to say of a person's second factor.
pub(super) async fn describe(app: &App, user: &User) -> Result<Value, StoreError> {
    let mut tx = app.store.read().await?;
    let totp = credential::find_totp(&mut tx, &user.id).await?;
    Ok(json!({
        "required": app.settings.second_factor.policy.demands(user),
        "since": totp.map(|totp| totp.created_at),
        "recovery_codes": recovery_code::count_unused(&mut tx, &user.id).await?,
    }))
}
