//! Nothing that a stranger can send makes us panic: bounded random mutation with a fixed seed.

use countersign_jose::{
    Algorithm, DecryptionKey, EncryptionKey, JwkSet, KeyManagement, PrivateKey, PublicJwk, Unverified, Verifier,
    decrypt,
};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use std::sync::LazyLock;

use crate::harness::{EC, ED, RSA, RSA_VERIFIER, b64, claims};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Debug)]
enum Edit {
    Remove(Index),
    Cut(Index),
    Put(Index, u8),
    Double(Index, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let byte = prop::sample::select(b"ABab019-_.=\"{}[]:, \\\x00\xff".to_vec());
    let edit = prop_oneof![
        any::<Index>().prop_map(Edit::Remove),
        any::<Index>().prop_map(Edit::Cut),
        (any::<Index>(), byte).prop_map(|(at, byte)| Edit::Put(at, byte)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Edit::Double(at, count)),
    ];
    prop::collection::vec(edit, 1..4)
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match edit {
            Edit::Remove(at) => drop(bytes.remove(at.index(length))),
            Edit::Cut(at) => bytes.truncate(at.index(length)),
            Edit::Put(at, byte) => bytes[at.index(length)] = *byte,
            Edit::Double(at, count) => {
                let at = at.index(length);
                let piece = bytes[at..(at + count).min(length)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A JSON value of any kind, to stand where another was expected.
fn hostile() -> impl Strategy<Value = Value> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| json!(b64(bytes)));
    let fixed =
        [json!(null), json!(""), json!("A"), json!(1), json!([]), json!({}), json!("AAAA"), json!([1]), json!(true)];
    prop_oneof![bytes, prop::sample::select(fixed.to_vec())]
}

static TOKEN: LazyLock<String> = LazyLock::new(|| RSA.signer().unwrap().sign("JWT", &claims()).unwrap());

/// All that can be done with a stranger's key.
fn use_public(jwk: &Value) {
    let _ = JwkSet::parse(&json!({ "keys": [jwk] }));
    let Ok(key) = PublicJwk::parse(jwk) else { return };
    assert_eq!(PublicJwk::parse(&key.to_value()).unwrap(), key);
    for algorithm in Algorithm::ALL {
        if let Ok(verifier) = key.verifier(algorithm) {
            let _ = Unverified::parse(&TOKEN).unwrap().verify::<Value>(&verifier);
        }
    }
    for algorithm in [KeyManagement::RsaOaep256, KeyManagement::EcdhEs, KeyManagement::EcdhEsA256Kw] {
        let _ = EncryptionKey::public(algorithm, &key);
    }
}

fn use_private(jwk: &[u8]) {
    let _ = PrivateKey::from_jwk_bytes(jwk);
    for algorithm in [KeyManagement::RsaOaep256, KeyManagement::EcdhEs, KeyManagement::EcdhEsA256Kw] {
        let _ = DecryptionKey::from_jwk_bytes(algorithm, jwk);
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn mutated_jwks_do_not_panic(which in 0..3_usize, edits in edits()) {
        let key = [&RSA, &EC, &ED][which];
        if let Ok(jwk) = serde_json::from_str(&apply(&key.public_jwk().to_value().to_string(), &edits)) {
            use_public(&jwk);
        }
        let private = String::from_utf8(key.to_jwk_bytes()).unwrap();
        use_private(apply(&private, &edits).as_bytes());
    }

    #[test]
    fn jwks_with_hostile_members_do_not_panic(which in 0..3_usize, member in any::<Index>(), value in hostile()) {
        let key = [&RSA, &EC, &ED][which];
        for private in [false, true] {
            let mut jwk = if private { serde_json::from_slice(&key.to_jwk_bytes()).unwrap() } else { key.public_jwk().to_value() };
            let names: Vec<String> = jwk.as_object().unwrap().keys().cloned().collect();
            jwk[member.get(&names)] = value.clone();
            use_public(&jwk);
            use_private(jwk.to_string().as_bytes());
        }
    }

    #[test]
    fn mutated_tokens_neither_panic_nor_verify(edits in edits()) {
        let token = apply(&TOKEN, &edits);
        let verified = Unverified::parse(&token).and_then(|token| token.verify::<Value>(&RSA_VERIFIER));
        prop_assert!(verified.is_err() || token == *TOKEN);
    }

    #[test]
    fn any_signature_bytes_do_not_panic(signature in prop::collection::vec(any::<u8>(), 1..300)) {
        static VERIFIERS: LazyLock<Vec<Verifier>> = LazyLock::new(|| vec![
            EC.public_jwk().verifier(Algorithm::ES256).unwrap(),
            ED.public_jwk().verifier(Algorithm::EdDSA).unwrap(),
            Verifier::hmac(Algorithm::HS512, &[7; 64]).unwrap(),
        ]);
        for verifier in VERIFIERS.iter() {
            let header = json!({ "alg": verifier.algorithm() }).to_string();
            for signature in [&signature[..], &[&signature[..], &[0; 64]].concat()[..64]] {
                let token = format!("{}.{}.{}", b64(&header), b64("{}"), b64(signature));
                prop_assert!(Unverified::parse(&token).unwrap().verify::<Value>(verifier).is_err());
            }
        }
    }

    #[test]
    fn any_text_does_not_panic(text in ".{0,200}") {
        let _ = Unverified::parse(&text);
        let _ = decrypt(&text, &SAMPLES[0].1);
        use_private(text.as_bytes());
    }

    #[test]
    fn mutated_encrypted_tokens_do_not_panic(which in any::<Index>(), edits in edits(), name in any::<Index>(), value in hostile()) {
        let (token, key) = which.get(&SAMPLES);
        let mutated = apply(token, &edits);
        prop_assert!(decrypt(&mutated, key).is_err() || mutated == *token);
        let (protected, rest) = token.split_once('.').unwrap();
        let mut header: Value = serde_json::from_slice(&crate::harness::unb64(protected)).unwrap();
        let name = name.get(&["alg", "enc", "epk", "apu", "apv", "iv", "tag", "kid", "p2s", "p2c"]);
        header[*name] = value;
        let _ = decrypt(&format!("{}.{}", b64(header.to_string()), rest), key);
    }
}

static SAMPLES: LazyLock<Vec<(String, DecryptionKey)>> =
    LazyLock::new(|| crate::jwe::samples().map(|(_, _, token, key)| (token, key)).collect());
