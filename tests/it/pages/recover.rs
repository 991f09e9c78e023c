//! Forgotten passwords.

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;

use super::{ADA, start};
use crate::harness::{PASSWORD, Reply, Server, confidential, production_mail};

const NEW: &str = "a new battery staple";

async fn ask(server: &Server, name: &str) -> Reply {
    let mut browser = server.browser();
    let page = browser.open("/recover").await;
    browser.submit(&page, &[("username", name)]).await
}

async fn choose(server: &Server, link: &str, password: &str) -> Reply {
    let mut browser = server.browser();
    let page = browser.open(link).await;
    browser.submit(&page, &[("password", password)]).await
}

async fn signs_in(server: &Server, password: &str) -> bool {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", ADA), ("password", password)]).await.text().contains("Signed in as")
}

#[tokio::test]
async fn a_link_by_mail_sets_another_password_and_ends_what_the_old_one_opened() {
    let server = start().await;
    let mut signed_in = server.browser();
    signed_in.answer("app", ADA, &[]).await.assert_code();
    for name in ["ADA@example.com", "ada"] {
        let sent = ask(&server, name).await;
        assert!(sent.text().contains("Check your mail"), "{}", sent.text());
    }
    let link = server.mailed_link(ADA).await;
    assert_eq!(server.mails().await.len(), 2);

    let done = choose(&server, &link, NEW).await;
    assert!(done.text().contains("You can sign in now"), "{}", done.text());
    assert!(!signed_in.open("/").await.text().contains("Signed in as"));
    assert!(!signs_in(&server, PASSWORD).await && signs_in(&server, NEW).await);
    server.deliver_mails().await;
    let told =
        server.mails().await.into_iter().filter(|mail| !mail.text.contains("/link?t=") && mail.to == ADA).count();
    assert!(told >= 1, "the owner hears of it");
    let kinds: Vec<_> = server.audit(20).await.into_iter().map(|row| row.kind).collect();
    for kind in ["link.issued", "password.changed", "session.ended"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind}: {kinds:?}");
    }
}

#[tokio::test]
async fn it_signs_nobody_in() {
    let server = start().await;
    ask(&server, ADA).await;
    let link = server.mailed_link(ADA).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    browser.submit(&page, &[("password", NEW)]).await.assert_page(200);
    assert!(!browser.cookies.keys().any(|name| name.contains("session")), "{:?}", browser.cookies.keys());
    assert_eq!(browser.get("/account").await.location(), "/login?to=account");
}

#[tokio::test]
async fn whoever_was_held_up_by_the_guesses_of_others_gets_in_again() {
    let server = start().await;
    let mut thief = server.browser();
    for _ in 0..12 {
        let page = thief.open("/login").await;
        thief.submit(&page, &[("username", ADA), ("password", "wrong battery staple")]).await;
    }
    ask(&server, ADA).await;
    let link = server.mailed_link(ADA).await;
    choose(&server, &link, NEW).await.assert_page(200);
    assert!(signs_in(&server, NEW).await);
}

#[tokio::test]
async fn a_link_works_once_for_half_an_hour_and_the_newest_alone() {
    let server = start().await;
    ask(&server, ADA).await;
    let first = server.mailed_link(ADA).await;
    ask(&server, ADA).await;
    let second = server.mailed_link(ADA).await;
    assert_eq!((server.browser().open(&first).await.status, server.browser().open(&second).await.status), (410, 200));
    server.advance(TimeDelta::minutes(30));
    assert_eq!(server.browser().open(&second).await.status, 410);

    ask(&server, ADA).await;
    let third = server.mailed_link(ADA).await;
    choose(&server, &third, NEW).await.assert_page(200);
    assert_eq!(server.browser().open(&third).await.status, 410);
}

#[tokio::test]
async fn nobody_is_written_to_who_has_no_account_or_is_shut_out() {
    let server = start().await;
    let disabled = server.add_user("disabled@example.com", None).await;
    server.disable_user(&disabled).await;
    for name in ["eve@example.com", "eve", "disabled@example.com"] {
        ask(&server, name).await.assert_page(200);
    }
    server.deliver_mails().await;
    assert_eq!((server.mails().await.len(), server.count("link").await, server.count("job").await), (0, 0, 0));
    let empty = ask(&server, " ").await;
    assert!(empty.status == 422 && empty.text().contains("Write your user name"), "{}", empty.text());
}

#[tokio::test]
async fn people_without_a_password_get_one_this_way() {
    let server = start().await;
    server.database.execute("DELETE FROM credential").await;
    ask(&server, ADA).await;
    let link = server.mailed_link(ADA).await;
    choose(&server, &link, NEW).await.assert_page(200);
    assert!(signs_in(&server, NEW).await);
}

#[tokio::test]
async fn it_is_offered_where_mails_can_be_sent_and_nowhere_else() {
    let server = Server::production().await;
    for path in ["/recover", "/recover/sent"] {
        assert_eq!(server.browser().open(path).await.status, 404);
    }
    assert!(!server.browser().open("/login").await.text().contains("/recover"));
    let server = Server::production_with(production_mail()).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[("login_hint", "ada")]).await;
    let way = login.text().split("href=\"/recover").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = browser.open(&format!("/recover{way}")).await;
    assert!(page.text().contains("value=\"ada\"") && page.text().contains("href=\"/login?i="), "{}", page.text());
}
