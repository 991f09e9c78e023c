//! Follows what the command line and other nodes change.

use std::{sync::Arc, time::Duration};

use crate::app::{App, Issuer};

/// Looks again and again. A database that is away is complained about once, until it is back.
pub(super) async fn run(app: Arc<App>, issuer: Arc<Issuer>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        ticks.tick().await;
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
