//! Attack 15, where a browser keeps several accounts: choices that nobody made, planted and foreign sessions, and what a choice
//! must not open.

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, Server, account_of, claims, confidential, hidden_fields};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const EVE: &str = "eve@example.com";
const MFA: &str = "urn:countersign:acr:mfa";

async fn server() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |app| app.first_party = true)).await;
    for person in [ADA, BOB, EVE] {
        server.add_user(person, None).await;
    }
    server
}

/// A browser on which Ada is present, and Bob is signed in beside her, for a while.
async fn both(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    browser.give_password(BOB).await;
    browser.add_account(ADA).await.assert_page(200);
    server.advance(TimeDelta::minutes(5));
    browser
}

async fn is_present(browser: &mut Browser<'_>, person: &str) -> bool {
    let page = browser.get("/account").await;
    page.status == 200 && page.text().contains(person)
}

async fn subject(server: &Server, browser: &mut Browser<'_>) -> String {
    let code = browser.authorize("app", &[("prompt", "none")]).await.assert_code();
    let tokens = server.exchange("app", &code).await.json();
    claims(tokens["id_token"].as_str().unwrap())["sub"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_that_is_in_another_browser() {
    let server = server().await;
    let mut elsewhere = both(&server).await;
    let foreign = account_of(&elsewhere.open("/accounts").await, BOB);
    let mut browser = server.browser();
    browser.give_password(EVE).await;
    let page = browser.open("/accounts").await;
    for id in [foreign.as_str(), "", "no such session"] {
        browser.submit(&page, &[("account", id)]).await;
        assert!(is_present(&mut browser, EVE).await, "{id}");
    }
    server.advance(TimeDelta::seconds(1));
    let page = browser.authorize("app", &[("prompt", "select_account")]).await;
    let again = browser.submit(&page, &[("account", &foreign)]).await;
    assert!(again.text().contains("Choose an account") && !again.text().contains(BOB), "{}", again.text());
}

#[tokio::test]
async fn a_choice_that_another_site_made() {
    let server = server().await;
    let mut browser = both(&server).await;
    let page = browser.open("/accounts").await;
    let bob = account_of(&page, BOB);
    let (action, _) = hidden_fields(&page.text());
    let (_, others) = hidden_fields(&server.browser().open("/login").await.text());
    for token in [None, Some("a"), Some(others[0].1.as_str())] {
        for field in [("account", bob.as_str()), ("another", "yes"), ("sign_out", "all")] {
            let form: Vec<_> = token.iter().map(|token| ("csrf", *token)).chain([field]).collect();
            browser.post(&action, &form).await.assert_page(403);
        }
    }
    assert!(is_present(&mut browser, ADA).await);
}

/// Nobody can be sent to a sign-in that leaves the former person signed in.
#[tokio::test]
async fn a_sign_in_beside_others_that_nobody_chose() {
    let server = server().await;
    let mut thief = server.browser();
    thief.give_password(EVE).await;
    let choice = thief.open("/accounts").await;
    let chosen = thief.submit_only(&choice, &[("another", "yes")]).await.location().to_owned();
    assert!(chosen.starts_with("/login?beside="), "{chosen}");
    for address in [chosen.as_str(), "/login?beside=yes", "/login?beside="] {
        let mut browser = server.browser();
        browser.give_password(ADA).await;
        let login = browser.open(address).await;
        browser.log_in(&login, BOB).await.assert_page(200);
        assert!(!browser.open("/accounts").await.text().contains(ADA), "{address}");
    }
    // What was chosen half an hour ago does not count any more.
    server.advance(TimeDelta::minutes(30));
    let login = thief.open(&chosen).await;
    thief.log_in(&login, BOB).await.assert_page(200);
    assert!(!thief.open("/accounts").await.text().contains(EVE));
}

#[tokio::test]
async fn a_session_that_ended_elsewhere() {
    let server = server().await;
    let mut browser = both(&server).await;
    let page = browser.open("/accounts").await;
    server.change_password(&server.user(BOB).await, "a new battery staple").await;
    let login = browser.choose(&page, BOB).await;
    assert!(!login.text().contains("Signed in as") && is_present(&mut browser, ADA).await);
    assert!(!browser.open("/accounts").await.text().contains(BOB), "of what was ended nothing is told");
}

#[tokio::test]
async fn an_account_that_was_disabled() {
    let server = server().await;
    let mut browser = both(&server).await;
    let page = browser.open("/accounts").await;
    server.disable_user(&server.user(BOB).await).await;
    browser.choose(&page, BOB).await;
    assert!(is_present(&mut browser, ADA).await);
    assert!(!browser.open("/accounts").await.text().contains(BOB));
}

#[tokio::test]
async fn a_planted_account_beside() {
    let server = server().await;
    let mut thief = server.browser();
    thief.give_password(EVE).await;
    let planted = thief.cookies["countersign_session"].clone();
    let rubbish = "a".repeat(43);

    // Whoever signs in has the browser to themselves, and no cookie that was there before.
    let mut victim = server.browser();
    victim.cookies.insert("countersign_beside".to_owned(), format!("{planted}.{rubbish}"));
    victim.give_password(ADA).await;
    assert!(!victim.open("/accounts").await.text().contains(EVE));
    for known in [&planted, &rubbish] {
        let mut copy = server.browser();
        copy.cookies.insert("countersign_session".to_owned(), known.clone());
        assert!(!copy.is_signed_in().await);
    }

    // Even beside one that was planted nobody gets a cookie that somebody else knows.
    let mut thief = server.browser();
    thief.give_password(EVE).await;
    let planted = thief.cookies["countersign_session"].clone();
    let mut victim = server.browser();
    victim.give_password(ADA).await;
    victim.cookies.insert("countersign_beside".to_owned(), planted.clone());
    victim.add_account(BOB).await.assert_page(200);
    assert!(!thief.is_signed_in().await, "the planted one has another cookie now");
    let page = victim.open("/accounts").await;
    victim.choose(&page, EVE).await;
    assert!(!thief.is_signed_in().await);
}

#[tokio::test]
async fn every_choice_makes_new_cookies_of_all() {
    let server = server().await;
    let mut browser = both(&server).await;
    let before = browser.cookies.clone();
    let page = browser.open("/accounts").await;
    browser.choose(&page, BOB).await.assert_page(200);
    for name in ["countersign_session", "countersign_beside"] {
        assert_ne!(browser.cookies[name], before[name], "{name}");
        let mut copy = server.browser();
        copy.cookies.insert("countersign_session".to_owned(), before[name].clone());
        assert!(!copy.is_signed_in().await, "{name}");
    }
    // Neither are those of before of any use together.
    let mut copy = Browser::with_cookies(&server, before);
    copy.open("/accounts").await.assert_login_page();
}

#[tokio::test]
async fn a_cookie_with_rubbish_or_more_than_there_can_be() {
    let server = server().await;
    let mut secrets = Vec::new();
    for name in ["one", "two", "three", "four", "five", "six"] {
        server.add_user(&format!("{name}@example.com"), None).await;
        let mut browser = server.browser();
        browser.give_password(&format!("{name}@example.com")).await;
        secrets.push(browser.cookies["countersign_session"].clone());
    }
    let mut browser = server.browser();
    browser.give_password(ADA).await;
    let listed = async |browser: &mut Browser<'_>, beside: &str| {
        browser.cookies.insert("countersign_beside".to_owned(), beside.to_owned());
        let page = browser.open("/accounts").await;
        page.assert_page(200);
        page.text().matches("name=\"account\"").count()
    };
    assert_eq!(listed(&mut browser, &secrets.join(".")).await, 5);
    assert_eq!(listed(&mut browser, &[secrets[0].as_str(); 4].join(".")).await, 2, "the same one again");
    let own = browser.cookies["countersign_session"].clone();
    assert_eq!(listed(&mut browser, &own).await, 1, "the present one beside itself");
    for rubbish in ["", ".", "....", "x", &"a".repeat(43), &"a.".repeat(2_000), "%00", "\"\""] {
        assert_eq!(listed(&mut browser, rubbish).await, 1, "{rubbish}");
    }
    let long = format!("{}{}", "a.".repeat(2_000), secrets[0]);
    assert_eq!(listed(&mut browser, &long).await, 2, "what is no secret takes nobody's place");
}

#[tokio::test]
async fn a_second_cookie_of_the_same_name() {
    let server = server().await;
    let mut browser = both(&server).await;
    let beside = browser.cookies["countersign_beside"].clone();
    // Sent twice, neither is trusted.
    browser.cookies.insert("countersign_beside".to_owned(), format!("{beside}; countersign_beside={}", "a".repeat(43)));
    assert!(!browser.open("/accounts").await.text().contains(BOB));
}

#[tokio::test]
async fn in_silence_nobody_but_the_present_one() {
    let server = server().await;
    let mut browser = both(&server).await;
    let [ada, bob] = [server.user(ADA).await, server.user(BOB).await];
    assert_eq!(subject(&server, &mut browser).await, ada.id.as_str());
    let page = browser.open("/accounts").await;
    browser.choose(&page, BOB).await;
    assert_eq!(subject(&server, &mut browser).await, bob.id.as_str());
    let both = browser.authorize("app", &[("prompt", "none select_account")]).await;
    both.assert_refused("invalid_request");
    // The cookie of those beside is no session.
    let mut copy = browser.cookies.clone();
    copy.remove("countersign_session");
    let mut copy = Browser::with_cookies(&server, copy);
    copy.authorize("app", &[("prompt", "none")]).await.assert_refused("login_required");
}

#[tokio::test]
async fn a_hint_at_another_account_here() {
    let server = server().await;
    let mut browser = both(&server).await;
    let code = browser.authorize("app", &[]).await.assert_code();
    let adas = server.exchange("app", &code).await.json()["id_token"].as_str().unwrap().to_owned();
    let page = browser.open("/accounts").await;
    browser.choose(&page, BOB).await;
    let hint = ("id_token_hint", adas.as_str());
    browser.authorize("app", &[hint, ("prompt", "none")]).await.assert_refused("login_required");
    let choice = browser.authorize("app", &[hint]).await;
    assert!(choice.text().contains("Choose an account"), "nobody is taken without asking: {}", choice.text());
    browser.choose(&choice, BOB).await.assert_refused("login_required");
}

#[tokio::test]
async fn a_choice_in_place_of_a_fresh_sign_in() {
    let server = server().await;
    let mut browser = both(&server).await;
    for demand in [("max_age", "299"), ("max_age", "0"), ("prompt", "select_account login")] {
        let page = browser.authorize("app", &[("prompt", "select_account"), demand]).await;
        browser.choose(&page, BOB).await.assert_login_page();
    }
    let page = browser.authorize("app", &[("prompt", "select_account"), ("max_age", "300")]).await;
    browser.choose(&page, BOB).await.assert_code();
    // Nor for what matters in the account.
    server.advance(TimeDelta::minutes(1));
    let page = browser.open("/accounts?to=password").await;
    let confirm = browser.choose(&page, ADA).await;
    assert!(confirm.text().contains("Confirm that it is you"), "{}", confirm.text());
}

#[tokio::test]
async fn a_choice_in_place_of_a_second_factor() {
    let server = server().await;
    let mut browser = both(&server).await;
    server.enrol(&server.user(BOB).await).await;
    let wish = [("prompt", "select_account"), ("acr_values", MFA)];
    let page = browser.authorize("app", &wish).await;
    browser.choose(&page, BOB).await.assert_code_page();
    // That one has no second factor, and went on without, says nothing of the next who is chosen.
    let page = browser.authorize("app", &wish).await;
    let offer = browser.choose(&page, ADA).await;
    offer.assert_offer();
    browser.submit(&offer, &[("decline", "1")]).await.assert_code();
    let page = browser.authorize("app", &wish).await;
    browser.choose(&page, BOB).await.assert_code_page();
}

/// The account that was chosen for a request is no longer the present one when the request goes on.
#[tokio::test]
async fn a_choice_for_one_account_that_is_used_for_another() {
    let server = server().await;
    let mut browser = both(&server).await;
    let page = browser.authorize("app", &[("prompt", "select_account")]).await;
    let onward = browser.submit_only(&page, &[("account", &account_of(&page, BOB))]).await.location().to_owned();
    let page = browser.open("/accounts").await;
    browser.choose(&page, ADA).await;
    let asked = browser.open(&onward).await;
    assert!(asked.text().contains("Choose an account"), "Ada chose nothing for this app: {}", asked.text());
}

/// A page that was opened as one account, and sent when another had taken its place.
#[tokio::test]
async fn a_form_of_one_account_after_a_switch_to_another() {
    let server = server().await;
    let mut browser = server.browser();
    browser.give_password(BOB).await;
    browser.add_account(ADA).await.assert_page(200);
    let adas = browser.open("/account/profile").await;
    adas.assert_page(200);
    let page = browser.open("/accounts").await;
    browser.choose(&page, BOB).await.assert_page(200);
    let reply = browser.submit(&adas, &[("name", "Ada Lovelace")]).await;
    reply.assert_page(403);
    for person in [ADA, BOB] {
        assert!(server.user(person).await.claim("name").is_none(), "{person}");
    }
    // As that one again the page is good.
    let page = browser.open("/accounts").await;
    browser.choose(&page, ADA).await.assert_page(200);
    browser.submit(&adas, &[("name", "Ada Lovelace")]).await.assert_page(200);
    assert_eq!(server.user(ADA).await.claim("name"), Some("Ada Lovelace"));
}
