//! A provider that answers as it is told, an API behind the layer, and a clock that stands still.

use std::sync::{
    Arc, LazyLock, Mutex,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use countersign_jose::PrivateKey;
use countersign_resource_server::{Algorithm, Authorized, Builder, Caller, Clock, Require, ResourceServer, scopes};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub const AUDIENCE: &str = "https://api.example";
pub const START: i64 = 1_800_000_000;

/// Made once: RSA keys are slow to make.
pub static FIRST_KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());
pub static SECOND_KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());
pub static STRANGERS_KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());

#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// What the provider answers at one address.
#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(header::HeaderName, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(body: &Value) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    pub fn status(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

struct Answers {
    discovery: Mutex<Answer>,
    jwks: Mutex<Answer>,
    discovery_asked: AtomicUsize,
    jwks_asked: AtomicUsize,
}

#[derive(Clone)]
pub struct Provider {
    pub issuer: String,
    answers: Arc<Answers>,
    pub clock: TestClock,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let discovery = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") });
        let answers = Arc::new(Answers {
            discovery: Mutex::new(Answer::json(&discovery)),
            jwks: Mutex::new(Answer::status(StatusCode::INTERNAL_SERVER_ERROR)),
            discovery_asked: AtomicUsize::new(0),
            jwks_asked: AtomicUsize::new(0),
        });
        let discover = async |State(answers): State<Arc<Answers>>| {
            answers.discovery_asked.fetch_add(1, Ordering::SeqCst);
            answers.discovery.lock().unwrap().clone()
        };
        let keys = async |State(answers): State<Arc<Answers>>| {
            answers.jwks_asked.fetch_add(1, Ordering::SeqCst);
            answers.jwks.lock().unwrap().clone()
        };
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discover))
            .route("/jwks", get(keys))
            .route("/moved", get(keys))
            .with_state(Arc::clone(&answers));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let provider = Self { issuer, answers, clock: TestClock(Arc::new(AtomicI64::new(START))) };
        provider.publish(&[&FIRST_KEY]);
        provider
    }

    pub fn clock_now(&self) -> i64 {
        self.clock.now()
    }

    pub fn answer_discovery(&self, answer: Answer) {
        *self.answers.discovery.lock().unwrap() = answer;
    }

    pub fn discovery(&self) -> Value {
        serde_json::from_slice(&self.answers.discovery.lock().unwrap().body).unwrap()
    }

    pub fn answer_jwks(&self, answer: Answer) {
        *self.answers.jwks.lock().unwrap() = answer;
    }

    pub fn publish(&self, keys: &[&PrivateKey]) {
        self.answer_jwks(Answer::json(&key_set(keys)));
    }

    pub fn go_down(&self) {
        self.answer_jwks(Answer::status(StatusCode::SERVICE_UNAVAILABLE));
    }

    pub fn discovery_asked(&self) -> usize {
        self.answers.discovery_asked.load(Ordering::SeqCst)
    }

    pub fn jwks_asked(&self) -> usize {
        self.answers.jwks_asked.load(Ordering::SeqCst)
    }

    pub fn builder(&self) -> Builder {
        ResourceServer::builder(&self.issuer, AUDIENCE).clock(self.clock.clone())
    }

    pub fn api(&self) -> Api {
        Api::new(&self.builder().build().unwrap())
    }

    /// The claims of a token that is valid now.
    pub fn claims(&self) -> Value {
        let now = self.clock.now();
        json!({
            "iss": self.issuer, "sub": "ada", "aud": [AUDIENCE, self.issuer], "exp": now + 600, "iat": now,
            "auth_time": now - 30, "acr": "urn:countersign:acr:pwd", "jti": "t1", "client_id": "app",
            "scope": "journal.read", "gid": "g1", "sid": "s1",
        })
    }

    pub fn token(&self) -> String {
        sign(&FIRST_KEY, "at+jwt", &self.claims())
    }

    pub fn token_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        sign(&FIRST_KEY, "at+jwt", &claims)
    }

    pub fn token_without(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name).unwrap();
        sign(&FIRST_KEY, "at+jwt", &claims)
    }
}

pub fn key_set(keys: &[&PrivateKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.public_jwk().to_value()).collect::<Vec<_>>() })
}

pub fn sign(key: &PrivateKey, typ: &str, claims: &Value) -> String {
    key.signer().unwrap().sign(typ, claims).unwrap()
}

scopes! {
    JournalRead = "journal.read";
    ReadAndWrite = "journal.read journal.write";
}

pub struct Api(Router);

impl Api {
    pub fn new(server: &ResourceServer) -> Self {
        let step_up = async |caller: Caller| {
            let needed = Require::scope("journal.read")
                .acr("urn:example:strong")
                .acr("urn:countersign:acr:pwd")
                .max_age(std::time::Duration::from_mins(1));
            caller.require(&needed).map(|()| "done")
        };
        let guarded = Router::new()
            .route("/", get(async |caller: Caller| caller.sub.clone()))
            .route("/person", get(async |caller: Caller| format!("{:?}", caller.person())))
            .route("/read", get(async |caller: Authorized<JournalRead>| caller.sub.clone()))
            .route("/both", get(async |_: Authorized<ReadAndWrite>| "both"))
            .route("/step-up", get(step_up))
            .layer(server.layer());
        let bare = Router::new()
            .route("/forgotten", get(async |caller: Caller| caller.sub.clone()))
            .route("/forgotten-scope", get(async |_: Authorized<JournalRead>| "never"));
        Self(guarded.merge(bare).merge(server.metadata_router()))
    }

    pub async fn send(&self, request: Request<Body>) -> Seen {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        Seen { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Seen {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn get_with(&self, path: &str, token: &str) -> Seen {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a token and expects it to be accepted.
    pub async fn accepts(&self, token: &str) {
        let seen = self.get_with("/", token).await;
        assert_eq!((seen.status, seen.body.as_str()), (StatusCode::OK, "ada"), "{seen:?}");
    }

    /// Sends a token and expects 401 `invalid_token` with this description.
    pub async fn refuses(&self, token: &str, description: &str) {
        let seen = self.get_with("/", token).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{seen:?}");
        assert_eq!(seen.challenge(), format!("Bearer error=\"invalid_token\", error_description=\"{description}\""));
        assert_eq!(seen.json(), json!({ "error": "invalid_token", "error_description": description }));
    }
}

#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn challenge(&self) -> &str {
        self.headers.get(header::WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// Lets background work run until the condition holds.
pub async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.expect("it never happened");
}
