//! How often one caller may ask, by role.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
    routing::get,
};
use countersign_resource_server::{Caller, Quota, RateLimit, RateStore, Standing};
use serde_json::json;
use tower::ServiceExt as _;

use crate::harness::Provider;

fn limit() -> RateLimit {
    RateLimit::new("entries", 2, Duration::from_mins(1)).role("premium", 4).role("staff", 3)
}

pub fn api(provider: &Provider, limit: RateLimit) -> Router {
    let tokens = provider.builder().build().unwrap();
    let whose = async |caller: Option<Caller>| caller.map_or("nobody".to_owned(), |caller| caller.sub.clone());
    Router::new().route("/", get(whose)).layer(limit).layer(tokens.layer().optional())
}

pub async fn ask(api: &Router, token: Option<&str>) -> (u16, HeaderMap, String) {
    let request = Request::get("/");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let response = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// How many of ten requests pass.
pub async fn passing(api: &Router, token: &str) -> usize {
    let mut passing = 0;
    for _ in 0..10 {
        passing += usize::from(ask(api, Some(token)).await.0 == 200);
    }
    passing
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_again() {
    let provider = Provider::start().await;
    let api = api(&provider, limit());
    let token = provider.token();
    for (remaining, reset) in [(1, 30), (0, 30)] {
        let (status, headers, _) = ask(&api, Some(&token)).await;
        assert_eq!(status, 200);
        assert_eq!(headers["ratelimit-policy"], "\"entries\";q=2;w=60");
        assert_eq!(headers["ratelimit"], format!("\"entries\";r={remaining};t={reset}"));
    }
    let (status, headers, body) = ask(&api, Some(&token)).await;
    assert_eq!((status, &headers["retry-after"]), (429, &"30".parse().unwrap()));
    assert_eq!(headers["ratelimit"], "\"entries\";r=0;t=30");
    assert!(body.contains("temporarily_unavailable") && body.contains("Retry-After"), "{body}");
    provider.clock.advance(30);
    assert_eq!(ask(&api, Some(&token)).await.0, 200);
    assert_eq!(ask(&api, Some(&token)).await.0, 429);
}

#[tokio::test]
async fn each_caller_has_a_quota_of_their_role() {
    let provider = Provider::start().await;
    let api = api(&provider, limit());
    let of = |name: &str, value| provider.token_with(name, value);
    assert_eq!(passing(&api, &provider.token()).await, 2);
    // The same person with another app; somebody else; a client that has a person's name.
    assert_eq!(passing(&api, &of("client_id", json!("another"))).await, 0);
    assert_eq!(passing(&api, &of("sub", json!("grace"))).await, 2);
    let mut own = provider.claims();
    own["sub"] = json!("grace");
    own["client_id"] = json!("grace");
    own.as_object_mut().unwrap().remove("gid");
    let own = crate::harness::sign(&crate::harness::FIRST_KEY, "at+jwt", &own);
    assert_eq!(passing(&api, &own).await, 2);
    // Roles, of which the most generous counts, and one that nothing is said of.
    assert_eq!(passing(&api, &of("roles", json!(["staff", "premium", "other"]))).await, 4);
    assert_eq!(passing(&api, &of("roles", json!(["staff"]))).await, 3);
    assert_eq!(passing(&api, &of("roles", json!(["other"]))).await, 0);
}

#[tokio::test]
async fn nobody_is_not_counted_and_without_a_token_layer_nothing_passes() {
    let provider = Provider::start().await;
    let api = api(&provider, limit());
    for _ in 0..10 {
        assert_eq!(ask(&api, None).await.0, 200);
    }
    let forgotten = Router::new().route("/", get(async || "never")).layer(limit());
    assert_eq!(ask(&forgotten, Some(&provider.token())).await.0, 500);
}

/// A store that two machines share, and that may be away.
#[derive(Clone, Debug, Default)]
struct Store {
    counts: Arc<Mutex<HashMap<String, i64>>>,
    away: Arc<AtomicBool>,
}

impl RateStore for Store {
    fn count(
        &self,
        caller: String,
        quota: Quota,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = Option<Standing>> + Send + '_>> {
        Box::pin(async move {
            if self.away.load(Ordering::SeqCst) {
                return None;
            }
            let mut counts = self.counts.lock().unwrap();
            let (standing, busy) = quota.count(counts.get(&caller).copied(), now);
            counts.insert(caller, busy);
            Some(standing)
        })
    }
}

#[tokio::test]
async fn several_machines_count_together_and_each_by_itself_when_they_cannot() {
    let provider = Provider::start().await;
    let store = Store::default();
    let [one, other] = [0, 1].map(|_| api(&provider, limit().shared(store.clone())));
    let token = provider.token();
    assert_eq!(ask(&one, Some(&token)).await.0, 200);
    assert_eq!(passing(&other, &token).await, 1);
    assert_eq!(passing(&one, &token).await, 0);
    store.away.store(true, Ordering::SeqCst);
    assert_eq!((passing(&one, &token).await, passing(&other, &token).await), (2, 2));
}
