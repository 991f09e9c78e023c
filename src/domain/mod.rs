//! The rules of the house: types and decisions without IO, async, clock or randomness.
//!
//! Everything here can be tested with plain values. What a request means, who may have what, and when a thing stops
//! being valid is decided here; other rooms fetch, store and answer.

use chrono::TimeDelta;

pub mod accounts;
pub mod api;
pub mod audit_log;
pub mod authorization;
pub mod claims;
pub mod client;
pub mod colour;
pub mod credential;
pub mod device;
pub mod errand;
pub mod event;
pub mod grant;
pub mod job;
pub mod key;
pub mod link;
pub mod logout;
pub mod mail;
pub mod pairwise;
pub mod password_rules;
pub mod profile;
pub mod rate;
pub mod recovery_code;
pub mod second_factor;
pub mod session;
pub mod throttle;
pub mod token;
pub mod totp;
pub mod user;

/// By how much the clocks of machines may differ. What was counted further ahead was counted before a clock was set back, and a
/// count that only time can end must not wait for that time.
pub const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(10);
