//! Durable state: SQLite or PostgreSQL, with one SQL text for both.
//!
//! [`Store::read`] hands out a connection that never waits for a writer, [`Store::write`] a transaction that holds the
//! write lock from its first statement on. Each table has one file with all its SQL; only this one knows that there are
//! two engines.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use countersign_types::Scope;
use sqlx::{
    ConnectOptions, Connection as _, PgConnection, PgPool, Postgres, SqliteConnection, Transaction,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use self::sqlite::Sqlite;

use tokio::sync::watch;

use crate::{
    clock::Clock,
    master_key::{MasterKeys, SealingKey},
    metrics::Events,
    random::Random,
};

/// Runs a query on whichever engine the connection belongs to.
macro_rules! on {
    ($tx:expr, $connection:ident => $query:expr) => {
        match $tx.connection() {
            Ok($crate::store::Connection::Sqlite($connection)) => $query,
            Ok($crate::store::Connection::Postgres($connection)) => $query,
            Err(error) => Err(error),
        }
    };
}
/// Runs a statement; the number of rows it changed.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on!($tx, connection => sqlx::query($sql)$(.bind($value))*.execute(connection).await.map(|done| done.rows_affected()))
            .map_err($crate::store::StoreError::from)
    };
}
/// The one row of a query.
macro_rules! fetch_one {
    ($tx:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on!($tx, connection => sqlx::query_as($sql)$(.bind($value))*.fetch_one(connection).await)
            .map_err($crate::store::StoreError::from)
    };
}
/// The row of a query, if there is one.
macro_rules! fetch_optional {
    ($tx:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on!($tx, connection => sqlx::query_as($sql)$(.bind($value))*.fetch_optional(connection).await)
            .map_err($crate::store::StoreError::from)
    };
}
/// All rows of a query.
macro_rules! fetch_all {
    ($tx:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on!($tx, connection => sqlx::query_as($sql)$(.bind($value))*.fetch_all(connection).await)
            .map_err($crate::store::StoreError::from)
    };
}

pub mod account;
pub mod api;
pub mod audit;
pub mod audit_log;
pub mod backup;
mod cache;
pub mod change;
pub mod client;
pub mod client_logo;
pub mod code;
pub mod consent;
pub mod credential;
pub mod device;
pub mod encryption_key;
pub mod group_commit;
pub mod issuer_secret;
pub mod job;
pub mod link;
pub mod node;
pub mod person_grant;
pub mod pushed_request;
pub mod recovery_code;
pub mod refresh_token;
pub mod registration_token;
pub mod rekey;
pub mod replay_guard;
pub mod revocation;
pub mod session;
pub mod signing_key;
mod sqlite;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

const POSTGRES_CONNECTIONS: u32 = 16;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why something could not be stored or found. None of these texts reaches a client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with this key exists already.
    #[error("it exists already")]
    Conflict,
    /// The database is gone, locked, full or refuses.
    #[error("the database: {0}")]
    Database(sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("the database schema: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row was sealed under another master key.
    #[error("{0}: is keys.master_file the one that this database was made with?")]
    Unsealable(#[from] crate::master_key::Unsealable),
    /// A row holds what this version cannot read.
    #[error("a row of {table} cannot be read: {problem}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The database's address is of neither engine.
    #[error("database.url must start with sqlite:// or postgres://")]
    UnknownEngine,
    /// Another node runs on this database, and the two would know nothing of each other.
    #[error(
        "another node is running on this database{}; stop it first, or give all nodes the same `redis.url`",
        if *exclusive { "" } else { " without redis.url" }
    )]
    OtherNode {
        /// Whether it is this node that has no `redis.url`.
        exclusive: bool,
    },
    /// A file of the database cannot be made.
    #[error("the database folder {}: {source}", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) if database.is_unique_violation() => Self::Conflict,
            _ => Self::Database(error),
        }
    }
}

impl StoreError {
    /// Whether another try may succeed: the database is gone, locked or full. Whatever else there is stays until somebody mends it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Database(_))
    }

    /// A row that cannot be read.
    fn corrupt(table: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Corrupt { table, problem: problem.to_string() }
    }
}

#[derive(Debug)]
enum Engine {
    Sqlite(Box<Sqlite>),
    Postgres(PgPool),
}

