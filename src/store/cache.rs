//! Clients, their web origins and APIs in memory, until a counter says that one of them changed.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_types::{ClientId, ScopeSet};

use super::{
    Store, StoreError,
    change::{self, Counters},
};
use crate::domain::{api::Apis, client::Client};

/// The most clients kept. Beyond it the cache starts anew, which costs a query each and no correctness.
const MAX_CLIENTS: usize = 10_000;

/// What is kept in memory.
#[derive(Debug, Default)]
pub(super) struct Cached {
    clients: Generational<HashMap<ClientId, Arc<Client>>>,
    apis: Generational<Option<Arc<Apis>>>,
    origins: Generational<Option<Arc<HashSet<String>>>>,
    /// Held while origins are read: preflights come from anybody, and all that wait share one reading.
    reading_origins: tokio::sync::Mutex<()>,
    seen: Mutex<Counters>,
}

/// A value that was loaded in some generation. What was loaded in an older one is never put in.
#[derive(Debug, Default)]
struct Generational<T>(Mutex<(u64, T)>);

impl<T: Default> Generational<T> {
    fn with<R>(&self, use_it: impl FnOnce(u64, &mut T) -> R) -> R {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (generation, value) = &mut *guard;
        use_it(*generation, value)
    }

    fn forget(&self) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *guard = (guard.0 + 1, T::default());
    }
}

impl<K: Hash + Eq + Clone, V> Generational<HashMap<K, Arc<V>>> {
    fn get(&self, key: &K) -> (u64, Option<Arc<V>>) {
        self.with(|generation, map| (generation, map.get(key).cloned()))
    }

    fn put(&self, loaded_in: u64, key: K, value: &Arc<V>, most: usize) {
        self.with(|generation, map| {
            if generation == loaded_in {
                if map.len() >= most {
                    map.clear();
                }
                map.insert(key, value.clone());
            }
        });
    }
}

impl Store {
    /// A client, enabled or not. An absence is looked up every time, so that a new client works at once.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        // PostgreSQL keeps no NUL in a text, and refuses to look for one.
        if id.as_str().contains('\0') {
            return Ok(None);
        }
        let cache = &self.0.cached.clients;
        let (generation, found) = cache.get(id);
        if found.is_some() {
            return Ok(found);
        }
        let Some(client) = super::client::find(&mut self.read().await?, id).await?.map(Arc::new) else {
            return Ok(None);
        };
        cache.put(generation, id.clone(), &client, MAX_CLIENTS);
        Ok(Some(client))
    }

    /// The web origins of all enabled clients. What is registered meanwhile is in it once the counter was looked at.
    pub async fn origins(&self) -> Result<Arc<HashSet<String>>, StoreError> {
        let cache = &self.0.cached.origins;
        if let Some(origins) = cache.with(|_, origins| origins.clone()) {
            return Ok(origins);
        }
        let _reading = self.0.cached.reading_origins.lock().await;
        let (generation, found) = cache.with(|generation, origins| (generation, origins.clone()));
        if let Some(origins) = found {
            return Ok(origins);
        }
        let clients = super::client::all(&mut self.read().await?).await?;
        let enabled = clients.iter().filter(|client| client.enabled);
        let origins: Arc<HashSet<_>> = Arc::new(enabled.flat_map(Client::origins).collect());
        cache.with(|now, slot| {
            if now == generation {
                *slot = Some(origins.clone());
            }
        });
        Ok(origins)
    }

    /// All registered APIs.
    pub async fn apis(&self) -> Result<Arc<Apis>, StoreError> {
        let cache = &self.0.cached.apis;
        let (generation, found) = cache.with(|generation, apis| (generation, apis.clone()));
        if let Some(apis) = found {
            return Ok(apis);
        }
        let apis = super::api::all(&mut self.read().await?).await?;
        let apis = Arc::new(apis.with_added(self.0.added_scopes.clone()));
        cache.with(|now, slot| {
            if now == generation {
                *slot = Some(apis.clone());
            }
        });
        Ok(apis)
    }

    /// All registered APIs, read anew if one of these scopes is not known yet and something has changed: an absence is never
    /// remembered, and whoever asks for made-up scopes takes the memory of the others from nobody.
    pub async fn apis_for(&self, scope: &ScopeSet) -> Result<Arc<Apis>, StoreError> {
        let apis = self.apis().await?;
        if scope.iter().all(|scope| apis.knows(scope)) {
            return Ok(apis);
        }
        let now = change::counters(&mut self.read().await?).await?;
        let seen = *self.0.cached.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now.api == seen.api {
            return Ok(apis);
        }
        self.0.cached.apis.forget();
        self.apis().await
    }

    /// Forgets what changed since the last call, here or on another node. Where the counters stand now.
    pub async fn forget_changes(&self) -> Result<Counters, StoreError> {
        let now = change::counters(&mut self.read().await?).await?;
        let before = {
            let mut seen = self.0.cached.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, now)
        };
        if now.client != before.client {
            self.0.cached.clients.forget();
            self.0.cached.origins.forget();
        }
        if now.api != before.api {
            self.0.cached.apis.forget();
        }
        if now.audit_key != before.audit_key {
            self.0.audit.forget_accounts();
        }
        Ok(now)
    }
}
