//! Tokens that were found valid a moment ago, so that a client that calls again costs a hash and not a signature.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use countersign_jose::token_digest;
use countersign_types::AccessTokenClaims;

use crate::keys::KeySet;

/// A token is known by its digest alone: whoever reads the memory cannot use it.
type Digest = [u8; 32];

/// What is known of a token.
#[derive(Clone)]
pub(crate) struct Known {
    pub claims: Arc<AccessTokenClaims>,
    /// With which keys it was verified. It counts for as long as these are the provider's: one that was withdrawn verifies nothing.
    keys: Weak<KeySet>,
    /// By which of them.
    pub kid: String,
    pub algorithm: countersign_jose::Algorithm,
}

impl Known {
    pub fn is_of(&self, keys: &Arc<KeySet>) -> bool {
        // What is weakly held keeps its place, so no other set can have the same.
        std::ptr::eq(self.keys.as_ptr(), Arc::as_ptr(keys))
    }
}

/// Two generations: when the younger is full, the older is forgotten with all that nobody asked for again.
#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Known>,
    old: HashMap<Digest, Known>,
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

    pub fn find(&self, token: &str) -> Option<Known> {
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
    pub fn remember(
        &self,
        token: &str,
        claims: Arc<AccessTokenClaims>,
        keys: &Arc<KeySet>,
        (kid, algorithm): (&str, countersign_jose::Algorithm),
    ) {
        if self.half == 0 {
            return;
        }
        let known = Known { claims, keys: Arc::downgrade(keys), kid: kid.to_owned(), algorithm };
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        self.insert(&mut generations, token_digest(token), known);
    }

    fn insert(&self, generations: &mut Generations, digest: Digest, known: Known) {
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
    use countersign_jose::Algorithm;
    use countersign_types::{Audience, ClientId, TokenId};

    use super::*;

    fn claims() -> Arc<AccessTokenClaims> {
        Arc::new(AccessTokenClaims {
            iss: String::new(),
            sub: "ada".to_owned(),
            aud: Audience::default(),
            exp: 0,
            iat: 0,
            jti: TokenId::new("1"),
            client_id: ClientId::new("app"),
            scope: countersign_types::ScopeSet::default(),
            gid: None,
            sid: None,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            roles: Vec::new(),
            cnf: None,
            nbf: None,
        })
    }

    fn keys() -> Arc<KeySet> {
        Arc::new(KeySet::empty())
    }

    #[test]
    fn a_token_is_known_for_as_long_as_its_keys_are() {
        let (cache, first, second) = (Cache::new(10), keys(), keys());
        cache.remember("a", claims(), &first, ("kid", Algorithm::RS256));
        assert!(cache.find("b").is_none());
        let known = cache.find("a").unwrap();
        assert!(known.is_of(&first) && !known.is_of(&second));
        drop(first);
        assert!((0..100).all(|_| !known.is_of(&keys())), "another set never stands in its place");
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let (cache, keys) = (Cache::new(10), keys());
        for n in 0..100 {
            cache.remember(&n.to_string(), claims(), &keys, ("kid", Algorithm::RS256));
            assert!(cache.find("0").is_some(), "{n}");
            assert!(cache.len() <= 10);
        }
        assert!(cache.find("50").is_none() && cache.find("99").is_some());
        let off = Cache::new(0);
        off.remember("a", claims(), &keys, ("kid", Algorithm::RS256));
        assert!(off.find("a").is_none());
    }
}
