//! Accounts that people make themselves, and the passwords that they forget.

use chrono::TimeDelta;
use countersign::domain::link::LinkPurpose;
use countersign_types::ClientAuthMethod;

use crate::harness::{PASSWORD, Reply, Server, claims, confidential};

const EVE: &str = "eve@example.com";
const OPEN: &str = "signup.mode = 'open'";
const PERSON: [(&str, &str); 3] = [("name", "Eve Adams"), ("username", "eve"), ("password", PASSWORD)];

async fn start(settings: &str) -> Server {
    let server = Server::with_settings(settings).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server
}

/// Asks for an account: the page that says that a mail is on its way.
async fn ask(server: &Server, email: &str) -> Reply {
    let mut browser = server.browser();
    let page = browser.open("/signup").await;
    browser.submit(&page, &[("email", email)]).await
}

#[tokio::test]
async fn whoever_follows_the_link_has_an_account_and_is_signed_in() {
    let server = start(OPEN).await;
    let sent = ask(&server, EVE).await;
    sent.assert_page(200);
    assert!(sent.text().contains("Check your mail") && sent.text().contains("30 minutes"), "{}", sent.text());
    assert_eq!(server.count("account").await, 0);

    let link = server.mailed_link(EVE).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    assert!(page.text().contains("<bdi>eve@example.com</bdi>"), "{}", page.text());
    let start = browser.submit(&page, &PERSON).await;
    assert!(start.text().contains("Signed in as") && start.text().contains("Eve Adams"), "{}", start.text());

    let user = server.user(EVE).await;
    assert!(user.email_verified && user.enabled && user.roles.is_empty());
    assert_eq!((user.username.as_deref(), user.claim("locale")), (Some("eve"), Some("en")));
    let kinds: Vec<_> = server.audit(3).await.into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["login.succeeded", "user.created", "link.issued"]);
    // It opens nothing any more.
    assert_eq!(server.browser().open(&link).await.status, 410);
}

#[tokio::test]
async fn an_app_that_asks_for_a_new_account_gets_its_answer_where_the_person_began() {
    let server = start(OPEN).await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[("prompt", "create"), ("login_hint", EVE), ("scope", "openid email")]).await;
    assert!(page.text().contains("Create an account") && page.text().contains("The App"), "{}", page.text());
    assert!(page.text().contains("value=\"eve@example.com\""), "the app has told whom it expects");
    browser.submit(&page, &[("email", EVE)]).await.assert_page(200);

    let link = server.mailed_link(EVE).await;
    let page = browser.open(&link).await;
    let consent = browser.submit(&page, &PERSON).await;
    consent.assert_consent_page();
    let code = browser.submit(&consent, &[("approve", "yes")]).await.assert_code();
    let tokens = server.exchange("app", &code).await.json();
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["sub"], server.user(EVE).await.id.as_str());
    let userinfo = server.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((userinfo["email"].as_str(), userinfo["email_verified"].as_bool()), (Some(EVE), Some(true)));
}

#[tokio::test]
async fn another_browser_makes_the_account_but_does_not_answer_the_app() {
    let server = start(OPEN).await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[("prompt", "create")]).await;
    browser.submit(&page, &[("email", EVE)]).await;
    let link = server.mailed_link(EVE).await;
    let mut phone = server.browser();
    let page = phone.open(&link).await;
    assert!(phone.submit(&page, &PERSON).await.text().contains("Signed in as"));
}

