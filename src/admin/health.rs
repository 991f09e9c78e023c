//! Whether the process runs, and whether it can do its work.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::http::state::AppState;

const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// `GET /healthz`: the process is up.
pub async fn healthz() -> Response {
    (NO_STORE, Json(json!({ "status": "up" }))).into_response()
}

/// `GET /readyz`: 200 when the database answers. Redis is named, but people can sign in without it.
pub async fn readyz(State(state): State<AppState>) -> Response {
    let (app, now) = (&state.app, state.app.clock.now());
    let (database, redis) = tokio::join!(app.store.ping(), app.ephemeral.redis_answers(now));
    let status = match &database {
        Ok(()) => StatusCode::OK,
        Err(error) => {
            tracing::warn!(%error, "not ready");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let word = |is_up| if is_up { "up" } else { "down" };
    let database = word(database.is_ok());
    let body = match redis {
        Some(answers) => json!({ "database": database, "redis": word(answers) }),
        None => json!({ "database": database }),
    };
    (status, NO_STORE, Json(body)).into_response()
}
