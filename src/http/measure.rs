//! Counts every request, and how long its answer took.

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};

use super::state::AppState;

/// Counts a request under the pattern that it matched: addresses are as many as somebody likes.
pub async fn requests(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let app = &state.app;
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = name(request.method());
    let begun = app.clock.now();
    let response = next.run(request).await;
    let seconds = (app.clock.now() - begun).as_seconds_f64().max(0.0);
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics.answered(route, method, response.status().as_u16(), seconds);
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
