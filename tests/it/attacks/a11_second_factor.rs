//! Attack 11: past the second factor. Whoever has the password alone, or a code alone, gets nothing; and no code counts twice.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use chrono::TimeDelta;
use countersign::{domain::user::User, store::link::LinkPurpose};
use countersign_types::ClientAuthMethod;
use http::Request;

use crate::harness::{
    Authenticator, Browser, CROWD, PASSWORD, Reply, Server, authorize_path, confidential, form_request, hidden_fields,
};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
/// So that of many at once none is refused because of the others.
const PATIENT: &str = "throttle.account = 1000\nthrottle.address = 1000";

/// A provider with an app that needs no consent, and a person with a second factor.
pub async fn start() -> (Server, User, Authenticator) {
    start_with("").await
}

async fn start_with(settings: &str) -> (Server, User, Authenticator) {
    let server = Server::with_settings(settings).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |app| app.first_party = true)).await;
    let ada = server.add_user(ADA, Some("ada")).await;
    let authenticator = server.enrol(&ada).await;
    (server, ada, authenticator)
}

/// A browser that gave the right password, and the page that asks for a code.
pub async fn with_password<'a>(server: &'a Server, name: &str) -> (Browser<'a>, Reply) {
    let mut browser = server.browser();
    let page = browser.give_password(name).await;
    page.assert_code_page();
    (browser, page)
}

