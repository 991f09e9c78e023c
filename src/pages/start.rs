//! `/`: what is running here, and who is signed in.

use askama::Template;
use askama_web::WebTemplate;
use axum::{extract::State, http::HeaderMap, response::IntoResponse};

use super::Answer;
use crate::{
    http::{
        headers::{PAGE_POLICY, page},
        session,
        state::AppState,
    },
    store::account,
};

/// The start page.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/start.html")]
pub(super) struct StartPage {
    /// Where this provider is to be found.
    pub(super) issuer: String,
    /// Who is signed in.
    pub(super) person: Option<String>,
    /// The version, on a development start. Elsewhere it is nobody's business.
    pub(super) development: Option<&'static str>,
}

/// `GET /`
pub async fn get(State(AppState { app, issuer }): State<AppState>, headers: HeaderMap) -> Answer {
    let user = match session::present(&app, &headers).await? {
        Some(session) => account::find(&mut app.store.read().await?, &session.user).await?,
        None => None,
    };
    let start = StartPage {
        issuer: issuer.url.clone(),
        person: user.map(|user| user.display_name().to_owned()),
        development: app.is_development().then_some(env!("CARGO_PKG_VERSION")),
    };
    Ok((page(PAGE_POLICY), start).into_response())
}
