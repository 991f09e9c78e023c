//! What `countersign-jose` accepts and, above all, what it refuses (docs/security.md, JOSE).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod embedded;
mod harness;
mod jwe;
mod jws_attacks;
mod jws_roundtrip;
mod mutation;
mod private_keys;
mod public_keys;
