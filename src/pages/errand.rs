//! `/signup` and `/recover`: pages that answer by mail, and everybody the same.
//!
//! Each asks for one name or address and leaves an errand. Whether there is an account is looked up when the errand is run, so that
//! neither the answer nor its time tells.

use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{Answer, WRONG_INPUT, go_to, login::shorten, purpose::Purpose, shown_client::ShownClient, unique};
use crate::{
    app::App,
    domain::{
        errand::{Errand, Wish},
        user::parse_email,
    },
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        interaction,
        state::AppState,
        visitor::Visitor,
    },
    login::errand,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An account.
    SignUp,
    /// Another password.
    Recover,
}

impl Asked {
    /// Where it is asked for.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::SignUp => "/signup",
            Self::Recover => "/recover",
        }
    }

    /// Where the answer is that the page gives.
    fn sent_path(self) -> &'static str {
        match self {
            Self::SignUp => "/signup/sent",
            Self::Recover => "/recover/sent",
        }
    }

    /// Whether it can be asked for at all: where accounts are open, and mails can be sent.
    pub(super) fn is_open(self, app: &App) -> bool {
        match self {
            Self::SignUp => app.is_sign_up_open(),
            Self::Recover => app.can_mail(),
        }
    }

    /// The field of the form.
    fn field(self) -> &'static str {
        match self {
            Self::SignUp => "email",
            Self::Recover => "username",
        }
    }

    fn wish(self, form: &Parameters) -> Option<Wish> {
        let name = form.get(self.field()).unwrap_or_default();
        match self {
            Self::SignUp => parse_email(name).ok().map(Wish::SignUp),
            Self::Recover => (!name.trim().is_empty()).then(|| Wish::Recover(shorten(name).to_owned())),
        }
    }
}

/// The way to a page that answers by mail, for whoever is signing in; none where it cannot be asked.
pub(super) fn way(app: &App, asked: Asked, purpose: &Purpose) -> Option<String> {
    asked.is_open(app).then(|| with_request(asked.path(), purpose))
}

fn with_request(path: &str, purpose: &Purpose) -> String {
    match purpose {
        Purpose::App { sealed, .. } => interaction::address(path, sealed),
        Purpose::Account(_) | Purpose::Beside { .. } | Purpose::Plain => path.to_owned(),
    }
}

/// Asks for a mail address, and for nothing else.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/sign_up.html")]
struct SignUpPage {
    frame: Frame,
    /// Where the form goes.
    action: String,
    /// The form's token.
    csrf: String,
    /// The app that the account is for, to begin with.
    client: Option<ShownClient>,
    /// The mail address as it was filled in.
    email: String,
    /// Whether it is none.
    is_wrong: bool,
    /// For those who have an account.
    login: String,
}

/// Asks for a user name or mail address.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/recover.html")]
struct RecoverPage {
    frame: Frame,
    /// Where the form goes.
    action: String,
    /// The form's token.
    csrf: String,
    /// The name as it was filled in.
    username: String,
    /// Whether there is none.
    is_wrong: bool,
    /// For those who remember.
    login: String,
}

/// Says that a mail is on its way, if there is anybody whom it can reach.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/mail_sent.html")]
struct SentPage {
    frame: Frame,
    asked: Asked,
    /// How long the link in it works.
    lifetime: Duration,
}

fn show(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    asked: Asked,
    (purpose, filled): (&Purpose, Filled<'_>),
) -> Response {
    let status = if filled.is_wrong { WRONG_INPUT } else { StatusCode::OK };
    let (headers, csrf) = (page(purpose.policy(), &frame), csrf::token(app, visitor));
    let (action, login) = (with_request(asked.path(), purpose), with_request("/login", purpose));
    let (name, is_wrong) = (shorten(filled.name).to_owned(), filled.is_wrong);
    match asked {
        Asked::SignUp => {
            let client = purpose.client(frame.language());
            (status, headers, SignUpPage { frame, action, csrf, client, email: name, is_wrong, login }).into_response()
        }
        Asked::Recover => {
            (status, headers, RecoverPage { frame, action, csrf, username: name, is_wrong, login }).into_response()
        }
    }
}

/// What stands in the field, and whether that is wrong.
struct Filled<'a> {
    name: &'a str,
    is_wrong: bool,
}

