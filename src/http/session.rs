//! The sessions behind a request's cookies: the present one, and those of other accounts beside it.

use axum::http::{HeaderMap, header};

use countersign_types::SessionId;

use super::{browser_state, cookies::Cookie, visitor::SECRET_CHARS};
use crate::{
    app::App,
    domain::{
        accounts::{Accounts, MOST},
        session::{Life, Session},
        token::{Digest, Secret},
    },
    store::{StoreError, session},
};

/// Between the values of the cookie that carries several.
const SEPARATOR: &str = ".";

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

/// All accounts of this browser. A visit prolongs the present one alone.
pub async fn accounts(app: &App, headers: &HeaderMap) -> Result<Accounts, StoreError> {
    let mut accounts = Accounts { present: present(app, headers).await?, ..Accounts::default() };
    let Some(beside) = Cookie::Beside.read(app, headers) else { return Ok(accounts) };
    let beside = beside.split(SEPARATOR).filter(|secret| secret.len() == SECRET_CHARS).take(MOST - 1);
    // Of one whose time is over the name is remembered, wherever it stood.
    let past = Cookie::Session.read(app, headers).filter(|_| accounts.present.is_none());
    let (lifetimes, now) = (app.session_lifetimes(), app.clock.now());
    let mut tx = app.store.read().await?;
    for cookie in past.into_iter().chain(beside) {
        let Some((found, ended_at)) = session::find_even_ended(&mut tx, &Digest::of(cookie)).await? else { continue };
        match found.life(ended_at, &lifetimes, now) {
            Life::Live if !accounts.knows(&found.user) => accounts.beside.push(found),
            Life::Expired => accounts.expired.push(found),
            Life::Live | Life::Ended => {}
        }
    }
    Ok(accounts.tidy())
}

/// What a browser keeps of its sessions from now on.
#[derive(Clone, Copy, Debug)]
pub enum Keep<'a> {
    /// Another cookie of the present one; the others are as they were.
    Present(&'a Secret, &'a SessionId),
    /// Other cookies of all: the present one, and those beside it.
    All(&'a Secret, &'a SessionId, &'a [Secret]),
    /// Nobody is present any more; the others are as they were.
    Others,
    /// None.
    Nothing,
}

/// Lets an answer set and take away the cookies of sessions. Nothing else does.
pub fn keep(app: &App, headers: &mut HeaderMap, keep: Keep<'_>) {
    let lifetime = Some(app.settings.lifetimes.session_absolute.as_secs());
    let (present, state) = match keep {
        Keep::Present(secret, session) | Keep::All(secret, session, _) => {
            (Cookie::Session.set(app, secret.expose(), lifetime), browser_state::cookie(app, session))
        }
        Keep::Others | Keep::Nothing => (Cookie::Session.clear(app), browser_state::clear_cookie(app)),
    };
    headers.append(header::SET_COOKIE, present);
    headers.append(header::SET_COOKIE, state);
    let beside = match keep {
        Keep::Present(..) | Keep::Others => return,
        Keep::Nothing | Keep::All(_, _, []) => Cookie::Beside.clear(app),
        Keep::All(_, _, secrets) => {
            let secrets: Vec<_> = secrets.iter().map(Secret::expose).collect();
            Cookie::Beside.set(app, &secrets.join(SEPARATOR), lifetime)
        }
    };
    headers.append(header::SET_COOKIE, beside);
}
