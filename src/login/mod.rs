//! Ways to prove who one is, and the session that comes of it.

use chrono::{DateTime, Utc};

pub use self::device::Device;
use crate::domain::{credential::CredentialVersion, second_factor::Shown, user::User};

pub mod account;
pub mod change_password;
pub mod consent;
pub mod device;
pub mod email;
pub mod errand;
pub mod export;
pub mod link;
pub mod logout;
pub mod mail;
pub mod new_password;
pub mod password;
pub mod profile;
mod recovery_code;
pub mod second_factor;
pub mod session;
pub mod sign_up;
pub mod throttle;
pub mod totp;

/// A person who has just proved by their password who they are.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Who.
    pub user: User,
    /// Which password they proved it with. One that was changed since proves nothing.
    pub password: CredentialVersion,
    /// What they have shown beside it.
    pub shown: Shown,
    /// When they gave the password: what comes after it does not make it fresh.
    pub password_at: DateTime<Utc>,
    /// When they gave the last of it.
    pub at: DateTime<Utc>,
}
