//! For several nodes: counters and guards in Redis, in nothing that may not be lost.
//!
//! Every expiry is a stored time that is compared with our clock; the time to live that Redis is given only sweeps. Keys
//! are authenticated digests, so that whoever reads the Redis learns no account, name or address from it.
//!
//! What becomes of the state when Redis fails is decided here: see `docs/decisions/0001-redis-holds-only-what-may-be-lost.md`.

use std::{
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use redis::{
    Client, FromRedisValue, IntoConnectionInfo, RedisError, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};
use tokio::{sync::Notify, time::timeout};

use super::{
    Counted, Ephemeral, Failures, FirstUse, GuardError, Later, Metered, SingleUse, Tally, Verdict,
    counters::Counters,
    rates::Rates,
    scripts::{
        ADD_FAILURE, ATTEMPT, COUNT_REQUEST, FAILURES, FIRST_USE, FORGET_FAILURES, REMEMBER, TAKE_BACK_FAILURE, TELL,
    },
};
use crate::{
    clock::Clock,
    domain::{rate::Usage, throttle::DELAYS},
    master_key::{MasterKeys, SealingKey},
};

/// How long a connection, and then each answer, may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long counters do not even ask a Redis that just failed, so that a sign-in waits for it once and not four times. Then one asks
/// for all others.
const REST: TimeDelta = TimeDelta::seconds(1);
/// How long a connection is listened to before another is made: one to a machine that vanished says nothing, for ever.
const LISTENING: Duration = Duration::from_mins(5);
/// How much longer than its stored expiry Redis keeps an entry: its clock may differ from ours.
const SWEEP_LATER: TimeDelta = TimeDelta::hours(1);

/// Counters and guards of all nodes that have this master key.
pub struct Redis {
    client: Client,
    link: Mutex<Link>,
    keys: SealingKey,
    /// What all our keys start with. In braces, so that a cluster keeps them together.
    namespace: String,
    clock: Clock,
    /// What this node counts alone, for as long as Redis is down.
    fallback: Counters,
    fallback_rates: Rates,
}

/// The connection, made when it is first used, and what became of it.
struct Link {
    manager: ConnectionManager,
    /// How many there were before it.
    generation: u64,
    /// When Redis last failed, or was last asked whether it still does, if it has not answered since.
    down_since: Option<DateTime<Utc>>,
}

impl fmt::Debug for Redis {
    /// Without the client, which knows a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Redis {
    /// For the Redis at this URL. It is not connected yet.
    pub fn new(url: &str, master: &MasterKeys, clock: Clock) -> Result<Self, RedisError> {
        // Commands are small: waiting to fill a packet only delays them.
        let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info)?;
        let link = Link { manager: connect_later(&client)?, generation: 0, down_since: None };
        let keys = master.derive_shared("keys in Redis");
        let namespace = format!("countersign:{{{}}}", digest(&keys, "namespace"));
        let (fallback, fallback_rates) = (Counters::default(), Rates::default());
        Ok(Self { client, link: Mutex::new(link), keys, namespace, clock, fallback, fallback_rates })
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory_key(&self) -> String {
        format!("{}:memory", self.namespace)
    }

    fn counter_key(&self, key: &str) -> String {
        format!("{}:failures:{}", self.namespace, digest(&self.keys, &format!("failures\0{key}")))
    }

    fn rate_key(&self, key: &str) -> String {
        format!("{}:rate:{}", self.namespace, digest(&self.keys, &format!("rate\0{key}")))
    }

    fn guard_key(&self, used: &SingleUse<'_>) -> String {
        let digest = digest(&self.keys, &format!("guard\0{}\0{}", used.kind, used.id));
        format!("{}:guard:{digest}", self.namespace)
    }

    fn changes_channel(&self) -> String {
        format!("{}:changes", self.namespace)
    }

    /// Notifies of each message until the connection breaks.
    async fn listen(&self, heard: &Notify) -> Result<(), RedisError> {
        let mut listener = timeout(TIMEOUT, self.client.get_async_pubsub()).await.map_err(io::Error::from)??;
        timeout(TIMEOUT, listener.subscribe(self.changes_channel())).await.map_err(io::Error::from)??;
        // Something may have been told before.
        heard.notify_one();
        let mut messages = listener.into_on_message();
        while messages.next().await.is_some() {
            heard.notify_one();
        }
        Ok(())
    }

    /// Runs a script, and remembers whether Redis answered.
    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, RedisError> {
        let (mut manager, generation) = {
            let link = self.link();
            (link.manager.clone(), link.generation)
        };
        let outcome = script.invoke_async(&mut manager).await;
        match &outcome {
            Ok(_) => self.answered(),
            Err(error) => self.failed(error, generation),
        }
        outcome
    }

    fn answered(&self) {
        if self.link().down_since.take().is_some() {
            tracing::info!("Redis answers again");
        }
    }

    fn failed(&self, error: &RedisError, generation: u64) {
        let mut link = self.link();
        if link.down_since.replace(self.clock.now()).is_none() {
            tracing::warn!(
                %error,
                "Redis fails: each node counts failed sign-ins alone, and what must be used once is refused"
            );
        }
        // A machine that vanished closes no connection: without an answer this one is not trusted again.
        if error.is_timeout() && link.generation == generation {
            match connect_later(&self.client) {
                Ok(manager) => (link.manager, link.generation) = (manager, generation + 1),
                Err(error) => tracing::warn!(%error, "no new connection to Redis"),
            }
        }
    }

    /// What Redis says of a counter, or nothing while it is down.
    async fn count<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Option<T> {
        if self.rests() { None } else { self.run(script).await.ok() }
    }

    /// Whether nobody should ask now, because Redis failed a moment ago or somebody is asking whether it still does.
    fn rests(&self) -> bool {
        let now = self.clock.now();
        let mut link = self.link();
        match link.down_since {
            None => false,
            Some(since) if now < since + REST => true,
            Some(_) => {
                link.down_since = Some(now);
                false
            }
        }
    }
}

impl Ephemeral for Redis {
    fn failures<'a>(&'a self, key: &'a str, now: DateTime<Utc>) -> Later<'a, Failures> {
        Box::pin(async move {
            let shared = self.count(FAILURES.key(self.counter_key(key)).arg(now.timestamp_micros())).await;
            shared.map_or_else(|| self.fallback.get(key, now), read_failures)
        })
    }

    fn add_failure<'a>(&'a self, key: &'a str, window: Duration, now: DateTime<Utc>) -> Later<'a, Failures> {
        Box::pin(async move {
            let forget_at = now + window;
            let shared = self
                .count(
                    ADD_FAILURE
                        .key(self.counter_key(key))
                        .arg(now.timestamp_micros())
                        .arg(forget_at.timestamp_micros())
                        .arg(time_to_live(now, forget_at)),
                )
                .await;
            shared.map_or_else(|| self.fallback.add(key, window, now), read_failures)
        })
    }

    fn attempt<'a>(&'a self, under: &'a [Counted], now: DateTime<Utc>) -> Later<'a, Verdict> {
        Box::pin(async move {
            let mut script = ATTEMPT.arg(now.timestamp_micros());
            script.arg(DELAYS.len());
            for delay in DELAYS {
                script.arg(micros(delay));
            }
            for counted in under {
                let forget_at = now + counted.window;
                script
                    .key(self.counter_key(&counted.key))
                    .arg(counted.free.count())
                    .arg(forget_at.timestamp_micros())
                    .arg(time_to_live(now, forget_at));
            }
            match self.count::<(u64, bool)>(&script).await {
                Some((0, _)) => Verdict::Counted,
                Some((wait, is_news)) => Verdict::TooEarly { wait: Duration::from_micros(wait), is_news },
                None => self.fallback.attempt(under, now),
            }
        })
    }

    fn take_back_failure<'a>(&'a self, keys: &'a [String], at: DateTime<Utc>) -> Later<'a, ()> {
        Box::pin(async move {
            let mut script = TAKE_BACK_FAILURE.arg(at.timestamp_micros());
            for key in keys {
                script.key(self.counter_key(key));
            }
            if self.count::<()>(&script).await.is_none() {
                self.fallback.take_back(keys, at);
            }
        })
    }

    fn forget_failures<'a>(&'a self, key: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            self.fallback.forget(key);
            self.count::<()>(&FORGET_FAILURES.key(self.counter_key(key))).await;
        })
    }

    fn count_request<'a>(&'a self, under: &'a [Metered], now: DateTime<Utc>) -> Later<'a, Tally> {
        Box::pin(async move {
            let mut script = COUNT_REQUEST.prepare_invoke();
            for Metered { key, quota } in under {
                let (moment, window) = (quota.moment(now), quota.window().as_millis());
                let window = u64::try_from(window).unwrap_or(u64::MAX);
                script
                    .key(self.rate_key(key))
                    .arg(quota.requests())
                    .arg(moment.window)
                    .arg(moment.elapsed)
                    .arg(window)
                    // An hour more would keep what a flood leaves behind; a clock that is ahead by less than a window does no harm.
                    .arg(window.saturating_mul(3));
            }
            let counted: Option<Vec<u32>> = self.count(&script).await;
            counted.as_deref().and_then(read_tally).unwrap_or_else(|| self.fallback_rates.count(under, now))
        })
    }

    fn first_use<'a>(&'a self, used: SingleUse<'a>, now: DateTime<Utc>) -> Later<'a, Result<FirstUse, GuardError>> {
        Box::pin(async move {
            let (verdict, since, news): (String, i64, bool) = self
                .run(
                    FIRST_USE
                        .key(self.memory_key())
                        .key(self.guard_key(&used))
                        .arg(now.timestamp_micros())
                        .arg(used.from.timestamp_micros())
                        .arg(used.until.timestamp_micros())
                        .arg(time_to_live(now, used.until)),
                )
                .await?;
            tell_loss(since, news);
            Ok(match verdict.as_str() {
                "first" => FirstUse::First,
                "replayed" => FirstUse::Replayed,
                _ => FirstUse::Unsure { retry_after: wait(used.from, since) },
            })
        })
    }

    fn tell_change(&self) -> Later<'_, ()> {
        Box::pin(async move {
            // Whoever does not hear of it looks by itself in a moment.
            let _ = self.count::<i64>(&TELL.key(self.changes_channel())).await;
        })
    }

    fn hear_changes<'a>(&'a self, heard: &'a Notify) -> Later<'a, ()> {
        Box::pin(async move {
            if let Ok(Err(error)) = timeout(LISTENING, self.listen(heard)).await {
                tracing::debug!(%error, "no longer listening to Redis");
            }
        })
    }

    fn redis_answers(&self, now: DateTime<Utc>) -> Later<'_, Option<bool>> {
        Box::pin(async move {
            let remembered = self.run(REMEMBER.key(self.memory_key()).arg(now.timestamp_micros())).await;
            if let Ok((since, news)) = remembered {
                tell_loss(since, news);
            }
            Some(remembered.is_ok())
        })
    }
}

