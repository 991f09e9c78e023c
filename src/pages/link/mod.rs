//! `/link?t=…`: single-use links. Each purpose has a file with its form.
//!
//! Opening a link spends nothing, since mail programs open links too; nor does a form with something wrong in it. The
//! token stands in addresses of ours and nowhere else, least of all in a log.

mod email;
mod new_account;
mod password;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{Answer, WRONG_INPUT, go_to, password_words, unique};
use crate::{
    app::App,
    domain::{credential::PasswordError, link::LinkPurpose, token::Digest, user::InvalidName},
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        interaction::Interaction,
        sign_in::Onward,
        state::AppState,
        visitor::Visitor,
    },
    login::{link::LinkError, sign_up},
    passwords::HashError,
    store::{account, link},
};

/// A link that can be used.
struct Link {
    /// Stands in the address of its page.
    token: String,
    digest: Digest,
    purpose: Purpose,
    /// Where the person goes on afterwards, if it signs them in.
    onward: Onward,
}

/// What it is for.
enum Purpose {
    FirstAdministrator,
    /// The password of the account with this mail address.
    Password(String),
    /// An account with this mail address.
    NewAccount(String),
    /// That this mail address is somebody's.
    Email(String),
}

impl Link {
    /// The link in the address, unless it is unknown, used or expired.
    async fn open(app: &App, visitor: &Visitor, query: Result<Parameters, FormError>) -> Result<Self, ErrorPage> {
        let token = unique(query)?.owned("t").unwrap_or_default();
        let digest = Digest::of(&token);
        let mut tx = app.store.read().await?;
        let open = link::find(&mut tx, &digest, app.clock.now()).await?.ok_or_else(ErrorPage::spent_link)?;
        let purpose = match &open.purpose {
            LinkPurpose::FirstAdministrator => {
                account::find_administrator(&mut tx).await?.is_none().then_some(Purpose::FirstAdministrator)
            }
            LinkPurpose::ChoosePassword(user) | LinkPurpose::ResetPassword(user) => {
                account::find(&mut tx, user).await?.map(|user| Purpose::Password(user.email))
            }
            LinkPurpose::SignUp(_) | LinkPurpose::Invitation(_) => {
                sign_up::email_of(app, &open.purpose).map(|email| Purpose::NewAccount(email.to_owned()))
            }
            LinkPurpose::VerifyEmail(_, email) | LinkPurpose::ChangeEmail(_, email) => {
                Some(Purpose::Email(email.clone()))
            }
        };
        let purpose = purpose.ok_or_else(ErrorPage::spent_link)?;
        drop(tx);
        Ok(Self { token, digest, purpose, onward: onward(app, visitor, open.request).await })
    }
}

/// On with the request of the app that the person came from, if this is the browser that brought it and it has not expired.
async fn onward(app: &App, visitor: &Visitor, request: Option<String>) -> Onward {
    match request {
        Some(sealed) => match Interaction::open(app, visitor, &sealed).await {
            Ok(Interaction { manner, .. }) => Onward::App { sealed, manner },
            Err(_) => Onward::Start,
        },
        None => Onward::Start,
    }
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// The mail address.
    Email(InvalidName),
    /// The user name.
    Username(InvalidName),
    /// What the person is called.
    Name,
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
            Self::Email(_) | Self::Username(_) | Self::Name | Self::Password(_) | Self::Taken => WRONG_INPUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The text that tells it.
    fn text(self) -> &'static str {
        match self {
            Self::Email(_) => "link-wrong-email",
            Self::Username(_) => "link-wrong-username",
            Self::Name => "signup-new-wrong-name",
            Self::Password(error) => password_words::refusal(error),
            Self::Taken => "link-taken",
            Self::Busy => "link-busy",
        }
    }

    /// Every problem, for the samples.
    #[cfg(test)]
    fn all() -> Vec<Option<Self>> {
        use PasswordError::{Breached, Common, NearWord, TooLong, TooShort, Weak};
        let passwords = [TooShort, TooLong, Common, NearWord, Weak, Breached].map(Self::Password);
        let names = [Self::Email(InvalidName::Email), Self::Username(InvalidName::Username), Self::Name];
        let all = names.into_iter().chain(passwords).chain([Self::Taken, Self::Busy]);
        std::iter::once(None).chain(all.map(Some)).collect()
    }
}

