//! `/metrics`: what is counted, for Prometheus.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    app::App,
    http::{error_page::ErrorPage, state::AppState},
    store::job,
};

/// What proxies add. A request that has one came from elsewhere, wherever its last hop was.
const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// `GET /metrics` beside everything else: for this machine alone, and not at all where it has a listener of its own.
pub async fn beside(State(AppState { app, .. }): State<AppState>, request: Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_here = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    if is_here && !is_forwarded(request.headers()) && app.settings.metrics.listen.is_none() {
        return tell(&app).await;
    }
    ErrorPage::not_found().into_response()
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    OF_PROXIES.iter().any(|name| headers.contains_key(*name))
}

/// What the listener of its own answers.
pub fn alone(state: AppState) -> Router {
    Router::new()
        .route("/metrics", get(async |State(AppState { app, .. }): State<AppState>| tell(&app).await))
        .with_state(state)
}

async fn tell(app: &App) -> Response {
    let now = app.clock.now();
    let waiting = async { job::count_due(&mut app.store.read().await?, now).await };
    let (waiting, redis) = tokio::join!(waiting, app.ephemeral.redis_answers(now));
    app.metrics.service("database", waiting.is_ok());
    if let Some(is_up) = redis {
        app.metrics.service("redis", is_up);
    }
    if let Ok(waiting) = waiting {
        app.metrics.jobs_waiting(waiting);
    }
    let headers = [
        (header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, app.metrics.text()).into_response()
}
