//! The queue: takes what is due, has it done, and notes what became of it.
//!
//! Every node does this. A job is taken for longer than its work may last, so that another node takes it only from one that
//! died. What was done is noted for as long as it takes to get it noted: a job whose note fails would be done again.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{errand, mail};
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        job::{Next, Outcome, next},
    },
    store::{
        StoreError, audit,
        job::{self, Job, JobKind},
    },
};

/// Jobs that a node has under way at once.
const AT_ONCE: usize = 8;
/// How long a job is taken for: more than connecting to a mail server and sending may last together.
const CLAIM: TimeDelta = TimeDelta::minutes(10);
/// How often it is looked for jobs of which nobody told this process: those of other nodes, of the command line, and second tries.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before a note that failed is tried again.
const NOTE_PAUSE: Duration = Duration::from_millis(200);
/// How often a note is tried: about as long as the job is taken for.
const NOTE_TRIES: u32 = 3_000;

/// Does what is due, until it is told to stop; then it ends what it has begun.
pub(super) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    let mut is_away = false;
    loop {
        let places = AT_ONCE.saturating_sub(under_way.len());
        match claim(&app, places).await {
            Ok(jobs) => {
                is_away = false;
                for job in jobs {
                    let app = app.clone();
                    under_way.spawn(async move { work(&app, &job).await });
                }
            }
            Err(error) if !is_away => {
                tracing::warn!(%error, "nothing can be taken from the queue; trying again");
                is_away = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = app.store.job_queued() => {}
            Some(_) = under_way.join_next() => {}
            () = sleep(LOOK) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Does all that is due now: how many jobs.
pub async fn run_due(app: &App) -> Result<usize, StoreError> {
    let mut done = 0;
    loop {
        let jobs = claim(app, AT_ONCE).await?;
        if jobs.is_empty() {
            return Ok(done);
        }
        done += jobs.len();
        for job in jobs {
            work(app, &job).await;
        }
    }
}

async fn claim(app: &App, most: usize) -> Result<Vec<Job>, StoreError> {
    let now = app.clock.now();
    // Mostly nothing is due, and to see that takes no write lock.
    if most == 0 || !job::is_due(&mut app.store.read().await?, now).await? {
        return Ok(Vec::new());
    }
    let mut tx = app.store.write().await?;
    let jobs = job::claim(&mut tx, now, now + CLAIM, i64::try_from(most).unwrap_or(i64::MAX)).await?;
    tx.commit().await?;
    Ok(jobs)
}

async fn work(app: &App, job: &Job) {
    let (subject, outcome) = match job.kind {
        JobKind::Mail => mail::send(app, job).await,
        JobKind::Errand => errand::run(app, job).await,
    };
    for tried in 0..NOTE_TRIES {
        match note(app, job, subject, outcome).await {
            Ok(()) => return,
            // Once is enough, however long the database is away.
            Err(error) if tried == 0 => {
                tracing::warn!(%error, job = job.id, "what became of a job could not be noted; trying again");
            }
            Err(_) => {}
        }
        sleep(NOTE_PAUSE).await;
    }
}

async fn note(app: &App, job: &Job, subject: &'static str, outcome: Outcome) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    match next(outcome, job.tries, now, job.expires_at) {
        Next::Finish => job::finish(&mut tx, job).await?,
        Next::TryAgain(at) => job::postpone(&mut tx, job, at).await?,
        Next::GiveUp if job::give_up(&mut tx, job).await? => {
            tracing::warn!(job = job.id, subject, tries = job.tries, "a job could not be done, and is given up");
            if job.kind == JobKind::Mail {
                let entry = AuditEntry::new(Event::MailGivenUp { mail: subject, tries: job.tries });
                let entry = job.user.iter().fold(entry, AuditEntry::user);
                audit::record(&mut tx, &entry, now).await?;
            }
        }
        // Another node has it.
        Next::GiveUp => {}
    }
    tx.commit().await
}
