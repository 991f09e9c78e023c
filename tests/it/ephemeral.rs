//! Counters and guards of several nodes, and what becomes of them when Redis forgets, hangs or goes.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use countersign::{
    clock::Clock,
    domain::{
        rate::Quota,
        throttle::{self, DELAYS, Free, Pressure},
    },
    ephemeral::{Counted, Ephemeral, FirstUse, Metered, Redis, SingleUse, Verdict},
    master_key::MasterKey,
    random::Random,
};
use countersign_types::{ClientAuthMethod, GrantType};
use josekit::jws::{self, HS256};
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::Notify, time::timeout};

use crate::harness::{ISSUER, Reply, SECRET, Server, TestRedis, confidential};

const WINDOW: Duration = Duration::from_mins(15);

/// Nodes of one deployment: one master key, one clock.
struct Nodes {
    keys: TempDir,
    clock: Clock,
    url: String,
}

impl Nodes {
    fn on(redis: &TestRedis) -> Self {
        let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        Self { keys: tempfile::tempdir().unwrap(), clock, url: redis.url().to_owned() }
    }

    fn node(&self) -> Redis {
        let master = MasterKey::read_or_create(&self.keys.path().join("master.key"), &Random::system()).unwrap().into();
        Redis::new(&self.url, &master, self.clock.clone()).unwrap()
    }

    /// A node on a Redis that is known to have forgotten nothing for an hour.
    async fn settled_node(&self) -> Redis {
        let node = self.node();
        assert_eq!(node.redis_answers(self.now()).await, Some(true));
        self.clock.advance(TimeDelta::hours(1));
        node
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Something made now, that is accepted for a minute.
    fn fresh<'a>(&self, id: &'a str) -> SingleUse<'a> {
        let now = self.now();
        SingleUse { kind: "test", id, from: now - TimeDelta::seconds(10), until: now + TimeDelta::minutes(1) }
    }

    async fn use_now(&self, node: &Redis, id: &str) -> FirstUse {
        node.first_use(self.fresh(id), self.now()).await.unwrap()
    }
}

#[tokio::test]
async fn one_of_many_uses_at_once_on_several_nodes_is_the_first() {
    let redis = TestRedis::shared();
    let nodes = Nodes::on(&redis);
    let several = [Arc::new(nodes.settled_node().await), Arc::new(nodes.node())];
    let now = nodes.now();
    let (from, until) = (now - TimeDelta::seconds(10), now + TimeDelta::minutes(1));
    let uses = (0..32).map(|n| {
        let node = several[n % 2].clone();
        tokio::spawn(
            async move { node.first_use(SingleUse { kind: "test", id: "one", from, until }, now).await.unwrap() },
        )
    });
    let mut outcomes = Vec::new();
    for one in uses.collect::<Vec<_>>() {
        outcomes.push(one.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == FirstUse::First).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == FirstUse::Replayed).count(), 31);

    let other_kind = SingleUse { kind: "other", ..nodes.fresh("one") };
    assert_eq!(several[0].first_use(other_kind, now).await.unwrap(), FirstUse::First);
}

#[tokio::test]
async fn a_guard_expires_by_our_clock_and_not_before() {
    let redis = TestRedis::shared();
    let nodes = Nodes::on(&redis);
    let node = nodes.settled_node().await;
    assert_eq!(nodes.use_now(&node, "one").await, FirstUse::First);
    nodes.clock.advance(TimeDelta::microseconds(59_999_999));
    assert_eq!(nodes.use_now(&node, "one").await, FirstUse::Replayed);
    nodes.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(nodes.use_now(&node, "one").await, FirstUse::First);
}

