//! What was fetched lately, and what failed: a small memory with bounds. Pure.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::{Fetched, OutboundError};

/// What came of one fetch.
pub(super) type Outcome = Result<Fetched, OutboundError>;

/// At most this many outcomes are remembered.
const MAX_ENTRIES: usize = 256;
/// Their URLs and bodies are at most this many bytes together.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How long a success is remembered when its server does not say.
const SUCCESS: TimeDelta = TimeDelta::hours(1);
/// How long a failure is remembered, and the least that a success is: so that nobody makes us hammer somebody's server.
const LEAST: TimeDelta = TimeDelta::seconds(60);
/// The longest that a server may ask for.
const MOST: TimeDelta = TimeDelta::hours(24);

/// A URL and the most bytes that are wanted from it: the same answer may be too large for one and fine for another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    url: String,
    limit: usize,
}

impl Key {
    /// A fragment never leaves for the server, so it makes no difference.
    pub(super) fn new(url: &Url, limit: usize) -> Self {
        let mut url = url.clone();
        url.set_fragment(None);
        Self { url: url.into(), limit }
    }
}

#[derive(Debug)]
struct Entry {
    outcome: Outcome,
    /// When its server was asked the last time.
    asked_at: DateTime<Utc>,
    until: DateTime<Utc>,
    bytes: usize,
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Key, Entry>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, key: &Key, now: DateTime<Utc>) -> Option<Outcome> {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| entry.outcome.clone())
    }

    /// The same, if its server was asked within the last `age`.
    pub(super) fn get_young(&self, key: &Key, age: TimeDelta, now: DateTime<Utc>) -> Option<Outcome> {
        let is_young = self.entries.get(key).is_some_and(|entry| now < entry.asked_at + age);
        if is_young { self.get(key, now) } else { None }
    }

    /// Remembers `outcome` and hands it back; `max_age` is what the server asked for. What ends soonest makes room, so failures, which
    /// end soon, never push out many successes.
    ///
    /// Where a success is still good and was asked for again too early, a failure does not take its place: that is handed back instead.
    pub(super) fn put(
        &mut self,
        key: Key,
        outcome: Outcome,
        max_age: Option<TimeDelta>,
        now: DateTime<Utc>,
    ) -> Outcome {
        if outcome.is_err()
            && let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.outcome.is_ok() && now < entry.until)
        {
            entry.asked_at = now;
            return entry.outcome.clone();
        }
        let lifetime = match &outcome {
            Ok(_) => max_age.unwrap_or(SUCCESS).clamp(LEAST, MOST),
            Err(_) => LEAST,
        };
        let bytes = key.url.len() + outcome.as_ref().map_or(0, |fetched| fetched.body.len());
        self.remove(&key);
        if bytes > MAX_BYTES / 4 {
            return outcome;
        }
        self.entries.insert(key, Entry { outcome: outcome.clone(), asked_at: now, until: now + lifetime, bytes });
        self.bytes += bytes;
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(first) = self.entries.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| key.clone())
            else {
                break;
            };
            self.remove(&first);
        }
        outcome
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

