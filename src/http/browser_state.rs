//! What a browser knows of who is signed in on it, for apps that ask without us (OpenID Connect Session Management 1.0).
//!
//! A cookie that a script may read holds a value that changes when somebody signs in or out. An app gets a hash of it with each answer, and
//! `check_session_iframe` compares the two in the browser.

use axum::http::{HeaderMap, HeaderValue};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_types::SessionId;
use openssl::sha::sha256;
use url::Url;

use super::cookies::Cookie;
use crate::{
    app::App,
    domain::{api::OPENID, authorization::AuthorizationRequest},
};

/// The state of a browser with this session. Nothing can be learnt from it, and nothing be done with it.
fn browser_state(app: &App, session: &SessionId) -> String {
    URL_SAFE_NO_PAD.encode(app.keys.browser_state.authenticate(session.as_str().as_bytes()))
}

/// The header that gives a browser the state of its session.
pub(super) fn cookie(app: &App, session: &SessionId) -> HeaderValue {
    let max_age = app.settings.lifetimes.session_absolute.as_secs();
    Cookie::BrowserState.set(app, &browser_state(app, session), Some(max_age))
}

/// The same, unless it has it already.
pub fn missing_cookie(app: &App, headers: &HeaderMap, session: &SessionId) -> Option<HeaderValue> {
    let has = Cookie::BrowserState.read(app, headers);
    (has != Some(&browser_state(app, session))).then(|| cookie(app, session))
}

/// The header that takes it away.
pub fn clear_cookie(app: &App) -> HeaderValue {
    Cookie::BrowserState.clear(app)
}

/// The `session_state` of an answer (Session Management 1.0 §2). None for what is no sign-in, and where a browser has no origin to ask
/// from: at a native app.
pub fn session_state(app: &App, request: &AuthorizationRequest, session: &SessionId) -> Option<String> {
    let origin = Url::parse(&request.redirect_uri).ok()?.origin();
    (request.scope.contains(OPENID) && origin.is_tuple()).then(|| {
        let asker = (request.client_id.as_str(), origin.ascii_serialization());
        hash((asker.0, &asker.1), &browser_state(app, session), &app.random.id())
    })
}

/// §3.2, and the script of `check_session_iframe`: over these four, with a space between each two.
fn hash((client_id, origin): (&str, &str), browser_state: &str, salt: &str) -> String {
    let digest = sha256(format!("{client_id} {origin} {browser_state} {salt}").as_bytes());
    format!("{}.{salt}", URL_SAFE_NO_PAD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn each_part_counts() {
        let asker = ("app", "https://app.example");
        let one = hash(asker, "state", "salt");
        assert_eq!(one, "TKK2TP5n4yQUmW1lBiWgEa8HDbaWxity4AYe1hjau78.salt");
        for other in [
            hash(("other", asker.1), "state", "salt"),
            hash((asker.0, "https://other.example"), "state", "salt"),
            hash(asker, "other", "salt"),
            hash(asker, "state", "other"),
        ] {
            assert_ne!(other.split('.').next(), one.split('.').next());
        }
    }
}
