//! Links by which people make their own accounts, and are signed in.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use super::{Failed, Filled, Link, Problem, go_to};
use crate::{
    app::App,
    domain::{
        credential::Password,
        profile::{OwnClaim, Profile, ProfileError},
    },
    http::{
        error_page::ErrorPage,
        form::Parameters,
        frame::Frame,
        headers::{CLIENT_FORM_POLICY, PAGE_POLICY, page},
        session,
        sign_in::{Onward, sign_in_within},
        visitor::Visitor,
    },
    login::sign_up::{NewPerson, create},
};

/// The form.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/new_account.html")]
struct NewAccountPage {
    frame: Frame,
    /// Stands in the address of the page: the form goes back there.
    token: String,
    /// The form's token.
    csrf: String,
    /// The mail address, which is not asked for.
    email: String,
    /// The name as it was filled in.
    name: String,
    /// The user name as it was filled in.
    username: String,
    /// What is wrong with it.
    problem: Option<Problem>,
}

impl NewAccountPage {
    fn concerns_name(&self) -> bool {
        matches!(self.problem, Some(Problem::Name))
    }

    fn concerns_username(&self) -> bool {
        matches!(self.problem, Some(Problem::Username(_) | Problem::Taken))
    }

    fn concerns_password(&self) -> bool {
        matches!(self.problem, Some(Problem::Password(_)))
    }
}

pub(super) fn form(frame: Frame, email: &str, link: &Link, csrf: String, filled: &Filled<'_>) -> Response {
    // An app that needs no consent gets its answer at the end of this form's redirects.
    let policy = match link.onward {
        Onward::App { .. } => CLIENT_FORM_POLICY,
        Onward::Account(_) | Onward::Beside(_) | Onward::Start => PAGE_POLICY,
    };
    let form = NewAccountPage {
        frame,
        token: link.token.clone(),
        csrf,
        email: email.to_owned(),
        name: filled.text("name"),
        username: filled.text("username"),
        problem: filled.problem,
    };
    (page(policy, &form.frame), form).into_response()
}

/// Reads the form: a person with nothing wrong in them.
fn parse(form: &Parameters, locale: &'static str) -> Result<NewPerson, Problem> {
    // The language that they have just read is the one that they read.
    let said = [(OwnClaim::Name, form.get("name").unwrap_or_default()), (OwnClaim::Locale, locale)];
    let said = |claim| said.iter().find(|(known, _)| *known == claim).map(|(_, value)| *value);
    let profile = Profile::parse(form.get("username"), said).map_err(|error| match error {
        ProfileError::Username(error) => Problem::Username(error),
        ProfileError::Claim(_) => Problem::Name,
    })?;
    let password = Password::chosen(form.owned("password").unwrap_or_default()).map_err(Problem::Password)?;
    Ok(NewPerson { profile, password })
}

/// Makes the account, signs its owner in, and lets them go on with what they came for.
pub(super) async fn make(
    app: &App,
    visitor: &Visitor,
    frame: &Frame,
    headers: &HeaderMap,
    (link, form): (&Link, &Parameters),
) -> Result<Response, Failed> {
    let person = parse(form, frame.language().tag())?;
    let accounts = session::accounts(app, headers).await.map_err(ErrorPage::from)?;
    let (tx, proof) = create(app, &link.digest, person, &visitor.device, app.clock.now()).await?;
    let signed_in = sign_in_within(app, tx, visitor, (&proof, accounts), &link.onward).await?;
    // Nobody else knows of the account yet, so the proof counts.
    Ok(signed_in.unwrap_or_else(|| go_to("/login")))
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let page = |problem| {
        let (frame, email, name, username) = (frame.clone(), own(), own(), own());
        NewAccountPage { frame, token: own(), csrf: own(), email, name, username, problem }
    };
    Problem::all().into_iter().map(|problem| ("new_account.html", page(problem).render().unwrap())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{credential::PasswordError, user::InvalidName};

    #[test]
    fn what_is_wrong_is_told_of_its_own_field() {
        let problem = |text: &str| parse(&Parameters::parse(text.as_bytes()).unwrap(), "en").err();
        assert_eq!(problem("name=Ada&username=&password=12345678"), None);
        assert_eq!(problem("name=%07&password=12345678"), Some(Problem::Name));
        assert_eq!(problem("username=a@b&password=12345678"), Some(Problem::Username(InvalidName::Username)));
        assert_eq!(problem("password=1234567"), Some(Problem::Password(PasswordError::TooShort)));
    }
}