#[tokio::test]
async fn failures_are_counted_together_and_forgotten_by_our_clock() {
    let redis = TestRedis::shared();
    let nodes = Nodes::on(&redis);
    let (one, other) = (nodes.node(), nodes.node());
    let start = nodes.now();

    assert_eq!(one.add_failure("key", WINDOW, nodes.now()).await.count, 0);
    nodes.clock.advance(TimeDelta::seconds(5));
    let before = other.add_failure("key", WINDOW, nodes.now()).await;
    assert_eq!((before.count, before.last), (1, start));
    let failures = one.failures("key", nodes.now()).await;
    assert_eq!((failures.count, failures.last), (2, nodes.now()));

    other.take_back_failure(&["key".to_owned()], nodes.now()).await;
    let failures = one.failures("key", nodes.now()).await;
    assert_eq!((failures.count, failures.last), (1, start), "the one before is the last again");
    nodes.clock.advance(TimeDelta::minutes(15) - TimeDelta::microseconds(1));
    assert_eq!(one.failures("key", nodes.now()).await.count, 1);
    nodes.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(one.failures("key", nodes.now()).await.count, 0);
    assert_eq!(one.add_failure("key", WINDOW, nodes.now()).await.count, 0, "a new window begins");

    other.forget_failures("key").await;
    assert_eq!(one.failures("key", nodes.now()).await.count, 0);
    one.take_back_failure(&["key".to_owned()], nodes.now()).await;
    assert_eq!(one.add_failure("key", WINDOW, nodes.now()).await.count, 0, "never below zero");
}

#[tokio::test]
async fn many_failures_at_once_are_all_counted() {
    let redis = TestRedis::shared();
    let nodes = Nodes::on(&redis);
    let (node, now) = (Arc::new(nodes.node()), nodes.now());
    let tries: Vec<_> = (0..32)
        .map(|_| {
            let node = node.clone();
            tokio::spawn(async move { node.add_failure("key", WINDOW, now).await.count })
        })
        .collect();
    let mut before = Vec::new();
    for one in tries {
        before.push(one.await.unwrap());
    }
    before.sort_unstable();
    assert_eq!(before, (0..32).collect::<Vec<_>>());
}

fn under(key: &str, free: u32) -> Counted {
    Counted { key: key.to_owned(), free: Free::of(free, Pressure::Usual), window: throttle::WINDOW }
}

/// Counters of one node, and of nodes that share a Redis: the same rules hold.
async fn both(check: impl AsyncFn(&dyn Ephemeral, &Clock)) {
    let server = Server::start().await;
    check(&*server.app.ephemeral, &server.clock).await;
    let redis = TestRedis::shared();
    let nodes = Nodes::on(&redis);
    check(&nodes.node(), &nodes.clock).await;
}

#[tokio::test]
async fn tries_wait_longer_each_time_and_a_refused_one_changes_nothing() {
    both(async |counters, clock| {
        let under = [under("key", 2)];
        for _ in 0..2 {
            assert_eq!(counters.attempt(&under, clock.now()).await, Verdict::Counted);
        }
        for delay in DELAYS.into_iter().chain([DELAYS[10]; 2]) {
            for (early, is_news) in [(delay, true), (delay / 2, false)] {
                let refused = Verdict::TooEarly { wait: early, is_news };
                assert_eq!(counters.attempt(&under, clock.now()).await, refused);
                clock.advance(TimeDelta::from_std(delay / 2).unwrap());
            }
            assert_eq!(counters.attempt(&under, clock.now()).await, Verdict::Counted, "{delay:?}");
        }
        clock.advance(TimeDelta::from_std(throttle::WINDOW).unwrap());
        assert_eq!(counters.failures("key", clock.now()).await.count, 0);
        assert_eq!(counters.attempt(&under, clock.now()).await, Verdict::Counted);
    })
    .await;
}

