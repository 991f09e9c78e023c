//! The queue of work that nobody waits for.
//!
//! A job is written in the transaction of what it follows from, so that it is there if, and only if, that happened. Whoever
//! takes one moves the time at which it is due past the time that the work may take: a node that dies leaves it to be taken
//! again. Nothing is done less than once, and twice only if a node dies between the work and its last note.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use chrono::{DateTime, Utc};
use countersign_types::UserId;
use tokio::sync::watch;

use super::{Store, StoreError, Tx};
use crate::master_key::{MasterKeys, SealingKey};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Send a mail.
    Mail,
    /// Run an errand for somebody who has not proven who they are.
    Errand,
    /// Tell the server of an app that a session is over.
    BackchannelLogout,
}

impl JobKind {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Mail, Self::Errand, Self::BackchannelLogout];

    /// As it stands in the database, and in what is counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Errand => "errand",
            Self::BackchannelLogout => "backchannel_logout",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| StoreError::corrupt("job", text))
    }
}

/// What the queue has beside its table.
#[derive(Debug)]
pub(super) struct Queue {
    /// Seals what is to be done.
    payloads: SealingKey,
    /// Makes the digests of what jobs are about.
    abouts: SealingKey,
    /// Tells that something was queued in this process.
    queued: watch::Sender<()>,
    /// How many jobs this process has queued.
    count: AtomicU32,
}

impl Queue {
    pub(super) fn new(master: &MasterKeys) -> Self {
        Self {
            payloads: master.derive("jobs"),
            abouts: master.derive("what jobs are about"),
            queued: watch::Sender::new(()),
            count: AtomicU32::new(0),
        }
    }

    /// What seals what is to be done.
    pub(super) fn payloads(&self) -> &SealingKey {
        &self.payloads
    }

    /// Called when a transaction that queued something is committed.
    pub(super) fn wake(&self) {
        self.queued.send_replace(());
    }
}

/// Work to be queued.
pub struct NewJob<'a> {
    /// What is to be done.
    pub kind: JobKind,
    /// What it is about, such as a mail address. Only a keyed digest of it is stored, to count by.
    pub about: &'a str,
    /// Whose account it concerns.
    pub user: Option<&'a UserId>,
    /// The most jobs about the same that may wait; beyond it this one is not queued.
    pub most_about: i64,
    /// All else there is to know; stored sealed.
    pub payload: &'a [u8],
    /// When it is no longer worth doing.
    pub expires_at: DateTime<Utc>,
}

/// A job that this node has taken.
#[derive(Clone)]
pub struct Job {
    /// Never repeated: a second try is known by it.
    pub id: String,
    /// What is to be done.
    pub kind: JobKind,
    /// Whose account it concerns.
    pub user: Option<UserId>,
    /// How often it was taken, this time included.
    pub tries: u32,
    /// When it is no longer worth doing.
    pub expires_at: DateTime<Utc>,
    sealed: Vec<u8>,
}

impl fmt::Debug for NewJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewJob").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, kind, tries, .. } = self;
        f.debug_struct("Job").field("id", id).field("kind", kind).field("tries", tries).finish_non_exhaustive()
    }
}

/// Queues a job that is due at once. `false`, and nothing is queued, when too many about the same thing wait already.
pub async fn insert(tx: &mut Tx, job: &NewJob<'_>, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let inner = tx.inner();
    let about = inner.queue.abouts.authenticate(job.about.as_bytes());
    let (waiting,): (i64,) = fetch_one!(tx, "SELECT COUNT(*) FROM job WHERE about = $1", about.as_slice())?;
    if waiting >= job.most_about {
        return Ok(false);
    }
    // Begins with the time, and of two at the same time with which was first: in this order they are done.
    let number = inner.queue.count.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:016x}-{number:08x}-{}", now.timestamp_micros(), inner.random.id());
    let sealed = inner.queue.payloads.seal(job.payload, id.as_bytes(), &inner.random);
    execute!(
        tx,
        "INSERT INTO job (id, kind, about, user_id, sealed, tries, due_at, expires_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
        id,
        job.kind.as_str(),
        about.as_slice(),
        job.user.map(UserId::as_str),
        sealed,
        now,
        job.expires_at,
    )?;
    tx.queued_job = true;
    Ok(true)
}

/// Whether a job of this kind is due.
pub async fn is_due(tx: &mut Tx, kind: JobKind, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let due: Option<(String,)> =
        fetch_optional!(tx, "SELECT id FROM job WHERE due_at <= $1 AND kind = $2 LIMIT 1", now, kind.as_str())?;
    Ok(due.is_some())
}

/// How many jobs wait whose time has come.
pub async fn count_due(tx: &mut Tx, now: DateTime<Utc>) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch_one!(tx, "SELECT COUNT(*) FROM job WHERE due_at <= $1", now)?;
    Ok(count)
}

/// Takes up to `most` jobs of a kind that are due, the longest due first. Nobody else gets them before `until`. Kinds that a later
/// version knows, on another node or before this one was put back, are left for it.
pub async fn claim(
    tx: &mut Tx,
    kind: JobKind,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Job>, StoreError> {
    type Columns = (String, String, Option<String>, Vec<u8>, i64, DateTime<Utc>);
    // The condition stands twice, since PostgreSQL looks at the outer one again when it has waited for another node.
    let rows: Vec<Columns> = fetch_all!(
        tx,
        "UPDATE job SET due_at = $2, tries = tries + 1
         WHERE due_at <= $1 AND id IN (
             SELECT id FROM job WHERE due_at <= $1 AND kind = $4 ORDER BY due_at, id LIMIT $3)
         RETURNING id, kind, user_id, sealed, tries, expires_at",
        now,
        until,
        most,
        kind.as_str(),
    )?;
    let mut jobs = rows
        .into_iter()
        .map(|(id, kind, user, sealed, tries, expires_at)| {
            let user = user.map(UserId::new);
            let tries = u32::try_from(tries).unwrap_or(u32::MAX);
            Ok(Job { id, kind: JobKind::parse(&kind)?, user, tries, expires_at, sealed })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    jobs.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(jobs)
}

/// What a job is to do.
pub fn payload(store: &Store, job: &Job) -> Result<Vec<u8>, StoreError> {
    Ok(store.0.queue.payloads.open(&job.sealed, job.id.as_bytes())?)
}

/// Removes a job that is done.
pub async fn finish(tx: &mut Tx, job: &Job) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM job WHERE id = $1", &job.id)?;
    Ok(())
}

/// Removes a job that was not done. `false` when another node has taken it since.
pub async fn give_up(tx: &mut Tx, job: &Job) -> Result<bool, StoreError> {
    let removed = execute!(tx, "DELETE FROM job WHERE id = $1 AND tries = $2", &job.id, i64::from(job.tries))?;
    Ok(removed == 1)
}

/// Leaves a job for another try, unless another node has taken it since.
pub async fn postpone(tx: &mut Tx, job: &Job, due_at: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(tx, "UPDATE job SET due_at = $3 WHERE id = $1 AND tries = $2", &job.id, i64::from(job.tries), due_at)?;
    Ok(())
}

impl Store {
    /// Hears from now on when a job is queued in this process.
    pub fn jobs_queued(&self) -> watch::Receiver<()> {
        self.0.queue.queued.subscribe()
    }
}
