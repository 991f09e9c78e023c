//! `/assets/…`: the stylesheet and the icon of all pages.

use axum::{
    extract::{Path, rejection::PathRejection},
    http::{HeaderValue, header},
    response::IntoResponse,
};

use super::Answer;
use crate::http::{assets::Asset, error_page::ErrorPage};

/// The name changes with the content, so a browser need never ask again (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `GET /assets/{name}`
pub async fn get(name: Result<Path<String>, PathRejection>) -> Answer {
    let name = name.map_err(|_| ErrorPage::not_found())?;
    let (asset, is_exact) = Asset::named(&name).ok_or_else(ErrorPage::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(if is_exact { FOR_EVER } else { "no-store" })),
    ];
    Ok((headers, asset.content).into_response())
}
