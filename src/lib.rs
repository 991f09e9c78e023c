//! (under construction)
pub mod clock;
pub mod domain;
pub mod master_key;
pub mod random;
pub mod store;
