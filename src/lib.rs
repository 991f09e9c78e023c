//! (under construction)
pub mod clock;
pub mod config;
pub mod domain;
pub mod master_key;
pub mod outbound;
pub mod random;
pub mod store;
