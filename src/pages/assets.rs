//! `/assets/…`: the stylesheet and the pictures of all pages.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, header},
    response::IntoResponse,
};

use super::Answer;
use crate::http::{error_page::ErrorPage, state::AppState};

/// The name changes with the content, so a browser need never ask again (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `GET /assets/{name}`
pub async fn get(State(AppState { app, .. }): State<AppState>, name: Result<Path<String>, PathRejection>) -> Answer {
    let name = name.map_err(|_| ErrorPage::not_found())?;
    let (asset, is_exact) = app.looks.asset(&name).ok_or_else(ErrorPage::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(if is_exact { FOR_EVER } else { "no-store" })),
    ];
    Ok((headers, asset.content.clone()).into_response())
}
