//! Which tokens are accepted (RFC 9068 §4, RFC 8725; SECURITY.md, attack 7).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_jose::{PrivateKey, Signer};
use countersign_resource_server::Algorithm;
use serde_json::{Value, json};

use crate::harness::{AUDIENCE, FIRST_KEY, Provider, SECOND_KEY, STRANGERS_KEY, key_set, sign};

/// A token with a header of our choice and the signature of an honest one.
fn with_header(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

#[tokio::test]
async fn a_valid_token_is_accepted() {
    let provider = Provider::start().await;
    let api = provider.api();
    api.accepts(&provider.token()).await;
    api.accepts(&provider.token_with("aud", json!(AUDIENCE))).await;
    api.accepts(&sign(&FIRST_KEY, "application/at+jwt", &provider.claims())).await;
    api.accepts(&provider.token_with("unknown_claim", json!({ "deep": [1, 2] }))).await;
}

#[tokio::test]
async fn an_id_token_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    for typ in ["JWT", "logout+jwt", "dpop+jwt", "at+jwtx", ""] {
        api.refuses(&sign(&FIRST_KEY, typ, &provider.claims()), "the token is not an access token").await;
    }
}

#[tokio::test]
async fn another_issuer_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    for issuer in ["https://elsewhere.example".to_owned(), format!("{}/", provider.issuer)] {
        api.refuses(&provider.token_with("iss", json!(issuer)), "the access token is of another issuer").await;
    }
}

#[tokio::test]
async fn another_audience_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    for aud in [json!(provider.issuer), json!([]), json!(["https://api.example.evil"]), json!("https://api.example/")] {
        api.refuses(&provider.token_with("aud", aud), "the access token is meant for another audience").await;
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    let token = provider.token();
    provider.clock.advance(600 + 9);
    api.accepts(&token).await;
    provider.clock.advance(1);
    api.refuses(&token, "the access token has expired").await;
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    let early = provider.token_with("nbf", json!(crate::harness::START + 60));
    api.refuses(&early, "the access token is not valid yet").await;
    api.refuses(&provider.token_with("iat", json!(crate::harness::START + 60)), "the access token is not valid yet")
        .await;
    provider.clock.advance(50);
    api.accepts(&early).await;
}

#[tokio::test]
async fn every_claim_must_be_there_and_of_its_type() {
    let provider = Provider::start().await;
    let api = provider.api();
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        api.refuses(&provider.token_without(name), "the claims of the access token are malformed").await;
    }
    for (name, value) in [
        ("exp", json!("1900000000")),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("sub", json!("")),
        ("sub", json!(["ada"])),
        ("client_id", json!("")),
        ("scope", json!(["journal.read"])),
        ("scope", json!("journal.read\u{0}")),
        ("aud", json!({ "api": true })),
        ("nbf", json!("soon")),
    ] {
        api.refuses(&provider.token_with(name, value), "the claims of the access token are malformed").await;
    }
}

#[tokio::test]
async fn a_sender_constrained_token_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    for confirmation in [json!({ "jkt": "x" }), json!({ "x5t#S256": "x" }), json!({ "jwk": {} }), json!({})] {
        let token = provider.token_with("cnf", confirmation);
        let seen = api.get_with("/", &token).await;
        assert_eq!((seen.status.as_u16(), seen.json()["error"].as_str()), (401, Some("invalid_token")));
    }
    let by_key = api.get_with("/", &provider.token_with("cnf", json!({ "jkt": "x" }))).await;
    assert!(by_key.challenge().starts_with("DPoP error=\"invalid_token\""), "{by_key:?}");
    // No proof would help.
    let by_certificate = api.get_with("/", &provider.token_with("cnf", json!({ "x5t#S256": "x" }))).await;
    assert!(by_certificate.challenge().starts_with("Bearer error=\"invalid_token\""), "{by_certificate:?}");
}

