//! Session management (OpenID Connect Session Management 1.0): an app asks the browser alone whether somebody is still signed in.
//! `tests/browser/session_management.test.mjs` asks a real one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, PASSWORD, Reply, Server, confidential, native};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const STATE: &str = "countersign_state";

async fn prepare(server: Server) -> Server {
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    server.add_user(EVE, None).await;
    server
}

async fn start() -> Server {
    prepare(Server::start().await).await
}

/// What the script answers: the browser's cookie, and a `session_state`.
fn check(browser: &Browser<'_>, client: &str, session_state: &str) -> &'static str {
    let (hash, salt) = session_state.split_once('.').unwrap();
    let state = browser.cookies.get(STATE).map_or("", String::as_str);
    let text = format!("{client} https://app.example {state} {salt}");
    let is_same = URL_SAFE_NO_PAD.encode(openssl::sha::sha256(text.as_bytes())) == hash;
    if is_same { "unchanged" } else { "changed" }
}

fn session_state(answer: &Reply) -> String {
    answer.redirect_query()["session_state"].clone()
}

async fn sign_in(browser: &mut Browser<'_>, user: &str) {
    let page = browser.open("/login").await;
    browser.log_in(&page, user).await.assert_page(200);
}

async fn sign_out(browser: &mut Browser<'_>) {
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await.assert_page(200);
}

#[tokio::test]
async fn an_answer_says_by_what_to_ask() {
    let server = start().await;
    let mut browser = server.browser();
    let answer = browser.answer("app", ADA, &[]).await;
    let first = session_state(&answer);
    assert!(!first.contains(' '), "{first}");
    assert_eq!(check(&browser, "app", &first), "unchanged");
    assert_eq!(check(&browser, "other", &first), "changed");
    // With another salt each time, so that answers cannot be compared.
    let second = session_state(&browser.authorize("app", &[("prompt", "none")]).await);
    assert_ne!(first, second);
    assert_eq!(check(&browser, "app", &second), "unchanged");
}

#[tokio::test]
async fn it_changes_when_somebody_signs_out_or_someone_else_signs_in() {
    let server = start().await;
    let mut browser = server.browser();
    let adas = session_state(&browser.answer("app", ADA, &[]).await);
    sign_in(&mut browser, EVE).await;
    assert_eq!(check(&browser, "app", &adas), "changed");
    let eves = session_state(&browser.answer("app", EVE, &[]).await);
    assert_eq!(check(&browser, "app", &eves), "unchanged");
    sign_out(&mut browser).await;
    assert_eq!((check(&browser, "app", &eves), browser.cookies.get(STATE)), ("changed", None));
    sign_in(&mut browser, EVE).await;
    assert_eq!(check(&browser, "app", &eves), "changed");
}

#[tokio::test]
async fn it_stays_when_the_same_person_proves_again_who_they_are() {
    let server = start().await;
    let mut browser = server.browser();
    let state = session_state(&browser.answer("app", ADA, &[]).await);
    let session = browser.cookies["countersign_session"].clone();
    sign_in(&mut browser, ADA).await;
    let page = browser.open("/account/password").await;
    let changed = [("password", PASSWORD), ("new_password", "quite another battery staple")];
    browser.submit(&page, &changed).await.assert_page(200);
    assert_ne!(browser.cookies["countersign_session"], session);
    assert_eq!(check(&browser, "app", &state), "unchanged");
}

/// One who signed in before there were such cookies, or whose browser lost it.
#[tokio::test]
async fn a_browser_without_its_cookie_gets_it_with_the_next_answer() {
    let server = start().await;
    let mut browser = server.browser();
    browser.answer("app", ADA, &[]).await;
    for planted in [None, Some("planted")] {
        browser.cookies.remove(STATE);
        browser.cookies.extend(planted.map(|value| (STATE.to_owned(), value.to_owned())));
        let state = session_state(&browser.authorize("app", &[("prompt", "none")]).await);
        assert_eq!(check(&browser, "app", &state), "unchanged");
    }
    // And no second time.
    let answer = browser.authorize("app", &[("prompt", "none")]).await;
    assert!(answer.headers.get_all("set-cookie").iter().all(|header| !header.to_str().unwrap().starts_with(STATE)));
}

#[tokio::test]
async fn the_cookie_opens_nothing_and_tells_nothing() {
    let server = start().await;
    let mut browser = server.browser();
    browser.answer("app", ADA, &[]).await;
    let state = browser.cookies[STATE].clone();
    assert_eq!(state.len(), 43);
    assert!(!server.database.contains(&state).await);
    assert_ne!(state, browser.cookies["countersign_session"]);
    let mut thief = server.browser();
    for name in ["countersign_session", "countersign_browser", STATE] {
        thief.cookies.insert(name.to_owned(), state.clone());
    }
    assert!(!thief.get("/").await.text().contains("Signed in as"));
}

#[tokio::test]
async fn nobody_else_is_told_by_what_to_ask() {
    let server = start().await;
    let mut browser = server.browser();
    // What is no sign-in.
    let answer = browser.answer("app", ADA, &[("scope", "profile")]).await;
    assert!(answer.assert_code().len() > 20 && !answer.redirect_query().contains_key("session_state"));
    // An app of the person's machine with no origin.
    let mut metadata = native();
    metadata.0.redirect_uris = vec!["com.example.app:/cb".parse().unwrap()];
    server.add_client("without_origin", metadata).await;
    let answer = browser.answer("without_origin", ADA, &[("redirect_uri", "com.example.app:/cb")]).await;
    assert!(answer.location().contains("code=") && !answer.location().contains("session_state"));
    // Who is signed out has no state.
    let refused = server.browser().authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
    assert!(!refused.contains_key("session_state"));
}

#[tokio::test]
async fn the_document_may_be_framed_by_anybody_and_runs_its_one_script() {
    let server = start().await;
    let page = server.get("/check_session").await;
    page.assert_page(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(!policy.contains("frame-ancestors") && !policy.contains('*'), "{policy}");
    assert_eq!(page.header("x-frame-options"), None);
    assert_eq!(page.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(page.text().matches("<script>").count(), 1);
    assert!(page.text().contains("data-cookie=\"countersign_state\""));
    assert!(page.headers.get("set-cookie").is_none());

    let production = prepare(Server::production().await).await;
    assert!(production.get("/check_session").await.text().contains("data-cookie=\"__Host-countersign_state\""));
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_is_seen_as_soon_as_the_browser_comes_by() {
    let server = start().await;
    let mut browser = server.browser();
    let state = session_state(&browser.answer("app", ADA, &[]).await);
    assert_eq!(check(&browser, "app", &state), "unchanged");
    let ada = server.user(ADA).await;
    server.disable_user(&ada).await;
    browser.authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
    assert_eq!(check(&browser, "app", &state), "changed");
}