/// A connection that is made by its first use. It makes itself anew when it breaks.
fn connect_later(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(TIMEOUT))
        .set_response_timeout(Some(TIMEOUT))
        // The next request is the next try.
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn digest(keys: &SealingKey, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(keys.authenticate(text.as_bytes()))
}

fn time_to_live(now: DateTime<Utc>, until: DateTime<Utc>) -> i64 {
    ((until - now).max(TimeDelta::zero()) + SWEEP_LATER).num_milliseconds()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn read_failures((count, last): (u32, i64)) -> Failures {
    Failures { count, last: DateTime::from_timestamp_micros(last).unwrap_or_default() }
}

fn read_tally(answer: &[u32]) -> Option<Tally> {
    let (counted, usages) = answer.split_first()?;
    let (usages, _) = usages.as_chunks::<2>();
    let usages = usages.iter().map(|[current, previous]| Usage { current: *current, previous: *previous }).collect();
    Some(Tally { admitted: *counted == 1, usages })
}

/// When one made as much later could not have been used before: in whole seconds, since times in tokens are.
fn wait(from: DateTime<Utc>, since: i64) -> Duration {
    let micros = since.saturating_sub(from.timestamp_micros());
    Duration::from_secs(u64::try_from(micros).unwrap_or_default() / 1_000_000 + 1)
}

fn tell_loss(since: i64, news: bool) {
    if news {
        let since = DateTime::from_timestamp_micros(since).unwrap_or_default();
        tracing::warn!(
            %since,
            "this Redis is new, was restarted or flushed, or evicted keys: what may have been used before is refused for a \
             while (its maxmemory-policy should be noeviction)"
        );
    }
}
