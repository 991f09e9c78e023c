//! The journal through its router, with a provider that only publishes a key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accesses;
mod ciphertext;
mod entries;
mod harness;
mod page;
mod vault;
mod whole;
