//! Guarded JSON Web Signatures, encryption and keys. The only crate of Countersign that knows josekit; none
//! of its types appears here.
//!
//! | module | what it does |
//! |---|---|
//! | `algorithm` | the signature algorithms ([`Algorithm`]) |
//! | `guard` | what every token must look like before anything in it is believed ([`FormatError`]) |
//! | `jwk`, `jwk_set` | public keys of others, checked and bounded ([`PublicJwk`], [`JwkSet`]) |
//! | `bounded` | how long a JSON value is as text |
//! | `key` | private keys of ours ([`PrivateKey`], [`KeyError`]) |
//! | `sign` | claims → compact JWS ([`Signer`]) |
//! | `unsecured` | JWTs that nobody signed ([`read_unsecured`]) |
//! | `verify` | compact JWS → claims ([`Unverified`], [`Verifier`]) |
//! | `embedded` | compact JWS with their own key in them ([`verify_embedded`]) |
//! | `jwe` | compact JWE, both ways ([`encrypt`], [`decrypt`]) |
//! | `jwe_key` | keys for it ([`EncryptionKey`], [`DecryptionKey`]) |
//!
//! Claims are only carried: `exp`, `aud`, `iss` and `typ` are for the caller to judge.

mod algorithm;
mod bounded;
mod embedded;
mod guard;
mod jwe;
mod jwe_key;
mod jwk;
mod jwk_set;
mod key;
mod sign;
mod unsecured;
mod verify;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use embedded::{
    EmbeddedError, MAX_EMBEDDED_BYTES, access_token_hash, base64, sha256_of, token_digest, verify_embedded,
};
pub use guard::{FormatError, read_object};
pub use jwe::{ContentEncryption, JweError, MAX_JWE_BYTES, decrypt, encrypt};
pub use jwe_key::{DecryptionKey, EncryptionKey, KeyManagement};
pub use jwk::{MAX_JWK_BYTES, PublicJwk};
pub use jwk_set::{JwkSet, MAX_JWK_SET_BYTES, MAX_KEYS};
pub use key::{KeyError, PrivateKey};
pub use sign::{SignError, Signer};
pub use unsecured::read_unsecured;
pub use verify::{JwsError, MAX_JWS_BYTES, Unverified, Verifier, reread};
