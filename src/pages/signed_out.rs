//! `/signed-out`: where a person ends who signed out, if no app wants them back.

use askama::Template;
use askama_web::WebTemplate;
use axum::response::{IntoResponse, Response};

use crate::http::headers::{PAGE_POLICY, page};

/// Says that it is done.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/signed_out.html")]
pub(super) struct SignedOutPage;

/// `GET /signed-out`
pub async fn get() -> Response {
    (page(PAGE_POLICY), SignedOutPage).into_response()
}
