//! PostgreSQL and Redis, which somebody else runs.

use std::env;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{Result, fail, server::random};

/// What all databases of this program begin with, so that those which an earlier run left are found.
const PREFIX: &str = "countersign_bench_";

/// Where they are.
#[derive(Clone, Debug)]
pub struct Services {
    postgres: String,
    redis: String,
}

impl Services {
    /// As the options say, or else the variables by which the tests know them.
    pub fn find(postgres: Option<String>, redis: Option<String>) -> Option<Self> {
        let postgres = postgres.or_else(|| env::var("COUNTERSIGN_TEST_DATABASE").ok())?;
        let redis = redis.or_else(|| env::var("COUNTERSIGN_TEST_REDIS").ok())?;
        Some(Self { postgres, redis })
    }

    pub fn redis(&self) -> &str {
        &self.redis
    }

    /// The URL of an empty database. What earlier ones left is removed.
    pub async fn database(&self) -> Result<String> {
        let mut connection = PgConnection::connect(&self.postgres).await?;
        let left: Vec<String> =
            sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)")
                .bind(PREFIX)
                .fetch_all(&mut connection)
                .await?;
        for name in left {
            // One that is in use stays.
            let _ = connection.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await;
        }
        let name = format!("{PREFIX}{}", random()?.to_lowercase().replace('-', "_"));
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        let (server, _) =
            self.postgres.rsplit_once('/').ok_or_else(|| fail("the URL of PostgreSQL names no database"))?;
        Ok(format!("{server}/{name}"))
    }
}
