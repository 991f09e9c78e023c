//! Tokens that nobody honest would write.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::store::signing_key;
use countersign_jose::PrivateKey;
use josekit::{jwk::Jwk, jws::RS256};
use serde_json::{Value, json};

use super::Server;

/// Unpadded base64url.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair as a thief, or a client, has one.
pub struct Forger(PrivateKey);

impl Forger {
    pub fn new(key: PrivateKey) -> Self {
        Self(key)
    }

    pub fn kid(&self) -> &str {
        self.0.kid()
    }

    /// The public key as JSON.
    pub fn public(&self) -> Value {
        self.0.public_jwk().to_value()
    }

    /// The public key as PEM, which HS256 could be fooled into taking for a secret.
    pub fn public_pem(&self) -> Vec<u8> {
        Jwk::from_bytes(self.0.to_jwk_bytes())
            .and_then(|jwk| RS256.verifier_from_jwk(&jwk).map(|_| jwk))
            .and_then(|jwk| josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(&jwk))
            .unwrap()
            .to_pem_public_key()
    }

    /// A token with a right RS256 signature over any text.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", b64(header), b64(payload));
        let signer = RS256.signer_from_jwk(&Jwk::from_bytes(self.0.to_jwk_bytes()).unwrap()).unwrap();
        let signature = josekit::jws::JwsSigner::sign(&signer, input.as_bytes()).unwrap();
        format!("{input}.{}", b64(signature))
    }

    /// A token with a right RS256 signature and further header parameters.
    pub fn sign(&self, typ: &str, further: &Value, claims: &Value) -> String {
        let header = merge(&json!({ "alg": "RS256", "typ": typ, "kid": self.kid() }), further);
        self.sign_text(&header.to_string(), &claims.to_string())
    }
}

/// One object with the members of both; those of the second win.
pub fn merge(one: &Value, other: &Value) -> Value {
    let mut merged = one.as_object().unwrap().clone();
    merged.extend(other.as_object().unwrap().clone());
    Value::Object(merged)
}

impl Server {
    /// Our own signing key, in the wrong hands: what no check of the signature would find.
    pub async fn stolen_key(&self) -> Forger {
        let keys = signing_key::all(&mut self.app.store.read().await.unwrap()).await.unwrap();
        Forger::new(PrivateKey::from_jwk_bytes(&keys[0].private_jwk).unwrap())
    }
}