/// The database, and what of it is kept in memory.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: Clock,
    random: Random,
    audit: audit::Keys,
    log: audit_log::Wrapping,
    secrets: SealingKey,
    /// Scopes of the settings, beside those of APIs.
    added_scopes: BTreeMap<Scope, String>,
    queue: job::Queue,
    second_factors: SealingKey,
    cached: cache::Cached,
    committer: group_commit::Committer,
    /// How often this process changed what servers keep in memory.
    changes: watch::Sender<u64>,
    events: Events,
}

/// A connection of either engine.
pub(crate) enum Connection<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A connection to read on, or a transaction to write in. Dropped without [`Tx::commit`], nothing happened.
#[derive(Debug)]
pub struct Tx {
    handle: Handle,
    store: Store,
    /// Events of this transaction. They are written with its commit, all in one statement.
    events: Vec<audit::Row>,
    /// Whether it made the audit key of an account, which may yet be rolled back.
    made_audit_key: bool,
    /// Whether it destroys the audit key of an account, of which nothing may stay in memory.
    destroyed_audit_key: bool,
    /// Whether it changes what servers keep in memory.
    announced: bool,
    /// Whether it queued a job, of which nobody hears before it is committed.
    queued_job: bool,
}

#[derive(Debug)]
enum Handle {
    SqliteReader(sqlite::Reader),
    SqliteWriter(sqlite::Writer),
    PostgresReader(PoolConnection<Postgres>),
    PostgresWriter(Transaction<'static, Postgres>),
}

impl Tx {
    fn new(store: &Store, handle: Handle) -> Self {
        Self {
            handle,
            store: store.clone(),
            events: Vec::new(),
            made_audit_key: false,
            destroyed_audit_key: false,
            announced: false,
            queued_job: false,
        }
    }

    pub(crate) fn connection(&mut self) -> Result<Connection<'_>, sqlx::Error> {
        Ok(match &mut self.handle {
            Handle::SqliteReader(reader) => Connection::Sqlite(reader.connection()?),
            Handle::SqliteWriter(writer) => Connection::Sqlite(writer.connection()?),
            Handle::PostgresReader(connection) => Connection::Postgres(connection),
            Handle::PostgresWriter(transaction) => Connection::Postgres(transaction),
        })
    }

    /// Makes everything that happened in this transaction durable, all of it or nothing.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let events = std::mem::take(&mut self.events);
        audit::insert(&mut self, &events).await?;
        let counted = self.inner().events.clone();
        let queued = self.queued_job.then(|| self.inner());
        let announced = self.announced.then(|| self.inner());
        let destroyed = self.destroyed_audit_key.then(|| self.inner());
        match self.handle {
            Handle::SqliteWriter(writer) => writer.commit().await?,
            Handle::PostgresWriter(transaction) => transaction.commit().await?,
            Handle::SqliteReader(_) | Handle::PostgresReader(_) => {}
        }
        for event in &events {
            counted.count(event.kind());
        }
        if let Some(inner) = destroyed {
            inner.audit.forget_accounts();
        }
        if let Some(inner) = queued {
            inner.queue.wake();
        }
        if let Some(inner) = announced {
            inner.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    fn inner(&self) -> Arc<Inner> {
        self.store.0.clone()
    }
}

impl Store {
    /// Opens the database without touching its schema. Nothing is read yet, no file is made, and PostgreSQL is not even
    /// connected.
    /// `added_scopes` are those of the settings, each with the words in which people are asked for it.
    pub fn open(
        url: &str,
        master: &MasterKeys,
        clock: Clock,
        random: Random,
        added_scopes: BTreeMap<Scope, String>,
    ) -> Result<Self, StoreError> {
        let engine = if url.starts_with("sqlite:") {
            Engine::Sqlite(Box::new(Sqlite::new(url)?))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)?
                .disable_statement_logging()
                .application_name("countersign")
                // What holds a lock for ever, or has been forgotten, must not hold requests for ever.
                .options([
                    ("lock_timeout", "5s"),
                    ("statement_timeout", "15s"),
                    ("idle_in_transaction_session_timeout", "30s"),
                ]);
            let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
            Engine::Postgres(pool.connect_lazy_with(options))
        } else {
            return Err(StoreError::UnknownEngine);
        };
        let (committer, inbox) = group_commit::Committer::new();
        let store = Self(Arc::new(Inner {
            engine,
            clock,
            random,
            audit: audit::Keys::new(master),
            log: audit_log::Wrapping::new(master),
            secrets: master.derive("client secrets and signing keys"),
            added_scopes,
            queue: job::Queue::new(master),
            second_factors: master.derive("second factors"),
            cached: cache::Cached::default(),
            committer,
            changes: watch::Sender::new(0),
            events: Events::default(),
        }));
        group_commit::spawn(Arc::downgrade(&store.0), inbox);
        Ok(store)
    }

