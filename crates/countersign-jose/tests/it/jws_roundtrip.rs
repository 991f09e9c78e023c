//! Tokens that must verify: our own, and the examples of the RFCs.

use countersign_jose::{Algorithm, JwsError, KeyError, PublicJwk, SignError, Signer, Unverified, Verifier};
use serde_json::{Value, json};

use crate::harness::{EC, RSA, RSA_VERIFIER, b64, claims, key, unb64};

const SECRET: [u8; 64] = [7; 64];

fn pair(algorithm: Algorithm) -> (Signer, Verifier) {
    if algorithm.is_symmetric() {
        (Signer::hmac(algorithm, &SECRET).unwrap(), Verifier::hmac(algorithm, &SECRET).unwrap())
    } else {
        let key = key(algorithm);
        (key.signer().unwrap(), key.public_jwk().verifier(algorithm).unwrap())
    }
}

#[test]
fn every_algorithm_round_trips() {
    for algorithm in Algorithm::ALL {
        let (signer, verifier) = pair(algorithm);
        let token = signer.sign("at+jwt", &claims()).unwrap();
        let unverified = Unverified::parse(&token).unwrap();
        assert_eq!(unverified.algorithm(), algorithm);
        assert_eq!(unverified.typ(), Some("at+jwt"));
        assert_eq!(unverified.kid(), signer.kid());
        assert_eq!(signer.kid(), verifier.kid());
        assert_eq!(signer.kid().is_some(), !algorithm.is_symmetric());
        assert_eq!(unverified.claims_unverified::<Value>().unwrap(), claims());
        assert_eq!(unverified.verify::<Value>(&verifier).unwrap(), claims());
    }
}

#[test]
fn no_algorithm_verifies_for_another() {
    for signed in Algorithm::ALL {
        let token = pair(signed).0.sign("JWT", &claims()).unwrap();
        for asked in Algorithm::ALL.into_iter().filter(|asked| *asked != signed) {
            let error = Unverified::parse(&token).unwrap().verify::<Value>(&pair(asked).1).unwrap_err();
            assert_eq!(error, JwsError::AlgorithmMismatch, "{signed} {asked}");
        }
    }
}

#[test]
fn the_header_has_typ_alg_and_kid() {
    let token = RSA.signer().unwrap().sign("JWT", &json!({})).unwrap();
    let header = unb64(token.split('.').next().unwrap());
    let expected = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{}"}}"#, RSA.kid());
    assert_eq!(String::from_utf8(header).unwrap(), expected);
}

#[test]
fn claims_must_be_an_object() {
    let signer = EC.signer().unwrap();
    assert_eq!(signer.sign("JWT", &json!(["a"])), Err(SignError::Claims));
    assert_eq!(signer.sign("JWT", &"text"), Err(SignError::Claims));
}

#[test]
fn claims_of_the_wrong_type_are_refused_after_the_signature() {
    #[derive(Debug, serde::Deserialize)]
    struct Claims {
        #[allow(dead_code)]
        exp: u64,
    }
    let token = RSA.signer().unwrap().sign("JWT", &json!({ "exp": "soon" })).unwrap();
    let error = Unverified::parse(&token).unwrap().verify::<Claims>(&RSA_VERIFIER).unwrap_err();
    assert_eq!(error, JwsError::Claims);
}

// ECDSA and EdDSA signatures have a fixed length although their halves may start with zeros.
#[test]
fn hundreds_of_ecdsa_signatures_verify() {
    let (signer, verifier) = pair(Algorithm::ES256);
    for n in 0..300 {
        let token = signer.sign("JWT", &json!({ "n": n })).unwrap();
        assert_eq!(unb64(token.rsplit('.').next().unwrap()).len(), 64);
        Unverified::parse(&token).unwrap().verify::<Value>(&verifier).unwrap();
    }
}

