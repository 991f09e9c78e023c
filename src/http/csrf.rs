//! Form tokens: a form of ours counts only when it comes back from the browser that was shown it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{form::Parameters, visitor::Visitor};
use crate::app::App;

/// The name of the hidden field.
pub const FIELD: &str = "csrf";

/// The token for a form that this browser is shown.
pub fn token(app: &App, visitor: &Visitor) -> String {
    make(app, visitor.binding().as_bytes())
}

/// Whether a form came from a page that this browser was shown.
pub fn is_valid(app: &App, visitor: &Visitor, form: &Parameters) -> bool {
    visitor.is_known() && is_made(app, visitor.binding().as_bytes(), form)
}

/// The token for a form that is about whoever is signed in: it counts for nobody who takes their place meanwhile.
pub fn token_of_owner(app: &App, visitor: &Visitor) -> String {
    make(app, &of_owner(visitor))
}

/// Whether such a form came from a page that this browser was shown while the same person was signed in.
pub fn is_of_owner(app: &App, visitor: &Visitor, form: &Parameters) -> bool {
    visitor.is_known() && is_made(app, &of_owner(visitor), form)
}

fn of_owner(visitor: &Visitor) -> Vec<u8> {
    [visitor.binding().as_bytes(), visitor.browser_state().unwrap_or_default().as_bytes()].concat()
}

fn make(app: &App, text: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(app.keys.csrf.authenticate(text))
}

fn is_made(app: &App, text: &[u8], form: &Parameters) -> bool {
    let sent = URL_SAFE_NO_PAD.decode(form.get(FIELD).unwrap_or_default());
    sent.is_ok_and(|sent| app.keys.csrf.is_authentic(text, &sent))
}
