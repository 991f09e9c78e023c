//! What several machines remember together, in a Redis that each test starts, flushes and stops.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use countersign_resource_server::{FirstUse, Lifespan, RateLimit, RedisStore, ReplayGuard as _};

use crate::{harness::Provider, limits};

/// Ends with the test.
struct Redis {
    process: Child,
    url: String,
}

impl Redis {
    fn start() -> Self {
        // Another program may take a port that was free a moment ago.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
            let mut process = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--save", "", "--port", &port])
                .stdout(Stdio::null())
                .spawn()
                .expect("these tests need redis-server (scripts/test --install)");
            let redis = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
            while process.try_wait().unwrap().is_none() {
                if redis.get_connection().and_then(|mut redis| redis::cmd("PING").exec(&mut redis)).is_ok() {
                    return Self { process, url: format!("redis://127.0.0.1:{port}") };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("redis-server does not start");
    }

    /// The same one again, after it was killed.
    fn restart(&mut self) {
        let _ = self.process.wait();
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        self.process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--port", &port])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let client = redis::Client::open(self.url.as_str()).unwrap();
        while client.get_connection().and_then(|mut redis| redis::cmd("PING").exec(&mut redis)).is_err() {
            assert!(self.process.try_wait().unwrap().is_none(), "redis-server does not start again");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn store(&self) -> RedisStore {
        RedisStore::new(&self.url, "journal").unwrap()
    }

    fn run<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query(&mut connection).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const NOW: i64 = 1_800_000_000;

/// A proof that was made at this second, used at another.
async fn used(store: &RedisStore, id: &str, made: i64, now: i64) -> FirstUse {
    store.first_use(id.to_owned(), Lifespan { from: made - 10, until: made + 11 }, now).await
}

#[tokio::test]
async fn a_proof_is_good_once_on_all_machines() {
    let redis = Redis::start();
    let (one, other) = (redis.store(), redis.store());
    // What was used before this Redis remembers, nobody knows.
    assert_eq!(used(&one, "early", NOW, NOW).await, FirstUse::Unknown);
    let later = NOW + 11;
    let tries = (0..20).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move { used(&store, "a", later, later).await })
    });
    let mut first = 0;
    for one_try in tries.collect::<Vec<_>>() {
        match one_try.await.unwrap() {
            FirstUse::First => first += 1,
            outcome => assert_eq!(outcome, FirstUse::Replayed),
        }
    }
    assert_eq!(first, 1);
    assert_eq!(used(&other, "b", later, later).await, FirstUse::First);
}

#[tokio::test]
async fn a_redis_that_lost_its_memory_lets_nothing_pass_twice() {
    let redis = Redis::start();
    let store = redis.store();
    used(&store, "first of all", NOW, NOW).await;
    let later = NOW + 100;
    assert_eq!(used(&store, "a", later, later).await, FirstUse::First);
    let _: () = redis.run(&["FLUSHALL"]);
    // It could still be used, if only it were not known that something was forgotten.
    for (made, now, expected) in [
        (later, later + 5, FirstUse::Unknown),
        (later + 15, later + 15, FirstUse::Unknown),
        (later + 16, later + 16, FirstUse::First),
    ] {
        assert_eq!(used(&store, "a", made, now).await, expected, "{made} {now}");
    }
    // A clock that was set back: seconds later all is as it was.
    assert_eq!(used(&store, "b", NOW - 1_000, NOW - 1_000).await, FirstUse::Unknown);
    assert_eq!(used(&store, "b", NOW - 980, NOW - 980).await, FirstUse::First);
}

#[tokio::test]
async fn counts_are_shared_and_come_out_as_in_memory() {
    let redis = Redis::start();
    let provider = Provider::start().await;
    let limit = || RateLimit::new("entries", 3, Duration::from_mins(1)).shared(redis.store());
    let apis = [limits::api(&provider, limit()), limits::api(&provider, limit())];
    let alone = limits::api(&provider, RateLimit::new("entries", 3, Duration::from_mins(1)));
    let token = provider.token();
    for (step, seconds) in [0, 0, 7, 0, 13, 0, 1, 60, 0, 0, 200, 0].into_iter().enumerate() {
        provider.clock.advance(seconds);
        let seen = limits::ask(&apis[step % 2], Some(&token)).await;
        let (status, headers, _) = limits::ask(&alone, Some(&token)).await;
        assert_eq!((seen.0, &seen.1["ratelimit"]), (status, &headers["ratelimit"]), "{step}");
    }
    // Nobody is named there.
    let keys: Vec<String> = redis.run(&["KEYS", "*"]);
    assert!(!keys.is_empty() && keys.iter().all(|key| !key.contains("ada")), "{keys:?}");
}

#[tokio::test]
async fn without_redis_proofs_are_refused_and_requests_counted_here() {
    let mut redis = Redis::start();
    let store = redis.store();
    redis.process.kill().unwrap();
    redis.process.wait().unwrap();
    assert_eq!(used(&store, "a", NOW, NOW).await, FirstUse::Unknown);
    let provider = Provider::start().await;
    let api = limits::api(&provider, RateLimit::new("entries", 3, Duration::from_mins(1)).shared(store.clone()));
    assert_eq!(limits::passing(&api, &provider.token()).await, 3);
    assert!(!format!("{store:?}").contains("redis://"));
    // It comes back without its memory: after a second it is asked again, and of what was made before nobody knows whether it was used.
    redis.restart();
    assert_eq!(used(&store, "b", NOW, NOW).await, FirstUse::Unknown, "not asked yet");
    let later = NOW + 30;
    let mut answer = used(&store, "c", later, NOW + 1).await;
    for second in 2..60 {
        if answer == FirstUse::First {
            break;
        }
        answer = used(&store, "c", later, NOW + second).await;
    }
    assert_eq!(answer, FirstUse::First);
    assert_eq!(used(&store, "c", later, later).await, FirstUse::Replayed);
}
