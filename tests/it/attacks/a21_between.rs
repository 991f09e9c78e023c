//! Attack 21: Redis stops, forgets or is started anew between any two requests of a person and an app, or PostgreSQL closes all
//! connections, as when it is started anew. Neither notices.

use chrono::TimeDelta;
use countersign::domain::client::ClientMetadata;
use countersign_jose::{Algorithm, PrivateKey};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::json;

use crate::harness::{ISSUER, Server, TestRedis, confidential};

const ADA: &str = "ada@example.com";
/// Requests of [`journey`] that something can happen before.
const STEPS: usize = 9;

/// From the first request of an app to the sign-out, with something that happens before each of them.
async fn journey(server: &Server, mut before: impl AsyncFnMut()) {
    let mut browser = server.browser();
    before().await;
    let login = browser.authorize("app", &[("scope", "openid offline_access"), ("prompt", "consent")]).await;
    before().await;
    let consent = browser.log_in(&login, ADA).await;
    before().await;
    let code = browser.submit(&consent, &[("approve", "yes")]).await.assert_code();
    before().await;
    let tokens = server.exchange("app", &code).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    before().await;
    assert_eq!(server.userinfo(access).await.status, 200);
    before().await;
    let refreshed = server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    before().await;
    assert_eq!(server.introspect("app", access).await["active"], true);
    before().await;
    assert_eq!(server.revoke("app", refreshed.json()["refresh_token"].as_str().unwrap()).await.status, 200);
    assert_eq!(server.introspect("app", access).await["active"], false);
    before().await;
    let question = browser.open("/logout").await;
    assert!(browser.submit(&question, &[("confirm", "1")]).await.text().contains("You are signed out"));
}

async fn start(settings: &str) -> Server {
    let server = Server::with_settings(settings).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    server
}

/// Lets something happen to Redis at each place of a journey, and the opposite after it.
async fn at_every_place(happens: impl Fn(&mut TestRedis), ends: impl Fn(&mut TestRedis)) {
    let mut redis = TestRedis::own();
    let server = start(&format!("redis.url = '{}'", redis.url())).await;
    for place in 0..STEPS {
        // The consent of before is not one to this request.
        server.advance(TimeDelta::seconds(1));
        let mut step = 0;
        journey(&server, async || {
            if step == place {
                happens(&mut redis);
            }
            step += 1;
        })
        .await;
        assert_eq!(step, STEPS);
        ends(&mut redis);
    }
}

/// What must be used once is refused when it cannot be told whether it was: never taken twice.
#[tokio::test]
async fn an_assertion_is_never_taken_twice_whatever_happens_to_redis() {
    let mut redis = TestRedis::own();
    let server = start(&format!("redis.url = '{}'", redis.url())).await;
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let jwks = json!({ "keys": [key.public_jwk().to_value()] });
    let with_key = |metadata: &mut ClientMetadata| {
        metadata.grant_types.insert(GrantType::ClientCredentials);
        metadata.jwks = Some(serde_json::from_value(jwks.clone()).unwrap());
    };
    server.add_client("keyed", confidential(ClientAuthMethod::PrivateKeyJwt, with_key)).await;
    let assertion = |jti: usize| {
        let exp = server.clock.now().timestamp() + 60;
        let claims = json!({ "iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": exp, "jti": jti.to_string() });
        key.signer().unwrap().sign("JWT", &claims).unwrap()
    };
    let present = async |assertion: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        server.post("/token", &[], &form).await.status
    };
    // What a Redis that nobody knew yet may have forgotten is over.
    server.app.ephemeral.redis_answers(server.clock.now()).await;
    server.advance(TimeDelta::hours(2));
    let mut taken = 0;
    for (at, what) in ["stop", "start", "forget", "wait", "anew", "wait"].into_iter().enumerate() {
        let used = assertion(2 * at);
        if present(&used).await == 200 {
            taken += 1;
        }
        match what {
            "stop" => redis.stop(),
            "start" => redis.start(),
            "forget" => redis.run::<()>("FLUSHALL"),
            "anew" => {
                redis.stop();
                redis.start();
            }
            _ => server.advance(TimeDelta::hours(2)),
        }
        assert!(matches!(present(&used).await, 401 | 503), "{what}: taken twice");
        assert!(matches!(present(&assertion(2 * at + 1)).await, 200 | 503), "{what}");
    }
    assert!(taken >= 2, "{taken}");
}

#[tokio::test]
async fn redis_stops() {
    at_every_place(TestRedis::stop, TestRedis::start).await;
}

#[tokio::test]
async fn redis_forgets() {
    at_every_place(|redis| redis.run::<()>("FLUSHALL"), |_| ()).await;
}

#[tokio::test]
async fn redis_is_started_anew() {
    let anew = |redis: &mut TestRedis| {
        redis.stop();
        redis.start();
    };
    at_every_place(anew, |_| ()).await;
}

#[tokio::test]
async fn all_connections_to_the_database_are_cut() {
    let server = start("").await;
    if server.database.is_sqlite() {
        // A file has no connections that anybody else could close.
        return;
    }
    let mut cuts = 0;
    journey(&server, async || {
        let others = "datname = current_database() AND pid <> pg_backend_pid()";
        server
            .database
            .execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
            .await;
        cuts += 1;
    })
    .await;
    assert_eq!(cuts, STEPS);
}
