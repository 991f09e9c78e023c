//! `/journal`: everything at once, to take it away or to end it. That takes a strong and recent sign-in and a signed request, so that
//! neither a stolen token nor a forgotten device will do.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_resource_server::{Authorized, Caller, Refusal, SignedRequest};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{Journal, JournalRead, JournalWrite, MAX_PAGE};
use crate::{
    access::{Outcome, Visit},
    error::ApiError,
    store::{Cursor, Page, Store},
};

pub(super) async fn export(
    _: Authorized<JournalRead>,
    visit: Visit,
    State(journal): State<Journal>,
    caller: Caller,
    signed: Result<SignedRequest, Refusal>,
) -> Result<Response, ApiError> {
    check(&journal, &caller, signed)?;
    let mut tx = journal.store.begin().await?;
    let vault = tx.vault(&visit.person).await?.map(|kept| kept.vault);
    tx.record(&visit, None, Outcome::Done).await?;
    tx.commit().await?;

    let head = format!(r#"{{"exported_at":{},"vault":{},"entries":["#, json!(visit.at), json!(vault));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, r#"attachment; filename="journal.json""#),
    ];
    Ok((headers, Body::from_stream(document(head, journal.store, visit.person))).into_response())
}

pub(super) async fn delete(
    _: Authorized<JournalWrite>,
    visit: Visit,
    State(journal): State<Journal>,
    caller: Caller,
    signed: Result<SignedRequest, Refusal>,
) -> Result<StatusCode, ApiError> {
    check(&journal, &caller, signed)?;
    let mut tx = journal.store.begin().await?;
    tx.delete_all(&visit.person).await?;
    tx.record(&visit, None, Outcome::Done).await?;
    tx.commit().await?;
    // It is deleted, whatever becomes of this.
    if let Err(error) = journal.store.forget_log().await {
        tracing::warn!(%error, "what was deleted is still in the write-ahead log");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The sign-in first: whoever has to sign in again gets another token, which another signature goes with.
fn check(journal: &Journal, caller: &Caller, signed: Result<SignedRequest, Refusal>) -> Result<(), ApiError> {
    caller.require(&journal.strong)?;
    signed?;
    Ok(())
}

/// Where the writing of the document stands.
enum Step {
    Head(String),
    Entries { after: Option<Cursor>, first: bool },
    End,
}

/// Writes the document page by page, so that a large journal needs no large memory. What is changed meanwhile stands in it once more, at its
/// end. Where the database fails it breaks off, which the reader sees.
fn document(head: String, store: Store, person: String) -> impl futures_util::Stream<Item = Result<Bytes, ApiError>> {
    stream::try_unfold((Step::Head(head), store, person), async |(step, store, person)| {
        let (text, next) = match step {
            Step::Head(head) => (head, Step::Entries { after: None, first: true }),
            Step::Entries { after, first } => page(&store, &person, after, first).await?,
            Step::End => return Ok(None),
        };
        Ok(Some((Bytes::from(text), (next, store, person))))
    })
    .boxed()
}

async fn page(store: &Store, person: &str, after: Option<Cursor>, first: bool) -> Result<(String, Step), ApiError> {
    let mut tx = store.begin().await?;
    let Page::Changes { entries, cursor, more } = tx.changes(person, after, MAX_PAGE).await? else {
        return Err(ApiError::Gone);
    };
    let mut text = String::new();
    let mut first = first;
    for entry in entries.iter().filter(|entry| !entry.deleted) {
        text.push_str(if first { "\n" } else { ",\n" });
        text.push_str(&json!(entry).to_string());
        first = false;
    }
    if more {
        return Ok((text, Step::Entries { after: Some(cursor), first }));
    }
    text.push_str("\n]}\n");
    Ok((text, Step::End))
}
