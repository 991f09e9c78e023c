//! Attacks 2, 7 and 9 by way of request objects: what is repeated or nested in them, hostile JWTs in their place, and addresses that
//! they are to be fetched from.

use countersign::domain::client::ClientMetadata;
use countersign_jose::{Algorithm, JwkSet, PrivateKey, Signer};
use countersign_types::ClientAuthMethod;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{CHALLENGE, Forger, ISSUER, REDIRECT_URI, Reply, Server, b64, confidential, encode, merge};

struct Target {
    server: Server,
    clients: Forger,
}

impl Target {
    async fn new() -> Self {
        let clients = Forger::new(PrivateKey::generate(Algorithm::RS256).unwrap());
        let server = Server::start().await;
        server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, with_keys(&clients))).await;
        Self { server, clients }
    }

    async fn ask(&self, object: &str) -> Reply {
        let outside = [("client_id", "app"), ("redirect_uri", REDIRECT_URI), ("request", object)];
        let form = self.server.post("/authorize", &[], &outside).await;
        let query = self.server.get(&format!("/authorize?{}", encode(&outside))).await;
        assert_eq!(form.location().contains("error="), query.location().contains("error="));
        query
    }

    #[track_caller]
    fn assert_object_refused(reply: &Reply) {
        reply.assert_refused("invalid_request_object");
    }
}

fn with_keys(keys: &Forger) -> impl FnOnce(&mut ClientMetadata) {
    let jwks = JwkSet::parse(&json!({ "keys": [keys.public()] })).unwrap();
    |client| client.jwks = Some(jwks)
}

fn whole() -> Value {
    json!({
        "iss": "app", "aud": ISSUER, "client_id": "app", "response_type": "code", "redirect_uri": REDIRECT_URI,
        "scope": "openid", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
}

#[tokio::test]
async fn the_object_is_right_but_for_the_attack() {
    let target = Target::new().await;
    let reply = target.ask(&target.clients.sign("oauth-authz-req+jwt", &json!({}), &whole())).await;
    assert!(reply.location().starts_with("/login"), "{}", reply.location());
}

#[tokio::test]
async fn members_twice_or_as_arrays_in_a_request_object() {
    let target = Target::new().await;
    let header = r#"{"alg":"RS256"}"#;
    let text = whole().to_string();
    for (name, other) in [("scope", "openid email"), ("redirect_uri", "https://evil.example/"), ("client_id", "app")] {
        let twice = format!("{},\"{name}\":\"{other}\"}}", text.strip_suffix('}').unwrap());
        Target::assert_object_refused(&target.ask(&target.clients.sign_text(header, &twice)).await);
        let array = merge(&whole(), &json!({ name: [whole()[name], other] }));
        Target::assert_object_refused(&target.ask(&target.clients.sign("JWT", &json!({}), &array)).await);
    }
    // Once in it and once beside it: what stands beside does not count.
    let object = target.clients.sign("JWT", &json!({}), &merge(&whole(), &json!({ "prompt": "none" })));
    let beside = [("client_id", "app"), ("request", object.as_str()), ("prompt", "login"), ("scope", "openid email")];
    let reply = target.server.get(&format!("/authorize?{}", encode(&beside))).await;
    reply.assert_refused("login_required");
}

#[tokio::test]
async fn hostile_tokens_in_place_of_a_request_object() {
    let target = Target::new().await;
    let claims = whole();
    let thief = Forger::new(PrivateKey::generate(Algorithm::RS256).unwrap());
    let with_header = |further: Value| target.clients.sign("JWT", &further, &claims);
    let hmac = Signer::hmac(Algorithm::HS256, &target.clients.public_pem()).unwrap();
    let deep = format!("{{\"client_id\":\"app\",\"x\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let objects = [
        format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(claims.to_string())),
        hmac.sign("JWT", &claims).unwrap(),
        thief.sign("JWT", &json!({ "kid": target.clients.kid() }), &claims),
        thief.sign("JWT", &json!({ "jwk": thief.public() }), &claims),
        with_header(json!({ "jku": "https://evil.example/keys" })),
        with_header(json!({ "x5u": "https://evil.example/cert" })),
        with_header(json!({ "kid": "../../keys/master.key" })),
        with_header(json!({ "kid": "' OR 1=1 --" })),
        with_header(json!({ "kid": 7 })),
        with_header(json!({ "crit": ["exp"] })),
        with_header(json!({ "zip": "DEF" })),
        with_header(json!({ "typ": "at+jwt" })),
        target.clients.sign_text(r#"{"alg":"RS256","alg":"RS256"}"#, &claims.to_string()),
        target.clients.sign_text(r#"{"alg":"RS256"}"#, &deep),
        target.clients.sign_text(r#"{"alg":"RS256"}"#, "[]"),
        "..".to_owned(),
        "....".to_owned(),
        format!("{}.....", b64(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#)),
        format!("{}.AA..AA.", b64(r#"{"alg":"dir","enc":"A256GCM"}"#)),
        "a".repeat(60_000),
    ];
    for object in &objects {
        let outside = [("client_id", "app"), ("redirect_uri", REDIRECT_URI), ("request", object.as_str())];
        let reply = target.server.post("/authorize", &[], &outside).await;
        Target::assert_object_refused(&reply);
    }
    // More than a form may hold is refused before anything is read.
    let outside = [("client_id", "app"), ("request", &*"a".repeat(1_000_000))];
    assert_eq!(target.server.post("/authorize", &[], &outside).await.status, 413);
}

#[tokio::test]
async fn a_request_uri_that_leads_inside() {
    let server = Server::production().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let uris = [
        format!("https://127.0.0.1:{port}/object"),
        format!("https://localhost:{port}/object"),
        format!("https://[::ffff:127.0.0.1]:{port}/object"),
        format!("http://127.0.0.1:{port}/object"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/object".to_owned(),
    ];
    let registered: Vec<_> = uris.iter().map(|uri| uri.parse().unwrap()).collect();
    let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| client.request_uris = registered);
    server.add_client("app", client).await;
    for uri in &uris {
        let outside = [("client_id", "app"), ("redirect_uri", REDIRECT_URI), ("request_uri", uri.as_str())];
        let query = server.get(&format!("/authorize?{}", encode(&outside))).await.assert_refused("invalid_request_uri");
        // Nobody learns what lies behind: the words are the same everywhere.
        assert_eq!(query["error_description"], "the request object cannot be fetched from its request_uri");
    }
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(1), listener.accept()).await;
    assert!(nobody.is_err(), "somebody knocked");
}
