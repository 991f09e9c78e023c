//! Everything that an API parses of what strangers send, as functions of bytes: for the fuzzer, which looks for bytes that break them, and
//! for a test that gives them what was found before.
//!
//! Each says whether its input was accepted, and panics when it should not have been. What was signed by nobody but a fixed key must be
//! accepted as it is and in no other form.
//!
//! | module | what it tells |
//! |---|---|
//! | `request` | whole HTTP requests to an API ([`bearer_request`]) |
//! | `token` | signed tokens, proofs of possession, encrypted tokens ([`jwt`], [`proof`], [`jwe`]) |
//! | `key_set` | public keys of others ([`jwk_set`]) |
//! | `keys` | the keys that the seeds are signed with |
//! | `segments` | the two ways to write a compact token |
//! | [`seeds`] | where to begin |

#![forbid(unsafe_code)]

mod key_set;
mod keys;
mod request;
pub mod seeds;
mod segments;
mod token;

pub use key_set::jwk_set;
pub use request::bearer_request;
pub use token::{jwe, jwt, proof};

/// A function that looks at one input.
pub type Target = fn(&[u8]) -> bool;

/// All of them, by the names of their folders.
pub const TARGETS: [(&str, Target); 5] =
    [("bearer_request", bearer_request), ("jwt", jwt), ("proof", proof), ("jwe", jwe), ("jwk_set", jwk_set)];

/// The time at which all of this happens, in seconds since 1970.
const NOW: i64 = 1_800_000_000;
