//! Codes and refresh tokens: when they are good, and what another use of a spent one means.

use std::fmt;

use chrono::{DateTime, Utc};
use openssl::sha::sha256;

/// SHA-256 of a secret that was handed out. Only this is stored, so that a copy of the database opens nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of what a client presented or is about to be given.
    pub fn of(secret: &str) -> Self {
        Self(sha256(secret.as_bytes()))
    }

    /// As it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A secret with 256 bits of entropy, on its way out. It is never stored and never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps fresh random text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// What is stored of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The secret itself, for the one answer that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a refresh token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokenState {
    /// Good for one use, or for many where tokens are not rotated.
    Live,
    /// Spent a moment ago, while its successor is still unused: an answer may have been lost on the way.
    Grace,
    /// Past its idle or absolute end.
    Expired,
    /// Spent before: a second holder has it, so the family dies (RFC 9700 §4.14.2).
    Replayed,
}

/// What is stored of a refresh token.
#[derive(Clone, Debug)]
pub struct RefreshTokenTimes {
    /// When it was exchanged for its successor.
    pub used_at: Option<DateTime<Utc>>,
    /// Whether its successor was used too.
    pub successor_used: bool,
    /// When it stops being good if it is not used.
    pub idle_until: DateTime<Utc>,
    /// When the whole family ends.
    pub ends_at: DateTime<Utc>,
}

impl RefreshTokenTimes {
    /// What the token is good for now. `grace` is the operator's allowance for lossy networks, in most houses zero.
    pub fn state(&self, now: DateTime<Utc>, grace: std::time::Duration) -> RefreshTokenState {
        match self.used_at {
            Some(used_at) if !self.successor_used && now < used_at + grace => RefreshTokenState::Grace,
            Some(_) => RefreshTokenState::Replayed,
            None if now >= self.idle_until || now >= self.ends_at => RefreshTokenState::Expired,
            None => RefreshTokenState::Live,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn token(used_at: Option<i64>, successor_used: bool) -> RefreshTokenTimes {
        RefreshTokenTimes { used_at: used_at.map(at), successor_used, idle_until: at(100), ends_at: at(150) }
    }

    #[test]
    fn an_unused_token_is_good_until_its_idle_end() {
        assert_eq!(token(None, false).state(at(99), Duration::ZERO), RefreshTokenState::Live);
        assert_eq!(token(None, false).state(at(100), Duration::ZERO), RefreshTokenState::Expired);
    }

    #[test]
    fn a_spent_token_is_a_replay_at_once_without_grace() {
        assert_eq!(token(Some(10), false).state(at(10), Duration::ZERO), RefreshTokenState::Replayed);
    }

    #[test]
    fn grace_ends_when_the_successor_is_used() {
        let grace = Duration::from_secs(30);
        assert_eq!(token(Some(10), false).state(at(39), grace), RefreshTokenState::Grace);
        assert_eq!(token(Some(10), false).state(at(40), grace), RefreshTokenState::Replayed);
        assert_eq!(token(Some(10), true).state(at(11), grace), RefreshTokenState::Replayed);
    }

    #[test]
    fn secrets_are_never_printed() {
        let secret = Secret::new("visible".to_owned());
        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "… …");
    }
}
