//! The authorization endpoint once somebody is signed in, or not: `prompt`, `max_age`, hints, and the code in the end
//! (OpenID Connect Core §3.1.2).

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;
use serde_json::Value;

use crate::harness::{Browser, ISSUER, Server, authorize_path, claims, confidential};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

/// A provider with a client and two people.
async fn start() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    for person in [ADA, BOB] {
        server.add_user(person, None).await;
    }
    server
}

/// A browser in which this person has signed in to the client, a while ago.
async fn signed_in<'a>(server: &'a Server, person: &str) -> (Browser<'a>, Value) {
    let mut browser = server.browser();
    let code = browser.code("app", person, "openid").await;
    let id_token = id_token(server, &code).await;
    server.advance(TimeDelta::minutes(5));
    (browser, id_token)
}

async fn id_token(server: &Server, code: &str) -> Value {
    server.exchange("app", code).await.json()["id_token"].clone()
}

async fn id_claims(server: &Server, code: &str) -> Value {
    claims(id_token(server, code).await.as_str().unwrap())
}

#[tokio::test]
async fn an_answer_has_code_state_iss_and_session_state_and_nothing_else() {
    let server = start().await;
    let reply = server.browser().answer("app", ADA, &[]).await;
    let query = reply.redirect_query();
    assert_eq!(query.keys().collect::<Vec<_>>(), ["code", "iss", "session_state", "state"]);
    assert_eq!((query["state"].as_str(), query["iss"].as_str()), ("the state", ISSUER));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_code_has_256_bits_of_entropy() {
    let server = start().await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let mut codes = Vec::new();
    for _ in 0..3 {
        let code = browser.authorize("app", &[]).await.assert_code();
        assert!(code.len() == 43 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(!codes.contains(&code));
        codes.push(code);
    }
}

#[tokio::test]
async fn response_mode_fragment_carries_the_code() {
    let server = start().await;
    let reply = server.browser().answer("app", ADA, &[("response_mode", "fragment")]).await;
    assert!(reply.location().starts_with("https://app.example/cb#code="), "{}", reply.location());
}

#[tokio::test]
async fn prompt_none_signed_out_is_login_required_and_nothing_extra_is_in_the_redirect() {
    let query = start().await.browser().authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
    assert_eq!(query.keys().collect::<Vec<_>>(), ["error", "error_description", "iss", "state"]);
}

#[tokio::test]
async fn prompt_none_without_consent_is_consent_required() {
    let server = start().await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let reply = browser.authorize("app", &[("prompt", "none"), ("scope", "openid email")]).await;
    reply.assert_refused("consent_required");
}

#[tokio::test]
async fn prompt_none_signed_in_with_consent_gives_a_code_at_once() {
    let server = start().await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let reply = browser.get(&authorize_path("app", &[("prompt", "none")])).await;
    reply.assert_code();
}

#[tokio::test]
async fn prompt_login_really_asks_again_and_auth_time_moves() {
    let server = start().await;
    for prompt in ["login", "login consent"] {
        let (mut browser, before) = signed_in(&server, ADA).await;
        let page = browser.authorize("app", &[("prompt", prompt)]).await;
        page.assert_login_page();
        let mut reply = browser.log_in(&page, ADA).await;
        if prompt.contains("consent") {
            reply.assert_consent_page();
            reply = browser.submit(&reply, &[("approve", "1")]).await;
        }
        let after = id_claims(&server, &reply.assert_code()).await;
        assert_eq!(after["auth_time"].as_i64(), Some(server.clock.now().timestamp()));
        assert_eq!(after["sid"], claims(before.as_str().unwrap())["sid"], "it is still the same device");
    }
}

#[tokio::test]
async fn prompt_login_is_not_met_by_going_round_the_page() {
    let server = start().await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let to_login = browser.get(&authorize_path("app", &[("prompt", "login")])).await.location().to_owned();
    let resume = to_login.replace("/login?", "/authorize/resume?");
    assert_eq!(browser.get(&resume).await.location().split('?').next(), Some("/login"));
}

#[tokio::test]
async fn prompt_consent_asks_even_what_is_remembered() {
    let server = start().await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let page = browser.authorize("app", &[("prompt", "consent")]).await;
    page.assert_consent_page();
    browser.submit(&page, &[("approve", "1")]).await.assert_code();
}

#[tokio::test]
async fn max_age_asks_again_when_the_sign_in_is_older() {
    let server = start().await;
    let (mut browser, before) = signed_in(&server, ADA).await;
    let reply = browser.authorize("app", &[("max_age", "300")]).await;
    assert_eq!(
        id_claims(&server, &reply.assert_code()).await["auth_time"],
        claims(before.as_str().unwrap())["auth_time"]
    );

    browser.authorize("app", &[("max_age", "299"), ("prompt", "none")]).await.assert_refused("login_required");
    let page = browser.authorize("app", &[("max_age", "299")]).await;
    page.assert_login_page();
    let code = browser.log_in(&page, ADA).await.assert_code();
    assert_eq!(id_claims(&server, &code).await["auth_time"].as_i64(), Some(server.clock.now().timestamp()));
}

#[tokio::test]
async fn max_age_zero_asks_for_a_sign_in_of_its_own() {
    let server = start().await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let page = browser.authorize("app", &[("max_age", "0")]).await;
    page.assert_login_page();
    browser.log_in(&page, ADA).await.assert_code();
}

#[tokio::test]
async fn a_hint_for_another_person_never_logs_the_wrong_one_in() {
    let server = start().await;
    let (_, hint) = signed_in(&server, BOB).await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let hint = ("id_token_hint", hint.as_str().unwrap());

    browser.authorize("app", &[hint, ("prompt", "none")]).await.assert_refused("login_required");
    let page = browser.authorize("app", &[hint]).await;
    page.assert_login_page();
    browser.log_in(&page, ADA).await.assert_refused("login_required");

    server.advance(TimeDelta::seconds(1));
    let page = browser.authorize("app", &[hint]).await;
    let code = browser.log_in(&page, BOB).await.assert_code();
    assert_eq!(id_claims(&server, &code).await["sub"], claims(hint.1)["sub"]);
}

#[tokio::test]
async fn a_hint_for_the_person_signed_in_changes_nothing_even_expired() {
    let server = start().await;
    let (mut browser, hint) = signed_in(&server, ADA).await;
    server.advance(TimeDelta::hours(1));
    let reply = browser.authorize("app", &[("id_token_hint", hint.as_str().unwrap()), ("prompt", "none")]).await;
    reply.assert_code();
}

#[tokio::test]
async fn whatever_acr_is_asked_for_an_advertised_one_is_answered() {
    let server = start().await;
    let reply = server.browser().answer("app", ADA, &[("acr_values", "urn:example:gold urn:example:silver")]).await;
    let answered = id_claims(&server, &reply.assert_code()).await;
    let discovery = server.get("/.well-known/openid-configuration").await.json();
    assert!(discovery["acr_values_supported"].as_array().unwrap().contains(&answered["acr"]));
    assert_eq!(answered["amr"], serde_json::json!(["pwd"]));
}

#[tokio::test]
async fn login_hint_stands_in_the_form() {
    let page = start().await.browser().authorize("app", &[("login_hint", "ada\"><b>")]).await;
    assert!(page.text().contains("value=\"ada&#34;&#62;&#60;b&#62;\""), "{}", page.text());
}

#[tokio::test]
async fn a_request_belongs_to_the_browser_that_brought_it() {
    let server = start().await;
    let to_login = server.browser().get(&authorize_path("app", &[])).await.location().to_owned();
    let mut other = server.browser();
    other.get("/login").await;
    for path in [to_login.clone(), to_login.replace("/login?", "/authorize/resume?")] {
        other.get(&path).await.assert_page(400);
    }
}

#[tokio::test]
async fn a_request_that_was_changed_is_refused() {
    let server = start().await;
    let mut browser = server.browser();
    let to_login = browser.get(&authorize_path("app", &[])).await.location().to_owned();
    let (kept, last) = to_login.split_at(to_login.len() - 1);
    let other = if last == "A" { "B" } else { "A" };
    for path in [format!("{kept}{other}"), kept.to_owned(), "/authorize/resume".to_owned()] {
        browser.get(&path).await.assert_page(400);
    }
}

#[tokio::test]
async fn a_request_may_take_half_an_hour_through_the_pages() {
    let server = start().await;
    for state in ["short", &"s".repeat(4_000)] {
        let mut browser = server.browser();
        let page = browser.authorize("app", &[("state", state)]).await;
        server.advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
        browser.log_in(&page, ADA).await.assert_consent_page();
        server.advance(TimeDelta::seconds(1));
        browser.log_in(&page, ADA).await.assert_page(400);
    }
}

#[tokio::test]
async fn a_client_that_went_meanwhile_gets_no_code() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[]).await;
    let consent = browser.log_in(&page, ADA).await;
    server.remove_client("app").await;
    browser.submit(&consent, &[("approve", "1")]).await.assert_page(400);
}

