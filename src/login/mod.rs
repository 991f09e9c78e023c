//! Ways to prove who one is, and the session that comes of it.

use chrono::{DateTime, Utc};

pub use self::device::Device;
use crate::domain::{credential::CredentialVersion, user::User};

pub mod change_password;
pub mod device;
pub mod email;
pub mod errand;
pub mod link;
pub mod mail;
pub mod new_password;
pub mod password;
pub mod profile;
pub mod session;
pub mod sign_up;
pub mod throttle;

/// A person who has just proved who they are.
#[derive(Debug)]
pub struct Proof {
    /// Who.
    pub user: User,
    /// Which password they proved it with. One that was changed since proves nothing.
    pub password: CredentialVersion,
    /// By what means (RFC 8176).
    pub amr: Vec<String>,
    /// How strong that is.
    pub acr: &'static str,
    /// When.
    pub at: DateTime<Utc>,
}
