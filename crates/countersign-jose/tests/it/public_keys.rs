//! Keys of strangers.

use countersign_jose::{
    Algorithm, FormatError, JwkSet, KeyError, KeyManagement, MAX_JWK_BYTES, MAX_KEYS, PublicJwk, read_object,
};
use serde_json::{Value, json};

use crate::harness::{EC, ED, RSA, b64, rsa_jwk, unb64};

fn error(jwk: &Value) -> KeyError {
    PublicJwk::parse(jwk).unwrap_err()
}

/// The bare public key, without `kid`, `alg` and `use`.
fn bare(jwk: &PublicJwk) -> Value {
    let mut jwk = jwk.to_value();
    for name in ["kid", "alg", "use"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    jwk
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn rsa() -> Value {
    bare(&RSA.public_jwk())
}

fn ec() -> Value {
    bare(&EC.public_jwk())
}

#[test]
fn rfc7638_example_has_the_published_thumbprint() {
    let jwk = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKR\
              XjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSq\
              zs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ\
              -G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29"
    });
    let key = PublicJwk::parse(&jwk).unwrap();
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(key.kid(), Some("2011-04-29"));
    assert_eq!(key.algorithm(), Some(Algorithm::RS256));
    assert_eq!(key.to_value(), jwk);
}

#[test]
fn rfc8037_a3_example_has_the_published_thumbprint() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let thumbprint = PublicJwk::parse(&jwk).unwrap().thumbprint();
    assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn private_members_are_refused() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        assert_eq!(error(&with(rsa(), name, json!("AQ"))), KeyError::PrivateMember);
    }
    assert_eq!(error(&with(ec(), "d", json!("AQ"))), KeyError::PrivateMember);
    assert_eq!(error(&with(ec(), "d", json!(null))), KeyError::PrivateMember);
    assert_eq!(error(&with(bare(&ED.public_jwk()), "d", json!(1))), KeyError::PrivateMember);
    assert_eq!(error(&json!({ "kty": "oct", "k": "AQAB" })), KeyError::PrivateMember);
    let private: Value = serde_json::from_slice(&RSA.to_jwk_bytes()).unwrap();
    assert_eq!(error(&private), KeyError::PrivateMember);
    assert_eq!(JwkSet::parse(&json!({ "keys": [private] })), Err(KeyError::PrivateMember));
}

#[test]
fn unused_members_are_dropped() {
    let jwk = with(with(rsa(), "x5c", json!(["MIIB"])), "x5u", json!("https://evil.example"));
    assert_eq!(PublicJwk::parse(&jwk).unwrap().to_value(), rsa());
}

#[test]
fn rsa_1024_is_refused() {
    let short = josekit::jwk::Jwk::generate_rsa_key(1024).unwrap().to_public_key().unwrap();
    let short = Value::Object(short.into());
    assert_eq!(error(&short), KeyError::RsaSize);
    assert_eq!(JwkSet::parse(&json!({ "keys": [short] })), Err(KeyError::RsaSize));
}

#[test]
fn rsa_numbers_out_of_range_are_refused() {
    let e = [1, 0, 1];
    let modulus = |bytes: usize, first: u8| [vec![first], vec![0xff; bytes - 1]].concat();
    assert!(PublicJwk::parse(&rsa_jwk(&modulus(256, 0x80), &e)).is_ok());
    assert!(PublicJwk::parse(&rsa_jwk(&modulus(1024, 0x80), &e)).is_ok());
    for (bytes, first) in [(256, 0x7f), (256, 1), (255, 0xff), (1025, 1), (3000, 1)] {
        assert_eq!(error(&rsa_jwk(&modulus(bytes, first), &e)), KeyError::RsaSize, "{bytes} {first}");
    }
    assert_eq!(error(&rsa_jwk(&[], &e)), KeyError::RsaSize);
    assert_eq!(error(&rsa_jwk(&[0; 256], &e)), KeyError::RsaSize);
    let mut even = modulus(256, 0x80);
    even[255] = 0xfe;
    assert_eq!(error(&rsa_jwk(&even, &e)), KeyError::Member("n"));
    for e in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[0x80, 0, 0, 1], &[1, 0, 0, 0, 1], &[0xff; 256]] {
        assert_eq!(error(&rsa_jwk(&modulus(256, 0x80), e)), KeyError::Member("e"), "{e:?}");
    }
    assert!(PublicJwk::parse(&rsa_jwk(&modulus(256, 0x80), &[3])).is_ok());
}

