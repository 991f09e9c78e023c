//! What we need of a relying party to trust what it signs and to encrypt for it: its public keys, wherever it keeps them.

pub mod keys;
mod lock;

pub use lock::{Lock, LockError};
