//! Attack 7 of docs/security.md, as far as it concerns encryption.

use countersign_jose::{
    ContentEncryption, DecryptionKey, EncryptionKey, FormatError, JweError, KeyError, KeyManagement, MAX_JWE_BYTES,
    PublicJwk, decrypt, encrypt,
};
use josekit::jwe::JweHeader;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use serde_json::{Value, json};
use std::sync::LazyLock;

use crate::harness::{RSA, b64, unb64};

const SECRET: [u8; 32] = [9; 32];
const ALGORITHMS: [KeyManagement; 5] = [
    KeyManagement::RsaOaep256,
    KeyManagement::EcdhEs,
    KeyManagement::EcdhEsA256Kw,
    KeyManagement::Dir,
    KeyManagement::A256GcmKw,
];
const CONTENT: [ContentEncryption; 2] = [ContentEncryption::A256Gcm, ContentEncryption::A128CbcHs256];

static RSA_JWK: LazyLock<Value> = LazyLock::new(|| private(Jwk::generate_rsa_key(2048).unwrap()));
static EC_JWK: LazyLock<Value> = LazyLock::new(|| private(Jwk::generate_ec_key(EcCurve::P256).unwrap()));

fn private(mut jwk: Jwk) -> Value {
    jwk.set_key_id("enc-1");
    jwk.set_key_use("enc");
    Value::Object(jwk.into())
}

fn public(jwk: &Value) -> PublicJwk {
    let mut jwk = jwk.clone();
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    PublicJwk::parse(&jwk).unwrap()
}

pub fn keys(algorithm: KeyManagement) -> (EncryptionKey, DecryptionKey) {
    let pair = |jwk: &Value| {
        (
            EncryptionKey::public(algorithm, &public(jwk)).unwrap(),
            DecryptionKey::from_jwk_bytes(algorithm, jwk.to_string().as_bytes()).unwrap(),
        )
    };
    match algorithm {
        KeyManagement::RsaOaep256 => pair(&RSA_JWK),
        KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw => pair(&EC_JWK),
        KeyManagement::Dir | KeyManagement::A256GcmKw => (
            EncryptionKey::symmetric(algorithm, &SECRET).unwrap(),
            DecryptionKey::symmetric(algorithm, &SECRET).unwrap(),
        ),
    }
}

/// One token and its key for every combination.
pub fn samples() -> impl Iterator<Item = (KeyManagement, ContentEncryption, String, DecryptionKey)> {
    ALGORITHMS.into_iter().flat_map(|algorithm| {
        CONTENT.into_iter().map(move |enc| {
            let (theirs, ours) = keys(algorithm);
            let token = encrypt(b"attack at dawn", &theirs, enc, Some("JWT")).unwrap();
            (algorithm, enc, token, ours)
        })
    })
}

fn segments(token: &str) -> [String; 5] {
    token.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&unb64(&segments(token)[0])).unwrap()
}

fn replace(token: &str, index: usize, segment: &str) -> String {
    let mut segments = segments(token);
    segment.clone_into(&mut segments[index]);
    segments.join(".")
}

fn with_header(token: &str, name: &str, value: Value) -> String {
    let mut header = header(token);
    header[name] = value;
    replace(token, 0, &b64(header.to_string()))
}

#[test]
fn every_combination_round_trips() {
    for (algorithm, enc, token, key) in samples() {
        let header = header(&token);
        assert_eq!(header["alg"], algorithm.name());
        assert_eq!(header["enc"], enc.name());
        assert_eq!(header["cty"], "JWT");
        let pair = !matches!(algorithm, KeyManagement::Dir | KeyManagement::A256GcmKw);
        assert_eq!(header.get("kid").is_some(), pair);
        assert_eq!(decrypt(&token, &key).unwrap(), b"attack at dawn");
    }
}

#[test]
fn a_nested_token_of_the_largest_size_fits() {
    let (theirs, ours) = keys(KeyManagement::RsaOaep256);
    let nested = vec![b'a'; countersign_jose::MAX_JWS_BYTES];
    let token = encrypt(&nested, &theirs, ContentEncryption::A128CbcHs256, Some("JWT")).unwrap();
    assert_eq!(decrypt(&token, &ours).unwrap(), nested);
}

// josekit panics on these.
#[test]
fn iv_tag_and_key_of_the_wrong_length_are_refused() {
    for (algorithm, _, token, key) in samples() {
        for (index, segment) in segments(&token).iter().enumerate().skip(1) {
            if index == 3 {
                continue;
            }
            let right = if segment.is_empty() { Vec::new() } else { unb64(segment) };
            let lengths = [0, 1, 4, 7, 8, 11, 12, 13, 15, 16, 17, 24, 32, 40, 48, 64, 255, 256, 257, 512];
            for length in lengths.into_iter().filter(|length| *length != right.len()) {
                let wrong = replace(&token, index, &b64(vec![1; length]));
                let error = decrypt(&wrong, &key).unwrap_err();
                let expected = if length == 0 { FormatError::EmptySegment.into() } else { JweError::Length };
                assert_eq!(error, expected, "{algorithm:?} segment {index} of {length}");
            }
        }
        let empty = replace(&token, 3, "");
        assert_eq!(decrypt(&empty, &key), Err(FormatError::EmptySegment.into()));
    }
}

