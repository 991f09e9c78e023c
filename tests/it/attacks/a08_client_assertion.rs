//! Attack 8: client assertions that were used before, meant for someone else, or signed by someone else (RFC 7523 §3).

use std::sync::LazyLock;

use countersign_jose::{Algorithm, JwkSet, PrivateKey, Signer};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use crate::harness::{Forger, ISSUER, Reply, SECRET, Server, TestClient, basic, confidential, merge};

static RSA: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());
static OTHERS: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());
static EC: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::ES256).unwrap());

fn with_keys(keys: &[&PrivateKey], algorithm: Option<Algorithm>) -> TestClient {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk().to_value()).collect();
    confidential(ClientAuthMethod::PrivateKeyJwt, |client| {
        client.jwks = Some(JwkSet::parse(&json!({ "keys": keys })).unwrap());
        client.token_endpoint_auth_signing_alg = algorithm;
        client.grant_types = [GrantType::ClientCredentials].into();
    })
}

async fn server() -> Server {
    let server = Server::start().await;
    server.add_client("service", with_keys(&[&RSA, &EC], None)).await;
    server.add_client("rsa-alone", with_keys(&[&RSA, &EC], Some(Algorithm::RS256))).await;
    server.add_client("other", with_keys(&[&OTHERS], None)).await;
    let shared = confidential(ClientAuthMethod::ClientSecretJwt, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
    });
    server.add_client("shared", shared).await;
    server
}

/// Good claims, with these beside or instead; a null takes one away.
fn claims(server: &Server, client: &str, change: &Value) -> Value {
    let now = server.clock.now().timestamp();
    let good = json!({ "iss": client, "sub": client, "aud": ISSUER, "jti": server.app.random.id(), "iat": now, "exp": now + 60 });
    let mut changed = merge(&good, change);
    changed.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    changed
}

fn form(assertion: &str) -> [(&str, &str); 3] {
    [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]
}

async fn present(server: &Server, assertion: &str) -> Reply {
    server.post("/token", &[], &form(assertion)).await
}

/// Signs with the right key.
fn sign(claims: &Value) -> String {
    RSA.signer().unwrap().sign("JWT", claims).unwrap()
}

/// Tries an assertion of `service` that is good but for this.
async fn try_with(server: &Server, change: &Value) -> Reply {
    present(server, &sign(&claims(server, "service", change))).await
}

