//! `/vault`: the wrapped data key.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::{Value, json};

use crate::harness::{BOTH, Harness, bearer, wrap_by_passphrase, wrap_by_recovery_key};

fn vault(passphrase: &str) -> Value {
    json!({ "passphrase": wrap_by_passphrase(passphrase), "recovery": wrap_by_recovery_key([1; 32]) })
}

#[tokio::test]
async fn a_vault_is_made_once_and_replaced_by_who_has_read_it() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.get(&ada, "/vault").await.is(404, "not_found");
    let first = vault("correct horse");
    journal.put(&ada, "/vault", ("if-match", "*"), &first).await.is(412, "precondition_failed");

    let made = journal.put(&ada, "/vault", ("if-none-match", "*"), &first).await;
    assert_eq!((made.status, made.header(header::ETAG)), (StatusCode::CREATED, "\"1\""), "{made:?}");
    let read = journal.get(&ada, "/vault").await;
    assert_eq!((read.json(), read.header(header::ETAG)), (first.clone(), "\"1\""));

    // Two devices that both found nothing: the second must not lock out the first.
    let second = vault("battery staple");
    journal.put(&ada, "/vault", ("if-none-match", "*"), &second).await.is(412, "precondition_failed");
    journal.put(&ada, "/vault", ("x-none", ""), &second).await.is(428, "precondition_required");
    journal.put(&ada, "/vault", ("if-match", "\"7\""), &second).await.is(412, "precondition_failed");
    assert_eq!(journal.get(&ada, "/vault").await.json(), first);

    let replaced = journal.put(&ada, "/vault", ("if-match", "\"1\""), &second).await;
    assert_eq!((replaced.status, replaced.header(header::ETAG)), (StatusCode::OK, "\"2\""));
    let known = bearer(Method::GET, "/vault", &ada).header("if-none-match", "\"2\"").body(Body::empty()).unwrap();
    assert_eq!(journal.send(known).await.status, StatusCode::NOT_MODIFIED);
    journal.get(&journal.token("eve", BOTH), "/vault").await.is(404, "not_found");
}

#[tokio::test]
async fn a_key_that_is_not_wrapped_is_refused() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let good = vault("correct horse");
    let (passphrase, recovery) = (good["passphrase"].as_str().unwrap(), good["recovery"].as_str().unwrap());
    for (body, status, error) in [
        (json!({ "passphrase": "correct horse battery staple" }), 422, "invalid_vault"),
        (json!({ "passphrase": recovery }), 422, "invalid_vault"),
        (json!({ "passphrase": passphrase, "recovery": passphrase }), 422, "invalid_vault"),
        (json!({ "passphrase": passphrase, "recovery": "x" }), 422, "invalid_vault"),
        (json!({ "recovery": recovery }), 400, "invalid_request"),
        (json!({ "passphrase": passphrase, "data_key": "AAAA" }), 400, "invalid_request"),
    ] {
        journal.put(&ada, "/vault", ("if-none-match", "*"), &body).await.is(status, error);
    }
    journal.get(&ada, "/vault").await.is(404, "not_found");
}
