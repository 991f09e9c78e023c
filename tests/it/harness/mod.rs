//! A provider in this process: the real router, a database of its own, and a clock that stands still until it is moved.

mod authenticator;
mod browser;
mod certificate;
mod client;
mod crowd;
mod database;
mod disk;
mod encryption;
mod forge;
mod log;
mod redis;
mod relying_party;
mod reply;
mod site;
mod smtp;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use axum::{Router, body::Body, extract::ConnectInfo};
use chrono::{DateTime, TimeDelta, Utc};
use countersign::{
    app::{App, Issuer},
    clock::Clock,
    config::Settings,
    domain::{
        api::Api,
        client::{Client, Registrar},
        credential::{Password, PasswordCredential},
        key::KeyTimes,
        session::SessionEnd,
        user::User,
    },
    jobs::{queue, sweep},
    jose::rotation,
    login,
    mailer::Message,
    random::Random,
    router::router,
    store::{account, api, audit, audit_log, client as client_store, credential, link::LinkPurpose, signing_key},
};
use countersign_jose::{Algorithm, PrivateKey};
use countersign_types::{ClientId, UserId};
use http::Request;
use serde_json::Value;
use tower::ServiceExt;

pub use self::{
    authenticator::Authenticator,
    browser::{Browser, account_of, authorize_path, hidden_fields},
    certificate::SelfSigned,
    client::{CHALLENGE, REDIRECT_URI, SECRET, TestClient, VERIFIER, confidential, native, public},
    crowd::{CROWD, form_request, one_success},
    database::{AuditRow, Database},
    disk::Disk,
    encryption::EncryptionPair,
    forge::{Forger, b64, merge},
    log::Log,
    redis::TestRedis,
    relying_party::RelyingParty,
    reply::{Reply, query_of},
    site::Site,
    smtp::{Behaviour, Smtp},
};

/// The issuer of a development start.
pub const ISSUER: &str = "http://localhost:8080";
/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// A running provider.
pub struct Server {
    pub app: Arc<App>,
    pub issuer: Arc<Issuer>,
    pub clock: Clock,
    router: Router,
    pub database: Arc<Database>,
    settings: String,
}

impl Server {
    /// A development start with default settings.
    pub async fn start() -> Self {
        Self::with_settings("").await
    }

    /// A development start with further settings, as TOML.
    pub async fn with_settings(toml: &str) -> Self {
        let database = Arc::new(Database::create().await);
        Self::on(database, toml, Clock::manual(start_time())).await
    }

    /// A development start at the time of this machine, for tests that go on with the built program.
    pub async fn in_real_time() -> Self {
        Self::on(Arc::new(Database::create().await), "", Clock::manual(Clock::system().now())).await
    }

    /// A start under `https://op.example`.
    pub async fn production() -> Self {
        Self::production_with("").await
    }

