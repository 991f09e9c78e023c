//! Device sessions: one sign-in on one device, and how long it is good for.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::{SessionId, UserId, vocabulary::ACR_SECOND_FACTOR};

use super::device::DeviceId;

/// How old the proof of who a person is may be when they change something that matters.
const FRESH: TimeDelta = TimeDelta::minutes(5);

/// A person signed in on one device.
#[derive(Clone, Debug)]
pub struct Session {
    /// The `sid` of everything issued on it.
    pub id: SessionId,
    /// Who signed in.
    pub user: UserId,
    /// When they last proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How strong the proof was.
    pub acr: String,
    /// By what means (RFC 8176).
    pub amr: Vec<String>,
    /// What the device calls itself, in our words.
    pub label: String,
    /// Which of the person's devices it is; unknown of sessions that began before devices were.
    pub device: Option<DeviceId>,
    /// The network address of the last sign-in, for its owner to see.
    pub address: String,
    /// When the session began.
    pub created_at: DateTime<Utc>,
    /// When the person was last here.
    pub last_seen: DateTime<Utc>,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// Without a visit.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

impl Session {
    /// When the session stops being good if nobody comes back.
    pub fn expires_at(&self, lifetimes: &SessionLifetimes) -> DateTime<Utc> {
        (self.last_seen + lifetimes.idle).min(self.created_at + lifetimes.absolute)
    }

    /// Whether the session is still good.
    pub fn is_live(&self, lifetimes: &SessionLifetimes, now: DateTime<Utc>) -> bool {
        now < self.expires_at(lifetimes)
    }

    /// Whether a session that may have ended is still good, ran out by itself, or was ended before.
    pub fn life(&self, ended_at: Option<DateTime<Utc>>, lifetimes: &SessionLifetimes, now: DateTime<Utc>) -> Life {
        let expires_at = self.expires_at(lifetimes);
        match ended_at {
            // What has run out is ended by a job, a little later.
            Some(ended_at) if ended_at < expires_at => Life::Ended,
            None if now < expires_at => Life::Live,
            Some(_) | None => Life::Expired,
        }
    }

    /// Whether the person proved who they are so lately that it still counts for a change that matters.
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now - self.auth_time <= FRESH
    }

    /// Whether the person proved with a second factor who they are.
    pub fn has_second_factor(&self) -> bool {
        self.acr == ACR_SECOND_FACTOR
    }

    /// Whether a visit is worth a write: every request would be one too many.
    pub fn should_touch(&self, lifetimes: &SessionLifetimes, now: DateTime<Utc>) -> bool {
        now - self.last_seen > chrono::TimeDelta::from_std(lifetimes.idle / 100).unwrap_or_default()
    }
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is still good.
    Live,
    /// Its time ran out.
    Expired,
    /// It was ended before that.
    Ended,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The person, or an app on their behalf, logged out.
    Logout,
    /// Someone else signed in on the same browser.
    Replaced,
    /// Too long without a visit, or too old.
    Expired,
    /// The password was changed.
    PasswordChanged,
    /// The account was disabled.
    Disabled,
    /// The person ended what they had signed in to on this device.
    DeviceEnded,
    /// The person is signed in on more devices, or the browser keeps more accounts, than is allowed; this one was used the longest
    /// ago.
    TooMany,
    /// An operator ended it.
    Revoked,
    /// The account is gone.
    AccountDeleted,
}

impl SessionEnd {
    /// As it stands in the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::PasswordChanged => "password_changed",
            Self::Disabled => "disabled",
            Self::DeviceEnded => "device_ended",
            Self::TooMany => "too_many",
            Self::Revoked => "revoked",
            Self::AccountDeleted => "account_deleted",
        }
    }

    /// Whether grants with `offline_access` die too: they outlive a logout, not the loss of trust in a device.
    pub fn ends_offline_grants(self) -> bool {
        match self {
            Self::Logout | Self::Replaced | Self::Expired | Self::TooMany => false,
            Self::PasswordChanged | Self::Disabled | Self::DeviceEnded | Self::Revoked | Self::AccountDeleted => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: SessionLifetimes =
        SessionLifetimes { idle: Duration::from_secs(100), absolute: Duration::from_secs(150) };

    fn session() -> Session {
        Session {
            id: SessionId::new("s"),
            user: UserId::new("u"),
            auth_time: DateTime::UNIX_EPOCH,
            acr: String::new(),
            amr: Vec::new(),
            label: String::new(),
            device: None,
            address: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            last_seen: DateTime::UNIX_EPOCH,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_visit_prolongs_a_session_up_to_its_absolute_end() {
        let mut session = session();
        assert!(session.is_live(&LIFETIMES, at(99)));
        assert!(!session.is_live(&LIFETIMES, at(100)));
        session.last_seen = at(90);
        assert!(session.is_live(&LIFETIMES, at(149)));
        assert!(!session.is_live(&LIFETIMES, at(150)));
    }

    #[test]
    fn what_ran_out_is_told_from_what_was_ended() {
        let session = session();
        assert_eq!(session.life(None, &LIFETIMES, at(99)), Life::Live);
        assert_eq!(session.life(None, &LIFETIMES, at(100)), Life::Expired);
        assert_eq!(session.life(Some(at(160)), &LIFETIMES, at(170)), Life::Expired);
        assert_eq!(session.life(Some(at(50)), &LIFETIMES, at(60)), Life::Ended);
        assert_eq!(session.life(Some(at(50)), &LIFETIMES, at(170)), Life::Ended);
    }

    #[test]
    fn a_proof_is_fresh_for_five_minutes_whatever_the_visits() {
        let mut session = session();
        session.last_seen = at(300);
        assert!(session.is_fresh(at(300)));
        assert!(!session.is_fresh(at(301)));
    }
}
