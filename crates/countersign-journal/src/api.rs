//! The addresses of the journal. Who calls is known from `countersign-resource-server` and nothing else.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, FromRequestParts, Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, header::LOCATION, request::Parts},
    response::IntoResponse,
    routing::get,
};
use countersign_resource_server::{Authorized, RequiredScope, ResourceServer, scopes};
use serde::Deserialize;
use serde_json::json;

use crate::{
    clock::Clock,
    entry::{Draft, Entry, EntryId},
    error::ApiError,
    random,
    store::Store,
};

/// The largest request, in bytes.
pub const MAX_REQUEST: usize = 64 * 1024;
/// The largest page, in entries.
const MAX_PAGE: u32 = 100;

scopes! {
    /// List and read one's entries.
    pub JournalRead = "journal.read";
    /// Write, replace and delete one's entries.
    pub JournalWrite = "journal.write";
}

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Where entries are kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The whole API.
pub fn router(journal: Journal, tokens: &ResourceServer) -> Router {
    let guarded = Router::new()
        .route("/entries", get(list).post(write))
        .route("/entries/{id}", get(read).put(replace).delete(erase))
        .route_layer(tokens.layer());
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .merge(guarded)
        .merge(tokens.metadata_router())
        .method_not_allowed_fallback(async || ApiError::Method)
        .fallback(async || ApiError::NoPage)
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .with_state(journal)
}

/// The person whose token has the scope `R`: their `sub`.
struct Person<R> {
    sub: String,
    scope: PhantomData<fn() -> R>,
}

impl<R: RequiredScope, S: Send + Sync> FromRequestParts<S> for Person<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Authorized::<R>::from_request_parts(parts, state).await?;
        let sub = caller.person().ok_or(ApiError::NotAPerson)?.to_owned();
        Ok(Self { sub, scope: PhantomData })
    }
}

#[derive(Deserialize)]
struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

async fn list(
    person: Person<JournalRead>,
    State(journal): State<Journal>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Query(page) = query?;
    let invalid = |what: &str| ApiError::Invalid(what.to_owned());
    let limit = page.limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(invalid("limit is a number from 1 to 100"));
    }
    let after = page.after.as_deref().map(str::parse::<EntryId>).transpose();
    let after = after.map_err(|_| invalid("after is the id of an entry"))?;
    let entries = journal.store.list(&person.sub, after.as_ref(), limit).await?;
    // A full page may be the last one; then the next is empty.
    let full = u32::try_from(entries.len()).is_ok_and(|count| count == limit);
    let next = entries.last().filter(|_| full).map(|entry| entry.id.clone());
    Ok(Json(json!({ "entries": entries, "next": next })))
}

async fn write(
    person: Person<JournalWrite>,
    State(journal): State<Journal>,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let draft = checked(draft)?;
    let now = journal.clock.now();
    let id = EntryId::new(now, random::bytes()?);
    let entry = journal.store.insert(&person.sub, &id, &draft, now).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("/entries/{id}"))], Json(entry)))
}

async fn read(
    person: Person<JournalRead>,
    State(journal): State<Journal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Entry>, ApiError> {
    let entry = journal.store.get(&person.sub, &entry_id(id)?).await?;
    entry.map(Json).ok_or(ApiError::NoEntry)
}

async fn replace(
    person: Person<JournalWrite>,
    State(journal): State<Journal>,
    id: Result<Path<String>, PathRejection>,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Result<Json<Entry>, ApiError> {
    let (id, draft) = (entry_id(id)?, checked(draft)?);
    let entry = journal.store.replace(&person.sub, &id, &draft, journal.clock.now()).await?;
    entry.map(Json).ok_or(ApiError::NoEntry)
}

async fn erase(
    person: Person<JournalWrite>,
    State(journal): State<Journal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let was_there = journal.store.delete(&person.sub, &entry_id(id)?).await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NoEntry) }
}

fn checked(draft: Result<Json<Draft>, JsonRejection>) -> Result<Draft, ApiError> {
    let Json(draft) = draft?;
    draft.check().map_err(|fault| ApiError::Invalid(fault.to_owned()))?;
    Ok(draft)
}

/// What is no id names no entry.
fn entry_id(id: Result<Path<String>, PathRejection>) -> Result<EntryId, ApiError> {
    let Path(id) = id?;
    id.parse().map_err(|_| ApiError::NoEntry)
}
