//! A journal in a folder of its own, a provider that publishes one key, and tokens signed with it.

use std::{
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
    routing::get,
};
use chrono::{DateTime, Utc};
use countersign_jose::PrivateKey;
use countersign_journal::{
    api::{self, Journal},
    clock::Clock,
    store::Store,
};
use countersign_resource_server::{Algorithm, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const AUDIENCE: &str = "http://localhost:8081";
const START: i64 = 1_800_000_000;

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());

/// Moves on by a millisecond whenever it is asked, so that entries have an order.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(START * 1000 + self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }
}

#[derive(Debug)]
struct Standing;

impl countersign_resource_server::Clock for Standing {
    fn now(&self) -> i64 {
        START
    }
}

pub struct Harness {
    app: Router,
    issuer: String,
    folder: Arc<tempfile::TempDir>,
}

impl Harness {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let discovery = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") });
        let keys = json!({ "keys": [KEY.public_jwk().to_value()] });
        let provider = Router::new()
            .route("/.well-known/openid-configuration", get(async move || axum::Json(discovery.clone())))
            .route("/jwks", get(async move || axum::Json(keys.clone())));
        tokio::spawn(async move { axum::serve(listener, provider).await });
        Self::open(issuer, Arc::new(tempfile::tempdir().unwrap())).await
    }

    pub async fn restart(self) -> Self {
        Self::open(self.issuer, self.folder).await
    }

    async fn open(issuer: String, folder: Arc<tempfile::TempDir>) -> Self {
        let store = Store::open(&folder.path().join("new/journal.db")).await.unwrap();
        let tokens = ResourceServer::builder(&issuer, AUDIENCE)
            .publish_metadata(["journal.read", "journal.write"])
            .clock(Standing)
            .build()
            .unwrap();
        let app = api::router(Journal { store, clock: Arc::new(Ticking(AtomicI64::new(0))) }, &tokens);
        Self { app, issuer, folder }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("new/journal.db")
    }

    pub fn token(&self, person: &str, scope: &str) -> String {
        self.sign(json!({ "sub": person, "gid": "g1", "scope": scope }))
    }

    pub fn machine_token(&self, scope: &str) -> String {
        self.sign(json!({ "sub": "app", "scope": scope }))
    }

    fn sign(&self, mut claims: Value) -> String {
        let common = json!({
            "iss": self.issuer, "aud": [AUDIENCE, self.issuer], "exp": START + 600, "iat": START, "jti": "t1", "client_id": "app",
        });
        claims.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        KEY.signer().unwrap().sign("at+jwt", &claims).unwrap()
    }

    pub async fn get(&self, token: &str, path: &str) -> Seen {
        self.send(Method::GET, path, Some(token), None, Vec::new()).await
    }

    pub async fn post(&self, token: &str, body: &Value) -> Seen {
        self.send(Method::POST, "/entries", Some(token), Some("application/json"), body.to_string().into()).await
    }

    pub async fn put(&self, token: &str, path: &str, body: &Value) -> Seen {
        self.send(Method::PUT, path, Some(token), Some("application/json"), body.to_string().into()).await
    }

    pub async fn delete(&self, token: &str, path: &str) -> Seen {
        self.send(Method::DELETE, path, Some(token), None, Vec::new()).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Seen {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let response = self.app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        Seen { status: parts.status, headers: parts.headers, body }
    }
}

#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}
