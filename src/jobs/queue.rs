//! The queue: takes what is due, has it done, and notes what became of it.
//!
//! Every node does this. A job is taken for longer than its work may last, so that another node takes it only from one that
//! died. What was done is noted for as long as it takes to get it noted: a job whose note fails would be done again.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{backchannel_logout, errand, mail};
use crate::{
    app::{App, Issuer},
    domain::{
        event::AuditEntry,
        job::{Next, Outcome, next},
    },
    store::{
        StoreError, audit,
        job::{self, Job, JobKind},
    },
};

/// Jobs of one kind that a node has under way at once: where one kind is slow, such as an app that does not answer, the others are
/// not.
const AT_ONCE: usize = 8;
/// How long a job is taken for: more than connecting to a mail server and sending may last together.
const CLAIM: TimeDelta = TimeDelta::minutes(10);
/// How often it is looked for jobs of which nobody told this process: those of other nodes, of the command line, and second tries.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before a note that failed is tried again.
const NOTE_PAUSE: Duration = Duration::from_millis(200);
/// How often a note is tried: about as long as the job is taken for.
const NOTE_TRIES: u32 = 3_000;

/// What a try came to.
#[derive(Debug)]
pub(super) struct Tried {
    /// What it was about, for the log.
    pub(super) subject: &'static str,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// What stands in the audit trail if no further try is made.
    pub(super) if_given_up: Option<AuditEntry>,
}

/// Does what is due of a kind, until it is told to stop; then it ends what it has begun.
pub(super) async fn run(app: Arc<App>, issuer: Arc<Issuer>, kind: JobKind, mut stop: watch::Receiver<bool>) {
    let mut queued = app.store.jobs_queued();
    let mut under_way = JoinSet::new();
    let mut is_away = false;
    loop {
        let places = AT_ONCE.saturating_sub(under_way.len());
        match claim(&app, kind, places).await {
            Ok(jobs) => {
                is_away = false;
                for job in jobs {
                    let (app, issuer) = (app.clone(), issuer.clone());
                    under_way.spawn(async move { work(&app, &issuer, &job).await });
                }
            }
            Err(error) if !is_away => {
                tracing::warn!(%error, kind = kind.as_str(), "nothing can be taken from the queue; trying again");
                is_away = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            _ = queued.changed() => {}
            Some(_) = under_way.join_next() => {}
            () = sleep(LOOK) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Does all that is due now: how many jobs.
pub async fn run_due(app: &App, issuer: &Issuer) -> Result<usize, StoreError> {
    let mut done = 0;
    loop {
        let mut jobs = Vec::new();
        for kind in JobKind::ALL {
            jobs.extend(claim(app, kind, AT_ONCE).await?);
        }
        if jobs.is_empty() {
            return Ok(done);
        }
        done += jobs.len();
        for job in jobs {
            work(app, issuer, &job).await;
        }
    }
}

async fn claim(app: &App, kind: JobKind, most: usize) -> Result<Vec<Job>, StoreError> {
    let now = app.clock.now();
    // Mostly nothing is due, and to see that takes no write lock.
    if most == 0 || !job::is_due(&mut app.store.read().await?, kind, now).await? {
        return Ok(Vec::new());
    }
    let mut tx = app.store.write().await?;
    let jobs = job::claim(&mut tx, kind, now, now + CLAIM, i64::try_from(most).unwrap_or(i64::MAX)).await?;
    tx.commit().await?;
    Ok(jobs)
}

async fn work(app: &App, issuer: &Issuer, job: &Job) {
    let tried = match job.kind {
        JobKind::Mail => mail::send(app, job).await,
        JobKind::Errand => errand::run(app, job).await,
        JobKind::BackchannelLogout => backchannel_logout::send(app, issuer, job).await,
    };
    for noted in 0..NOTE_TRIES {
        match note(app, job, &tried).await {
            Ok(()) => return,
            // Once is enough, however long the database is away.
            Err(error) if noted == 0 => {
                tracing::warn!(%error, job = job.id, "what became of a job could not be noted; trying again");
            }
            Err(_) => {}
        }
        sleep(NOTE_PAUSE).await;
    }
}

async fn note(app: &App, job: &Job, tried: &Tried) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let result = match next(tried.outcome, job.tries, now, job.expires_at) {
        Next::Finish => {
            job::finish(&mut tx, job).await?;
            "done"
        }
        Next::TryAgain(at) => {
            job::postpone(&mut tx, job, at).await?;
            "failed"
        }
        Next::GiveUp if job::give_up(&mut tx, job).await? => {
            let subject = tried.subject;
            tracing::warn!(job = job.id, subject, tries = job.tries, "a job could not be done, and is given up");
            if let Some(entry) = &tried.if_given_up {
                audit::record(&mut tx, entry, now).await?;
            }
            "given_up"
        }
        // Another node has it.
        Next::GiveUp => return Ok(()),
    };
    tx.commit().await?;
    app.metrics.job_tried(job.kind.as_str(), result);
    Ok(())
}
