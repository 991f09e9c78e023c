//! Errands: whether there is anybody whom a mail can reach is looked up here, where nobody waits for the answer.

use super::queue::Tried;
use crate::{
    app::App,
    domain::{errand::Errand, job::Outcome},
    login::errand,
    store::{
        StoreError,
        job::{self, Job},
    },
};

/// What errands are called in the log.
const SUBJECT: &str = "errand";

/// Runs the errand of a job: how that went.
pub(super) async fn run(app: &App, job: &Job) -> Tried {
    Tried { subject: SUBJECT, outcome: tried(app, job).await, if_given_up: None }
}

async fn tried(app: &App, job: &Job) -> Outcome {
    let payload = match job::payload(&app.store, job) {
        Ok(payload) => payload,
        Err(error) => {
            tracing::error!(%error, job = job.id, "an errand cannot be read");
            return Outcome::Hopeless;
        }
    };
    // What serde says of it might repeat it.
    let Ok(errand) = serde_json::from_slice(&payload) else {
        tracing::error!(job = job.id, "an errand cannot be read");
        return Outcome::Hopeless;
    };
    match done(app, job, &errand).await {
        Ok(()) => Outcome::Done,
        Err(error) => {
            tracing::warn!(%error, job = job.id, tries = job.tries, "an errand could not be run");
            Outcome::Failed
        }
    }
}

/// Runs it and takes it out of the queue, both or neither: the link in one mail is not replaced by that of a second one.
async fn done(app: &App, job: &Job, errand: &Errand) -> Result<(), StoreError> {
    let now = app.clock.now();
    let is_wanted = now < job.expires_at && (job.tries > 1 || errand::may_mail(app, errand, now).await?);
    let mut tx = app.store.write().await?;
    if is_wanted {
        errand::run(app, &mut tx, errand, now).await?;
    }
    job::finish(&mut tx, job).await?;
    tx.commit().await
}
