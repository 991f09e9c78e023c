//! Signing in beside whoever is signed in on the browser already, where no app's request says so.
//!
//! That the person chose it travels in the address as `beside`, sealed for this browser: nobody else can write such an address,
//! and send somebody there who does not know that others stay signed in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::visitor::Visitor;
use crate::app::App;

/// How long the choice counts.
const LIFETIME: TimeDelta = TimeDelta::minutes(30);

#[derive(Serialize, Deserialize)]
struct Chosen {
    login_hint: Option<String>,
    at: DateTime<Utc>,
}

/// What it is sealed for: this, in this browser.
fn context(visitor: &Visitor) -> Vec<u8> {
    [b"beside".as_slice(), visitor.binding().as_bytes()].concat()
}

/// The value of `beside`, with the name that stands in the form, if it is known.
pub fn seal(app: &App, visitor: &Visitor, login_hint: Option<String>) -> String {
    // Plain data of our own always serializes; if it ever did not, the person would choose again.
    let json = serde_json::to_vec(&Chosen { login_hint, at: app.clock.now() }).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(app.keys.interaction.seal(&json, &context(visitor), &app.random))
}

/// The name that stands in the form, if this browser chose so a moment ago.
pub fn open(app: &App, visitor: &Visitor, sealed: &str) -> Option<String> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let json = app.keys.interaction.open(&sealed, &context(visitor)).ok()?;
    let Chosen { login_hint, at } = serde_json::from_slice(&json).ok()?;
    (app.clock.now() < at + LIFETIME).then(|| login_hint.unwrap_or_default())
}

/// The way to a page on which the choice counts.
pub fn address(path: &str, sealed: &str) -> String {
    format!("{path}?beside={sealed}")
}
