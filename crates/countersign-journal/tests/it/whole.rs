//! `/journal`: everything at once.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::json;

use crate::harness::{BOTH, Harness, MFA, bearer, id, seal, wrap_by_passphrase};

#[tokio::test]
async fn everything_can_be_taken_away_and_then_deleted() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let empty = journal.send(journal.signed(&Method::GET, "/journal", &journal.device_token("ada", MFA, 0))).await;
    assert_eq!(
        (empty.status, &empty.json()["entries"], &empty.json()["vault"]),
        (StatusCode::OK, &json!([]), &json!(null))
    );

    let vault = json!({ "passphrase": wrap_by_passphrase("correct horse") });
    journal.put(&ada, "/vault", ("if-none-match", "*"), &vault).await;
    for number in 0..250 {
        journal.writes(&ada, &id(number)).await;
    }
    journal.delete(&ada, &format!("/entries/{}", id(7)), "\"1\"").await;
    journal.writes(&journal.token("eve", BOTH), &id(251)).await;

    let strong = journal.device_token("ada", MFA, 0);
    let export = journal.send(journal.signed(&Method::GET, "/journal", &strong)).await;
    assert_eq!(export.status, StatusCode::OK, "{export:?}");
    assert!(export.header(header::CONTENT_DISPOSITION).starts_with("attachment"));
    let document = export.json();
    assert_eq!(document["vault"], vault);
    let entries = document["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 249);
    assert!(entries.iter().all(|entry| entry["body"].is_string() && entry["id"] != id(7) && entry["id"] != id(251)));

    let cursor = journal.get(&ada, "/entries?limit=1").await.json()["cursor"].as_str().unwrap().to_owned();
    let deleted = journal.send(journal.signed(&Method::DELETE, "/journal", &strong)).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert_eq!(journal.get(&ada, "/entries").await.json()["entries"], json!([]));
    journal.get(&ada, "/vault").await.is(404, "not_found");
    // A device that knew the journal learns that it is another one now.
    journal.get(&ada, &format!("/entries?after={cursor}")).await.is(410, "gone");
    let late =
        bearer(Method::POST, &format!("/entries?after={cursor}"), &ada).header("content-type", "application/json");
    let body = json!({ "body": seal(&id(252), 1, "under a key that is gone") }).to_string();
    journal.send(late.body(Body::from(body)).unwrap()).await.is(410, "gone");
    assert_eq!(journal.get(&journal.token("eve", BOTH), "/entries").await.json()["entries"][0]["id"], id(251));

    // And it begins anew.
    let made = journal.put(&ada, "/vault", ("if-none-match", "*"), &vault).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_ne!(made.header(header::ETAG), "\"1\"", "no tag of the old one fits the new one");
    journal.writes(&ada, &id(1)).await;
}

#[tokio::test]
async fn it_takes_a_strong_and_recent_sign_in() {
    let journal = Harness::start().await;
    journal.writes(&journal.token("ada", BOTH), &id(1)).await;
    for (acr, age) in [("urn:countersign:acr:pwd", 0), (MFA, 311)] {
        let weak = journal.device_token("ada", acr, age);
        for method in [Method::GET, Method::DELETE] {
            let seen = journal.send(journal.signed(&method, "/journal", &weak)).await;
            seen.is(401, "insufficient_user_authentication");
            let challenge = seen.header(header::WWW_AUTHENTICATE);
            assert!(challenge.contains(&format!("acr_values=\"{MFA}\", max_age=\"300\"")), "{challenge}");
        }
    }
    // With a bearer token that says nothing of the sign-in, too.
    journal.get(&journal.token("ada", BOTH), "/journal").await.is(401, "insufficient_user_authentication");
    assert_eq!(journal.get(&journal.token("ada", BOTH), "/entries").await.json()["entries"][0]["id"], id(1));
}

#[tokio::test]
async fn it_takes_a_signature_over_this_very_request() {
    let journal = Harness::start().await;
    journal.writes(&journal.token("ada", BOTH), &id(1)).await;
    let strong = journal.device_token("ada", MFA, 10);
    for (method, other) in [(Method::GET, Method::DELETE), (Method::DELETE, Method::GET)] {
        let (unsigned, _) = journal.proven(&method, "/journal", &strong);
        let seen = journal.send(unsigned.body(Body::empty()).unwrap()).await;
        seen.is(401, "invalid_signature");
        assert!(seen.headers.contains_key("accept-signature"), "{method}");

        // What was signed for the one does not do for the other.
        let (request, _) = journal.proven(&method, "/journal", &strong);
        let signed = journal.signed(&other, "/journal", &strong);
        let mut request = request.body(Body::empty()).unwrap();
        for name in ["content-digest", "signature-input", "signature"] {
            request.headers_mut().insert(name, signed.headers()[name].clone());
        }
        journal.send(request).await.is(401, "invalid_signature");
    }
    assert_eq!(journal.get(&journal.token("ada", BOTH), "/entries").await.json()["entries"][0]["id"], id(1));
}

#[tokio::test]
async fn a_stolen_token_deletes_nothing() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.post(&ada, &json!({ "body": seal(&id(1), 1, "x") })).await;
    let strong = journal.device_token("ada", MFA, 10);
    let stolen = bearer(Method::DELETE, "/journal", &strong).body(Body::empty()).unwrap();
    journal.send(stolen).await.is(401, "invalid_token");
    let request = journal.signed(&Method::DELETE, "/journal", &strong);
    let mut replayed = journal.signed(&Method::DELETE, "/journal", &strong);
    *replayed.headers_mut() = request.headers().clone();
    assert_eq!(journal.send(request).await.status, StatusCode::NO_CONTENT);
    journal.send(replayed).await.is(401, "invalid_dpop_proof");
}