// RFC 7518 §6.3.1.1 warns of libraries that prefix a zero byte.
#[test]
fn leading_zeros_of_rsa_numbers_do_not_change_the_key() {
    let n = unb64(rsa()["n"].as_str().unwrap());
    let padded = rsa_jwk(&[&[0], &n[..]].concat(), &[0, 1, 0, 1]);
    let key = PublicJwk::parse(&padded).unwrap();
    assert_eq!(key.thumbprint(), RSA.kid());
    assert_eq!(key.to_value(), rsa());
}

#[test]
fn points_off_the_curve_are_refused() {
    let mut y = unb64(ec()["y"].as_str().unwrap());
    y[31] ^= 1;
    assert_eq!(error(&with(ec(), "y", json!(b64(&y)))), KeyError::NotOnCurve);
    assert_eq!(error(&with(ec(), "x", json!(b64([0xff; 32])))), KeyError::NotOnCurve);
    let origin = json!({ "kty": "EC", "crv": "P-256", "x": b64([0; 32]), "y": b64([0; 32]) });
    assert_eq!(error(&origin), KeyError::NotOnCurve);
    for (jwk, name) in [(ec(), "x"), (ec(), "y"), (bare(&ED.public_jwk()), "x")] {
        for wrong in [json!(""), json!(b64([1; 31])), json!(b64([1; 33])), json!("*"), json!(1), json!(null)] {
            assert_eq!(error(&with(jwk.clone(), name, wrong)), KeyError::Member(name));
        }
    }
}

#[test]
fn malformed_members_are_refused() {
    for wrong in [json!(null), json!([]), json!("RSA"), json!(1)] {
        assert_eq!(error(&wrong), KeyError::NotAnObject);
    }
    assert_eq!(error(&json!({})), KeyError::Member("kty"));
    assert_eq!(error(&json!({ "kty": 1 })), KeyError::Member("kty"));
    assert_eq!(error(&json!({ "kty": "EC" })), KeyError::Member("crv"));
    assert_eq!(error(&json!({ "kty": "RSA", "e": "AQAB" })), KeyError::Member("n"));
    for name in ["kid", "alg", "use"] {
        for wrong in [json!(1), json!(null), json!(["sig"]), json!(""), json!("x".repeat(257))] {
            assert_eq!(error(&with(rsa(), name, wrong)), KeyError::Member(name));
        }
    }
    for wrong in [json!("verify"), json!([1]), json!({}), json!(vec!["verify"; 17])] {
        assert_eq!(error(&with(rsa(), "key_ops", wrong)), KeyError::Member("key_ops"));
    }
    for unknown in [
        json!({ "kty": "AKP", "pub": "AA" }),
        json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }),
        json!({ "kty": "OKP", "crv": "Ed448", "x": "AA" }),
        json!({ "kty": "rsa" }),
    ] {
        assert_eq!(error(&unknown), KeyError::UnknownType);
    }
    let long = with(rsa(), "x5c", json!(["A".repeat(MAX_JWK_BYTES)]));
    assert_eq!(error(&long), KeyError::TooLarge { limit: MAX_JWK_BYTES });
}

#[test]
fn a_key_serves_what_its_members_allow() {
    let supports = |jwk: Value, algorithm| PublicJwk::parse(&jwk).unwrap().supports(algorithm);
    assert!(supports(rsa(), Algorithm::RS256));
    assert!(supports(rsa(), Algorithm::PS256));
    assert!(supports(ec(), Algorithm::ES256));
    assert!(supports(bare(&ED.public_jwk()), Algorithm::EdDSA));
    assert!(supports(with(rsa(), "use", json!("sig")), Algorithm::RS256));
    assert!(supports(with(rsa(), "key_ops", json!(["verify"])), Algorithm::RS256));

    assert!(!supports(rsa(), Algorithm::ES256));
    assert!(!supports(ec(), Algorithm::EdDSA));
    assert!(!supports(with(rsa(), "alg", json!("PS256")), Algorithm::RS256));
    assert!(!supports(with(rsa(), "alg", json!("RS512")), Algorithm::RS256));
    assert!(!supports(with(rsa(), "alg", json!("RSA-OAEP-256")), Algorithm::RS256));
    assert!(!supports(with(rsa(), "use", json!("enc")), Algorithm::RS256));
    assert!(!supports(with(rsa(), "key_ops", json!(["encrypt"])), Algorithm::RS256));

    let unfit = PublicJwk::parse(&with(rsa(), "alg", json!("RS512"))).unwrap();
    assert_eq!(unfit.algorithm(), None);
    assert_eq!(unfit.verifier(Algorithm::RS256).unwrap_err(), KeyError::Unfit("RS256"));
}

