//! What a journal consists of.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The longest title, in characters.
pub const MAX_TITLE: usize = 200;

/// One entry as its owner reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Entry {
    /// Its name in the address: see [`EntryId`].
    pub id: String,
    /// A line for lists; may be empty.
    pub title: String,
    /// Whatever text the client sent, unchanged.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was last replaced.
    pub changed_at: DateTime<Utc>,
}

/// An entry as a client sends it. Other members are refused, so that nobody sets an id or an owner.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// At most [`MAX_TITLE`] characters.
    #[serde(default)]
    pub title: String,
    /// Bounded by the size of the request.
    pub body: String,
}

impl Draft {
    /// Whether it can be kept.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.title.chars().count() > MAX_TITLE {
            return Err("a title has at most 200 characters");
        }
        if self.body.is_empty() {
            return Err("an entry has a body");
        }
        Ok(())
    }
}

/// Milliseconds since 1970 in 12 hexadecimal digits, then 20 random ones: sorts by time, and cannot be guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryId(String);

impl EntryId {
    /// A new id.
    pub fn new(now: DateTime<Utc>, random: [u8; 10]) -> Self {
        let time = now.timestamp_millis().clamp(0, (1 << 48) - 1);
        Self(random.iter().fold(format!("{time:012x}"), |id, byte| format!("{id}{byte:02x}")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an entry")]
pub struct InvalidId;

impl FromStr for EntryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 32 && hexadecimal { Ok(Self(text.to_owned())) } else { Err(InvalidId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_as_they_are_written() {
        let at = |millis| EntryId::new(DateTime::from_timestamp_millis(millis).unwrap(), [0xff; 10]);
        let (early, late) = (at(1_800_000_000_000), at(1_800_000_000_001));
        assert!(early.as_str() < late.as_str());
        assert_eq!(early.as_str().parse(), Ok(early));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "1", "G0000000000000000000000000000000", "../../etc/passwd", &"a".repeat(33), &"é".repeat(16)]
        {
            assert_eq!(text.parse::<EntryId>(), Err(InvalidId), "{text}");
        }
    }
}
