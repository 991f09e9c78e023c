//! JWS that carry their own key (RFC 9449 §4.3).

use countersign_jose::{Algorithm, EmbeddedError, FormatError, JwsError, KeyError, PrivateKey, verify_embedded};
use josekit::jws::{ES256, JwsSigner};
use serde_json::{Value, json};

use crate::harness::{EC, b64, claims, key};

const TYP: &str = "dpop+jwt";
const ALLOWED: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];

fn verify(token: &str) -> Result<(String, Value), EmbeddedError> {
    let (key, claims) = verify_embedded(token, TYP, &ALLOWED)?;
    Ok((key.thumbprint(), claims))
}

/// Signed by [`EC`], under any header.
fn under(header: &Value) -> String {
    let jwk = josekit::jwk::Jwk::from_bytes(EC.to_jwk_bytes()).unwrap();
    let input = format!("{}.{}", b64(header.to_string()), b64(claims().to_string()));
    let signature = ES256.signer_from_jwk(&jwk).unwrap().sign(input.as_bytes()).unwrap();
    format!("{input}.{}", b64(signature))
}

fn public() -> Value {
    EC.public_jwk().to_value()
}

#[test]
fn it_proves_that_its_maker_holds_the_key_in_it() {
    for algorithm in ALLOWED {
        let key = key(algorithm);
        let token = key.sign_embedded(TYP, &claims()).unwrap();
        assert_eq!(verify(&token), Ok((key.kid().to_owned(), claims())), "{algorithm}");
    }
    assert!(verify(&under(&json!({ "typ": TYP, "alg": "ES256", "jwk": public() }))).is_ok());
}

#[test]
fn another_key_in_the_header_is_refused() {
    let other = PrivateKey::generate(Algorithm::ES256).unwrap().public_jwk().to_value();
    let token = under(&json!({ "typ": TYP, "alg": "ES256", "jwk": other }));
    assert_eq!(verify(&token), Err(JwsError::Signature.into()));
}

#[test]
fn other_types_and_algorithms_are_refused() {
    for typ in ["at+jwt", "JWT", "DPoP+JWT", ""] {
        assert_eq!(verify(&EC.sign_embedded(typ, &claims()).unwrap()), Err(EmbeddedError::Type), "{typ}");
    }
    assert_eq!(verify(&under(&json!({ "alg": "ES256", "jwk": public() }))), Err(EmbeddedError::Type));
    let rs256 = key(Algorithm::RS256).sign_embedded(TYP, &claims()).unwrap();
    assert_eq!(verify(&rs256), Err(JwsError::Algorithm.into()));
    for alg in ["none", "HS256", "ES384", "PS256"] {
        assert!(verify(&under(&json!({ "typ": TYP, "alg": alg, "jwk": public() }))).is_err(), "{alg}");
    }
}

#[test]
fn a_private_key_or_none_is_refused() {
    let private: Value = serde_json::from_slice(&EC.to_jwk_bytes()).unwrap();
    let token = under(&json!({ "typ": TYP, "alg": "ES256", "jwk": private }));
    assert_eq!(verify(&token), Err(KeyError::PrivateMember.into()));
    let symmetric = json!({ "kty": "oct", "k": b64([7; 32]) });
    assert!(verify(&under(&json!({ "typ": TYP, "alg": "HS256", "jwk": symmetric }))).is_err());
    for jwk in [json!(null), json!({}), json!("key"), json!({ "kty": "EC" })] {
        assert!(verify(&under(&json!({ "typ": TYP, "alg": "ES256", "jwk": jwk }))).is_err(), "{jwk}");
    }
    assert_eq!(verify(&under(&json!({ "typ": TYP, "alg": "ES256" }))), Err(JwsError::from(FormatError::Header).into()));
}

#[test]
fn whatever_else_names_a_key_or_changes_the_reading_is_refused() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jku", json!("https://evil.example")),
        ("x5u", json!("https://evil.example")),
        ("x5c", json!([])),
    ] {
        let mut header = json!({ "typ": TYP, "alg": "ES256", "jwk": public() });
        header[name] = value;
        let expected = JwsError::from(FormatError::RefusedHeader(name));
        assert_eq!(verify(&under(&header)), Err(expected.into()), "{name}");
    }
    let long = EC.sign_embedded(TYP, &json!({ "a": "a".repeat(8_192) })).unwrap();
    assert!(matches!(verify(&long), Err(EmbeddedError::Jws(JwsError::Format(FormatError::TooLong { .. })))));
}
