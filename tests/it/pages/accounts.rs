//! `/accounts`: several accounts on one browser (OpenID Connect Core §3.1.2.1, `prompt=select_account`).

use chrono::TimeDelta;
use countersign::domain::client::SubjectType;
use countersign_types::ClientAuthMethod;
use serde_json::Value;

use super::{ADA, start as start_with_ada};
use crate::harness::{Browser, Reply, Server, claims, confidential, encode};

const BOB: &str = "bob@example.com";
const SELECT: (&str, &str) = ("prompt", "select_account");

async fn start() -> Server {
    let server = start_with_ada().await;
    let mut bob = server.add_user(BOB, None).await;
    bob.set_claim("name", "Bob Bobson").unwrap();
    server.update_user(&bob).await;
    server
}

/// A browser on which both allowed the app everything a while ago; Ada is present, and Bob is signed in beside her.
async fn both(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    browser.code("app", BOB, "openid").await;
    browser.add_account(ADA).await.assert_page(200);
    browser.code("app", ADA, "openid").await;
    server.advance(TimeDelta::minutes(5));
    browser
}

async fn id_claims(server: &Server, reply: &Reply) -> Value {
    let token = server.exchange("app", &reply.assert_code()).await.json()["id_token"].clone();
    claims(token.as_str().unwrap())
}

