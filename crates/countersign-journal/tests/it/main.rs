//! The journal through its router, with a provider that only publishes a key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod harness;

use axum::http::{Method, StatusCode, header};
use serde_json::json;

use harness::Harness;

const BOTH: &str = "openid journal.read journal.write";

#[tokio::test]
async fn an_entry_can_be_written_read_replaced_and_deleted() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);

    let written = journal.post(&ada, &json!({ "title": "Monday", "body": "It rained." })).await;
    assert_eq!(written.status, StatusCode::CREATED, "{written:?}");
    let address = written.header(header::LOCATION).to_owned();
    assert_eq!(address, format!("/entries/{}", written.json()["id"].as_str().unwrap()));

    let read = journal.get(&ada, &address).await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!((&read.json()["title"], &read.json()["body"]), (&json!("Monday"), &json!("It rained.")));
    assert_eq!(read.json(), written.json());

    let replaced = journal.put(&ada, &address, &json!({ "body": "It poured." })).await;
    assert_eq!(replaced.status, StatusCode::OK);
    let entry = journal.get(&ada, &address).await.json();
    assert_eq!((&entry["title"], &entry["body"]), (&json!(""), &json!("It poured.")));
    assert_eq!(entry["created_at"], written.json()["created_at"]);
    assert_ne!(entry["changed_at"], written.json()["changed_at"]);

    assert_eq!(journal.delete(&ada, &address).await.status, StatusCode::NO_CONTENT);
    assert_eq!(journal.get(&ada, &address).await.status, StatusCode::NOT_FOUND);
    assert_eq!(journal.delete(&ada, &address).await.status, StatusCode::NOT_FOUND);
    assert_eq!(journal.put(&ada, &address, &json!({ "body": "x" })).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn another_persons_entry_does_not_exist() {
    let journal = Harness::start().await;
    let (ada, eve) = (journal.token("ada", BOTH), journal.token("eve", BOTH));
    let address = journal.post(&ada, &json!({ "body": "secret" })).await.header(header::LOCATION).to_owned();

    let never = journal.get(&eve, "/entries/00000000000000000000000000000000").await;
    for seen in [
        journal.get(&eve, &address).await,
        journal.put(&eve, &address, &json!({ "body": "forged" })).await,
        journal.delete(&eve, &address).await,
    ] {
        assert_eq!((seen.status, &seen.body), (StatusCode::NOT_FOUND, &never.body));
    }
    assert_eq!(journal.get(&eve, "/entries").await.json(), json!({ "entries": [], "next": null }));
    let id = address.strip_prefix("/entries/").unwrap();
    assert_eq!(journal.get(&eve, &format!("/entries?after={id}")).await.json()["entries"], json!([]));
    assert_eq!(journal.get(&ada, &address).await.json()["body"], "secret");
}

#[tokio::test]
async fn the_read_scope_cannot_write_and_the_write_scope_cannot_read() {
    let journal = Harness::start().await;
    let (reader, writer) = (journal.token("ada", "journal.read"), journal.token("ada", "journal.write"));
    let address = journal.post(&writer, &json!({ "body": "x" })).await.header(header::LOCATION).to_owned();

    for (seen, scope) in [
        (journal.post(&reader, &json!({ "body": "x" })).await, "journal.write"),
        (journal.put(&reader, &address, &json!({ "body": "x" })).await, "journal.write"),
        (journal.delete(&reader, &address).await, "journal.write"),
        (journal.get(&writer, &address).await, "journal.read"),
        (journal.get(&writer, "/entries").await, "journal.read"),
    ] {
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{seen:?}");
        assert_eq!(seen.json()["error"], "insufficient_scope");
        assert!(seen.header(header::WWW_AUTHENTICATE).contains(&format!("scope=\"{scope}\"")), "{seen:?}");
    }
    assert_eq!(journal.get(&reader, &address).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nothing_is_open_without_a_token() {
    let journal = Harness::start().await;
    for (method, path) in [
        (Method::GET, "/entries"),
        (Method::POST, "/entries"),
        (Method::GET, "/entries/1"),
        (Method::PUT, "/entries/1"),
        (Method::DELETE, "/entries/1"),
    ] {
        let seen = journal.send(method, path, None, None, Vec::new()).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(seen.header(header::WWW_AUTHENTICATE).starts_with("Bearer resource_metadata=\"http://localhost:8081/"));
    }
    let seen = journal.get("a.b.c", "/entries").await;
    assert_eq!((seen.status, &seen.json()["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_token")));
}

#[tokio::test]
async fn a_client_on_its_own_behalf_keeps_no_journal() {
    let journal = Harness::start().await;
    let machine = journal.machine_token(BOTH);
    for seen in [journal.get(&machine, "/entries").await, journal.post(&machine, &json!({ "body": "x" })).await] {
        assert_eq!((seen.status, &seen.json()["error"]), (StatusCode::FORBIDDEN, &json!("access_denied")));
    }
}

#[tokio::test]
async fn pages_lead_through_all_entries_the_newest_first() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    for number in 0..5 {
        journal.post(&ada, &json!({ "body": number.to_string() })).await;
    }
    let mut seen = Vec::new();
    let mut path = "/entries?limit=2".to_owned();
    loop {
        let page = journal.get(&ada, &path).await.json();
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["body"].as_str().unwrap().to_owned()));
        // Gone between two pages: the place in the list is kept.
        if let Some(next) = page["next"].as_str() {
            journal.delete(&ada, &format!("/entries/{next}")).await;
            path = format!("/entries?limit=2&after={next}");
        } else {
            break;
        }
    }
    assert_eq!(seen, ["4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn bad_input_is_answered_with_a_clear_4xx() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let json_type = Some("application/json");
    let long = json!({ "body": "x".repeat(64 * 1024) }).to_string();
    let title = json!({ "title": "t".repeat(201), "body": "x" }).to_string();
    let deep = format!("{{\"body\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for (content_type, body, status) in [
        (json_type, "", 400),
        (json_type, "{", 400),
        (json_type, "null", 400),
        (json_type, "[]", 400),
        (json_type, "{}", 400),
        (json_type, r#"{"body":""}"#, 400),
        (json_type, r#"{"body":1}"#, 400),
        (json_type, r#"{"body":"a","body":"b"}"#, 400),
        (json_type, r#"{"body":"a","id":"1"}"#, 400),
        (json_type, r#"{"body":"a","person":"eve"}"#, 400),
        (json_type, r#"{"body":"\ud800"}"#, 400),
        (json_type, &title, 400),
        (json_type, &deep, 400),
        (json_type, &long, 413),
        (None, r#"{"body":"a"}"#, 415),
        (Some("text/plain"), r#"{"body":"a"}"#, 415),
        (Some("application/x-www-form-urlencoded"), "body=a", 415),
    ] {
        let seen = journal.send(Method::POST, "/entries", Some(&ada), content_type, body.into()).await;
        assert_eq!(seen.status, status, "{body:.60} {seen:?}");
        assert_eq!(seen.json()["error"], "invalid_request", "{body:.60}");
        assert!(seen.json()["error_description"].is_string());
    }
    let bytes = journal.send(Method::POST, "/entries", Some(&ada), json_type, b"{\"body\":\"\xff\"}".to_vec()).await;
    assert_eq!(bytes.status, StatusCode::BAD_REQUEST);

    for query in
        ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=1&limit=2", "after=1", "after=", "limit=99999999999"]
    {
        let seen = journal.get(&ada, &format!("/entries?{query}")).await;
        assert_eq!(
            (seen.status, &seen.json()["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{query}"
        );
    }
    for id in ["1", "%00", "%ff", "..%2f..%2fetc%2fpasswd", "'%20OR%201=1--", &"a".repeat(5000)] {
        assert_eq!(journal.get(&ada, &format!("/entries/{id}")).await.status, StatusCode::NOT_FOUND, "{id:.40}");
    }
    assert_eq!(journal.get(&ada, "/entries").await.json()["entries"], json!([]), "nothing was kept");
}

#[tokio::test]
async fn any_text_comes_back_as_it_was_sent() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    for body in ["'; DROP TABLE entry; --", "<script>alert(1)</script>", "a\u{0}b", "\r\n\t", "🌧️ ä \u{202e}", " "]
    {
        let address = journal.post(&ada, &json!({ "body": body })).await.header(header::LOCATION).to_owned();
        assert_eq!(journal.get(&ada, &address).await.json()["body"], body);
    }
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_answered_in_the_same_form() {
    let journal = Harness::start().await;
    let seen = journal.send(Method::GET, "/nothing", None, None, Vec::new()).await;
    assert_eq!((seen.status, &seen.json()["error"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    let ada = journal.token("ada", BOTH);
    let seen = journal.send(Method::PATCH, "/entries", Some(&ada), None, Vec::new()).await;
    assert_eq!((seen.status, &seen.json()["error"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("invalid_request")));
}

#[tokio::test]
async fn health_and_metadata_are_open() {
    let journal = Harness::start().await;
    let seen = journal.send(Method::GET, "/healthz", None, None, Vec::new()).await;
    assert_eq!((seen.status, seen.body.as_str()), (StatusCode::OK, "ok\n"));
    let seen = journal.send(Method::GET, "/.well-known/oauth-protected-resource", None, None, Vec::new()).await;
    assert_eq!(seen.json()["scopes_supported"], json!(["journal.read", "journal.write"]));
}

#[tokio::test]
async fn entries_outlive_a_restart_in_a_file_of_its_owner_alone() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let address = journal.post(&ada, &json!({ "body": "kept" })).await.header(header::LOCATION).to_owned();
    let journal = journal.restart().await;
    assert_eq!(journal.get(&ada, &address).await.json()["body"], "kept");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(journal.database()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
