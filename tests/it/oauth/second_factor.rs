//! How strong a sign-in an app wishes for, and what it is told of it (OpenID Connect Core §3.1.2.1 `acr_values`, RFC 8176).

use chrono::TimeDelta;
use countersign_types::ClientAuthMethod;
use serde_json::{Value, json};

use crate::harness::{Authenticator, Browser, Reply, Server, claims, confidential};

const ADA: &str = "ada@example.com";
const PWD: &str = "urn:countersign:acr:pwd";
const MFA: &str = "urn:countersign:acr:mfa";
const WISH: (&str, &str) = ("acr_values", MFA);

async fn start() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    server
}

async fn enrol(server: &Server) -> Authenticator {
    let mut tx = server.app.store.read().await.unwrap();
    let ada = countersign::store::account::find_by_name(&mut tx, ADA).await.unwrap().unwrap();
    drop(tx);
    server.enrol(&ada).await
}

/// A browser in which a person without a second factor has signed in to the app and consented, a while ago.
async fn signed_in(server: &Server) -> Browser<'_> {
    let mut browser = server.browser();
    browser.code("app", ADA, "openid").await;
    server.advance(TimeDelta::minutes(1));
    browser
}

/// Signs in by password where that is asked for, then gives the code that is asked for: what comes next.
async fn with_code(
    server: &Server,
    browser: &mut Browser<'_>,
    mut page: Reply,
    authenticator: &Authenticator,
) -> Reply {
    if page.text().contains("name=\"password\"") {
        page = browser.log_in(&page, ADA).await;
    }
    page.assert_code_page();
    browser.submit(&page, &[("code", &server.code_of(authenticator))]).await
}

/// `acr`, `amr` and the time of the sign-in in both tokens.
async fn strength(server: &Server, answer: &Reply) -> Value {
    let tokens = server.exchange("app", &answer.assert_code()).await.json();
    let told = |token: &str| {
        let claims = claims(tokens[token].as_str().unwrap());
        json!([claims["acr"], claims["amr"], claims["auth_time"]])
    };
    assert_eq!(told("id_token"), told("access_token"));
    told("id_token")
}

#[tokio::test]
async fn both_strengths_are_advertised() {
    let discovery = start().await.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovery["acr_values_supported"], json!([PWD, MFA]));
}

#[tokio::test]
async fn a_sign_in_with_both_factors_is_told_as_such() {
    let server = start().await;
    let authenticator = enrol(&server).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let consent = with_code(&server, &mut browser, login, &authenticator).await;
    let answer = browser.submit(&consent, &[("approve", "1")]).await;
    let now = server.clock.now().timestamp();
    assert_eq!(strength(&server, &answer).await, json!([MFA, ["pwd", "otp", "mfa"], now]));
}

#[tokio::test]
async fn a_recovery_code_is_no_one_time_password() {
    let server = start().await;
    let authenticator = enrol(&server).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let page = browser.log_in(&login, ADA).await;
    let consent = browser.submit(&page, &[("code", &authenticator.recovery_codes[0])]).await;
    let answer = browser.submit(&consent, &[("approve", "1")]).await;
    assert_eq!(strength(&server, &answer).await[1], json!(["pwd", "mfa"]));
}

#[tokio::test]
async fn a_weak_session_is_made_stronger_by_a_code_alone_and_no_younger() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let authenticator = enrol(&server).await;
    let signed_in_at = server.clock.now().timestamp() - 60;
    let page = browser.authorize("app", &[WISH]).await;
    page.assert_code_page();
    let before = browser.cookies["countersign_session"].clone();
    // What was consented to is not asked again.
    let answer = with_code(&server, &mut browser, page, &authenticator).await;
    assert_eq!(strength(&server, &answer).await, json!([MFA, ["pwd", "otp", "mfa"], signed_in_at]));
    assert_ne!(browser.cookies["countersign_session"], before, "a new cookie for a stronger session");
    // And from now on it is strong enough.
    let again = browser.authorize("app", &[WISH, ("prompt", "none")]).await;
    assert_eq!(strength(&server, &again).await[0], MFA);
    assert_eq!(server.count("session").await, 1);
}

#[tokio::test]
async fn whoever_has_none_is_offered_one_and_may_decline() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let offer = browser.authorize("app", &[WISH]).await;
    offer.assert_offer();
    assert!(offer.text().contains("The App") && offer.text().contains("name=\"decline\""), "{}", offer.text());
    let answer = browser.submit(&offer, &[("decline", "1")]).await;
    assert_eq!(strength(&server, &answer).await[0], PWD);
    // The next time the app is again free to wish.
    browser.authorize("app", &[WISH]).await.assert_offer();
}

