//! `/link?t=…`: single-use links, by which the first administrator is made and people choose their passwords.
//!
//! Opening a link spends nothing, since mail programs open links too; nor does a form with something wrong in it. The
//! token stands in addresses of ours and nowhere else, least of all in a log.

use std::fmt;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{Answer, WRONG_INPUT, go_to, unique};
use crate::{
    app::App,
    domain::{
        credential::{Password, PasswordError},
        token::Digest,
        user::{InvalidName, parse_email, parse_username},
    },
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        headers::{PAGE_POLICY, page},
        state::AppState,
        visitor::Visitor,
    },
    login::link::{LinkError, choose_password, create_administrator},
    passwords::HashError,
    store::{account, link, link::LinkPurpose},
};

/// A link that can be used.
struct Link {
    token: String,
    digest: Digest,
    purpose: Purpose,
}

/// What it is for.
enum Purpose {
    FirstAdministrator,
    /// The password of the account with this mail address.
    ChoosePassword(String),
}

impl Link {
    /// The link in the address, unless it is unknown, used or expired.
    async fn open(app: &App, query: Result<Parameters, FormError>) -> Result<Self, ErrorPage> {
        let token = unique(query)?.owned("t").unwrap_or_default();
        let digest = Digest::of(&token);
        let mut tx = app.store.read().await?;
        let purpose = match link::find(&mut tx, &digest, app.clock.now()).await? {
            Some(LinkPurpose::FirstAdministrator) => {
                account::find_administrator(&mut tx).await?.is_none().then_some(Purpose::FirstAdministrator)
            }
            Some(LinkPurpose::ChoosePassword(user)) => {
                account::find(&mut tx, &user).await?.map(|user| Purpose::ChoosePassword(user.email))
            }
            None => None,
        };
        let purpose = purpose.ok_or_else(ErrorPage::spent_link)?;
        Ok(Self { token, digest, purpose })
    }
}

/// A form with nothing wrong in it.
enum Request {
    FirstAdministrator { email: String, username: Option<String>, password: Password },
    ChoosePassword(Password),
}

impl Request {
    fn parse(form: &Parameters, purpose: &Purpose) -> Result<Self, Problem> {
        let password = || Password::chosen(form.owned("password").unwrap_or_default()).map_err(Problem::Password);
        match purpose {
            Purpose::FirstAdministrator => Ok(Self::FirstAdministrator {
                email: parse_email(form.get("email").unwrap_or_default()).map_err(Problem::Email)?,
                username: form.get("username").map(parse_username).transpose().map_err(Problem::Username)?,
                password: password()?,
            }),
            Purpose::ChoosePassword(_) => Ok(Self::ChoosePassword(password()?)),
        }
    }
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The mail address.
    Email(InvalidName),
    /// The user name.
    Username(InvalidName),
    /// The password.
    Password(PasswordError),
    /// The mail address or the user name belongs to another account.
    Taken,
    /// Nothing: too many people at once.
    Busy,
}

impl Problem {
    fn status(self) -> StatusCode {
        match self {
            Self::Email(_) | Self::Username(_) | Self::Password(_) | Self::Taken => WRONG_INPUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(InvalidName::Email) => f.write_str("This is not a mail address. Write it as name@example.com."),
            Self::Username(InvalidName::Username) => {
                f.write_str("A user name has 1 to 64 characters, none of them a space or an @.")
            }
            // Each names its own; the compiler does not know.
            Self::Email(InvalidName::Username) | Self::Username(InvalidName::Email) => {
                f.write_str("This is not a name.")
            }
            Self::Password(PasswordError::TooShort) => f.write_str("This is too short. Choose at least 8 characters."),
            Self::Password(PasswordError::TooLong) => f.write_str("This is too long. Choose at most 128 characters."),
            Self::Password(PasswordError::Common) => {
                f.write_str("This is one of the first passwords that anybody would try. Choose another.")
            }
            Self::Password(PasswordError::NearWord) => {
                f.write_str("This contains your name, your mail address or the name of this place. Choose one without.")
            }
            Self::Password(PasswordError::Weak) => {
                f.write_str("This is easy to guess. Choose a longer one, or words that nobody else would put together.")
            }
            Self::Password(PasswordError::Breached) => f.write_str(
                "This password was stolen somewhere and is in the lists that thieves try. Choose another, there too.",
            ),
            Self::Taken => f.write_str("This mail address or user name belongs to another account."),
            Self::Busy => f.write_str("The server is busy at the moment. Wait a few seconds, then try again."),
        }
    }
}

