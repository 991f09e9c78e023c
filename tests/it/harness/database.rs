//! A database for each test: a file, or one made from a migrated template.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Databases on the server whose tests have ended.
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A database, and a folder for what lies beside it. Both go when the test ends.
pub struct Database {
    folder: TempDir,
    url: String,
}

/// A row of the audit trail.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AuditRow {
    pub leaf: Option<i64>,
    pub at: DateTime<Utc>,
    pub kind: String,
    pub user_id: Option<String>,
    pub client_id: Option<String>,
    pub sid: Option<String>,
    pub gid: Option<String>,
    pub detail: String,
    pub personal: Option<Vec<u8>>,
}

impl Database {
    pub async fn create() -> Self {
        match std::env::var("COUNTERSIGN_TEST_DATABASE") {
            Ok(server) => Self { folder: tempfile::tempdir().unwrap(), url: create_on(&server).await },
            Err(_) => Self::create_empty().await,
        }
    }

    /// A database without tables.
    pub async fn create_empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match std::env::var("COUNTERSIGN_TEST_DATABASE") {
            Ok(server) => {
                let name = format!("test_{}", random_hex());
                run(&server, &format!("CREATE DATABASE {name}")).await;
                in_database(&server, &name)
            }
            Err(_) => format!("sqlite://{}", folder.path().join("countersign.db").display()),
        };
        Self { folder, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        if self.is_sqlite() {
            sqlx::query_scalar(sql).fetch_one(&mut self.sqlite().await).await.unwrap()
        } else {
            sqlx::query_scalar(sql).fetch_one(&mut self.postgres().await).await.unwrap()
        }
    }

    /// Runs a statement behind the provider's back.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.is_sqlite() {
            self.sqlite().await.execute(sql).await.unwrap();
        } else {
            self.postgres().await.execute(sql).await.unwrap();
        }
    }

    /// The audit trail as it is stored, in its order.
    pub async fn audit_rows(&self) -> Vec<AuditRow> {
        let sql = "SELECT leaf, at, kind, user_id, client_id, sid, gid, detail, personal FROM audit_event ORDER BY id";
        if self.is_sqlite() {
            sqlx::query_as(sql).fetch_all(&mut self.sqlite().await).await.unwrap()
        } else {
            sqlx::query_as(sql).fetch_all(&mut self.postgres().await).await.unwrap()
        }
    }

    /// The names of all tables.
    pub async fn tables(&self) -> Vec<String> {
        if self.is_sqlite() {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
            sqlx::query_scalar(sql).fetch_all(&mut self.sqlite().await).await.unwrap()
        } else {
            let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
            sqlx::query_scalar(sql).fetch_all(&mut self.postgres().await).await.unwrap()
        }
    }

    /// The rows of a table, each as one text, in the order of these.
    pub async fn rows_as_text(&self, table: &str) -> Vec<String> {
        if self.is_sqlite() {
            let mut connection = self.sqlite().await;
            let columns: Vec<String> = sqlx::query_scalar("SELECT 'quote(' || name || ')' FROM pragma_table_info($1)")
                .bind(table)
                .fetch_all(&mut connection)
                .await
                .unwrap();
            let sql = format!("SELECT {} FROM {table} ORDER BY 1", columns.join(" || ',' || "));
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap()
        } else {
            let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.postgres().await).await.unwrap()
        }
    }

    /// Whether this text stands anywhere in the database.
    pub async fn contains(&self, text: &str) -> bool {
        if self.is_sqlite() {
            // The file, and what was not yet moved there.
            let files = ["countersign.db", "countersign.db-wal"].map(|name| std::fs::read(self.folder().join(name)));
            let mut found = files.into_iter().flatten();
            return found.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        }
        let tables = self.tables().await;
        let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        for table in tables {
            let filter = format!("{table} t WHERE strpos(t::text, '{text}') > 0 OR strpos(t::text, '{hex}') > 0");
            if self.count(&filter).await > 0 {
                return true;
            }
        }
        false
    }

    pub fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    async fn sqlite(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.url).await.unwrap()
    }

    async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A test cannot wait while it is torn down, so the next one removes what this one left: all of
/// them together would need gigabytes.
impl Drop for Database {
    fn drop(&mut self) {
        if !self.is_sqlite() {
            let name = self.url.rsplit('/').next().unwrap_or_default().to_owned();
            LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        }
    }
}

/// A new database on the server, from a template that was migrated once.
async fn create_on(server: &str) -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE
        .get_or_init(|| async {
            let name = format!("template_{}", std::process::id());
            run(server, &format!("CREATE DATABASE {name}")).await;
            let mut connection = PgConnection::connect(&in_database(server, &name)).await.unwrap();
            sqlx::migrate!("migrations/postgres").run_direct(None, &mut connection, false).await.unwrap();
            connection.close().await.unwrap();
            name
        })
        .await;
    let left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
    for name in left {
        run(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    }
    let name = format!("test_{}", random_hex());
    run(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    in_database(server, &name)
}

async fn run(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

fn in_database(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(name);
    url.to_string()
}

fn random_hex() -> String {
    format!("{:016x}", u64::from_le_bytes(countersign::random::Random::system().bytes()))
}
