//! One commit for many requests.
//!
//! Effects of requests that are under way at the same time are written in one transaction: while one batch is being written the
//! next one gathers. So under load an fsync is shared, and an idle server waits for nobody. An effect knows nothing of its
//! neighbours: if one of them fails, or finds that it came too late, the batch is rolled back and each is tried alone.

use std::{future::Future, pin::Pin, sync::Weak};

use tokio::sync::{mpsc, oneshot};

use super::{Engine, Inner, Store, StoreError, Tx, audit};
use crate::domain::event::AuditEntry;

/// Requests that may wait at once; beyond it new ones wait for a place.
const QUEUE: usize = 4_096;
/// How often others may be let in before a batch is written: each round takes about as long as a signature.
const MAX_ROUNDS: usize = 16;
/// Effects of one commit.
const MAX_BATCH: usize = 256;

/// Whether an effect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Done,
    /// It came too late: another request was first. Nothing of it was written.
    TooLate,
}

/// An outcome that comes later.
pub type Applied<'a> = Pin<Box<dyn Future<Output = Result<Outcome, StoreError>> + Send + 'a>>;

/// What one request writes. It may be applied more than once, each time to a transaction that knows nothing of the time before.
pub trait Effect: Send + Sync + 'static {
    /// Writes it. After [`Outcome::TooLate`] or an error the transaction is rolled back.
    fn apply<'a>(&'a self, tx: &'a mut Tx) -> Applied<'a>;
}

impl Effect for audit::Row {
    fn apply<'a>(&'a self, tx: &'a mut Tx) -> Applied<'a> {
        tx.events.push(self.clone());
        Box::pin(async { Ok(Outcome::Done) })
    }
}

struct Waiting {
    effect: Box<dyn Effect>,
    /// The name of the request that it belongs to.
    request: Option<String>,
    /// Whether it is written even if nobody waits for it any more.
    outlives_request: bool,
    done: oneshot::Sender<Result<Outcome, StoreError>>,
}

impl Waiting {
    /// Whether whoever waited has gone. What they were about to be given would be lost: better that it never was.
    fn is_abandoned(&self) -> bool {
        self.done.is_closed() && !self.outlives_request
    }

    /// Does something with it as if within its request.
    async fn within<W: Future>(&self, work: W) -> W::Output {
        match &self.request {
            Some(name) => audit::in_request(name.clone(), work).await,
            None => work.await,
        }
    }
}

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

    async fn apply(&self, effect: Box<dyn Effect>, outlives_request: bool) -> Result<Outcome, StoreError> {
        let (done, outcome) = oneshot::channel();
        let closed = || StoreError::Database(sqlx::Error::PoolClosed);
        let request = audit::request();
        self.0.send(Waiting { effect, request, outlives_request, done }).await.map_err(|_| closed())?;
        outcome.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Store {
    /// Writes an event that concerns no account and has no other effect. Returns when it is durable.
    pub async fn record_alone(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let inner = &self.0;
        let row = audit::Row::of_nobody(entry, inner.clock.now(), &inner.audit, &inner.random);
        inner.committer.apply(Box::new(row), true).await.map(drop)
    }

    /// Writes an effect, in a transaction that it may share with others. Returns when it is durable.
    pub async fn apply(&self, effect: impl Effect) -> Result<Outcome, StoreError> {
        match &self.0.engine {
            // One writes at a time anyway.
            Engine::Sqlite(_) => self.0.committer.apply(Box::new(effect), false).await,
            // Many write at once, and those that lock the same rows must not wait for a batch of strangers.
            Engine::Postgres(_) => alone(self, &effect).await,
        }
    }
}

/// Writes batches for as long as the store lives.
pub(super) fn spawn(store: Weak<Inner>, mut inbox: Inbox) {
    tokio::spawn(async move {
        let mut batch = Vec::new();
        while inbox.0.recv_many(&mut batch, MAX_BATCH).await > 0 {
            gather(&mut inbox.0, &mut batch).await;
            let Some(inner) = store.upgrade() else { return };
            let store = Store(inner);
            let written = match store.write().await {
                Ok(tx) => {
                    // The lock may have been long in coming.
                    batch.retain(|waiting| !waiting.is_abandoned());
                    together(tx, &batch).await.unwrap_or(Written::Nothing)
                }
                Err(_) => Written::NoTransaction,
            };
            for waiting in batch.drain(..) {
                let outcome = match written {
                    Written::All => Ok(Outcome::Done),
                    // Some may have gone while others were tried.
                    Written::Nothing if waiting.is_abandoned() => continue,
                    Written::Nothing => waiting.within(alone(&store, &*waiting.effect)).await,
                    // Trying each alone would take as long again, for each.
                    Written::NoTransaction => Err(StoreError::Database(sqlx::Error::PoolTimedOut)),
                };
                // Whoever gave up waiting has no use for the answer.
                let _ = waiting.done.send(outcome);
            }
        }
    });
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// All of it is durable.
    All,
    /// One of them failed or came too late, and none was written.
    Nothing,
    /// The database is locked or gone.
    NoTransaction,
}

/// Lets requests that are nearly done join, for as long as more come: on a busy server a few do, on an idle one none.
async fn gather(inbox: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>) {
    for _ in 0..MAX_ROUNDS {
        let before = batch.len();
        tokio::task::yield_now().await;
        while batch.len() < MAX_BATCH
            && let Ok(waiting) = inbox.try_recv()
        {
            batch.push(waiting);
        }
        if batch.len() == before {
            return;
        }
    }
}

async fn together(mut tx: Tx, batch: &[Waiting]) -> Result<Written, StoreError> {
    for waiting in batch {
        if waiting.within(waiting.effect.apply(&mut tx)).await? == Outcome::TooLate {
            return Ok(Written::Nothing);
        }
    }
    tx.commit().await?;
    Ok(Written::All)
}

async fn alone(store: &Store, effect: &dyn Effect) -> Result<Outcome, StoreError> {
    let mut tx = store.write().await?;
    let outcome = effect.apply(&mut tx).await?;
    if outcome == Outcome::Done {
        tx.commit().await?;
    }
    Ok(outcome)
}
