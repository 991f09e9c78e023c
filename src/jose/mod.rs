//! Our own keys: which one signs, which ones others may see, and what was signed with them.

pub mod encryption;
mod jwks;
mod keyring;
pub mod rotation;
mod verify;

pub use jwks::Jwks;
pub use keyring::{Keyring, KeyringError};
pub use verify::{AccessTokenError, Hint, HintError, Verified, verify_access_token, verify_hint};
