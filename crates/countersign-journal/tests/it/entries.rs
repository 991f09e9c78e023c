//! `/entries`: what apps do with ciphertexts.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{BOTH, Harness, bearer, id, open, seal};

#[tokio::test]
async fn an_entry_can_be_written_read_replaced_and_deleted() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let address = format!("/entries/{}", id(1));

    let written = journal.post(&ada, &json!({ "body": seal(&id(1), 1, "It rained.") })).await;
    assert_eq!(written.status, StatusCode::CREATED, "{written:?}");
    assert_eq!((written.header(header::LOCATION), written.header(header::ETAG)), (address.as_str(), "\"1\""));

    let read = journal.get(&ada, &address).await;
    assert_eq!((read.status, read.header(header::ETAG)), (StatusCode::OK, "\"1\""));
    assert_eq!(read.json(), written.json());
    assert_eq!(read.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(open(read.json()["body"].as_str().unwrap()), ("It rained.".to_owned(), json!(id(1)), json!(1)));

    let poured = json!({ "body": seal(&id(1), 2, "It poured.") });
    let replaced = journal.put(&ada, &address, ("if-match", "\"1\""), &poured).await;
    assert_eq!((replaced.status, replaced.header(header::ETAG)), (StatusCode::OK, "\"2\""), "{replaced:?}");
    assert_eq!(journal.get(&ada, &address).await.json()["body"], poured["body"]);

    assert_eq!(journal.delete(&ada, &address, "\"2\"").await.status, StatusCode::NO_CONTENT);
    journal.get(&ada, &address).await.is(404, "not_found");
    journal.delete(&ada, &address, "\"3\"").await.is(404, "not_found");
    let again = json!({ "body": seal(&id(1), 4, "x") });
    journal.put(&ada, &address, ("if-match", "\"3\""), &again).await.is(404, "not_found");
}

