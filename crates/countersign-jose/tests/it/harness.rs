//! Keys made once, and tokens that the crate itself would never write.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jose::{Algorithm, PrivateKey, Verifier};
use josekit::jwk::Jwk;
use josekit::jws::{JwsSigner, RS256};
use serde_json::{Value, json};

pub static RSA: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::RS256).unwrap());
pub static PSS: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::PS256).unwrap());
pub static EC: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::ES256).unwrap());
pub static ED: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Algorithm::EdDSA).unwrap());

pub static RSA_VERIFIER: LazyLock<Verifier> = LazyLock::new(|| RSA.public_jwk().verifier(Algorithm::RS256).unwrap());

static RAW: LazyLock<Box<dyn JwsSigner>> = LazyLock::new(|| {
    let jwk = Jwk::from_bytes(RSA.to_jwk_bytes()).unwrap();
    Box::new(RS256.signer_from_jwk(&jwk).unwrap())
});

pub fn key(algorithm: Algorithm) -> &'static PrivateKey {
    match algorithm {
        Algorithm::RS256 => &RSA,
        Algorithm::PS256 => &PSS,
        Algorithm::ES256 => &EC,
        Algorithm::EdDSA => &ED,
        symmetric => panic!("{symmetric} has no key pair"),
    }
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// A token with a right RS256 signature by [`RSA`] over segments of any form.
pub fn sign_segments(header: &str, payload: &str) -> String {
    let input = format!("{header}.{payload}");
    let signature = RAW.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", b64(signature))
}

/// A token with a right RS256 signature by [`RSA`] over any header and payload text.
pub fn sign_text(header: &str, payload: &str) -> String {
    sign_segments(&b64(header), &b64(payload))
}

pub fn claims() -> Value {
    json!({ "iss": "https://op.example", "sub": "248289761001", "aud": ["s6BhdRkqt3"], "exp": 1_311_281_970 })
}

/// An RSA public JWK with these numbers, big-endian.
pub fn rsa_jwk(n: &[u8], e: &[u8]) -> Value {
    json!({ "kty": "RSA", "n": b64(n), "e": b64(e) })
}
