//! A client's key pair for what is encrypted for it.

use countersign_jose::{Algorithm, DecryptionKey, JwkSet, KeyManagement, PrivateKey};
use serde_json::{Value, json};

/// Both halves, and what they are for.
pub struct EncryptionPair {
    algorithm: KeyManagement,
    private: Value,
}

impl EncryptionPair {
    pub fn for_algorithm(algorithm: KeyManagement) -> Self {
        let kind = if algorithm == KeyManagement::RsaOaep256 { Algorithm::RS256 } else { Algorithm::ES256 };
        let bytes = PrivateKey::generate(kind).unwrap().to_jwk_bytes();
        let mut private: Value = serde_json::from_slice(&bytes).unwrap();
        private.as_object_mut().unwrap().remove("alg");
        private["use"] = json!("enc");
        private["kid"] = json!("enc-key");
        Self { algorithm, private }
    }

    /// The key set that the client registers.
    pub fn jwks(&self) -> JwkSet {
        let mut public = self.private.clone();
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            public.as_object_mut().unwrap().remove(private);
        }
        JwkSet::parse(&json!({ "keys": [public] })).unwrap()
    }

    pub fn decryption_key(&self) -> DecryptionKey {
        DecryptionKey::from_jwk_bytes(self.algorithm, self.private.to_string().as_bytes()).unwrap()
    }
}
