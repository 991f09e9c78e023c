//! Resource servers and their scopes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, Scope};
use sqlx::types::Json;

use super::{
    StoreError, Tx,
    change::{Changed, announce},
};
use crate::domain::api::{Api, Apis};

/// Registers an API. `Conflict` when its URI or one of its scopes is taken.
pub async fn insert(tx: &mut Tx, api: &Api, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO api (uri, roles, clients, created_at) VALUES ($1, $2, $3, $4)",
        &api.uri,
        api.roles,
        Json(&api.clients),
        now,
    )?;
    for (scope, text) in &api.scopes {
        execute!(
            tx,
            "INSERT INTO api_scope (name, api_uri, text) VALUES ($1, $2, $3)",
            scope.as_str(),
            &api.uri,
            text
        )?;
    }
    announce(tx, Changed::Api).await
}

/// Removes an API with its scopes. Whether there was one.
pub async fn delete(tx: &mut Tx, uri: &str) -> Result<bool, StoreError> {
    let removed = execute!(tx, "DELETE FROM api WHERE uri = $1", uri)?;
    announce(tx, Changed::Api).await?;
    Ok(removed > 0)
}

/// All APIs in the order of their URIs.
pub async fn all(tx: &mut Tx) -> Result<Apis, StoreError> {
    let apis: Vec<(String, bool, Json<BTreeSet<ClientId>>)> =
        fetch_all!(tx, "SELECT uri, roles, clients FROM api ORDER BY uri")?;
    let scopes: Vec<(String, String, String)> = fetch_all!(tx, "SELECT api_uri, name, text FROM api_scope")?;
    let scopes_of = |uri: &str| -> Result<BTreeMap<Scope, String>, StoreError> {
        let own = scopes.iter().filter(|(api_uri, ..)| api_uri == uri);
        own.map(|(_, name, text)| {
            let scope = name.parse().map_err(|error| StoreError::corrupt("api_scope", error))?;
            Ok((scope, text.clone()))
        })
        .collect()
    };
    let apis = apis.into_iter().map(|(uri, roles, clients)| {
        Ok::<_, StoreError>(Api { scopes: scopes_of(&uri)?, uri, roles, clients: clients.0 })
    });
    Ok(Apis::new(apis.collect::<Result<_, _>>()?))
}
