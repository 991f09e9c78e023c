//! Who did what to a journal.

use axum::http::{Method, StatusCode};
use chrono::DateTime;
use serde_json::{Value, json};

use crate::harness::{BOTH, Harness, MFA, START, id, seal, wrap_by_passphrase};

async fn accesses(journal: &Harness, token: &str) -> Vec<Value> {
    journal.get(token, "/accesses").await.json()["accesses"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_access_is_recorded_the_refused_ones_too() {
    let journal = Harness::start().await;
    let (ada, reader) = (journal.token("ada", BOTH), journal.token("ada", "journal.read"));
    let address = format!("/entries/{}", id(1));
    journal.writes(&ada, &id(1)).await;
    journal.clock.advance(60);
    journal.get(&ada, "/entries").await;
    journal.get(&ada, &address).await;
    let poured = json!({ "body": seal(&id(1), 2, "x") });
    journal.put(&reader, &address, ("if-match", "\"1\""), &poured).await;
    journal.put(&ada, &address, ("if-match", "\"1\""), &poured).await;
    journal.put(&ada, &address, ("if-match", "\"1\""), &poured).await;
    journal.delete(&ada, &address, "\"2\"").await;
    journal.put(&ada, "/vault", ("if-none-match", "*"), &json!({ "passphrase": wrap_by_passphrase("x") })).await;
    journal.get(&ada, "/vault").await;
    journal.get(&ada, "/journal").await;
    let strong = journal.device_token("ada", MFA, 0);
    journal.send(journal.signed(&Method::GET, "/journal", &strong)).await;
    journal.send(journal.signed(&Method::DELETE, "/journal", &strong)).await;

    let seen = accesses(&journal, &ada).await;
    let told: Vec<_> =
        seen.iter().map(|access| (access["action"].as_str().unwrap(), access["outcome"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("delete_all", "done"),
            ("export", "done"),
            ("export", "refused"),
            ("vault_read", "done"),
            ("vault_write", "done"),
            ("delete", "done"),
            ("replace", "refused"),
            ("replace", "done"),
            ("replace", "refused"),
            ("read", "done"),
            ("list", "done"),
            ("write", "done"),
        ]
    );
    let time = |seconds| json!(DateTime::from_timestamp(seconds, 0).unwrap());
    let first = json!({ "at": time(START), "action": "write", "entry": id(1), "client_id": "app", "outcome": "done" });
    assert_eq!(seen.last(), Some(&first), "it outlives what was deleted");
    assert_eq!((&seen[9]["at"], &seen[10]["entry"]), (&time(START + 60), &Value::Null));
    assert_eq!(accesses(&journal, &ada).await[0]["action"], "accesses_read", "looking is recorded, too");
    assert_eq!(
        accesses(&journal, &journal.token("eve", BOTH)).await,
        [] as [Value; 0],
        "another person's are not shown"
    );
}

#[tokio::test]
async fn they_are_read_page_by_page_and_forgotten_in_the_end() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    for number in 0..5 {
        journal.writes(&ada, &id(number)).await;
        journal.clock.advance(60);
    }
    let page = journal.get(&ada, "/accesses?limit=3").await.json();
    let entries = |page: &Value| -> Vec<Value> {
        page["accesses"].as_array().unwrap().iter().map(|access| access["entry"].clone()).collect()
    };
    assert_eq!(entries(&page), [json!(id(4)), json!(id(3)), json!(id(2))]);
    let rest = journal.get(&ada, &format!("/accesses?limit=3&before={}", page["before"])).await.json();
    assert_eq!((entries(&rest), &rest["before"]), (vec![json!(id(1)), json!(id(0))], &Value::Null));
    journal.get(&ada, "/accesses?limit=0").await.is(400, "invalid_request");
    journal.get(&ada, "/accesses?before=x").await.is(400, "invalid_request");

    let mut tx = journal.store.begin().await.unwrap();
    assert_eq!(tx.sweep_accesses(DateTime::from_timestamp(START + 120, 0).unwrap()).await.unwrap(), 2);
    tx.commit().await.unwrap();
    let left = accesses(&journal, &ada).await;
    assert!(left.iter().all(|access| access["entry"] != id(0) && access["entry"] != id(1)), "{left:?}");
    assert!(left.iter().any(|access| access["entry"] == id(2)));
}

#[tokio::test]
async fn what_is_not_recorded_is_not_done() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.writes(&ada, &id(1)).await;
    // The two are one transaction: where the record cannot be written, nothing else is.
    let database = sqlx::SqlitePool::connect(&format!("sqlite://{}", journal.database().display())).await.unwrap();
    sqlx::query("ALTER TABLE access RENAME TO hidden").execute(&database).await.unwrap();
    for seen in [
        journal.post(&ada, &json!({ "body": seal(&id(2), 1, "x") })).await,
        journal.get(&ada, &format!("/entries/{}", id(1))).await,
        journal.delete(&ada, &format!("/entries/{}", id(1)), "\"1\"").await,
    ] {
        seen.is(500, "server_error");
        assert!(!seen.body.contains("hidden") && !seen.body.contains("access"), "{seen:?}");
    }
    sqlx::query("ALTER TABLE hidden RENAME TO access").execute(&database).await.unwrap();
    let page = journal.get(&ada, "/entries").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        (page.json()["entries"].as_array().unwrap().len(), &page.json()["entries"][0]["revision"]),
        (1, &json!(1))
    );
}
