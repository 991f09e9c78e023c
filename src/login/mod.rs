//! Ways to prove who one is, and the session that comes of it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::domain::{credential::CredentialVersion, device, event::Personal, user::User};

pub mod link;
pub mod password;
pub mod session;
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

/// From where a request comes.
#[derive(Clone)]
pub struct Device {
    /// The network address of the person's side.
    pub address: IpAddr,
    /// What the browser calls itself, shortened.
    pub user_agent: String,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Device {
    /// What the audit trail keeps of it.
    pub fn personal(&self) -> Personal {
        Personal {
            address: Some(self.address.to_string()),
            user_agent: (!self.user_agent.is_empty()).then(|| self.user_agent.clone()),
        }
    }

    /// What to call it.
    pub fn label(&self) -> String {
        device::label(&self.user_agent)
    }

    /// Under what it is throttled: one IPv4 address, or the /64 of which a single line usually has all.
    pub fn network(&self) -> String {
        match self.address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }
}
