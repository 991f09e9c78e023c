//! For operators and their machines.

pub mod health;
pub mod metrics;
pub mod verify_audit;