/// All that a browser sends beside the form.
fn cookies(browser: &Browser<'_>) -> String {
    let pairs: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// Sends a page's form as often as possible at once: how many sessions came of it.
async fn at_once(server: &Server, browser: &Browser<'_>, page: &Reply, code: &str) -> usize {
    let (action, hidden) = hidden_fields(&page.text());
    let form = [("csrf", hidden[0].1.as_str()), ("code", code)];
    let replies = server.post_at_once(&action, &[("cookie", &cookies(browser))], &form).await;
    assert_eq!(replies.len(), CROWD);
    assert!(replies.iter().all(|reply| [303, 422].contains(&reply.status)), "{:?}", replies[0].text());
    let is_session = |reply: &&Reply| {
        let mut cookies = reply.headers.get_all("set-cookie").iter();
        cookies.any(|cookie| cookie.to_str().unwrap().starts_with("countersign_session="))
    };
    replies.iter().filter(is_session).count()
}

#[tokio::test]
async fn a_password_alone_opens_nothing() {
    let (server, ..) = start().await;
    let (mut browser, _) = with_password(&server, ADA).await;
    assert!(!browser.cookies.contains_key("countersign_session"));
    assert_eq!(server.count("session").await, 0);
    assert!(!browser.is_signed_in().await);
    browser.open("/account").await.assert_login_page();
}

#[tokio::test]
async fn a_code_alone_opens_nothing_and_is_not_spent() {
    let (server, _, authenticator) = start().await;
    let code = server.code_of(&authenticator);
    let mut browser = server.browser();
    let login = browser.open("/login/totp").await;
    login.assert_login_page();
    let (_, hidden) = hidden_fields(&login.text());
    for code in [&code, &authenticator.recovery_codes[0]] {
        let reply = browser.post("/login/totp", &[("csrf", &hidden[0].1), ("code", code)]).await;
        browser.follow(reply).await.assert_login_page();
    }
    assert_eq!(server.count("session").await, 0);
    for code in [&code, &authenticator.recovery_codes[0]] {
        let (mut browser, page) = with_password(&server, ADA).await;
        browser.submit(&page, &[("code", code)]).await;
        assert!(browser.is_signed_in().await);
    }
}

#[tokio::test]
async fn the_password_straight_to_an_app() {
    let (server, ..) = start().await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let page = browser.log_in(&login, ADA).await;
    page.assert_code_page();
    // The way back that the page would take.
    let (action, _) = hidden_fields(&page.text());
    let sealed = action.split_once("?i=").unwrap().1;
    browser.open(&format!("/authorize/resume?i={sealed}")).await.assert_login_page();
    browser.open(&format!("/consent?i={sealed}")).await.assert_login_page();
    browser.authorize("app", &[]).await.assert_login_page();
    browser.authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
    assert_eq!(server.count("authorization_code").await, 0);
}

#[tokio::test]
async fn the_same_code_twice() {
    let (server, _, authenticator) = start().await;
    let code = server.code_of(&authenticator);
    for is_good in [true, false] {
        let (mut browser, page) = with_password(&server, ADA).await;
        let reply = browser.submit(&page, &[("code", &code)]).await;
        assert_eq!((reply.status, browser.is_signed_in().await), (if is_good { 200 } else { 422 }, is_good));
    }
    // Nor later, nor an earlier one that would still have been good.
    server.advance(TimeDelta::seconds(30));
    let (mut browser, page) = with_password(&server, ADA).await;
    for late in [code, authenticator.code(server.clock.now() - TimeDelta::seconds(30))] {
        assert_eq!(browser.submit(&page, &[("code", &late)]).await.status, 422);
    }
    browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_page(200);
    let (mut browser, page) = with_password(&server, ADA).await;
    let earlier = authenticator.code(server.clock.now() - TimeDelta::seconds(30));
    assert_eq!(browser.submit(&page, &[("code", &earlier)]).await.status, 422);
}

#[tokio::test]
async fn the_same_code_after_a_restart() {
    let (server, _, authenticator) = start().await;
    let code = server.code_of(&authenticator);
    let (mut browser, page) = with_password(&server, ADA).await;
    browser.submit(&page, &[("code", &code)]).await.assert_page(200);
    let server = server.restart().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    assert_eq!(browser.submit(&page, &[("code", &code)]).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_by_many_at_once() {
    let (server, _, authenticator) = start_with(PATIENT).await;
    let (browser, page) = with_password(&server, ADA).await;
    assert_eq!(at_once(&server, &browser, &page, &server.code_of(&authenticator)).await, 1);
    assert_eq!(server.count("session").await, 1);
}

#[tokio::test]
async fn a_recovery_code_twice() {
    let (server, _, authenticator) = start().await;
    let code = &authenticator.recovery_codes[3];
    for is_good in [true, false] {
        let (mut browser, page) = with_password(&server, ADA).await;
        browser.submit(&page, &[("code", code), ("recovery", "1")]).await;
        assert_eq!(browser.is_signed_in().await, is_good);
    }
    assert_eq!(server.count("recovery_code WHERE used_at IS NOT NULL").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_by_many_at_once() {
    let (server, _, authenticator) = start_with(PATIENT).await;
    let (browser, page) = with_password(&server, ADA).await;
    assert_eq!(at_once(&server, &browser, &page, &authenticator.recovery_codes[0]).await, 1);
    assert_eq!(server.count("session").await, 1);
    assert_eq!(server.count("recovery_code WHERE used_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn codes_from_too_long_ago_or_too_far_ahead() {
    let (server, _, authenticator) = start().await;
    let now = server.clock.now();
    let (mut browser, page) = with_password(&server, ADA).await;
    for steps in [-2, 2] {
        let code = authenticator.code(now + TimeDelta::seconds(30 * steps));
        assert_eq!(browser.submit(&page, &[("code", &code)]).await.status, 422, "{steps}");
    }
}

#[tokio::test]
async fn what_is_no_code_at_all() {
    let (server, ..) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    let long = "1".repeat(60_000);
    for code in ["", "12345", "-12345", "+123456", "１２３４５６"] {
        assert_eq!(browser.submit(&page, &[("code", code)]).await.status, 422, "{code}");
    }
    server.advance(TimeDelta::minutes(5));
    assert_eq!(browser.submit(&page, &[("code", &long)]).await.status, 422);
}

#[tokio::test]
async fn guessing() {
    let (server, _, authenticator) = start().await;
    let (mut browser, mut page) = with_password(&server, ADA).await;
    let mut tries = 0;
    // For a day, as fast as the waits allow.
    let until = server.clock.now() + TimeDelta::days(1);
    while server.clock.now() < until {
        let wrong = authenticator.wrong_code(server.clock.now());
        let reply = browser.submit(&page, &[("code", &wrong)]).await;
        match reply.status {
            422 => tries += 1,
            429 => server.advance(TimeDelta::seconds(reply.header("retry-after").unwrap().parse().unwrap())),
            // The sign-in has waited too long: the password again, which forgives nothing.
            303 | 200 => (browser, page) = with_password(&server, ADA).await,
            other => panic!("{other}: {}", reply.text()),
        }
    }
    assert!((100..150).contains(&tries), "{tries} tries at one of a million codes, of which three are good");
}

#[tokio::test]
async fn guessing_from_many_addresses_and_by_another_way() {
    let (server, _, authenticator) = start().await;
    let (browser, page) = with_password(&server, ADA).await;
    let (action, hidden) = hidden_fields(&page.text());
    let guess = async |from: u8, code: &str| {
        let form = [("csrf", hidden[0].1.as_str()), ("code", code)];
        let request = form_request(&action, &[("cookie", &cookies(&browser))], &form);
        server.send_from(IpAddr::V4(Ipv4Addr::new(198, 51, 100, from)), request).await.status
    };
    let wrong = authenticator.wrong_code(server.clock.now());
    let statuses: Vec<_> =
        [guess(1, &wrong).await, guess(2, &wrong).await, guess(3, "AAAAAA-AAAAAA-AAAAAA-AAAAAA").await]
            .into_iter()
            .chain([guess(4, &wrong).await, guess(5, &wrong).await, guess(6, &wrong).await])
            .collect();
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429]);
    // The right one waits, too; and it was not spent.
    let code = server.code_of(&authenticator);
    assert_eq!(guess(7, &code).await, 429);
    server.advance(TimeDelta::seconds(1));
    assert_eq!(guess(8, &code).await, 303);
}

#[tokio::test]
async fn a_code_of_another_person() {
    let (server, ..) = start().await;
    let bob = server.add_user(BOB, None).await;
    let of_bob = server.enrol(&bob).await;
    let (mut browser, page) = with_password(&server, ADA).await;
    for code in [&server.code_of(&of_bob), &of_bob.recovery_codes[0]] {
        assert_eq!(browser.submit(&page, &[("code", code)]).await.status, 422);
    }
    // They were not spent either.
    let (mut browser, page) = with_password(&server, BOB).await;
    browser.submit(&page, &[("code", &server.code_of(&of_bob))]).await;
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn a_waiting_sign_in_of_another_browser() {
    let (server, _, authenticator) = start().await;
    let (victim, page) = with_password(&server, ADA).await;
    let mut thief = server.browser();
    let own = thief.open("/login").await;
    thief.cookies.insert("countersign_waiting".to_owned(), victim.cookies["countersign_waiting"].clone());
    let (_, hidden) = hidden_fields(&own.text());
    let code = server.code_of(&authenticator);
    let reply = thief.post("/login/totp", &[("csrf", &hidden[0].1), ("code", &code)]).await;
    thief.follow(reply).await.assert_login_page();
    assert!(!thief.is_signed_in().await);
    // The form of another browser is none.
    assert_eq!(thief.submit(&page, &[("code", &code)]).await.status, 403);
}

#[tokio::test]
async fn a_waiting_sign_in_that_was_changed_or_made_up() {
    let (server, _, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    let good = browser.cookies["countersign_waiting"].clone();
    let changed = format!("{}{}", if good.starts_with('A') { 'B' } else { 'A' }, &good[1..]);
    for waiting in [changed.as_str(), "A", &"A".repeat(200), "!"] {
        browser.cookies.insert("countersign_waiting".to_owned(), waiting.to_owned());
        browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_login_page();
    }
    assert_eq!(server.count("session").await, 0);
}

/// What comes after the password does not make it fresh.
#[tokio::test]
async fn a_password_of_before_an_app_asked_for_one() {
    let (server, _, authenticator) = start().await;
    for asked in [("prompt", "login"), ("max_age", "1")] {
        server.advance(TimeDelta::seconds(30));
        let (mut browser, _) = with_password(&server, ADA).await;
        server.advance(TimeDelta::seconds(2));
        let login = browser.authorize("app", &[asked]).await;
        let (action, hidden) = hidden_fields(&login.text());
        let (_, sealed) = action.split_once("?i=").unwrap();
        let form = [("csrf", hidden[0].1.as_str()), ("code", &server.code_of(&authenticator))];
        let reply = browser.post(&format!("/login/totp?i={sealed}"), &form).await;
        browser.follow(reply).await.assert_login_page();
    }
    assert_eq!(server.count("authorization_code").await, 0);
}

#[tokio::test]
async fn a_sign_in_that_waited_for_ten_minutes() {
    let (server, _, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    server.advance(TimeDelta::minutes(10));
    browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_login_page();
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn a_password_that_was_changed_between_the_two_steps() {
    let (server, ada, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    server.change_password(&ada, "another battery staple").await;
    let code = server.code_of(&authenticator);
    browser.submit(&page, &[("code", &code)]).await.assert_login_page();
    assert!(!browser.is_signed_in().await);
    // The code was not spent on it.
    let login = browser.open("/login").await;
    let page = browser.submit(&login, &[("username", ADA), ("password", "another battery staple")]).await;
    browser.submit(&page, &[("code", &code)]).await;
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn an_account_that_was_disabled_between_the_two_steps() {
    let (server, ada, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    server.disable_user(&ada).await;
    browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_login_page();
    assert_eq!(server.count("session").await, 0);
}

#[tokio::test]
async fn by_a_link_that_sets_the_password() {
    let (server, ada, _) = start().await;
    let link = server.issue_link(&LinkPurpose::ChoosePassword(ada.id)).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    browser.submit(&page, &[("password", "another battery staple")]).await.assert_page(200);
    assert!(!browser.is_signed_in().await);
    let login = browser.open("/login").await;
    let page = browser.submit(&login, &[("username", ADA), ("password", "another battery staple")]).await;
    page.assert_code_page();
    assert!(!browser.is_signed_in().await);
}

/// Whoever reads the mails of a person can change the password, but not get in; nor does it give them more guesses.
#[tokio::test]
async fn by_a_recovery_of_the_password() {
    let (server, _, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    for _ in 0..5 {
        let wrong = authenticator.wrong_code(server.clock.now());
        assert_eq!(browser.submit(&page, &[("code", &wrong)]).await.status, 422);
    }
    let mut thief = server.browser();
    let page = thief.open("/recover").await;
    thief.submit(&page, &[("username", ADA)]).await.assert_page(200);
    let link = server.mailed_link(ADA).await;
    let page = thief.open(&link).await;
    thief.submit(&page, &[("password", "another battery staple")]).await.assert_page(200);
    assert!(!thief.is_signed_in().await);
    let login = thief.open("/login").await;
    let page = thief.submit(&login, &[("username", ADA), ("password", "another battery staple")]).await;
    page.assert_code_page();
    let wrong = authenticator.wrong_code(server.clock.now());
    assert_eq!(thief.submit(&page, &[("code", &wrong)]).await.status, 429);
    assert_eq!(server.count("session").await, 0);
}

/// The present password is asked for at a change of it, but is one factor of two.
#[tokio::test]
async fn a_changed_password_makes_no_sign_in_with_both_factors_fresh() {
    let (server, _, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_page(200);
    server.advance(TimeDelta::minutes(4));
    let page = browser.open("/account/password").await;
    let passwords = [("password", PASSWORD), ("new_password", "another battery staple")];
    browser.submit(&page, &passwords).await.assert_page(200);
    server.advance(TimeDelta::minutes(2));
    let confirm = browser.open("/account/second-factor").await;
    let page = browser.submit(&confirm, &[("password", "another battery staple")]).await;
    page.assert_code_page();
}

#[tokio::test]
async fn by_setting_up_another_one_with_the_password_alone() {
    let (server, ada, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    let offer = browser.open("/login/second-factor").await;
    // Where one is set up, the one that there is is asked for.
    offer.assert_code_page();
    let (_, hidden) = hidden_fields(&page.text());
    // An offer from before there was one.
    let bob = server.add_user(BOB, None).await;
    let mut other = server.browser();
    let required = {
        let mut tx = server.app.store.write().await.unwrap();
        countersign::store::account::require_second_factor(&mut tx, &bob.id, true, server.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        other.give_password(BOB).await
    };
    required.assert_offer();
    let thiefs = Authenticator::read(&required);
    let of_bob = server.enrol(&bob).await;
    let code = server.code_of(&thiefs);
    other.submit(&required, &[("code", &code)]).await.assert_code_page();
    assert!(!other.is_signed_in().await);

    let form = [("csrf", hidden[0].1.as_str()), ("code", code.as_str()), ("offer", "")];
    let reply = browser.post("/login/second-factor", &form).await;
    assert!(!browser.is_signed_in().await, "{}", reply.text());
    for (name, authenticator, _) in [(ADA, &authenticator, &ada), (BOB, &of_bob, &bob)] {
        let (mut browser, page) = with_password(&server, name).await;
        browser.submit(&page, &[("code", &server.code_of(authenticator))]).await;
        assert!(browser.is_signed_in().await, "the second factor is the one that there was");
    }
}

#[tokio::test]
async fn a_secret_that_another_browser_or_person_was_offered() {
    let server = Server::with_settings("second_factor.policy = 'required'").await;
    server.add_user(ADA, None).await;
    server.add_user(BOB, None).await;
    let mut thief = server.browser();
    let planted = thief.give_password(BOB).await;
    let thiefs = Authenticator::read(&planted);
    let (_, fields) = hidden_fields(&planted.text());
    let offer = &fields.iter().find(|(name, _)| name == "offer").unwrap().1;

    let mut victim = server.browser();
    let page = victim.give_password(ADA).await;
    let (action, fields) = hidden_fields(&page.text());
    let code = server.code_of(&thiefs);
    let form = [("csrf", fields[0].1.as_str()), ("offer", offer), ("code", &code)];
    let again = victim.post(&action, &form).await;
    // Nothing comes of it but another offer.
    again.assert_offer();
    assert!(!again.text().contains(offer.as_str()));

    // Nor in the same browser for another person.
    let page = thief.give_password(ADA).await;
    let (action, fields) = hidden_fields(&page.text());
    let form = [("csrf", fields[0].1.as_str()), ("offer", offer), ("code", &code)];
    thief.post(&action, &form).await.assert_offer();
    assert_eq!(server.count("credential WHERE kind = 'totp'").await, 0);
}

#[tokio::test]
async fn a_secret_that_was_offered_too_long_ago() {
    let (server, _, authenticator) = start().await;
    let (mut browser, page) = with_password(&server, ADA).await;
    browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await;
    let offered = browser.open("/account/second-factor?replace=1").await;
    server.advance(TimeDelta::minutes(31));
    let confirm = browser.open("/account/second-factor").await;
    let code_page = browser.submit(&confirm, &[("password", PASSWORD)]).await;
    browser.submit(&code_page, &[("code", &server.code_of(&authenticator))]).await.assert_page(200);
    let late = Authenticator::read(&offered);
    let fields = [("do", "set_up"), ("code", &server.code_of(&late))];
    browser.submit(&offered, &fields).await.assert_offer();
}

#[tokio::test]
async fn a_form_of_another_site() {
    let (server, _, authenticator) = start().await;
    let (browser, page) = with_password(&server, ADA).await;
    let (action, _) = hidden_fields(&page.text());
    let code = server.code_of(&authenticator);
    for csrf in ["", "x"] {
        let form = [("csrf", csrf), ("code", code.as_str())];
        let reply = server.post(&action, &[("cookie", &cookies(&browser))], &form).await;
        assert_eq!(reply.status, 403);
    }
    let request = Request::get(format!("{action}?code={code}")).header("cookie", cookies(&browser));
    server.send(request.body(Body::empty()).unwrap()).await.assert_code_page();
    assert_eq!(server.count("session").await, 0);
}

#[tokio::test]
async fn a_consent_of_before_spares_no_code() {
    let (server, ..) = start().await;
    server.add_client("other", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let bob = server.add_user(BOB, None).await;
    server.browser().code("other", BOB, "openid").await;
    server.enrol(&bob).await;
    let mut browser = server.browser();
    let login = browser.open(&authorize_path("other", &[])).await;
    browser.log_in(&login, BOB).await.assert_code_page();
}
