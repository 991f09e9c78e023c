//! A journal in a folder of its own, a provider that publishes one key, tokens signed with it, and what a client does with its own keys.

use std::{
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
    routing::get,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, Utc};
use clap::Parser as _;
use countersign_jose::{PrivateKey, access_token_hash, sha256_of};
use countersign_journal::{
    api::{self, Journal},
    clock::Clock,
    settings::Settings,
    store::Store,
};
use countersign_resource_server::Algorithm;
use josekit::jwe::{A256KW, Dir, JweHeader, PBES2_HS512_A256KW};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub const AUDIENCE: &str = "http://localhost:8081";
pub const BOTH: &str = "openid journal.read journal.write";
pub const MFA: &str = "urn:countersign:acr:mfa";
pub const START: i64 = 1_800_000_000;

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());
/// The key of a client's device.
static DEVICE: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::ES256).unwrap());

/// Stands until it is moved.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.seconds(), 0).unwrap()
    }
}

impl countersign_resource_server::Clock for TestClock {
    fn now(&self) -> i64 {
        self.seconds()
    }
}

pub struct Harness {
    app: Router,
    pub store: Store,
    pub clock: TestClock,
    issuer: String,
    folder: Arc<tempfile::TempDir>,
    proofs: AtomicU64,
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
        self.store.close().await;
        Self::open(self.issuer, self.folder).await
    }

    async fn open(issuer: String, folder: Arc<tempfile::TempDir>) -> Self {
        let web = folder.path().join("web").display().to_string();
        let settings = ["journal", "--issuer", &issuer, "--audience", AUDIENCE, "--web", &web, "--room-mib", "1"];
        let settings = Settings::try_parse_from(settings).unwrap();
        let clock = TestClock(Arc::new(AtomicI64::new(START)));
        let store = Store::open(&folder.path().join("new/journal.db")).await.unwrap();
        let tokens = settings.builder().clock(clock.clone()).build().unwrap();
        let app = api::router(Journal::new(store.clone(), Arc::new(clock.clone()), &settings), &tokens);
        Self { app, store, clock, issuer, folder, proofs: AtomicU64::new(0) }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("new/journal.db")
    }

    pub fn web(&self) -> PathBuf {
        self.folder.path().join("web")
    }

    pub fn token(&self, person: &str, scope: &str) -> String {
        self.sign(json!({ "sub": person, "scope": scope }))
    }

    pub fn machine_token(&self, scope: &str) -> String {
        self.sign(json!({ "sub": "app", "scope": scope }))
    }

    /// One that is bound to the key of the device, of a sign-in of this strength so many seconds ago.
    pub fn device_token(&self, person: &str, acr: &str, age: i64) -> String {
        let auth_time = self.clock.seconds() - age;
        let cnf = json!({ "jkt": DEVICE.kid() });
        self.sign(json!({ "sub": person, "scope": BOTH, "acr": acr, "auth_time": auth_time, "cnf": cnf }))
    }

    pub fn role_token(&self, person: &str, role: &str) -> String {
        self.sign(json!({ "sub": person, "scope": BOTH, "roles": [role] }))
    }

    fn sign(&self, mut claims: Value) -> String {
        let now = self.clock.seconds();
        let common = json!({
            "iss": self.issuer, "aud": [AUDIENCE, self.issuer], "exp": now + 600, "iat": now, "jti": "t1", "client_id": "app",
        });
        claims.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        KEY.signer().unwrap().sign("at+jwt", &claims).unwrap()
    }

    pub async fn get(&self, token: &str, path: &str) -> Seen {
        self.send(bearer(Method::GET, path, token).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, token: &str, body: &Value) -> Seen {
        let request = bearer(Method::POST, "/entries", token).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Writes an entry that says nothing, and expects that it is kept.
    pub async fn writes(&self, token: &str, id: &str) {
        let seen = self.post(token, &json!({ "body": seal(id, 1, "…") })).await;
        assert_eq!(seen.status, StatusCode::CREATED, "{seen:?}");
    }

    pub async fn put(&self, token: &str, path: &str, condition: (&str, &str), body: &Value) -> Seen {
        let request = bearer(Method::PUT, path, token).header(header::CONTENT_TYPE, "application/json");
        self.send(request.header(condition.0, condition.1).body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn delete(&self, token: &str, path: &str, revision: &str) -> Seen {
        let request = bearer(Method::DELETE, path, token).header("if-match", revision);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A request with a proof of the device's key.
    pub fn proven(&self, method: &Method, path: &str, token: &str) -> (axum::http::request::Builder, String) {
        let jti = self.proofs.fetch_add(1, Ordering::SeqCst).to_string();
        let path_alone = path.split('?').next().unwrap();
        let proof = DEVICE.sign_embedded(
            "dpop+jwt",
            &json!({
                "jti": jti, "htm": method.as_str(), "htu": format!("{AUDIENCE}{path_alone}"), "iat": self.clock.seconds(),
                "ath": access_token_hash(token),
            }),
        );
        let proof = proof.unwrap();
        let request =
            Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("DPoP {token}"));
        (request.header("dpop", &proof), proof)
    }

    /// A request that is signed as a whole by the device's key (RFC 9421).
    pub fn signed(&self, method: &Method, path: &str, token: &str) -> Request<Body> {
        let (request, proof) = self.proven(method, path, token);
        let digest = format!("sha-256=:{}:", STANDARD.encode(sha256_of(b"")));
        let input = format!(
            r#"("@method" "@target-uri" "content-digest" "authorization" "dpop");created={};keyid="{}""#,
            self.clock.seconds(),
            DEVICE.kid()
        );
        let base = format!(
            "\"@method\": {method}\n\"@target-uri\": {AUDIENCE}{path}\n\"content-digest\": {digest}\n\"authorization\": DPoP \
             {token}\n\"dpop\": {proof}\n\"@signature-params\": {input}"
        );
        let signature = STANDARD.encode(DEVICE.signer().unwrap().sign_detached(base.as_bytes()).unwrap());
        let request = request.header("content-digest", digest).header("signature-input", format!("sig={input}"));
        request.header("signature", format!("sig=:{signature}:")).body(Body::empty()).unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Seen {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, 64 << 20).await.unwrap().to_vec()).unwrap();
        Seen { status: parts.status, headers: parts.headers, body }
    }
}

pub fn bearer(method: Method, path: &str, token: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"))
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

    pub fn is(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), &self.json()["error"]), (status, &json!(error)), "{self:?}");
        assert!(self.json()["error_description"].is_string());
    }
}

