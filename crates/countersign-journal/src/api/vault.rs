//! `/vault`: the wrapped data key.

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use countersign_resource_server::Authorized;

use super::{
    Journal, JournalRead, JournalWrite,
    precondition::{self, Expected, etag},
};
use crate::{
    access::{Outcome, Visit},
    error::ApiError,
    object::Object,
    store::Kept,
    vault::Vault,
};

pub(super) async fn read(
    _: Authorized<JournalRead>,
    visit: Visit,
    State(journal): State<Journal>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut tx = journal.store.begin().await?;
    let Kept { vault, version } = tx.vault(&visit.person).await?.ok_or(ApiError::NoVault)?;
    tx.record(&visit, None, Outcome::Done).await?;
    tx.commit().await?;
    if precondition::has(&headers, version) {
        return Ok((StatusCode::NOT_MODIFIED, [etag(version)]).into_response());
    }
    Ok(([etag(version)], Json(vault)).into_response())
}

pub(super) async fn write(
    _: Authorized<JournalWrite>,
    visit: Visit,
    State(journal): State<Journal>,
    headers: HeaderMap,
    vault: Result<Json<Object<Vault>>, JsonRejection>,
) -> Result<Response, ApiError> {
    // Whoever replaces a wrapping that they have not read may lock the journal for ever.
    let expected = if precondition::expects_nothing(&headers) { None } else { Some(Expected::of(&headers)?) };
    let Json(Object(vault)) = vault?;
    vault.check()?;

    let mut tx = journal.store.begin().await?;
    let status = match (expected, tx.vault(&visit.person).await?) {
        (None, None) => StatusCode::CREATED,
        (Some(expected), Some(kept)) if expected.is(kept.version) => StatusCode::OK,
        _ => return Err(ApiError::PreconditionFailed),
    };
    let version = tx.put_vault(&visit.person, &vault).await?;
    tx.record(&visit, None, Outcome::Done).await?;
    tx.commit().await?;
    Ok((status, [etag(version)], Json(vault)).into_response())
}
