//! Entries, in the order in which they were last changed, so that a device asks only for what it has not seen.

use std::{fmt, str::FromStr};

use futures_util::TryStreamExt as _;

use super::Tx;
use crate::entry::{Entry, EntryId, Sealed};

/// How much one page carries, in bytes of bodies: whoever reads slowly holds it in memory.
const MAX_PAGE_BYTES: usize = 512 * 1024;

/// A place in the order of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    epoch: i64,
    change: i64,
}

impl Cursor {
    /// Whether it is of the same journal as the newest, and not ahead of it, as one is that a restored copy has never reached.
    fn is_before(self, newest: Self) -> bool {
        self.epoch == newest.epoch && self.change <= newest.change
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.change)
    }
}

/// The text is no cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_number).ok_or(InvalidCursor)
        };
        let (epoch, change) = text.split_once('.').ok_or(InvalidCursor)?;
        Ok(Self { epoch: number(epoch)?, change: number(change)? })
    }
}

/// What has changed since a cursor.
#[derive(Debug)]
pub enum Page {
    /// The next changes; ask again from the cursor on.
    Changes {
        /// The oldest change first; those that were deleted are among them.
        entries: Vec<Entry>,
        /// Behind the last of them.
        cursor: Cursor,
        /// Whether there is more already.
        more: bool,
    },
    /// Everything was deleted since.
    Gone,
}

/// What became of a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is kept.
    Created,
    /// There is or was an entry of this id.
    IdUsed,
}

/// What became of a change of an entry that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is made.
    Made,
    /// It was meant for another revision than the one that is there.
    Stale,
    /// There is no such entry.
    Missing,
}

impl Tx {
    /// Up to `limit` changes.
    pub async fn changes(&mut self, person: &str, after: Option<Cursor>, limit: u32) -> Result<Page, sqlx::Error> {
        let now = self.newest(person).await?;
        let (epoch, after) = (now.epoch, after.unwrap_or(Cursor { change: 0, ..now }));
        if !after.is_before(now) {
            return Ok(Page::Gone);
        }
        let statement = "SELECT id, revision, body, change FROM entry
            WHERE person = $1 AND change > $2 ORDER BY change LIMIT $3";
        // One more than asked for tells whether there is more.
        let rows = sqlx::query_as(statement).bind(person).bind(after.change).bind(i64::from(limit) + 1);
        let mut rows = rows.fetch(&mut *self.inner);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut entries, mut bytes, mut change, mut more) = (Vec::new(), 0_usize, after.change, false);
        while let Some(row) = rows.try_next().await? {
            let (id, revision, body, its_change): (String, i64, Option<String>, i64) = row;
            let size = body.as_ref().map_or(0, String::len);
            if entries.len() >= limit || (!entries.is_empty() && bytes.saturating_add(size) > MAX_PAGE_BYTES) {
                more = true;
                break;
            }
            (bytes, change) = (bytes.saturating_add(size), its_change);
            entries.push(Entry::new(id, revision, body));
        }
        Ok(Page::Changes { entries, cursor: Cursor { epoch, change }, more })
    }

    /// Whether the cursor is of the journal that there is, and not of one that was deleted.
    pub async fn is_of_now(&mut self, person: &str, cursor: Cursor) -> Result<bool, sqlx::Error> {
        Ok(cursor.is_before(self.newest(person).await?))
    }

    async fn newest(&mut self, person: &str) -> Result<Cursor, sqlx::Error> {
        let newest = sqlx::query_as("SELECT epoch, changes FROM journal WHERE person = $1").bind(person);
        let (epoch, change) = newest.fetch_optional(&mut *self.inner).await?.unwrap_or((1, 0));
        Ok(Cursor { epoch, change })
    }

    /// How much of the room of one person is taken: entries, those that were deleted among them, and the bytes of all bodies.
    pub async fn room_taken(&mut self, person: &str) -> Result<(i64, i64), sqlx::Error> {
        let taken = sqlx::query_as("SELECT entries, bytes FROM journal WHERE person = $1").bind(person);
        Ok(taken.fetch_optional(&mut *self.inner).await?.unwrap_or_default())
    }

    /// One entry that was not deleted.
    pub async fn entry(&mut self, person: &str, id: &EntryId) -> Result<Option<Entry>, sqlx::Error> {
        let statement = "SELECT id, revision, body FROM entry WHERE person = $1 AND id = $2 AND body IS NOT NULL";
        let row = sqlx::query_as(statement).bind(person).bind(id.as_str()).fetch_optional(&mut *self.inner).await?;
        Ok(row.map(|(id, revision, body)| Entry::new(id, revision, body)))
    }

    /// Keeps a new entry, the first revision of it.
    pub async fn insert(&mut self, person: &str, sealed: &Sealed) -> Result<Written, sqlx::Error> {
        let change = self.next_change(person).await?;
        let statement = "INSERT INTO entry (person, id, revision, change, body) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (person, id) DO NOTHING";
        let insert = sqlx::query(statement).bind(person).bind(sealed.id.as_str()).bind(sealed.revision);
        let done = insert.bind(change).bind(&sealed.body).execute(&mut *self.inner).await?;
        Ok(if done.rows_affected() == 1 { Written::Created } else { Written::IdUsed })
    }

    /// Puts a revision in the place of the one before it.
    pub async fn replace(&mut self, person: &str, sealed: &Sealed) -> Result<Change, sqlx::Error> {
        self.change(person, &sealed.id, sealed.revision, Some(&sealed.body)).await
    }

    /// Drops the body of an entry that is at this revision. Its id stays, so that other devices learn of it.
    pub async fn delete(&mut self, person: &str, id: &EntryId, revision: i64) -> Result<Change, sqlx::Error> {
        self.change(person, id, revision.saturating_add(1), None).await
    }

    async fn change(
        &mut self,
        person: &str,
        id: &EntryId,
        revision: i64,
        body: Option<&str>,
    ) -> Result<Change, sqlx::Error> {
        let change = self.next_change(person).await?;
        let statement = "UPDATE entry SET revision = $3, change = $4, body = $5
            WHERE person = $1 AND id = $2 AND revision = $3 - 1 AND body IS NOT NULL";
        let update = sqlx::query(statement).bind(person).bind(id.as_str()).bind(revision).bind(change).bind(body);
        if update.execute(&mut *self.inner).await?.rows_affected() == 1 {
            return Ok(Change::Made);
        }
        Ok(if self.entry(person, id).await?.is_some() { Change::Stale } else { Change::Missing })
    }

    /// Forgets entries and vault, and what was ever deleted.
    pub async fn delete_all(&mut self, person: &str) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM entry WHERE person = $1").bind(person).execute(&mut *self.inner).await?;
        // The row stays, with nothing in it but numbers: devices must learn that what they knew is gone.
        let statement = "UPDATE journal SET epoch = epoch + 1, changes = 0, vault_version = vault_version + 1,
            passphrase = NULL, recovery = NULL WHERE person = $1";
        sqlx::query(statement).bind(person).execute(&mut *self.inner).await?;
        Ok(())
    }

    async fn next_change(&mut self, person: &str) -> Result<i64, sqlx::Error> {
        let statement = "INSERT INTO journal (person, changes) VALUES ($1, 1)
            ON CONFLICT (person) DO UPDATE SET changes = changes + 1 RETURNING changes";
        sqlx::query_scalar(statement).bind(person).fetch_one(&mut *self.inner).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_is_written() {
        let cursor = Cursor { epoch: 3, change: 17 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", ".", "1", "1.", ".1", "+1.1", "1.-1", "1.1.1", "1.99999999999999999999", "a.b", " 1.1"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