#[tokio::test]
async fn prompt_create_is_met_by_a_sign_in_too_and_asks_whoever_is_signed_in() {
    let server = start(OPEN).await;
    server.add_user("ada@example.com", None).await;
    let mut browser = server.browser();
    browser.answer("app", "ada@example.com", &[]).await.assert_code();
    server.advance(TimeDelta::seconds(1));
    let page = browser.authorize("app", &[("prompt", "create")]).await;
    assert!(page.text().contains("Create an account"), "{}", page.text());
    // Who has an account goes the other way.
    let login = page.text().split("class=\"onward\"><a href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let login = browser.open(&login).await;
    login.assert_login_page();
    browser.log_in(&login, "ada@example.com").await.assert_code();
}

#[tokio::test]
async fn prompt_create_is_unknown_where_nobody_can_make_an_account() {
    for settings in ["", "signup.mode = 'invitation'"] {
        let server = start(settings).await;
        let reply = server.browser().authorize("app", &[("prompt", "create")]).await;
        reply.assert_refused("invalid_request");
        let document = server.get("/.well-known/openid-configuration").await.json();
        assert!(!document["prompt_values_supported"].as_array().unwrap().contains(&"create".into()));
        for path in ["/signup", "/signup/sent"] {
            assert_eq!(server.browser().open(path).await.status, 404);
        }
        assert!(!server.browser().open("/login").await.text().contains("/signup"));
    }
    let document = start(OPEN).await.get("/.well-known/openid-configuration").await.json();
    assert!(document["prompt_values_supported"].as_array().unwrap().contains(&"create".into()));
}

#[tokio::test]
async fn prompt_create_asks_nobody_in_silence() {
    let server = start(OPEN).await;
    let reply = server.browser().authorize("app", &[("prompt", "none create")]).await;
    reply.assert_refused("invalid_request");
}

#[tokio::test]
async fn whoever_has_an_account_is_told_so_by_mail_alone() {
    let server = start(OPEN).await;
    server.add_user(EVE, None).await;
    ask(&server, "EVE@Example.com").await.assert_page(200);
    server.deliver_mails().await;
    let mails = server.mails().await;
    assert_eq!(mails.len(), 1);
    // To the address as it is known, and with nothing in it that makes an account.
    assert!(mails[0].to == EVE && !mails[0].text.contains("/link?t="), "{}", mails[0].text);
    assert_eq!(server.count("link").await, 0);
}

#[tokio::test]
async fn what_cannot_be_used_is_told_and_spends_nothing() {
    let server = start(OPEN).await;
    server.add_user("ada@example.com", Some("ada")).await;
    let refused = ask(&server, "no address").await;
    assert!(refused.status == 422 && refused.text().contains("not a mail address"), "{}", refused.text());

    ask(&server, EVE).await;
    let link = server.mailed_link(EVE).await;
    let mut browser = server.browser();
    let mut page = browser.open(&link).await;
    for (name, value, words) in [
        ("password", "1234567", "too short"),
        ("password", "eve-eve-eve", "contains your name"),
        ("password", "qwertyuiop", "first passwords"),
        ("username", "a b", "user name has 1 to 64"),
        ("username", "ADA", "belongs to another account"),
        ("name", "a\u{7}b", "A name has"),
    ] {
        let fields = PERSON.map(|(field, usual)| (field, if field == name { value } else { usual }));
        page = browser.submit(&page, &fields).await;
        assert!(page.status == 422 && page.text().contains(words), "{name} {value}: {}", page.text());
        assert!(!page.text().contains(PASSWORD), "a password is not sent back");
    }
    assert!(browser.submit(&page, &PERSON).await.text().contains("Signed in as"));
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_makes_no_second_account() {
    let server = start(OPEN).await;
    ask(&server, EVE).await;
    let link = server.mailed_link(EVE).await;
    server.add_user(EVE, None).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let refused = browser.submit(&page, &PERSON).await;
    assert!(refused.status == 422 && refused.text().contains("belongs to another account"), "{}", refused.text());
    assert_eq!(server.count("account").await, 1);
}

#[tokio::test]
async fn a_newer_link_replaces_the_older_one_for_the_same_address_alone() {
    let server = start(OPEN).await;
    ask(&server, EVE).await;
    let first = server.mailed_link(EVE).await;
    ask(&server, "bob@example.com").await;
    let others = server.mailed_link("bob@example.com").await;
    ask(&server, "EVE@example.com").await;
    let second = server.mailed_link("EVE@example.com").await;
    for (link, status) in [(first, 410), (others, 200), (second, 200)] {
        assert_eq!(server.browser().open(&link).await.status, status);
    }
}

#[tokio::test]
async fn a_link_is_dead_after_half_an_hour_and_once_accounts_are_closed() {
    let server = start(OPEN).await;
    ask(&server, EVE).await;
    let link = server.mailed_link(EVE).await;
    server.advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
    assert_eq!(server.browser().open(&link).await.status, 200);
    let server = server.restart_with("signup.mode = 'invitation'").await;
    assert_eq!(server.browser().open(&link).await.status, 410);
    let server = server.restart_with("signup.mode = 'open'").await;
    assert_eq!(server.browser().open(&link).await.status, 200);
    server.advance(TimeDelta::seconds(1));
    assert_eq!(server.browser().open(&link).await.status, 410);
}

/// A link as `countersign user invite` mails it.
async fn invitation(server: &Server) -> String {
    server.issue_link(&LinkPurpose::Invitation(EVE.to_owned())).await
}

#[tokio::test]
async fn whoever_was_invited_makes_an_account_within_a_week() {
    let server = start("signup.mode = 'invitation'").await;
    let link = invitation(&server).await;
    server.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    assert!(browser.submit(&page, &PERSON).await.text().contains("Signed in as"));
    assert!(server.user(EVE).await.email_verified);
    assert_eq!(server.browser().open(&link).await.status, 410);

    let server = start("signup.mode = 'invitation'").await;
    let link = invitation(&server).await;
    server.advance(TimeDelta::days(7));
    assert_eq!(server.browser().open(&link).await.status, 410);
}

#[tokio::test]
async fn an_invitation_is_worth_nothing_where_nobody_can_make_an_account() {
    let server = start("").await;
    let link = invitation(&server).await;
    assert_eq!(server.browser().open(&link).await.status, 410);
}

#[tokio::test]
async fn pages_and_mails_are_in_the_language_of_who_asks() {
    let server = start(OPEN).await;
    let mut browser = server.browser();
    let page = browser.authorize("app", &[("prompt", "create"), ("ui_locales", "de")]).await;
    assert!(page.text().contains("Konto anlegen"), "{}", page.text());
    browser.submit(&page, &[("email", EVE)]).await;
    let link = server.mailed_link(EVE).await;
    let mail = server.mails().await.pop().unwrap();
    assert!(mail.text.contains("Konto"), "{}", mail.text);
    let page = server.browser().open(&format!("{link}&ui_locales=de")).await;
    assert!(page.text().contains("Konto einrichten"), "{}", page.text());
}
