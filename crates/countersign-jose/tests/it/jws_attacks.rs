//! Attack 7 of docs/security.md, as far as it concerns signatures.

use countersign_jose::{Algorithm, FormatError, JwsError, KeyError, MAX_JWS_BYTES, Signer, Unverified};
use josekit::jwk::KeyPair as _;
use serde_json::{Value, json};

use crate::harness::{EC, ED, RSA, RSA_VERIFIER, b64, claims, sign_segments, sign_text, unb64};

fn verify(token: &str) -> Result<Value, JwsError> {
    Unverified::parse(token)?.verify(&RSA_VERIFIER)
}

fn refused_as(token: &str, expected: impl Into<JwsError>) {
    assert_eq!(verify(token), Err(expected.into()), "{}", &token[..token.len().min(200)]);
}

fn header_with(member: &str) -> String {
    format!(r#"{{"alg":"RS256",{member}}}"#)
}

#[test]
fn the_harness_signs_what_verifies() {
    assert_eq!(verify(&sign_text(r#"{"alg":"RS256"}"#, &claims().to_string())), Ok(claims()));
}

#[test]
fn alg_none_is_refused() {
    let payload = claims().to_string();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg }).to_string();
        refused_as(&sign_text(&header, &payload), JwsError::Algorithm);
        let stripped = format!("{}.{}.", b64(&header), b64(&payload));
        assert!(verify(&stripped).is_err());
    }
    for header in [r#"{"alg":1}"#, r#"{"alg":null}"#, r#"{"alg":["RS256"]}"#, r#"{"typ":"JWT"}"#, "{}"] {
        refused_as(&sign_text(header, &payload), FormatError::Header);
    }
}

#[test]
fn hs256_with_the_rsa_public_key_is_refused() {
    let public = RSA.public_jwk();
    let pair =
        josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(&josekit::jwk::Jwk::from_bytes(RSA.to_jwk_bytes()).unwrap())
            .unwrap();
    let jwk = public.to_value();
    for secret in [
        pair.to_pem_public_key(),
        pair.to_traditional_pem_public_key(),
        pair.to_der_public_key(),
        unb64(jwk["n"].as_str().unwrap()),
        jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        jwk.to_string().into_bytes(),
    ] {
        let forged = Signer::hmac(Algorithm::HS256, &secret).unwrap().sign("JWT", &claims()).unwrap();
        refused_as(&forged, JwsError::AlgorithmMismatch);
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        assert!(!public.supports(algorithm));
        assert_eq!(public.verifier(algorithm).unwrap_err(), KeyError::Unfit(algorithm.name()));
    }
}

#[test]
fn keys_in_the_header_are_refused() {
    let jwk = EC.public_jwk().to_value();
    let header = json!({ "alg": "ES256", "jwk": jwk }).to_string();
    let payload = claims().to_string();
    refused_as(&sign_text(&header, &payload), FormatError::RefusedHeader("jwk"));
    for name in ["jku", "x5u"] {
        let header = header_with(&format!(r#""{name}":"https://evil.example/keys""#));
        refused_as(&sign_text(&header, &payload), FormatError::RefusedHeader(name));
    }
    refused_as(&sign_text(&header_with(r#""x5c":["MIIB"]"#), &payload), FormatError::RefusedHeader("x5c"));
    refused_as(&sign_text(&header_with(r#""jwk":null"#), &payload), FormatError::RefusedHeader("jwk"));
}

#[test]
fn crit_and_b64_and_zip_are_refused() {
    let payload = claims().to_string();
    for crit in [r#"["exp"]"#, r#"["b64"]"#, r#"["zz"]"#, "[]", "null", r#""exp""#, "{}", "1"] {
        let header = header_with(&format!(r#""crit":{crit},"exp":1"#));
        refused_as(&sign_text(&header, &payload), FormatError::RefusedHeader("crit"));
    }
    for b64 in ["false", "true", "null"] {
        let header = header_with(&format!(r#""b64":{b64}"#));
        refused_as(&sign_text(&header, &payload), FormatError::RefusedHeader("b64"));
    }
    refused_as(&sign_text(&header_with(r#""zip":"DEF""#), &payload), FormatError::RefusedHeader("zip"));
    let escaped = header_with(r#""cri\u0074":["exp"]"#);
    refused_as(&sign_text(&escaped, &payload), FormatError::RefusedHeader("crit"));
}

#[test]
fn unknown_header_parameters_are_ignored() {
    let header = header_with(r#""x5t":"AAAA","url":"https://evil.example","custom":{"a":[1]}"#);
    assert_eq!(verify(&sign_text(&header, &claims().to_string())), Ok(claims()));
}

#[test]
fn duplicate_members_are_refused() {
    let payload = claims().to_string();
    for header in [
        r#"{"alg":"none","alg":"RS256"}"#,
        r#"{"alg":"RS256","alg":"RS256"}"#,
        r#"{"alg":"RS256","\u0061lg":"none"}"#,
        r#"{"alg":"RS256","kid":"a","kid":"b"}"#,
        r#"{"alg":"RS256","x":{"y":1,"y":2}}"#,
    ] {
        refused_as(&sign_text(header, &payload), FormatError::DuplicateMember);
    }
    for payload in [
        r#"{"sub":"alice","sub":"bob"}"#,
        r#"{"sub":"alice","s\u0075b":"bob"}"#,
        r#"{"act":{"sub":"alice","sub":"bob"}}"#,
        r#"{"list":[{"a":1},{"a":1,"a":2}]}"#,
    ] {
        refused_as(&sign_text(r#"{"alg":"RS256"}"#, payload), FormatError::DuplicateMember);
    }
    // The same name in different objects is no duplicate.
    assert!(verify(&sign_text(r#"{"alg":"RS256"}"#, r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#)).is_ok());
}

#[test]
fn segments_are_three_and_none_is_empty() {
    let token = sign_text(r#"{"alg":"RS256"}"#, &claims().to_string());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    for wrong in ["", "a", ".", "a.b", "a.b.c.d", "....", &format!("{token}."), &format!(".{token}")] {
        refused_as(wrong, FormatError::Segments { expected: 3 });
    }
    refused_as("..", FormatError::EmptySegment);
    refused_as(&format!(".{payload}.{signature}"), FormatError::EmptySegment);
    refused_as(&format!("{header}..{signature}"), FormatError::EmptySegment);
    refused_as(&format!("{header}.{payload}."), FormatError::EmptySegment);
    refused_as(&sign_segments(header, ""), FormatError::EmptySegment);
}

#[test]
fn base64url_has_one_spelling() {
    let payload = b64(r#"{"a":1}"#);
    let header = b64(r#"{"alg":"RS256"}"#);
    assert_eq!(payload.len() % 4, 2, "the last character carries four stray bits");
    for wrong in [
        format!("{payload}=="),
        format!("{payload}="),
        format!("{payload} "),
        format!("{payload}\n"),
        format!("{}R", &payload[..payload.len() - 1]),
        format!("{payload}AAA"),
        format!("{payload}+/A="),
        format!("{payload}é"),
    ] {
        refused_as(&sign_segments(&header, &wrong), FormatError::Base64);
    }
    let token = sign_segments(&header, &payload);
    refused_as(&format!("{token}=="), FormatError::Base64);
    refused_as(&format!("{token}\n"), FormatError::Base64);
}

#[test]
fn deep_json_is_refused() {
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let header = r#"{"alg":"RS256"}"#;
    assert!(verify(&sign_text(header, &nested(16))).is_ok());
    refused_as(&sign_text(header, &nested(17)), FormatError::TooDeep);
    refused_as(&sign_text(header, &nested(1000)), FormatError::TooDeep);
    let arrays = format!(r#"{{"a":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    refused_as(&sign_text(header, &arrays), FormatError::TooDeep);
    let header = header_with(&format!(r#""a":{}"#, nested(4)));
    refused_as(&sign_text(&header, "{}"), FormatError::TooDeep);
    let unclosed = sign_text(r#"{"alg":"RS256"}"#, &r#"{"a":"#.repeat(2000));
    refused_as(&unclosed, FormatError::TooDeep);
}

#[test]
fn a_token_of_a_megabyte_is_refused() {
    let long = FormatError::TooLong { limit: MAX_JWS_BYTES };
    refused_as(&"A".repeat(1 << 20), long);
    refused_as(&".".repeat(1 << 20), long);
    let fill = json!({ "fill": "x".repeat(1 << 20) }).to_string();
    refused_as(&sign_text(r#"{"alg":"RS256"}"#, &fill), long);
    let most = json!({ "fill": "x".repeat(11_000) }).to_string();
    assert!(verify(&sign_text(r#"{"alg":"RS256"}"#, &most)).is_ok());
}

#[test]
fn thousands_of_members_are_read_in_good_time() {
    let members: Vec<String> = (0..1200).map(|n| format!(r#""{n}":1"#)).collect();
    let payload = format!("{{{}}}", members.join(","));
    assert!(verify(&sign_text(r#"{"alg":"RS256"}"#, &payload)).is_ok());
}

#[test]
fn kid_is_compared_and_nothing_else() {
    let payload = claims().to_string();
    for kid in ["../../keys/master", "' OR 1=1 --", "/dev/null", "", "\u{0}", "http://evil.example/"] {
        let header = json!({ "alg": "RS256", "kid": kid }).to_string();
        let token = sign_text(&header, &payload);
        assert_eq!(Unverified::parse(&token).unwrap().kid(), Some(kid));
        refused_as(&token, JwsError::KeyMismatch);
    }
    let own = json!({ "alg": "RS256", "kid": RSA.kid() }).to_string();
    assert!(verify(&sign_text(&own, &payload)).is_ok());
    refused_as(&sign_text(&header_with(r#""kid":7"#), &payload), FormatError::Header);
    refused_as(&sign_text(&header_with(r#""typ":["JWT"]"#), &payload), FormatError::Header);
}

#[test]
fn payloads_are_one_json_object() {
    for payload in ["[]", "1", "null", r#""text""#, "{", "{}{}", "{} x", "{\"a\":1,}", "{'a':1}", "\u{feff}{}"] {
        refused_as(&sign_text(r#"{"alg":"RS256"}"#, payload), FormatError::NotAnObject);
        let token = sign_text(payload, "{}");
        assert_eq!(Unverified::parse(&token).unwrap_err(), FormatError::NotAnObject.into(), "{payload}");
    }
    let latin1 = sign_segments(&b64(r#"{"alg":"RS256"}"#), &b64(b"{\"name\":\"Zo\xeb\"}"));
    refused_as(&latin1, FormatError::NotAnObject);
}

#[test]
fn changed_tokens_and_other_keys_do_not_verify() {
    let token = RSA.signer().unwrap().sign("JWT", &claims()).unwrap();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let other = b64(json!({ "sub": "mallory" }).to_string());
    refused_as(&format!("{header}.{other}.{signature}"), JwsError::Signature);
    let typ = b64(format!(r#"{{"typ":"at+jwt","alg":"RS256","kid":"{}"}}"#, RSA.kid()));
    refused_as(&format!("{typ}.{payload}.{signature}"), JwsError::Signature);
    let bytes = unb64(signature);
    for wrong in [&bytes[1..], &bytes[..255], &[0; 256], &[255; 256], &[0; 1], &[&bytes[..], &[0]].concat()] {
        refused_as(&format!("{header}.{payload}.{}", b64(wrong)), JwsError::Signature);
    }
    // A claim read before the signature is checked is only what somebody wrote.
    let forged = format!("{header}.{other}.{signature}");
    let read: Value = Unverified::parse(&forged).unwrap().claims_unverified().unwrap();
    assert_eq!(read["sub"], "mallory");
}

// CVE-2022-21449: a signature of zeros verified for every message.
#[test]
fn degenerate_signatures_do_not_verify() {
    for (key, algorithm) in [(&EC, Algorithm::ES256), (&ED, Algorithm::EdDSA)] {
        let token = key.signer().unwrap().sign("JWT", &claims()).unwrap();
        let verifier = key.public_jwk().verifier(algorithm).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let right = unb64(signature);
        let half = |zero: usize| {
            let mut bytes = right.clone();
            bytes[zero * 32..zero * 32 + 32].fill(0);
            bytes
        };
        for wrong in [vec![0; 64], vec![255; 64], half(0), half(1), vec![0; 1], right[..63].to_vec(), vec![0; 72]] {
            let token = format!("{input}.{}", b64(wrong));
            let error = Unverified::parse(&token).unwrap().verify::<Value>(&verifier).unwrap_err();
            assert_eq!(error, JwsError::Signature);
        }
    }
    let hs = Signer::hmac(Algorithm::HS256, &[7; 32]).unwrap().sign("JWT", &claims()).unwrap();
    let verifier = countersign_jose::Verifier::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let (input, signature) = hs.rsplit_once('.').unwrap();
    for wrong in [&[0; 32][..], &unb64(signature)[..31], &[0; 1], &[0; 64]] {
        let token = format!("{input}.{}", b64(wrong));
        assert_eq!(Unverified::parse(&token).unwrap().verify::<Value>(&verifier), Err(JwsError::Signature));
    }
}

#[test]
fn errors_never_quote_the_token() {
    let payload = r#"{"sub":"topsecret","sub":"topsecret"}"#;
    let tokens = [
        sign_text(r#"{"alg":"topsecret"}"#, payload),
        sign_text(r#"{"alg":"RS256","kid":"topsecret"}"#, payload),
        sign_text(r#"{"alg":"RS256","topsecret":1,"topsecret":2}"#, payload),
        sign_text(r#"{"alg":"RS256"}"#, payload),
        sign_text(r#"{"alg":"RS256","typ":{"topsecret":1}}"#, payload),
        "topsecret.topsecret.topsecret".to_owned(),
    ];
    for token in tokens {
        let error = verify(&token).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("topsecret"), "{error:?}");
    }
}