/// What the person may know of an error; the page that ends it where there is nothing to do again.
fn problem(error: LinkError) -> Result<Problem, ErrorPage> {
    match error {
        LinkError::Spent | LinkError::AdministratorExists => Err(ErrorPage::spent_link()),
        LinkError::Taken => Ok(Problem::Taken),
        LinkError::Refused(error) => Ok(Problem::Password(error)),
        LinkError::Hash(HashError::Busy) => Ok(Problem::Busy),
        LinkError::Hash(error) => Err(ErrorPage::broken(&error)),
        LinkError::Store(error) => Err(error.into()),
    }
}

/// What is in a form when it is shown, and what is wrong with it.
struct Filled<'a> {
    form: &'a Parameters,
    problem: Option<Problem>,
}

impl Filled<'_> {
    fn text(&self, name: &str) -> String {
        self.form.owned(name).unwrap_or_default()
    }
}

fn show(app: &App, visitor: &Visitor, frame: Frame, link: Link, filled: &Filled<'_>) -> Response {
    let status = filled.problem.map_or(StatusCode::OK, Problem::status);
    let csrf = csrf::token(app, visitor);
    let form = match &link.purpose {
        Purpose::FirstAdministrator | Purpose::Password(_) => password::form(frame, link, csrf, filled),
        Purpose::NewAccount(email) => new_account::form(frame, email, &link, csrf, filled),
        Purpose::Email(email) => email::form(frame, email, &link, csrf, filled),
    };
    (status, form).into_response()
}

/// `GET /link?t=…`
pub async fn get(State(state): State<AppState>, visitor: Visitor, frame: Frame, Query(query): Query) -> Response {
    let empty = Filled { form: &Parameters::default(), problem: None };
    let link = Link::open(&state.app, &visitor, query).await;
    visitor.remember(&state.app, link.map(|link| show(&state.app, &visitor, frame, link, &empty)))
}

/// `POST /link?t=…`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = follow(&state.app, &visitor, frame, &headers, (query, form)).await;
    visitor.remember(&state.app, answer)
}

async fn follow(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    (query, form): (Result<Parameters, FormError>, Result<Parameters, FormError>),
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    // Looked up before any password is hashed, so that a made-up link costs next to nothing.
    let link = Link::open(app, visitor, query).await?;
    let done = match &link.purpose {
        Purpose::FirstAdministrator => password::make_administrator(app, &link.digest, &form).await,
        Purpose::Password(_) => password::choose(app, &visitor.device, &link.digest, &form).await,
        Purpose::NewAccount(_) => new_account::make(app, visitor, &frame, headers, (&link, &form)).await,
        Purpose::Email(_) => email::confirm(app, &link.digest).await,
    };
    match done {
        Ok(response) => Ok(response),
        Err(Failed::Page(error)) => Err(error),
        Err(Failed::Again(problem)) => {
            Ok(show(app, visitor, frame, link, &Filled { form: &form, problem: Some(problem) }))
        }
    }
}

/// Why a link did not do its work.
enum Failed {
    /// The form is shown again.
    Again(Problem),
    /// There is nothing to do again.
    Page(ErrorPage),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Again(problem)
    }
}

impl From<LinkError> for Failed {
    fn from(error: LinkError) -> Self {
        problem(error).map_or_else(Self::Page, Self::Again)
    }
}

impl From<ErrorPage> for Failed {
    fn from(error: ErrorPage) -> Self {
        Self::Page(error)
    }
}

/// Says that the link has done its work.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/link_done.html")]
struct DonePage {
    frame: Frame,
    done: Done,
}

/// What a link did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// It set a password.
    Password,
    /// It confirmed a mail address.
    Email,
}

impl Done {
    fn path(self) -> &'static str {
        match self {
            Self::Password => "/link/done",
            Self::Email => "/link/confirmed",
        }
    }

    fn go(self) -> Response {
        go_to(self.path())
    }
}

/// `GET /link/done`
pub async fn done(frame: Frame) -> Response {
    (page(PAGE_POLICY, &frame), DonePage { frame, done: Done::Password }).into_response()
}

/// `GET /link/confirmed`
pub async fn confirmed(frame: Frame) -> Response {
    (page(PAGE_POLICY, &frame), DonePage { frame, done: Done::Email }).into_response()
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let done = [Done::Password, Done::Email].map(|done| DonePage { frame: frame.clone(), done });
    let done = done.map(|page| ("link_done.html", page.render().unwrap()));
    let forms = [password::samples, new_account::samples, email::samples];
    done.into_iter().chain(forms.into_iter().flat_map(|samples| samples(frame, text))).collect()
}
