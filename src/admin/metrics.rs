//! `/metrics`: what is counted, for Prometheus.

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    app::App,
    http::{error_page::ErrorPage, near::Near, state::AppState},
    store::{StoreError, audit_log, job},
};

/// `GET /metrics` beside everything else: for this machine alone, and not at all where it has a listener of its own.
pub async fn beside(_: Near, State(AppState { app, .. }): State<AppState>) -> Response {
    if app.settings.metrics.listen.is_some() {
        return ErrorPage::not_found().into_response();
    }
    tell(&app).await
}

/// What the listener of its own answers.
pub fn alone(state: AppState) -> Router {
    Router::new()
        .route("/metrics", get(async |State(AppState { app, .. }): State<AppState>| tell(&app).await))
        .with_state(state)
}

async fn tell(app: &App) -> Response {
    let now = app.clock.now();
    let waiting = async {
        let mut tx = app.store.read().await?;
        Ok::<_, StoreError>((job::count_due(&mut tx, now).await?, audit_log::waiting(&mut tx).await?))
    };
    let (waiting, redis) = tokio::join!(waiting, app.ephemeral.redis_answers(now));
    app.metrics.service("database", waiting.is_ok());
    if let Some(is_up) = redis {
        app.metrics.service("redis", is_up);
    }
    if let Ok((jobs, (_, unsealed_since))) = waiting {
        app.metrics.jobs_waiting(jobs);
        app.metrics.unsealed_for(unsealed_since.map_or(0, |since| (now - since).num_seconds().max(0)));
    }
    let headers = [
        (header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, app.metrics.text()).into_response()
}
