//! `/account/profile`: what people say of themselves, and what apps are told of it.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    super::{Answer, WRONG_INPUT, go_to, unique},
    Navigation,
};
use crate::{
    app::App,
    domain::{
        profile::{OwnClaim, Profile, ProfileError},
        user::User,
    },
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        owner::{Place, fresh_owner},
        state::AppState,
        visitor::Visitor,
    },
    login::profile::{self, SaveError},
    text::Language,
};

/// Where the page is again once everything is stored.
const SAVED: &str = "/account/profile?saved=yes";

/// The form.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_profile.html")]
struct ProfilePage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The form's token.
    csrf: String,
    /// The user name.
    username: String,
    /// All else.
    fields: Vec<Field>,
    /// What is wrong with it, if anything is.
    problem: Option<Problem>,
    /// Whether it was stored just now.
    is_saved: bool,
}

impl ProfilePage {
    fn concerns_username(&self) -> bool {
        matches!(self.problem, Some(Problem::Username | Problem::Taken))
    }

    fn concerns(&self, claim: OwnClaim) -> bool {
        self.problem == Some(Problem::Claim(claim))
    }
}

/// One claim of the form.
#[derive(Debug)]
struct Field {
    claim: OwnClaim,
    /// Its text.
    label: &'static str,
    /// What browsers fill in (HTML §4.10.18.7).
    autocomplete: &'static str,
    /// Its value.
    value: String,
}

impl Field {
    fn new(claim: OwnClaim, value: &str) -> Self {
        let (label, autocomplete) = match claim {
            OwnClaim::Name => ("profile-name", "name"),
            OwnClaim::GivenName => ("profile-given-name", "given-name"),
            OwnClaim::MiddleName => ("profile-middle-name", "additional-name"),
            OwnClaim::FamilyName => ("profile-family-name", "family-name"),
            OwnClaim::Nickname => ("profile-nickname", "nickname"),
            OwnClaim::Gender => ("profile-gender", "sex"),
            OwnClaim::Birthdate => ("profile-birthdate", "bday"),
            OwnClaim::Locale => ("profile-locale", "language"),
            OwnClaim::Zoneinfo => ("profile-zoneinfo", "off"),
            OwnClaim::PhoneNumber => ("profile-phone", "tel"),
            OwnClaim::Profile => ("profile-page", "off"),
            OwnClaim::Picture => ("profile-picture", "photo"),
            OwnClaim::Website => ("profile-website", "url"),
            OwnClaim::Street => ("profile-street", "street-address"),
            OwnClaim::PostalCode => ("profile-postal-code", "postal-code"),
            OwnClaim::Locality => ("profile-locality", "address-level2"),
            OwnClaim::Region => ("profile-region", "address-level1"),
            OwnClaim::Country => ("profile-country", "country-name"),
        };
        Self { claim, label, autocomplete, value: value.to_owned() }
    }

    /// The name of the field; unlike the claim's it can be an id, too.
    fn name(&self) -> String {
        field_name(self.claim)
    }

    /// The languages that can be chosen: those of these pages, and the one that stands there already.
    fn languages(&self) -> Vec<(String, String)> {
        let own = Language::ALL.map(|language| (language.tag().to_owned(), language.name().to_owned()));
        let is_other = !self.value.is_empty() && own.iter().all(|(tag, _)| *tag != self.value);
        // An option has no elements that could keep the text around it as it is.
        let shown = || self.value.chars().filter(char::is_ascii_graphic).collect();
        let other = is_other.then(|| (self.value.clone(), shown()));
        own.into_iter().chain(other).collect()
    }

    /// The text that says how it is written, where that is not plain.
    fn hint(&self) -> Option<&'static str> {
        match self.claim {
            OwnClaim::Birthdate => Some("profile-birthdate-hint"),
            OwnClaim::Zoneinfo => Some("profile-zoneinfo-hint"),
            OwnClaim::Profile | OwnClaim::Picture | OwnClaim::Website => Some("profile-link-hint"),
            OwnClaim::Name
            | OwnClaim::GivenName
            | OwnClaim::MiddleName
            | OwnClaim::FamilyName
            | OwnClaim::Nickname
            | OwnClaim::Gender
            | OwnClaim::Locale
            | OwnClaim::PhoneNumber
            | OwnClaim::Street
            | OwnClaim::PostalCode
            | OwnClaim::Locality
            | OwnClaim::Region
            | OwnClaim::Country => None,
        }
    }
}

