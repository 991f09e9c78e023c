//! `/login/totp`: a person gives a code of their second factor, to complete a sign-in or to make one stronger.
//!
//! A code alone opens nothing: either a sign-in waits in this browser, whose password was right, or somebody is signed in on it.

use std::time::Duration;

use askama::Template;
use askama_web::WebTemplate;
use axum::{extract::State, http::HeaderMap, response::Response};

use super::super::{
    Answer, go_to,
    login::{Refusal, answer, whole_seconds},
    purpose::Purpose,
    shown_client::ShownClient,
    unique,
};
use crate::{
    app::App,
    domain::session::Session,
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::page,
        session,
        sign_in::{CODE, go_on},
        state::AppState,
        visitor::Visitor,
        waiting,
    },
    login::{
        Proof,
        device::may_be_trusted,
        second_factor::{CodeError, Typed, complete, is_enrolled, step_up},
    },
};

/// What a code completes.
enum Subject {
    /// A sign-in whose password was right.
    SignIn(Proof),
    /// A session that an app wants to be stronger.
    StepUp(Session),
    /// Nothing: the person must sign in first.
    Nothing,
    /// Nothing any more.
    Done,
}

impl Subject {
    async fn find(app: &App, visitor: &Visitor, headers: &HeaderMap) -> Result<Self, ErrorPage> {
        if let Some(proof) = waiting::find(app, visitor, headers).await? {
            return Ok(Self::SignIn(proof));
        }
        Ok(match session::present(app, headers).await? {
            Some(session) if session.has_second_factor() => Self::Done,
            Some(session) if is_enrolled(app, &session.user).await? => Self::StepUp(session),
            Some(_) | None => Self::Nothing,
        })
    }
}

/// Which of the two forms of the page was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The one for an authenticator app.
    App,
    /// The one for a recovery code.
    Recovery,
}

/// The form for a code.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/totp.html")]
struct CodePage {
    frame: Frame,
    /// Where the forms go.
    action: String,
    /// The forms' token.
    csrf: String,
    /// The app that the sign-in is for.
    client: Option<ShownClient>,
    /// Where somebody else can sign in.
    switch_account: String,
    /// For how long the person may choose not to be asked on this device.
    trust_for: Option<Duration>,
    /// Which form was sent.
    kind: Kind,
    /// Why the last try failed.
    refusal: Option<Refusal>,
}

impl CodePage {
    fn is_refused(&self, kind: Kind) -> bool {
        self.kind == kind && self.refusal.is_some()
    }
}

/// What a code is asked for, and what came of the last one.
struct Question<'a> {
    purpose: &'a Purpose,
    subject: &'a Subject,
    kind: Kind,
    refusal: Option<Refusal>,
}

fn show(app: &App, visitor: &Visitor, frame: Frame, question: &Question<'_>) -> Response {
    let (onward, refusal) = (question.purpose.onward(), question.refusal);
    let may_trust = may_be_trusted(app) && matches!(question.subject, Subject::SignIn(_));
    let form = CodePage {
        action: onward.by(CODE),
        csrf: csrf::token(app, visitor),
        client: question.purpose.client(frame.language()),
        frame,
        switch_account: onward.by("/login"),
        trust_for: may_trust.then_some(app.settings.second_factor.remember),
        kind: question.kind,
        refusal,
    };
    answer(refusal, page(question.purpose.policy(), &form.frame), form)
}

/// `GET /login/totp`
pub async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = ask(&state.app, &visitor, frame, &headers, query).await;
    visitor.remember(&state.app, answer)
}

async fn ask(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let subject = Subject::find(app, visitor, headers).await?;
    Ok(match &subject {
        Subject::SignIn(_) | Subject::StepUp(_) => {
            let question = Question { purpose: &purpose, subject: &subject, kind: Kind::App, refusal: None };
            show(app, visitor, frame, &question)
        }
        Subject::Nothing => go_to(&purpose.onward().by("/login")),
        Subject::Done => go_to(&purpose.onward().path()),
    })
}

/// `POST /login/totp`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = take(&state.app, &visitor, frame, &headers, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let subject = Subject::find(app, visitor, headers).await?;
    let code = form.get("code").unwrap_or_default();
    let typed = Typed { code, device: &visitor.device, at: app.clock.now() };
    let outcome = match &subject {
        Subject::SignIn(proof) => {
            let there = (session::accounts(app, headers).await?, purpose.onward().manner());
            complete(app, typed, proof, there, form.has("trust")).await
        }
        Subject::StepUp(session) => step_up(app, typed, session).await,
        Subject::Nothing => return Ok(go_to(&purpose.onward().by("/login"))),
        Subject::Done => return Ok(go_to(&purpose.onward().path())),
    };
    let refusal = match outcome {
        Ok(signed_in) => return Ok(go_on(app, &signed_in, &purpose.onward().path())),
        Err(CodeError::Void) => return Ok(go_to(&purpose.onward().by("/login"))),
        Err(CodeError::Wrong) => Refusal::Mismatch,
        Err(CodeError::Throttled(throttled)) => Refusal::Throttled(whole_seconds(throttled.retry_after)),
        Err(CodeError::Store(error)) => return Err(error.into()),
    };
    let kind = if form.has("recovery") { Kind::Recovery } else { Kind::App };
    let question = Question { purpose: &purpose, subject: &subject, kind, refusal: Some(refusal) };
    Ok(show(app, visitor, frame, &question))
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<super::super::tests::Sample> {
    let own = || text.to_owned();
    let refusals = [Refusal::Mismatch, Refusal::Throttled(Duration::from_secs(8)), Refusal::Busy].map(Some);
    let mut samples = Vec::new();
    for refusal in [None].into_iter().chain(refusals) {
        for (kind, client) in [(Kind::App, None), (Kind::Recovery, Some(ShownClient::sample(text, true)))] {
            let page = CodePage {
                frame: frame.clone(),
                action: own(),
                csrf: own(),
                trust_for: client.is_none().then_some(Duration::from_hours(30 * 24)),
                client,
                switch_account: own(),
                kind,
                refusal,
            };
            samples.push(("totp.html", page.render().unwrap()));
        }
    }
    samples
}
