//! The addresses of the journal. Who calls is known from `countersign-resource-server` and nothing else.

mod accesses;
mod entries;
mod page;
mod precondition;
mod vault;
mod whole;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{
        DefaultBodyLimit, FromRequestParts, MatchedPath, RawPathParams, Request, State,
        rejection::RawPathParamsRejection,
    },
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use countersign_resource_server::{Caller, RateLimit, Require, RequiredScope as _, ResourceServer, scopes};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    access::{Action, Outcome, Visit},
    clock::Clock,
    entry::EntryId,
    error::ApiError,
    settings::Settings,
    store::{Store, Tx},
};

/// The largest request, in bytes.
pub const MAX_REQUEST: usize = 96 * 1024;
/// The largest page, in entries or accesses.
const MAX_PAGE: u32 = 100;
/// How many entries one person may keep, those that were deleted among them.
const MAX_ENTRIES: i64 = 100_000;
/// How recent the sign-in must be for what concerns the whole journal.
const RECENT: Duration = Duration::from_mins(5);
/// How often one person may ask within a minute, and how often one who has the role may.
const REQUESTS: u32 = 300;
const WINDOW: Duration = Duration::from_mins(1);
const PREMIUM: (&str, u32) = ("premium", 1500);

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
    /// How much one person may keep, in bytes of bodies.
    room: i64,
    /// What reading or deleting everything at once takes beyond the scope.
    strong: Arc<Require>,
    /// The page.
    web: Arc<page::Web>,
}

impl Journal {
    /// A journal with this store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, settings: &Settings) -> Self {
        let strong = Require::default().acr(&settings.acr).max_age(RECENT);
        let room = i64::from(settings.room_mib).saturating_mul(1024 * 1024);
        Self { store, clock, room, strong: Arc::new(strong), web: Arc::new(page::Web::new(settings)) }
    }
}

impl Journal {
    /// Refuses a change, which is undone then, that takes more room than one person may have.
    async fn check_room(&self, tx: &mut Tx, person: &str) -> Result<(), ApiError> {
        let (entries, bytes) = tx.room_taken(person).await?;
        if entries > MAX_ENTRIES || bytes > self.room { Err(ApiError::Full) } else { Ok(()) }
    }
}

/// The whole API, and the page that uses it.
pub fn router(journal: Journal, tokens: &ResourceServer) -> Router {
    let limit = RateLimit::new("journal", REQUESTS, WINDOW).role(PREMIUM.0, PREMIUM.1);
    let guarded = Router::new()
        .route("/entries", get(entries::list).post(entries::write))
        .route("/entries/{id}", get(entries::read).put(entries::replace).delete(entries::delete))
        .route("/vault", get(vault::read).put(vault::write))
        .route("/journal", get(whole::export).delete(whole::delete))
        .route("/accesses", get(accesses::list))
        .route_layer(middleware::from_fn_with_state(journal.clone(), record_refusals))
        .route_layer(limit)
        .route_layer(tokens.layer());
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .merge(guarded)
        .merge(page::router(&journal.web))
        .merge(tokens.metadata_router())
        .method_not_allowed_fallback(async || ApiError::Method)
        .fallback(async || ApiError::NoPage)
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        // A defect in one request must not take the others down.
        .layer(CatchPanicLayer::new())
        .layer(middleware::map_response(harden))
        .with_state(journal)
}

/// Says whose request it is and what it is about, and records it where it is refused; what is done is recorded by whoever does it, in the
/// same transaction.
async fn record_refusals(
    State(journal): State<Journal>,
    route: MatchedPath,
    path: Result<RawPathParams, RawPathParamsRejection>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let person = caller.person().ok_or(ApiError::NotAPerson)?.to_owned();
    let Some(action) = Action::of(request.method(), route.as_str()) else { return Ok(next.run(request).await) };
    let visit = Visit { person, client: caller.client_id.to_string(), action, at: journal.clock.now() };
    request.extensions_mut().insert(visit.clone());
    let id = path.as_ref().ok().and_then(|path| path.iter().find(|(name, _)| *name == "id"));
    let entry = id.and_then(|(_, id)| id.parse::<EntryId>().ok());
    let response = next.run(request).await;
    // A journal that is full is a refusal as well; what failed here is none.
    if response.status().is_client_error() || response.status() == StatusCode::INSUFFICIENT_STORAGE {
        let not_found = response.status() == StatusCode::NOT_FOUND;
        let outcome = if not_found { Outcome::NotFound } else { Outcome::Refused };
        let mut tx = journal.store.begin().await?;
        tx.record(&visit, entry.as_ref(), outcome).await?;
        tx.commit().await?;
    }
    Ok(response)
}

/// What an answer is not unless it says so itself: something to keep (ciphertext or not), or to run in a browser.
async fn harden(mut response: Response) -> Response {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::NoVisit)
    }
}

/// From one of a page to the most of it.
fn page_size(limit: Option<u32>) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(MAX_PAGE);
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::Invalid("limit is a number from 1 to 100"))
}

/// The scopes of the API.
pub fn scopes() -> [&'static str; 2] {
    [JournalRead::SCOPE, JournalWrite::SCOPE]
}
