//! What is around every answer: the name of its request, in the log, the audit trail and the answer, its count, and the headers that make it safe.
//!
//! All of it in one layer, since each layer costs every request as much as a few of these together.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use super::{headers, request_id, state::AppState};
use crate::store::audit;

/// Names a request, counts it, and makes its answer safe.
pub async fn every(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let app = &state.app;
    let id = request_id::of(app, &request);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, begun) = (name(request.method()), app.clock.now());
    // The path alone: a query can hold secrets.
    let span = tracing::info_span!("request", id, path = request.uri().path());

    let mut response = audit::in_request(id.clone(), next.run(request)).instrument(span).await;

    let seconds = (app.clock.now() - begun).as_seconds_f64().max(0.0);
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics.answered(route, method, response.status().as_u16(), seconds);
    headers::secure(response.headers_mut(), app.is_development());
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(request_id::HEADER, id);
    }
    response
}

/// A method that is ours; all others are one.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
