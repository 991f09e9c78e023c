//! `/signed-out`: where a person ends who signed out, if no app wants them back.

use askama::Template;
use askama_web::WebTemplate;
use axum::response::{IntoResponse, Response};

use crate::http::{
    frame::Frame,
    headers::{PAGE_POLICY, page},
};

/// Says that it is done.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/signed_out.html")]
struct SignedOutPage {
    frame: Frame,
}

/// `GET /signed-out`
pub async fn get(frame: Frame) -> Response {
    (page(PAGE_POLICY, &frame), SignedOutPage { frame }).into_response()
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, _: &str) -> Vec<super::tests::Sample> {
    vec![("signed_out.html", SignedOutPage { frame: frame.clone() }.render().unwrap())]
}