#[tokio::test]
async fn what_other_issuers_write_in_their_own_way_is_understood() {
    let provider = Provider::start().await;
    let api = provider.api();
    let now = provider.clock_now();
    for (name, value) in [
        ("exp", json!(f64::from(u32::try_from(now).unwrap()) + 60.5)),
        ("auth_time", json!(1.5)),
        ("gid", json!(1000)),
        ("sid", json!(["a"])),
        ("roles", json!([{ "value": "admin", "display": "Administrator" }, 7])),
        ("roles", json!("admin")),
        ("roles", Value::Null),
        ("aud", json!(AUDIENCE)),
    ] {
        api.accepts(&provider.token_with(name, value)).await;
    }
    let without = json!({ "alg": "RS256", "typ": "at+jwt" }).to_string();
    let claims = URL_SAFE_NO_PAD.encode(provider.claims().to_string());
    let input = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(without));
    let signature = FIRST_KEY.signer().unwrap().sign_detached(input.as_bytes()).unwrap();
    api.accepts(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))).await;
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    let payload = URL_SAFE_NO_PAD.encode(provider.claims().to_string());
    let not_accepted = "the access token is signed by an algorithm that is not accepted";
    for alg in ["none", "None", "NONE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "at+jwt" }).to_string());
        api.refuses(&format!("{header}.{payload}."), not_accepted).await;
        api.refuses(&format!("{header}.{payload}.AAAA"), not_accepted).await;
    }
}

#[tokio::test]
async fn the_public_key_as_hmac_secret_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    let public = FIRST_KEY.public_jwk().to_value();
    let secrets = [public.to_string(), public["n"].as_str().unwrap().to_owned()];
    for secret in secrets {
        let forged =
            Signer::hmac(Algorithm::HS256, secret.as_bytes()).unwrap().sign("at+jwt", &provider.claims()).unwrap();
        api.refuses(&forged, "the access token is signed by an algorithm that is not accepted").await;
    }
}

#[tokio::test]
async fn an_algorithm_outside_the_list_is_refused() {
    let provider = Provider::start().await;
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    provider.publish(&[&FIRST_KEY, &key]);
    let token = sign(&key, "at+jwt", &provider.claims());
    provider.api().refuses(&token, "the access token is signed by an algorithm that is not accepted").await;

    let tolerant = provider.builder().algorithms([Algorithm::RS256, Algorithm::ES256]).build().unwrap();
    crate::harness::Api::new(&tolerant).accepts(&token).await;
}

#[tokio::test]
async fn a_signature_of_another_key_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    let kid = FIRST_KEY.public_jwk().kid().unwrap().to_owned();
    let strangers = sign(&STRANGERS_KEY, "at+jwt", &provider.claims());
    let claiming = with_header(&strangers, &json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid }).to_string());
    api.refuses(&claiming, "the signature of the access token is wrong").await;
    api.refuses(&strangers, "the access token is signed by an unknown key").await;
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    let token = provider.token();
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = provider.claims();
    claims["sub"] = json!("eve");
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    api.refuses(&format!("{}.{payload}.{}", parts[0], parts[2]), "the signature of the access token is wrong").await;
}

#[tokio::test]
async fn dangerous_headers_are_refused() {
    let provider = Provider::start().await;
    let api = provider.api();
    let token = provider.token();
    let kid = FIRST_KEY.public_jwk().kid().unwrap().to_owned();
    let key = STRANGERS_KEY.public_jwk().to_value();
    for extra in [
        json!({ "jwk": key }),
        json!({ "jku": "https://evil.example/jwks" }),
        json!({ "x5u": "https://evil.example/cert" }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "crit": ["exp"] }),
        json!({ "b64": false }),
        json!({ "zip": "DEF" }),
    ] {
        let mut header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid });
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        api.refuses(&with_header(&token, &header.to_string()), "the access token is not a signed JWT").await;
    }
    let twice = format!(r#"{{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"{kid}"}}"#);
    api.refuses(&with_header(&token, &twice), "the access token is not a signed JWT").await;
}

