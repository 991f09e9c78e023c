//! Durable state, the same on both engines.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::{DateTime, TimeDelta};
use countersign::{
    domain::{
        api::Api,
        event::{AuditEntry, Event},
        user::User,
    },
    jose::rotation,
    store::{
        Store, StoreError, Tx, account, api, audit,
        change::{self, Counters},
        client, consent,
        group_commit::{Applied, Effect, Outcome},
        link::LinkPurpose,
        replay_guard,
    },
};
use countersign_jose::Algorithm;
use countersign_types::{ClientAuthMethod, ClientId, ScopeSet, UserId};
use tokio::task::JoinSet;

use crate::harness::{CROWD, PASSWORD, SECRET, Server, TestClient, confidential};

fn app() -> TestClient {
    confidential(ClientAuthMethod::ClientSecretBasic, |_| {})
}

fn api_number(number: usize) -> Api {
    let scope = format!("scope.{number}").parse().unwrap();
    Api {
        uri: format!("https://api{number}.example"),
        scopes: [(scope, "Words".to_owned())].into(),
        roles: false,
        clients: [].into(),
    }
}

async fn counters(store: &Store) -> Counters {
    change::counters(&mut store.read().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn what_is_not_committed_never_happened() {
    let server = Server::start().await;
    let ada = server.add_user("ada@example.com", None).await;
    let store = &server.app.store;
    let before = counters(store).await;
    let mut tx = store.write().await.unwrap();
    api::insert(&mut tx, &api_number(1), server.clock.now()).await.unwrap();
    account::update(&mut tx, &User { enabled: false, ..ada.clone() }).await.unwrap();
    audit::record(&mut tx, &AuditEntry::new(Event::UserCreated).user(&ada.id), server.clock.now()).await.unwrap();
    drop(tx);
    assert_eq!((server.count("api").await, server.count("audit_event").await, counters(store).await), (0, 0, before));
    let found = account::find(&mut store.read().await.unwrap(), &ada.id).await.unwrap().unwrap();
    assert!(found.enabled);
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer_and_see_nothing_of_it_before_its_end() {
    let server = Server::start().await;
    let store = &server.app.store;
    let mut tx = store.write().await.unwrap();
    api::insert(&mut tx, &api_number(1), server.clock.now()).await.unwrap();
    for _ in 0..10 {
        assert!(api::all(&mut store.read().await.unwrap()).await.unwrap().iter().next().is_none());
    }
    tx.commit().await.unwrap();
    assert!(api::all(&mut store.read().await.unwrap()).await.unwrap().iter().next().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_write_the_same_rows_at_once_all_succeed() {
    let server = Server::start().await;
    let (store, now) = (server.app.store.clone(), server.clock.now());
    let before = counters(&store).await;
    let mut writers = JoinSet::new();
    for number in 0..CROWD {
        let store = store.clone();
        writers.spawn(async move {
            let mut tx = store.write().await?;
            // Reads first, as most requests do.
            api::all(&mut tx).await?;
            api::insert(&mut tx, &api_number(number), now).await?;
            audit::record(&mut tx, &AuditEntry::new(Event::LoginFailed), now).await?;
            tx.commit().await
        });
    }
    for written in writers.join_all().await {
        written.unwrap();
    }
    let crowd = i64::try_from(CROWD).unwrap();
    assert_eq!((server.count("api").await, server.count("audit_event").await), (crowd, crowd));
    assert_eq!(counters(&store).await, Counters { api: before.api + crowd, ..before });
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_an_identifier_at_once_one_is_first() {
    let server = Server::start().await;
    let (store, now) = (server.app.store.clone(), server.clock.now());
    let mut tries = JoinSet::new();
    for _ in 0..CROWD {
        let store = store.clone();
        tries.spawn(async move {
            let mut tx = store.write().await.unwrap();
            let first = replay_guard::first_use(&mut tx, "jti", "x", now, now + TimeDelta::minutes(1)).await.unwrap();
            tx.commit().await.unwrap();
            first
        });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|first| *first).count(), 1);
    // Once it has expired it may come again.
    let mut tx = store.write().await.unwrap();
    let later = now + TimeDelta::minutes(1);
    assert!(replay_guard::first_use(&mut tx, "jti", "x", later, later).await.unwrap());
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let server = Server::start().await;
    let ada = server.add_user("ada@example.com", Some("ada")).await;
    let store = &server.app.store;
    for (email, username) in [("ADA@example.com", None), ("other@example.com", Some("Ada"))] {
        let mut other = User { email: email.to_owned(), username: username.map(str::to_owned), ..ada.clone() };
        other.id = UserId::new("other");
        let inserted = account::insert(&mut store.write().await.unwrap(), &other).await;
        assert!(matches!(inserted, Err(StoreError::Conflict)), "{email}: {inserted:?}");
    }
}

#[tokio::test]
async fn each_kind_of_change_has_a_counter_of_its_own() {
    let server = Server::start().await;
    let store = &server.app.store;
    let (now, mut last) = (server.clock.now(), counters(store).await);
    let mut registered = server.add_client("app", app()).await;
    let mut tx = store.write().await.unwrap();

    registered.enabled = false;
    client::update(&mut tx, &registered, now).await.unwrap();
    client::delete(&mut tx, &registered.id, now).await.unwrap();
    last.client += 3;
    assert_eq!(change::counters(&mut tx).await.unwrap(), last);
    api::insert(&mut tx, &api_number(1), now).await.unwrap();
    api::delete(&mut tx, &api_number(1).uri).await.unwrap();
    last.api += 2;
    assert_eq!(change::counters(&mut tx).await.unwrap(), last);
    tx.commit().await.unwrap();
    rotation::rotate(store, &server.app.key_lifetimes(), &server.clock, (Algorithm::RS256, false)).await.unwrap();
    let published = counters(store).await;
    assert!(published.key > last.key);
    assert_eq!(published, Counters { key: published.key, ..last });
}

#[tokio::test]
async fn another_node_keeps_what_it_knows_until_it_looks_but_never_an_absence() {
    let server = Server::start().await;
    let other = server.beside().await;
    let id = ClientId::new("app");
    let name = async || {
        let found = other.app.store.client(&id).await.unwrap();
        found.map(|client| client.metadata.client_name.clone())
    };
    assert_eq!(name().await, None);
    let mut registered = server.add_client("app", app()).await;
    assert_eq!(name().await.as_deref(), Some("The App"));

    "Another name".clone_into(&mut registered.metadata.client_name);
    server.update_client(&registered).await;
    assert_eq!(name().await.as_deref(), Some("The App"), "hot paths touch memory alone");
    other.follow_changes().await;
    assert_eq!(name().await.as_deref(), Some("Another name"));
    server.remove_client("app").await;
    other.follow_changes().await;
    assert_eq!(name().await, None);
}

#[tokio::test]
async fn no_secret_stands_in_the_database() {
    let server = Server::start().await;
    server.add_client("app", app()).await;
    let encrypted = confidential(ClientAuthMethod::ClientSecretJwt, |_| {});
    server.add_client("jwt", encrypted).await;
    let ada = server.add_user("ada@example.com", None).await;
    let mut browser = server.browser();
    let code = browser.code("app", "ada@example.com", "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let link = server.issue_link(&LinkPurpose::ChoosePassword(ada.id)).await;
    let (_, link) = link.split_once("t=").unwrap();

    let mut secrets = vec![code.as_str(), link, SECRET, PASSWORD, "\"kty\""];
    secrets.extend(["access_token", "refresh_token", "id_token"].map(|name| tokens[name].as_str().unwrap()));
    secrets.extend(browser.cookies.values().map(String::as_str));
    assert!(server.database.contains("ada@example.com").await, "this is how it is looked for");
    for secret in secrets {
        assert!(!server.database.contains(secret).await, "{secret}");
    }
}

/// Notes its name as used, and counts how often it was tried.
struct Noted {
    name: &'static str,
    tries: Arc<AtomicUsize>,
}

impl Effect for Noted {
    fn apply<'a>(&'a self, tx: &'a mut Tx) -> Applied<'a> {
        Box::pin(async move {
            self.tries.fetch_add(1, Ordering::SeqCst);
            let now = DateTime::UNIX_EPOCH;
            let first = replay_guard::first_use(tx, "test", self.name, now, now + TimeDelta::days(1)).await?;
            Ok(if first { Outcome::Done } else { Outcome::TooLate })
        })
    }
}

/// On SQLite alone effects share a transaction, and so wait together.
#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_written() {
    let server = Server::start().await;
    if !server.database.is_sqlite() {
        return;
    }
    let store = &server.app.store;
    let tries = Arc::new(AtomicUsize::new(0));
    let effect = |name| Noted { name, tries: tries.clone() };

    let writer = store.write().await.unwrap();
    let mut patient = Box::pin(store.apply(effect("patient")));
    let mut gone = Box::pin(store.apply(effect("gone")));
    for _ in 0..10 {
        // The first is in a batch that waits for the writer, the second in the queue behind it.
        let both = tokio::select! { biased; _ = &mut patient => false, _ = &mut gone => false, () = tokio::task::yield_now() => true };
        assert!(both);
    }
    drop(gone);
    drop(writer);
    assert_eq!(patient.await.unwrap(), Outcome::Done);
    assert_eq!(store.apply(effect("gone")).await.unwrap(), Outcome::Done);
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_that_comes_too_late_takes_nobody_with_it() {
    let server = Server::start().await;
    let tries = Arc::new(AtomicUsize::new(0));
    let effect = |name| server.app.store.apply(Noted { name, tries: tries.clone() });
    assert_eq!(effect("a").await.unwrap(), Outcome::Done);
    let (again, other) = tokio::join!(effect("a"), effect("b"));
    assert_eq!((again.unwrap(), other.unwrap()), (Outcome::TooLate, Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn consents_at_once_lose_nothing() {
    let server = Server::start().await;
    let user = server.add_user("ada@example.com", None).await;
    server.add_client("app", app()).await;
    let (store, now) = (&server.app.store, server.clock.now());
    let scopes: Vec<ScopeSet> = (0..8).map(|number| format!("scope{number}").parse().unwrap()).collect();
    let mut tasks = JoinSet::new();
    for scope in scopes.clone() {
        let (store, user) = (store.clone(), user.id.clone());
        tasks.spawn(async move {
            let mut tx = store.write().await.unwrap();
            consent::grant(&mut tx, &user, &ClientId::new("app"), &scope, now).await.unwrap();
            tx.commit().await.unwrap();
        });
    }
    tasks.join_all().await;
    let stored = consent::find(&mut store.read().await.unwrap(), &user.id, &ClientId::new("app")).await.unwrap();
    assert!(scopes.iter().all(|scope| scope.is_subset(&stored.as_ref().unwrap().scope)), "{stored:?}");
}
