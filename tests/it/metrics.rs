//! `/metrics`.

use axum::body::Body;
use countersign_types::{ClientAuthMethod, GrantType};
use http::Request;

use crate::harness::{Reply, Server, confidential};

/// What this machine is told, with these headers in its request.
async fn scrape(server: &Server, headers: &[(&str, &str)]) -> Reply {
    let request = Request::get("/metrics");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    server.send_from("127.0.0.1".parse().unwrap(), request.body(Body::empty()).unwrap()).await
}

#[track_caller]
fn assert_told(reply: &Reply, line: &str) {
    assert!(reply.text().lines().any(|told| told == line), "{line}: {}", reply.text());
}

#[tokio::test]
async fn requests_and_events_are_counted_under_names_of_ours() {
    let server = Server::start().await;
    let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
    });
    server.add_client("app", client).await;
    for _ in 0..2 {
        assert_eq!(server.token("app", &[("grant_type", "client_credentials")]).await.status, 200);
    }
    server.get("/client-logo/app").await;
    for path in ["/made/up/one", "/made/up/two?secret=yes", "/client-logo/%3Cscript%3E"] {
        server.get(path).await;
    }
    let strange = Request::builder().method("MADEUP").uri("/token").body(Body::empty()).unwrap();
    server.send(strange).await;

    let told = scrape(&server, &[]).await;
    assert_eq!(told.status, 200);
    assert!(told.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{:?}", told.headers);
    for line in [
        "countersign_events_total{event=\"client_token.issued\"} 2",
        "countersign_http_request_duration_seconds_count{route=\"/token\",method=\"POST\",status=\"200\"} 2",
        "countersign_http_request_duration_seconds_count{route=\"/token\",method=\"other\",status=\"405\"} 1",
        "countersign_http_request_duration_seconds_count{route=\"none\",method=\"GET\",status=\"404\"} 2",
        "countersign_http_request_duration_seconds_count{route=\"/client-logo/{client_id}\",method=\"GET\",status=\"404\"} 2",
        "countersign_service_up{service=\"database\"} 1",
        "countersign_jobs_waiting 0",
        "# EOF",
    ] {
        assert_told(&told, line);
    }
    for made_up in ["made", "secret", "script", "MADEUP", "service=\"redis\""] {
        assert!(!told.text().contains(made_up), "{made_up}: {}", told.text());
    }
}

#[tokio::test]
async fn an_event_counts_once_it_is_durable() {
    let server = Server::start().await;
    server.add_user("ada@example.com", None).await;
    server.database.execute("ALTER TABLE audit_event RENAME TO gone").await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    assert_eq!(browser.log_in(&login, "ada@example.com").await.status, 503);
    assert!(!scrape(&server, &[]).await.text().contains("login.succeeded"));
    server.database.execute("ALTER TABLE gone RENAME TO audit_event").await;
    browser.log_in(&login, "ada@example.com").await;
    assert_told(&scrape(&server, &[]).await, "countersign_events_total{event=\"login.succeeded\"} 1");
}

#[tokio::test]
async fn beside_everything_else_it_is_for_this_machine_alone() {
    let server = Server::start().await;
    assert_eq!(server.get("/metrics").await.status, 404);
    for proxy in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        assert_eq!(scrape(&server, &[(proxy, "127.0.0.1")]).await.status, 404, "{proxy}");
    }
    assert_eq!(scrape(&server, &[]).await.status, 200);
    let server = server.restart_with("metrics.listen = '127.0.0.1:0'").await;
    assert_eq!(scrape(&server, &[]).await.status, 404);
}

#[tokio::test]
async fn without_a_database_it_still_tells_and_says_so() {
    let server = Server::start().await;
    server.database.execute("ALTER TABLE job RENAME TO gone").await;
    let told = scrape(&server, &[]).await;
    assert_eq!(told.status, 200);
    assert_told(&told, "countersign_service_up{service=\"database\"} 0");
}
