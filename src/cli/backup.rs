//! `backup` and `restore`: copies of an SQLite database.

use std::path::Path;

use serde_json::json;

use super::{CliError, Context, Output};
use crate::{
    app::App,
    clock::Clock,
    config::Settings,
    domain::event::{AuditEntry, Event},
    login::session,
    random::Random,
    store::{audit, backup, signing_key},
};

/// Copies the database, beside a running server.
pub(super) async fn back_up(context: Context, to: &Path, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    let bytes = app.store.back_up(to).await?;
    let text = format!(
        "Copied the database to {} ({bytes} bytes).\nThe master key is not in it: keep a copy of that, too, and not beside this one.",
        to.display()
    );
    out.print(&json!({ "file": to, "bytes": bytes }), text)
}

/// Puts a copy in the place of the database, where no server runs. If the copy cannot be used, everything is as it was.
pub(super) async fn restore(settings: Settings, from: &Path, out: Output) -> Result<(), CliError> {
    let open = || App::existing(settings.clone(), Clock::system(), Random::system());
    let before = open()?;
    let database = before.store.file()?.to_owned();
    let claim = before.store.claim_node(true).await?;
    backup::check(from).await?;
    before.store.gather_and_close().await?;

    let replaced = backup::put_in_place(from, &database, before.clock.now())?;
    let restored = open()?;
    let outcome = take_over(&restored).await;
    restored.store.close().await;
    if let Err(error) = outcome {
        backup::put_back(replaced.as_deref(), &database)?;
        let problem = error.told().0;
        return Err(CliError::new(format!("{}: {problem}; everything is as it was", from.display())));
    }
    drop(claim);

    let mut text = format!("Restored {} from {}.", database.display(), from.display());
    if let Some(replaced) = &replaced {
        text = format!("{text}\nThe database that was there is now {}.", replaced.display());
    }
    let text = format!(
        "{text}\nAll sign-ins and grants ended, since what was revoked after the copy was made is not known.\n\
         Passwords, second factors, clients and signing keys are as they were then."
    );
    out.print(&json!({ "database": database, "replaced": replaced }), text)
}

/// Makes the copy the database: of this version, under our master key, and with nothing that may be over.
async fn take_over(app: &App) -> Result<(), CliError> {
    app.store.migrate().await?;
    signing_key::check_seal(&mut app.store.read().await?).await?;
    let mut tx = app.store.write().await?;
    let now = app.clock.now();
    session::end_everything(&mut tx, now).await?;
    audit::record(&mut tx, &AuditEntry::new(Event::DatabaseRestored), now).await?;
    tx.commit().await?;
    Ok(())
}
