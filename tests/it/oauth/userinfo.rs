//! The userinfo endpoint (OpenID Connect Core §5.3, RFC 6750).

use chrono::TimeDelta;
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use crate::harness::{Server, confidential};

const ADA: &str = "ada@example.com";

async fn start() -> Server {
    let server = Server::start().await;
    let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types.insert(GrantType::ClientCredentials);
    });
    server.add_client("app", client).await;
    let mut ada = server.add_user(ADA, Some("ada")).await;
    for (claim, value) in [("name", "Ada L"), ("phone_number", "+44 1"), ("address.country", "GB")] {
        ada.set_claim(claim, value).unwrap();
    }
    server.update_user(&ada).await;
    server
}

async fn token(server: &Server, scope: &str) -> String {
    server.sign_in("app", ADA, scope).await["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_scope_opens_its_own_claims() {
    let server = start().await;
    let without_sub = |mut claims: Value| {
        assert!(claims.as_object_mut().unwrap().remove("sub").is_some());
        claims
    };
    for (scope, expected) in [
        ("openid", json!({})),
        ("openid email", json!({"email": ADA, "email_verified": true})),
        ("openid address", json!({"address": {"country": "GB"}})),
        ("openid phone", json!({"phone_number": "+44 1", "phone_number_verified": false})),
        ("openid profile", json!({"name": "Ada L", "preferred_username": "ada", "updated_at": 1_800_000_000})),
    ] {
        let reply = server.userinfo(&token(&server, scope).await).await;
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(without_sub(reply.json()), expected, "{scope}");
    }
}

#[tokio::test]
async fn every_claim_is_told_in_its_type() {
    let server = start().await;
    let mut bob = server.add_user("bob@example.com", Some("bob")).await;
    let claims = [
        ("name", "Bob B"),
        ("family_name", "B"),
        ("given_name", "Bob"),
        ("middle_name", "X"),
        ("nickname", "bobby"),
        ("preferred_username", "bobby"),
        ("profile", "https://bob.example/"),
        ("picture", "https://bob.example/me.png"),
        ("website", "https://bob.example/blog"),
        ("gender", "male"),
        ("birthdate", "1990-01-31"),
        ("zoneinfo", "Europe/London"),
        ("locale", "en-GB"),
    ];
    let parts = ["formatted", "street_address", "locality", "region", "postal_code", "country"];
    for (claim, value) in claims {
        bob.set_claim(claim, value).unwrap();
    }
    for part in parts {
        bob.set_claim(&format!("address.{part}"), part).unwrap();
    }
    bob.set_claim("phone_number", "+44 1").unwrap();
    bob.set_claim("phone_number_verified", "true").unwrap();
    server.update_user(&bob).await;

    let mut expected = json!({
        "sub": bob.id, "updated_at": 1_800_000_000, "email": "bob@example.com", "email_verified": true,
        "phone_number": "+44 1", "phone_number_verified": true, "address": {},
    });
    for (claim, value) in claims {
        expected[claim] = value.into();
    }
    for part in parts {
        expected["address"][part] = part.into();
    }
    let tokens = server.sign_in("app", "bob@example.com", "openid profile email address phone").await;
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.json(), expected);
}

#[tokio::test]
async fn it_is_asked_by_get_or_post_with_the_token_in_header_or_form_and_never_in_the_query() {
    let server = start().await;
    let token = token(&server, "openid").await;
    let bearer = format!("Bearer {token}");
    assert_eq!(server.userinfo(&token).await.status, 200);
    assert_eq!(server.post("/userinfo", &[("authorization", &bearer)], &[]).await.status, 200);
    assert_eq!(server.post("/userinfo", &[], &[("access_token", &token)]).await.status, 200);
    assert_eq!(server.get(&format!("/userinfo?access_token={token}")).await.status, 401);
    let both = server.post("/userinfo", &[("authorization", &bearer)], &[("access_token", &token)]).await;
    both.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn a_token_that_is_no_good_is_401_with_a_challenge() {
    let server = start().await;
    let expired = token(&server, "openid").await;
    let id_token = server.sign_in("app", ADA, "openid").await["id_token"].as_str().unwrap().to_owned();
    server.advance(TimeDelta::minutes(10));
    for bad in [expired.as_str(), id_token.as_str(), "rubbish", "a.b.c"] {
        let reply = server.userinfo(bad).await;
        reply.assert_error(401, "invalid_token");
        assert!(reply.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    }
    let without = server.get("/userinfo").await;
    // Both ways to send one, and nothing of an error.
    let challenges: Vec<_> = without.headers.get_all("www-authenticate").iter().collect();
    let dpop = "DPoP realm=\"userinfo\", algs=\"ES256 EdDSA PS256\"";
    assert_eq!(without.status, 401);
    assert_eq!(challenges, ["Bearer realm=\"userinfo\"", dpop]);
}

#[tokio::test]
async fn a_token_without_openid_is_insufficient() {
    let server = start().await;
    let reply = server.userinfo(&token(&server, "email").await).await;
    reply.assert_error(403, "insufficient_scope");
    assert!(reply.header("www-authenticate").unwrap().contains("scope=\"openid\""));
    let own = server.token("app", &[("grant_type", "client_credentials")]).await.json();
    server.userinfo(own["access_token"].as_str().unwrap()).await.assert_error(403, "insufficient_scope");
}
