//! Copies of an SQLite database: made beside running servers, and put back where none runs.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use chrono::{DateTime, Utc};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::{Engine, Store, StoreError, Tx};

/// What SQLite keeps beside a database file while it is open.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Why there is no copy, or why it was not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no file to be copied.
    #[error("the database is not a file of SQLite; for PostgreSQL use pg_dump and pg_restore")]
    NoFile,
    /// A copy never replaces anything.
    #[error("{} exists already; name another file", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not a database, or not whole.
    #[error("{} is not a whole database of SQLite: {problem}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        problem: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

fn at<T>(path: &Path, outcome: io::Result<T>) -> Result<T, BackupError> {
    outcome.map_err(|source| BackupError::File { path: path.to_owned(), source })
}

impl Store {
    /// Where the database lies.
    ///
    /// # Errors
    /// [`BackupError::NoFile`] on PostgreSQL, and of a database in memory.
    pub fn file(&self) -> Result<&Path, BackupError> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.path.as_deref().ok_or(BackupError::NoFile),
            Engine::Postgres(_) => Err(BackupError::NoFile),
        }
    }

    /// Copies the database as it is at one moment, beside running servers: how many bytes. The copy is there whole or not at all,
    /// and its owner's alone.
    pub async fn back_up(&self, to: &Path) -> Result<u64, BackupError> {
        let Engine::Sqlite(sqlite) = &self.0.engine else { return Err(BackupError::NoFile) };
        if at(to, fs::exists(to))? {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let partial = to.with_added_extension("partial");
        let copy = async {
            at(&partial, create_private(&partial))?;
            let mut reader = sqlite.read().await?;
            // Into an empty file, as SQLite allows it.
            let name = partial.to_string_lossy().into_owned();
            sqlx::query("VACUUM INTO $1").bind(name).execute(reader.connection()?).await?;
            at(&partial, settle(&partial, to))
        };
        let copied = copy.await;
        if copied.is_err() {
            // It may never have been there.
            let _ = fs::remove_file(&partial);
        }
        copied
    }

    /// Lets everything stand in the database's file itself, and closes it.
    pub async fn gather_and_close(&self) -> Result<(), BackupError> {
        let Engine::Sqlite(sqlite) = &self.0.engine else { return Err(BackupError::NoFile) };
        if at(self.file()?, fs::exists(self.file()?))? {
            let mut held = sqlite.lock_writer().await?;
            let connection = held.as_mut().ok_or(sqlx::Error::PoolClosed)?;
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await?;
        }
        self.close().await;
        Ok(())
    }
}

/// Whether a file is a whole database, whatever is in it.
pub async fn check(path: &Path) -> Result<(), BackupError> {
    at(path, File::open(path))?;
    let damaged = |problem: String| BackupError::Damaged { path: path.to_owned(), problem };
    // Of a file that was copied by other means while it was in use.
    if let Some(log) = with_companions(path).nth(1)
        && fs::metadata(&log).is_ok_and(|found| found.len() > 0)
    {
        return Err(damaged(format!("a part of it is in {}; copy with `countersign backup`", log.display())));
    }
    let options = SqliteConnectOptions::from_str("sqlite:")?.filename(path).read_only(true).immutable(true);
    let mut connection = options.connect().await.map_err(|error| damaged(error.to_string()))?;
    let found = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await;
    let found: String = found.map_err(|error| damaged(error.to_string()))?;
    connection.close().await?;
    if found == "ok" { Ok(()) } else { Err(damaged(found)) }
}

/// Puts a copy in the place of the database, which nobody has open: where the one that was there is now, if there was one.
pub fn put_in_place(copy: &Path, database: &Path, now: DateTime<Utc>) -> Result<Option<PathBuf>, BackupError> {
    let incoming = database.with_added_extension("incoming");
    at(&incoming, create_private(&incoming))?;
    at(copy, fs::copy(copy, &incoming))?;
    let replaced = database.with_added_extension(now.format("replaced-%Y%m%dT%H%M%SZ").to_string());
    let was_there = at(database, fs::exists(database))?;
    if was_there {
        at(database, rename_all(database, &replaced))?;
    }
    at(database, settle(&incoming, database))?;
    Ok(was_there.then_some(replaced))
}

/// Puts the database back that was there before.
pub fn put_back(replaced: Option<&Path>, database: &Path) -> Result<(), BackupError> {
    for path in with_companions(database) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return at(&path, Err(error)),
            Ok(()) | Err(_) => {}
        }
    }
    replaced.map_or(Ok(()), |replaced| at(replaced, rename_all(replaced, database)))
}

/// Ends what the copy takes for good and what may have ended since it was made: sign-ins, grants, links, trust in devices, mails on
/// their way. Of what was revoked meanwhile it knows nothing. What apps are to be told stays: it is as true as it was.
pub async fn end_what_may_be_over(tx: &mut Tx, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(tx, "UPDATE session SET ended_at = $1 WHERE ended_at IS NULL", now)?;
    execute!(
        tx,
        "INSERT INTO revocation (kind, id, before, until)
         SELECT 'gid', gid, $1, ends_at FROM person_grant WHERE ends_at > $1
         ON CONFLICT (kind, id) DO UPDATE SET before = excluded.before",
        now,
    )?;
    execute!(tx, "UPDATE device SET second_factor_until = NULL WHERE second_factor_until IS NOT NULL")?;
    execute!(tx, "DELETE FROM link")?;
    execute!(tx, "DELETE FROM registration_token")?;
    execute!(tx, "DELETE FROM job WHERE kind <> 'backchannel_logout'")?;
    Ok(())
}

/// An empty file that nobody else may read, in place of one that a killed process left.
fn create_private(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Gives a file that is written its name, for good: how long it is.
fn settle(from: &Path, to: &Path) -> io::Result<u64> {
    let file = File::open(from)?;
    file.sync_all()?;
    let length = file.metadata()?.len();
    fs::rename(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(length)
}

fn with_companions(database: &Path) -> impl Iterator<Item = PathBuf> {
    let companion = |suffix: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    std::iter::once(database.to_owned()).chain(COMPANIONS.map(companion))
}

fn rename_all(from: &Path, to: &Path) -> io::Result<()> {
    for (from, to) in with_companions(from).zip(with_companions(to)) {
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
