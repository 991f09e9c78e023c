//! Routes that ask the provider whether a token is good right now (RFC 7662).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    routing::{get, post},
};
use countersign_resource_server::{Caller, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{Answer, Provider, STRANGERS_KEY, sign};

/// The provider's side: what it says, and what it was asked.
#[derive(Clone, Default)]
struct Desk {
    says: Arc<Mutex<Option<Value>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Desk {
    async fn open(provider: &Provider) -> Self {
        let desk = Self::default();
        let answer = async |State(desk): State<Self>, headers: HeaderMap, body: String| {
            let authorization = headers["authorization"].to_str().unwrap().to_owned();
            desk.asked.lock().unwrap().push((authorization, body));
            match desk.says.lock().unwrap().clone() {
                Some(answer) => Ok(Json(answer)),
                None => Err(StatusCode::SERVICE_UNAVAILABLE),
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/introspect", listener.local_addr().unwrap());
        let router = Router::new().route("/introspect", post(answer)).with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let issuer = &provider.issuer;
        let document = json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "introspection_endpoint": endpoint,
        });
        provider.answer_discovery(Answer::json(&document));
        desk
    }

    fn says(&self, answer: Option<Value>) {
        *self.says.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// What the provider says of a token that is good.
fn active(provider: &Provider) -> Value {
    let mut answer = provider.claims();
    answer["active"] = true.into();
    answer
}

fn server(provider: &Provider) -> ResourceServer {
    provider.builder().introspection("the api", "s3cret+").build().unwrap()
}

fn api(server: &ResourceServer) -> Router {
    let who = || get(async |caller: Caller| caller.sub.clone());
    Router::new()
        .route("/confirmed", who().layer(server.layer().confirmed()))
        .route("/opaque", who().layer(server.layer().introspected()))
        .route("/local", who().layer(server.layer()))
}

async fn status(api: &Router, path: &str, token: &str) -> u16 {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_token_that_was_revoked_opens_what_is_confirmed_no_more() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let (api, token) = (api(&server(&provider)), provider.token());
    desk.says(Some(active(&provider)));
    assert_eq!(status(&api, "/confirmed", &token).await, 200);
    desk.says(Some(json!({ "active": false })));
    // An answer counts for five seconds, as it says in the documentation.
    assert_eq!(status(&api, "/confirmed", &token).await, 200);
    provider.clock.advance(5);
    assert_eq!((status(&api, "/confirmed", &token).await, status(&api, "/local", &token).await), (401, 200));
    assert_eq!(desk.asked(), 2);
    let (authorization, form) = desk.asked.lock().unwrap()[0].clone();
    assert_eq!(authorization, format!("Basic {}", countersign_jose::base64(b"the+api:s3cret%2B")));
    assert_eq!(form, format!("token={token}&token_type_hint=access_token"));
}

#[tokio::test]
async fn what_is_no_good_by_itself_is_not_asked_about() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let api = api(&server(&provider));
    desk.says(Some(active(&provider)));
    let forged = sign(&STRANGERS_KEY, "at+jwt", &provider.claims());
    for token in [forged.as_str(), "opaque", &provider.token_with("aud", json!("https://other.example"))] {
        assert_eq!(status(&api, "/confirmed", token).await, 401);
    }
    assert_eq!(desk.asked(), 0);
}

#[tokio::test]
async fn a_token_that_says_nothing_by_itself_is_judged_by_what_the_provider_says() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let api = api(&server(&provider));
    desk.says(Some(active(&provider)));
    assert_eq!(status(&api, "/opaque", "2YotnFZFEjr1zCsicMWpAA").await, 200);
    // As little as RFC 7662 lets a provider say, and still enough.
    let mut little = active(&provider);
    for left_out in ["iss", "iat", "jti"] {
        little.as_object_mut().unwrap().remove(left_out);
    }
    desk.says(Some(little));
    assert_eq!(status(&api, "/opaque", "another").await, 200);
    for (name, value) in [
        ("aud", json!("https://other.example")),
        ("aud", Value::Null),
        ("iss", json!("https://other.example")),
        ("exp", json!(provider.clock_now() - 10)),
        ("exp", Value::Null),
        ("active", json!("true")),
        ("active", Value::Null),
        ("cnf", json!({ "jkt": "x" })),
    ] {
        let mut answer = active(&provider);
        answer[name] = value.clone();
        desk.says(Some(answer));
        assert_eq!(
            status(&api, "/opaque", &format!("{name}-{value}").replace(['"', '{', '}', ':', ','], "-")).await,
            401,
            "{name} {value}"
        );
    }
}

#[tokio::test]
async fn where_the_provider_cannot_be_asked_nothing_passes_for_now() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let (asking, token) = (api(&server(&provider)), provider.token());
    desk.says(None);
    for path in ["/confirmed", "/opaque", "/opaque"] {
        assert_eq!(status(&asking, path, &token).await, 503);
    }
    assert_eq!(desk.asked(), 1, "a provider that does not answer is left alone for a moment");
    provider.clock.advance(1);
    desk.says(Some(active(&provider)));
    assert_eq!(status(&asking, "/opaque", &token).await, 200);
    desk.says(None);
    provider.clock.advance(5);
    assert_eq!(status(&asking, "/opaque", &token).await, 503);
    assert_eq!(status(&asking, "/local", &token).await, 200);
    // Nor where nobody said how to ask, or the provider has no such endpoint.
    let silent = api(&provider.builder().build().unwrap());
    assert_eq!(status(&silent, "/confirmed", &token).await, 503);
    let without = Provider::start().await;
    let without_api = api(&server(&without));
    assert_eq!(status(&without_api, "/opaque", "a").await, 503);
}

#[tokio::test]
async fn an_answer_counts_no_longer_than_its_token_or_not_at_all() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let builder = provider.builder().introspection("api", "secret").introspection_age(Duration::ZERO);
    let api = api(&builder.build().unwrap());
    desk.says(Some(active(&provider)));
    for _ in 0..3 {
        assert_eq!(status(&api, "/opaque", "a").await, 200);
    }
    assert_eq!(desk.asked(), 3);
    assert!(!format!("{:?}", provider.builder().introspection("api", "s3cret")).contains("s3cret"));
}

