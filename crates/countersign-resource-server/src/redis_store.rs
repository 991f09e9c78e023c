//! What several machines that serve one API remember together, in Redis: used proofs and counts. It may be lost: then proofs that might
//! have been used before are refused, for seconds, and counts begin anew.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use countersign_jose::{base64, sha256_of};
use redis::{
    Client, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::{
    clock::passed,
    limit::{Quota, RateStore, Standing},
    replay::{FirstUse, Lifespan, ReplayGuard},
};

/// How long a connection, and then each answer, may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long it is not asked after it did not answer, in seconds: each try may take as long as `TIMEOUT`.
const PAUSE: i64 = 1;
/// How much longer than it counts Redis keeps an entry, in seconds: its clock may differ from ours.
const SWEEP_LATER: i64 = 60 * 60;

/// KEYS: what is known of this Redis, the proof. ARGV: now, from, until, milliseconds to live.
///
/// `since` is the moment from which on nothing was forgotten. It is noted anew when something may have been: the key is gone (flushed),
/// another process answers (restarted, or a replica took over), or entries were evicted to save memory. A moment ahead of a clock that was
/// set back is none.
static FIRST_USE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        local now = tonumber(ARGV[1])
        local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
        local evicted = string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)')
        local identity = run .. '/' .. evicted
        local known = redis.call('HMGET', KEYS[1], 'identity', 'since')
        local since = tonumber(known[2] or '')
        if known[1] ~= identity or not since or since > now + 10 then
            since = now
            redis.call('HSET', KEYS[1], 'identity', identity, 'since', ARGV[1])
        end
        local expiry = redis.call('GET', KEYS[2])
        if expiry and tonumber(expiry) > now then return 'replayed' end
        if tonumber(ARGV[2]) <= since then return 'unsure' end
        redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
        return 'first'
        ",
    )
});

/// KEYS: the caller. ARGV: now, requests and seconds of the quota, milliseconds to live. Does as [`Quota::count`], and tells how much was
/// in use before. Numbers stay below 2^53, so that nothing is rounded.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
        local requests, one = tonumber(ARGV[2]), tonumber(ARGV[3])
        local now, full = tonumber(ARGV[1]) * requests, requests * one
        local busy = tonumber(redis.call('GET', KEYS[1]) or '')
        local used = busy and math.min(math.max(busy - now, 0), full) or 0
        if used + one <= full then
            redis.call('SET', KEYS[1], string.format('%.0f', now + used + one), 'PX', ARGV[4])
        end
        return string.format('%.0f', used)
        ",
    )
});

/// Used proofs and counts in Redis: a [`ReplayGuard`] and a [`RateStore`]. Cheap to clone; all clones share a connection, which is made
/// when it is first needed and again when it broke. Entries bear digests, and no names.
///
/// While Redis is away, requests with a proof are answered with 503, and each process counts by itself; once a second one request tries
/// whether it is back. A Redis that evicts what is in use loses its memory each time, as does one whose statistics are reset: give it
/// `maxmemory-policy noeviction` and, where it has access lists, the command `INFO`.
#[derive(Clone)]
pub struct RedisStore {
    manager: ConnectionManager,
    /// What all keys start with. In braces, so that a cluster keeps them together.
    namespace: String,
    /// When it did not answer, in seconds since 1970.
    away_at: Arc<AtomicI64>,
}

impl fmt::Debug for RedisStore {
    /// Without the connection, which knows a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// In the Redis at this URL (`redis://` or `rediss://`), for all processes that give the same name. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The URL is none. Whether a Redis is there is not looked at.
    pub fn new(url: &str, name: &str) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            // The next request is the next try.
            .set_number_of_retries(0);
        let manager = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        let away_at = Arc::new(AtomicI64::new(i64::MIN));
        Ok(Self { manager, namespace: format!("countersign-api:{{{name}}}"), away_at })
    }

    /// What it answers; none while it is away.
    async fn answer<T>(&self, now: i64, asked: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        let away_at = self.away_at.load(Ordering::Relaxed);
        if !passed(away_at, now, PAUSE) {
            return None;
        }
        match asked.await {
            Ok(answer) => {
                if away_at != i64::MIN {
                    tracing::info!("Redis answers again");
                    self.away_at.store(i64::MIN, Ordering::Relaxed);
                }
                Some(answer)
            }
            Err(error) => {
                if away_at == i64::MIN {
                    tracing::warn!(%error, "Redis does not answer: proofs are refused for now, and requests counted here");
                }
                self.away_at.store(now, Ordering::Relaxed);
                None
            }
        }
    }

    fn key(&self, kind: &str, id: &str) -> String {
        format!("{}:{kind}:{}", self.namespace, base64(&sha256_of(id.as_bytes())))
    }

    async fn note(&self, id: &str, lifespan: Lifespan, now: i64) -> Result<FirstUse, RedisError> {
        let mut script = FIRST_USE.key(format!("{}:memory", self.namespace));
        script.key(self.key("proof", id)).arg(now).arg(lifespan.from).arg(lifespan.until);
        script.arg(milliseconds(lifespan.until.saturating_sub(now)));
        let verdict: String = script.invoke_async(&mut self.manager.clone()).await?;
        Ok(match verdict.as_str() {
            "first" => FirstUse::First,
            "replayed" => FirstUse::Replayed,
            _ => FirstUse::Unknown,
        })
    }

    async fn used(&self, caller: &str, quota: Quota, now: i64) -> Result<i64, RedisError> {
        let mut script = COUNT.key(self.key("count", caller));
        script.arg(now).arg(quota.requests()).arg(quota.window()).arg(milliseconds(i64::from(quota.window())));
        let used: String = script.invoke_async(&mut self.manager.clone()).await?;
        Ok(used.parse().unwrap_or(0))
    }
}

/// For how long Redis keeps what counts for these seconds.
fn milliseconds(seconds: i64) -> i64 {
    seconds.max(0).saturating_add(SWEEP_LATER).saturating_mul(1_000)
}

impl ReplayGuard for RedisStore {
    fn first_use(
        &self,
        id: String,
        lifespan: Lifespan,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = FirstUse> + Send + '_>> {
        Box::pin(async move { self.answer(now, self.note(&id, lifespan, now)).await.unwrap_or(FirstUse::Unknown) })
    }
}

impl RateStore for RedisStore {
    fn count(
        &self,
        caller: String,
        quota: Quota,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = Option<Standing>> + Send + '_>> {
        Box::pin(async move { self.answer(now, self.used(&caller, quota, now)).await.map(|used| quota.after(used).0) })
    }
}
