//! What people change of their accounts themselves: profile, mail address, password.

use chrono::TimeDelta;

use super::{ADA, start};
use crate::harness::{Browser, PASSWORD, Reply, Server};

const NEW: &str = "a new battery staple";

/// A browser on which Ada has just signed in.
async fn signed_in(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.log_in(&page, ADA).await.assert_page(200);
    browser
}

/// Opens a page of the account area and sends its last form back.
async fn change(browser: &mut Browser<'_>, path: &str, fields: &[(&str, &str)]) -> Reply {
    let page = browser.open(path).await;
    browser.submit(&page, fields).await
}

#[tokio::test]
async fn a_profile_is_stored_shown_and_told_to_apps_that_may_know() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let said = [
        ("username", "countess"),
        ("name", "Ada Lovelace"),
        ("locale", "de"),
        ("zoneinfo", "Europe/London"),
        ("birthdate", "1815-12-10"),
        ("address_locality", "London"),
    ];
    let saved = change(&mut browser, "/account/profile", &said).await;
    assert!(saved.text().contains("Gespeichert."), "in the language that was just chosen: {}", saved.text());
    for value in ["countess", "Ada Lovelace", "Europe/London", "1815-12-10", "London"] {
        assert!(saved.text().contains(&format!("value=\"{value}\"")), "{value}");
    }
    let code = browser.code("app", ADA, "openid profile email").await;
    let tokens = server.exchange("app", &code).await.json();
    let told = server.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!((&told["name"], &told["preferred_username"]), (&"Ada Lovelace".into(), &"countess".into()));
    assert!(told.get("address").is_none(), "not without its scope");

    let row = server.audit(10).await.into_iter().find(|row| row.kind == "user.changed").unwrap();
    assert!(row.detail.contains("address.locality") && !row.detail.contains("London"));
}

#[tokio::test]
async fn what_is_wrong_in_a_profile_is_marked_and_nothing_is_stored() {
    let server = start().await;
    server.add_user("bob@example.com", Some("bob")).await;
    let mut browser = signed_in(&server).await;
    for (field, value, words) in [
        ("username", "a b", "user name has 1 to 64"),
        ("username", "BOB", "belongs to another account"),
        ("birthdate", "10.12.1815", "marked field"),
        ("picture", "javascript:alert(1)", "marked field"),
        ("phone_number", "call me", "marked field"),
    ] {
        let refused = change(&mut browser, "/account/profile", &[("name", "Changed"), (field, value)]).await;
        assert!(refused.status == 422 && refused.text().contains(words), "{field}: {}", refused.text());
        let input =
            refused.text().split(&format!("id=\"{field}\"")).nth(1).unwrap().split('>').next().unwrap().to_owned();
        assert!(input.contains("aria-invalid=\"true\"") && refused.text().contains("value=\"Changed\""), "{input}");
    }
    assert_eq!(server.user(ADA).await.claim("name"), None);
}

#[tokio::test]
async fn a_new_address_counts_once_its_reader_has_followed_the_link_and_the_old_one_is_told() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let sent = change(&mut browser, "/account/email", &[("email", "countess@example.com")]).await;
    assert!(sent.text().contains("a mail is on its way"), "{}", sent.text());
    let link = server.mailed_link("countess@example.com").await;
    assert_eq!(server.user(ADA).await.email, ADA);

    // Mail programs open links, too.
    let mut reader = server.browser();
    let page = reader.open(&link).await;
    assert!(page.text().contains("<bdi>countess@example.com</bdi>") && server.user(ADA).await.email == ADA);
    let done = reader.submit(&page, &[]).await;
    assert!(done.text().contains("Your mail address is confirmed"), "{}", done.text());
    let user = server.user("countess@example.com").await;
    assert!(user.email_verified);
    assert_eq!(reader.open(&link).await.status, 410);

    server.deliver_mails().await;
    let told = server.mails().await.pop().unwrap();
    assert!(told.to == ADA && !told.text.contains("/link?t="), "{}", told.text);
    assert!(browser.open("/account/email").await.text().contains("countess@example.com"), "the session goes on");
}

#[tokio::test]
async fn links_to_the_old_address_die_with_it() {
    let server = start().await;
    let mut browser = server.browser();
    let page = browser.open("/recover").await;
    browser.submit(&page, &[("username", ADA)]).await;
    let old = server.mailed_link(ADA).await;
    let mut browser = signed_in(&server).await;
    change(&mut browser, "/account/email", &[("email", "countess@example.com")]).await;
    let link = server.mailed_link("countess@example.com").await;
    let page = browser.open(&link).await;
    browser.submit(&page, &[]).await.assert_page(200);
    assert_eq!(server.browser().open(&old).await.status, 410);
}

