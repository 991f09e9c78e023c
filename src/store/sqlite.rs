//! SQLite: one connection that writes and a few that read.
//!
//! Not sqlx's own pool: that pings a connection each time it comes back, and with SQLite every call is handed to another thread,
//! so that half of a small request's time went into it.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{ACQUIRE_TIMEOUT, StoreError};

/// How many read at once: more than cores gains nothing, and each has a cache of its own.
const READERS: usize = 4;

/// A connection, opened at its first use.
type Slot = Arc<Mutex<Option<SqliteConnection>>>;
type Held = OwnedMutexGuard<Option<SqliteConnection>>;

/// A database file.
#[derive(Debug)]
pub(super) struct Sqlite {
    options: SqliteConnectOptions,
    /// Where it lies, unless it is in memory.
    pub(super) path: Option<PathBuf>,
    writer: Slot,
    readers: [Slot; READERS],
    next_reader: AtomicUsize,
    closed: AtomicBool,
}

impl Sqlite {
    /// Opens nothing yet, and makes nothing.
    pub(super) fn new(url: &str) -> Result<Self, StoreError> {
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
        Ok(Self {
            options,
            path: (!in_memory).then_some(path),
            writer: Slot::default(),
            readers: std::array::from_fn(|_| Slot::default()),
            next_reader: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// Makes the folder that the file will lie in, unless there is one.
    pub(super) fn make_folder(&self) -> Result<(), StoreError> {
        let folder = self.path.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        let Some(folder) = folder else { return Ok(()) };
        create_folder(folder).map_err(|source| StoreError::Folder { path: folder.to_owned(), source })
    }

    /// A connection that cannot write: a free one, or the next in turn.
    pub(super) async fn read(&self) -> Result<Reader, StoreError> {
        let free = self.readers.iter().find_map(|slot| slot.clone().try_lock_owned().ok());
        let mut held = if let Some(held) = free {
            held
        } else {
            let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
            let slot = self.readers.iter().cycle().nth(turn % READERS).ok_or(sqlx::Error::PoolTimedOut)?;
            wait_for(slot).await?
        };
        self.refuse_closed()?;
        if held.is_none() {
            *held = Some(self.options.clone().read_only(true).create_if_missing(false).connect().await?);
        }
        Ok(Reader(held))
    }

    /// The write lock, within the process and of the file.
    pub(super) async fn write(&self) -> Result<Writer, StoreError> {
        let mut writer = Writer { held: Some(self.lock_writer().await?) };
        // Plain BEGIN would take the lock at the first write, too late to wait for others.
        sqlx::query("BEGIN IMMEDIATE").execute(writer.connection()?).await?;
        Ok(writer)
    }

    /// The writing connection, outside of a transaction.
    pub(super) async fn lock_writer(&self) -> Result<Held, StoreError> {
        let mut held = wait_for(&self.writer).await?;
        self.refuse_closed()?;
        if held.is_none() {
            *held = Some(self.options.connect().await?);
        }
        Ok(held)
    }

    fn refuse_closed(&self) -> Result<(), sqlx::Error> {
        if self.closed.load(Ordering::Acquire) { Err(sqlx::Error::PoolClosed) } else { Ok(()) }
    }

    /// Closes every connection, after the work at hand. None is opened again.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for slot in self.readers.iter().chain([&self.writer]) {
            if let Some(connection) = slot.lock().await.take() {
                // The file is whole whatever comes of it.
                let _ = connection.close().await;
            }
        }
    }
}

async fn wait_for(slot: &Slot) -> Result<Held, StoreError> {
    let held = tokio::time::timeout(ACQUIRE_TIMEOUT, slot.clone().lock_owned()).await;
    held.map_err(|_| StoreError::from(sqlx::Error::PoolTimedOut))
}

/// A connection to read on.
#[derive(Debug)]
pub(super) struct Reader(Held);

impl Reader {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.0.as_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

/// A transaction. Dropped without [`Writer::commit`], it is rolled back before anybody else writes.
#[derive(Debug)]
pub(super) struct Writer {
    held: Option<Held>,
}

impl Writer {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.held.as_mut().and_then(|held| held.as_mut()).ok_or(sqlx::Error::PoolClosed)
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(self.connection()?).await?;
        self.held = None;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let Some(connection) = held.as_mut() else { return };
                let rolled_back = sqlx::query("ROLLBACK").execute(connection).await;
                // A failed BEGIN leaves nothing to roll back, and says so. With any other failure the connection is not trusted.
                let nothing_to_do = |error: &sqlx::Error| error.to_string().contains("no transaction is active");
                if rolled_back.is_err_and(|error| !nothing_to_do(&error)) {
                    *held = None;
                }
            })),
            // The process ends; the file's lock goes with the connection.
            Err(_) => *held = None,
        }
    }
}

/// Makes a folder that only its owner can enter, unless there is one.
fn create_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(writer: &mut Writer, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(writer.connection()?).await.map(drop)
    }

    #[tokio::test]
    async fn a_full_file_refuses_what_does_not_fit_and_works_on_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::new(&format!("sqlite://{}", folder.path().join("full.db").display())).unwrap();
        let rows = async || {
            let mut reader = sqlite.read().await.unwrap();
            let counted = sqlx::query_scalar("SELECT COUNT(*) FROM stored").fetch_one(reader.connection().unwrap());
            counted.await.unwrap_or(-1_i64)
        };
        let mut writer = sqlite.write().await.unwrap();
        run(&mut writer, "CREATE TABLE stored (bytes BLOB NOT NULL)").await.unwrap();
        writer.commit().await.unwrap();

        let store_two = async || {
            let mut writer = sqlite.write().await?;
            run(&mut writer, "INSERT INTO stored VALUES (randomblob(100))").await?;
            run(&mut writer, "INSERT INTO stored VALUES (randomblob(9000))").await?;
            writer.commit().await?;
            Ok::<_, StoreError>(())
        };
        let mut writer = sqlite.write().await.unwrap();
        run(&mut writer, "PRAGMA max_page_count = 20").await.unwrap();
        drop(writer);
        let mut stored = 0;
        let refused = loop {
            match store_two().await {
                Ok(()) => stored += 2,
                Err(error) => break error,
            }
        };
        assert!(stored > 0 && refused.to_string().contains("full"), "{stored}: {refused}");
        assert_eq!(rows().await, stored, "the first of the two is not there without the second");
        assert!(store_two().await.is_err());
        assert_eq!(rows().await, stored);

        let mut writer = sqlite.write().await.unwrap();
        run(&mut writer, "PRAGMA max_page_count = 2000").await.unwrap();
        drop(writer);
        store_two().await.unwrap();
        assert_eq!(rows().await, stored + 2);
    }
}