#[tokio::test]
async fn whoever_accepts_goes_on_with_it() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let offer = browser.authorize("app", &[WISH]).await;
    let authenticator = Authenticator::read(&offer);
    let codes = browser.submit(&offer, &[("code", &server.code_of(&authenticator))]).await;
    assert!(codes.text().contains("<ol class=\"codes\">"), "{}", codes.text());
    let answer = browser.submit(&codes, &[("done", "1")]).await;
    assert_eq!(strength(&server, &answer).await[0], MFA);
}

#[tokio::test]
async fn an_offer_is_made_to_whoever_signed_in_a_moment_ago() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    server.advance(TimeDelta::minutes(10));
    let login = browser.authorize("app", &[WISH]).await;
    login.assert_login_page();
    browser.log_in(&login, ADA).await.assert_offer();
}

#[tokio::test]
async fn of_several_wishes_the_first_that_is_known_is_meant() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    enrol(&server).await;
    let asked = async |browser: &mut Browser<'_>, values: &str| {
        browser.authorize("app", &[("acr_values", values)]).await.status == 200
    };
    assert!(!asked(&mut browser, &format!("urn:example:gold {PWD} {MFA}")).await);
    assert!(!asked(&mut browser, "urn:example:gold").await);
    assert!(asked(&mut browser, &format!("urn:example:gold {MFA} {PWD}")).await);
}

#[tokio::test]
async fn prompt_none_shows_nothing_for_a_wish() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let silent = [WISH, ("prompt", "none")];
    browser.authorize("app", &silent).await.assert_refused("interaction_required");
    enrol(&server).await;
    browser.authorize("app", &silent).await.assert_refused("login_required");
    // An app that names the password as good enough gets it.
    let either = format!("{MFA} {PWD}");
    let answer = browser.authorize("app", &[("acr_values", &either), ("prompt", "none")]).await;
    assert_eq!(strength(&server, &answer).await[0], PWD);
}

#[tokio::test]
async fn max_age_and_prompt_login_ask_for_both_factors() {
    let server = start().await;
    let authenticator = enrol(&server).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let consent = with_code(&server, &mut browser, login, &authenticator).await;
    browser.submit(&consent, &[("approve", "1")]).await.assert_code();
    for wish in [("max_age", "30"), ("prompt", "login")] {
        server.advance(TimeDelta::minutes(1));
        let login = browser.authorize("app", &[wish]).await;
        login.assert_login_page();
        let answer = with_code(&server, &mut browser, login, &authenticator).await;
        let now = server.clock.now().timestamp();
        assert_eq!(strength(&server, &answer).await, json!([MFA, ["pwd", "otp", "mfa"], now]), "{wish:?}");
    }
}

#[tokio::test]
async fn a_trusted_device_signs_in_as_by_password() {
    let server = start().await;
    let authenticator = enrol(&server).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let page = browser.log_in(&login, ADA).await;
    let code = server.code_of(&authenticator);
    let consent = browser.submit(&page, &[("code", &code), ("trust", "1")]).await;
    browser.submit(&consent, &[("approve", "1")]).await.assert_code();
    browser.cookies.remove("countersign_session");
    let login = browser.authorize("app", &[]).await;
    let answer = browser.log_in(&login, ADA).await;
    assert_eq!(strength(&server, &answer).await[0], PWD);
}

#[tokio::test]
async fn a_demand_that_came_later_is_met_before_the_next_code() {
    let server = start().await;
    let mut browser = signed_in(&server).await;
    let mut tx = server.app.store.write().await.unwrap();
    let ada = countersign::store::account::find_by_name(&mut tx, ADA).await.unwrap().unwrap();
    countersign::store::account::require_second_factor(&mut tx, &ada.id, true, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    browser.authorize("app", &[("prompt", "none")]).await.assert_refused("interaction_required");
    let offer = browser.authorize("app", &[]).await;
    offer.assert_offer();
    assert!(!offer.text().contains("name=\"decline\""));
    assert_eq!(browser.submit(&offer, &[("decline", "1")]).await.status, 422);
    let authenticator = Authenticator::read(&offer);
    let codes = browser.submit(&offer, &[("code", &server.code_of(&authenticator))]).await;
    let answer = browser.submit(&codes, &[("done", "1")]).await;
    assert_eq!(strength(&server, &answer).await[0], MFA);
}

#[tokio::test]
async fn a_refreshed_token_tells_of_the_sign_in_that_it_came_from() {
    let server = start().await;
    let authenticator = enrol(&server).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[("scope", "openid offline_access")]).await;
    let consent = with_code(&server, &mut browser, login, &authenticator).await;
    let answer = browser.submit(&consent, &[("approve", "1")]).await;
    let tokens = server.exchange("app", &answer.assert_code()).await.json();
    let refreshed = server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(claims(refreshed["id_token"].as_str().unwrap())["acr"], MFA);
}