    /// A connection to read on. It never takes a write lock.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let handle = match &self.0.engine {
            Engine::Sqlite(sqlite) => Handle::SqliteReader(sqlite.read().await?),
            Engine::Postgres(pool) => Handle::PostgresReader(pool.acquire().await?),
        };
        Ok(Tx::new(self, handle))
    }

    /// A transaction that holds the write lock from now on (SQLite), or takes row locks as it goes (PostgreSQL).
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let handle = match &self.0.engine {
            Engine::Sqlite(sqlite) => Handle::SqliteWriter(sqlite.write().await?),
            Engine::Postgres(pool) => Handle::PostgresWriter(pool.begin().await?),
        };
        Ok(Tx::new(self, handle))
    }

    /// Brings the schema up to date. Two nodes may do so at once: one waits for the other.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                sqlite.make_folder()?;
                // sqlx takes a lock of its own on PostgreSQL alone.
                let lock = sqlite.path.as_ref().map(|path| path.with_added_extension("migrate.lock"));
                let lock = match lock {
                    Some(path) => Some(lock_file(path).await?),
                    None => None,
                };
                let mut writer = sqlite.lock_writer().await?;
                let connection = writer.as_mut().ok_or(sqlx::Error::PoolClosed)?;
                SQLITE_MIGRATIONS.run(connection).await?;
                drop(lock);
            }
            Engine::Postgres(pool) => {
                // Another node may be at it, and takes as long as it takes.
                let mut connection = pool.acquire().await?.detach();
                sqlx::raw_sql("SET lock_timeout = 0; SET statement_timeout = 0").execute(&mut connection).await?;
                POSTGRES_MIGRATIONS.run(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// How many migrations of this version the database does not have yet.
    pub async fn pending_migrations(&self) -> Result<usize, StoreError> {
        let mut tx = self.read().await?;
        let ours = match &self.0.engine {
            Engine::Sqlite(_) => &SQLITE_MIGRATIONS,
            Engine::Postgres(_) => &POSTGRES_MIGRATIONS,
        };
        let applied: Vec<(i64,)> = fetch_all!(tx, "SELECT version FROM _sqlx_migrations WHERE success")?;
        let is_missing = |version: i64| !applied.iter().any(|(applied,)| *applied == version);
        Ok(ours.iter().filter(|migration| is_missing(migration.version)).count())
    }

    /// What time it is where the database runs, if that is another machine.
    pub async fn clock_of_server(&self, tx: &mut Tx) -> Result<Option<DateTime<Utc>>, StoreError> {
        match &self.0.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(_) => {
                // The one query that asks for it: to compare, never to decide by.
                let (now,): (DateTime<Utc>,) = fetch_one!(tx, "SELECT clock_timestamp()")?;
                Ok(Some(now))
            }
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.read().await?;
        let _: (i64,) = fetch_one!(tx, "SELECT counter FROM change WHERE name = 'client'")?;
        Ok(())
    }

    /// Tells whenever this process has changed what servers keep in memory. Others are for the counters to tell.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Events of the audit trail that became durable here.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Closes every connection, after the work at hand.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

/// Waits for an exclusive lock on a file that lies beside the database. It goes when the handle does.
async fn lock_file(path: PathBuf) -> Result<std::fs::File, StoreError> {
    let lock = tokio::task::spawn_blocking({
        let path = path.clone();
        move || {
            let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.lock()?;
            Ok(file)
        }
    });
    lock.await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| StoreError::Folder { path, source })
}
