//! One commit for many requests.
//!
//! A client's token for itself has no durable effect but its audit row. Such rows wait here for each other: while one
//! batch is being written the next one gathers, so under load an fsync is shared and an idle server waits for nobody.

use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, oneshot};

use super::{Inner, Store, StoreError, audit};
use crate::domain::event::AuditEntry;

/// Requests that may wait at once; beyond it new ones wait for a place.
const QUEUE: usize = 4_096;
/// Rows of one commit.
const MAX_BATCH: usize = 256;

type Waiting = (audit::Row, oneshot::Sender<Result<(), StoreError>>);

/// The way into the next batch.
#[derive(Debug)]
pub(super) struct Committer(mpsc::Sender<Waiting>);

/// Where the batches gather.
pub(super) struct Inbox(mpsc::Receiver<Waiting>);

impl Committer {
    pub(super) fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Inbox(receiver))
    }
}

impl Store {
    /// Writes an event that concerns no account and has no other effect. Returns when it is durable.
    pub async fn record_alone(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let inner = &self.0;
        let row = audit::Row::of_nobody(entry, inner.clock.now(), &inner.audit, &inner.random);
        let (done, outcome) = oneshot::channel();
        let closed = || StoreError::Database(sqlx::Error::PoolClosed);
        inner.committer.0.send((row, done)).await.map_err(|_| closed())?;
        outcome.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// Writes batches for as long as the store lives.
pub(super) fn spawn(store: Weak<Inner>, mut inbox: Inbox) {
    tokio::spawn(async move {
        let mut batch = Vec::new();
        while inbox.0.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let Some(inner) = store.upgrade() else { return };
            let (rows, waiting): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
            let outcome = write(&Store(inner), &rows).await.map_err(Arc::new);
            for done in waiting {
                let own = outcome
                    .clone()
                    .map_err(|error| StoreError::Database(sqlx::Error::Io(std::io::Error::other(error.to_string()))));
                // Whoever gave up waiting has no use for the answer.
                let _ = done.send(own);
            }
        }
    });
}

async fn write(store: &Store, rows: &[audit::Row]) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    for row in rows {
        row.insert(&mut tx).await?;
    }
    tx.commit().await
}
