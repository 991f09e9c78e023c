//! `/link?t=…`: single-use links, by which the first administrator is made and people choose their passwords.
//!
//! Opening a link spends nothing, since mail programs open links too; nor does a form with something wrong in it. The
//! token stands in addresses of ours and nowhere else, least of all in a log.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{Answer, WRONG_INPUT, go_to, password_words, unique};
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
        frame::Frame,
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
enum Problem {
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

    /// The text that tells it.
    fn text(self) -> &'static str {
        match self {
            Self::Email(_) => "link-wrong-email",
            Self::Username(_) => "link-wrong-username",
            Self::Password(error) => password_words::refusal(error),
            Self::Taken => "link-taken",
            Self::Busy => "link-busy",
        }
    }
}

/// The form of a link.
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

/// Says that the link has done its work.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/link_done.html")]
struct DonePage {
    frame: Frame,
}

/// What is in the form when it is shown.
struct Filled<'a> {
    form: &'a Parameters,
    problem: Option<Problem>,
}

fn show(app: &App, visitor: &Visitor, frame: Frame, link: Link, filled: &Filled<'_>) -> Response {
    let text = |name| filled.form.owned(name).unwrap_or_default();
    let form = LinkPage {
        frame,
        token: link.token,
        csrf: csrf::token(app, visitor),
        account: match link.purpose {
            Purpose::FirstAdministrator => None,
            Purpose::ChoosePassword(email) => Some(email),
        },
        email: text("email"),
        username: text("username"),
        problem: filled.problem,
    };
    let status = filled.problem.map_or(StatusCode::OK, Problem::status);
    (status, page(PAGE_POLICY, &form.frame), form).into_response()
}

/// `GET /link?t=…`
pub async fn get(State(state): State<AppState>, visitor: Visitor, frame: Frame, Query(query): Query) -> Response {
    let empty = Filled { form: &Parameters::default(), problem: None };
    let answer = Link::open(&state.app, query).await.map(|link| show(&state.app, &visitor, frame, link, &empty));
    visitor.remember(&state.app, answer)
}

/// `POST /link?t=…`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = follow(&state.app, &visitor, frame, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn follow(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
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
    Ok(show(app, visitor, frame, link, &Filled { form: &form, problem: Some(problem) }))
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
pub async fn done(frame: Frame) -> Response {
    (page(PAGE_POLICY, &frame), DonePage { frame }).into_response()
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let own = || text.to_owned();
    let problems = [
        Problem::Email(InvalidName::Email),
        Problem::Username(InvalidName::Username),
        Problem::Password(PasswordError::TooShort),
        Problem::Password(PasswordError::TooLong),
        Problem::Password(PasswordError::Common),
        Problem::Password(PasswordError::NearWord),
        Problem::Password(PasswordError::Weak),
        Problem::Password(PasswordError::Breached),
        Problem::Taken,
        Problem::Busy,
    ];
    let mut samples = vec![("link_done.html", DonePage { frame: frame.clone() }.render().unwrap())];
    for problem in [None].into_iter().chain(problems.map(Some)) {
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
