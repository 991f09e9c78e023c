//! One node, or several that share a Redis: a second one that would know nothing of the first does not start.
//!
//! The reasons are in `docs/decisions/0001-redis-holds-only-what-may-be-lost.md`. The claim is a lock that goes with the process,
//! however it ends: on a file beside SQLite, of a session on PostgreSQL.

use std::{fs::File, future::pending, path::Path, time::Duration};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{ACQUIRE_TIMEOUT, Engine, Store, StoreError};

/// The first half of the lock's number on PostgreSQL ("node"); the second is the schema's.
const LOCK: i32 = 0x6e6f_6465;
/// How long PostgreSQL may take to see that a process is gone that just ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the session that holds the lock is looked after.
const WATCH: Duration = Duration::from_secs(5);
/// How long a lost lock is tried for. Longer than PostgreSQL takes to see that our own old session is dead (25 s).
const RETRY: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(100);

/// The right to run on this database, for as long as it is held.
#[derive(Debug)]
pub struct NodeClaim(Held);

#[derive(Debug)]
enum Held {
    /// A database in memory is nobody else's.
    Memory,
    File(#[allow(dead_code)] File),
    Session(JoinHandle<StoreError>),
}

impl Store {
    /// Claims the database for this node: `exclusive` for one that shares nothing with others, otherwise beside others that
    /// are not exclusive either.
    ///
    /// # Errors
    /// [`StoreError::OtherNode`] when a running node does not allow it.
    pub async fn claim_node(&self, exclusive: bool) -> Result<NodeClaim, StoreError> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => match &sqlite.path {
                None => Ok(NodeClaim(Held::Memory)),
                Some(path) => {
                    sqlite.make_folder()?;
                    let file = claim_file(&path.with_added_extension("node.lock"), exclusive)?;
                    Ok(NodeClaim(Held::File(file)))
                }
            },
            Engine::Postgres(pool) => {
                let options = pool.connect_options().as_ref().clone().application_name("countersign node");
                let session = claim_session_within(PATIENCE, &options, exclusive).await?;
                Ok(NodeClaim(Held::Session(tokio::spawn(watch(session, options, exclusive)))))
            }
        }
    }
}

impl NodeClaim {
    /// Comes back when the claim is lost for good, with the reason: this node must stop then.
    pub async fn lost(&mut self) -> StoreError {
        match &mut self.0 {
            Held::Memory | Held::File(_) => pending().await,
            Held::Session(watch) => {
                watch.await.unwrap_or_else(|error| StoreError::Database(sqlx::Error::Io(std::io::Error::other(error))))
            }
        }
    }
}

impl Drop for NodeClaim {
    fn drop(&mut self) {
        if let Held::Session(watch) = &self.0 {
            watch.abort();
        }
    }
}

fn claim_file(path: &Path, exclusive: bool) -> Result<File, StoreError> {
    let open = || File::options().create(true).truncate(false).write(true).open(path);
    let file = open().map_err(|source| StoreError::Folder { path: path.to_owned(), source })?;
    let locked = if exclusive { file.try_lock() } else { file.try_lock_shared() };
    match locked {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::OtherNode { exclusive }),
        Err(std::fs::TryLockError::Error(source)) => Err(StoreError::Folder { path: path.to_owned(), source }),
    }
}

/// A session that holds the lock.
async fn claim_session(options: &PgConnectOptions, exclusive: bool) -> Result<PgConnection, StoreError> {
    let claim = async {
        let mut session = PgConnection::connect_with(options).await?;
        // A machine that vanishes says nothing: without these its lock would be held for hours.
        sqlx::raw_sql("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3")
            .execute(&mut session)
            .await?;
        let lock = if exclusive {
            "SELECT pg_try_advisory_lock($1, hashtext(current_schema()))"
        } else {
            "SELECT pg_try_advisory_lock_shared($1, hashtext(current_schema()))"
        };
        let is_ours: bool = sqlx::query_scalar(lock).bind(LOCK).fetch_one(&mut session).await?;
        if is_ours { Ok(session) } else { Err(StoreError::OtherNode { exclusive }) }
    };
    timeout(ACQUIRE_TIMEOUT, claim).await.unwrap_or(Err(StoreError::Database(sqlx::Error::PoolTimedOut)))
}

/// The same, tried again for a while as long as another node is in the way.
async fn claim_session_within(
    time: Duration,
    options: &PgConnectOptions,
    exclusive: bool,
) -> Result<PgConnection, StoreError> {
    let mut left = time;
    loop {
        match claim_session(options, exclusive).await {
            Err(StoreError::OtherNode { .. }) if !left.is_zero() => {
                sleep(PAUSE).await;
                left = left.saturating_sub(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Holds the session, and claims anew when it breaks. Ends when another node has taken the place meanwhile.
///
/// Until then this node goes on: what may be used once is guarded by rows that both would share, so that for a minute only
/// failed sign-ins would be counted apart, whereas stopping at once would make every restart of PostgreSQL an outage.
async fn watch(mut session: PgConnection, options: PgConnectOptions, exclusive: bool) -> StoreError {
    loop {
        sleep(WATCH).await;
        if matches!(timeout(ACQUIRE_TIMEOUT, session.ping()).await, Ok(Ok(()))) {
            continue;
        }
        tracing::warn!("the session on PostgreSQL that keeps other nodes away was lost; claiming it anew");
        session = loop {
            match claim_session_within(RETRY, &options, exclusive).await {
                Ok(session) => break session,
                Err(error @ StoreError::OtherNode { .. }) => return error,
                // Without its database this node does nothing anyway.
                Err(_) => sleep(WATCH).await,
            }
        };
        tracing::info!("other nodes are kept away again");
    }
}