#[test]
fn sets_skip_what_they_do_not_know() {
    let set = json!({ "keys": [
        { "kty": "AKP", "pub": "AA" },
        { "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" },
        with(rsa(), "use", json!("enc")),
        with(ec(), "kid", json!("one")),
        with(rsa(), "kid", json!("two")),
        bare(&ED.public_jwk()),
    ] });
    let set = JwkSet::parse(&set).unwrap();
    let kids: Vec<_> = set.signature_keys().map(PublicJwk::kid).collect();
    assert_eq!(kids, [Some("one"), Some("two"), None]);
    assert_eq!(set.keys().len(), 4);
}

#[test]
fn the_key_to_encrypt_with_is_the_one_for_that_alone_or_the_first_that_fits() {
    let for_encryption = with(with(rsa(), "use", json!("enc")), "kid", json!("enc"));
    let set = json!({ "keys": [with(rsa(), "kid", json!("any")), for_encryption, with(ec(), "use", json!("sig"))] });
    let set = JwkSet::parse(&set).unwrap();
    let kid = |algorithm| set.encryption_key(algorithm).map(PublicJwk::kid);
    assert_eq!(kid(KeyManagement::RsaOaep256), Some(Some("enc")));
    assert_eq!(kid(KeyManagement::EcdhEs), None, "that key is for signatures");
    let set = JwkSet::parse(&json!({ "keys": [with(ec(), "kid", json!("any"))] })).unwrap();
    assert_eq!(set.encryption_key(KeyManagement::EcdhEsA256Kw).map(PublicJwk::kid), Some(Some("any")));
}

#[test]
fn sets_are_bounded_and_have_unique_kids() {
    let twice = json!({ "keys": [with(ec(), "kid", json!("one")), with(rsa(), "kid", json!("one"))] });
    assert_eq!(JwkSet::parse(&twice), Err(KeyError::DuplicateKid));
    let many = |count: usize| json!({ "keys": vec![ec(); count] });
    assert_eq!(JwkSet::parse(&many(MAX_KEYS)).unwrap().keys().len(), MAX_KEYS);
    assert_eq!(JwkSet::parse(&many(MAX_KEYS + 1)), Err(KeyError::TooManyKeys));
    let long = json!({ "keys": [], "fill": "x".repeat(64 * 1024) });
    assert_eq!(JwkSet::parse(&long), Err(KeyError::TooLarge { limit: 64 * 1024 }));
    for wrong in [json!({}), json!({ "keys": {} }), json!({ "keys": null })] {
        assert_eq!(JwkSet::parse(&wrong), Err(KeyError::Member("keys")));
    }
    assert_eq!(JwkSet::parse(&json!({ "keys": [1] })), Err(KeyError::NotAnObject));
    assert_eq!(JwkSet::parse(&json!([])), Err(KeyError::NotAnObject));
}

#[test]
fn serde_keeps_and_checks_keys() {
    let set: JwkSet = [RSA.public_jwk(), EC.public_jwk(), ED.public_jwk()].into_iter().collect();
    let text = serde_json::to_string(&set).unwrap();
    assert_eq!(serde_json::from_str::<JwkSet>(&text).unwrap(), set);
    assert_eq!(JwkSet::parse(&set.to_value()).unwrap(), set);
    let restricted = with(rsa(), "key_ops", json!(["verify"]));
    let key: PublicJwk = serde_json::from_value(restricted.clone()).unwrap();
    assert_eq!(serde_json::to_value(&key).unwrap(), restricted);
    assert!(serde_json::from_value::<PublicJwk>(with(ec(), "d", json!("AQ"))).is_err());
    assert!(serde_json::from_str::<JwkSet>(r#"{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"}]}"#).is_err());
}

#[test]
fn a_wrong_key_among_good_ones_need_not_spoil_them() {
    let enc = with(ec(), "use", json!("enc"));
    let set = json!({ "keys": [with(rsa(), "n", json!("AQAB")), rsa(), enc] });
    assert!(JwkSet::parse(&set).is_err());
    assert_eq!(JwkSet::parse_good(&set).unwrap().keys().len(), 2);
    assert_eq!(JwkSet::parse_usable(&set).unwrap().keys().len(), 1, "those for signatures");
}

#[test]
fn json_of_strangers_is_one_object_that_means_the_same_to_everybody() {
    assert_eq!(read_object(br#" {"a":[{"b":1}]} "#).unwrap()["a"], json!([{ "b": 1 }]));
    for (text, error) in [
        ("", FormatError::NotAnObject),
        ("[]", FormatError::NotAnObject),
        ("{} {}", FormatError::NotAnObject),
        (r#"{"a":1,"a":1}"#, FormatError::DuplicateMember),
        (r#"{"a":[{"b":1,"\u0062":1}]}"#, FormatError::DuplicateMember),
    ] {
        assert_eq!(read_object(text.as_bytes()), Err(error), "{text}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(16), "]".repeat(16));
    assert_eq!(read_object(deep.as_bytes()), Err(FormatError::TooDeep));
}
