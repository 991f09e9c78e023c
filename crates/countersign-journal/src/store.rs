//! Entries in SQLite. Every statement names the person, so another's entry cannot be reached.

use std::{path::Path, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::entry::{Draft, Entry, EntryId};

/// The database of the journal.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the file, which is made if need be, readable for its owner alone.
    pub async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        create_private(file).map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        sqlx::migrate!().run(&pool).await?;
        Ok(Self { pool })
    }

    /// Keeps a new entry.
    pub async fn insert(
        &self,
        person: &str,
        id: &EntryId,
        draft: &Draft,
        now: DateTime<Utc>,
    ) -> Result<Entry, sqlx::Error> {
        let statement =
            "INSERT INTO entry (person, id, title, body, created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $5)
            RETURNING id, title, body, created_at, changed_at";
        let insert = sqlx::query_as(statement).bind(person).bind(id.as_str()).bind(&draft.title).bind(&draft.body);
        insert.bind(now).fetch_one(&self.pool).await
    }

    /// One entry, if it is this person's.
    pub async fn get(&self, person: &str, id: &EntryId) -> Result<Option<Entry>, sqlx::Error> {
        let statement = "SELECT id, title, body, created_at, changed_at FROM entry WHERE person = $1 AND id = $2";
        sqlx::query_as(statement).bind(person).bind(id.as_str()).fetch_optional(&self.pool).await
    }

    /// A page of entries, the newest first, from behind `after` on.
    pub async fn list(&self, person: &str, after: Option<&EntryId>, limit: u32) -> Result<Vec<Entry>, sqlx::Error> {
        let statement = "SELECT id, title, body, created_at, changed_at FROM entry
            WHERE person = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3";
        let list = sqlx::query_as(statement).bind(person).bind(after.map(EntryId::as_str)).bind(limit);
        list.fetch_all(&self.pool).await
    }

    /// Replaces title and body, if it is this person's.
    pub async fn replace(
        &self,
        person: &str,
        id: &EntryId,
        draft: &Draft,
        now: DateTime<Utc>,
    ) -> Result<Option<Entry>, sqlx::Error> {
        let statement = "UPDATE entry SET title = $3, body = $4, changed_at = $5 WHERE person = $1 AND id = $2
            RETURNING id, title, body, created_at, changed_at";
        let update = sqlx::query_as(statement).bind(person).bind(id.as_str()).bind(&draft.title).bind(&draft.body);
        update.bind(now).fetch_optional(&self.pool).await
    }

    /// Removes one entry; whether there was one of this person's.
    pub async fn delete(&self, person: &str, id: &EntryId) -> Result<bool, sqlx::Error> {
        let statement = "DELETE FROM entry WHERE person = $1 AND id = $2";
        let done = sqlx::query(statement).bind(person).bind(id.as_str()).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Finishes what is being written and folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn create_private(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}
