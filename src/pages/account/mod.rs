//! `/account` and what lies below it: where people look after their own accounts.
//!
//! To add a page: a [`Place`], its words here, a file beside this one.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use crate::http::{
    frame::Frame,
    headers::{PAGE_POLICY, page},
    owner::{Owner, Place, owner},
    state::AppState,
    visitor::Visitor,
};

pub mod activity;
pub mod apps;
pub mod confirm;
pub mod data;
pub mod email;
pub mod password;
pub mod profile;
pub mod recovery_codes;
pub mod second_factor;
pub mod sessions;

/// The way from one page of the account area to the others.
#[derive(Clone, Copy, Debug)]
struct Navigation {
    /// Where the person is.
    here: Place,
}

impl Navigation {
    /// Every place, and whether the person is there.
    fn places(self) -> impl Iterator<Item = (Place, bool)> {
        Place::ALL.into_iter().map(move |place| (place, place == self.here))
    }
}

impl Place {
    /// The text that names it.
    fn title(self) -> &'static str {
        match self {
            Self::Overview => "account-overview",
            Self::Profile => "profile-title",
            Self::Email => "email-title",
            Self::Password => "password-title",
            Self::SecondFactor => "account-second-factor",
            Self::Sessions => "sessions-title",
            Self::Apps => "apps-title",
            Self::Activity => "activity-title",
            Self::Data => "data-title",
        }
    }
}

/// The overview.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account.html")]
struct OverviewPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// What the person is called.
    name: String,
    /// Their mail address.
    email: String,
    /// Whether it was proven to be theirs.
    email_verified: bool,
    /// Their user name, if they have one.
    username: Option<String>,
}

/// `GET /account`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
) -> Response {
    let answer = match owner(&app, &headers, Place::Overview).await {
        Ok(owner) => show(frame, &owner),
        Err(instead) => instead,
    };
    visitor.remember(&app, answer)
}

fn show(frame: Frame, Owner { user, .. }: &Owner) -> Response {
    let overview = OverviewPage {
        frame,
        navigation: Navigation { here: Place::Overview },
        name: user.display_name().to_owned(),
        email: user.email.clone(),
        email_verified: user.email_verified,
        username: user.username.clone(),
    };
    (page(PAGE_POLICY, &overview.frame), overview).into_response()
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let own = || text.to_owned();
    [None, Some(own())]
        .map(|username| OverviewPage {
            frame: frame.clone(),
            navigation: Navigation { here: Place::Overview },
            name: own(),
            email: own(),
            email_verified: username.is_none(),
            username,
        })
        .map(|page| ("account.html", page.render().unwrap()))
        .into()
}