#[test]
fn iv_and_tag_of_a_wrapped_key_have_one_length() {
    for enc in CONTENT {
        let (theirs, ours) = keys(KeyManagement::A256GcmKw);
        let token = encrypt(b"x", &theirs, enc, None).unwrap();
        for name in ["iv", "tag"] {
            for length in [1, 8, 11, 13, 15, 17, 32, 64] {
                let wrong = with_header(&token, name, json!(b64(vec![1; length])));
                assert_eq!(decrypt(&wrong, &ours), Err(JweError::Length));
            }
            assert_eq!(decrypt(&with_header(&token, name, json!("")), &ours), Err(FormatError::EmptySegment.into()));
            for wrong in [json!(null), json!(1), json!([]), json!({})] {
                assert_eq!(decrypt(&with_header(&token, name, wrong), &ours), Err(FormatError::Header.into()));
            }
        }
    }
}

#[test]
fn ephemeral_keys_are_checked() {
    let other = Jwk::generate_ec_key(EcCurve::P384).unwrap().to_public_key().unwrap();
    let mut off = public(&EC_JWK).to_value();
    let mut x = unb64(off["x"].as_str().unwrap());
    x[0] ^= 1;
    off["x"] = json!(b64(x));
    for (_, _, token, key) in
        samples().filter(|(algorithm, ..)| matches!(algorithm, KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw))
    {
        for wrong in [
            json!(""),
            json!(1),
            json!([]),
            json!({}),
            json!({ "kty": "EC" }),
            json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
            json!({ "kty": "EC", "crv": "P-256", "x": b64([0; 32]), "y": b64([0; 32]) }),
            json!({ "kty": "OKP", "crv": "X25519", "x": b64([0; 32]) }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": b64([0; 32]) }),
            Value::Object(other.clone().into()),
            RSA.public_jwk().to_value(),
            EC_JWK.clone(),
            off.clone(),
        ] {
            assert_eq!(decrypt(&with_header(&token, "epk", wrong), &key), Err(JweError::EphemeralKey));
        }
        assert_eq!(decrypt(&with_header(&token, "epk", json!(null)), &key), Err(FormatError::Header.into()));
        for name in ["apu", "apv"] {
            assert_eq!(decrypt(&with_header(&token, name, json!("*")), &key), Err(FormatError::Base64.into()));
            assert_eq!(decrypt(&with_header(&token, name, json!(1)), &key), Err(FormatError::Header.into()));
            assert_eq!(decrypt(&with_header(&token, name, json!("QUI")), &key), Err(JweError::Decryption));
        }
    }
}

#[test]
fn a_zip_bomb_is_refused_unopened() {
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    header.set_compression("DEF");
    let encrypter = josekit::jwe::Dir.encrypter_from_bytes(SECRET).unwrap();
    let bomb = josekit::jwe::serialize_compact(&vec![b'a'; 4 << 20], &header, &encrypter).unwrap();
    assert!(bomb.len() < MAX_JWE_BYTES, "small as a token");
    let (_, key) = keys(KeyManagement::Dir);
    assert_eq!(decrypt(&bomb, &key), Err(FormatError::RefusedHeader("zip").into()));
}

#[test]
fn the_header_guard_is_that_of_signatures() {
    let (theirs, key) = keys(KeyManagement::Dir);
    let token = encrypt(b"x", &theirs, ContentEncryption::A256Gcm, None).unwrap();
    for name in ["crit", "b64", "jwk", "jku", "x5u", "x5c"] {
        let wrong = with_header(&token, name, json!(["exp"]));
        assert_eq!(decrypt(&wrong, &key), Err(FormatError::RefusedHeader(name).into()));
    }
    let twice = replace(&token, 0, &b64(r#"{"alg":"dir","enc":"A256GCM","enc":"A256GCM"}"#));
    assert_eq!(decrypt(&twice, &key), Err(FormatError::DuplicateMember.into()));
    let deep = format!(r#"{{"alg":"dir","enc":"A256GCM","a":{}1{}}}"#, "[".repeat(99), "]".repeat(99));
    assert_eq!(decrypt(&replace(&token, 0, &b64(deep)), &key), Err(FormatError::TooDeep.into()));
    let long = FormatError::TooLong { limit: MAX_JWE_BYTES };
    assert_eq!(decrypt(&"A".repeat(1 << 20), &key), Err(long.into()));
    for wrong in ["", "....", "a.b.c", "a.b.c.d", "a.b.c.d.e.f"] {
        assert!(decrypt(wrong, &key).is_err());
    }
    assert_eq!(decrypt("a.b.c", &key), Err(FormatError::Segments { expected: 5 }.into()));
}

#[test]
fn algorithms_are_those_of_the_key_and_of_the_house() {
    for (algorithm, _, token, key) in samples() {
        for other in ["RSA1_5", "RSA-OAEP", "A256KW", "PBES2-HS256+A128KW", "none", "ECDH-ES+A128KW"] {
            assert_eq!(decrypt(&with_header(&token, "alg", json!(other)), &key), Err(JweError::AlgorithmMismatch));
        }
        for other in ALGORITHMS.into_iter().filter(|other| *other != algorithm) {
            assert_eq!(decrypt(&token, &keys(other).1), Err(JweError::AlgorithmMismatch));
        }
        for other in ["A128GCM", "A256CBC-HS512", "A192CBC-HS384", "", "none"] {
            assert_eq!(decrypt(&with_header(&token, "enc", json!(other)), &key), Err(JweError::ContentEncryption));
        }
    }
}

// One answer whatever was changed: telling padding from tag would let a stranger decrypt by trial.
#[test]
fn changed_tokens_all_fail_alike() {
    for (algorithm, _, token, key) in samples() {
        for (index, segment) in segments(&token).iter().enumerate().skip(1) {
            if segment.is_empty() {
                continue;
            }
            let right = unb64(segment);
            for position in [0, right.len() / 2, right.len() - 1] {
                let mut bytes = right.clone();
                bytes[position] ^= 1;
                let wrong = replace(&token, index, &b64(bytes));
                assert_eq!(decrypt(&wrong, &key), Err(JweError::Decryption), "{algorithm:?} {index}");
            }
        }
        let header = with_header(&token, "typ", json!("JWT"));
        assert_eq!(decrypt(&header, &key), Err(JweError::Decryption));
        for length in [1, 15, 16, 17, 32, 1000] {
            let wrong = replace(&token, 3, &b64(vec![5; length]));
            assert_eq!(decrypt(&wrong, &key), Err(JweError::Decryption));
        }
    }
}

#[test]
fn another_key_does_not_decrypt() {
    let mut jwk = private(Jwk::generate_ec_key(EcCurve::P256).unwrap());
    let other = |jwk: &Value| DecryptionKey::from_jwk_bytes(KeyManagement::EcdhEs, jwk.to_string().as_bytes()).unwrap();
    let (theirs, _) = keys(KeyManagement::EcdhEs);
    let token = encrypt(b"x", &theirs, ContentEncryption::A256Gcm, None).unwrap();
    assert_eq!(decrypt(&token, &other(&jwk)), Err(JweError::Decryption));
    jwk["kid"] = json!("enc-2");
    assert_eq!(decrypt(&token, &other(&jwk)), Err(JweError::KeyMismatch));
}

#[test]
fn keys_serve_what_they_are_for() {
    let signing = RSA.public_jwk();
    let unfit = |result: Result<EncryptionKey, KeyError>| result.unwrap_err();
    assert_eq!(unfit(EncryptionKey::public(KeyManagement::RsaOaep256, &signing)), KeyError::Unfit("RSA-OAEP-256"));
    let rsa = public(&RSA_JWK);
    assert_eq!(unfit(EncryptionKey::public(KeyManagement::EcdhEs, &rsa)), KeyError::Unfit("ECDH-ES"));
    assert_eq!(unfit(EncryptionKey::public(KeyManagement::Dir, &rsa)), KeyError::Unfit("dir"));
    let mut bound = rsa.to_value();
    bound["alg"] = json!("RSA-OAEP");
    let bound = PublicJwk::parse(&bound).unwrap();
    assert_eq!(unfit(EncryptionKey::public(KeyManagement::RsaOaep256, &bound)), KeyError::Unfit("RSA-OAEP-256"));
    assert_eq!(unfit(EncryptionKey::symmetric(KeyManagement::EcdhEs, &SECRET)), KeyError::Unfit("ECDH-ES"));
    for secret in [&SECRET[..31], &[], &[1; 33]] {
        assert_eq!(unfit(EncryptionKey::symmetric(KeyManagement::Dir, secret)), KeyError::SecretLength);
        let error = DecryptionKey::symmetric(KeyManagement::A256GcmKw, secret).unwrap_err();
        assert_eq!(error, KeyError::SecretLength);
    }
    let signing = DecryptionKey::from_jwk_bytes(KeyManagement::RsaOaep256, &RSA.to_jwk_bytes()).unwrap_err();
    assert_eq!(signing, KeyError::Unfit("RSA-OAEP-256"));
    let (theirs, ours) = keys(KeyManagement::EcdhEs);
    assert!(!format!("{theirs:?} {ours:?}").contains(EC_JWK["d"].as_str().unwrap()));
}
