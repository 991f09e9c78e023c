//! Request objects (RFC 9101, OpenID Connect Core §6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use countersign::{
    domain::client::{ClientMetadata, RequestObjectAlgorithm},
    jose::encryption,
};
use countersign_jose::{Algorithm, ContentEncryption, EncryptionKey, KeyManagement, PrivateKey, PublicJwk, encrypt};
use countersign_types::ClientAuthMethod;
use openssl::sha::sha256;
use serde_json::{Value, json};

use crate::harness::{CHALLENGE, ISSUER, REDIRECT_URI, Reply, Server, Site, authorize_path, b64, confidential, encode};

const ADA: &str = "ada@example.com";

/// A client with a key for signatures.
struct Signing {
    server: Server,
    key: PrivateKey,
}

impl Signing {
    async fn start_with(algorithm: Algorithm, change: impl FnOnce(&mut ClientMetadata)) -> Self {
        let server = Server::start().await;
        let key = PrivateKey::generate(algorithm).unwrap();
        let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
            client.jwks = Some([key.public_jwk()].into_iter().collect());
            change(client);
        });
        server.add_client("app", client).await;
        server.add_user(ADA, None).await;
        Self { server, key }
    }

    async fn start() -> Self {
        Self::start_with(Algorithm::ES256, |_| {}).await
    }

    fn sign(&self, members: &Value) -> String {
        self.sign_as("oauth-authz-req+jwt", members)
    }

    fn sign_as(&self, typ: &str, members: &Value) -> String {
        self.key.signer().unwrap().sign(typ, members).unwrap()
    }

    /// Sends an object, with `client_id` and these parameters outside.
    async fn ask(&self, object: &str, outside: &[(&str, &str)]) -> Reply {
        send(&self.server, &[&[("request", object)], outside].concat()).await
    }

    /// What is told of an object where the client says outside of it where to answer.
    async fn refusal(&self, members: &Value) -> String {
        let object = self.sign(members);
        self.ask(&object, &[("redirect_uri", REDIRECT_URI), ("response_type", "code")]).await.redirect_query()["error"]
            .clone()
    }
}

async fn send(server: &Server, parameters: &[(&str, &str)]) -> Reply {
    let path = format!("/authorize?{}", encode(&[&[("client_id", "app")], parameters].concat()));
    let mut browser = server.browser();
    let page = browser.open(&path).await;
    if page.status != 200 || !page.text().contains("name=\"password\"") {
        return page;
    }
    let page = browser.log_in(&page, ADA).await;
    if page.status == 200 { browser.submit(&page, &[("approve", "yes")]).await } else { page }
}

/// A whole request.
fn whole() -> Value {
    json!({
        "iss": "app", "aud": ISSUER, "client_id": "app", "response_type": "code", "redirect_uri": REDIRECT_URI,
        "scope": "openid", "state": "inside", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut members = whole();
    members[name] = value.into();
    members
}

fn without(name: &str) -> Value {
    let mut members = whole();
    members.as_object_mut().unwrap().remove(name);
    members
}

fn unsecured(members: &Value) -> String {
    format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(members.to_string()))
}

#[tokio::test]
async fn a_signed_object_is_answered_by_every_algorithm_that_discovery_names() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let chosen = RequestObjectAlgorithm::Signed(algorithm);
        let signing = Signing::start_with(algorithm, |client| client.request_object_signing_alg = Some(chosen)).await;
        let reply = signing.ask(&signing.sign(&whole()), &[]).await;
        assert_eq!(reply.redirect_query()["state"], "inside", "{algorithm}");
        assert_eq!(signing.server.exchange("app", &reply.assert_code()).await.status, 200);
    }
}

#[tokio::test]
async fn of_a_signed_object_only_its_members_count() {
    let signing = Signing::start().await;
    // Whatever stands outside changes nothing, and adds nothing.
    let outside = [
        ("state", "outside"),
        ("redirect_uri", "https://evil.example/"),
        ("scope", "openid email"),
        ("prompt", "none"),
        ("response_mode", "fragment"),
        ("response_type", "token"),
    ];
    let reply = signing.ask(&signing.sign(&whole()), &outside).await;
    assert_eq!(reply.redirect_query()["state"], "inside");
    let tokens = signing.server.exchange("app", &reply.assert_code()).await.json();
    assert_eq!(tokens["scope"], "openid");
    let reply = signing.ask(&signing.sign(&without("state")), &[("state", "outside")]).await;
    assert!(!reply.redirect_query().contains_key("state"));
    // PKCE, too, must be in it.
    let object = signing.sign(&without("code_challenge"));
    signing.ask(&object, &[("code_challenge", CHALLENGE)]).await.assert_refused("invalid_request");
}

