//! A sign-in whose password was right, while it waits for the second factor.
//!
//! It is sealed into a cookie of its own, for the browser that it began on, for one password and for ten minutes. So a password
//! alone opens no session, nothing is stored for it, and without it a code opens nothing either.

use axum::http::{HeaderMap, HeaderValue};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::UserId;
use serde::{Deserialize, Serialize};

use super::{cookies::Cookie, visitor::Visitor};
use crate::{
    app::App,
    domain::{credential::CredentialVersion, second_factor::Shown},
    login::Proof,
    store::{StoreError, account},
};

/// How long a sign-in waits.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

#[derive(Serialize, Deserialize)]
struct Waiting {
    user: UserId,
    password: i64,
    at: DateTime<Utc>,
}

/// What it is sealed for: this, in this browser.
fn context(visitor: &Visitor) -> Vec<u8> {
    [b"waiting sign-in".as_slice(), visitor.binding().as_bytes()].concat()
}

/// The header that lets a sign-in wait.
pub fn cookie(app: &App, visitor: &Visitor, proof: &Proof) -> HeaderValue {
    let waiting = Waiting { user: proof.user.id.clone(), password: proof.password.0, at: proof.at };
    // Plain data of our own always serializes; if it ever did not, the person would sign in again.
    let json = serde_json::to_vec(&waiting).unwrap_or_default();
    let sealed = app.keys.second_factor.seal(&json, &context(visitor), &app.random);
    Cookie::Waiting.set(app, &URL_SAFE_NO_PAD.encode(sealed), Some(LIFETIME.num_seconds().unsigned_abs()))
}

/// The header that ends the wait.
pub fn clear_cookie(app: &App) -> HeaderValue {
    Cookie::Waiting.clear(app)
}

/// The sign-in that waits in this browser, if it is not too old. Whether its password is still the one is seen when it is
/// completed.
pub async fn find(app: &App, visitor: &Visitor, headers: &HeaderMap) -> Result<Option<Proof>, StoreError> {
    let Some(Waiting { user, password, at }) = open(app, visitor, headers) else { return Ok(None) };
    let user = account::find(&mut app.store.read().await?, &user).await?.filter(|user| user.enabled);
    Ok(user.map(|user| Proof {
        user,
        password: CredentialVersion(password),
        shown: Shown::NothingYet,
        password_at: at,
        at,
    }))
}

fn open(app: &App, visitor: &Visitor, headers: &HeaderMap) -> Option<Waiting> {
    let sealed = URL_SAFE_NO_PAD.decode(Cookie::Waiting.read(app, headers)?).ok()?;
    let json = app.keys.second_factor.open(&sealed, &context(visitor)).ok()?;
    let waiting: Waiting = serde_json::from_slice(&json).ok()?;
    (app.clock.now() < waiting.at + LIFETIME).then_some(waiting)
}
