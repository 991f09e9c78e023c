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
    headers::{PAGE_POLICY, page},
    owner::{Owner, Place, owner},
    state::AppState,
    visitor::Visitor,
};

pub mod confirm;

/// The way from one page of the account area to the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Navigation {
    /// Where the person is.
    pub(super) here: Place,
}

impl Navigation {
    /// Every place, and whether the person is there.
    fn places(self) -> impl Iterator<Item = (Place, bool)> {
        Place::ALL.into_iter().map(move |place| (place, place == self.here))
    }
}

impl Place {
    /// What it is called.
    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Your account",
        }
    }
}

/// The overview.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account.html")]
pub(super) struct OverviewPage {
    /// The way to the other pages.
    pub(super) navigation: Navigation,
    /// What the person is called.
    pub(super) name: String,
    /// Their mail address.
    pub(super) email: String,
    /// Whether it was proven to be theirs.
    pub(super) email_verified: bool,
    /// Their user name, if they have one.
    pub(super) username: Option<String>,
}

/// `GET /account`
pub async fn get(State(AppState { app, .. }): State<AppState>, visitor: Visitor, headers: HeaderMap) -> Response {
    let answer = owner(&app, &headers, Place::Overview).await.map_or_else(|instead| instead, |owner| show(&owner));
    visitor.remember(&app, answer)
}

fn show(Owner { user, .. }: &Owner) -> Response {
    let overview = OverviewPage {
        navigation: Navigation { here: Place::Overview },
        name: user.display_name().to_owned(),
        email: user.email.clone(),
        email_verified: user.email_verified,
        username: user.username.clone(),
    };
    (page(PAGE_POLICY), overview).into_response()
}