#[tokio::test]
async fn an_object_belongs_to_the_client_that_is_named_outside() {
    let signing = Signing::start().await;
    signing.server.add_client("other", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    for members in [with("client_id", "other"), with("iss", "other"), with("client_id", 7)] {
        assert_eq!(signing.refusal(&members).await, "invalid_request_object", "{members}");
    }
    // Without client_id outside nobody knows whose key to ask for.
    signing.server.get(&format!("/authorize?request={}", signing.sign(&whole()))).await.assert_page(400);
    // And another client's key does not fit.
    let object = signing.sign(&without("client_id"));
    let path = format!(
        "/authorize?{}",
        encode(&[("client_id", "other"), ("request", &object), ("redirect_uri", REDIRECT_URI)])
    );
    signing.server.get(&path).await.assert_refused("invalid_request_object");
}

#[tokio::test]
async fn what_is_wrong_with_an_object_is_told() {
    let signing = Signing::start().await;
    let now = signing.server.clock.now();
    let at = |seconds: i64| (now + TimeDelta::seconds(seconds)).timestamp();
    for members in [
        with("aud", "https://other.example"),
        with("exp", at(-11)),
        with("nbf", at(11)),
        with("iat", at(11)),
        with("exp", "soon"),
        with("request", "x"),
        with("request_uri", "https://app.example/x"),
        with("sub", "app"),
        with("scope", json!(["openid", "email"])),
        with("state", json!({ "a": 1 })),
        with("state", "a\u{0}b"),
    ] {
        assert_eq!(signing.refusal(&members).await, "invalid_request_object", "{members}");
    }
    for members in [
        with("exp", at(60)),
        with("nbf", at(5)),
        with("exp", at(-5)),
        with("aud", json!(["x", ISSUER])),
        with("max_age", 10),
    ] {
        signing.ask(&signing.sign(&members), &[]).await.assert_code();
    }
    // What nobody knows is ignored, whatever it looks like.
    for members in [with("authorization_details", json!([{ "type": "x" }])), with("registration", json!({ "a": [1] }))]
    {
        signing.ask(&signing.sign(&members), &[]).await.assert_code();
    }
    // What is wrong with what it asks for is told as ever.
    assert_eq!(signing.refusal(&with("max_age", "soon")).await, "invalid_request");
    assert_eq!(signing.refusal(&with("response_type", "none")).await, "unsupported_response_type");
}

#[tokio::test]
async fn only_the_clients_own_key_and_algorithm_count() {
    let chosen = RequestObjectAlgorithm::Signed(Algorithm::ES256);
    let signing =
        Signing::start_with(Algorithm::ES256, |client| client.request_object_signing_alg = Some(chosen)).await;
    let outside = [("redirect_uri", REDIRECT_URI), ("response_type", "code"), ("state", "outside")];
    let refused = async |object: &str| {
        let query = signing.ask(object, &outside).await.assert_refused("invalid_request_object");
        assert_eq!(query["state"], "outside");
    };
    let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
    refused(&stranger.signer().unwrap().sign("JWT", &whole()).unwrap()).await;
    let other_algorithm = PrivateKey::generate(Algorithm::EdDSA).unwrap();
    refused(&other_algorithm.signer().unwrap().sign("JWT", &whole()).unwrap()).await;
    refused(&unsecured(&whole())).await;
    refused(&signing.sign_as("at+jwt", &whole())).await;
    refused("rubbish").await;
    refused(&format!("{}x", signing.sign(&whole()))).await;
    // A secret is no key: the public one of the client least of all.
    let public = json!(signing.key.public_jwk()).to_string();
    let hmac = countersign_jose::Signer::hmac(Algorithm::HS256, public.as_bytes()).unwrap();
    refused(&hmac.sign("JWT", &whole()).unwrap()).await;
    // Where nothing is said outside, the one address that is registered is told; never the one that the object names.
    signing.ask("rubbish", &[]).await.assert_refused("invalid_request_object");
    let forged = unsecured(&with("redirect_uri", "https://evil.example/"));
    signing.ask(&forged, &[]).await.assert_refused("invalid_request_object");
    signing.ask(&forged, &[("redirect_uri", "https://evil.example/")]).await.assert_page(400);
    for typ in ["JWT", "jwt", "oauth-authz-req+jwt"] {
        signing.ask(&signing.sign_as(typ, &whole()), &[]).await.assert_code();
    }
}

#[tokio::test]
async fn an_unsigned_object_is_read_only_where_the_client_registered_none() {
    let signing = Signing::start().await;
    let outside = [("redirect_uri", REDIRECT_URI), ("response_type", "code")];
    signing.ask(&unsecured(&whole()), &outside).await.assert_refused("invalid_request_object");

    let none = |client: &mut ClientMetadata| client.request_object_signing_alg = Some(RequestObjectAlgorithm::None);
    let signing = Signing::start_with(Algorithm::ES256, none).await;
    let outside =
        [("redirect_uri", REDIRECT_URI), ("response_type", "code"), ("state", "outside"), ("nonce", "outside")];
    // What it lacks is filled from outside; what it has counts (OpenID Connect Core §6.1).
    let reply = signing.ask(&unsecured(&without("nonce")), &outside).await;
    assert_eq!(reply.redirect_query()["state"], "inside");
    let tokens = signing.server.exchange("app", &reply.assert_code()).await.json();
    assert_eq!(crate::harness::claims(tokens["id_token"].as_str().unwrap())["nonce"], "outside");
    // The two must not contradict each other, and a signature is not what was registered.
    signing
        .ask(&unsecured(&with("response_type", "id_token")), &outside)
        .await
        .assert_refused("invalid_request_object");
    signing.ask(&signing.sign(&whole()), &outside).await.assert_refused("invalid_request_object");
    // Nor can it name a redirect URI that is not registered.
    let elsewhere = unsecured(&with("redirect_uri", "https://evil.example/"));
    signing.ask(&elsewhere, &outside).await.assert_page(400);
}

#[tokio::test]
async fn a_client_that_registered_so_asks_by_signed_objects_alone() {
    let signing = Signing::start_with(Algorithm::ES256, |client| client.require_signed_request_object = true).await;
    signing.server.get(&authorize_path("app", &[])).await.assert_refused("invalid_request");
    signing.ask(&signing.sign(&whole()), &[]).await.assert_code();
}

#[tokio::test]
async fn claims_stand_in_an_object_as_json() {
    let signing = Signing::start().await;
    let object = signing.sign(&with("claims", json!({ "userinfo": { "email": { "essential": true } } })));
    let reply = signing.ask(&object, &[]).await;
    let tokens = signing.server.exchange("app", &reply.assert_code()).await.json();
    assert_eq!(signing.server.userinfo(tokens["access_token"].as_str().unwrap()).await.json()["email"], ADA);
}

#[tokio::test]
async fn both_ways_at_once_or_twice_are_refused() {
    let signing = Signing::start().await;
    let object = signing.sign(&whole());
    let outside = [("redirect_uri", REDIRECT_URI), ("response_type", "code")];
    let both = [&outside[..], &[("request_uri", "https://app.example/object")]].concat();
    signing.ask(&object, &both).await.assert_refused("invalid_request");
    let twice = [&outside[..], &[("request", object.as_str())]].concat();
    signing.ask(&object, &twice).await.assert_refused("invalid_request");
    // One that is empty is none (RFC 6749 §3.1).
    signing.server.get(&(authorize_path("app", &[]) + "&request=&request_uri=")).await.assert_redirect_to_login();
}

/// A client whose objects are behind these paths of a site of its own.
async fn with_site(paths: &[&str]) -> (Signing, Site) {
    let site = Site::open().await;
    let uris: Vec<_> = paths.iter().map(|path| site.url(path).parse().unwrap()).collect();
    (Signing::start_with(Algorithm::ES256, |client| client.request_uris = uris).await, site)
}

#[tokio::test]
async fn an_object_is_fetched_from_a_registered_uri() {
    let (signing, site) = with_site(&["/object"]).await;
    site.put("/object", signing.sign(&whole()));
    let by_uri = async |uri: &str| {
        send(&signing.server, &[("request_uri", uri), ("redirect_uri", REDIRECT_URI), ("response_type", "code")]).await
    };
    let reply = by_uri(&site.url("/object")).await;
    assert_eq!(reply.redirect_query()["state"], "inside");
    reply.assert_code();
    // What changed there is what counts, five seconds later at the latest.
    site.put("/object", signing.sign(&with("state", "another")));
    signing.server.advance(TimeDelta::seconds(6));
    assert_eq!(by_uri(&site.url("/object")).await.redirect_query()["state"], "another");
    // What was taken away counts no more.
    site.remove("/object");
    signing.server.advance(TimeDelta::seconds(6));
    by_uri(&site.url("/object")).await.assert_refused("invalid_request_uri");
    signing.server.advance(TimeDelta::minutes(2));
    // By a fragment the client says what is meant.
    let hash = |state: &str| URL_SAFE_NO_PAD.encode(sha256(state.as_bytes()));
    let object = signing.sign(&with("state", "third"));
    site.put("/object", object.clone());
    signing.server.advance(TimeDelta::seconds(6));
    by_uri(&format!("{}#{}", site.url("/object"), hash(&object))).await.assert_code();
    by_uri(&format!("{}#{}", site.url("/object"), hash("x"))).await.assert_refused("invalid_request_uri");
}

#[tokio::test]
async fn a_uri_that_is_not_registered_is_not_asked() {
    let (signing, site) = with_site(&["/object"]).await;
    site.put("/other", signing.sign(&whole()));
    for uri in [
        &*site.url("/other"),
        &*site.url("/object?x"),
        "urn:ietf:params:oauth:request_uri:x",
        "file:///etc/passwd",
        "x",
    ] {
        let asked = [("request_uri", uri), ("redirect_uri", REDIRECT_URI), ("response_type", "code")];
        send(&signing.server, &asked).await.assert_refused("invalid_request_uri");
    }
    assert_eq!(site.visits(), 0);
    let asked = [("request_uri", &*site.url("/object")), ("redirect_uri", REDIRECT_URI), ("response_type", "code")];
    send(&signing.server, &asked).await.assert_refused("invalid_request_uri");
    assert_eq!(site.visits(), 1, "there is nothing");
}

/// Our public key for an algorithm.
async fn our_key(server: &Server, algorithm: KeyManagement) -> EncryptionKey {
    let jwks = server.get("/.well-known/jwks.json").await.json();
    let keys: Vec<&Value> =
        jwks["keys"].as_array().unwrap().iter().filter(|key| key["alg"] == algorithm.name()).collect();
    let [key] = keys[..] else { panic!("{jwks}") };
    assert_eq!(key["use"], "enc");
    EncryptionKey::public(algorithm, &PublicJwk::parse(key).unwrap()).unwrap()
}

async fn keep_keys(server: &Server) {
    let lifetimes = server.issuer.keyring.lifetimes();
    encryption::maintain(&server.app.store, lifetimes, &server.clock).await.unwrap();
    server.follow_changes().await;
}

#[tokio::test]
async fn objects_may_be_encrypted_to_our_keys_by_all_that_discovery_names() {
    let signing = Signing::start().await;
    keep_keys(&signing.server).await;
    for algorithm in KeyManagement::ASYMMETRIC {
        let key = our_key(&signing.server, algorithm).await;
        for enc in ContentEncryption::ALL {
            let signed = signing.sign(&whole());
            let sealed = encrypt(signed.as_bytes(), &key, enc, Some("JWT")).unwrap();
            signing.ask(&sealed, &[]).await.assert_code();
            // That it is encrypted says nothing about who wrote it.
            let unsigned = encrypt(unsecured(&whole()).as_bytes(), &key, enc, None).unwrap();
            let outside = [("redirect_uri", REDIRECT_URI), ("response_type", "code")];
            signing.ask(&unsigned, &outside).await.assert_refused("invalid_request_object");
            signing.ask(&format!("{sealed}x"), &outside).await.assert_refused("invalid_request_object");
        }
    }
}

#[tokio::test]
async fn a_key_to_encrypt_with_has_a_successor_and_opens_what_is_on_its_way() {
    let signing = Signing::start().await;
    let server = &signing.server;
    keep_keys(server).await;
    let sealed = async |server: &Server| {
        let key = our_key(server, KeyManagement::EcdhEs).await;
        encrypt(signing.sign(&whole()).as_bytes(), &key, ContentEncryption::A256Gcm, Some("JWT")).unwrap()
    };
    let first = sealed(server).await;
    server.advance(TimeDelta::days(90));
    keep_keys(server).await;
    let second = sealed(server).await;
    for object in [&first, &second] {
        signing.ask(object, &[]).await.assert_code();
    }
    assert_eq!(server.count("encryption_key").await, 6);
    // When no cache has the old ones any more, they are gone.
    server.advance(TimeDelta::hours(3));
    keep_keys(server).await;
    assert_eq!(server.count("encryption_key").await, 3);
    let outside = [("redirect_uri", REDIRECT_URI), ("response_type", "code")];
    signing.ask(&first, &outside).await.assert_refused("invalid_request_object");
    signing.ask(&second, &[]).await.assert_code();
    // Private halves are sealed.
    for row in server.database.rows_as_text("encryption_key").await {
        assert!(!row.contains("\"d\""), "{row}");
    }
}
