//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::{ClientId, SessionId};
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use crate::{
    app::{App, Issuer},
    domain::{
        accounts::Accounts,
        logout::with_query,
        session::{Session, SessionEnd},
    },
    http::{
        csrf,
        error_page::{ErrorPage, Sender},
        form::{Form, Parameters, Query},
        frame::Frame,
        front_channel::leave,
        headers::{CLIENT_FORM_POLICY, page},
        session::{self, Keep},
        state::AppState,
        visitor::Visitor,
    },
    jose::{Hint, verify_hint},
    login,
    store::StoreError,
};

/// How long the question may stay unanswered.
const LIFETIME: TimeDelta = TimeDelta::minutes(30);
const CONTEXT: &[u8] = b"logout";

/// A checked request. It travels sealed through our own pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LogoutRequest {
    /// Where the person goes afterwards, with `state` appended already.
    redirect_to: Option<String>,
    /// Who asks, as people know it.
    client_name: Option<String>,
    /// The session that the hint names.
    hinted: Option<Hinted>,
    asked_at: DateTime<Utc>,
}

/// A session, by the name that a client knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hinted {
    client: ClientId,
    sid: SessionId,
}

impl LogoutRequest {
    fn onward(&self) -> &str {
        self.redirect_to.as_deref().unwrap_or("/signed-out")
    }
}

/// The question whether to sign out.
#[derive(Template, WebTemplate)]
#[template(path = "page/logout.html")]
struct LogoutPage {
    frame: Frame,
    client_name: Option<String>,
    csrf: String,
    request: String,
    /// Whether other accounts are signed in on this browser.
    has_others: bool,
}

/// What happens with a request.
#[derive(Debug)]
enum Decision<'a> {
    /// This session ends, and the person goes on.
    End(&'a Session),
    /// The person is asked: anybody could have sent them here.
    Ask,
    /// There is nothing to end.
    GoOn,
}

/// `hinted` is the session of this browser that the hint names, if it names one.
fn decide<'a>(hinted: Option<&'a Session>, present: Option<&Session>) -> Decision<'a> {
    match (hinted, present) {
        (Some(hinted), _) => Decision::End(hinted),
        (None, Some(_)) => Decision::Ask,
        (None, None) => Decision::GoOn,
    }
}

/// What the person said to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirmed {
    /// To sign out of the present account.
    Present,
    /// To sign out of all accounts of this browser.
    All,
}

impl Confirmed {
    /// Nothing, where the form is none of ours.
    fn parse(form: &Parameters) -> Option<Self> {
        match (form.has("confirm"), form.has("confirm_all")) {
            (_, true) => Some(Self::All),
            (true, false) => Some(Self::Present),
            (false, false) => None,
        }
    }
}

/// `GET /logout`
pub async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let outcome = async {
        let query = query.map_err(|error| ErrorPage::unreadable(Sender::App, error))?;
        let request = match query.get("l") {
            Some(sealed) => open(&state.app, sealed)?,
            None => parse(&state.app, &state.issuer, &query).await?,
        };
        go_on(&state, &visitor, frame, &headers, request).await
    };
    visitor.remember(&state.app, outcome.await)
}

/// `POST /logout`: the answer to our question; or a request from another site, which comes without our cookies and goes on as a
/// GET of our own.
pub async fn post(State(state): State<AppState>, visitor: Visitor, headers: HeaderMap, Form(form): Form) -> Response {
    let outcome = async {
        let form = form.map_err(|error| ErrorPage::unreadable(Sender::App, error))?;
        if let Some(confirmed) = Confirmed::parse(&form) {
            return confirm(&state, &visitor, &headers, (confirmed, &form)).await;
        }
        let request = parse(&state.app, &state.issuer, &form).await?;
        let mut query = Serializer::new(String::new());
        query.append_pair("l", &seal(&state.app, &request));
        if let Some(ui_locales) = form.get("ui_locales") {
            query.append_pair("ui_locales", ui_locales);
        }
        Ok(Redirect::to(&format!("/logout?{}", query.finish())).into_response())
    };
    let outcome: Result<Response, ErrorPage> = outcome.await;
    outcome.into_response()
}

