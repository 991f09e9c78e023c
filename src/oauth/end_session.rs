//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::{ClientId, SessionId};
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use crate::{
    app::{App, Issuer},
    domain::session::{Session, SessionEnd},
    http::{
        csrf,
        error_page::{ErrorPage, Sender},
        form::{Form, Parameters, Query},
        frame::Frame,
        headers::{CLIENT_FORM_POLICY, page},
        session,
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

/// The question whether to sign out.
#[derive(Template, WebTemplate)]
#[template(path = "page/logout.html")]
struct LogoutPage {
    frame: Frame,
    client_name: Option<String>,
    csrf: String,
    request: String,
}

/// What happens with a request.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The session ends, and the person goes on.
    End,
    /// The person is asked: anybody could have sent them here.
    Ask,
    /// There is nothing to end.
    GoOn,
}

/// `named` is the name by which the hint's client knows the session.
fn decide(request: &LogoutRequest, session: Option<&Session>, named: Option<&SessionId>) -> Decision {
    match (session, &request.hinted) {
        (None, _) => Decision::GoOn,
        (Some(_), Some(hinted)) if named == Some(&hinted.sid) => Decision::End,
        (Some(_), _) => Decision::Ask,
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
        if form.has("confirm") {
            return confirm(&state, &visitor, &headers, &form).await;
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
            Some(with_state(asked, parameters.get("state")))
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

/// RP-Initiated Logout §3: exactly the client's `state`, and nothing else.
fn with_state(uri: &str, state: Option<&str>) -> String {
    let Some(state) = state else { return uri.to_owned() };
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{}", Serializer::new(String::new()).append_pair("state", state).finish())
}

async fn go_on(
    state: &AppState,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    request: LogoutRequest,
) -> Result<Response, ErrorPage> {
    let app = &*state.app;
    let session = session::present(app, headers).await?;
    let client = match &request.hinted {
        Some(hinted) => app.store.client(&hinted.client).await?,
        None => None,
    };
    let named = client.zip(session.as_ref()).map(|(client, session)| state.issuer.sid(&client, &session.id));
    match (decide(&request, session.as_ref(), named.as_ref()), session) {
        (Decision::End, Some(session)) => end(app, visitor, &session, &request).await,
        (Decision::Ask, _) => {
            let sealed = seal(app, &request);
            let (csrf, client_name) = (csrf::token(app, visitor), request.client_name);
            let question = LogoutPage { frame, client_name, csrf, request: sealed };
            Ok((page(CLIENT_FORM_POLICY, &question.frame), question).into_response())
        }
        (Decision::End | Decision::GoOn, _) => Ok(leave(app, &request)),
    }
}

async fn confirm(
    state: &AppState,
    visitor: &Visitor,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Response, ErrorPage> {
    let app = &state.app;
    if !csrf::is_valid(app, visitor, form) {
        return Err(ErrorPage::forged_form());
    }
    let request = open(app, form.get("request").unwrap_or_default())?;
    match session::present(app, headers).await? {
        Some(session) => end(app, visitor, &session, &request).await,
        None => Ok(leave(app, &request)),
    }
}

async fn end(app: &App, visitor: &Visitor, session: &Session, request: &LogoutRequest) -> Result<Response, ErrorPage> {
    let end = async {
        let mut tx = app.store.write().await?;
        login::session::end(app, &mut tx, session, SessionEnd::Logout, &visitor.device, app.clock.now()).await?;
        tx.commit().await
    };
    end.await.map_err(|error: StoreError| ErrorPage::from(error))?;
    Ok(leave(app, request))
}

fn leave(app: &App, request: &LogoutRequest) -> Response {
    let to = request.redirect_to.as_deref().unwrap_or("/signed-out");
    let Ok(location) = HeaderValue::try_from(to) else { return ErrorPage::expired().into_response() };
    let headers = [
        (header::LOCATION, location),
        (header::SET_COOKIE, session::clear_cookie(app)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
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