#[tokio::test]
async fn after_the_clock_was_set_back_nobody_waits_for_the_time_before() {
    let metered = [Metered { key: "key".to_owned(), quota: Quota::new(2, Duration::from_mins(1)).unwrap() }];
    both(async |counters, clock| {
        let under = [under("key", 2)];
        for _ in 0..2 {
            assert_eq!(counters.attempt(&under, clock.now()).await, Verdict::Counted);
            assert!(counters.count_request(&metered, clock.now()).await.admitted);
        }
        // A little, as from one node to another, frees nothing.
        clock.advance(TimeDelta::seconds(-9));
        assert!(matches!(counters.attempt(&under, clock.now()).await, Verdict::TooEarly { .. }));
        assert!(!counters.count_request(&metered, clock.now()).await.admitted);
        clock.advance(TimeDelta::days(-1));
        assert!(counters.count_request(&metered, clock.now()).await.admitted);
        // What failed counts, as if it had been now: a wrong clock is no way around it, nor a sentence of a day.
        assert_eq!(counters.failures("key", clock.now()).await.count, 2);
        let refused = Verdict::TooEarly { wait: DELAYS[0], is_news: false };
        assert_eq!(counters.attempt(&under, clock.now()).await, refused);
        clock.advance(TimeDelta::from_std(DELAYS[0]).unwrap());
        assert_eq!(counters.attempt(&under, clock.now()).await, Verdict::Counted);
        clock.advance(TimeDelta::from_std(throttle::WINDOW).unwrap());
        assert_eq!(counters.failures("key", clock.now()).await.count, 0);
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_was_known_before_the_clock_was_set_back_is_relied_on_within_an_hour() {
    let redis = TestRedis::own();
    let nodes = Nodes::on(&redis);
    let node = nodes.settled_node().await;
    assert_eq!(nodes.use_now(&node, "before").await, FirstUse::First);
    nodes.clock.advance(TimeDelta::days(-1));
    assert!(matches!(nodes.use_now(&node, "before").await, FirstUse::Replayed));
    for _ in 0..2 {
        assert!(matches!(nodes.use_now(&node, "new").await, FirstUse::Unsure { .. }));
        nodes.clock.advance(TimeDelta::minutes(1));
    }
    // An hour passes, by the clock of Redis.
    let names: Vec<String> = redis.run("KEYS *:memory");
    redis.run::<()>(&format!("HSET {} noted 1000", names[0]));
    assert!(matches!(nodes.use_now(&node, "new").await, FirstUse::Unsure { .. }));
    nodes.clock.advance(TimeDelta::seconds(11));
    assert_eq!(nodes.use_now(&node, "new").await, FirstUse::First);
}

#[tokio::test]
async fn a_try_is_counted_under_all_its_keys_or_none() {
    both(async |counters, clock| {
        let (tight, loose) = (under("tight", 1), under("loose", 100));
        let only_counted = Counted { free: Free::ALL, ..under("all", 0) };
        let all = [loose, tight, only_counted];
        let counts = async || {
            let mut counts = Vec::new();
            for counted in &all {
                counts.push(counters.failures(&counted.key, clock.now()).await.count);
            }
            counts
        };
        assert_eq!(counters.attempt(&all, clock.now()).await, Verdict::Counted);
        assert_eq!(counts().await, [1, 1, 1]);
        assert!(matches!(counters.attempt(&all, clock.now()).await, Verdict::TooEarly { .. }));
        assert_eq!(counts().await, [1, 1, 1]);
        counters.take_back_failure(&all.each_ref().map(|counted| counted.key.clone()), clock.now()).await;
        assert_eq!(counts().await, [0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn the_longest_wait_is_the_one_that_counts() {
    both(async |counters, clock| {
        let (short, long) = (under("short", 1), under("long", 1));
        assert_eq!(counters.attempt(std::slice::from_ref(&long), clock.now()).await, Verdict::Counted);
        clock.advance(TimeDelta::seconds(1));
        let both = [short, long];
        for one in &both {
            assert_eq!(counters.attempt(std::slice::from_ref(one), clock.now()).await, Verdict::Counted);
        }
        clock.advance(TimeDelta::milliseconds(500));
        let wait = |millis, is_news| Verdict::TooEarly { wait: Duration::from_millis(millis), is_news };
        assert_eq!(counters.attempt(&both, clock.now()).await, wait(1_500, true));
        assert_eq!(counters.attempt(&both[1..], clock.now()).await, wait(1_500, false));
        assert_eq!(counters.attempt(&both[..1], clock.now()).await, wait(500, true));
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_back_makes_nobody_wait() {
    both(async |counters, clock| {
        let (under, key) = ([under("key", 1)], ["key".to_owned()]);
        assert_eq!(counters.attempt(&under, clock.now()).await, Verdict::Counted);
        for _ in 0..3 {
            clock.advance(TimeDelta::seconds(1));
            assert_eq!(counters.attempt(&under, clock.now()).await, Verdict::Counted, "1 s after the first");
            counters.take_back_failure(&key, clock.now()).await;
            assert_eq!(counters.failures("key", clock.now()).await.count, 1);
        }
    })
    .await;
}

#[tokio::test]
async fn of_many_tries_at_once_on_several_nodes_no_more_are_counted_than_are_free() {
    let redis = TestRedis::shared();
    let nodes = Nodes::on(&redis);
    let several = [Arc::new(nodes.node()), Arc::new(nodes.node())];
    let now = nodes.now();
    let tries = (0..32).map(|n| {
        let node = several[n % 2].clone();
        tokio::spawn(async move { node.attempt(&[under("one", 5), under("other", 30)], now).await })
    });
    let mut counted = 0;
    for one in tries.collect::<Vec<_>>() {
        counted += usize::from(one.await.unwrap() == Verdict::Counted);
    }
    assert_eq!(counted, 5);
    assert_eq!(several[0].failures("other", now).await.count, 5);
}

/// What was used before a loss of memory is refused, what is newer goes on.
async fn assert_that_a_loss_is_noticed(nodes: &Nodes, node: &Redis, used_before: SingleUse<'_>) {
    let lost_at = nodes.now();
    let outcome = node.first_use(used_before, lost_at).await.unwrap();
    assert!(matches!(outcome, FirstUse::Unsure { .. }), "{outcome:?}");
    // From `from` on, which is 10 s before it was made.
    let FirstUse::Unsure { retry_after } = nodes.use_now(node, "fresh").await else { panic!("the same for others") };
    assert_eq!(retry_after.as_secs(), 11);
    nodes.clock.advance(TimeDelta::seconds(10));
    assert!(matches!(nodes.use_now(node, "not new enough").await, FirstUse::Unsure { .. }));
    nodes.clock.advance(TimeDelta::seconds(1));
    assert_eq!(nodes.use_now(node, "new").await, FirstUse::First);
    assert_eq!(nodes.use_now(node, "new").await, FirstUse::Replayed);
    let outcome = node.first_use(used_before, nodes.now()).await.unwrap();
    assert!(matches!(outcome, FirstUse::Unsure { .. }), "never, however long one waits: {outcome:?}");
    assert_eq!(nodes.use_now(&nodes.node(), "new").await, FirstUse::Replayed, "other nodes know the same");
}

#[tokio::test]
async fn a_flushed_redis_is_noticed() {
    let redis = TestRedis::own();
    let nodes = Nodes::on(&redis);
    let node = nodes.settled_node().await;
    let used = nodes.fresh("used before");
    assert_eq!(node.first_use(used, nodes.now()).await.unwrap(), FirstUse::First);
    redis.run::<()>("FLUSHALL");
    assert_that_a_loss_is_noticed(&nodes, &node, used).await;
}

#[tokio::test]
async fn a_redis_that_restarts_from_an_old_snapshot_is_noticed() {
    let mut redis = TestRedis::own();
    let nodes = Nodes::on(&redis);
    let node = nodes.settled_node().await;
    redis.run::<()>("SAVE");
    let used = nodes.fresh("used before");
    assert_eq!(node.first_use(used, nodes.now()).await.unwrap(), FirstUse::First);
    redis.stop();
    redis.start();
    // The first request finds the old connection broken.
    let _ = node.redis_answers(nodes.now()).await;
    assert_that_a_loss_is_noticed(&nodes, &node, used).await;
}

#[tokio::test]
async fn a_redis_that_evicts_keys_is_noticed() {
    let redis = TestRedis::own();
    let nodes = Nodes::on(&redis);
    let node = nodes.settled_node().await;
    let used = nodes.fresh("used before");
    assert_eq!(node.first_use(used, nodes.now()).await.unwrap(), FirstUse::First);
    redis.run::<()>("CONFIG SET maxmemory-policy volatile-ttl");
    redis.run::<()>("CONFIG SET maxmemory 1");
    redis.run::<()>("GET anything");
    let info: String = redis.run("INFO stats");
    assert!(!info.contains("evicted_keys:0"), "nothing was evicted");
    redis.run::<()>("CONFIG SET maxmemory 0");
    assert_that_a_loss_is_noticed(&nodes, &node, used).await;
}

#[tokio::test]
async fn without_redis_guards_refuse_and_each_node_counts_alone() {
    let mut redis = TestRedis::own();
    let nodes = Nodes::on(&redis);
    let node = nodes.settled_node().await;
    node.add_failure("key", WINDOW, nodes.now()).await;
    redis.stop();

    assert!(node.first_use(nodes.fresh("one"), nodes.now()).await.is_err());
    assert_eq!(node.redis_answers(nodes.now()).await, Some(false));
    assert_eq!(node.add_failure("key", WINDOW, nodes.now()).await.count, 0);
    assert_eq!(node.add_failure("key", WINDOW, nodes.now()).await.count, 1);
    node.take_back_failure(&["key".to_owned()], nodes.now()).await;
    assert_eq!(node.failures("key", nodes.now()).await.count, 1);
    node.forget_failures("key").await;
    assert_eq!(node.failures("key", nodes.now()).await.count, 0);
    let tries = [under("key", 1)];
    assert_eq!(node.attempt(&tries, nodes.now()).await, Verdict::Counted);
    assert!(matches!(node.attempt(&tries, nodes.now()).await, Verdict::TooEarly { is_news: true, .. }));
    assert!(node.first_use(nodes.fresh("one"), nodes.now()).await.is_err(), "still");

    redis.start();
    nodes.clock.advance(TimeDelta::seconds(12));
    let _ = node.redis_answers(nodes.now()).await;
    nodes.clock.advance(TimeDelta::seconds(12));
    assert_eq!(nodes.use_now(&node, "one").await, FirstUse::First);
    node.add_failure("key", WINDOW, nodes.now()).await;
    assert_eq!(nodes.node().failures("key", nodes.now()).await.count, 1, "counted together again");
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up_for_long() {
    let redis = TestRedis::own();
    let nodes = Nodes::on(&redis);
    let node = nodes.settled_node().await;
    redis.signal("STOP");
    let patience = Duration::from_secs(3);
    let hung = tokio::time::timeout(patience, node.first_use(nodes.fresh("one"), nodes.now())).await;
    assert!(hung.expect("an answer in time").is_err());
    let counted = async {
        for before in 0..10 {
            assert_eq!(node.add_failure("key", WINDOW, nodes.now()).await.count, before);
        }
    };
    tokio::time::timeout(patience, counted).await.expect("counted in time");
    redis.signal("CONT");
    assert_eq!(nodes.use_now(&node, "two").await, FirstUse::First, "its memory was not lost");
}

#[tokio::test]
async fn redis_learns_no_names() {
    let redis = TestRedis::own();
    let server = server_with(&redis).await;
    assertion_client(&server).await;
    request_token(&server, &json!({})).await;
    server.advance(TimeDelta::hours(2));
    assert_eq!(request_token(&server, &json!({})).await.status, 200);
    let ephemeral = &server.app.ephemeral;
    ephemeral.add_failure("login/account/ada@example.com", WINDOW, server.clock.now()).await;
    ephemeral.add_failure("login/address/192.0.2.1", WINDOW, server.clock.now()).await;

    let keys: Vec<String> = redis.run("KEYS *");
    assert_eq!(keys.len(), 4, "{keys:?}");
    let everything = keys.join(" ");
    for name in ["ada", "example", "192.0.2", "machine", "login", "assertion"] {
        assert!(!everything.contains(name), "{name} in {everything}");
    }
}

async fn server_with(redis: &TestRedis) -> Server {
    Server::with_settings(&format!("redis.url = '{}'", redis.url())).await
}

#[tokio::test]
async fn readiness_names_redis_and_does_not_depend_on_it() {
    let mut redis = TestRedis::own();
    let server = server_with(&redis).await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "database": "up", "redis": "up" })));
    redis.stop();
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "database": "up", "redis": "down" })));
    let alone = Server::start().await;
    assert_eq!(alone.get("/readyz").await.json(), json!({ "database": "up" }));
}

async fn assertion_client(server: &Server) {
    let client = confidential(ClientAuthMethod::ClientSecretJwt, |metadata| {
        metadata.grant_types = [GrantType::ClientCredentials].into();
    });
    server.add_client("machine", client).await;
}

/// A token request with a new assertion that is made now and expires in a minute, with these claims instead.
async fn request_token(server: &Server, instead: &serde_json::Value) -> Reply {
    let assertion = assertion(server, instead);
    present(server, &assertion).await
}

fn assertion(server: &Server, instead: &serde_json::Value) -> String {
    let now = server.clock.now().timestamp();
    let mut claims = json!({
        "iss": "machine", "sub": "machine", "aud": ISSUER, "jti": server.app.random.id(), "iat": now, "exp": now + 60,
    });
    for (name, value) in instead.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let signer = HS256.signer_from_bytes(SECRET).unwrap();
    jws::serialize_compact(claims.to_string().as_bytes(), &jws::JwsHeader::new(), &signer).unwrap()
}

async fn present(server: &Server, assertion: &str) -> Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    server.post("/token", &[], &form).await
}

fn assert_unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.json()["error"], "temporarily_unavailable");
    assert!(reply.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn client_assertions_are_refused_for_as_long_as_they_could_be_replayed() {
    let mut redis = TestRedis::own();
    let server = server_with(&redis).await;
    assertion_client(&server).await;
    let without_iat = json!({ "iat": null });
    // A Redis that is new may as well have been flushed.
    assert_unavailable(&request_token(&server, &json!({})).await);
    server.advance(TimeDelta::hours(2));
    let used = assertion(&server, &json!({ "exp": server.clock.now().timestamp() + 3_600 }));
    assert_eq!(present(&server, &used).await.status, 200);
    assert_eq!(present(&server, &used).await.status, 401);
    let exp = server.clock.now().timestamp() + 3_610;
    let longest = assertion(&server, &json!({ "iat": null, "exp": exp }));
    assert_eq!(present(&server, &longest).await.status, 200);

    redis.run::<()>("FLUSHALL");
    assert_unavailable(&present(&server, &used).await);
    assert_unavailable(&present(&server, &longest).await);
    assert_unavailable(&request_token(&server, &without_iat).await);
    server.advance(TimeDelta::seconds(11));
    assert_eq!(request_token(&server, &json!({})).await.status, 200, "made after the loss");
    assert_unavailable(&present(&server, &used).await);
    assert_unavailable(&request_token(&server, &without_iat).await);
    server.advance(TimeDelta::minutes(50));
    assert_unavailable(&request_token(&server, &without_iat).await);
    server.advance(TimeDelta::minutes(10));
    assert_eq!(request_token(&server, &without_iat).await.status, 200);
    server.advance(TimeDelta::seconds(8));
    assert_unavailable(&present(&server, &longest).await);
    server.advance(TimeDelta::seconds(1));
    assert_eq!(present(&server, &longest).await.status, 401, "now it has expired");

    redis.stop();
    assert_unavailable(&request_token(&server, &json!({})).await);
}

#[tokio::test]
async fn an_assertion_that_expires_at_the_end_of_time_is_refused() {
    let server = Server::start().await;
    assertion_client(&server).await;
    for time in [DateTime::<Utc>::MAX_UTC.timestamp(), DateTime::<Utc>::MIN_UTC.timestamp(), i64::MAX, i64::MIN] {
        assert_eq!(request_token(&server, &json!({ "exp": time })).await.status, 401, "exp {time}");
    }
    assert_eq!(request_token(&server, &json!({ "iat": DateTime::<Utc>::MIN_UTC.timestamp() })).await.status, 200);
}

#[tokio::test]
async fn what_one_node_tells_all_others_hear() {
    let redis = TestRedis::shared();
    let nodes = Nodes::on(&redis);
    let (teller, heard) = (nodes.node(), Arc::new(Notify::new()));
    let listening = tokio::spawn({
        let (listener, heard) = (nodes.node(), heard.clone());
        async move { listener.hear_changes(&heard).await }
    });
    // Once when it begins to listen, since something may have been told before.
    let soon = async || timeout(Duration::from_secs(10), heard.notified()).await.unwrap();
    soon().await;
    teller.tell_change().await;
    soon().await;
    // Those that have another master key are another house.
    let others = Nodes::on(&redis);
    others.node().tell_change().await;
    teller.tell_change().await;
    soon().await;
    assert!(timeout(Duration::ZERO, heard.notified()).await.is_err());
    listening.abort();
}

#[tokio::test]
async fn without_redis_nothing_is_heard_and_nothing_fails() {
    let mut redis = TestRedis::own();
    let nodes = Nodes::on(&redis);
    let (node, heard) = (nodes.node(), Notify::new());
    redis.stop();
    node.tell_change().await;
    node.hear_changes(&heard).await;
    assert!(timeout(Duration::ZERO, heard.notified()).await.is_err());
}