#[tokio::test]
async fn a_session_ends_when_nobody_comes_back_or_it_is_too_old() {
    let server = start().await;
    let (mut browser, _) = signed_in(&server, ADA).await;
    let mut days = 0;
    while browser.authorize("app", &[("prompt", "none")]).await.redirect_query().contains_key("code") {
        server.advance(TimeDelta::hours(12));
        days += 1;
    }
    assert_eq!(days / 2, 30, "a visit every twelve hours prolongs it up to thirty days");

    let (mut browser, _) = signed_in(&server, ADA).await;
    server.advance(TimeDelta::hours(24));
    browser.authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
}

#[tokio::test]
async fn another_person_on_the_same_browser_gets_a_session_of_their_own() {
    let server = start().await;
    let (mut browser, ada) = signed_in(&server, ADA).await;
    let page = browser.authorize("app", &[("prompt", "login")]).await;
    let consent = browser.log_in(&page, BOB).await;
    let bob = id_claims(&server, &browser.submit(&consent, &[("approve", "1")]).await.assert_code()).await;
    let ada = claims(ada.as_str().unwrap());
    assert!(bob["sub"] != ada["sub"] && bob["sid"] != ada["sid"]);
}

#[tokio::test]
async fn a_session_and_a_request_under_way_survive_a_restart() {
    let server = start().await;
    let (browser, _) = signed_in(&server, ADA).await;
    let cookies = browser.cookies;
    let mut other = server.browser();
    let page = other.authorize("app", &[]).await;
    let others_cookies = other.cookies;

    let server = server.restart().await;

    Browser::with_cookies(&server, cookies).authorize("app", &[("prompt", "none")]).await.assert_code();
    Browser::with_cookies(&server, others_cookies).log_in(&page, BOB).await.assert_consent_page();
}
