//! Signed tokens, proofs of possession and encrypted tokens, by themselves.

use std::sync::LazyLock;

use countersign_jose::{Algorithm, Signer, Unverified, Verifier, decrypt, verify_embedded};
use countersign_types::{
    AccessTokenClaims,
    dpop::{PROOF_TYPE, ProofClaims, ProvenRequest},
};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    NOW,
    keys::{CLIENT, DECRYPTION, ES256, PROVIDER, PS256, SECRET},
    seeds,
    segments::{close, decode, encode, forms, signing_input},
};

/// What no header may have: it would change how the token is read, or with which key.
const REFUSED: [&str; 6] = ["crit", "b64", "zip", "jku", "x5u", "x5c"];

struct Keys {
    verifiers: Vec<Verifier>,
    client: Signer,
    shared: Signer,
    /// What was signed by keys that the fuzzer does not have.
    signed: Vec<String>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let pairs = [&*PROVIDER, &*PS256, &*ES256, &*CLIENT];
    let mut verifiers: Vec<_> = pairs.iter().map(|key| key.public_jwk().verifier(key.algorithm()).unwrap()).collect();
    verifiers.push(Verifier::hmac(Algorithm::HS256, &SECRET).unwrap());
    let signed = pairs.iter().map(|key| signing_input(&seeds::token(key, &seeds::claims())).to_owned()).collect();
    let shared = Signer::hmac(Algorithm::HS256, &SECRET).unwrap();
    Keys { verifiers, signed, client: CLIENT.signer().unwrap(), shared }
});

/// A JWS. An opened one without its third line is signed here with the secret of a client, who may write into it what they like.
pub fn jwt(input: &[u8]) -> bool {
    forms(input).any(|token| read(&token)) || two_lines(input).is_some_and(|input| read(&sign(&KEYS.shared, &input)))
}

fn read(token: &str) -> bool {
    let Ok(unverified) = Unverified::parse(token) else { return false };
    if let Ok(claims) = unverified.claims_unverified::<AccessTokenClaims>() {
        let again = serde_json::from_value(serde_json::to_value(&claims).unwrap()).unwrap();
        assert_eq!(claims, again, "claims survive being written");
    }
    let verified = |verifier| unverified.verify::<Map<String, Value>>(verifier).is_ok();
    let Some(verifier) = KEYS.verifiers.iter().find(|verifier| verified(verifier)) else { return false };
    let header = header(token);
    assert_eq!(header["alg"], verifier.algorithm().name());
    assert!(REFUSED.iter().chain(&["jwk"]).all(|name| header.get(name).is_none()), "{header}");
    let is_signed = KEYS.signed.iter().any(|signed| signed == signing_input(token));
    assert!(is_signed || verifier.algorithm().is_symmetric(), "nobody has signed {token}");
    true
}

/// A proof of possession. An opened one without its third line is signed here with the client's key, who may write into it what they like.
pub fn proof(input: &[u8]) -> bool {
    forms(input).any(|token| proves(&token))
        || two_lines(input).is_some_and(|input| proves(&sign(&KEYS.client, &input)))
}

fn proves(token: &str) -> bool {
    let algorithms = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];
    let Ok((key, claims)) = verify_embedded::<ProofClaims>(token, PROOF_TYPE, &algorithms) else { return false };
    assert_eq!(key.thumbprint(), CLIENT.kid(), "the fuzzer has no other key");
    let header = header(token);
    assert_eq!(header["typ"], PROOF_TYPE);
    assert!(REFUSED.iter().all(|name| header.get(name).is_none()), "{header}");
    let uri = Url::parse(&format!("{}/entries", seeds::AUDIENCE)).unwrap();
    let request = ProvenRequest { method: "POST", uri: &uri, ath: Some("hash"), now: NOW };
    let Ok(lifespan) = claims.judge(&request) else { return false };
    assert!(lifespan.from <= NOW && NOW < lifespan.until);
    assert_eq!((claims.htm.as_str(), claims.ath.as_deref()), ("POST", Some("hash")));
    true
}

/// A JWE, for each of our keys.
pub fn jwe(input: &[u8]) -> bool {
    forms(input).any(|token| {
        let contents: Vec<_> = DECRYPTION.iter().filter_map(|key| decrypt(&token, key).ok()).collect();
        assert!(contents.iter().all(|content| content == seeds::CONTENT), "nobody has encrypted {token}");
        !contents.is_empty()
    })
}

fn two_lines(input: &[u8]) -> Option<String> {
    (input.iter().filter(|byte| **byte == b'\n').count() == 1).then(|| close(input))
}

fn sign(signer: &Signer, signing_input: &str) -> String {
    format!("{signing_input}.{}", encode(&signer.sign_detached(signing_input.as_bytes()).unwrap()))
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&decode(token.split('.').next().unwrap())).unwrap()
}