#[tokio::test]
async fn a_kid_is_only_ever_compared() {
    let provider = Provider::start().await;
    let api = provider.api();
    for kid in ["../../etc/passwd", "' OR 1=1 --", "\u{0}", "", &"k".repeat(9000)] {
        let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid }).to_string();
        api.refuses(&with_header(&provider.token(), &header), "the access token is signed by an unknown key").await;
    }
    // Without one the only key is meant, where there is only one.
    let none = json!({ "alg": "RS256", "typ": "at+jwt" }).to_string();
    api.refuses(&with_header(&provider.token(), &none), "the signature of the access token is wrong").await;
    provider.publish(&[&FIRST_KEY, &SECOND_KEY]);
    let api = provider.api();
    api.refuses(&with_header(&provider.token(), &none), "the access token is signed by an unknown key").await;
}

#[tokio::test]
async fn garbage_is_refused_without_a_panic() {
    let provider = Provider::start().await;
    let server = provider.builder().build().unwrap();
    let api = crate::harness::Api::new(&server);
    let deep = URL_SAFE_NO_PAD.encode("[".repeat(5_000));
    let megabyte = "A".repeat(1 << 20);
    for token in ["a", "a.b", "a.b.c.d", "..", "....", "eyJ.eyJ.eyJ", &format!("{deep}.{deep}.AAAA"), "=", "a.b.c="] {
        api.refuses(token, "the access token is not a signed JWT").await;
    }
    api.refuses(&megabyte, "the access token is too long").await;
    // What no header can carry may still reach `validate`.
    for token in ["", "\0", "a\0b.c\0d.e", "ä.ö.ü", "\r\n", &format!("{megabyte}.{megabyte}.{megabyte}")] {
        assert!(server.validate(token).await.is_err(), "{token:.20}");
    }
    // Every cut and every flipped character of an honest token.
    let token = provider.token();
    for at in (0..token.len()).step_by(7) {
        assert!(server.validate(&token[..at]).await.is_err());
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(server.validate(std::str::from_utf8(&bytes).unwrap()).await.is_err(), "{at}");
    }
    api.accepts(&token).await;
}

#[tokio::test]
async fn a_key_for_encryption_verifies_nothing() {
    let provider = Provider::start().await;
    let mut keys = key_set(&[&FIRST_KEY, &STRANGERS_KEY]);
    keys["keys"][1]["use"] = json!("enc");
    provider.answer_jwks(crate::harness::Answer::json(&keys));
    let token = sign(&STRANGERS_KEY, "at+jwt", &provider.claims());
    provider.api().refuses(&token, "the access token is signed by an unknown key").await;
}

#[tokio::test]
async fn a_token_that_comes_again_is_judged_again_but_for_its_signature() {
    let provider = Provider::start().await;
    let (api, token) = (provider.api(), provider.token());
    for _ in 0..3 {
        api.accepts(&token).await;
    }
    // Nothing of another token passes for it.
    let (rest, _) = token.rsplit_once('.').unwrap();
    api.refuses(&format!("{rest}.AAAA"), "the signature of the access token is wrong").await;
    provider.clock.advance(610);
    api.refuses(&token, "the access token has expired").await;
}

#[tokio::test]
async fn a_token_whose_key_was_withdrawn_is_not_known_any_more() {
    let provider = Provider::start().await;
    let (api, token) = (provider.api(), provider.token_with("exp", json!(provider.clock_now() + 100_000)));
    api.accepts(&token).await;
    provider.publish(&[&crate::harness::SECOND_KEY]);
    provider.clock.advance(7_201);
    api.refuses(&token, "the access token is signed by an unknown key").await;
}

#[tokio::test]
async fn an_encrypted_token_is_no_signed_one() {
    let provider = Provider::start().await;
    let api = provider.api();
    let part = |length| URL_SAFE_NO_PAD.encode(vec![7; length]);
    for (iv, tag) in [(12, 16), (0, 16), (12, 0), (0, 0)] {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM","typ":"at+jwt"}"#);
        let token = [header, String::new(), part(iv), part(50), part(tag)].join(".");
        api.refuses(&token, "the access token is not a signed JWT").await;
    }
}
