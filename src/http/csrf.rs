//! Form tokens: a form of ours counts only when it comes back from the browser that was shown it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{form::Parameters, visitor::Visitor};
use crate::app::App;

/// The name of the hidden field.
pub const FIELD: &str = "csrf";

/// The token for a form that this browser is shown.
pub fn token(app: &App, visitor: &Visitor) -> String {
    URL_SAFE_NO_PAD.encode(app.keys.csrf.authenticate(visitor.binding().as_bytes()))
}

/// Whether a form came from a page that this browser was shown.
pub fn is_valid(app: &App, visitor: &Visitor, form: &Parameters) -> bool {
    let sent = URL_SAFE_NO_PAD.decode(form.get(FIELD).unwrap_or_default());
    visitor.is_known() && sent.is_ok_and(|sent| app.keys.csrf.is_authentic(visitor.binding().as_bytes(), &sent))
}
