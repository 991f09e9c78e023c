//! ID tokens and userinfo that are signed and encrypted as a client registered (OpenID Connect Core §5.3.2, §16.14).

use chrono::TimeDelta;
use countersign::domain::client::ClientMetadata;
use countersign_jose::{Algorithm, ContentEncryption, KeyManagement, decrypt};
use countersign_types::{ClientAuthMethod, ResponseType};
use serde_json::{Value, json};

use crate::harness::{EncryptionPair, Server, Site, claims, confidential, jose_header};

const ADA: &str = "ada@example.com";
const ALL: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

async fn start_with(change: impl FnOnce(&mut ClientMetadata)) -> Server {
    let server = Server::with_settings("keys.algorithms = ['EdDSA', 'RS256', 'PS256', 'ES256']").await;
    server.advance(TimeDelta::hours(1) + TimeDelta::seconds(11));
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, change)).await;
    server.add_user(ADA, None).await;
    server
}

/// Checks a signature by our JWKS: the claims.
async fn verified(server: &Server, token: &str, algorithm: Algorithm) -> Value {
    let header = jose_header(token);
    assert_eq!(header["alg"], algorithm.name());
    let jwks = server.get("/.well-known/jwks.json").await.json();
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let verifier = countersign_jose::PublicJwk::parse(key).unwrap().verifier(algorithm).unwrap();
    countersign_jose::Unverified::parse(token).unwrap().verify(&verifier).unwrap()
}

#[tokio::test]
async fn userinfo_is_signed_by_the_algorithm_that_the_client_registered() {
    for algorithm in ALL {
        let server = start_with(|client| client.userinfo_signed_response_alg = Some(algorithm)).await;
        let tokens = server.sign_in("app", ADA, "openid email").await;
        let reply = server.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/jwt")));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let told = verified(&server, &reply.text(), algorithm).await;
        assert_eq!((told["iss"].as_str(), told["aud"].as_str()), (Some("http://localhost:8080"), Some("app")));
        assert_eq!(told["email"], ADA);
        assert_eq!(told["sub"], claims(tokens["id_token"].as_str().unwrap())["sub"]);
        // It is no ID token, and cannot stand in for one.
        server.browser().authorize("app", &[("id_token_hint", &reply.text())]).await.assert_refused("invalid_request");
    }
}

#[tokio::test]
async fn id_tokens_are_encrypted_for_every_algorithm_that_discovery_names() {
    for algorithm in KeyManagement::ASYMMETRIC {
        for enc in ContentEncryption::ALL {
            let pair = EncryptionPair::for_algorithm(algorithm);
            let server = start_with(|client| {
                client.jwks = Some(pair.jwks());
                client.id_token_encrypted_response_alg = Some(algorithm);
                client.id_token_encrypted_response_enc = Some(enc);
                client.id_token_signed_response_alg = Some(Algorithm::ES256);
            })
            .await;
            let tokens = server.sign_in("app", ADA, "openid offline_access").await;
            let refreshed = server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await.json();
            for tokens in [tokens, refreshed] {
                let sealed = tokens["id_token"].as_str().unwrap();
                let header = jose_header(sealed);
                assert_eq!(
                    (header["alg"].as_str(), header["enc"].as_str()),
                    (Some(algorithm.name()), Some(enc.name()))
                );
                assert_eq!((header["cty"].as_str(), header["kid"].as_str()), (Some("JWT"), Some("enc-key")));
                let signed = String::from_utf8(decrypt(sealed, &pair.decryption_key()).unwrap()).unwrap();
                let told = verified(&server, &signed, Algorithm::ES256).await;
                assert_eq!((told["aud"].as_str(), told["at_hash"].is_string()), (Some("app"), true));
                // The access token is for APIs, not for the client.
                assert_eq!(tokens["access_token"].as_str().unwrap().split('.').count(), 3);
            }
        }
    }
}

#[tokio::test]
async fn userinfo_is_encrypted_signed_or_not() {
    let pair = EncryptionPair::for_algorithm(KeyManagement::EcdhEsA256Kw);
    for signed in [None, Some(Algorithm::PS256)] {
        let server = start_with(|client| {
            client.jwks = Some(pair.jwks());
            client.userinfo_signed_response_alg = signed;
            client.userinfo_encrypted_response_alg = Some(KeyManagement::EcdhEsA256Kw);
            client.complete();
        })
        .await;
        let tokens = server.sign_in("app", ADA, "openid email").await;
        let reply = server.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/jwt")));
        assert_eq!(jose_header(&reply.text())["enc"], "A128CBC-HS256", "the default of OpenID Connect Registration §2");
        let opened = decrypt(&reply.text(), &pair.decryption_key()).unwrap();
        let told = match signed {
            None => serde_json::from_slice(&opened).unwrap(),
            Some(algorithm) => verified(&server, std::str::from_utf8(&opened).unwrap(), algorithm).await,
        };
        assert_eq!(told["email"], ADA);
        assert_eq!(jose_header(&reply.text()).get("cty").is_some(), signed.is_some());
    }
}

#[tokio::test]
async fn keys_for_encryption_are_fetched_from_where_the_client_says() {
    let pair = EncryptionPair::for_algorithm(KeyManagement::EcdhEs);
    let site = Site::open().await;
    site.put("/jwks.json", json!(pair.jwks()).to_string());
    let server = start_with(|client| {
        client.jwks_uri = Some(site.url("/jwks.json").parse().unwrap());
        client.id_token_encrypted_response_alg = Some(KeyManagement::EcdhEs);
        client.complete();
    })
    .await;
    let tokens = server.sign_in("app", ADA, "openid").await;
    assert!(decrypt(tokens["id_token"].as_str().unwrap(), &pair.decryption_key()).is_ok());
}

#[tokio::test]
async fn without_a_key_that_fits_nothing_is_told_and_the_code_stays_good() {
    let site = Site::open().await;
    let server = start_with(|client| {
        client.jwks_uri = Some(site.url("/jwks.json").parse().unwrap());
        client.id_token_encrypted_response_alg = Some(KeyManagement::EcdhEs);
        client.complete();
    })
    .await;
    let code = server.browser().code("app", ADA, "openid").await;
    server.exchange("app", &code).await.assert_error(400, "invalid_request");
    // Minutes later the keys are there.
    site.put("/jwks.json", json!(EncryptionPair::for_algorithm(KeyManagement::EcdhEs).jwks()).to_string());
    server.advance(TimeDelta::seconds(59));
    let reply = server.exchange("app", &code).await;
    assert_eq!(reply.status, 400, "a failure is remembered for a minute: {}", reply.text());
    server.advance(TimeDelta::seconds(2));
    let code = server.browser().code("app", ADA, "openid").await;
    assert_eq!(server.exchange("app", &code).await.status, 200);
}

#[tokio::test]
async fn an_id_token_of_the_front_channel_is_encrypted_as_well() {
    let pair = EncryptionPair::for_algorithm(KeyManagement::RsaOaep256);
    let server = start_with(|client| {
        client.response_types = ResponseType::ALL.iter().copied().collect();
        client.jwks = Some(pair.jwks());
        client.id_token_encrypted_response_alg = Some(KeyManagement::RsaOaep256);
        client.complete();
    })
    .await;
    let answer = server.browser().answer("app", ADA, &[("response_type", "code id_token")]).await.redirect_fragment();
    let opened = decrypt(&answer["id_token"], &pair.decryption_key()).unwrap();
    let told = verified(&server, std::str::from_utf8(&opened).unwrap(), Algorithm::RS256).await;
    assert!(told["c_hash"].is_string(), "{told}");
}