#[tokio::test]
async fn an_id_is_used_once_and_for_ever() {
    let journal = Harness::start().await;
    let (ada, eve) = (journal.token("ada", BOTH), journal.token("eve", BOTH));
    let entry = json!({ "body": seal(&id(1), 1, "first") });
    assert_eq!(journal.post(&ada, &entry).await.status, StatusCode::CREATED);
    journal.post(&ada, &entry).await.is(409, "conflict");
    journal.delete(&ada, &format!("/entries/{}", id(1)), "\"1\"").await;
    journal.post(&ada, &entry).await.is(409, "conflict");
    // Another person's ids are no matter: nobody learns of them.
    assert_eq!(journal.post(&eve, &entry).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn nobody_overwrites_what_another_device_wrote() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let address = format!("/entries/{}", id(1));
    journal.writes(&ada, &id(1)).await;
    let revision = |number| json!({ "body": seal(&id(1), number, "x") });

    let phone = journal.put(&ada, &address, ("if-match", "\"1\""), &revision(2)).await;
    assert_eq!(phone.status, StatusCode::OK);
    journal.put(&ada, &address, ("if-match", "\"1\""), &revision(2)).await.is(412, "precondition_failed");
    journal.delete(&ada, &address, "\"1\"").await.is(412, "precondition_failed");
    journal.delete(&ada, &address, "W/\"2\"").await.is(412, "precondition_failed");
    journal.put(&ada, &address, ("if-match", "\"x\""), &revision(3)).await.is(412, "precondition_failed");
    journal.put(&ada, &address, ("x-none", ""), &revision(3)).await.is(428, "precondition_required");
    let careless = bearer(Method::DELETE, &address, &ada).body(Body::empty()).unwrap();
    journal.send(careless).await.is(428, "precondition_required");
    assert_eq!(journal.get(&ada, &address).await.json()["revision"], 2);

    // `*` is whatever is there; the ciphertext still says which revision it is.
    journal.put(&ada, &address, ("if-match", "*"), &revision(9)).await.is(412, "precondition_failed");
    assert_eq!(journal.put(&ada, &address, ("if-match", "*"), &revision(3)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn of_two_at_once_one_is_told_that_it_came_too_late() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.writes(&ada, &id(1)).await;
    let address = format!("/entries/{}", id(1));
    let body = json!({ "body": seal(&id(1), 2, "x") });
    let change = || journal.put(&ada, &address, ("if-match", "\"1\""), &body);
    let (first, second, third) = tokio::join!(change(), change(), change());
    let mut seen = [first.status.as_u16(), second.status.as_u16(), third.status.as_u16()];
    seen.sort_unstable();
    assert_eq!(seen, [200, 412, 412]);
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.writes(&ada, &id(1)).await;
    let ask = |tag: &'static str| {
        let request = bearer(Method::GET, &format!("/entries/{}", id(1)), &ada).header("if-none-match", tag);
        journal.send(request.body(Body::empty()).unwrap())
    };
    let seen = ask("\"1\"").await;
    assert_eq!((seen.status, seen.body.as_str(), seen.header(header::ETAG)), (StatusCode::NOT_MODIFIED, "", "\"1\""));
    assert_eq!(ask("\"2\"").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_ciphertext_and_the_request_speak_of_the_same() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.post(&ada, &json!({ "body": seal(&id(1), 2, "x") })).await.is(422, "invalid_entry");
    journal.writes(&ada, &id(1)).await;
    let address = format!("/entries/{}", id(1));
    for (other, revision) in [(id(2), 2), (id(1), 1), (id(1), 3)] {
        let body = json!({ "body": seal(&other, revision, "x") });
        journal.put(&ada, &address, ("if-match", "\"1\""), &body).await.is(422, "invalid_entry");
    }
}

#[tokio::test]
async fn anything_but_ciphertext_is_refused() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let plain = journal.post(&ada, &json!({ "body": "It rained." })).await;
    plain.is(422, "invalid_entry");
    assert!(plain.body.contains("this journal keeps ciphertext only"), "{plain:?}");
    assert!(!plain.body.contains("rained"));
    let large = seal(&id(1), 1, &"x".repeat(60_000));
    assert!(journal.post(&ada, &json!({ "body": large })).await.body.contains("64 KiB"));
    // By position instead of by name no reader would find anything.
    let header = URL_SAFE_NO_PAD.encode(json!(["dir", "A256GCM", "journal-entry", id(1), 1]).to_string());
    let sealed = seal(&id(1), 1, "x");
    let by_position = format!("{header}{}", &sealed[sealed.find('.').unwrap()..]);
    for body in ["", "....", "a.b.c.d.e", &by_position, &sealed.replace("..", ".AAAA.")] {
        journal.post(&ada, &json!({ "body": body })).await.is(422, "invalid_entry");
    }
    let page = journal.get(&ada, "/entries").await.json();
    assert_eq!(page["entries"], json!([]), "nothing was kept");
}

#[tokio::test]
async fn another_persons_entry_does_not_exist() {
    let journal = Harness::start().await;
    let (ada, eve) = (journal.token("ada", BOTH), journal.token("eve", BOTH));
    journal.writes(&ada, &id(1)).await;
    let address = format!("/entries/{}", id(1));

    let never = journal.get(&eve, &format!("/entries/{}", id(9))).await;
    let forged = json!({ "body": seal(&id(1), 2, "forged") });
    for seen in [
        journal.get(&eve, &address).await,
        journal.put(&eve, &address, ("if-match", "\"1\""), &forged).await,
        journal.put(&eve, &address, ("if-match", "*"), &forged).await,
        journal.delete(&eve, &address, "\"1\"").await,
    ] {
        assert_eq!((seen.status, &seen.body), (StatusCode::NOT_FOUND, &never.body));
    }
    assert_eq!(journal.get(&eve, "/entries").await.json()["entries"], json!([]));
    assert_eq!(journal.get(&ada, &address).await.json()["revision"], 1);
}

#[tokio::test]
async fn a_device_learns_page_by_page_what_changed_since() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    for number in 0..5 {
        journal.writes(&ada, &id(number)).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        page["entries"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut seen = Vec::new();
    let mut path = "/entries?limit=2".to_owned();
    let cursor = loop {
        let page = journal.get(&ada, &path).await.json();
        seen.extend(ids(&page));
        let cursor = page["cursor"].as_str().unwrap().to_owned();
        if page["more"] == false {
            break cursor;
        }
        path = format!("/entries?limit=2&after={cursor}");
    };
    assert_eq!(seen, [id(0), id(1), id(2), id(3), id(4)]);

    let since = format!("/entries?after={cursor}");
    let nothing = journal.get(&ada, &since).await.json();
    assert_eq!(nothing, json!({ "entries": [], "cursor": cursor, "more": false }));

    journal.delete(&ada, &format!("/entries/{}", id(3)), "\"1\"").await;
    let poured = json!({ "body": seal(&id(1), 2, "It poured.") });
    journal.put(&ada, &format!("/entries/{}", id(1)), ("if-match", "\"1\""), &poured).await;
    let changes = journal.get(&ada, &since).await.json();
    let deleted = json!({ "id": id(3), "revision": 2, "deleted": true });
    assert_eq!(changes["entries"], json!([deleted, { "id": id(1), "revision": 2, "body": poured["body"] }]));
    assert_eq!(changes["more"], false);
}

#[tokio::test]
async fn the_read_scope_cannot_write_and_the_write_scope_cannot_read() {
    let journal = Harness::start().await;
    let (reader, writer) = (journal.token("ada", "journal.read"), journal.token("ada", "journal.write"));
    journal.writes(&writer, &id(1)).await;
    let (address, body) = (format!("/entries/{}", id(1)), json!({ "body": seal(&id(2), 1, "x") }));
    for (seen, scope) in [
        (journal.post(&reader, &body).await, "journal.write"),
        (journal.put(&reader, &address, ("if-match", "*"), &body).await, "journal.write"),
        (journal.delete(&reader, &address, "*").await, "journal.write"),
        (journal.put(&reader, "/vault", ("if-none-match", "*"), &body).await, "journal.write"),
        (journal.delete(&reader, "/journal", "*").await, "journal.write"),
        (journal.get(&writer, &address).await, "journal.read"),
        (journal.get(&writer, "/entries").await, "journal.read"),
        (journal.get(&writer, "/vault").await, "journal.read"),
        (journal.get(&writer, "/journal").await, "journal.read"),
        (journal.get(&writer, "/accesses").await, "journal.read"),
    ] {
        seen.is(403, "insufficient_scope");
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
        (Method::GET, "/vault"),
        (Method::PUT, "/vault"),
        (Method::GET, "/journal"),
        (Method::DELETE, "/journal"),
        (Method::GET, "/accesses"),
    ] {
        let seen = journal.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(seen.header(header::WWW_AUTHENTICATE).starts_with("Bearer resource_metadata=\"http://localhost:8081/"));
    }
    journal.get("a.b.c", "/entries").await.is(401, "invalid_token");
}

#[tokio::test]
async fn a_client_on_its_own_behalf_keeps_no_journal() {
    let journal = Harness::start().await;
    let machine = journal.machine_token(BOTH);
    journal.get(&machine, "/entries").await.is(403, "access_denied");
    journal.post(&machine, &json!({ "body": seal(&id(1), 1, "x") })).await.is(403, "access_denied");
}

#[tokio::test]
async fn bad_input_is_answered_with_a_clear_4xx() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let json_type = Some("application/json");
    let long = json!({ "body": "x".repeat(96 * 1024) }).to_string();
    let deep = format!("{{\"body\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let good = json!({ "body": seal(&id(1), 1, "x") }).to_string();
    for (content_type, body, status) in [
        (json_type, "", 400),
        (json_type, "{", 400),
        (json_type, "null", 400),
        (json_type, "[]", 400),
        (json_type, "{}", 400),
        (json_type, r#"["a"]"#, 400),
        (json_type, r#"{"body":1}"#, 400),
        (json_type, r#"{"body":"a","body":"b"}"#, 400),
        (json_type, r#"{"body":"a","title":"Monday"}"#, 400),
        (json_type, r#"{"body":"a","person":"eve"}"#, 400),
        (json_type, r#"{"body":"\ud800"}"#, 400),
        (json_type, &deep, 400),
        (json_type, &long, 413),
        (None, &good, 415),
        (Some("text/plain"), &good, 415),
        (Some("application/x-www-form-urlencoded"), "body=a", 415),
    ] {
        let mut request = bearer(Method::POST, "/entries", &ada);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        journal.send(request.body(Body::from(body.to_owned())).unwrap()).await.is(status, "invalid_request");
    }
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1&limit=2",
        "after=1",
        "after=",
        "after=1.x",
        "limit=99999999999",
    ] {
        journal.get(&ada, &format!("/entries?{query}")).await.is(400, "invalid_request");
    }
    for id in ["1", "%00", "%ff", "..%2f..%2fetc%2fpasswd", "'%20OR%201=1--", &"a".repeat(5000)] {
        assert_eq!(journal.get(&ada, &format!("/entries/{id}")).await.status, StatusCode::NOT_FOUND, "{id:.40}");
    }
    assert_eq!(journal.get(&ada, "/entries").await.json()["entries"], json!([]), "nothing was kept");
}

#[tokio::test]
async fn a_cursor_of_somebody_elses_journal_leads_nowhere_else() {
    let journal = Harness::start().await;
    let (ada, eve) = (journal.token("ada", BOTH), journal.token("eve", BOTH));
    journal.writes(&ada, &id(1)).await;
    let cursor = journal.get(&ada, "/entries").await.json()["cursor"].as_str().unwrap().to_owned();
    journal.get(&eve, &format!("/entries?after={cursor}")).await.is(410, "gone");
    journal.writes(&eve, &id(2)).await;
    let seen = journal.get(&eve, &format!("/entries?after={cursor}")).await;
    assert_eq!(seen.json()["entries"], json!([]));
}

#[tokio::test]
async fn a_page_carries_no_more_than_a_slow_reader_may_hold() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    for number in 0..15 {
        let seen = journal.post(&ada, &json!({ "body": seal(&id(number), 1, &"x".repeat(40_000)) })).await;
        assert_eq!(seen.status, StatusCode::CREATED, "{}", seen.body);
    }
    let (mut seen, mut path) = (0, "/entries".to_owned());
    loop {
        let page = journal.get(&ada, &path).await;
        assert!(page.body.len() < 600 * 1024, "{}", page.body.len());
        seen += page.json()["entries"].as_array().unwrap().len();
        if page.json()["more"] == false {
            break;
        }
        path = format!("/entries?after={}", page.json()["cursor"].as_str().unwrap());
    }
    assert_eq!(seen, 15);
}

#[tokio::test]
async fn a_full_journal_takes_no_more_until_something_is_deleted() {
    let journal = Harness::start().await;
    let (ada, eve) = (journal.token("ada", BOTH), journal.token("eve", BOTH));
    // The harness lets each keep a mebibyte.
    let large = |number, revision| json!({ "body": seal(&id(number), revision, &"x".repeat(48_000)) });
    let mut kept = 0;
    let refused = loop {
        let seen = journal.post(&ada, &large(kept, 1)).await;
        if seen.status != StatusCode::CREATED {
            break seen;
        }
        kept += 1;
    };
    refused.is(507, "journal_full");
    let newest = journal.get(&ada, "/accesses?limit=1").await.json()["accesses"][0].clone();
    assert_eq!((&newest["action"], &newest["outcome"]), (&json!("write"), &json!("refused")));
    assert!((10..20).contains(&kept), "{kept}");
    let entry = journal.get(&ada, &format!("/entries/{}", id(kept))).await;
    assert_eq!(entry.status, StatusCode::NOT_FOUND, "what was refused is not kept");
    assert_eq!(journal.post(&eve, &large(0, 1)).await.status, StatusCode::CREATED, "another's room is another's");
    assert_eq!(journal.delete(&ada, &format!("/entries/{}", id(0)), "\"1\"").await.status, StatusCode::NO_CONTENT);
    let smaller = json!({ "body": seal(&id(1), 2, "x") });
    let replaced = journal.put(&ada, &format!("/entries/{}", id(1)), ("if-match", "\"1\""), &smaller).await;
    assert_eq!(replaced.status, StatusCode::OK);
    assert_eq!(journal.post(&ada, &large(kept, 1)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn of_two_new_entries_with_one_id_one_is_kept() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    let entry = json!({ "body": seal(&id(1), 1, "x") });
    let (first, second) = tokio::join!(journal.post(&ada, &entry), journal.post(&ada, &entry));
    let mut seen = [first.status.as_u16(), second.status.as_u16()];
    seen.sort_unstable();
    assert_eq!(seen, [201, 409]);
}

#[tokio::test]
async fn a_cursor_that_this_database_never_reached_says_that_all_is_to_be_read_anew() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.writes(&ada, &id(1)).await;
    // As after a copy was put back that is older than what the device has seen.
    journal.get(&ada, "/entries?after=1.2").await.is(410, "gone");
    assert_eq!(journal.get(&ada, "/entries?after=1.1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_asks_too_often_waits_and_a_role_may_ask_more() {
    let journal = Harness::start().await;
    let (ada, bob) = (journal.token("ada", BOTH), journal.role_token("bob", "premium"));
    for _ in 0..300 {
        assert_eq!(journal.get(&ada, "/vault").await.status, StatusCode::NOT_FOUND);
        assert_eq!(journal.get(&bob, "/vault").await.status, StatusCode::NOT_FOUND);
    }
    let seen = journal.get(&ada, "/vault").await;
    seen.is(429, "temporarily_unavailable");
    assert!(seen.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(journal.get(&bob, "/vault").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_answered_in_the_same_form() {
    let journal = Harness::start().await;
    let nothing = Request::get("/nothing").body(Body::empty()).unwrap();
    journal.send(nothing).await.is(404, "not_found");
    let ada = journal.token("ada", BOTH);
    let patch = bearer(Method::PATCH, "/entries", &ada).body(Body::empty()).unwrap();
    journal.send(patch).await.is(405, "invalid_request");
}

#[tokio::test]
async fn entries_outlive_a_restart_in_a_file_of_its_owner_alone() {
    let journal = Harness::start().await;
    let ada = journal.token("ada", BOTH);
    journal.writes(&ada, &id(1)).await;
    let journal = journal.restart().await;
    assert_eq!(journal.get(&ada, &format!("/entries/{}", id(1))).await.json()["revision"], 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(journal.database()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
