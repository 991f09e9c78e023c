//! Whose account a page of the account area shows, and how fresh the proof of that is.
//!
//! Who is not signed in, or must prove anew who they are, is sent to do so and comes back. Where to is one of our own
//! [`Place`]s: the address carries its name and never an address.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{error_page::ErrorPage, session};
use crate::{
    app::App,
    domain::{session::Session, user::User},
    login::second_factor::is_enrolled,
    store::{StoreError, account},
};

/// A page of the account area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Who one is, and the way to everything else.
    Overview,
    /// What one says of oneself.
    Profile,
    /// The mail address.
    Email,
    /// The password.
    Password,
    /// The second factor.
    SecondFactor,
    /// Where one is signed in.
    Sessions,
    /// What one allowed to which apps.
    Apps,
    /// What happened in the account.
    Activity,
    /// All that is stored of one, and the end of it.
    Data,
}

impl Place {
    /// Every page, in the order in which they are offered.
    pub const ALL: [Self; 9] = [
        Self::Overview,
        Self::Profile,
        Self::Email,
        Self::Password,
        Self::SecondFactor,
        Self::Sessions,
        Self::Apps,
        Self::Activity,
        Self::Data,
    ];

    /// Its name in an address.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Overview => "account",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Password => "password",
            Self::SecondFactor => "second-factor",
            Self::Sessions => "sessions",
            Self::Apps => "apps",
            Self::Activity => "activity",
            Self::Data => "data",
        }
    }

    /// Its address.
    pub fn path(self) -> &'static str {
        match self {
            Self::Overview => "/account",
            Self::Profile => "/account/profile",
            Self::Email => "/account/email",
            Self::Password => "/account/password",
            Self::SecondFactor => "/account/second-factor",
            Self::Sessions => "/account/sessions",
            Self::Apps => "/account/apps",
            Self::Activity => "/account/activity",
            Self::Data => "/account/data",
        }
    }

    /// The page of this name.
    pub fn named(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.slug() == slug)
    }
}

/// The person whose account it is, signed in on this browser.
#[derive(Debug)]
pub struct Owner {
    /// Their sign-in.
    pub session: Session,
    /// Who they are.
    pub user: User,
}

/// Who is signed in; or, if nobody is, the way to the sign-in and back to this place; or to the choice, if others are signed in on
/// this browser.
pub async fn owner(app: &App, headers: &HeaderMap, place: Place) -> Result<Owner, Response> {
    let broken = |error: StoreError| ErrorPage::from(error).into_response();
    match find(app, headers).await.map_err(broken)? {
        Some(owner) => Ok(owner),
        None if session::accounts(app, headers).await.map_err(broken)?.beside.is_empty() => {
            Err(detour("/login", place))
        }
        None => Err(detour("/accounts", place)),
    }
}

/// Who is signed in, if they proved it a moment ago; or the way to prove it, and back. For whatever could harm the person if
/// someone else sat down at their browser (ASVS 7.5.1). Who has a second factor proves with it, too.
pub async fn fresh_owner(app: &App, headers: &HeaderMap, place: Place) -> Result<Owner, Response> {
    let owner = owner(app, headers, place).await?;
    let broken = |error: StoreError| ErrorPage::from(error).into_response();
    let is_weak = !owner.session.has_second_factor() && is_enrolled(app, &owner.user.id).await.map_err(broken)?;
    if !is_weak && owner.session.is_fresh(app.clock.now()) { Ok(owner) } else { Err(detour("/account/confirm", place)) }
}

async fn find(app: &App, headers: &HeaderMap) -> Result<Option<Owner>, StoreError> {
    let Some(session) = session::present(app, headers).await? else { return Ok(None) };
    let user = account::find(&mut app.store.read().await?, &session.user).await?;
    Ok(user.map(|user| Owner { session, user }))
}

/// The address of a page that leads back to a place.
pub fn address(path: &str, place: Place) -> String {
    format!("{path}?to={}", place.slug())
}

fn detour(path: &str, place: Place) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, Redirect::to(&address(path, place))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_its_name_and_by_nothing_else() {
        for place in Place::ALL {
            assert_eq!(Place::named(place.slug()), Some(place));
            assert!(place.path().starts_with("/account"));
        }
        for address in ["", "/account", "https://evil.example/", "//evil.example", "account/", "ACCOUNT"] {
            assert_eq!(Place::named(address), None, "{address}");
        }
    }
}