#[tokio::test]
async fn to_confirm_a_token_the_provider_need_only_say_that_it_is_active() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let api = api(&server(&provider));
    desk.says(Some(json!({ "active": true })));
    assert_eq!(status(&api, "/confirmed", &provider.token()).await, 200);
    // What it says beyond must be of this token.
    for (name, value) in [("jti", "another"), ("iss", "https://other.example")] {
        desk.says(Some(json!({ "active": true, name: value })));
        assert_eq!(status(&api, "/confirmed", &provider.token_with("sub", json!(name))).await, 401, "{name}");
    }
}

#[tokio::test]
async fn a_clients_own_opaque_token_and_another_kind_of_token() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let api = api(&server(&provider));
    let mut answer = active(&provider);
    answer.as_object_mut().unwrap().remove("sub");
    desk.says(Some(answer));
    assert_eq!(status(&api, "/opaque", "of-a-client").await, 200);
    let mut answer = active(&provider);
    answer["token_type"] = "refresh_token".into();
    desk.says(Some(answer));
    assert_eq!(status(&api, "/opaque", "to-refresh").await, 401);
}

#[tokio::test]
async fn an_answer_never_counts_past_the_end_of_the_token() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let api = api(&server(&provider));
    let mut answer = active(&provider);
    answer["exp"] = json!(provider.clock_now() + 2);
    desk.says(Some(answer));
    assert_eq!(status(&api, "/opaque", "a").await, 200);
    provider.clock.advance(1);
    assert_eq!((status(&api, "/opaque", "a").await, desk.asked()), (200, 1));
    provider.clock.advance(1);
    assert_eq!((status(&api, "/opaque", "a").await, desk.asked()), (200, 2), "within the leeway, and asked again");
    // Nor longer because the clock was set back.
    desk.says(Some(json!({ "active": false })));
    provider.clock.advance(-3600);
    assert_eq!(status(&api, "/opaque", "a").await, 401);
}

#[tokio::test]
async fn a_token_that_many_send_at_once_is_asked_about_once() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let api = api(&server(&provider));
    for (answer, expected) in [(active(&provider), 200), (json!({ "active": false }), 401)] {
        let before = desk.asked();
        desk.says(Some(answer));
        let herd: Vec<_> = (0..50)
            .map(|_| {
                let api = api.clone();
                tokio::spawn(async move { status(&api, "/opaque", &format!("token-{expected}")).await })
            })
            .collect();
        for one in herd {
            assert_eq!(one.await.unwrap(), expected);
        }
        assert_eq!(desk.asked(), before + 1);
    }
}

#[tokio::test]
async fn the_address_may_be_told_where_the_provider_does_not() {
    let provider = Provider::start().await;
    let desk = Desk::open(&provider).await;
    let document = provider.discovery();
    let endpoint = document["introspection_endpoint"].as_str().unwrap();
    provider.answer_discovery(Answer::status(StatusCode::NOT_FOUND));
    desk.says(Some(active(&provider)));
    let builder = || provider.builder().introspection("api", "secret");
    let told = api(&builder().introspection_url(endpoint).build().unwrap());
    assert_eq!(status(&told, "/opaque", "a").await, 200);
    assert!(builder().introspection_url("http://provider.example/introspect").build().is_err());
}
