//! Durable state: SQLite or PostgreSQL, with one SQL text for both.
//!
//! [`Store::read`] hands out a connection that never waits for a writer, [`Store::write`] a transaction that holds the
//! write lock from its first statement on. Each table has one file with all its SQL; only this one knows that there are
//! two engines.

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    clock::Clock,
    master_key::{MasterKey, SealingKey},
    random::Random,
};

/// Runs a query on whichever engine the connection belongs to.
macro_rules! on {
    ($tx:expr, $connection:ident => $query:expr) => {
        match $tx.connection() {
            $crate::store::Connection::Sqlite($connection) => $query,
            $crate::store::Connection::Postgres($connection) => $query,
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
mod cache;
pub mod change;
pub mod client;
pub mod client_logo;
pub mod code;
pub mod consent;
pub mod credential;
mod group_commit;
pub mod link;
pub mod person_grant;
pub mod pushed_request;
pub mod refresh_token;
pub mod replay_guard;
pub mod revocation;
pub mod session;
pub mod signing_key;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How many readers SQLite gets: more than cores gains nothing, and each has a cache of its own.
const SQLITE_READERS: u32 = 4;
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
    /// A row that cannot be read.
    fn corrupt(table: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Corrupt { table, problem: problem.to_string() }
    }
}

#[derive(Debug)]
enum Pools {
    Sqlite { readers: SqlitePool, writer: SqlitePool, path: Option<PathBuf> },
    Postgres(PgPool),
}

/// The database, and what of it is kept in memory.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pools: Pools,
    clock: Clock,
    random: Random,
    audit: audit::Keys,
    secrets: SealingKey,
    cached: cache::Cached,
    committer: group_commit::Committer,
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
}

#[derive(Debug)]
enum Handle {
    SqliteReader(PoolConnection<Sqlite>),
    SqliteWriter(Transaction<'static, Sqlite>),
    PostgresReader(PoolConnection<Postgres>),
    PostgresWriter(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) fn connection(&mut self) -> Connection<'_> {
        match &mut self.handle {
            Handle::SqliteReader(connection) => Connection::Sqlite(connection),
            Handle::SqliteWriter(transaction) => Connection::Sqlite(transaction),
            Handle::PostgresReader(connection) => Connection::Postgres(connection),
            Handle::PostgresWriter(transaction) => Connection::Postgres(transaction),
        }
    }

    /// Makes everything that happened in this transaction durable, all of it or nothing.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.handle {
            Handle::SqliteWriter(transaction) => transaction.commit().await?,
            Handle::PostgresWriter(transaction) => transaction.commit().await?,
            Handle::SqliteReader(_) | Handle::PostgresReader(_) => {}
        }
        Ok(())
    }

    fn inner(&self) -> Arc<Inner> {
        self.store.0.clone()
    }
}

impl Store {
    /// Opens the database without touching its schema. Nothing is read yet, and PostgreSQL is not even connected.
    pub fn open(url: &str, master: &MasterKey, clock: Clock, random: Random) -> Result<Self, StoreError> {
        let pools = if url.starts_with("sqlite:") {
            Self::open_sqlite(url)?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)?.disable_statement_logging().application_name("countersign");
            let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
            Pools::Postgres(pool.connect_lazy_with(options))
        } else {
            return Err(StoreError::UnknownEngine);
        };
        let (committer, inbox) = group_commit::Committer::new();
        let store = Self(Arc::new(Inner {
            pools,
            clock,
            random,
            audit: audit::Keys::new(master),
            secrets: master.derive("client secrets and signing keys"),
            cached: cache::Cached::default(),
            committer,
        }));
        group_commit::spawn(Arc::downgrade(&store.0), inbox);
        Ok(store)
    }

    fn open_sqlite(url: &str) -> Result<Pools, StoreError> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: what was answered stays true after a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        let path = options.get_filename().to_owned();
        let in_memory = path.as_os_str().is_empty() || path.as_os_str() == ":memory:";
        if let (false, Some(folder)) = (in_memory, path.parent().filter(|folder| !folder.as_os_str().is_empty())) {
            create_folder(folder).map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
        }
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        // One writer: SQLite has one write lock anyway, and waiting for a connection is fairer than waiting for it.
        let writer = pool(1).connect_lazy_with(options.clone());
        let readers = pool(SQLITE_READERS).connect_lazy_with(options.read_only(true).create_if_missing(false));
        Ok(Pools::Sqlite { readers, writer, path: (!in_memory).then_some(path) })
    }

    /// A connection to read on. It never takes a write lock.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let handle = match &self.0.pools {
            Pools::Sqlite { readers, .. } => Handle::SqliteReader(readers.acquire().await?),
            Pools::Postgres(pool) => Handle::PostgresReader(pool.acquire().await?),
        };
        Ok(Tx { handle, store: self.clone() })
    }

    /// A transaction that holds the write lock from now on (SQLite), or takes row locks as it goes (PostgreSQL).
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let handle = match &self.0.pools {
            Pools::Sqlite { writer, .. } => Handle::SqliteWriter(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => Handle::PostgresWriter(pool.begin().await?),
        };
        Ok(Tx { handle, store: self.clone() })
    }

    /// Brings the schema up to date. Two nodes may do so at once: one waits for the other.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.0.pools {
            Pools::Sqlite { writer, path, .. } => {
                // sqlx takes a lock of its own on PostgreSQL alone.
                let lock = path.as_ref().map(|path| path.with_added_extension("migrate.lock"));
                let lock = match lock {
                    Some(path) => Some(lock_file(path).await?),
                    None => None,
                };
                SQLITE_MIGRATIONS.run(writer).await?;
                drop(lock);
            }
            Pools::Postgres(pool) => POSTGRES_MIGRATIONS.run(pool).await?,
        }
        Ok(())
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.read().await?;
        let _: (i64,) = fetch_one!(tx, "SELECT counter FROM change WHERE name = 'client'")?;
        Ok(())
    }

    /// Closes every connection, after the work at hand.
    pub async fn close(&self) {
        match &self.0.pools {
            Pools::Sqlite { readers, writer, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// Makes a folder that only its owner can enter, unless there is one.
fn create_folder(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
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
