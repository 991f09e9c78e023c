//! Public keys of others, as they come from a provider's address or in the header of a proof.

use countersign_jose::{Algorithm, EncryptionKey, JwkSet, KeyManagement, PublicJwk};
use serde_json::Value;

const KEY_MANAGEMENT: [KeyManagement; 5] = [
    KeyManagement::RsaOaep256,
    KeyManagement::EcdhEs,
    KeyManagement::EcdhEsA256Kw,
    KeyManagement::Dir,
    KeyManagement::A256GcmKw,
];

/// A key set, or one key.
pub fn jwk_set(input: &[u8]) -> bool {
    let Ok(json) = serde_json::from_slice::<Value>(input) else { return false };
    let single = PublicJwk::parse(&json);
    let set = JwkSet::parse(&json);
    if let Ok(set) = &set {
        assert_eq!(JwkSet::parse(&set.to_value()).as_ref(), Ok(set), "a set survives being written");
    }
    let usable = JwkSet::parse_usable(&json);
    if let Ok(set) = &set {
        let for_signatures: JwkSet = set.signature_keys().cloned().collect();
        assert_eq!(usable.as_ref(), Ok(&for_signatures), "whoever skips what is wrong skips nothing else");
    }
    usable.iter().flat_map(JwkSet::keys).for_each(use_key);
    let keys = set.as_ref().map_or(&[][..], JwkSet::keys).iter().chain(single.as_ref().ok());
    keys.for_each(use_key);
    set.is_ok() || single.is_ok()
}

fn use_key(key: &PublicJwk) {
    assert_eq!(PublicJwk::parse(&key.to_value()).as_ref(), Ok(key), "a key survives being written");
    let written = key.to_value();
    assert!(["d", "p", "q", "k"].iter().all(|secret| written.get(secret).is_none()), "{written}");
    for algorithm in Algorithm::ALL {
        if let Ok(verifier) = key.verifier(algorithm) {
            assert!(key.supports(algorithm) && !algorithm.is_symmetric());
            assert!(!verifier.verify_detached(b"message", b"no signature"));
        }
    }
    for algorithm in KEY_MANAGEMENT {
        let _ = EncryptionKey::public(algorithm, key);
    }
}
