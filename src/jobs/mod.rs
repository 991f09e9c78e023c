//! Work that nobody waits for. Every node does all of it; each step is safe beside another node's.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, timeout},
};

use crate::{
    app::{App, Issuer},
    jose::{encryption, rotation},
    store::job::JobKind,
};

mod backchannel_logout;
mod errand;
mod follow_changes;
mod mail;
pub mod queue;
pub mod seal_audit;
pub mod sweep;

/// How often servers look whether something changed: several times within the second that is promised.
const CHANGES: Duration = Duration::from_millis(200);
/// How often the audit trail is sealed: under load there is a checkpoint at least every minute.
const SEALING: Duration = Duration::from_secs(30);
/// How often keys are looked after and rows swept.
const HOUSEKEEPING: Duration = Duration::from_mins(1);

/// How long jobs under way may take when the process is told to stop. What is cut off is done again, by another node or later.
const STOPPING: Duration = Duration::from_secs(5);

/// The running jobs. Dropped, they stop at once.
#[derive(Debug)]
pub struct Jobs {
    running: Vec<JoinHandle<()>>,
    /// One for each kind of job.
    queues: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Jobs {
    /// Begins nothing more, and waits for what is under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async {
            for queue in &mut self.queues {
                let _ = queue.await;
            }
        };
        if timeout(STOPPING, ended).await.is_err() {
            tracing::warn!("some jobs took too long and were cut off");
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.running.iter().chain(&self.queues).for_each(JoinHandle::abort);
    }
}

/// Starts them.
pub fn start(app: &Arc<App>, issuer: &Arc<Issuer>) -> Jobs {
    let heard = Arc::new(Notify::new());
    let changes = tokio::spawn(follow_changes::run(app.clone(), issuer.clone(), CHANGES, heard.clone()));
    let telling = tokio::spawn(follow_changes::tell(app.clone(), heard.clone()));
    let hearing = tokio::spawn(follow_changes::hear(app.clone(), heard));
    let (stop, stopped) = watch::channel(false);
    let queue = |kind| tokio::spawn(queue::run(app.clone(), issuer.clone(), kind, stopped.clone()));
    let queues = JobKind::ALL.map(queue).into();
    let sealing = tokio::spawn(seal_audit_trail(app.clone()));
    let (app, issuer) = (app.clone(), issuer.clone());
    let housekeeping = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(HOUSEKEEPING);
        loop {
            ticks.tick().await;
            rotate_keys(&app, &issuer).await;
            // Sees at the start, and then each minute, whether Redis lost its memory.
            app.ephemeral.redis_answers(app.clock.now()).await;
            if let Err(error) = sweep::run(&app).await {
                tracing::warn!(%error, "expired rows could not be swept; the next round tries again");
            }
        }
    });
    Jobs { running: vec![changes, telling, hearing, sealing, housekeeping], queues, stop }
}

async fn seal_audit_trail(app: Arc<App>) {
    let mut ticks = tokio::time::interval(SEALING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = seal_audit::run(&app).await {
            tracing::warn!(%error, "the audit trail could not be sealed; the next round tries again");
        }
    }
}

async fn rotate_keys(app: &App, issuer: &Issuer) {
    let (algorithms, lifetimes) = (&app.settings.keys.algorithms, issuer.keyring.lifetimes());
    let signing = rotation::maintain(&app.store, lifetimes, algorithms, &app.clock).await;
    let maintained = signing.and(encryption::maintain(&app.store, lifetimes, &app.clock).await);
    if let Err(error) = maintained {
        tracing::warn!(%error, "keys could not be looked after; the next round tries again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_look_five_times_within_the_second_that_is_promised() {
        assert_eq!(CHANGES * 5, Duration::from_secs(1));
    }
}