/// The form of a link.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/link.html")]
pub(super) struct LinkPage {
    /// Stands in the address of the page: the form goes back there.
    pub(super) token: String,
    /// The form's token.
    pub(super) csrf: String,
    /// Whose password is chosen; `None` where the first administrator is made.
    pub(super) account: Option<String>,
    /// The mail address as it was filled in.
    pub(super) email: String,
    /// The user name as it was filled in.
    pub(super) username: String,
    /// What is wrong with it.
    pub(super) problem: Option<Problem>,
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

/// Says that the link has done its work.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/link_done.html")]
pub(super) struct DonePage;

fn show(app: &App, visitor: &Visitor, link: Link, filled: &Parameters, problem: Option<Problem>) -> Response {
    let text = |name| filled.owned(name).unwrap_or_default();
    let form = LinkPage {
        token: link.token,
        csrf: csrf::token(app, visitor),
        account: match link.purpose {
            Purpose::FirstAdministrator => None,
            Purpose::ChoosePassword(email) => Some(email),
        },
        email: text("email"),
        username: text("username"),
        problem,
    };
    (problem.map_or(StatusCode::OK, Problem::status), page(PAGE_POLICY), form).into_response()
}

/// `GET /link?t=…`
pub async fn get(State(state): State<AppState>, visitor: Visitor, Query(query): Query) -> Response {
    let link = Link::open(&state.app, query).await;
    let answer = link.map(|link| show(&state.app, &visitor, link, &Parameters::default(), None));
    visitor.remember(&state.app, answer)
}

/// `POST /link?t=…`
pub async fn post(State(state): State<AppState>, visitor: Visitor, Query(query): Query, Form(form): Form) -> Response {
    let answer = follow(&state.app, &visitor, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn follow(
    app: &App,
    visitor: &Visitor,
    query: Result<Parameters, FormError>,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    // Looked up before any password is hashed, so that a made-up link costs next to nothing.
    let link = Link::open(app, query).await?;
    let problem = match Request::parse(&form, &link.purpose) {
        Err(problem) => problem,
        Ok(request) => match act(app, &link.digest, request).await {
            Ok(()) => return Ok(go_to("/link/done")),
            Err(LinkError::Spent | LinkError::AdministratorExists) => return Err(ErrorPage::spent_link()),
            Err(LinkError::Taken) => Problem::Taken,
            Err(LinkError::Refused(error)) => Problem::Password(error),
            Err(LinkError::Hash(HashError::Busy)) => Problem::Busy,
            Err(error @ (LinkError::Hash(_) | LinkError::Store(_))) => return Err(ErrorPage::broken(&error)),
        },
    };
    Ok(show(app, visitor, link, &form, Some(problem)))
}

async fn act(app: &App, digest: &Digest, request: Request) -> Result<(), LinkError> {
    let now = app.clock.now();
    match request {
        Request::FirstAdministrator { email, username, password } => {
            create_administrator(app, digest, (email, username), &password, now).await.map(drop)
        }
        Request::ChoosePassword(password) => choose_password(app, digest, &password, now).await,
    }
}

/// `GET /link/done`
pub async fn done() -> Response {
    (page(PAGE_POLICY), DonePage).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(form: &str, purpose: &Purpose) -> Result<Request, Problem> {
        Request::parse(&Parameters::parse(form.as_bytes()).unwrap(), purpose)
    }

    #[test]
    fn the_first_administrator_needs_no_user_name() {
        let request = parse("email=ada@example.com&username=&password=12345678", &Purpose::FirstAdministrator);
        assert!(matches!(request, Ok(Request::FirstAdministrator { username: None, .. })));
    }

    #[test]
    fn what_is_wrong_is_told_of_its_own_field() {
        let problem = |form| parse(form, &Purpose::FirstAdministrator).err();
        assert_eq!(problem("email=ada&password=12345678"), Some(Problem::Email(InvalidName::Email)));
        assert_eq!(
            problem("email=ada@example.com&username=a@b&password=12345678"),
            Some(Problem::Username(InvalidName::Username))
        );
        assert_eq!(problem("email=ada@example.com&password=1234567"), Some(Problem::Password(PasswordError::TooShort)));
    }

    #[test]
    fn passwords_are_kept_exactly_as_typed() {
        let purpose = Purpose::ChoosePassword("ada@example.com".to_owned());
        let Ok(Request::ChoosePassword(password)) = parse("password=+%C3%A4%CC%81%F0%9F%94%91+++++", &purpose) else {
            panic!("refused")
        };
        assert_eq!(password.as_bytes(), " ä\u{301}🔑     ".as_bytes());
        let longest = parse(&format!("password={}", "%F0%9F%94%91".repeat(128)), &purpose);
        assert!(longest.is_ok());
        let longer = parse(&format!("password={}", "%F0%9F%94%91".repeat(129)), &purpose).err();
        assert_eq!(longer, Some(Problem::Password(PasswordError::TooLong)));
    }
}