async fn parse(app: &App, issuer: &Issuer, parameters: &Parameters) -> Result<LogoutRequest, ErrorPage> {
    let refused = |message| Err(ErrorPage::bad_request(message));
    if parameters.has_repeated() {
        return refused("error-logout-repeated");
    }
    let verify = |hint| verify_hint(hint, &issuer.keyring, &issuer.url, app.clock.now());
    let hint = match parameters.get("id_token_hint").map(verify) {
        None => None,
        Some(Ok(hint)) => Some(hint),
        Some(Err(_)) => return refused("error-logout-hint"),
    };
    let client_id = match (&hint, parameters.get("client_id")) {
        (Some(Hint { client, .. }), Some(named)) if client.as_str() != named => {
            return refused("error-logout-app");
        }
        (Some(Hint { client, .. }), _) => Some(client.clone()),
        (None, named) => named.map(ClientId::new),
    };
    let client = match &client_id {
        Some(id) => app.store.client(id).await?.filter(|client| client.enabled),
        None => None,
    };
    let redirect_to = match (parameters.get("post_logout_redirect_uri"), &client) {
        (None, _) => None,
        (Some(asked), Some(client)) if client.allows_post_logout_redirect(asked) => {
            // RP-Initiated Logout §3: exactly the client's `state`, and nothing else.
            Some(parameters.get("state").map_or(asked.to_owned(), |state| with_query(asked, &[("state", state)])))
        }
        (Some(_), Some(_)) => {
            return refused("error-logout-redirect");
        }
        (Some(_), None) => return refused("error-logout-nobody"),
    };
    Ok(LogoutRequest {
        redirect_to,
        client_name: client.map(|client| client.metadata.client_name.clone()),
        hinted: hint.map(|hint| Hinted { client: hint.client, sid: hint.sid }),
        asked_at: app.clock.now(),
    })
}

async fn go_on(
    state: &AppState,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    request: LogoutRequest,
) -> Result<Response, ErrorPage> {
    let app = &*state.app;
    let accounts = session::accounts(app, headers).await?;
    let hinted = hinted(state, &request, &accounts).await?;
    match decide(hinted, accounts.present.as_ref()) {
        Decision::End(session) => {
            let is_present = accounts.present.as_ref().is_some_and(|present| present.id == session.id);
            let uris = end(state, visitor, session).await?;
            Ok(leave(app, uris, request.onward(), is_present.then_some(Keep::Others)))
        }
        Decision::Ask => {
            let sealed = seal(app, &request);
            let (csrf, client_name) = (csrf::token_of_owner(app, visitor), request.client_name);
            let has_others = !accounts.beside.is_empty();
            let question = LogoutPage { frame, client_name, csrf, request: sealed, has_others };
            Ok((page(CLIENT_FORM_POLICY, &question.frame), question).into_response())
        }
        Decision::GoOn => Ok(leave(app, Vec::new(), request.onward(), Some(Keep::Others))),
    }
}

/// The session of this browser that the hint names, by the name that its client knows it by.
async fn hinted<'a>(
    state: &AppState,
    request: &LogoutRequest,
    accounts: &'a Accounts,
) -> Result<Option<&'a Session>, StoreError> {
    let Some(Hinted { client, sid }) = &request.hinted else { return Ok(None) };
    let Some(client) = state.app.store.client(client).await? else { return Ok(None) };
    Ok(accounts.live().find(|session| state.issuer.sid(&client, &session.id) == *sid))
}

async fn confirm(
    state: &AppState,
    visitor: &Visitor,
    headers: &HeaderMap,
    (confirmed, form): (Confirmed, &Parameters),
) -> Result<Response, ErrorPage> {
    let app = &*state.app;
    if !csrf::is_of_owner(app, visitor, form) {
        return Err(ErrorPage::forged_form());
    }
    let request = open(app, form.get("request").unwrap_or_default())?;
    let accounts = session::accounts(app, headers).await?;
    match (confirmed, &accounts.present) {
        (Confirmed::All, _) => {
            let mut tx = app.store.write().await?;
            let uris = login::logout::frontchannel_uris_of_all(&state.issuer, &mut tx, &accounts).await?;
            login::session::end_together(app, &mut tx, &accounts, &visitor.device, app.clock.now()).await?;
            tx.commit().await?;
            Ok(leave(app, uris, request.onward(), Some(Keep::Nothing)))
        }
        (Confirmed::Present, Some(present)) => {
            let uris = end(state, visitor, present).await?;
            Ok(leave(app, uris, request.onward(), Some(Keep::Others)))
        }
        (Confirmed::Present, None) => Ok(leave(app, Vec::new(), request.onward(), Some(Keep::Others))),
    }
}

/// Ends a session: what the browser is to load for its apps.
async fn end(
    AppState { app, issuer }: &AppState,
    visitor: &Visitor,
    session: &Session,
) -> Result<Vec<String>, StoreError> {
    let mut tx = app.store.write().await?;
    let uris = login::logout::frontchannel_uris(issuer, &mut tx, &session.id).await?;
    login::session::end(app, &mut tx, session, SessionEnd::Logout, &visitor.device, app.clock.now()).await?;
    tx.commit().await?;
    Ok(uris)
}

fn seal(app: &App, request: &LogoutRequest) -> String {
    let json = serde_json::to_vec(request).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(app.keys.interaction.seal(&json, CONTEXT, &app.random))
}

fn open(app: &App, sealed: &str) -> Result<LogoutRequest, ErrorPage> {
    let opened = || {
        let json = app.keys.interaction.open(&URL_SAFE_NO_PAD.decode(sealed).ok()?, CONTEXT).ok()?;
        let request: LogoutRequest = serde_json::from_slice(&json).ok()?;
        (app.clock.now() < request.asked_at + LIFETIME).then_some(request)
    };
    opened().ok_or_else(ErrorPage::expired)
}
