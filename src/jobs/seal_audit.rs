//! Seals the audit trail into its log: gives events their leaves, signs checkpoints, hands them on, and removes events that were
//! kept long enough.
//!
//! Every node does this; a row in the database lets one at a time. Events are sealed soon after they happened and not with them:
//! a request pays for one insert.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use chrono::TimeDelta;
use url::Url;

use crate::{
    app::App,
    domain::{
        audit_log::{
            checkpoint::{Checkpoint, notes},
            tree::{Tree, leaves_at_edge},
        },
        event::{AuditEntry, Event},
    },
    store::{
        StoreError, Tx, audit,
        audit_log::{self, Log},
    },
};

/// Events that are sealed in one transaction, so that nobody waits long for the write lock.
const BATCH: i64 = 500;
/// Transactions of one round. After as many a checkpoint is signed however many events still wait.
const BATCHES: usize = 200;
/// Events that are removed in one transaction.
const REMOVED_AT_ONCE: u64 = 5_000;
/// Checkpoints that are handed on in one round. When more wait, the newest alone is: it proves all that is before it, and soon.
const HANDED_ON: usize = 500;
/// The same of those that are posted.
const POSTED: usize = 60;
/// How much of the end of a file is read to find the last checkpoint in it.
const TAIL: i64 = 16 * 1_024;

/// What a log is called in its checkpoints: the issuer without its scheme.
pub fn origin(app: &App) -> String {
    let issuer = app.settings.issuer.as_str();
    let name = issuer.split_once("://").map_or(issuer, |(_, name)| name);
    format!("{}/audit", name.trim_end_matches('/'))
}

/// One round. What cannot be handed on is told in the log of the process, and tried again in the next one.
pub async fn run(app: &App) -> Result<(), StoreError> {
    seal(app).await?;
    if let Some(retention) = app.settings.audit.retention {
        remove(app, TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX)).await?;
    }
    if let Some(file) = &app.settings.audit.checkpoint_file {
        append(app, file).await?;
    }
    if let Some(url) = &app.settings.audit.checkpoint_url {
        post(app, url.expose()).await?;
    }
    Ok(())
}

/// Seals all events that are there, or as many as fit into a round.
async fn seal(app: &App) -> Result<(), StoreError> {
    for batch in 1..=BATCHES {
        if !audit_log::is_unsealed(&mut app.store.read().await?).await? {
            return Ok(());
        }
        let mut tx = app.store.write().await?;
        let log = audit_log::hold(&mut tx, &origin(app)).await?;
        let sealed = seal_batch(&mut tx, log, app, batch == BATCHES).await?;
        tx.commit().await?;
        if sealed < BATCH {
            return Ok(());
        }
    }
    Ok(())
}

/// Seals some events, and signs a checkpoint when it is the last of them: how many there were.
async fn seal_batch(tx: &mut Tx, mut log: Log, app: &App, is_last: bool) -> Result<i64, StoreError> {
    // Whatever was done to it, nothing may be signed on top.
    if !log.is_genuine {
        return Err(damaged("it was changed by somebody else"));
    }
    let mut edge = Vec::new();
    for number in leaves_at_edge(log.size) {
        let leaf = audit_log::find_leaf(tx, &log, number).await?;
        let hashes = leaf.and_then(|leaf| leaf.hashes).ok_or_else(|| damaged("a leaf is gone or was changed"))?;
        edge.push((number, hashes));
    }
    let mut tree = Tree::resume(log.size, edge);

    let from = log.size;
    let events = audit_log::assign_leaves(tx, &log, BATCH).await?;
    let mut completed = Vec::with_capacity(events.len());
    for (_, event) in &events {
        completed.push(tree.append(event.hash()).map_err(damaged)?);
    }
    audit_log::insert_leaves(tx, &log, from, &completed).await?;
    log.size = tree.size();
    audit_log::update(tx, &log).await?;

    let sealed = i64::try_from(events.len()).unwrap_or(i64::MAX);
    if sealed < BATCH || is_last {
        let root = tree.root().map_err(damaged)?;
        let checkpoint = Checkpoint { size: log.size, root, at: app.clock.now() };
        let note = log.signer()?.sign(&checkpoint).map_err(damaged)?;
        audit_log::insert_checkpoint(tx, &checkpoint, &note).await?;
    }
    Ok(sealed)
}

fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { table: "audit_log", problem: format!("{what}: see `countersign audit verify`") }
}

/// Removes events that were kept long enough.
async fn remove(app: &App, retention: TimeDelta) -> Result<(), StoreError> {
    let now = app.clock.now();
    let Some(until) = now.checked_sub_signed(retention) else { return Ok(()) };
    loop {
        // Mostly nothing is old enough, and to see that takes no write lock.
        let mut tx = app.store.read().await?;
        let Some(log) = audit_log::find(&mut tx).await? else { return Ok(()) };
        if !audit_log::is_old(&mut tx, &log, until).await? {
            return Ok(());
        }
        drop(tx);
        let mut tx = app.store.write().await?;
        let mut log = audit_log::hold(&mut tx, &origin(app)).await?;
        let kept_from = audit_log::remove_before(&mut tx, &log, until, REMOVED_AT_ONCE).await?;
        if kept_from == log.kept_from {
            return Ok(());
        }
        log.kept_from = kept_from;
        audit_log::update(&mut tx, &log).await?;
        audit::record(&mut tx, &AuditEntry::new(Event::AuditEventsRemoved { before: kept_from }), now).await?;
        tx.commit().await?;
    }
}

/// Appends the checkpoints to a file that are not in it yet.
async fn append(app: &App, file: &Path) -> Result<(), StoreError> {
    let path = file.to_owned();
    let tail = match in_background(move || tail_of(&path)).await {
        Ok(tail) => tail,
        Err(error) => {
            tell(&error, "audit.checkpoint_file");
            return Ok(());
        }
    };
    // The last one that is ours: the file may hold those of a database that was made anew, or put back to what it was before.
    let mut tx = app.store.read().await?;
    let known = audit_log::newest_known(&mut tx, &tail).await?.unwrap_or(0);
    let fresh = audit_log::fresh_checkpoints(&mut tx, known, HANDED_ON).await?;
    drop(tx);
    if fresh.is_empty() {
        return Ok(());
    }
    // An empty line on either side: whatever was left in the file, such as half a note, is no part of the next.
    let notes = fresh.into_iter().flat_map(|(_, note)| ["\n\n".to_owned(), note]);
    let text: String = notes.collect();
    let path = file.to_owned();
    if let Err(error) = in_background(move || write(&path, &text)).await {
        tell(&error, "audit.checkpoint_file");
    }
    Ok(())
}

/// The last checkpoints in a file: of how many events they speak, and the notes.
fn tail_of(path: &Path) -> io::Result<Vec<(u64, String)>> {
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    if file.metadata()?.len() > TAIL.unsigned_abs() {
        file.seek(SeekFrom::End(-TAIL))?;
    }
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let notes = notes(&String::from_utf8_lossy(&tail));
    Ok(notes.into_iter().filter_map(|note| Some((note.lines().nth(1)?.parse().ok()?, note))).collect())
}

fn write(path: &PathBuf, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn tell(error: &dyn std::fmt::Display, setting: &'static str) {
    tracing::warn!(%error, setting, "checkpoints of the audit trail cannot be handed on; the next round tries again");
}

/// Posts the checkpoints that were not posted yet, in their order, or the newest of too many.
async fn post(app: &App, url: &Url) -> Result<(), StoreError> {
    let mut tx = app.store.read().await?;
    let Some(log) = audit_log::find(&mut tx).await? else { return Ok(()) };
    let fresh = audit_log::fresh_checkpoints(&mut tx, log.sent, POSTED).await?;
    drop(tx);
    for (size, note) in fresh {
        if let Err(error) = app.outbound.post(url, "text/plain; charset=utf-8", note).await {
            tell(&error, "audit.checkpoint_url");
            return Ok(());
        }
        let mut tx = app.store.write().await?;
        audit_log::note_sent(&mut tx, size).await?;
        tx.commit().await?;
    }
    Ok(())
}
