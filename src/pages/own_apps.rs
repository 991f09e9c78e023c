//! The apps of a person: what they allowed them, and the way into those that can be started from our pages.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, ScopeSet};

use super::shown_client::ShownClient;
use crate::{
    app::{App, Issuer},
    domain::{client::Client, user::User},
    store::{StoreError, client, consent, person_grant},
    text::Language,
};

/// The scope by which an app is told a person's mail address (OpenID Connect Core §5.4).
const EMAIL: &str = "email";

/// What is known of one client.
pub(super) struct Held {
    pub(super) scope: ScopeSet,
    pub(super) since: DateTime<Utc>,
    pub(super) used: Option<DateTime<Utc>>,
}

/// What every client was allowed, by a consent that is remembered or by tokens that it holds.
pub(super) async fn held(app: &App, user: &User) -> Result<BTreeMap<ClientId, Held>, StoreError> {
    let mut tx = app.store.read().await?;
    let consents = consent::of_user(&mut tx, &user.id).await?;
    let grants = person_grant::held_of_user(&mut tx, &user.id, &app.session_lifetimes(), app.clock.now()).await?;
    let mut held: BTreeMap<_, _> = consents
        .into_iter()
        .map(|(client, consent)| (client, Held { scope: consent.scope, since: consent.granted_at, used: None }))
        .collect();
    for person_grant::HeldGrant { grant, person, used_at } in grants {
        let of_client = held.entry(grant.client).or_insert_with(|| Held {
            scope: grant.scope.clone(),
            since: person.created_at,
            used: None,
        });
        // What it asked for by name counts as what would open it.
        let by_name = person.claims.opened_by(&app.settings.scopes);
        of_client.scope = of_client.scope.union(&grant.scope).union(&by_name);
        of_client.used = of_client.used.max(Some(used_at));
    }
    Ok(held)
}

/// Where a person's sign-in to an app is started, if the app can be started from here. It is told who they are only if it knows
/// their mail address anyway.
pub(super) fn way_in(issuer: &Issuer, client: &Client, user: &User, held: Option<&Held>) -> Option<String> {
    let knows_email = held.is_some_and(|held| held.scope.contains(EMAIL)) && client.metadata.scope.contains(EMAIL);
    client.initiate_login(&issuer.url, knows_email.then_some(user.email.as_str()))
}

/// An app that can be started.
#[derive(Debug)]
pub(super) struct Startable {
    /// The app.
    pub(super) client: ShownClient,
    /// Where its sign-in is started.
    pub(super) open: String,
}

/// The apps that a person can start, by name: those that they allowed something, and the operator's own.
pub(super) async fn startable(
    app: &App,
    issuer: &Issuer,
    user: &User,
    language: Language,
) -> Result<Vec<Startable>, StoreError> {
    let mut held = held(app, user).await?;
    let mut apps = Vec::new();
    let own = client::startable_first_party(&mut app.store.read().await?).await?;
    for client in own {
        let held = held.remove(&client.id);
        apps.extend(start(issuer, &client, (user, language), held.as_ref()));
    }
    for (id, held) in &held {
        if let Some(client) = app.store.client(id).await? {
            apps.extend(start(issuer, &client, (user, language), Some(held)));
        }
    }
    apps.sort_by_cached_key(|app| app.client.name.to_lowercase());
    Ok(apps)
}

fn start(
    issuer: &Issuer,
    client: &Client,
    (user, language): (&User, Language),
    held: Option<&Held>,
) -> Option<Startable> {
    way_in(issuer, client, user, held).map(|open| Startable { client: ShownClient::new(client, language), open })
}
