//! A second node starts beside the first only when both share a Redis.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use countersign::store::{Store, StoreError, node::NodeClaim};

use crate::harness::Server;

async fn refused(store: &Store, exclusive: bool) -> String {
    match store.claim_node(exclusive).await {
        Err(error @ StoreError::OtherNode { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_without_redis_is_alone() {
    let server = Server::start().await;
    let store = &server.app.store;
    let claim: NodeClaim = store.claim_node(true).await.unwrap();
    let why = refused(store, true).await;
    assert!(why.contains("another node is running on this database") && why.contains("redis.url"), "{why}");
    assert!(refused(store, false).await.contains("without redis.url"));
    drop(claim);
    drop(store.claim_node(true).await.expect("the first one is gone"));
}

#[tokio::test]
async fn nodes_with_redis_stand_beside_each_other() {
    let server = Server::start().await;
    let store = &server.app.store;
    let mut one = store.claim_node(false).await.unwrap();
    let other = store.claim_node(false).await.unwrap();
    refused(store, true).await;
    drop(other);
    refused(store, true).await;
    let lost = tokio::time::timeout(Duration::from_millis(100), one.lost()).await;
    assert!(lost.is_err(), "a claim is kept");
    drop(one);
    store.claim_node(true).await.unwrap();
}

#[tokio::test]
async fn a_claim_outlives_the_session_that_held_it() {
    let server = Server::start().await;
    let store = &server.app.store;
    let _claim = store.claim_node(true).await.unwrap();
    cut_sessions(server.app.settings.database.url.expose()).await;
    let claimed_again = async {
        while let Ok(gap) = store.claim_node(true).await {
            drop(gap);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), claimed_again).await.expect("claimed again");
    refused(store, true).await;
}

/// Ends the sessions that hold claims. A claim on a file has none, and is just kept.
async fn cut_sessions(url: &str) {
    if url.starts_with("postgres") {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let cut: Vec<bool> = sqlx::query_scalar(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'countersign node' AND datname = current_database()",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(cut, [true]);
    }
}