// RFC 7518 §3.2: a key as long as the digest, or longer.
#[test]
fn short_hmac_secrets_are_refused() {
    for (algorithm, bytes) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        assert!(Signer::hmac(algorithm, &SECRET[..bytes]).is_ok());
        assert!(Verifier::hmac(algorithm, &SECRET[..bytes]).is_ok());
        assert_eq!(Signer::hmac(algorithm, &SECRET[..bytes - 1]).unwrap_err(), KeyError::SecretLength);
        assert_eq!(Verifier::hmac(algorithm, &SECRET[..bytes - 1]).unwrap_err(), KeyError::SecretLength);
    }
    assert_eq!(Signer::hmac(Algorithm::RS256, &SECRET).unwrap_err(), KeyError::Unfit("RS256"));
    assert_eq!(Verifier::hmac(Algorithm::EdDSA, &SECRET).unwrap_err(), KeyError::Unfit("EdDSA"));
}

#[test]
fn debug_hides_keys_and_tokens() {
    let signer = Signer::hmac(Algorithm::HS256, b"an extremely secret shared secret").unwrap();
    let token = signer.sign("JWT", &claims()).unwrap();
    let verifier = Verifier::hmac(Algorithm::HS256, b"an extremely secret shared secret").unwrap();
    let shown = format!("{signer:?} {verifier:?} {:?}", Unverified::parse(&token).unwrap());
    let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    for secret in ["secret", "248289761001", payload, signature, "101, 120"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn signers_and_verifiers_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Signer>();
    shared::<Verifier>();
}

fn rfc7515_claims() -> Value {
    json!({ "iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true })
}

const RFC7515_PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn rfc7515_a1_hs256_verifies() {
    let secret = unb64("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    let token = format!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{RFC7515_PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    let verifier = Verifier::hmac(Algorithm::HS256, &secret).unwrap();
    let claims: Value = Unverified::parse(&token).unwrap().verify(&verifier).unwrap();
    assert_eq!(claims, rfc7515_claims());
}

#[test]
fn rfc7515_a2_rs256_verifies() {
    let jwk = json!({
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL\
              -yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-\
              KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h\
              9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB"
    });
    let token = format!(
        "eyJhbGciOiJSUzI1NiJ9.{RFC7515_PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7\
         AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL\
         IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2\
         w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let verifier = PublicJwk::parse(&jwk).unwrap().verifier(Algorithm::RS256).unwrap();
    let claims: Value = Unverified::parse(&token).unwrap().verify(&verifier).unwrap();
    assert_eq!(claims, rfc7515_claims());
}

#[test]
fn rfc7515_a3_es256_verifies() {
    let jwk = json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    });
    let token = format!(
        "eyJhbGciOiJFUzI1NiJ9.{RFC7515_PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA\
         pmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let verifier = PublicJwk::parse(&jwk).unwrap().verifier(Algorithm::ES256).unwrap();
    let claims: Value = Unverified::parse(&token).unwrap().verify(&verifier).unwrap();
    assert_eq!(claims, rfc7515_claims());
}

// The payload of the example is no JSON object, so its signature is reached and the payload refused.
#[test]
fn rfc8037_a4_eddsa_signature_verifies_and_its_text_payload_is_refused() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let signed = |payload: &str| {
        format!(
            "eyJhbGciOiJFZERTQSJ9.{payload}.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt\
             9g7sVvpAr_MuM0KAg"
        )
    };
    let verifier = PublicJwk::parse(&jwk).unwrap().verifier(Algorithm::EdDSA).unwrap();
    let verify = |token: &str| Unverified::parse(token).unwrap().verify::<Value>(&verifier).unwrap_err();
    let example = signed(&b64("Example of Ed25519 signing"));
    assert_eq!(verify(&example), JwsError::Format(countersign_jose::FormatError::NotAnObject));
    assert_eq!(verify(&signed(&b64("Another text"))), JwsError::Signature);
}
