//! Attack 12: whoever sits down at a browser that somebody has left signed in. What could harm that person asks for a proof that is
//! five minutes old at most.

use chrono::TimeDelta;

use crate::harness::{Browser, PASSWORD, Server, hidden_fields};

const ADA: &str = "ada@example.com";

/// A browser on which Ada signed in this long ago.
async fn signed_in(server: &Server, ago: TimeDelta) -> Browser<'_> {
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.log_in(&page, ADA).await.assert_page(200);
    server.advance(ago);
    browser
}

/// The form's token, from a page that asks for no fresh proof.
async fn token(browser: &mut Browser<'_>) -> String {
    let page = browser.open("/account/sessions").await;
    let (_, hidden) = hidden_fields(&page.text());
    hidden[0].1.clone()
}

/// Asserts that neither the page nor its form is answered before the person has proven who they are.
async fn assert_asks(path: &str, fields: &[(&str, &str)]) {
    let server = Server::start().await;
    let mut browser = signed_in(&server, TimeDelta::minutes(5) + TimeDelta::seconds(1)).await;
    let confirm = format!("/account/confirm?to={}", path.trim_start_matches("/account/"));
    assert_eq!(browser.get(path).await.location(), confirm);
    let csrf = token(&mut browser).await;
    let form: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
    assert_eq!(browser.post(path, &form).await.location(), confirm);
    server.deliver_mails().await;
    assert_eq!((server.mails().await.len(), server.count("job").await), (0, 0), "{path}: nothing happened");

    // Whoever proves it comes back to the page.
    let page = browser.open(path).await;
    let wrong = browser.submit(&page, &[("password", "wrong battery staple")]).await;
    assert_eq!(wrong.status, 422);
    let page = browser.submit(&wrong, &[("password", PASSWORD)]).await;
    page.assert_page(200);
    assert!(page.text().contains(&format!("action=\"{path}\"")), "{}", page.text());
}

#[tokio::test]
async fn another_password() {
    assert_asks("/account/password", &[("password", PASSWORD), ("new_password", "a new battery staple")]).await;
}

/// The user name is what people sign in with.
#[tokio::test]
async fn another_user_name() {
    assert_asks("/account/profile", &[("username", "thief")]).await;
}

#[tokio::test]
async fn another_mail_address() {
    assert_asks("/account/email", &[("email", "thief@example.com")]).await;
}

#[tokio::test]
async fn another_second_factor() {
    for what in ["set_up", "renew_codes", "distrust_devices", "remove"] {
        assert_asks("/account/second-factor", &[("do", what)]).await;
    }
}

#[tokio::test]
async fn a_copy_of_all_data() {
    assert_asks("/account/data", &[("do", "export")]).await;
}

#[tokio::test]
async fn the_end_of_the_account() {
    assert_asks("/account/data", &[("do", "delete"), ("sure", "yes")]).await;
}

/// What is shown there harms nobody; what can be done there asks.
#[tokio::test]
async fn the_end_of_other_sign_ins_and_of_what_apps_may_do() {
    for (path, fields) in [
        ("/account/sessions", ("end_others", "yes")),
        ("/account/sessions", ("end", "any")),
        ("/account/apps", ("withdraw", "app")),
    ] {
        let server = Server::start().await;
        let mut browser = signed_in(&server, TimeDelta::minutes(5) + TimeDelta::seconds(1)).await;
        let mut other = server.browser();
        let login = other.open("/login").await;
        other.log_in(&login, ADA).await.assert_page(200);
        browser.get(path).await.assert_page(200);
        let csrf = token(&mut browser).await;
        let confirm = format!("/account/confirm?to={}", path.trim_start_matches("/account/"));
        assert_eq!(browser.post(path, &[("csrf", &csrf), fields]).await.location(), confirm);
        assert!(other.is_signed_in().await);
    }
}

#[tokio::test]
async fn another_password_without_the_present_one() {
    let server = Server::start().await;
    let mut browser = signed_in(&server, TimeDelta::zero()).await;
    let page = browser.open("/account/password").await;
    for present in ["", "wrong battery staple"] {
        let fields = [("password", present), ("new_password", "a new battery staple")];
        assert_eq!(browser.submit(&page, &fields).await.status, 422);
    }
    let mut other = server.browser();
    let page = other.open("/login").await;
    assert!(other.log_in(&page, ADA).await.text().contains("Signed in as"));
}

#[tokio::test]
async fn guesses_of_the_present_password_are_counted_like_any_other() {
    let server = Server::start().await;
    let mut browser = signed_in(&server, TimeDelta::zero()).await;
    let page = browser.open("/account/password").await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let fields = [("password", "wrong battery staple"), ("new_password", "a new battery staple")];
        statuses.push(browser.submit(&page, &fields).await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}
