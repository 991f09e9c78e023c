//! Links that set a password: of the first administrator, or of an account that is there already.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use super::{Done, Failed, Filled, Link, Problem, Purpose};
use crate::{
    app::App,
    domain::{
        credential::Password,
        token::Digest,
        user::{parse_email, parse_username},
    },
    http::{
        form::Parameters,
        frame::Frame,
        headers::{PAGE_POLICY, page},
        sign_in::device_cookie,
    },
    login::{
        Device,
        link::{choose_password, create_administrator},
    },
};

/// The form.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/link.html")]
struct LinkPage {
    frame: Frame,
    /// Stands in the address of the page: the form goes back there.
    token: String,
    /// The form's token.
    csrf: String,
    /// Whose password is chosen; `None` where the first administrator is made.
    account: Option<String>,
    /// The mail address as it was filled in.
    email: String,
    /// The user name as it was filled in.
    username: String,
    /// What is wrong with it.
    problem: Option<Problem>,
}

impl LinkPage {
    fn concerns_email(&self) -> bool {
        matches!(self.problem, Some(Problem::Email(_) | Problem::Taken))
    }

    fn concerns_username(&self) -> bool {
        matches!(self.problem, Some(Problem::Username(_)))
    }

    fn concerns_password(&self) -> bool {
        matches!(self.problem, Some(Problem::Password(_)))
    }
}

pub(super) fn form(frame: Frame, link: Link, csrf: String, filled: &Filled<'_>) -> Response {
    let account = match link.purpose {
        Purpose::Password(email) => Some(email),
        Purpose::FirstAdministrator | Purpose::NewAccount(_) | Purpose::Email(_) => None,
    };
    let (email, username) = (filled.text("email"), filled.text("username"));
    let form = LinkPage { frame, token: link.token, csrf, account, email, username, problem: filled.problem };
    (page(PAGE_POLICY, &form.frame), form).into_response()
}

fn password(form: &Parameters) -> Result<Password, Problem> {
    Password::chosen(form.owned("password").unwrap_or_default()).map_err(Problem::Password)
}

/// A form with nothing wrong in it.
#[derive(Debug)]
struct Administrator {
    email: String,
    username: Option<String>,
    password: Password,
}

impl Administrator {
    fn parse(form: &Parameters) -> Result<Self, Problem> {
        Ok(Self {
            email: parse_email(form.get("email").unwrap_or_default()).map_err(Problem::Email)?,
            username: form.get("username").map(parse_username).transpose().map_err(Problem::Username)?,
            password: password(form)?,
        })
    }
}

pub(super) async fn make_administrator(app: &App, digest: &Digest, form: &Parameters) -> Result<Response, Failed> {
    let Administrator { email, username, password } = Administrator::parse(form)?;
    create_administrator(app, digest, (email, username), &password, app.clock.now()).await?;
    Ok(Done::Password.go())
}

pub(super) async fn choose(app: &App, device: &Device, digest: &Digest, form: &Parameters) -> Result<Response, Failed> {
    let cookie = choose_password(app, digest, &password(form)?, device, app.clock.now()).await?;
    Ok(([(header::SET_COOKIE, device_cookie(app, &cookie))], Done::Password.go()).into_response())
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let mut samples = Vec::new();
    for problem in Problem::all() {
        for account in [None, Some(own())] {
            let (frame, email, username) = (frame.clone(), own(), own());
            let page = LinkPage { frame, token: own(), csrf: own(), account, email, username, problem };
            samples.push(("link.html", page.render().unwrap()));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{credential::PasswordError, user::InvalidName};

    fn form(text: &str) -> Parameters {
        Parameters::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_first_administrator_needs_no_user_name() {
        let parsed = Administrator::parse(&form("email=ada@example.com&username=&password=12345678")).unwrap();
        assert_eq!(parsed.username, None);
    }

    #[test]
    fn what_is_wrong_is_told_of_its_own_field() {
        let problem = |text| Administrator::parse(&form(text)).err();
        assert_eq!(problem("email=ada&password=12345678"), Some(Problem::Email(InvalidName::Email)));
        assert_eq!(
            problem("email=ada@example.com&username=a@b&password=12345678"),
            Some(Problem::Username(InvalidName::Username))
        );
        assert_eq!(problem("email=ada@example.com&password=1234567"), Some(Problem::Password(PasswordError::TooShort)));
    }

    #[test]
    fn passwords_are_kept_exactly_as_typed() {
        let typed = password(&form("password=+%C3%A4%CC%81%F0%9F%94%91+++++")).unwrap();
        assert_eq!(typed.as_bytes(), " ä\u{301}🔑     ".as_bytes());
        let keys = |count: usize| form(&format!("password={}", "%F0%9F%94%91".repeat(count)));
        assert!(password(&keys(128)).is_ok());
        assert_eq!(password(&keys(129)).err(), Some(Problem::Password(PasswordError::TooLong)));
    }
}
