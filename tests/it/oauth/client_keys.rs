//! Keys of clients behind their `jwks_uri` (OpenID Connect Core §10.1.1).

use chrono::TimeDelta;
use countersign_jose::{Algorithm, PrivateKey};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use crate::harness::{ISSUER, Reply, Server, Site, b64, confidential};

/// A service that publishes its keys on a site of its own.
struct Service {
    server: Server,
    site: Site,
}

impl Service {
    async fn start() -> Self {
        let (server, site) = (Server::start().await, Site::open().await);
        let uri = site.url("/jwks.json");
        let client = confidential(ClientAuthMethod::PrivateKeyJwt, |client| {
            client.grant_types = [GrantType::ClientCredentials].into();
            client.jwks_uri = Some(uri.parse().unwrap());
        });
        server.add_client("service", client).await;
        Self { server, site }
    }

    fn publish(&self, keys: &[&PrivateKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public_jwk().to_value()).collect();
        self.site.put("/jwks.json", json!({ "keys": keys }).to_string());
    }

    async fn present(&self, key: &PrivateKey) -> Reply {
        let assertion = key.signer().unwrap().sign("JWT", &self.claims()).unwrap();
        self.send(&assertion).await
    }

    /// The same without the name of the key.
    async fn present_nameless(&self, key: &PrivateKey) -> Reply {
        let input = format!("{}.{}", b64(r#"{"alg":"ES256"}"#), b64(self.claims().to_string()));
        let signature = key.signer().unwrap().sign_detached(input.as_bytes()).unwrap();
        self.send(&format!("{input}.{}", b64(signature))).await
    }

    fn claims(&self) -> Value {
        json!({
            "iss": "service",
            "sub": "service",
            "aud": ISSUER,
            "exp": self.server.clock.now().timestamp() + 60,
            "jti": self.server.app.random.id(),
        })
    }

    async fn send(&self, assertion: &str) -> Reply {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        self.server.post("/token", &[], &form).await
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap()
}

#[tokio::test]
async fn keys_are_fetched_once_and_remembered() {
    let (service, key) = (Service::start().await, key());
    service.publish(&[&key]);
    for _ in 0..5 {
        assert_eq!(service.present(&key).await.status, 200);
    }
    assert_eq!(service.site.visits(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_as_soon_as_it_is_used() {
    let (service, old, new) = (Service::start().await, key(), key());
    service.publish(&[&old]);
    assert_eq!(service.present(&old).await.status, 200);
    service.server.advance(TimeDelta::seconds(5));
    service.publish(&[&new]);
    assert_eq!(service.present(&new).await.status, 200);
    // What is no more among them is good for nothing.
    service.present(&old).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn invented_kids_do_not_hammer_the_client() {
    let (service, own, foreign) = (Service::start().await, key(), key());
    service.publish(&[&own]);
    assert_eq!(service.present(&own).await.status, 200);
    for _ in 0..3 {
        for _ in 0..10 {
            service.present(&foreign).await.assert_error(401, "invalid_client");
        }
        service.server.advance(TimeDelta::seconds(5));
    }
    assert_eq!(service.site.visits(), 3, "at the start, and once in five seconds");
    // And while its site is away, they take nothing from the client.
    service.site.remove("/jwks.json");
    service.present(&foreign).await.assert_error(401, "invalid_client");
    assert_eq!(service.site.visits(), 4);
    assert_eq!(service.present(&own).await.status, 200);
}

#[tokio::test]
async fn one_odd_key_does_not_shut_out_the_others() {
    let (service, good) = (Service::start().await, key());
    let small = json!({ "kty": "RSA", "kid": "small", "n": "AQAB", "e": "AQAB" });
    service.site.put("/jwks.json", json!({ "keys": [small, good.public_jwk().to_value()] }).to_string());
    assert_eq!(service.present(&good).await.status, 200);
}

#[tokio::test]
async fn without_keys_nobody_is_who_they_say() {
    let (service, key) = (Service::start().await, key());
    for body in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        service.site.put("/jwks.json", body);
        service.present(&key).await.assert_error(401, "invalid_client");
        service.server.advance(TimeDelta::hours(1));
    }
    service.site.remove("/jwks.json");
    service.present(&key).await.assert_error(401, "invalid_client");
    // The failure is remembered for a minute.
    service.publish(&[&key]);
    service.present(&key).await.assert_error(401, "invalid_client");
    service.server.advance(TimeDelta::seconds(60));
    assert_eq!(service.present(&key).await.status, 200);
}

/// With a single key there need be no `kid` (OpenID Connect Core §10.1).
#[tokio::test]
async fn a_single_key_without_a_name_may_be_replaced() {
    let (service, first, second) = (Service::start().await, key(), key());
    let nameless = |key: &PrivateKey| {
        let mut jwk = key.public_jwk().to_value();
        jwk.as_object_mut().unwrap().remove("kid");
        service.site.put("/jwks.json", json!({ "keys": [jwk] }).to_string());
    };
    nameless(&first);
    assert_eq!(service.present_nameless(&first).await.status, 200);
    nameless(&second);
    service.server.advance(TimeDelta::seconds(6));
    assert_eq!(service.present_nameless(&second).await.status, 200);
    assert_eq!(service.present_nameless(&first).await.status, 401);
}