#[tokio::test]
async fn an_address_that_another_account_has_is_answered_alike_and_nobody_is_written_to() {
    let server = start().await;
    server.add_user("bob@example.com", None).await;
    let mut browser = signed_in(&server).await;
    let taken = change(&mut browser, "/account/email", &[("email", "BOB@example.com")]).await;
    let free = change(&mut browser, "/account/email", &[("email", "free@example.com")]).await;
    let text = |reply: &Reply| reply.text();
    assert_eq!((taken.status, text(&taken)), (free.status, text(&free)));
    server.deliver_mails().await;
    assert_eq!(server.mails().await.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["free@example.com"]);

    // Taken between the mail and its link.
    let link = server.mailed_link("free@example.com").await;
    server.add_user("free@example.com", None).await;
    let page = browser.open(&link).await;
    let refused = browser.submit(&page, &[]).await;
    assert!(refused.status == 422 && refused.text().contains("belongs to another account"), "{}", refused.text());
    let wrong = change(&mut browser, "/account/email", &[("email", "no address")]).await;
    assert!(wrong.status == 422 && wrong.text().contains("not a mail address"), "{}", wrong.text());
}

#[tokio::test]
async fn an_address_is_confirmed_by_a_link_unless_it_changed_meanwhile() {
    let server = start().await;
    let unverified = countersign::domain::user::User { email_verified: false, ..server.user(ADA).await };
    server.update_user(&unverified).await;
    let mut browser = signed_in(&server).await;
    let page = browser.open("/account/email").await;
    assert!(page.text().contains("not confirmed yet"), "{}", page.text());
    browser.submit(&page, &[("verify", "yes")]).await.assert_page(200);
    let link = server.mailed_link(ADA).await;
    let page = browser.open(&link).await;
    browser.submit(&page, &[]).await.assert_page(200);
    assert!(server.user(ADA).await.email_verified);
    assert!(!browser.open("/account/email").await.text().contains("not confirmed yet"));

    server.update_user(&unverified).await;
    let page = browser.open("/account/email").await;
    browser.submit(&page, &[("verify", "yes")]).await;
    let link = server.mailed_link(ADA).await;
    let moved = countersign::domain::user::User { email: "moved@example.com".to_owned(), ..unverified };
    server.update_user(&moved).await;
    let page = browser.open(&link).await;
    assert_eq!(browser.submit(&page, &[]).await.status, 410);
    assert!(!server.user("moved@example.com").await.email_verified);
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_ends_every_sign_in_but_this_one() {
    let server = start().await;
    let mut elsewhere = signed_in(&server).await;
    let mut browser = signed_in(&server).await;
    let code = browser.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let before = browser.cookies.clone();

    let page = browser.open("/account/password").await;
    for (present, new, words) in [
        ("wrong battery staple", NEW, "not your current password"),
        (PASSWORD, "1234567", "too short"),
        (PASSWORD, "qwertyuiop", "first passwords"),
        (PASSWORD, "ada@example.com", "contains your name"),
    ] {
        let refused = browser.submit(&page, &[("password", present), ("new_password", new)]).await;
        assert!(refused.status == 422 && refused.text().contains(words), "{new}: {}", refused.text());
    }
    let saved = browser.submit(&page, &[("password", PASSWORD), ("new_password", NEW)]).await;
    assert!(saved.text().contains("The password is changed"), "{}", saved.text());

    assert!(browser.open("/").await.text().contains("Signed in as"));
    assert!(!elsewhere.open("/").await.text().contains("Signed in as"));
    // The cookie is a new one, and what was granted is gone.
    let mut thief = Browser::with_cookies(&server, before);
    assert!(!thief.open("/").await.text().contains("Signed in as"));
    server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await.assert_error(400, "invalid_grant");
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    server.deliver_mails().await;
    let told = |mail: &&countersign::mailer::Message| mail.to == ADA && mail.subject == "Your password was changed";
    assert_eq!(server.mails().await.iter().filter(told).count(), 1, "the owner hears of it");
    // The page asks for fresh proof, and this was one.
    server.advance(TimeDelta::minutes(4));
    assert_eq!(browser.get("/account/password").await.status, 200);
}
