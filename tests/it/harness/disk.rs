//! A database whose disk fails when a test says so: at one of the next rows that are written, or at the end of a transaction.

use std::fmt::Write;

use super::{Database, Reply, Server};

/// The tables of what fails, which are no part of what is stored.
const OWN: &str = "fault";

/// The disk below the database of a server.
pub struct Disk<'a> {
    server: &'a Server,
}

impl<'a> Disk<'a> {
    /// One that works, for the time being.
    pub async fn below(server: &'a Server) -> Self {
        let database = &server.database;
        let mut sql = "CREATE TABLE fault (countdown BIGINT NOT NULL, at_end BIGINT NOT NULL);
             INSERT INTO fault VALUES (0, 0);
             CREATE TABLE fault_parent (id BIGINT PRIMARY KEY);
             CREATE TABLE fault_child (id BIGINT REFERENCES fault_parent (id) DEFERRABLE INITIALLY DEFERRED);"
            .to_owned();
        if !database.is_sqlite() {
            sql += "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$
                DECLARE at fault%ROWTYPE;
                BEGIN
                    UPDATE fault SET countdown = countdown - 1, at_end = at_end - 1 RETURNING * INTO at;
                    IF at.countdown = 0 THEN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END IF;
                    IF at.at_end = 0 THEN INSERT INTO fault_child VALUES (1); END IF;
                    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                    RETURN NEW;
                END $$;";
        }
        for table in tables(database).await {
            for action in ["INSERT", "UPDATE", "DELETE"] {
                let trigger = format!("CREATE TRIGGER fault_{table}_{action} BEFORE {action} ON {table}");
                let does = if database.is_sqlite() {
                    "BEGIN
                         UPDATE fault SET countdown = countdown - 1, at_end = at_end - 1;
                         SELECT RAISE(ABORT, 'database or disk is full') FROM fault WHERE countdown = 0;
                         INSERT INTO fault_child SELECT 1 FROM fault WHERE at_end = 0;
                     END"
                } else {
                    "FOR EACH ROW EXECUTE FUNCTION fault()"
                };
                write!(sql, "{trigger} {does};").unwrap();
            }
        }
        database.execute(&sql).await;
        Self { server }
    }

    /// The same request again and again, and each time another of its writes fails, and then the end of the transaction that it belongs
    /// to: it is told, nothing is stored by halves, and another try is worth it. The answer of the first one that nothing failed in.
    pub async fn fails_everywhere(&self, what: &str, mut request: impl AsyncFnMut() -> Reply) -> Reply {
        let before = self.contents().await;
        for write in 1..100 {
            self.set(write, 0).await;
            let reply = request().await;
            if reply.status != 503 && !refuses(&reply) {
                let left = self.server.count("fault WHERE countdown = 1").await;
                self.set(0, 0).await;
                assert!(write > 1, "{what} writes nothing");
                assert_eq!(left, 1, "{what}: a failure was passed over");
                return reply;
            }
            self.set(0, 0).await;
            assert_told(&reply, what);
            self.assert_unchanged(&before, &format!("{what}: half done when write {write} failed")).await;

            // The same write, and the end of the transaction that it belongs to.
            self.set(0, write).await;
            let reply = request().await;
            self.set(0, 0).await;
            assert_told(&reply, what);
            self.assert_unchanged(&before, &format!("{what}: half done after the end of write {write} failed")).await;
        }
        panic!("{what} does not come to an end");
    }

    async fn set(&self, countdown: i64, at_end: i64) {
        let sql = format!("UPDATE fault SET countdown = {countdown}, at_end = {at_end}");
        self.server.database.execute(&sql).await;
    }

    async fn assert_unchanged(&self, before: &[(String, Vec<String>)], what: &str) {
        for (now, before) in self.contents().await.iter().zip(before) {
            assert_eq!(now, before, "{what}");
        }
    }

    /// All that is stored, as text.
    async fn contents(&self) -> Vec<(String, Vec<String>)> {
        let mut contents = Vec::new();
        for table in tables(&self.server.database).await {
            let rows = self.server.database.rows_as_text(&table).await;
            contents.push((table, rows));
        }
        contents
    }
}

async fn tables(database: &Database) -> Vec<String> {
    let tables = database.tables().await.into_iter();
    tables.filter(|table| !table.starts_with(OWN)).collect()
}

/// Whether an app is told by a redirect.
fn refuses(reply: &Reply) -> bool {
    reply.header("location").is_some_and(|to| to.contains("error=temporarily_unavailable"))
}

#[track_caller]
fn assert_told(reply: &Reply, what: &str) {
    if !refuses(reply) {
        assert_eq!(reply.status, 503, "{what}: {:?} {}", reply.headers, reply.text());
        assert!(reply.header("retry-after").is_some(), "{what}");
    }
    let told = reply.text().to_lowercase();
    for word in ["sql", "fault", "disk", "constraint", "extend file"] {
        assert!(!told.contains(word), "{what} tells of {word}: {told}");
    }
}
