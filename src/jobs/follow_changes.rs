//! Follows what the command line and other nodes change, and tells other nodes what this one changes.
//!
//! The counters in the database are what is relied on: servers look at them several times a second. What is told through Redis only
//! hastens that, and may get lost.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::app::{App, Issuer};

/// How long to wait before Redis is listened to again.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks again and again, and at once when there is something to see. A database that is away is complained about once, until it is
/// back.
pub(super) async fn run(app: Arc<App>, issuer: Arc<Issuer>, every: Duration, heard: Arc<Notify>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = heard.notified() => {}
        }
        match issuer.follow_changes(&app).await {
            Ok(()) => is_away = false,
            Err(error) if !is_away => {
                tracing::warn!(%error, "changes cannot be followed; trying again");
                is_away = true;
            }
            Err(_) => {}
        }
    }
}

/// Tells other nodes what this one changes.
pub(super) async fn tell(app: Arc<App>, heard: Arc<Notify>) {
    let mut changes = app.store.changes();
    while changes.changed().await.is_ok() {
        heard.notify_one();
        app.ephemeral.tell_change().await;
    }
}

/// Hears what other nodes tell.
pub(super) async fn hear(app: Arc<App>, heard: Arc<Notify>) {
    loop {
        app.ephemeral.hear_changes(&heard).await;
        sleep(PAUSE).await;
    }
}