async fn ask(app: &App, visitor: &Visitor, frame: Frame, asked: Asked, query: Result<Parameters, FormError>) -> Answer {
    if !asked.is_open(app) {
        return Err(ErrorPage::not_found());
    }
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let hint = match asked {
        // Only a whole address is one that somebody could sign up with.
        Asked::SignUp => Some(purpose.login_hint()).filter(|hint| hint.contains('@')).unwrap_or_default(),
        Asked::Recover => purpose.login_hint(),
    };
    Ok(show(app, visitor, frame, asked, (&purpose, Filled { name: hint, is_wrong: false })))
}

async fn leave(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    asked: Asked,
    (query, form): (Result<Parameters, FormError>, Result<Parameters, FormError>),
) -> Answer {
    if !asked.is_open(app) {
        return Err(ErrorPage::not_found());
    }
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let Some(wish) = asked.wish(&form) else {
        let filled = Filled { name: form.get(asked.field()).unwrap_or_default(), is_wrong: true };
        return Ok(show(app, visitor, frame, asked, (&purpose, filled)));
    };
    let request = match purpose {
        Purpose::App { sealed, .. } => Some(sealed),
        Purpose::Account(_) | Purpose::Beside { .. } | Purpose::Plain => None,
    };
    let locale = frame.language().tag().to_owned();
    let errand = Errand { wish, locale, request, from: visitor.device.personal() };
    errand::leave(app, &errand, &visitor.device, app.clock.now()).await?;
    Ok(go_to(asked.sent_path()))
}

fn sent(app: &App, frame: Frame, asked: Asked) -> Answer {
    if !asked.is_open(app) {
        return Err(ErrorPage::not_found());
    }
    let lifetime = app.settings.lifetimes.link;
    Ok((page(PAGE_POLICY, &frame), SentPage { frame, asked, lifetime }).into_response())
}

/// The handlers of one of the two.
macro_rules! handlers {
    ($module:ident, $asked:expr, $path:literal) => {
        #[doc = concat!("`", $path, "`")]
        pub mod $module {
            use super::*;

            #[doc = concat!("`GET ", $path, "`")]
            pub async fn get(
                State(AppState { app, .. }): State<AppState>,
                visitor: Visitor,
                frame: Frame,
                Query(query): Query,
            ) -> Response {
                let answer = ask(&app, &visitor, frame, $asked, query).await;
                visitor.remember(&app, answer)
            }

            #[doc = concat!("`POST ", $path, "`")]
            pub async fn post(
                State(AppState { app, .. }): State<AppState>,
                visitor: Visitor,
                frame: Frame,
                Query(query): Query,
                Form(form): Form,
            ) -> Response {
                let answer = leave(&app, &visitor, frame, $asked, (query, form)).await;
                visitor.remember(&app, answer)
            }

            #[doc = concat!("`GET ", $path, "/sent`")]
            pub async fn sent(State(AppState { app, .. }): State<AppState>, frame: Frame) -> Response {
                super::sent(&app, frame, $asked).into_response()
            }
        }
    };
}

handlers!(sign_up, Asked::SignUp, "/signup");
handlers!(recover, Asked::Recover, "/recover");

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let own = || text.to_owned();
    let mut samples = Vec::new();
    for asked in [Asked::SignUp, Asked::Recover] {
        let page = SentPage { frame: frame.clone(), asked, lifetime: Duration::from_mins(30) };
        samples.push(("mail_sent.html", page.render().unwrap()));
    }
    for is_wrong in [false, true] {
        for client in [None, Some(ShownClient::sample(text, true)), Some(ShownClient::sample(text, false))] {
            let frame = frame.clone();
            let page = SignUpPage { frame, action: own(), csrf: own(), client, email: own(), is_wrong, login: own() };
            samples.push(("sign_up.html", page.render().unwrap()));
        }
        let frame = frame.clone();
        let page = RecoverPage { frame, action: own(), csrf: own(), username: own(), is_wrong, login: own() };
        samples.push(("recover.html", page.render().unwrap()));
    }
    samples
}
