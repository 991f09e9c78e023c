//! How often was asked, in the memory of this process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use super::{
    Metered, Tally,
    room::{self, Key, digest},
};
use crate::domain::rate::{Moment, Usage};

/// Requests under each key.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<Key, Meter>>);

#[derive(Clone, Copy, Debug)]
struct Meter {
    /// The number of the fixed window in which was last counted.
    window: i64,
    usage: Usage,
    /// When nothing of it counts any more.
    over_at: DateTime<Utc>,
}

impl Rates {
    pub(super) fn count(&self, under: &[Metered], now: DateTime<Utc>) -> Tally {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Vec<(Key, Usage, Moment)> = under
            .iter()
            .map(|metered| {
                let (key, moment) = (digest(&metered.key), metered.quota.moment(now));
                let (usage, moment) = match meters.get(&key) {
                    Some(meter) => meter.usage.at(meter.window, moment),
                    None => (Usage::default(), moment),
                };
                (key, usage, moment)
            })
            .collect();
        let admitted =
            under.iter().zip(&found).all(|(metered, (_, usage, moment))| metered.quota.admits(*usage, *moment));
        if !admitted {
            return Tally { admitted, usages: found.into_iter().map(|(_, usage, _)| usage).collect() };
        }
        let counted = under.iter().zip(found).map(|(metered, (key, usage, moment))| {
            let meter =
                Meter { window: moment.window, usage: usage.and_one(), over_at: now + 2 * metered.quota.window() };
            room::make(&mut meters, &key, |meter| meter.over_at <= now, |meter| meter.usage.current);
            meters.insert(key, meter);
            meter.usage
        });
        Tally { admitted, usages: counted.collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::room::MAX_KEYS, *};
    use crate::domain::rate::Quota;

    fn under(key: &str) -> [Metered; 1] {
        [Metered { key: key.to_owned(), quota: Quota::new(3, Duration::from_mins(1)).unwrap() }]
    }

    #[test]
    fn memory_is_bounded_and_a_flood_washes_away_itself_alone() {
        let (rates, now) = (Rates::default(), DateTime::UNIX_EPOCH);
        for _ in 0..3 {
            assert!(rates.count(&under("watched"), now).admitted);
        }
        for n in 0..3 * MAX_KEYS {
            assert!(rates.count(&under(&n.to_string()), now).admitted);
        }
        let kept = rates.0.lock().unwrap().len();
        assert!((MAX_KEYS / 2..=MAX_KEYS).contains(&kept), "{kept}");
        assert!(!rates.count(&under("watched"), now).admitted);
        assert!(size_of::<Key>() + size_of::<Meter>() <= 100, "whatever the length of a key");
    }

    #[test]
    fn what_is_over_makes_room_first() {
        let (rates, start) = (Rates::default(), DateTime::UNIX_EPOCH);
        for n in 0..MAX_KEYS - 1 {
            assert!(rates.count(&under(&n.to_string()), start).admitted);
        }
        let (later, over) = (start + Duration::from_mins(1), start + Duration::from_mins(2));
        assert!(rates.count(&under("fresh"), later).admitted);
        assert!(rates.count(&under("one more"), over).admitted);
        assert_eq!(rates.0.lock().unwrap().len(), 2);
        assert_eq!(rates.count(&under("fresh"), over).usages, [Usage { current: 1, previous: 1 }]);
    }
}
