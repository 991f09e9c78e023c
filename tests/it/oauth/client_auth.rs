//! Client authentication (RFC 6749 §2.3, RFC 7523 §3, OpenID Connect Core §9).

use chrono::TimeDelta;
use countersign::domain::{
    client::{ClientMetadata, StoredSecret},
    credential::Password,
};
use countersign_jose::{Algorithm, JwkSet, PrivateKey, Signer};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use crate::harness::{ISSUER, Reply, SECRET, Server, TestClient, basic, confidential, public};

const REQUEST: (&str, &str) = ("grant_type", "client_credentials");
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that gets a token as soon as it has proven who it is.
fn service(method: ClientAuthMethod) -> TestClient {
    confidential(method, |client| client.grant_types = [GrantType::ClientCredentials].into())
}

/// The same with a key of its own.
fn service_with_key(key: &PrivateKey, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    confidential(ClientAuthMethod::PrivateKeyJwt, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
        client.jwks = Some(JwkSet::parse(&json!({ "keys": [key.public_jwk().to_value()] })).unwrap());
        change(client);
    })
}

fn elliptic_key() -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap()
}

fn hmac() -> Signer {
    Signer::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap()
}

/// The claims of a good assertion, with these members beside or instead of the usual ones; `null` takes one away.
fn assertion(server: &Server, change: &Value) -> Value {
    let now = server.clock.now().timestamp();
    let mut claims =
        json!({ "iss": "service", "sub": "service", "aud": ISSUER, "exp": now + 60, "jti": server.app.random.id() });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

async fn present(server: &Server, assertion: &str) -> Reply {
    let form = [REQUEST, ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
    server.post("/token", &[], &form).await
}

/// Signs an assertion with the secret and presents it.
async fn present_claims(server: &Server, change: Value) -> Reply {
    present(server, &hmac().sign("JWT", &assertion(server, &change)).unwrap()).await
}

async fn with_secret_jwt() -> Server {
    let server = Server::start().await;
    server.add_client("service", service(ClientAuthMethod::ClientSecretJwt)).await;
    server
}

#[tokio::test]
async fn client_secret_basic_has_form_encoded_halves() {
    let server = Server::start().await;
    let id = "a service:with %41+odd/signs";
    server.add_client(id, service(ClientAuthMethod::ClientSecretBasic)).await;
    assert_eq!(server.token(id, &[REQUEST]).await.status, 200);
    // The scheme's letter case makes no difference (RFC 9110 §11.1); client_id may be repeated in the form.
    let lower_case = basic(id, SECRET).replace("Basic", "bAsIc");
    let reply = server.post("/token", &[("authorization", &lower_case)], &[REQUEST, ("client_id", id)]).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn client_secret_post_is_read_from_the_form() {
    let server = Server::start().await;
    server.add_client("service", service(ClientAuthMethod::ClientSecretPost)).await;
    let form = [REQUEST, ("client_id", "service"), ("client_secret", SECRET)];
    assert_eq!(server.post("/token", &[], &form).await.status, 200);
}

#[tokio::test]
async fn private_key_jwt_is_checked_with_the_registered_keys() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256] {
        let (server, key) = (Server::start().await, PrivateKey::generate(algorithm).unwrap());
        server.add_client("service", service_with_key(&key, |_| {})).await;
        let signer = key.signer().unwrap();
        let good = signer.sign("JWT", &assertion(&server, &json!({}))).unwrap();
        assert_eq!(present(&server, &good).await.status, 200, "{algorithm}");
    }
}

#[tokio::test]
async fn client_secret_jwt_is_checked_with_the_secret() {
    let server = with_secret_jwt().await;
    assert_eq!(present_claims(&server, json!({})).await.status, 200);
    let wrong = Signer::hmac(Algorithm::HS256, b"another secret of more than thirty-two bytes").unwrap();
    let forged = wrong.sign("JWT", &assertion(&server, &json!({}))).unwrap();
    present(&server, &forged).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn a_public_client_only_says_who_it_is() {
    let server = Server::start().await;
    server.add_client("app", public()).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", "none"), ("client_id", "app")];
    server.post("/token", &[], &form).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_imported_secret_is_compared_by_argon2() {
    let server = Server::start().await;
    let mut client = server.add_client("service", service(ClientAuthMethod::ClientSecretBasic)).await;
    let phc = server.app.passwords.hash(&Password::typed("imported".to_owned()).unwrap()).await.unwrap();
    client.secret = Some(StoredSecret::Argon2(phc));
    server.update_client(&client).await;
    let try_with =
        async |secret| server.post("/token", &[("authorization", &basic("service", secret))], &[REQUEST]).await;
    assert_eq!(try_with("imported").await.status, 200);
    try_with(SECRET).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn each_client_has_one_method() {
    let server = Server::start().await;
    let key = elliptic_key();
    server.add_client("basic", service(ClientAuthMethod::ClientSecretBasic)).await;
    server.add_client("post", service(ClientAuthMethod::ClientSecretPost)).await;
    server.add_client("key", service_with_key(&key, |_| {})).await;
    server.add_client("public", public()).await;
    server.add_client("service", service(ClientAuthMethod::ClientSecretJwt)).await;

    for client in ["post", "key", "public", "service", "unknown"] {
        server.token(client, &[REQUEST]).await.assert_error(401, "invalid_client");
    }
    for client in ["basic", "key", "public", "service", "unknown"] {
        let form = [REQUEST, ("client_id", client), ("client_secret", SECRET)];
        server.post("/token", &[], &form).await.assert_error(401, "invalid_client");
    }
    for client in ["basic", "post", "key", "service", "unknown"] {
        server.post("/token", &[], &[REQUEST, ("client_id", client)]).await.assert_error(401, "invalid_client");
    }
    for client in ["basic", "post", "key", "public", "unknown"] {
        let named = json!({ "iss": client, "sub": client });
        present_claims(&server, named).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn two_methods_at_once_are_an_invalid_request() {
    let server = with_secret_jwt().await;
    server.add_client("basic", service(ClientAuthMethod::ClientSecretBasic)).await;
    let header = [("authorization", &*basic("basic", SECRET))];
    let jwt = hmac().sign("JWT", &assertion(&server, &json!({}))).unwrap();
    let by_assertion = [("client_assertion_type", JWT_BEARER), ("client_assertion", &*jwt)];
    let by_post = [("client_id", "basic"), ("client_secret", SECRET)];

    server.post("/token", &header, &[&[REQUEST][..], &by_post].concat()).await.assert_error(400, "invalid_request");
    server
        .post("/token", &header, &[&[REQUEST][..], &by_assertion].concat())
        .await
        .assert_error(400, "invalid_request");
    let both = [&[REQUEST, ("client_secret", SECRET)][..], &by_assertion].concat();
    server.post("/token", &[], &both).await.assert_error(400, "invalid_request");
    let twice = [header[0], header[0]];
    server.post("/token", &twice, &[REQUEST]).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn client_id_must_not_name_another_client() {
    let server = with_secret_jwt().await;
    server.add_client("basic", service(ClientAuthMethod::ClientSecretBasic)).await;
    let other = ("client_id", "other");
    server.token("basic", &[REQUEST, other]).await.assert_error(400, "invalid_request");
    let jwt = hmac().sign("JWT", &assertion(&server, &json!({}))).unwrap();
    let form = [REQUEST, other, ("client_assertion_type", JWT_BEARER), ("client_assertion", &jwt)];
    server.post("/token", &[], &form).await.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn failed_authentication_is_401_with_a_challenge_when_basic_was_tried() {
    let server = Server::start().await;
    server.add_client("basic", service(ClientAuthMethod::ClientSecretBasic)).await;
    server.add_client("post", service(ClientAuthMethod::ClientSecretPost)).await;
    for credentials in [&*basic("basic", "wrong"), &basic("unknown", SECRET), "Basic !", "Basic", "Bearer x"] {
        let reply = server.post("/token", &[("authorization", credentials)], &[REQUEST]).await;
        reply.assert_error(401, "invalid_client");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Basic realm="), "{credentials}");
    }
    for form in [&[REQUEST, ("client_id", "post"), ("client_secret", "wrong")][..], &[REQUEST]] {
        let reply = server.post("/token", &[], form).await;
        reply.assert_error(401, "invalid_client");
        assert!(reply.header("www-authenticate").is_none());
    }
}

#[tokio::test]
async fn a_disabled_client_is_as_good_as_unknown() {
    let server = Server::start().await;
    let mut client = server.add_client("service", service(ClientAuthMethod::ClientSecretBasic)).await;
    client.enabled = false;
    server.update_client(&client).await;
    let (disabled, unknown) = (server.token("service", &[REQUEST]).await, server.token("unknown", &[REQUEST]).await);
    disabled.assert_error(401, "invalid_client");
    assert_eq!(disabled.text(), unknown.text());
}

#[tokio::test]
async fn the_audience_of_an_assertion_is_the_issuer_or_the_token_endpoint_and_nothing_beside() {
    let server = with_secret_jwt().await;
    let token_endpoint = format!("{ISSUER}/token");
    for aud in [json!(ISSUER), json!(token_endpoint), json!([ISSUER])] {
        assert_eq!(present_claims(&server, json!({ "aud": aud })).await.status, 200, "{aud}");
    }
    let slash = format!("{ISSUER}/");
    let others =
        [json!(null), json!(slash), json!("https://other.example"), json!([]), json!([ISSUER, token_endpoint])];
    for aud in others {
        present_claims(&server, json!({ "aud": aud })).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn an_assertion_expires_at_most_an_hour_ahead() {
    let server = with_secret_jwt().await;
    let now = server.clock.now().timestamp();
    // Clocks may differ by ten seconds.
    for good in [-9, 3600, 3610] {
        assert_eq!(present_claims(&server, json!({ "exp": now + good })).await.status, 200, "{good}");
    }
    for bad in [json!(now - 10), json!(now + 3611), json!(i64::MAX), json!(null), json!("soon")] {
        present_claims(&server, json!({ "exp": bad })).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn an_assertion_from_the_future_is_refused_beyond_ten_seconds() {
    let server = with_secret_jwt().await;
    let now = server.clock.now().timestamp();
    for member in ["iat", "nbf"] {
        assert_eq!(present_claims(&server, json!({ (member): now + 10 })).await.status, 200, "{member}");
        present_claims(&server, json!({ (member): now + 11 })).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn a_jti_works_once_until_the_assertion_expires() {
    let server = with_secret_jwt().await;
    let exp = server.clock.now().timestamp() + 60;
    let once = json!({ "jti": "once", "exp": exp });
    assert_eq!(present_claims(&server, once.clone()).await.status, 200);
    present_claims(&server, once.clone()).await.assert_error(401, "invalid_client");
    // Ten seconds of skew let it live longer, and it is remembered as long, whatever is swept.
    server.advance(TimeDelta::seconds(69));
    server.keep_house().await;
    present_claims(&server, once).await.assert_error(401, "invalid_client");
    server.advance(TimeDelta::seconds(1));
    assert_eq!(present_claims(&server, json!({ "jti": "once" })).await.status, 200);
}

#[tokio::test]
async fn a_jti_is_remembered_across_a_restart_and_by_other_nodes() {
    let server = with_secret_jwt().await;
    let jwt = hmac().sign("JWT", &assertion(&server, &json!({}))).unwrap();
    assert_eq!(present(&server, &jwt).await.status, 200);
    present(&server.beside().await, &jwt).await.assert_error(401, "invalid_client");
    present(&server.restart().await, &jwt).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn each_client_has_jtis_of_its_own() {
    let server = with_secret_jwt().await;
    server.add_client("other", service(ClientAuthMethod::ClientSecretJwt)).await;
    assert_eq!(present_claims(&server, json!({ "jti": "same" })).await.status, 200);
    let other = json!({ "jti": "same", "iss": "other", "sub": "other" });
    assert_eq!(present_claims(&server, other).await.status, 200);
}

#[tokio::test]
async fn an_assertion_without_what_rfc_7523_requires_is_refused() {
    let server = with_secret_jwt().await;
    let long = "x".repeat(257);
    for change in [
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": long }),
        json!({ "jti": "\u{0}" }),
        json!({ "iss": null }),
        json!({ "iss": "other" }),
        json!({ "sub": null }),
    ] {
        present_claims(&server, change).await.assert_error(401, "invalid_client");
    }
    let jwt = hmac().sign("JWT", &assertion(&server, &json!({}))).unwrap();
    for kind in ["", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"] {
        let form = [REQUEST, ("client_assertion_type", kind), ("client_assertion", &jwt)];
        server.post("/token", &[], &form).await.assert_error(400, "invalid_request");
    }
    present(&server, "not a JWT").await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn only_the_registered_algorithm_is_accepted() {
    let (server, key) = (Server::start().await, PrivateKey::generate(Algorithm::RS256).unwrap());
    let only = |algorithm| move |client: &mut ClientMetadata| client.token_endpoint_auth_signing_alg = Some(algorithm);
    server.add_client("service", service_with_key(&key, only(Algorithm::PS256))).await;
    let jwt = key.signer().unwrap().sign("JWT", &assertion(&server, &json!({}))).unwrap();
    present(&server, &jwt).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn another_clients_key_does_not_fit() {
    let (server, key) = (Server::start().await, elliptic_key());
    server.add_client("service", service_with_key(&key, |_| {})).await;
    let jwt = elliptic_key().signer().unwrap().sign("JWT", &assertion(&server, &json!({}))).unwrap();
    present(&server, &jwt).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn a_failure_of_a_known_client_is_recorded() {
    let server = Server::start().await;
    server.add_client("service", service(ClientAuthMethod::ClientSecretBasic)).await;
    server.post("/token", &[("authorization", &basic("service", "wrong"))], &[REQUEST]).await;
    let event = server.audit(1).await.remove(0);
    assert_eq!((event.kind.as_str(), event.client.as_deref()), ("client.authentication_failed", Some("service")));
}

#[tokio::test]
async fn every_answer_is_json_that_nobody_keeps() {
    let server = Server::start().await;
    server.add_client("service", service(ClientAuthMethod::ClientSecretBasic)).await;
    let good = server.token("service", &[REQUEST]).await;
    let bad = server.token("service", &[]).await;
    let unauthenticated = server.token("unknown", &[REQUEST]).await;
    bad.assert_error(400, "invalid_request");
    for reply in [good, bad, unauthenticated] {
        assert!(reply.json().is_object());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn parameters_are_not_repeated_and_come_in_a_form() {
    let server = Server::start().await;
    server.add_client("service", service(ClientAuthMethod::ClientSecretBasic)).await;
    server.token("service", &[REQUEST, REQUEST]).await.assert_error(400, "invalid_request");
    let request = http::Request::post("/token")
        .header("authorization", basic("service", SECRET))
        .header("content-type", "application/json")
        .body(r#"{"grant_type":"client_credentials"}"#.into());
    server.send(request.unwrap()).await.assert_error(415, "invalid_request");
    // In the query they would end up in logs.
    let header = [("authorization", &*basic("service", SECRET))];
    let reply = server.post("/token?grant_type=client_credentials", &header, &[]).await;
    reply.assert_error(400, "invalid_request");
}
