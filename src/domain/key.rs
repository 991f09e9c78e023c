//! The life of a signing key: published, then signing, then kept until the last token it signed has expired.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::CLOCK_SKEW;

/// When a key does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// When it appeared in the JWKS.
    pub published_at: DateTime<Utc>,
    /// From when on it signs.
    pub signs_from: DateTime<Utc>,
    /// When its successor took over.
    pub retired_at: Option<DateTime<Utc>>,
    /// When an operator said that it is in other hands.
    pub compromised_at: Option<DateTime<Utc>>,
}

/// How long each step lasts.
#[derive(Clone, Copy, Debug)]
pub struct KeyLifetimes {
    /// How long clients may cache the JWKS.
    pub jwks_cache: Duration,
    /// How long a key signs.
    pub signing: Duration,
    /// The longest life of a token, after which nobody needs the key of one that retired.
    pub token: Duration,
    /// How long our own ID tokens come back to us as hints.
    pub hint: Duration,
}

/// How long it may take after a key was made until every node publishes it.
const PUBLICATION: Duration = Duration::from_secs(1);

impl KeyLifetimes {
    /// How long before its first signature a key is made: a client may have fetched the JWKS just before the last node had it, and
    /// the first node that signs with it may have a clock that is ahead.
    pub fn lead(&self) -> Duration {
        self.jwks_cache + PUBLICATION + CLOCK_SKEW.to_std().unwrap_or_default()
    }
}

/// Where in its life a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// In the JWKS, so that every cache has it before the first signature.
    Published,
    /// Signing.
    Signing,
    /// No longer signing, still in the JWKS.
    Retired,
    /// Out of the JWKS, kept for hints of our own (OpenID Connect RP-Initiated Logout §4).
    Withdrawn,
    /// In other hands: nothing that it signed counts any more, for anybody.
    Compromised,
    /// Of no more use.
    Expired,
}

impl KeyState {
    /// As the command line prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
            Self::Compromised => "compromised",
            Self::Expired => "expired",
        }
    }

    /// Whether clients find it in the JWKS.
    pub fn is_public(self) -> bool {
        match self {
            Self::Published | Self::Signing | Self::Retired => true,
            Self::Withdrawn | Self::Compromised | Self::Expired => false,
        }
    }

    /// Whether what it signed is still known as ours, be it as a hint alone.
    pub fn is_ours(self) -> bool {
        match self {
            Self::Published | Self::Signing | Self::Retired | Self::Withdrawn => true,
            Self::Compromised | Self::Expired => false,
        }
    }
}

impl KeyTimes {
    /// Where in its life the key is.
    pub fn state(&self, lifetimes: &KeyLifetimes, now: DateTime<Utc>) -> KeyState {
        if let Some(compromised_at) = self.compromised_at {
            // Kept for as long as any other, so that operators see what became of it.
            return if now < compromised_at + lifetimes.hint { KeyState::Compromised } else { KeyState::Expired };
        }
        match self.retired_at {
            Some(retired_at) if now >= retired_at => {
                let out_of_jwks = retired_at + lifetimes.token + lifetimes.jwks_cache;
                if now < out_of_jwks {
                    KeyState::Retired
                } else if now < retired_at + lifetimes.hint {
                    KeyState::Withdrawn
                } else {
                    KeyState::Expired
                }
            }
            _ if now < self.signs_from => KeyState::Published,
            _ => KeyState::Signing,
        }
    }
}

/// Whether a successor must be published now, so that it can sign when the present key has done its time.
///
/// `newest` is the key that signs last, present or published; `None` when there is no key at all.
pub fn needs_successor(newest: Option<&KeyTimes>, lifetimes: &KeyLifetimes, now: DateTime<Utc>) -> bool {
    newest.is_none_or(|key| now + lifetimes.lead() >= key.signs_from + lifetimes.signing)
}

/// Whether a key that waits was to sign so late only because a clock was ahead when it was made: `present` would have to sign for
/// longer than a key does.
pub fn is_astray(waiting: &KeyTimes, present: &KeyTimes, lifetimes: &KeyLifetimes, now: DateTime<Utc>) -> bool {
    let latest = now.max(present.signs_from + lifetimes.signing) + lifetimes.lead();
    waiting.signs_from > latest
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: KeyLifetimes = KeyLifetimes {
        jwks_cache: Duration::from_secs(10),
        signing: Duration::from_secs(100),
        token: Duration::from_secs(5),
        hint: Duration::from_secs(50),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_key_is_public_before_and_after_it_signs() {
        use KeyState::{Expired, Published, Retired, Signing, Withdrawn};
        let key = KeyTimes { published_at: at(0), signs_from: at(10), retired_at: Some(at(110)), compromised_at: None };
        let states = [0, 10, 109, 110, 124, 125, 159, 160].map(|now| key.state(&LIFETIMES, at(now)));
        assert_eq!(states, [Published, Signing, Signing, Retired, Retired, Withdrawn, Withdrawn, Expired]);
    }

    #[test]
    fn a_compromised_key_is_worth_nothing_wherever_in_its_life_it_was() {
        for retired_at in [None, Some(at(20))] {
            let key = KeyTimes { published_at: at(0), signs_from: at(0), retired_at, compromised_at: Some(at(30)) };
            let state = key.state(&LIFETIMES, at(30));
            assert_eq!((state, state.is_public(), state.is_ours()), (KeyState::Compromised, false, false));
            assert_eq!(key.state(&LIFETIMES, at(80)), KeyState::Expired);
        }
    }

    #[test]
    fn a_successor_is_made_one_cache_time_early_and_some_seconds_for_the_nodes_and_their_clocks() {
        let key = KeyTimes { published_at: at(0), signs_from: at(0), retired_at: None, compromised_at: None };
        assert!(!needs_successor(Some(&key), &LIFETIMES, at(78)));
        assert!(needs_successor(Some(&key), &LIFETIMES, at(79)));
        assert!(needs_successor(None, &LIFETIMES, at(0)));
    }

    #[test]
    fn a_key_that_waits_for_a_time_that_was_wrong_is_astray() {
        let from =
            |seconds| KeyTimes { published_at: at(0), signs_from: at(seconds), retired_at: None, compromised_at: None };
        let astray = |waiting, now| is_astray(&from(waiting), &from(0), &LIFETIMES, at(now));
        for (waiting, now, expected) in
            [(100, 79, false), (121, 79, false), (122, 79, true), (5_000, 0, true), (321, 300, false)]
        {
            assert_eq!(astray(waiting, now), expected, "{waiting} at {now}");
        }
    }
}
