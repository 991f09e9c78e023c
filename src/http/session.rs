//! The session behind a request's cookie.

use axum::http::{HeaderMap, HeaderValue};

use super::cookies::Cookie;
use crate::{
    app::App,
    domain::{
        session::Session,
        token::{Digest, Secret},
    },
    store::{StoreError, session},
};

/// Who is signed in on this browser, if the session is still good. A visit prolongs it.
pub async fn present(app: &App, headers: &HeaderMap) -> Result<Option<Session>, StoreError> {
    let Some(cookie) = Cookie::Session.read(app, headers) else { return Ok(None) };
    let found = session::find_by_cookie(&mut app.store.read().await?, &Digest::of(cookie)).await?;
    let (lifetimes, now) = (app.session_lifetimes(), app.clock.now());
    let Some(session) = found.filter(|session| session.is_live(&lifetimes, now)) else { return Ok(None) };
    if session.should_touch(&lifetimes, now) {
        let mut tx = app.store.write().await?;
        if !session::touch(&mut tx, &session.id, now).await? {
            return Ok(None);
        }
        tx.commit().await?;
    }
    Ok(Some(session))
}

/// The header that gives a browser its session.
pub fn cookie(app: &App, secret: &Secret) -> HeaderValue {
    Cookie::Session.set(app, secret.expose(), Some(app.settings.lifetimes.session_absolute.as_secs()))
}

/// The header that takes it away.
pub fn clear_cookie(app: &App) -> HeaderValue {
    Cookie::Session.clear(app)
}
