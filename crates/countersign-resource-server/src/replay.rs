//! Proofs that were seen: each is good once (RFC 9449 §11.1).

use std::{
    collections::HashMap,
    fmt::Debug,
    future::{Ready, ready},
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use countersign_jose::sha256_of;
pub use countersign_types::dpop::Lifespan;

/// The most proofs that are remembered at a time: each lives for twenty seconds.
const MOST: usize = 200_000;

/// Whether something is used for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// It is.
    First,
    /// It was used before.
    Replayed,
    /// Nobody can tell at the moment: the request is refused, for now.
    Unknown,
}

/// Remembers what may be used once. One API that runs on several machines needs one that they share.
pub trait ReplayGuard: Debug + Send + Sync + 'static {
    /// Notes at `now`, in seconds since 1970, that `id` was used, which is good for this lifespan and may be forgotten then. Of any number of
    /// calls with the same `id` one alone is the first.
    fn first_use(
        &self,
        id: String,
        lifespan: Lifespan,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = FirstUse> + Send + '_>>;
}

/// In the memory of this process. It forgets when the process ends: what was used in the last seconds before a restart can be used once
/// more.
#[derive(Debug, Default)]
pub struct MemoryReplayGuard(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

/// Uses by their digests, and when each and the last of them may be forgotten.
#[derive(Debug, Default)]
struct Generation {
    seen: HashMap<[u8; 32], i64>,
    last: i64,
}

impl MemoryReplayGuard {
    fn note(&self, id: &str, until: i64, now: i64) -> FirstUse {
        let id = sha256_of(id.as_bytes());
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= generations.old.last {
            // All of them may be forgotten, and nobody need look at each.
            generations.old = std::mem::take(&mut generations.young);
        }
        let Generations { young, old } = &mut *generations;
        if [&*young, &*old].iter().any(|generation| generation.seen.get(&id).is_some_and(|until| now < *until)) {
            return FirstUse::Replayed;
        }
        // Forgetting one that may come again would let it pass twice.
        if young.seen.len().saturating_add(old.seen.len()) >= MOST {
            return FirstUse::Unknown;
        }
        young.seen.insert(id, until);
        young.last = young.last.max(until);
        FirstUse::First
    }
}

impl ReplayGuard for MemoryReplayGuard {
    fn first_use(
        &self,
        id: String,
        lifespan: Lifespan,
        now: i64,
    ) -> Pin<Box<dyn Future<Output = FirstUse> + Send + '_>> {
        let noted: Ready<FirstUse> = ready(self.note(&id, lifespan.until, now));
        Box::pin(noted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_first_once_until_it_may_be_forgotten() {
        let guard = MemoryReplayGuard::default();
        assert_eq!(guard.note("a", 30, 10), FirstUse::First);
        assert_eq!(guard.note("a", 30, 29), FirstUse::Replayed);
        assert_eq!(guard.note("b", 30, 29), FirstUse::First);
        assert_eq!(guard.note("a", 50, 30), FirstUse::First);
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_forgotten_for_it() {
        let guard = MemoryReplayGuard::default();
        for n in 0..MOST {
            assert_eq!(guard.note(&n.to_string(), 30, 10), FirstUse::First);
        }
        assert_eq!(guard.note("one more", 30, 10), FirstUse::Unknown);
        assert_eq!(guard.note("0", 30, 10), FirstUse::Replayed);
        // What is over is forgotten as a whole, a generation at a time.
        for id in ["one more", "0"] {
            assert_eq!(guard.note(id, 50, 30), FirstUse::First);
            assert_eq!(guard.note(id, 50, 30), FirstUse::Replayed);
        }
        let generations = guard.0.lock().unwrap();
        assert_eq!(generations.young.seen.len() + generations.old.seen.len(), 2);
    }
}
