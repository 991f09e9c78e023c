//! From a proof to a session in the browser, whichever page asked for the proof.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    beside,
    cookies::Cookie,
    error_page::ErrorPage,
    interaction::{self, RESUME},
    owner::{self, Place},
    session::{self, Keep},
    visitor::Visitor,
    waiting,
};
use crate::{
    app::App,
    domain::{
        accounts::{Accounts, Manner},
        device::DEVICE_LIFETIME,
        token::Secret,
    },
    login::{
        Proof,
        session::{Begun, SignedIn, begin},
    },
    store::Tx,
};

/// Where a person chooses among the accounts of the browser.
pub const ACCOUNTS: &str = "/accounts";
/// Where a code of the second factor is asked for.
pub const CODE: &str = "/login/totp";
/// Where a second factor is set up during a sign-in.
pub const ENROL: &str = "/login/second-factor";

/// Where a person goes once they are signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// On with the request of an app.
    App {
        /// The request, sealed.
        sealed: String,
        /// What the person chose in it.
        manner: Manner,
    },
    /// To a page of the account area.
    Account(Place),
    /// To the overview of the account area, beside whoever is signed in. It is sealed that the person chose that.
    Beside(String),
    /// To the start page.
    Start,
}

impl Onward {
    /// The way there.
    pub fn path(&self) -> String {
        match self {
            Self::App { sealed, .. } => interaction::address(RESUME, sealed),
            Self::Account(place) => place.path().to_owned(),
            Self::Beside(_) => Place::Overview.path().to_owned(),
            Self::Start => "/".to_owned(),
        }
    }

    /// The way to a page that leads there in the end.
    pub fn by(&self, page: &str) -> String {
        match self {
            Self::App { sealed, .. } => interaction::address(page, sealed),
            Self::Account(place) => owner::address(page, *place),
            Self::Beside(sealed) => beside::address(page, sealed),
            Self::Start => page.to_owned(),
        }
    }

    /// How the person comes to those who are signed in on the browser already.
    pub fn manner(&self) -> Manner {
        match self {
            Self::App { manner, .. } => *manner,
            Self::Beside(_) => Manner::Beside,
            Self::Account(_) | Self::Start => Manner::Instead,
        }
    }
}

/// Begins a session on a proof, gives the browser its cookies and sends it onward; or to the page where the person gives or sets
/// up their second factor first. `None`, and nothing happens, if the proof counts no more: the password was changed or the
/// account disabled since.
pub async fn sign_in(
    app: &App,
    visitor: &Visitor,
    headers: &HeaderMap,
    proof: &Proof,
    onward: &Onward,
) -> Result<Option<Response>, ErrorPage> {
    let accounts = session::accounts(app, headers).await?;
    sign_in_within(app, app.store.write().await?, visitor, (proof, accounts), onward).await
}

/// The same at the end of the transaction that made the proof possible: both happen, or neither.
pub async fn sign_in_within(
    app: &App,
    mut tx: Tx,
    visitor: &Visitor,
    (proof, accounts): (&Proof, Accounts),
    onward: &Onward,
) -> Result<Option<Response>, ErrorPage> {
    let wait = |page| {
        let mut response = redirect(&onward.by(page));
        response.headers_mut().append(header::SET_COOKIE, waiting::cookie(app, visitor, proof));
        response
    };
    let response = match begin(app, &mut tx, proof, (accounts, onward.manner()), &visitor.device).await? {
        Begun::SignedIn(signed_in) => go_on(app, &signed_in, &onward.path()),
        Begun::AskCode => wait(CODE),
        Begun::Enrol => wait(ENROL),
        Begun::Void => return Ok(None),
    };
    tx.commit().await?;
    Ok(Some(response))
}

/// Gives the browser the cookies of a session that has begun, and sends it on.
pub fn go_on(app: &App, signed_in: &SignedIn, to: &str) -> Response {
    let mut response = redirect(to);
    let headers = response.headers_mut();
    let kept = match &signed_in.beside {
        Some(beside) => Keep::All(&signed_in.cookie, &signed_in.session.id, beside),
        None => Keep::Present(&signed_in.cookie, &signed_in.session.id),
    };
    session::keep(app, headers, kept);
    headers.append(header::SET_COOKIE, device_cookie(app, &signed_in.device));
    headers.append(header::SET_COOKIE, waiting::clear_cookie(app));
    response
}

fn redirect(to: &str) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Redirect::to(to)).into_response()
}

/// The header that sets the cookie of a person's own device.
pub fn device_cookie(app: &App, cookie: &Secret) -> HeaderValue {
    Cookie::Device.set(app, cookie.expose(), Some(DEVICE_LIFETIME.num_seconds().unsigned_abs()))
}