/// The key to the entries, which only clients have.
pub const DATA_KEY: [u8; 32] = *b"the data key of a test's journal";

pub fn id(number: u8) -> String {
    format!("0191d6a4-7e2b-7c10-9a55-8c7f0d1e2f{number:02x}")
}

/// An entry as a client seals it.
pub fn seal(id: &str, revision: i64, text: &str) -> String {
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    header.set_token_type("journal-entry");
    header.set_claim("entry", Some(json!(id))).unwrap();
    header.set_claim("revision", Some(json!(revision))).unwrap();
    let encrypter = Dir.encrypter_from_bytes(DATA_KEY).unwrap();
    josekit::jwe::serialize_compact(text.as_bytes(), &header, &encrypter).unwrap()
}

/// What a sealed entry says, and of which entry and revision it says that it is.
pub fn open(jwe: &str) -> (String, Value, Value) {
    let decrypter = Dir.decrypter_from_bytes(DATA_KEY).unwrap();
    let (text, header) = josekit::jwe::deserialize_compact(jwe, &decrypter).unwrap();
    let claim = |name| header.claim(name).cloned().unwrap();
    (String::from_utf8(text).unwrap(), claim("entry"), claim("revision"))
}

fn wrapping() -> (JweHeader, Vec<u8>) {
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    header.set_content_type("jwk+json");
    let key = json!({ "kty": "oct", "alg": "A256GCM", "k": URL_SAFE_NO_PAD.encode(DATA_KEY) });
    (header, key.to_string().into_bytes())
}

/// The data key, wrapped by a passphrase.
pub fn wrap_by_passphrase(passphrase: &str) -> String {
    let (header, key) = wrapping();
    let mut encrypter = PBES2_HS512_A256KW.encrypter_from_bytes(passphrase).unwrap();
    encrypter.set_iter_count(210_000);
    encrypter.set_salt_len(16);
    josekit::jwe::serialize_compact(&key, &header, &encrypter).unwrap()
}

/// The data key, wrapped by a recovery key.
pub fn wrap_by_recovery_key(recovery_key: [u8; 32]) -> String {
    let (header, key) = wrapping();
    let encrypter = A256KW.encrypter_from_bytes(recovery_key).unwrap();
    josekit::jwe::serialize_compact(&key, &header, &encrypter).unwrap()
}

/// A wrapped key, opened.
pub fn unwrap(jwe: &str, decrypter: &dyn josekit::jwe::JweDecrypter) -> Value {
    serde_json::from_slice(&josekit::jwe::deserialize_compact(jwe, decrypter).unwrap().0).unwrap()
}