/// The `max-age` of a `Cache-Control` header (RFC 9111 §5.2.2.1); `no-store` and `no-cache` ask for none.
pub(super) fn max_age(cache_control: &str) -> Option<TimeDelta> {
    let directives: Vec<_> = cache_control.split(',').map(|text| text.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(TimeDelta::zero());
    }
    let seconds = directives.iter().find_map(|directive| directive.strip_prefix("max-age="))?;
    // RFC 9111 §1.2.2: a value too large is the largest we can keep.
    if seconds.is_empty() || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(seconds.parse::<u32>().map_or(MOST, |seconds| TimeDelta::seconds(seconds.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new(&Url::parse(&format!("https://example.com/{name}")).unwrap(), 100)
    }

    fn body(bytes: usize) -> Fetched {
        Fetched { content_type: None, body: vec![0; bytes].into(), host: None }
    }

    fn lasts(outcome: &Outcome, asked: Option<TimeDelta>) -> TimeDelta {
        let mut cache = Cache::default();
        let start = DateTime::UNIX_EPOCH;
        let _ = cache.put(key("x"), outcome.clone(), asked, start);
        let alive = |seconds: i64| cache.get(&key("x"), start + TimeDelta::seconds(seconds)).is_some();
        TimeDelta::seconds((0..200_000).find(|seconds| !alive(*seconds)).unwrap())
    }

    #[test]
    fn outcomes_are_remembered_for_a_while() {
        assert_eq!(lasts(&Ok(body(1)), None), TimeDelta::hours(1));
        assert_eq!(lasts(&Ok(body(1)), Some(TimeDelta::hours(2))), TimeDelta::hours(2));
        assert_eq!(lasts(&Ok(body(1)), Some(TimeDelta::zero())), TimeDelta::seconds(60));
        assert_eq!(lasts(&Ok(body(1)), Some(TimeDelta::days(300))), TimeDelta::hours(24));
        assert_eq!(lasts(&Err(OutboundError::Timeout), None), TimeDelta::seconds(60));
    }

    #[test]
    fn one_url_has_one_entry_for_each_limit_and_its_fragment_does_not_count() {
        let url = Url::parse("https://example.com/x#y").unwrap();
        assert_eq!(Key::new(&url, 100), key("x"));
        assert_ne!(Key::new(&url, 101), key("x"));
    }

    #[test]
    fn what_is_asked_for_again_early_is_not_lost_to_a_failure() {
        let mut cache = Cache::default();
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let age = TimeDelta::seconds(5);
        let good = Ok(body(1));
        assert_eq!(cache.put(key("x"), good.clone(), None, at(0)), good);
        assert_eq!(cache.get_young(&key("x"), age, at(4)), Some(good.clone()));
        assert_eq!(cache.get_young(&key("x"), age, at(5)), None);
        assert_eq!(cache.put(key("x"), Err(OutboundError::Timeout), None, at(5)), good);
        assert_eq!(cache.get_young(&key("x"), age, at(9)), Some(good.clone()), "it was asked, in vain");
        assert_eq!(cache.get(&key("x"), at(3_599)), Some(good.clone()));
        let failure = Err(OutboundError::Timeout);
        assert_eq!(cache.put(key("x"), failure.clone(), None, at(3_600)), failure, "its time was over");
        assert_eq!(cache.get_young(&key("x"), age, at(3_604)), Some(failure.clone()));
        assert_eq!(cache.put(key("x"), good.clone(), None, at(3_605)), good);
    }

    #[test]
    fn memory_stays_within_its_bounds() {
        let mut cache = Cache::default();
        let now = DateTime::UNIX_EPOCH;
        let _ = cache.put(key("kept"), Ok(body(1000)), None, now);
        for n in 0..1000 {
            let _ = cache.put(key(&n.to_string()), Err(OutboundError::Timeout), None, now);
            assert!(cache.entries.len() <= MAX_ENTRIES);
        }
        assert!(cache.get(&key("kept"), now).is_some(), "failures push out failures");
        for n in 0..100 {
            let _ = cache.put(key(&n.to_string()), Ok(body(200_000)), None, now);
            let _ = cache.put(key("same"), Ok(body(200_000)), None, now);
            assert!(cache.bytes <= MAX_BYTES);
            assert_eq!(cache.bytes, cache.entries.values().map(|entry| entry.bytes).sum::<usize>());
        }
        let _ = cache.put(key("huge"), Ok(body(MAX_BYTES)), None, now);
        assert!(cache.get(&key("huge"), now).is_none());
    }

    #[test]
    fn cache_control_is_read() {
        for (header, seconds) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=7200, must-revalidate", Some(7200)),
            ("max-age=60, no-store", Some(0)),
            ("no-cache", Some(0)),
            ("max-age=99999999999999999999", Some(86_400)),
            ("max-age=-1", None),
            ("max-age=", None),
            ("s-maxage=5", None),
            ("", None),
        ] {
            assert_eq!(max_age(header), seconds.map(TimeDelta::seconds), "{header}");
        }
    }
}
