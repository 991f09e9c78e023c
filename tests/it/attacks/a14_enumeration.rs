//! Attack 14: finding out who has an account. Known and unknown people get the same answer: text, status, headers, work.

use countersign::domain::user::User;
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, PASSWORD, Reply, Server, authorize_path, confidential, hidden_fields};

const KNOWN: [&str; 4] = ["ada@example.com", "ada", "ADA@Example.com", "\u{ff41}da"];
const UNKNOWN: [&str; 6] = ["eve@example.com", "eve", "", " ", "' OR '1'='1", "\u{430}da"];
const WRONG: &str = "not the password";

async fn server() -> (Server, User) {
    let server = Server::with_settings("throttle.account = 1000\nthrottle.address = 1000").await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let user = server.add_user("ada@example.com", Some("ada")).await;
    let disabled = server.add_user("disabled@example.com", None).await;
    server.disable_user(&disabled).await;
    (server, user)
}

/// The headers of an answer, but for those that differ each time: cookies, the request's own name, and how many more the address may
/// send, which is counted before anything is read.
fn headers(reply: &Reply) -> Vec<(String, String)> {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let differs = matches!(name.as_str(), "ratelimit" | "set-cookie" | "x-request-id");
        (name.to_string(), if differs { String::new() } else { value.to_str().unwrap().to_owned() })
    };
    let mut headers: Vec<_> = reply.headers.iter().map(header).collect();
    headers.sort();
    headers
}

/// All that someone can see of an answer, but for the name, which they wrote themselves, and the form's token.
fn seen(reply: &Reply, name: &str) -> (u16, Vec<(String, String)>, String) {
    let mut headers = headers(reply);
    headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "content-length"));
    let (_, hidden) = hidden_fields(&reply.text());
    let escaped = name.replace('\'', "&#39;");
    let mut text = reply.text().replace(&hidden[0].1, "TOKEN");
    // Where the cursor stands depends on whether there is a name at all.
    text = text.replace(&format!("value=\"{escaped}\""), "NAME").replace(" autofocus", "");
    (reply.status, headers, text)
}

async fn try_to_log_in(browser: &mut Browser<'_>, name: &str, password: &str) -> Reply {
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", name), ("password", password)]).await
}

#[tokio::test]
async fn a_failed_sign_in_looks_the_same_for_everybody() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let expected = seen(&try_to_log_in(&mut browser, "nobody", WRONG).await, "nobody");
    assert_eq!(expected.0, 422);
    for name in KNOWN.into_iter().chain(UNKNOWN) {
        let reply = try_to_log_in(&mut browser, name, WRONG).await;
        assert_eq!(seen(&reply, name), expected, "{name:?}");
    }
    let long = "a".repeat(129);
    for password in ["", &long, "\u{1f511}"] {
        for name in ["ada", "eve"] {
            let reply = try_to_log_in(&mut browser, name, password).await;
            assert_eq!(seen(&reply, name), expected, "{name} {password}");
        }
    }
}

#[tokio::test]
async fn the_right_password_of_a_disabled_person_looks_like_a_wrong_one() {
    let (server, _) = server().await;
    let mut browser = server.browser();
    let expected = seen(&try_to_log_in(&mut browser, "nobody", WRONG).await, "nobody");
    let name = "disabled@example.com";
    assert_eq!(seen(&try_to_log_in(&mut browser, name, PASSWORD).await, name), expected);
}

