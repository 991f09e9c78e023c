//! From a proof to a session in the browser, whichever page asked for the proof.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    cookies::Cookie,
    error_page::ErrorPage,
    interaction::{self, RESUME},
    owner::{self, Place},
    session,
    visitor::Visitor,
};
use crate::{
    app::App,
    domain::{device::DEVICE_LIFETIME, token::Secret},
    login::{Proof, session::begin},
};

/// Where a person goes once they are signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// On with the sealed request of an app.
    App(String),
    /// To a page of the account area.
    Account(Place),
    /// To the start page.
    Start,
}

impl Onward {
    /// The way there.
    pub fn path(&self) -> String {
        match self {
            Self::App(sealed) => interaction::address(RESUME, sealed),
            Self::Account(place) => place.path().to_owned(),
            Self::Start => "/".to_owned(),
        }
    }

    /// The way to a page that leads there in the end.
    pub fn by(&self, page: &str) -> String {
        match self {
            Self::App(sealed) => interaction::address(page, sealed),
            Self::Account(place) => owner::address(page, *place),
            Self::Start => page.to_owned(),
        }
    }
}

/// Begins a session on a proof, gives the browser its cookies and sends it onward. `None`, and nothing happens, if the proof
/// counts no more: the password was changed or the account disabled since.
pub async fn sign_in(
    app: &App,
    visitor: &Visitor,
    headers: &HeaderMap,
    proof: &Proof,
    onward: &Onward,
) -> Result<Option<Response>, ErrorPage> {
    let present = session::present(app, headers).await?;
    let mut tx = app.store.write().await?;
    let Some(signed_in) = begin(app, &mut tx, proof, present, &visitor.device).await? else { return Ok(None) };
    tx.commit().await?;

    let mut response = Redirect::to(&onward.path()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(header::SET_COOKIE, session::cookie(app, &signed_in.cookie));
    headers.append(header::SET_COOKIE, device_cookie(app, &signed_in.device));
    Ok(Some(response))
}

/// The header that sets the cookie of a person's own device.
pub fn device_cookie(app: &App, cookie: &Secret) -> HeaderValue {
    Cookie::Device.set(app, cookie.expose(), Some(DEVICE_LIFETIME.num_seconds().unsigned_abs()))
}
