//! The crate against a provider of its own making, on a loopback port. Time is a number that tests move; nothing sleeps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod harness;
mod introspection;
mod keys;
mod limits;
mod proofs;
mod redis_store;
mod signatures;
mod tokens;
