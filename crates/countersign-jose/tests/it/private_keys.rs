//! Keys of ours.

use countersign_jose::{Algorithm, KeyError, PrivateKey, PublicJwk, Unverified};
use serde_json::{Value, json};

use crate::harness::{EC, ED, PSS, RSA, b64, claims};

fn jwk(key: &PrivateKey) -> Value {
    serde_json::from_slice(&key.to_jwk_bytes()).unwrap()
}

fn read(jwk: &Value) -> Result<PrivateKey, KeyError> {
    PrivateKey::from_jwk_bytes(jwk.to_string().as_bytes())
}

#[test]
fn private_keys_survive_storage() {
    for key in [&RSA, &PSS, &EC, &ED] {
        let stored = PrivateKey::from_jwk_bytes(&key.to_jwk_bytes()).unwrap();
        assert_eq!(stored.kid(), key.kid());
        assert_eq!(stored.algorithm(), key.algorithm());
        assert_eq!(stored.to_jwk_bytes(), key.to_jwk_bytes());
        let token = stored.signer().unwrap().sign("JWT", &claims()).unwrap();
        let verifier = key.public_jwk().verifier(key.algorithm()).unwrap();
        Unverified::parse(&token).unwrap().verify::<Value>(&verifier).unwrap();
    }
}

#[test]
fn the_public_half_has_kid_alg_and_use_and_no_secret() {
    for key in [&RSA, &PSS, &EC, &ED] {
        let public = key.public_jwk();
        assert_eq!(public.kid(), Some(key.kid()));
        assert_eq!(public.thumbprint(), key.kid());
        assert_eq!(public.algorithm(), Some(key.algorithm()));
        assert_eq!(public.key_use(), Some("sig"));
        assert_eq!(PublicJwk::parse(&public.to_value()).unwrap(), public);
        assert_eq!(jwk(key)["kid"], key.kid());
        assert_eq!(jwk(key)["alg"], key.algorithm().name());
    }
}

#[test]
fn symmetric_algorithms_have_no_private_key() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        assert_eq!(PrivateKey::generate(algorithm).unwrap_err(), KeyError::Unfit(algorithm.name()));
    }
    let secret = json!({ "kty": "oct", "alg": "HS256", "k": b64([7; 32]) });
    assert!(read(&secret).is_err());
}

#[test]
fn a_foreign_kid_gives_way_to_the_thumbprint() {
    let mut named = jwk(&EC);
    named["kid"] = json!("2011-04-29");
    assert_eq!(read(&named).unwrap().kid(), EC.kid());
}

#[test]
fn keys_that_do_not_fit_their_algorithm_are_refused() {
    let mut key = jwk(&EC);
    key["alg"] = json!("EdDSA");
    assert_eq!(read(&key).unwrap_err(), KeyError::Unfit("EdDSA"));
    for wrong in [json!("HS256"), json!("none"), json!(1), json!(null)] {
        let mut key = jwk(&RSA);
        key["alg"] = wrong;
        assert!(read(&key).is_err());
    }
    let mut encryption = jwk(&RSA);
    encryption["use"] = json!("enc");
    assert_eq!(read(&encryption).unwrap_err(), KeyError::Unfit("RS256"));
}

#[test]
fn halves_that_differ_are_refused() {
    for (key, other) in [(&EC, Algorithm::ES256), (&ED, Algorithm::EdDSA)] {
        let mut mixed = jwk(key);
        mixed["d"] = jwk(&PrivateKey::generate(other).unwrap())["d"].clone();
        assert!(read(&mixed).is_err());
    }
    let mut mixed = jwk(&RSA);
    mixed["n"] = jwk(&PSS)["n"].clone();
    assert!(read(&mixed).is_err());
}

#[test]
fn incomplete_and_weak_private_keys_are_refused() {
    let rsa = ["d", "p", "q", "dp", "dq", "qi", "n", "e"];
    for (key, names) in [(&RSA, &rsa[..]), (&EC, &["d", "x", "y"]), (&ED, &["d", "x"])] {
        for name in names {
            for wrong in [json!(null), json!(""), json!("AA"), json!(1), json!({ "a": [] })] {
                let mut broken = jwk(key);
                broken[*name] = wrong.clone();
                // An RSA key says everything twice, and OpenSSL signs rightly by what is left.
                let redundant = ["d", "dp", "dq", "qi"].contains(name) && key.algorithm() == Algorithm::RS256;
                let kept = read(&broken).map(|read| read.kid().to_owned());
                assert!(kept.is_err() || redundant && kept.as_deref() == Ok(key.kid()), "{name} {wrong}");
            }
            let mut broken = jwk(key);
            broken.as_object_mut().unwrap().remove(*name);
            assert!(read(&broken).is_err(), "{name}");
        }
    }
    let short = josekit::jwk::Jwk::generate_rsa_key(1024).unwrap();
    let mut short = Value::Object(short.into());
    short["alg"] = json!("RS256");
    assert_eq!(read(&short).unwrap_err(), KeyError::RsaSize);
    assert_eq!(PrivateKey::from_jwk_bytes(b"").unwrap_err(), KeyError::NotAnObject);
    assert_eq!(PrivateKey::from_jwk_bytes(&[b' '; 9000]).unwrap_err(), KeyError::TooLarge { limit: 8192 });
}

#[test]
fn debug_hides_the_private_key() {
    assert_eq!(format!("{:?}", &*RSA), "…");
    let shown = format!("{:?}", RSA.signer().unwrap());
    assert!(shown.contains(RSA.kid()));
    assert!(!shown.contains(jwk(&RSA)["d"].as_str().unwrap()));
}