/// An ID token of whoever is present.
async fn hint(server: &Server, browser: &mut Browser<'_>) -> String {
    let code = browser.authorize("app", &[("prompt", "none")]).await.assert_code();
    server.exchange("app", &code).await.json()["id_token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_choice(page: &Reply, listed: &[&str]) {
    page.assert_page(200);
    let html = page.text();
    assert!(html.contains("<h1>Choose an account</h1>"), "{html}");
    assert_eq!(html.matches("name=\"account\"").count(), listed.len(), "{html}");
    let places: Vec<_> = listed.iter().map(|person| html.find(person).unwrap_or_else(|| panic!("{html}"))).collect();
    assert!(places.is_sorted(), "{listed:?}: {html}");
}

async fn is_present(browser: &mut Browser<'_>, person: &str) -> bool {
    let page = browser.get("/account").await;
    page.status == 200 && page.text().contains(person)
}

#[tokio::test]
async fn select_account_lists_who_is_signed_in_and_goes_on_with_the_one_that_is_chosen() {
    let server = start().await;
    let mut browser = both(&server).await;
    let page = browser.authorize("app", &[SELECT]).await;
    assert_choice(&page, &[ADA, "Bob Bobson"]);
    assert_eq!(page.text().matches("class=\"mark\"").count(), 1, "the present one is marked");
    assert!(page.text().contains("The App") && page.text().contains(">B</span>"), "{}", page.text());

    let chosen = browser.choose(&page, "Bob").await;
    let told = id_claims(&server, &chosen).await;
    let bob = server.user(BOB).await;
    assert_eq!(told["sub"], bob.id.as_str());
    let signed_in_at = server.clock.now() - TimeDelta::minutes(5);
    assert_eq!(told["auth_time"].as_i64(), Some(signed_in_at.timestamp()), "a choice proves nothing");
    assert!(is_present(&mut browser, BOB).await);
    // Asked again, both are still there.
    assert_choice(&browser.authorize("app", &[SELECT]).await, &["Bob Bobson", ADA]);
}

#[tokio::test]
async fn one_who_is_alone_is_asked_all_the_same() {
    let server = start().await;
    let mut browser = server.browser();
    browser.code("app", ADA, "openid").await;
    server.advance(TimeDelta::seconds(1));
    let page = browser.authorize("app", &[SELECT]).await;
    assert_choice(&page, &[ADA]);
    browser.choose(&page, ADA).await.assert_code();
}

#[tokio::test]
async fn with_nobody_signed_in_the_sign_in_comes_at_once() {
    let server = start().await;
    let mut browser = server.browser();
    browser.authorize("app", &[SELECT]).await.assert_login_page();
    browser.open("/accounts").await.assert_login_page();
}

#[tokio::test]
async fn another_account_is_signed_in_beside_the_others() {
    let server = start().await;
    let mut browser = server.browser();
    browser.code("app", ADA, "openid").await;
    server.advance(TimeDelta::seconds(1));
    let page = browser.authorize("app", &[SELECT]).await;
    let login = browser.submit(&page, &[("another", "yes")]).await;
    login.assert_login_page();
    assert!(login.text().contains("stay so"), "{}", login.text());
    let consent = browser.log_in(&login, BOB).await;
    consent.assert_consent_page();
    browser.submit(&consent, &[("approve", "1")]).await.assert_code();
    assert!(is_present(&mut browser, BOB).await);
    let page = browser.open("/accounts?to=account").await;
    assert_choice(&page, &["Bob Bobson", ADA]);
    let account = browser.choose(&page, ADA).await;
    assert!(account.text().contains(ADA) && !account.text().contains("Bob"), "{}", account.text());
}

#[tokio::test]
async fn an_ordinary_sign_in_of_somebody_new_leaves_nobody_signed_in_beside_them() {
    let server = start().await;
    server.add_user("carl@example.com", None).await;
    let mut browser = both(&server).await;
    browser.give_password("carl@example.com").await.assert_page(200);
    assert_choice(&browser.open("/accounts").await, &["carl@example.com"]);
    let ended = server.audit(9).await.into_iter().filter(|row| row.detail.contains("replaced")).count();
    assert_eq!(ended, 2);
}

#[tokio::test]
async fn whoever_is_signed_in_beside_may_sign_in_anew_and_changes_nothing_for_the_others() {
    let server = start().await;
    let mut browser = both(&server).await;
    browser.give_password(BOB).await.assert_page(200);
    assert!(is_present(&mut browser, BOB).await);
    assert_choice(&browser.open("/accounts").await, &["Bob Bobson", ADA]);
}

#[tokio::test]
async fn hints_name_who_comes_first() {
    let server = start().await;
    let mut browser = both(&server).await;
    let page = browser.authorize("app", &[SELECT, ("login_hint", "BOB@example.com")]).await;
    assert_choice(&page, &["Bob Bobson", ADA]);
    assert_eq!(page.text().matches("The app expects this account").count(), 1);
    // Whoever passes over the one that stands there is not asked for its password.
    let login = browser.submit(&page, &[("another", "yes")]).await;
    assert!(login.text().contains("name=\"username\" type=\"text\" value=\"\""), "{}", login.text());
    let page = browser.authorize("app", &[SELECT, ("login_hint", "carl")]).await;
    assert_choice(&page, &[ADA, "Bob Bobson"]);
    let login = browser.submit(&page, &[("another", "yes")]).await;
    assert!(login.text().contains("name=\"username\" type=\"text\" value=\"carl\""), "{}", login.text());
}

#[tokio::test]
async fn an_id_token_hint_at_another_account_here_offers_it_and_takes_no_other() {
    let server = start().await;
    let mut browser = both(&server).await;
    let adas = hint(&server, &mut browser).await;
    let page = browser.open("/accounts").await;
    browser.choose(&page, "Bob").await.assert_page(200);
    let hinted = [("id_token_hint", adas.as_str())];

    let page = browser.authorize("app", &hinted).await;
    assert_choice(&page, &[ADA, "Bob Bobson"]);
    browser.choose(&page, "Bob").await.assert_refused("login_required");
    let page = browser.authorize("app", &hinted).await;
    let answer = browser.choose(&page, ADA).await;
    assert_eq!(id_claims(&server, &answer).await["sub"], claims(&adas)["sub"]);
}

/// What an app knows of people and their sign-ins may be names of its own (OpenID Connect Core §8).
#[tokio::test]
async fn hints_are_understood_by_the_names_that_the_app_knows() {
    let server = start().await;
    let pairwise = confidential(ClientAuthMethod::ClientSecretBasic, |app| app.subject_type = SubjectType::Pairwise);
    server.add_client("pairwise", pairwise).await;
    let mut browser = both(&server).await;
    let code = browser.code("pairwise", ADA, "openid").await;
    let adas = server.exchange("pairwise", &code).await.json()["id_token"].as_str().unwrap().to_owned();
    assert_ne!(claims(&adas)["sub"], server.user(ADA).await.id.as_str());
    let page = browser.open("/accounts").await;
    browser.choose(&page, "Bob").await.assert_page(200);

    let page = browser.authorize("pairwise", &[("id_token_hint", &adas)]).await;
    assert_choice(&page, &[ADA, "Bob Bobson"]);
    assert!(page.text().contains("The app expects this account"), "{}", page.text());
    browser.choose(&page, ADA).await.assert_code();
    let page = browser.open("/accounts").await;
    browser.choose(&page, "Bob").await.assert_page(200);
    let logout = format!("/logout?{}", encode(&[("id_token_hint", &adas)]));
    assert_eq!(browser.get(&logout).await.location(), "/signed-out");
    assert_choice(&browser.open("/accounts").await, &["Bob Bobson"]);
}

#[tokio::test]
async fn select_account_and_login_ask_for_the_password_of_the_chosen_one() {
    let server = start().await;
    let mut browser = both(&server).await;
    let page = browser.authorize("app", &[("prompt", "select_account login")]).await;
    assert_choice(&page, &[ADA, "Bob Bobson"]);
    let login = browser.choose(&page, "Bob").await;
    login.assert_login_page();
    assert!(login.text().contains("value=\"bob@example.com\""), "{}", login.text());
    let told = id_claims(&server, &browser.log_in(&login, BOB).await).await;
    assert_eq!(told["auth_time"].as_i64(), Some(server.clock.now().timestamp()));
    assert_choice(&browser.open("/accounts").await, &["Bob Bobson", ADA]);
}

#[tokio::test]
async fn one_whose_time_is_over_is_remembered_by_name_and_signs_in_anew() {
    let server = start().await;
    let mut browser = both(&server).await;
    // Ada comes back, and Bob does not.
    for _ in 0..2 {
        server.advance(TimeDelta::hours(12));
        assert!(is_present(&mut browser, ADA).await);
    }
    server.keep_house().await;
    for purpose in ["/accounts", "/accounts?to=profile"] {
        let page = browser.open(purpose).await;
        assert_choice(&page, &[ADA, "Bob Bobson"]);
        assert!(page.text().contains("signed out"), "{}", page.text());
        let login = browser.choose(&page, "Bob").await;
        login.assert_login_page();
        assert!(login.text().contains("value=\"bob@example.com\""), "{}", login.text());
        assert!(is_present(&mut browser, ADA).await, "nobody else is signed in by it");
    }
    let page = browser.authorize("app", &[SELECT]).await;
    let login = browser.choose(&page, "Bob").await;
    assert!(login.text().contains("value=\"bob@example.com\""), "{}", login.text());
    browser.log_in(&login, BOB).await.assert_code();
    let page = browser.open("/accounts").await;
    assert_choice(&page, &["Bob Bobson", ADA]);
    assert!(!page.text().contains("signed out"), "{}", page.text());
}

#[tokio::test]
async fn signing_out_leaves_the_others_and_says_so() {
    let server = start().await;
    let mut browser = both(&server).await;
    let question = browser.open("/logout").await;
    assert!(question.text().contains("Other accounts stay signed in") && !question.text().contains("Bob"));
    let told = browser.submit(&question, &[("confirm", "1")]).await;
    assert!(told.text().contains("still signed in") && !told.text().contains("Bob"), "{}", told.text());

    // Nobody is present: in silence there is nobody, and otherwise one is chosen.
    browser.authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
    assert!(browser.open("/").await.text().contains("href=\"/accounts\""));
    assert_eq!(browser.get("/account/profile").await.location(), "/accounts?to=profile");
    let page = browser.authorize("app", &[]).await;
    assert_choice(&page, &["Bob Bobson"]);
    browser.choose(&page, "Bob").await.assert_code();
    assert!(is_present(&mut browser, BOB).await);
}

#[tokio::test]
async fn all_can_be_signed_out_at_once_from_every_page_that_speaks_of_them() {
    let server = start().await;
    for (path, button) in [("/logout", "confirm_all"), ("/accounts", "sign_out"), ("/signed-out", "sign_out")] {
        let mut browser = both(&server).await;
        let cookies = browser.cookies.clone();
        let page = browser.open(path).await;
        assert!(page.text().contains(&format!("name=\"{button}\"")), "{}", page.text());
        let told = browser.submit(&page, &[(button, "all")]).await;
        assert!(told.text().contains("You are signed out") && !told.text().contains("still"), "{}", told.text());
        assert!(!browser.cookies.contains_key("countersign_session"), "{path}");
        assert!(!browser.cookies.contains_key("countersign_beside"), "{path}");
        let mut copy = Browser::with_cookies(&server, cookies);
        copy.open("/accounts").await.assert_login_page();
    }
}

#[tokio::test]
async fn an_app_signs_out_the_account_that_its_hint_names() {
    let server = start().await;
    let mut browser = both(&server).await;
    let adas = hint(&server, &mut browser).await;
    let page = browser.open("/accounts").await;
    browser.choose(&page, "Bob").await.assert_page(200);
    let logout = format!("/logout?{}", encode(&[("id_token_hint", &adas)]));
    assert_eq!(browser.get(&logout).await.location(), "/signed-out");
    assert!(is_present(&mut browser, BOB).await, "the present one stays");
    assert_choice(&browser.open("/accounts").await, &["Bob Bobson"]);
    // Another time it names nobody here: the person is asked.
    assert!(browser.open(&logout).await.text().contains("name=\"confirm\""));
}

#[tokio::test]
async fn pages_of_an_account_show_nothing_of_the_others() {
    let server = start().await;
    let mut browser = both(&server).await;
    browser.give_password(ADA).await.assert_page(200);
    for place in countersign::http::owner::Place::ALL {
        let page = browser.open(place.path()).await;
        page.assert_page(200);
        assert!(!page.text().contains("Bob") && !page.text().contains(BOB), "{}: {}", place.path(), page.text());
    }
    let devices = browser.open("/account/sessions").await;
    assert_eq!(devices.text().matches("name=\"end\"").count(), 1, "only one's own");
}

#[tokio::test]
async fn a_choice_stands_in_the_audit_trail_of_who_was_chosen() {
    let server = start().await;
    let mut browser = both(&server).await;
    let page = browser.open("/accounts").await;
    browser.choose(&page, ADA).await.assert_page(200);
    assert!(server.audit(1).await[0].kind != "session.chosen", "she was present already");
    let page = browser.open("/accounts").await;
    browser.choose(&page, "Bob").await.assert_page(200);
    let newest = &server.audit(1).await[0];
    assert_eq!(newest.kind, "session.chosen");
    assert_eq!(newest.user.as_deref(), Some(server.user(BOB).await.id.as_str()));
    assert!(browser.open("/account/activity").await.text().contains("You went on with this account"));
}

#[tokio::test]
async fn nothing_chosen_or_too_much_is_told() {
    let server = start().await;
    let mut browser = both(&server).await;
    let page = browser.open("/accounts").await;
    let own = crate::harness::account_of(&page, "Bob");
    for fields in [&[][..], &[("account", own.as_str()), ("another", "yes")], &[("another", "1"), ("sign_out", "1")]] {
        browser.submit(&page, fields).await.assert_page(400);
    }
    assert!(is_present(&mut browser, ADA).await);
}

#[tokio::test]
async fn a_sixth_account_takes_the_place_of_the_one_used_the_longest_ago() {
    let server = start().await;
    let mut browser = server.browser();
    browser.give_password(BOB).await.assert_page(200);
    for name in ["one", "two", "three", "four"] {
        server.advance(TimeDelta::minutes(1));
        server.add_user(&format!("{name}@example.com"), None).await;
        browser.add_account(&format!("{name}@example.com")).await.assert_page(200);
    }
    let page = browser.open("/accounts").await;
    assert_choice(&page, &["four", "three", "two", "one", "Bob Bobson"]);
    assert!(page.text().contains("takes the place"), "{}", page.text());
    browser.add_account(ADA).await.assert_page(200);
    assert_choice(&browser.open("/accounts").await, &[ADA, "four", "three", "two", "one"]);
    let ended = &server.audit(3).await;
    assert!(ended.iter().any(|row| row.kind == "session.ended" && row.detail.contains("too_many")));
}

#[tokio::test]
async fn it_is_in_german_too() {
    let server = start().await;
    let mut browser = both(&server).await;
    browser.reads = Some("de");
    let page = browser.authorize("app", &[SELECT]).await;
    assert!(page.text().contains("Konto wählen") && page.text().contains("aktiv"), "{}", page.text());
}