fn field_name(claim: OwnClaim) -> String {
    claim.as_str().replace('.', "_")
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// The user name.
    Username,
    /// It belongs to another account.
    Taken,
    /// A claim.
    Claim(OwnClaim),
}

impl Problem {
    /// The text that tells it.
    fn text(self) -> &'static str {
        match self {
            Self::Username => "link-wrong-username",
            Self::Taken => "profile-taken",
            Self::Claim(_) => "profile-wrong",
        }
    }
}

/// What stands in the form.
enum Shown<'a> {
    /// What is known.
    Known { is_saved: bool },
    /// What was filled in, with something wrong in it.
    Filled(&'a Parameters, Problem),
}

fn show(app: &App, visitor: &Visitor, frame: Frame, user: &User, shown: &Shown<'_>) -> Response {
    let form = match shown {
        Shown::Filled(form, _) => Some(form),
        Shown::Known { .. } => None,
    };
    let value = |claim: OwnClaim| {
        form.map_or_else(|| claim.of(user).to_owned(), |form| form.owned(&field_name(claim)).unwrap_or_default())
    };
    let username = form.map_or_else(|| user.username.clone(), |form| form.owned("username"));
    let page_of_fields = ProfilePage {
        navigation: Navigation { here: Place::Profile },
        csrf: csrf::token_of_owner(app, visitor),
        username: username.unwrap_or_default(),
        fields: OwnClaim::ALL.into_iter().map(|claim| Field::new(claim, &value(claim))).collect(),
        problem: if let Shown::Filled(_, problem) = shown { Some(*problem) } else { None },
        is_saved: matches!(shown, Shown::Known { is_saved: true }),
        frame,
    };
    let status = if page_of_fields.problem.is_some() { WRONG_INPUT } else { StatusCode::OK };
    (status, page(PAGE_POLICY, &page_of_fields.frame), page_of_fields).into_response()
}

/// `GET /account/profile`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let is_saved = query.is_ok_and(|query| query.has("saved"));
    let answer = match fresh_owner(&app, &headers, Place::Profile).await {
        Ok(owner) => show(&app, &visitor, frame, &owner.user, &Shown::Known { is_saved }),
        Err(instead) => instead,
    };
    visitor.remember(&app, answer)
}

/// `POST /account/profile`
pub async fn post(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let answer = save(&app, &visitor, frame, &headers, form).await;
    visitor.remember(&app, answer)
}

async fn save(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_of_owner(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let owner = match fresh_owner(app, headers, Place::Profile).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    let said = OwnClaim::ALL.map(|claim| (claim, form.owned(&field_name(claim)).unwrap_or_default()));
    let said = |claim| said.iter().find(|(known, _)| *known == claim).map(|(_, value)| value.as_str());
    let problem = match Profile::parse(form.get("username"), said) {
        Ok(profile) => match profile::save(app, &owner.user.id, &profile, &visitor.device, app.clock.now()).await {
            Ok(()) => return Ok(go_to(SAVED)),
            Err(SaveError::Taken) => Problem::Taken,
            Err(SaveError::Store(error)) => return Err(error.into()),
        },
        Err(ProfileError::Username(_)) => Problem::Username,
        Err(ProfileError::Claim(claim)) => Problem::Claim(claim),
    };
    Ok(show(app, visitor, frame, &owner.user, &Shown::Filled(&form, problem)))
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let problems = OwnClaim::ALL.map(Problem::Claim).into_iter().chain([Problem::Username, Problem::Taken]);
    std::iter::once(None)
        .chain(problems.map(Some))
        .map(|problem| ProfilePage {
            frame: frame.clone(),
            navigation: Navigation { here: Place::Profile },
            csrf: own(),
            username: own(),
            fields: OwnClaim::ALL.map(|claim| Field::new(claim, text)).into(),
            problem,
            is_saved: problem.is_none(),
        })
        .map(|page| ("account_profile.html", page.render().unwrap()))
        .collect()
}