#[tokio::test]
async fn a_failed_sign_in_for_an_app_looks_the_same_for_everybody() {
    let (server, _) = server().await;
    let mut answers = Vec::new();
    for name in ["ada", "eve"] {
        let mut browser = server.browser();
        let login = browser.authorize("app", &[("login_hint", name)]).await;
        let shown = seen(&login, name);
        let refused = browser.submit(&login, &[("username", name), ("password", WRONG)]).await;
        let refused = seen(&refused, name);
        // The sealed request differs from one browser to the next.
        let without_request = |text: &str| {
            let sealed = text.split_once("?i=").unwrap().1.split_once('"').unwrap().0;
            text.replace(sealed, "")
        };
        answers.push((shown.0, shown.1, without_request(&shown.2), refused.0, refused.1, without_request(&refused.2)));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn delays_grow_alike_for_everybody() {
    let server = Server::start().await;
    server.add_user("ada@example.com", None).await;
    let mut waits = Vec::new();
    for name in ["ada@example.com", "eve@example.com"] {
        let mut seen = Vec::new();
        for _ in 0..8 {
            let reply = try_to_log_in(&mut server.browser(), name, WRONG).await;
            seen.push((reply.status, reply.header("retry-after").map(str::to_owned)));
            server.advance(chrono::TimeDelta::milliseconds(500));
        }
        waits.push(seen);
        server.advance(chrono::TimeDelta::hours(1));
    }
    assert_eq!(waits[0], waits[1]);
    assert_eq!(waits[0].last().unwrap().0, 429);
}

/// Time itself is no test; work is. Where no hash can be computed, nobody gets an answer that needs one.
#[tokio::test]
async fn every_try_costs_one_hash_whoever_it_names() {
    let (server, user) = server().await;
    let without_password = User { id: countersign_types::UserId::new("w"), ..user };
    let without_password = User { email: "w@example.com".to_owned(), username: None, ..without_password };
    let mut tx = server.app.store.write().await.unwrap();
    countersign::store::account::insert(&mut tx, &without_password).await.unwrap();
    tx.commit().await.unwrap();

    let mut browser = server.browser();
    let long = "a".repeat(129);
    let jam = server.jam_passwords().await;
    for name in ["ada", "eve", "disabled@example.com", "w@example.com", ""] {
        for password in [PASSWORD, WRONG, "", &long] {
            let reply = try_to_log_in(&mut browser, name, password).await;
            assert_eq!(reply.status, 503, "{name} {password}");
        }
    }
    jam.clear().await;
    assert_eq!(try_to_log_in(&mut browser, "eve", WRONG).await.status, 422);
}

#[tokio::test]
async fn a_link_that_is_unknown_spent_or_expired_looks_the_same() {
    let (server, user) = server().await;
    let mut tx = server.app.store.write().await.unwrap();
    let purpose = countersign::store::link::LinkPurpose::ChoosePassword(user.id.clone());
    let link = countersign::login::link::issue(&server.app, &mut tx, &purpose, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let mut browser = server.browser();
    assert_eq!(browser.get(&format!("/link?t={}", link.expose())).await.status, 200);
    server.advance(chrono::TimeDelta::minutes(30));

    let expired = browser.get(&format!("/link?t={}", link.expose())).await;
    for made_up in ["", "a", &"a".repeat(43)] {
        let unknown = browser.get(&format!("/link?t={made_up}")).await;
        assert_eq!((unknown.status, headers(&unknown), unknown.text()), (410, headers(&expired), expired.text()));
    }
}

#[tokio::test]
async fn silent_requests_say_nothing_of_a_hinted_person() {
    let (server, _) = server().await;
    let answer = async |hint| {
        let path = authorize_path("app", &[("login_hint", hint), ("prompt", "none")]);
        server.get(&path).await.location().to_owned()
    };
    assert_eq!(answer("ada@example.com").await, answer("eve@example.com").await);
}

/// What a page that answers by mail says to this name, in full: the form that is sent, and the page that follows.
async fn asked(server: &Server, path: &str, name: &str) -> [(u16, Vec<(String, String)>, String); 2] {
    let mut browser = server.browser();
    let page = browser.open(path).await;
    let field = if path == "/signup" { "email" } else { "username" };
    let sent = browser.submit_only(&page, &[(field, name)]).await;
    let next = browser.get(sent.location()).await;
    [&sent, &next].map(|reply| (reply.status, headers(reply), reply.text()))
}

const OPEN: &str = "signup.mode = 'open'\nthrottle.mails_from = 1000\nthrottle.mails_to = 1000";

async fn open_server() -> Server {
    let server = Server::with_settings(OPEN).await;
    server.add_user("ada@example.com", Some("ada")).await;
    let disabled = server.add_user("disabled@example.com", None).await;
    server.disable_user(&disabled).await;
    server
}

#[tokio::test]
async fn sign_up_looks_the_same_for_everybody() {
    let server = open_server().await;
    let expected = asked(&server, "/signup", "eve@example.com").await;
    assert_eq!((expected[0].0, expected[1].0), (303, 200));
    for name in ["ada@example.com", "ADA@Example.com", "\u{ff41}da@example.com", "disabled@example.com"] {
        assert_eq!(asked(&server, "/signup", name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn recovery_looks_the_same_for_everybody() {
    let server = open_server().await;
    let expected = asked(&server, "/recover", "eve@example.com").await;
    assert_eq!((expected[0].0, expected[1].0), (303, 200));
    for name in KNOWN.into_iter().chain(["disabled@example.com", "eve", "' OR '1'='1", "\u{430}da", "a@b@c"]) {
        assert_eq!(asked(&server, "/recover", name).await, expected, "{name}");
    }
}

/// What is not looked up cannot be told, by no answer and no clock.
#[tokio::test]
async fn sign_up_and_recovery_do_not_even_look_whether_there_is_an_account() {
    let server = open_server().await;
    server.database.execute("ALTER TABLE account RENAME TO hidden").await;
    server.database.execute("ALTER TABLE link RENAME TO hidden_too").await;
    for (path, name) in
        [("/signup", "ada@example.com"), ("/signup", "eve@example.com"), ("/recover", "ada"), ("/recover", "eve")]
    {
        let before = server.count("job").await;
        assert_eq!(asked(&server, path, name).await[0].0, 303, "{path} {name}");
        assert_eq!(server.count("job").await, before + 1, "{path} {name}: one row, whoever it is");
    }
}

#[tokio::test]
async fn limits_of_mails_say_nothing_of_a_person() {
    let server = Server::with_settings("signup.mode = 'open'\nthrottle.mails_to = 1").await;
    server.add_user("ada@example.com", None).await;
    let mut answers = Vec::new();
    for name in ["ada@example.com", "eve@example.com"] {
        for _ in 0..3 {
            answers.push(asked(&server, "/signup", name).await);
            server.deliver_mails().await;
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(server.mails().await.len(), 2);
}
