//! Tokens that were found valid a moment ago, so that a client that calls again costs a hash and not a signature.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use countersign_jose::token_digest;

use crate::keys::KeySet;

/// A token is known by its digest alone: whoever reads the memory cannot use it. What it says is read from it when it comes again.
type Digest = [u8; 32];

/// With which keys a token was verified. It counts for as long as these are the provider's: one that was withdrawn verifies nothing.
#[derive(Clone)]
pub(crate) struct VerifiedBy(Weak<KeySet>);

impl VerifiedBy {
    pub fn is(&self, keys: &Arc<KeySet>) -> bool {
        // What is weakly held keeps its place, so no other set can have the same.
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(keys))
    }
}

/// Two generations: when the younger is full, the older is forgotten with all that nobody asked for again.
#[derive(Default)]
struct Generations {
    young: HashMap<Digest, VerifiedBy>,
    old: HashMap<Digest, VerifiedBy>,
}

/// At most so many tokens.
pub(crate) struct Cache {
    half: usize,
    generations: Mutex<Generations>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("most", &(self.half * 2)).finish_non_exhaustive()
    }
}

impl Cache {
    pub fn new(most: usize) -> Self {
        Self { half: most / 2, generations: Mutex::default() }
    }

    pub fn find(&self, token: &str) -> Option<VerifiedBy> {
        if self.half == 0 {
            return None;
        }
        let digest = token_digest(token);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.young.get(&digest) {
            return Some(known.clone());
        }
        let known = generations.old.remove(&digest)?;
        self.insert(&mut generations, digest, known.clone());
        Some(known)
    }

    /// Remembers a token that was found valid with these keys.
    pub fn remember(&self, token: &str, keys: &Arc<KeySet>) {
        if self.half == 0 {
            return;
        }
        let known = VerifiedBy(Arc::downgrade(keys));
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        self.insert(&mut generations, token_digest(token), known);
    }

    fn insert(&self, generations: &mut Generations, digest: Digest, known: VerifiedBy) {
        if generations.young.len() >= self.half {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(digest, known);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let generations = self.generations.lock().unwrap();
        generations.young.len() + generations.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Arc<KeySet> {
        Arc::new(KeySet::empty())
    }

    #[test]
    fn a_token_is_known_for_as_long_as_its_keys_are() {
        let (cache, first, second) = (Cache::new(10), keys(), keys());
        cache.remember("a", &first);
        assert!(cache.find("b").is_none());
        let known = cache.find("a").unwrap();
        assert!(known.is(&first) && !known.is(&second));
        drop(first);
        assert!((0..100).all(|_| !known.is(&keys())), "another set never stands in its place");
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let (cache, keys) = (Cache::new(10), keys());
        for n in 0..100 {
            cache.remember(&n.to_string(), &keys);
            assert!(cache.find("0").is_some(), "{n}");
            assert!(cache.len() <= 10);
        }
        assert!(cache.find("50").is_none() && cache.find("99").is_some());
        let off = Cache::new(0);
        off.remember("a", &keys);
        assert!(off.find("a").is_none());
    }
}
