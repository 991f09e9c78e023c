//! `/accesses`: who read or changed one's journal, and who tried.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use countersign_resource_server::Authorized;
use serde::Deserialize;
use serde_json::json;

use super::{Journal, JournalRead, page_size};
use crate::{
    access::{Outcome, Visit},
    error::ApiError,
};

#[derive(Deserialize)]
pub(super) struct Before {
    before: Option<i64>,
    limit: Option<u32>,
}

pub(super) async fn list(
    _: Authorized<JournalRead>,
    visit: Visit,
    State(journal): State<Journal>,
    query: Result<Query<Before>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let limit = page_size(query.limit)?;

    let mut tx = journal.store.begin().await?;
    let (accesses, next) = tx.accesses(&visit.person, query.before, limit).await?;
    tx.record(&visit, None, Outcome::Done).await?;
    tx.commit().await?;
    Ok(Json(json!({ "accesses": accesses, "before": next })).into_response())
}
