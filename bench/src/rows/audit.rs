//! The audit trail, in this process: what an event costs in its transaction, and what it costs to seal it.

use std::path::Path;

use chrono::Utc;
use countersign::{
    app::App,
    clock::Clock,
    config::Settings,
    domain::event::{AuditEntry, Event},
    jobs::seal_audit,
    random::Random,
    store::audit,
};
use countersign_types::{ClientId, TokenId};
use nix::unistd::Pid;
use sqlx::{
    Connection as _, Executor as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use crate::{
    Result, cpu,
    rows::{Size, rounds},
    table::{Figure, Limit},
};

/// As an event is stored, as far as a database can tell.
const TABLE: &str = "CREATE TABLE plain (id INTEGER PRIMARY KEY AUTOINCREMENT, leaf BIGINT UNIQUE, at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL, user_id TEXT, client_id TEXT, sid TEXT, gid TEXT, detail TEXT NOT NULL, personal BLOB, request_id TEXT);
    CREATE INDEX plain_user ON plain (user_id, id)";

/// A transaction with one event, compared with one that inserts a row of the same columns.
pub async fn event(size: Size) -> Result<Figure> {
    let folder = TempDir::with_prefix("countersign-bench-")?;
    let app = open(folder.path()).await?;
    let mut plain = plain(&folder.path().join("plain.db")).await?;
    let insert = async || {
        let before = spent()?;
        for _ in 0..size.tokens {
            let mut tx = plain.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query("INSERT INTO plain (at, kind, client_id, detail) VALUES ($1, $2, $3, $4)")
                .bind(Utc::now())
                .bind("client_token.issued")
                .bind("bench")
                .bind(r#"{"jti":"an-id-of-22-characters","scope":"bench.read"}"#)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        per_event(before, size)
    };
    let record = async || {
        let before = spent()?;
        record(&app, size.tokens).await?;
        per_event(before, size)
    };
    let rounds = rounds(size.rounds, insert, record).await?;
    Ok(Figure { unit: "µs", rounds, against: "plain insert", limit: Limit::Times(1.5) })
}

/// What the job spends on an event, when many wait.
pub async fn sealing(size: Size) -> Result<Figure> {
    let folder = TempDir::with_prefix("countersign-bench-")?;
    let app = open(folder.path()).await?;
    let mut measured = Vec::new();
    for _ in 0..size.rounds {
        record(&app, size.tokens).await?;
        let before = spent()?;
        seal_audit::run(&app).await?;
        measured.push(per_event(before, size)?);
    }
    Ok(Figure::alone("µs", measured, Limit::None))
}

async fn open(folder: &Path) -> Result<App> {
    let (database, keys) = (folder.join("audit.db"), folder.join("keys"));
    let settings = format!("database.url = 'sqlite://{}'\nkeys.dir = '{}'", database.display(), keys.display());
    let app = App::new(Settings::parse(&settings, [])?, Clock::system(), Random::system())?;
    app.store.migrate().await?;
    Ok(app)
}

async fn plain(file: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection.execute(TABLE).await?;
    Ok(connection)
}

/// Each in a transaction of its own, as on the path of a request.
async fn record(app: &App, count: usize) -> Result<()> {
    let client = ClientId::new("bench");
    for _ in 0..count {
        let issued = Event::ClientTokenIssued { token: TokenId::new(app.random.id()), scope: "bench.read".parse()? };
        let mut tx = app.store.write().await?;
        audit::record(&mut tx, &AuditEntry::new(issued).client(&client), app.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn spent() -> Result<f64> {
    cpu::spent_by(&[Pid::this()])
}

#[allow(clippy::cast_precision_loss)] // events are counted in thousands
fn per_event(before: f64, size: Size) -> Result<f64> {
    Ok((spent()? - before) / size.tokens as f64)
}
