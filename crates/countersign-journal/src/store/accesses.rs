//! Who did what, written in the transaction of what was done.

use chrono::{DateTime, Utc};

use super::Tx;
use crate::{
    access::{Access, Outcome, Visit},
    entry::EntryId,
};

impl Tx {
    /// Records an access.
    pub async fn record(
        &mut self,
        visit: &Visit,
        entry: Option<&EntryId>,
        outcome: Outcome,
    ) -> Result<(), sqlx::Error> {
        let statement =
            "INSERT INTO access (person, at, client, action, entry, outcome) VALUES ($1, $2, $3, $4, $5, $6)";
        let insert = sqlx::query(statement).bind(&visit.person).bind(visit.at.timestamp()).bind(&visit.client);
        let insert = insert.bind(visit.action.as_str()).bind(entry.map(EntryId::as_str)).bind(outcome.as_str());
        insert.execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Up to `limit` accesses, the newest first, from behind `before` on; and from where on there is more.
    pub async fn accesses(
        &mut self,
        person: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<Access>, Option<i64>), sqlx::Error> {
        let statement = "SELECT number, at, action, entry, client, outcome FROM access
            WHERE person = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
        let rows = sqlx::query_as(statement).bind(person).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit) + 1);
        let mut rows: Vec<(i64, i64, String, Option<String>, String, String)> =
            rows.fetch_all(&mut *self.inner).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.0);
        let access = |(_, at, action, entry, client_id, outcome)| Access {
            at: DateTime::from_timestamp(at, 0).unwrap_or_default(),
            action,
            entry,
            client_id,
            outcome,
        };
        Ok((rows.into_iter().map(access).collect(), next))
    }

    /// Forgets of what is older a part, so that nobody waits long; how much that was. Nothing is left when it is none.
    pub async fn sweep_accesses(&mut self, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
        let statement = "DELETE FROM access WHERE number IN (SELECT number FROM access WHERE at < $1 LIMIT 1000)";
        Ok(sqlx::query(statement).bind(before.timestamp()).execute(&mut *self.inner).await?.rows_affected())
    }
}