    /// A start under `https://op.example` with further settings, as TOML.
    pub async fn production_with(toml: &str) -> Self {
        let database = Arc::new(Database::create().await);
        let master = database.folder().join("master.key");
        std::fs::write(&master, "b25lIG1hc3RlciBrZXkgb25seSBmb3IgdGhlIHRlc3Q=").unwrap();
        std::fs::set_permissions(&master, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let toml = format!("issuer = 'https://op.example'\nkeys.master_file = '{}'\n{toml}", master.display());
        Self::on(database, &toml, Clock::manual(start_time())).await
    }

    async fn on(database: Arc<Database>, toml: &str, clock: Clock) -> Self {
        let keys = database.folder().join("keys");
        let settings = format!(
            "{toml}\ndatabase.url = '{}'\nkeys.dir = '{}'\nmail.dir = '{}'\npassword.memory_kib = 64\npassword.iterations = 1\n",
            database.url(),
            keys.display(),
            database.folder().join("mail").display(),
        );
        let parsed = Settings::parse(&settings, []).unwrap();
        let app = Arc::new(App::new(parsed, clock.clone(), Random::system()).unwrap());
        app.store.migrate().await.unwrap();
        seed_signing_key(&app, clock.now()).await;
        let issuer = Arc::new(Issuer::open(&app).await.unwrap());
        let router = router(app.clone(), issuer.clone());
        Self { app, issuer, clock, router, database, settings: toml.to_owned() }
    }

    /// The same database under a new process: what was only in memory is gone.
    pub async fn restart(self) -> Self {
        let Self { app, clock, database, settings, .. } = self;
        app.store.close().await;
        drop(app);
        Self::on(database, &settings, clock).await
    }

    /// The same database under a new process with these settings instead.
    pub async fn restart_with(self, toml: &str) -> Self {
        Self { settings: toml.to_owned(), ..self }.restart().await
    }

    /// Another node on the same database, with the same clock.
    pub async fn beside(&self) -> Self {
        Self::on(self.database.clone(), &self.settings, self.clock.clone()).await
    }

    /// The same with these settings.
    pub async fn beside_with(&self, toml: &str) -> Self {
        Self::on(self.database.clone(), toml, self.clock.clone()).await
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Sends a request from the usual address.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        self.send_from(usual_peer().ip(), request).await
    }

    /// Sends a request from another address.
    pub async fn send_from(&self, address: IpAddr, mut request: Request<Body>) -> Reply {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 50_000))));
        Reply::read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// `GET` without cookies.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// `POST` of a form without cookies, with further headers.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Reply {
        self.send(form_request(path, headers, form)).await
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// Adds a person whose password is [`PASSWORD`].
    pub async fn add_user(&self, email: &str, username: Option<&str>) -> User {
        let now = self.clock.now();
        let user = User {
            id: UserId::new(self.app.random.id()),
            email: email.to_owned(),
            email_verified: true,
            username: username.map(str::to_owned),
            claims: serde_json::Map::new(),
            roles: BTreeSet::new(),
            enabled: true,
            second_factor_required: false,
            created_at: now,
            updated_at: now,
        };
        let phc = self.app.passwords.hash(&Password::chosen(PASSWORD.to_owned()).unwrap()).await.unwrap();
        let mut tx = self.app.store.write().await.unwrap();
        account::insert(&mut tx, &user).await.unwrap();
        let password = PasswordCredential { user: user.id.clone(), phc };
        credential::set_password(&mut tx, &password, now).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    /// Stores an account's new values.
    pub async fn update_user(&self, user: &User) {
        let mut tx = self.app.store.write().await.unwrap();
        account::update(&mut tx, user).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What `countersign user disable` does.
    pub async fn disable_user(&self, user: &User) {
        let disabled = User { enabled: false, ..user.clone() };
        let mut tx = self.app.store.write().await.unwrap();
        account::update(&mut tx, &disabled).await.unwrap();
        login::session::end_all(&self.app, &mut tx, user, SessionEnd::Disabled, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What `countersign user set-password` does.
    pub async fn change_password(&self, user: &User, password: &str) {
        let phc = self.app.passwords.hash(&Password::chosen(password.to_owned()).unwrap()).await.unwrap();
        let mut tx = self.app.store.write().await.unwrap();
        login::link::set_password(&self.app, &mut tx, user, phc, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Registers a client.
    pub async fn add_client(&self, id: &str, (metadata, secret): TestClient) -> Client {
        let secret = secret.map(|secret| secret.store(&self.app, id));
        let (id, created_at) = (ClientId::new(id), self.clock.now());
        let registered_by = Registrar::Operator;
        let client = Client { id, metadata, secret, enabled: true, created_at, registered_by };
        let mut tx = self.app.store.write().await.unwrap();
        client_store::insert(&mut tx, &client).await.unwrap();
        tx.commit().await.unwrap();
        self.follow_changes().await;
        client
    }

    /// Changes a client's registration.
    pub async fn update_client(&self, client: &Client) {
        let mut tx = self.app.store.write().await.unwrap();
        client_store::update(&mut tx, client, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        self.follow_changes().await;
    }

    /// Removes a client.
    pub async fn remove_client(&self, id: &str) {
        let mut tx = self.app.store.write().await.unwrap();
        client_store::delete(&mut tx, &ClientId::new(id), self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        self.follow_changes().await;
    }

    /// Registers an API with scopes of these names.
    pub async fn add_api(&self, uri: &str, scopes: &[&str], clients: &[&str], roles: bool) {
        let scopes: BTreeMap<_, _> =
            scopes.iter().map(|name| (name.parse().unwrap(), format!("Words for {name}"))).collect();
        let clients = clients.iter().map(|id| ClientId::new(*id)).collect();
        let mut tx = self.app.store.write().await.unwrap();
        let added = Api { uri: uri.to_owned(), scopes, roles, clients };
        api::insert(&mut tx, &added, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        self.follow_changes().await;
    }

    /// Removes an API.
    pub async fn remove_api(&self, uri: &str) {
        let mut tx = self.app.store.write().await.unwrap();
        api::delete(&mut tx, uri).await.unwrap();
        tx.commit().await.unwrap();
        self.follow_changes().await;
    }

    /// Makes a single-use link: its path.
    pub async fn issue_link(&self, purpose: &LinkPurpose) -> String {
        let mut tx = self.app.store.write().await.unwrap();
        let secret = login::link::issue(&self.app, &mut tx, purpose, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let address = login::link::address(&self.app, &secret);
        address.strip_prefix(self.app.settings.issuer.as_str()).unwrap().to_owned()
    }

    /// The account that signs in under this name.
    pub async fn user(&self, name: &str) -> User {
        account::find_by_name(&mut self.app.store.read().await.unwrap(), name).await.unwrap().unwrap()
    }

    /// What the job does every 200 ms.
    pub async fn follow_changes(&self) {
        self.issuer.follow_changes(&self.app).await.unwrap();
    }

    /// What the job does every minute.
    pub async fn keep_house(&self) {
        rotation::maintain(
            &self.app.store,
            self.issuer.keyring.lifetimes(),
            &self.app.settings.keys.algorithms,
            &self.clock,
        )
        .await
        .unwrap();
        sweep::run(&self.app).await.unwrap();
        self.follow_changes().await;
    }

    /// What the queue does at once, as far as something is due.
    pub async fn deliver_mails(&self) {
        queue::run_due(&self.app, &self.issuer).await.unwrap();
    }

    /// The path of the link in the latest mail to this address, of those that are sent now or were before.
    pub async fn mailed_link(&self, to: &str) -> String {
        self.deliver_mails().await;
        let mails = self.mails().await;
        let start = format!("{}/link?t=", self.app.settings.issuer);
        let links = mails.iter().rev().filter(|mail| mail.to == to).filter_map(|mail| mail.text.split(&start).nth(1));
        let token = links.map(|rest| rest.split_whitespace().next().unwrap()).next();
        format!("/link?t={}", token.unwrap_or_else(|| panic!("no link was mailed to {to}")))
    }

    /// What was sent so far, the latest last: on a development start without `mail.url`.
    pub async fn mails(&self) -> Vec<Message> {
        let mut mails = self.app.mailer.folder().unwrap().list().await.unwrap();
        mails.reverse();
        mails
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        self.database.count(table).await
    }

    /// The newest audit events, latest first.
    pub async fn audit(&self, most: i64) -> Vec<audit::AuditRecord> {
        audit::latest(&mut self.app.store.read().await.unwrap(), most).await.unwrap()
    }

    /// The checkpoints of the audit trail, the first one first.
    pub async fn checkpoint_notes(&self) -> Vec<String> {
        let mut tx = self.app.store.read().await.unwrap();
        audit_log::checkpoints(&mut tx, 0, 1_000).await.unwrap().into_iter().map(|(_, note)| note).collect()
    }

    /// Userinfo with a bearer token.
    pub async fn userinfo(&self, token: &str) -> Reply {
        let request = Request::get("/userinfo").header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A token request of a client with [`SECRET`] by HTTP Basic.
    pub async fn token(&self, client: &str, form: &[(&str, &str)]) -> Reply {
        self.post("/token", &[("authorization", &basic(client, SECRET))], form).await
    }

    /// Exchanges a code for the tokens of a confidential client.
    pub async fn exchange(&self, client: &str, code: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        self.token(client, &form).await
    }

    /// Uses a refresh token of a confidential client.
    pub async fn refresh(&self, client: &str, token: &str) -> Reply {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Introspects as a confidential client.
    pub async fn introspect(&self, client: &str, token: &str) -> Value {
        let reply = self.post("/introspect", &[("authorization", &basic(client, SECRET))], &[("token", token)]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Revokes a token as a confidential client.
    pub async fn revoke(&self, client: &str, token: &str) -> Reply {
        self.post("/revoke", &[("authorization", &basic(client, SECRET))], &[("token", token)]).await
    }

    /// Signs a person in to a client, and gives the tokens that come of it.
    pub async fn sign_in(&self, client: &str, user: &str, scope: &str) -> Value {
        let code = self.browser().code(client, user, scope).await;
        let reply = self.exchange(client, &code).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }
}

/// Whether tests that can go on for long do (`scripts/test --long`).
pub fn is_long_run() -> bool {
    std::env::var_os("COUNTERSIGN_TEST_LONG").is_some()
}

/// Settings of a production start that can send mails.
pub fn production_mail() -> &'static str {
    "mail.url = 'smtp://127.0.0.1:1'\nmail.from = 'accounts@op.example'\n"
}

/// From where most requests come.
fn usual_peer() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 50_000))
}

/// When every test begins: nothing depends on it.
fn start_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// Generating an RSA key for each test would take longer than the test.
async fn seed_signing_key(app: &App, now: DateTime<Utc>) {
    static JWK: OnceLock<Vec<u8>> = OnceLock::new();
    if !signing_key::all(&mut app.store.read().await.unwrap()).await.unwrap().is_empty() {
        return;
    }
    let jwk = JWK.get_or_init(|| PrivateKey::generate(Algorithm::RS256).unwrap().to_jwk_bytes());
    let key = signing_key::StoredKey {
        kid: PrivateKey::from_jwk_bytes(jwk).unwrap().kid().to_owned(),
        algorithm: "RS256".to_owned(),
        private_jwk: jwk.clone(),
        times: KeyTimes { published_at: now, signs_from: now, retired_at: None, compromised_at: None },
    };
    let mut tx = app.store.write().await.unwrap();
    signing_key::insert(&mut tx, &key).await.unwrap();
    tx.commit().await.unwrap();
}

/// The header of HTTP Basic.
pub fn basic(id: &str, secret: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let part = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", part(id), part(secret))))
}

/// Pairs as a form or query.
pub fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The header of a token.
pub fn jose_header(token: &str) -> Value {
    segment(token, 0)
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    segment(token, 1)
}

fn segment(token: &str, at: usize) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}
