//! Ends sessions whose time is over, and removes rows that nothing depends on any more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    app::App,
    domain::{
        device::DEVICE_LIFETIME,
        event::{AuditEntry, Event},
        session::SessionEnd,
    },
    login,
    store::{
        StoreError, audit, client, code, device, link, person_grant, pushed_request, registration_token, replay_guard,
        revocation, session,
    },
};

/// The most rows of a kind in one round, so that nobody waits long for the write lock.
const BATCH: i64 = 1_000;

/// One round.
pub async fn run(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    let lifetimes = app.session_lifetimes();

    let expired = session::expired(&mut app.store.read().await?, &lifetimes, now, BATCH).await?;
    for session in expired {
        let mut tx = app.store.write().await?;
        login::session::end_unattended(app, &mut tx, &session, SessionEnd::Expired, now).await?;
        tx.commit().await?;
    }

    remove_unused_clients(app, now).await?;

    let mut tx = app.store.write().await?;
    let access_token = app.settings.lifetimes.access_token;
    code::sweep_unused(&mut tx, now - access_token.max(Duration::from_mins(10)), BATCH).await?;
    // A day longer than they live: a token that comes back late is then still known for what it is, and a clock that was ahead for a
    // while has forgotten nothing.
    let long_over = now - TimeDelta::days(1);
    person_grant::sweep(&mut tx, long_over, BATCH).await?;
    revocation::sweep(&mut tx, long_over, BATCH).await?;
    device::sweep(&mut tx, now - DEVICE_LIFETIME, BATCH).await?;
    link::sweep(&mut tx, long_over, BATCH).await?;
    pushed_request::sweep(&mut tx, now, BATCH).await?;
    replay_guard::sweep(&mut tx, long_over, BATCH).await?;
    registration_token::sweep(&mut tx, long_over, BATCH).await?;
    session::sweep(&mut tx, now - app.settings.lifetimes.refresh_absolute, BATCH).await?;
    tx.commit().await
}

/// Clients that registered themselves and that nobody ever signed in to.
async fn remove_unused_clients(app: &App, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut tx = app.store.write().await?;
    for client in client::unused(&mut tx, now - app.settings.registration.unused, BATCH).await? {
        client::delete(&mut tx, &client, now).await?;
        audit::record(&mut tx, &AuditEntry::new(Event::UnusedClientRemoved).client(&client), now).await?;
    }
    tx.commit().await
}