async fn assert_refused(changes: &[Value]) {
    let server = server().await;
    for change in changes {
        let reply = try_with(&server, change).await;
        assert_eq!(reply.status, 401, "{change}: {}", reply.text());
        reply.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn a_good_one_is_taken() {
    let server = server().await;
    assert_eq!(try_with(&server, &json!({})).await.status, 200);
    assert_eq!(try_with(&server, &json!({ "aud": format!("{ISSUER}/token") })).await.status, 200);
    let by_ec = EC.signer().unwrap().sign("JWT", &claims(&server, "service", &json!({}))).unwrap();
    assert_eq!(present(&server, &by_ec).await.status, 200);
    let shared = Signer::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap();
    let by_secret = shared.sign("JWT", &claims(&server, "shared", &json!({}))).unwrap();
    assert_eq!(present(&server, &by_secret).await.status, 200);
}

#[tokio::test]
async fn a_replayed_jti() {
    let server = server().await;
    let assertion = sign(&claims(&server, "service", &json!({})));
    assert_eq!(present(&server, &assertion).await.status, 200);
    present(&server, &assertion).await.assert_error(401, "invalid_client");
    server.advance(chrono::TimeDelta::seconds(69));
    present(&server, &assertion).await.assert_error(401, "invalid_client");

    let server = server.restart().await;
    present(&server, &assertion).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn a_replayed_jti_at_another_endpoint() {
    let server = server().await;
    let assertion = sign(&claims(&server, "service", &json!({})));
    assert_eq!(present(&server, &assertion).await.status, 200);
    for path in ["/introspect", "/revoke"] {
        let mut form = form(&assertion).to_vec();
        form.push(("token", "a"));
        server.post(path, &[], &form).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_jti_replayed_by_many_at_once() {
    let server = server().await;
    let assertion = sign(&claims(&server, "service", &json!({})));
    let replies = server.post_at_once("/token", &[], &form(&assertion)).await;
    let (good, bad): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!(good.len(), 1);
    for reply in bad {
        reply.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn no_jti() {
    let long = "a".repeat(257);
    let nul = "a\u{0}b";
    let jtis = [json!(null), json!(""), json!(long), json!(nul), json!(1), json!(["a"])];
    assert_refused(&jtis.map(|jti| json!({ "jti": jti }))).await;
}

#[tokio::test]
async fn a_wrong_audience() {
    let audiences = [
        json!(null),
        json!(""),
        json!("service"),
        json!("https://other.example"),
        json!("http://localhost:8080/"),
        json!("http://localhost:8080/introspect"),
        json!("http://LOCALHOST:8080"),
        json!("http://localhost:8080@evil.example"),
        json!([]),
        json!([ISSUER, "https://other.example"]),
        json!([ISSUER, "http://localhost:8080/token"]),
    ];
    assert_refused(&audiences.map(|aud| json!({ "aud": aud }))).await;
}

#[tokio::test]
async fn no_expiry() {
    assert_refused(&[json!(null), json!("never"), json!(0), json!(-1), json!([])].map(|exp| json!({ "exp": exp })))
        .await;
}

#[tokio::test]
async fn a_far_expiry() {
    let server = server().await;
    let now = server.clock.now().timestamp();
    for exp in [now + 3_611, now + 86_400, i64::from(u32::MAX) * 4, i64::MAX] {
        try_with(&server, &json!({ "exp": exp })).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn past_its_expiry() {
    let server = server().await;
    let now = server.clock.now().timestamp();
    for exp in [now - 10, now - 3_600, i64::MIN] {
        try_with(&server, &json!({ "exp": exp })).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn before_its_time() {
    let server = server().await;
    let later = server.clock.now().timestamp() + 11;
    for change in [json!({ "iat": later }), json!({ "nbf": later }), json!({ "nbf": i64::MAX })] {
        try_with(&server, &change).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn another_clients_key() {
    let server = server().await;
    let forged = OTHERS.signer().unwrap().sign("JWT", &claims(&server, "service", &json!({}))).unwrap();
    present(&server, &forged).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn another_clients_name() {
    let changes = [
        json!({ "iss": "other" }),
        json!({ "sub": "other" }),
        json!({ "iss": "other", "sub": "other" }),
        json!({ "iss": "nobody", "sub": "nobody" }),
        json!({ "iss": ISSUER }),
        json!({ "sub": null }),
        json!({ "iss": null }),
        json!({ "sub": ["service"] }),
    ];
    assert_refused(&changes).await;
    let server = server().await;
    let assertion = sign(&claims(&server, "service", &json!({})));
    let mut form = form(&assertion).to_vec();
    form.push(("client_id", "other"));
    server.post("/token", &[], &form).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn a_name_that_no_database_would_take() {
    assert_refused(&["a\u{0}b", "\u{0}", "' OR '1'='1", ""].map(|name| json!({ "iss": name, "sub": name }))).await;
}

#[tokio::test]
async fn an_algorithm_that_was_not_registered() {
    let server = server().await;
    let by_ec = EC.signer().unwrap().sign("JWT", &claims(&server, "rsa-alone", &json!({}))).unwrap();
    present(&server, &by_ec).await.assert_error(401, "invalid_client");
    let by_rsa = sign(&claims(&server, "rsa-alone", &json!({})));
    assert_eq!(present(&server, &by_rsa).await.status, 200);
}

#[tokio::test]
async fn a_secret_where_a_key_was_registered() {
    let server = server().await;
    let pem = Forger::new(PrivateKey::from_jwk_bytes(&RSA.to_jwk_bytes()).unwrap()).public_pem();
    for secret in [pem.as_slice(), SECRET.as_bytes()] {
        let signer = Signer::hmac(Algorithm::HS256, secret).unwrap();
        let forged = signer.sign("JWT", &claims(&server, "service", &json!({}))).unwrap();
        present(&server, &forged).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn a_key_where_a_secret_was_registered() {
    let server = server().await;
    let forged = sign(&claims(&server, "shared", &json!({})));
    present(&server, &forged).await.assert_error(401, "invalid_client");
    let wrong = Signer::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let wrong = wrong.sign("JWT", &claims(&server, "shared", &json!({}))).unwrap();
    present(&server, &wrong).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn another_way_than_the_registered_one() {
    let server = server().await;
    let grant = ("grant_type", "client_credentials");
    for client in ["service", "shared"] {
        let header = basic(client, SECRET);
        server.post("/token", &[("authorization", &header)], &[grant]).await.assert_error(401, "invalid_client");
        for secret in [SECRET, ""] {
            let form = [grant, ("client_id", client), ("client_secret", secret)];
            server.post("/token", &[], &form).await.assert_error(401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn of_another_type() {
    let server = server().await;
    let assertion = sign(&claims(&server, "service", &json!({})));
    for kind in ["", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "jwt-bearer"] {
        let mut form = form(&assertion);
        form[1].1 = kind;
        server.post("/token", &[], &form).await.assert_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_refused_one_does_not_spend_its_jti() {
    let server = server().await;
    let jti = json!({ "jti": "chosen" });
    let forged = OTHERS.signer().unwrap().sign("JWT", &claims(&server, "service", &jti)).unwrap();
    present(&server, &forged).await.assert_error(401, "invalid_client");
    assert_eq!(try_with(&server, &jti).await.status, 200);
}
