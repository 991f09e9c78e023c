//! The one test binary: the provider through its router, on the database that `COUNTERSIGN_TEST_DATABASE` names (a PostgreSQL
//! server), or on SQLite. Files mirror `src`; `attacks/` goes through the list of docs/security.md by number.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attacks;
mod audit;
mod audit_log;
mod bad_input;
mod cli;
mod clock;
mod docs;
mod docs_security;
mod ephemeral;
mod harness;
mod import_rule;
mod jobs;
mod listener;
mod login;
mod metrics;
mod node;
mod oauth;
mod pages;
mod rate;
mod store;
