//! `/account/second-factor/codes`: new recovery codes, from when they are made until their owner has seen them.
//!
//! Only their digests are stored. The codes themselves wait in the browser, sealed for their owner, until they say that they keep
//! them, and for ten minutes at most.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::UserId;
use serde::{Deserialize, Serialize};

use super::super::{Answer, go_to, purpose::Purpose, unique};
use crate::{
    app::App,
    domain::{recovery_code::RecoveryCode, session::Session},
    http::{
        cookies::Cookie,
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::page,
        session,
        state::AppState,
        visitor::Visitor,
    },
};

/// The page.
pub(in crate::pages) const CODES: &str = "/account/second-factor/codes";
/// How long the codes wait to be seen.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

#[derive(Serialize, Deserialize)]
struct Waiting {
    codes: Vec<String>,
    at: DateTime<Utc>,
}

fn context(visitor: &Visitor, user: &UserId) -> Vec<u8> {
    [b"recovery codes".as_slice(), visitor.binding().as_bytes(), user.as_str().as_bytes()].concat()
}

/// The header that lets the codes wait for their owner.
pub(in crate::pages) fn cookie(app: &App, visitor: &Visitor, user: &UserId, codes: &[RecoveryCode]) -> HeaderValue {
    let waiting = Waiting { codes: codes.iter().map(RecoveryCode::in_groups).collect(), at: app.clock.now() };
    let json = serde_json::to_vec(&waiting).unwrap_or_default();
    let sealed = app.keys.second_factor.seal(&json, &context(visitor, user), &app.random);
    let seconds = LIFETIME.num_seconds().unsigned_abs();
    Cookie::RecoveryCodes.set(app, &URL_SAFE_NO_PAD.encode(sealed), Some(seconds))
}

/// The codes that wait in this browser for who is signed in.
fn find(app: &App, visitor: &Visitor, headers: &HeaderMap, session: &Session) -> Option<Vec<String>> {
    let sealed = URL_SAFE_NO_PAD.decode(Cookie::RecoveryCodes.read(app, headers)?).ok()?;
    let json = app.keys.second_factor.open(&sealed, &context(visitor, &session.user)).ok()?;
    let waiting: Waiting = serde_json::from_slice(&json).ok()?;
    (app.clock.now() < waiting.at + LIFETIME).then_some(waiting.codes)
}

/// The codes.
#[derive(Template, WebTemplate)]
#[template(path = "page/recovery_codes.html")]
struct CodesPage {
    frame: Frame,
    /// Where the forms go.
    action: String,
    /// The forms' token.
    csrf: String,
    /// The codes, in groups.
    codes: Vec<String>,
}

/// `GET /account/second-factor/codes`
pub async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = show(&state.app, &visitor, frame, &headers, query).await;
    visitor.remember(&state.app, answer)
}

async fn show(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let session = session::present(app, headers).await?;
    Ok(match session.and_then(|session| find(app, visitor, headers, &session)) {
        Some(codes) => {
            let (action, csrf) = (purpose.onward().by(CODES), csrf::token_of_owner(app, visitor));
            let shown = CodesPage { frame, action, csrf, codes };
            (page(purpose.policy(), &shown.frame), shown).into_response()
        }
        None => go_to(&purpose.onward().path()),
    })
}

/// `POST /account/second-factor/codes`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = take(&state.app, &visitor, &headers, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
    app: &App,
    visitor: &Visitor,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_of_owner(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let session = session::present(app, headers).await?;
    match session.and_then(|session| find(app, visitor, headers, &session)) {
        Some(codes) if form.has("download") => Ok(download(&codes)),
        Some(_) | None => {
            let mut response = go_to(&purpose.onward().path());
            response.headers_mut().append(header::SET_COOKIE, Cookie::RecoveryCodes.clear(app));
            Ok(response)
        }
    }
}

/// The codes as a file of text.
fn download(codes: &[String]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"recovery-codes.txt\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, format!("{}\n", codes.join("\n"))).into_response()
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<super::super::tests::Sample> {
    let own = || text.to_owned();
    let page = CodesPage { frame: frame.clone(), action: own(), csrf: own(), codes: vec![own(), own()] };
    vec![("recovery_codes.html", page.render().unwrap())]
}
