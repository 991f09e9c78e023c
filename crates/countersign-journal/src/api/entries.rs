//! `/entries`: write, read, replace and delete ciphertexts, and learn what other devices did.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use countersign_resource_server::Authorized;
use serde::Deserialize;
use serde_json::json;

use super::{
    Journal, JournalRead, JournalWrite, page_size,
    precondition::{self, Expected, etag},
};
use crate::{
    access::{Outcome, Visit},
    entry::{Entry, EntryId, Sealed},
    error::ApiError,
    object::Object,
    store::{Change, Cursor, Page, Written},
};

/// An entry as a client sends it: id and revision stand in the ciphertext's header.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    body: String,
}

#[derive(Deserialize)]
pub(super) struct Since {
    after: Option<String>,
    limit: Option<u32>,
}

impl Since {
    fn cursor(&self) -> Result<Option<Cursor>, ApiError> {
        let cursor = self.after.as_deref().map(str::parse).transpose();
        cursor.map_err(|_| ApiError::Invalid("after is the cursor of an earlier answer"))
    }
}

pub(super) async fn list(
    _: Authorized<JournalRead>,
    visit: Visit,
    State(journal): State<Journal>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(since) = since?;
    let (limit, after) = (page_size(since.limit)?, since.cursor()?);

    let mut tx = journal.store.begin().await?;
    let Page::Changes { entries, cursor, more } = tx.changes(&visit.person, after, limit).await? else {
        return Err(ApiError::Gone);
    };
    tx.record(&visit, None, Outcome::Done).await?;
    tx.commit().await?;
    Ok(Json(json!({ "entries": entries, "cursor": cursor.to_string(), "more": more })).into_response())
}

pub(super) async fn write(
    _: Authorized<JournalWrite>,
    visit: Visit,
    State(journal): State<Journal>,
    since: Result<Query<Since>, QueryRejection>,
    draft: Result<Json<Object<Draft>>, JsonRejection>,
) -> Result<Response, ApiError> {
    let after = since?.cursor()?;
    let sealed = sealed(draft)?;
    if sealed.revision != 1 {
        return Err(ApiError::AnotherEntry("the header of a new entry names revision 1"));
    }

    let mut tx = journal.store.begin().await?;
    // Who did not learn yet that everything was deleted would write under a key that is gone.
    if let Some(after) = after
        && !tx.is_of_now(&visit.person, after).await?
    {
        return Err(ApiError::Gone);
    }
    match tx.insert(&visit.person, &sealed).await? {
        Written::Created => {}
        Written::IdUsed => return Err(ApiError::IdUsed),
    }
    journal.check_room(&mut tx, &visit.person).await?;
    tx.record(&visit, Some(&sealed.id), Outcome::Done).await?;
    tx.commit().await?;
    let location = [(LOCATION, format!("/entries/{}", sealed.id))];
    Ok((StatusCode::CREATED, location, shown(sealed.into())).into_response())
}

pub(super) async fn read(
    _: Authorized<JournalRead>,
    visit: Visit,
    State(journal): State<Journal>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = entry_id(id)?;
    let mut tx = journal.store.begin().await?;
    let entry = tx.entry(&visit.person, &id).await?.ok_or(ApiError::NoEntry)?;
    tx.record(&visit, Some(&id), Outcome::Done).await?;
    tx.commit().await?;
    if precondition::has(&headers, entry.revision) {
        return Ok((StatusCode::NOT_MODIFIED, [etag(entry.revision)]).into_response());
    }
    Ok(shown(entry).into_response())
}

pub(super) async fn replace(
    _: Authorized<JournalWrite>,
    visit: Visit,
    State(journal): State<Journal>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    draft: Result<Json<Object<Draft>>, JsonRejection>,
) -> Result<Response, ApiError> {
    let (id, expected, sealed) = (entry_id(id)?, Expected::of(&headers)?, sealed(draft)?);
    if sealed.id != id {
        return Err(ApiError::AnotherEntry("the header of the ciphertext names another entry than the address"));
    }
    match expected {
        Expected::Version(version) if version.checked_add(1) != Some(sealed.revision) => {
            return Err(ApiError::AnotherEntry("the header names the revision after the one in If-Match"));
        }
        Expected::Version(_) | Expected::Any => {}
        Expected::Other => return Err(ApiError::PreconditionFailed),
    }

    let mut tx = journal.store.begin().await?;
    made(tx.replace(&visit.person, &sealed).await?)?;
    journal.check_room(&mut tx, &visit.person).await?;
    tx.record(&visit, Some(&id), Outcome::Done).await?;
    tx.commit().await?;
    Ok(shown(sealed.into()).into_response())
}

pub(super) async fn delete(
    _: Authorized<JournalWrite>,
    visit: Visit,
    State(journal): State<Journal>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (id, expected) = (entry_id(id)?, Expected::of(&headers)?);
    let mut tx = journal.store.begin().await?;
    let entry = tx.entry(&visit.person, &id).await?.ok_or(ApiError::NoEntry)?;
    if !expected.is(entry.revision) {
        return Err(ApiError::PreconditionFailed);
    }
    made(tx.delete(&visit.person, &id, entry.revision).await?)?;
    tx.record(&visit, Some(&id), Outcome::Done).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn sealed(draft: Result<Json<Object<Draft>>, JsonRejection>) -> Result<Sealed, ApiError> {
    let Json(Object(Draft { body })) = draft?;
    Ok(Sealed::parse(body)?)
}

fn made(change: Change) -> Result<(), ApiError> {
    match change {
        Change::Made => Ok(()),
        Change::Stale => Err(ApiError::PreconditionFailed),
        Change::Missing => Err(ApiError::NoEntry),
    }
}

fn shown(entry: Entry) -> impl IntoResponse {
    ([etag(entry.revision)], Json(entry))
}

/// What is no id names no entry.
fn entry_id(id: Result<Path<String>, PathRejection>) -> Result<EntryId, ApiError> {
    let Path(id) = id?;
    id.parse().map_err(|_| ApiError::NoEntry)
}
