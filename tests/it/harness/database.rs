//! A database for each test: a file, or one made from a migrated template.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A database, and a folder for what lies beside it. Both go with the test run.
pub struct Database {
    folder: TempDir,
    url: String,
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
        if self.url.starts_with("sqlite:") {
            sqlx::query_scalar(sql).fetch_one(&mut SqliteConnection::connect(&self.url).await.unwrap()).await.unwrap()
        } else {
            sqlx::query_scalar(sql).fetch_one(&mut PgConnection::connect(&self.url).await.unwrap()).await.unwrap()
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
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
