//! The second factor as honest people meet it: `/login/totp`, `/login/second-factor`, `/account/second-factor` and the codes.

use chrono::TimeDelta;
use countersign::{domain::user::User, store::account};

use super::{ADA, start};
use crate::harness::{Authenticator, Browser, PASSWORD, Reply, Server};

const PAGE: &str = "/account/second-factor";

/// A person with a second factor.
async fn enrolled(server: &Server) -> (User, Authenticator) {
    let mut tx = server.app.store.read().await.unwrap();
    let ada = account::find_by_name(&mut tx, ADA).await.unwrap().unwrap();
    drop(tx);
    let authenticator = server.enrol(&ada).await;
    (ada, authenticator)
}

/// Signs in with both factors, and with these fields beside the code: where it leads.
async fn sign_in(
    server: &Server,
    browser: &mut Browser<'_>,
    authenticator: &Authenticator,
    more: &[(&str, &str)],
) -> Reply {
    let page = browser.give_password(ADA).await;
    page.assert_code_page();
    let code = server.code_of(authenticator);
    browser.submit(&page, &[&[("code", code.as_str())], more].concat()).await
}

async fn log_out(browser: &mut Browser<'_>) {
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await;
}

async fn press(browser: &mut Browser<'_>, page: &Reply, button: &str) -> Reply {
    browser.submit(page, &[("do", button)]).await
}

/// The codes that a page shows.
fn shown_codes(page: &Reply) -> Vec<String> {
    let html = page.text();
    html.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_person_sets_it_up_and_is_asked_for_it_from_then_on() {
    let server = start().await;
    let mut browser = server.browser();
    browser.give_password(ADA).await;
    let offer = browser.open(PAGE).await;
    offer.assert_offer();
    assert!(offer.text().contains("<svg class=\"qr\"") && offer.text().contains("otpauth://totp/Countersign:ada"));
    let authenticator = Authenticator::read(&offer);
    let codes = browser.submit(&offer, &[("do", "set_up"), ("code", &server.code_of(&authenticator))]).await;
    assert_eq!(shown_codes(&codes).len(), 10, "{}", codes.text());
    let status = browser.submit(&codes, &[("done", "1")]).await;
    assert!(status.text().contains("Your second factor is on") && status.text().contains("10 are left"));

    let mut elsewhere = server.browser();
    server.advance(TimeDelta::seconds(30));
    sign_in(&server, &mut elsewhere, &authenticator, &[]).await.assert_page(200);
    assert!(elsewhere.is_signed_in().await);
    let newest = &server.audit(1).await[0];
    assert_eq!(newest.detail, "{\"amr\":[\"pwd\",\"otp\",\"mfa\"]}");
}

#[tokio::test]
async fn the_code_that_set_it_up_does_not_sign_in_again() {
    let server = start().await;
    let mut browser = server.browser();
    browser.give_password(ADA).await;
    let offer = browser.open(PAGE).await;
    let authenticator = Authenticator::read(&offer);
    browser.submit(&offer, &[("do", "set_up"), ("code", &server.code_of(&authenticator))]).await;
    assert_eq!(sign_in(&server, &mut server.browser(), &authenticator, &[]).await.status, 422);
}

#[tokio::test]
async fn a_wrong_code_sets_nothing_up_and_the_key_stays() {
    let server = start().await;
    let mut browser = server.browser();
    browser.give_password(ADA).await;
    let offer = browser.open(PAGE).await;
    let authenticator = Authenticator::read(&offer);
    let wrong = authenticator.wrong_code(server.clock.now());
    let again = browser.submit(&offer, &[("do", "set_up"), ("code", &wrong)]).await;
    assert_eq!((again.status, server.count("credential").await), (422, 1));
    let fields = [("do", "set_up"), ("code", &server.code_of(&authenticator))];
    assert_eq!(shown_codes(&browser.submit(&again, &fields).await).len(), 10);
}

#[tokio::test]
async fn a_clock_may_be_half_a_minute_behind_or_ahead() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    for seconds in [-30, 30] {
        let mut browser = server.browser();
        let page = browser.give_password(ADA).await;
        let code = authenticator.code(server.clock.now() + TimeDelta::seconds(seconds));
        browser.submit(&page, &[("code", &code)]).await;
        assert!(browser.is_signed_in().await, "{seconds}");
    }
}

#[tokio::test]
async fn a_code_may_be_typed_in_groups() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    let code = server.code_of(&authenticator);
    let mut browser = server.browser();
    let page = browser.give_password(ADA).await;
    browser.submit(&page, &[("code", &format!(" {} {} ", &code[..3], &code[3..]))]).await;
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn a_recovery_code_stands_in_and_one_less_is_left() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    let page = browser.give_password(ADA).await;
    let typed = authenticator.recovery_codes[7].to_lowercase().replace('-', " ");
    browser.submit(&page, &[("code", &typed), ("recovery", "1")]).await;
    let status = browser.open(PAGE).await;
    assert!(status.text().contains("9 are left"), "{}", status.text());
    let audit = server.audit(2).await;
    assert_eq!(
        (audit[0].detail.as_str(), audit[1].kind.as_str()),
        ("{\"amr\":[\"pwd\",\"mfa\"]}", "recovery_code.used")
    );
}

#[tokio::test]
async fn recovery_codes_are_shown_until_their_owner_keeps_them_and_are_a_file_of_text() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, &authenticator, &[]).await;
    let status = browser.open(PAGE).await;
    let page = press(&mut browser, &status, "renew_codes").await;
    let codes = shown_codes(&page);
    assert_eq!(codes.len(), 10);
    // A page that was loaded again by mistake loses nothing.
    assert_eq!(shown_codes(&browser.open("/account/second-factor/codes?to=second-factor").await), codes);
    let file = browser.submit(&page, &[("download", "1")]).await;
    assert_eq!(file.text(), format!("{}\n", codes.join("\n")));
    assert_eq!(file.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"recovery-codes.txt\""));
    assert_eq!(file.header("cache-control"), Some("no-store"));

    browser.submit(&page, &[("done", "1")]).await;
    assert!(shown_codes(&browser.open("/account/second-factor/codes").await).is_empty());
    assert!(shown_codes(&browser.submit(&page, &[("download", "1")]).await).is_empty());
    // The old ones are dead.
    log_out(&mut browser).await;
    let page = browser.give_password(ADA).await;
    assert_eq!(browser.submit(&page, &[("code", &authenticator.recovery_codes[0])]).await.status, 422);
    browser.submit(&page, &[("code", &codes[0])]).await;
    assert!(browser.is_signed_in().await);
    assert!(!server.database.contains(&codes[1]).await && !server.database.contains(&codes[1].replace('-', "")).await);
}

#[tokio::test]
async fn recovery_codes_wait_for_ten_minutes_and_for_their_owner_alone() {
    let server = start().await;
    server.add_user("bob@example.com", None).await;
    let (_, authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, &authenticator, &[]).await;
    let status = browser.open(PAGE).await;
    assert_eq!(shown_codes(&press(&mut browser, &status, "renew_codes").await).len(), 10);
    let mut other = Browser::with_cookies(&server, browser.cookies.clone());
    other.give_password("bob@example.com").await;
    assert!(shown_codes(&other.open("/account/second-factor/codes").await).is_empty());
    let mut nobody = Browser::with_cookies(&server, browser.cookies.clone());
    nobody.cookies.remove("countersign_session");
    assert!(shown_codes(&nobody.open("/account/second-factor/codes").await).is_empty());
    server.advance(TimeDelta::minutes(10));
    assert!(shown_codes(&browser.open("/account/second-factor/codes").await).is_empty());
}

#[tokio::test]
async fn another_app_replaces_the_one_that_there_was() {
    let server = start().await;
    let (_, old) = enrolled(&server).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, &old, &[]).await;
    let offer = browser.open("/account/second-factor?replace=1").await;
    offer.assert_offer();
    let new = Authenticator::read(&offer);
    let codes = browser.submit(&offer, &[("do", "set_up"), ("code", &server.code_of(&new))]).await;
    assert_eq!(shown_codes(&codes).len(), 10);
    server.advance(TimeDelta::minutes(1));
    let mut elsewhere = server.browser();
    assert_eq!(sign_in(&server, &mut elsewhere, &old, &[]).await.status, 422);
    sign_in(&server, &mut elsewhere, &new, &[]).await.assert_page(200);
    let page = server.browser().give_password(ADA).await;
    assert_eq!(server.browser().submit(&page, &[("code", &old.recovery_codes[0])]).await.status, 403);
    assert_eq!(server.count("recovery_code").await, 10);
}

#[tokio::test]
async fn without_it_the_password_alone_will_do_again() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, &authenticator, &[]).await;
    let status = browser.open(PAGE).await;
    press(&mut browser, &status, "remove").await.assert_offer();
    assert_eq!((server.count("recovery_code").await, server.count("credential").await), (0, 1));
    let newest = &server.audit(1).await[0];
    assert_eq!((newest.kind.as_str(), newest.detail.as_str()), ("second_factor.removed", "{\"by\":\"owner\"}"));
    let mut elsewhere = server.browser();
    assert!(elsewhere.give_password(ADA).await.text().contains("Signed in as"));
}

#[tokio::test]
async fn the_page_wants_a_fresh_proof_of_both_factors() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, &authenticator, &[]).await;
    let status = browser.open(PAGE).await;
    assert!(status.text().contains("Your second factor is on"));
    server.advance(TimeDelta::minutes(6));
    for button in ["renew_codes", "distrust_devices", "remove", "set_up"] {
        let confirm = press(&mut browser, &status, button).await;
        assert!(confirm.text().contains("name=\"password\""), "{button}: {}", confirm.text());
    }
    assert_eq!(server.count("credential WHERE kind = 'totp'").await, 1);
    let confirm = browser.open(PAGE).await;
    let page = browser.submit(&confirm, &[("password", PASSWORD)]).await;
    page.assert_code_page();
    let back = browser.submit(&page, &[("code", &server.code_of(&authenticator))]).await;
    assert!(back.text().contains("Your second factor is on"), "{}", back.text());
}

#[tokio::test]
async fn a_trusted_device_is_not_asked_for_thirty_days_whatever_happens_to_its_sessions() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, &authenticator, &[("trust", "1")]).await;
    log_out(&mut browser).await;
    for days in [0, 15, 14] {
        server.advance(TimeDelta::days(days));
        server.keep_house().await;
        assert!(browser.give_password(ADA).await.text().contains("Signed in as"), "{days} days more");
        let newest = &server.audit(1).await[0];
        assert_eq!(newest.detail, "{\"amr\":[\"pwd\"]}");
        log_out(&mut browser).await;
    }
    server.advance(TimeDelta::days(1));
    browser.give_password(ADA).await.assert_code_page();
    // And no other device ever was.
    server.browser().give_password(ADA).await.assert_code_page();
}

#[tokio::test]
async fn a_device_is_trusted_only_if_its_person_says_so() {
    let server = start().await;
    let (_, authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, &authenticator, &[]).await;
    log_out(&mut browser).await;
    browser.give_password(ADA).await.assert_code_page();
}

#[tokio::test]
async fn trust_ends_with_the_password_the_second_factor_and_by_a_button() {
    let server = start().await;
    let (ada, mut authenticator) = enrolled(&server).await;
    let mut browser = server.browser();
    for how in ["password", "second factor", "button"] {
        server.advance(TimeDelta::minutes(1));
        sign_in(&server, &mut browser, &authenticator, &[("trust", "1")]).await;
        log_out(&mut browser).await;
        match how {
            "password" => server.change_password(&ada, PASSWORD).await,
            "second factor" => authenticator = server.enrol(&ada).await,
            _ => {
                let mut elsewhere = server.browser();
                server.advance(TimeDelta::minutes(1));
                sign_in(&server, &mut elsewhere, &authenticator, &[]).await;
                let status = elsewhere.open(PAGE).await;
                assert!(status.text().contains("On one of your devices"), "{}", status.text());
                let status = press(&mut elsewhere, &status, "distrust_devices").await;
                assert!(status.text().contains("on every device"), "{}", status.text());
            }
        }
        browser.give_password(ADA).await.assert_code_page();
    }
}

#[tokio::test]
async fn where_trust_is_off_nobody_is_offered_it_and_none_counts() {
    let server = Server::with_settings("second_factor.remember = 0").await;
    let ada = server.add_user(ADA, None).await;
    let authenticator = server.enrol(&ada).await;
    let mut browser = server.browser();
    let page = browser.give_password(ADA).await;
    assert!(!page.text().contains("name=\"trust\""));
    browser.submit(&page, &[("code", &server.code_of(&authenticator)), ("trust", "1")]).await.assert_page(200);
    log_out(&mut browser).await;
    browser.give_password(ADA).await.assert_code_page();
    // Nor does one from before it was turned off.
    server.database.execute("UPDATE device SET second_factor_until = '2099-01-01T00:00:00Z'").await;
    browser.give_password(ADA).await.assert_code_page();
}

#[tokio::test]
async fn whoever_must_have_one_sets_it_up_before_anything_begins() {
    let server = Server::with_settings("second_factor.policy = 'required'").await;
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let offer = browser.give_password(ADA).await;
    offer.assert_offer();
    assert!(!offer.text().contains("name=\"decline\""));
    assert_eq!((browser.is_signed_in().await, server.count("session").await), (false, 0));
    // Nobody is asked whether they mind.
    assert_eq!(browser.submit(&offer, &[("decline", "1")]).await.status, 422);
    assert_eq!(server.count("session").await, 0);
    let authenticator = Authenticator::read(&offer);
    let codes = browser.submit(&offer, &[("code", &server.code_of(&authenticator))]).await;
    assert_eq!(shown_codes(&codes).len(), 10);
    assert!(browser.submit(&codes, &[("done", "1")]).await.text().contains("Signed in as"));
    // It cannot be turned off.
    let status = browser.open(PAGE).await;
    assert!(!status.text().contains("value=\"remove\""), "{}", status.text());
    press(&mut browser, &status, "remove").await;
    assert_eq!(server.count("credential WHERE kind = 'totp'").await, 1);
}

#[tokio::test]
async fn whoever_makes_an_account_where_all_must_have_one_sets_it_up_at_once() {
    let server = Server::with_settings("second_factor.policy = 'required'\nsignup.mode = 'open'").await;
    let mut browser = server.browser();
    let page = browser.open("/signup").await;
    browser.submit(&page, &[("email", ADA)]).await.assert_page(200);
    let link = server.mailed_link(ADA).await;
    let page = browser.open(&link).await;
    let offer = browser.submit(&page, &[("name", "Ada"), ("password", PASSWORD)]).await;
    offer.assert_offer();
    assert_eq!((browser.is_signed_in().await, server.count("session").await), (false, 0));
    let authenticator = Authenticator::read(&offer);
    let codes = browser.submit(&offer, &[("code", &server.code_of(&authenticator))]).await;
    assert!(browser.submit(&codes, &[("done", "1")]).await.text().contains("Signed in as"));
}

#[tokio::test]
async fn one_role_or_one_person_can_be_told_to_have_one() {
    let server = Server::with_settings("second_factor.required_roles = ['admin', 'treasurer']").await;
    let mut ada = server.add_user(ADA, None).await;
    server.add_user("bob@example.com", None).await;
    assert!(server.browser().give_password("bob@example.com").await.text().contains("Signed in as"));
    ada.roles = ["treasurer".to_owned()].into();
    server.update_user(&ada).await;
    server.browser().give_password(ADA).await.assert_offer();
    ada.roles = ["reader".to_owned()].into();
    server.update_user(&ada).await;
    assert!(server.browser().give_password(ADA).await.text().contains("Signed in as"));
    let mut tx = server.app.store.write().await.unwrap();
    account::require_second_factor(&mut tx, &ada.id, true, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    server.browser().give_password(ADA).await.assert_offer();
    // A change of anything else leaves that as it is.
    server.update_user(&ada).await;
    server.browser().give_password(ADA).await.assert_offer();
}

#[tokio::test]
async fn the_page_for_a_code_leads_on_whoever_has_no_use_for_it() {
    let server = start().await;
    let mut browser = server.browser();
    assert_eq!(browser.get("/login/totp").await.location(), "/login");
    assert_eq!(browser.get("/login/totp?to=account").await.location(), "/login?to=account");
    assert_eq!(browser.get("/login/second-factor").await.location(), "/login");
    browser.give_password(ADA).await;
    assert_eq!(browser.get("/login/totp").await.location(), "/login");
    let (_, authenticator) = enrolled(&server).await;
    sign_in(&server, &mut browser, &authenticator, &[]).await;
    assert_eq!(browser.get("/login/totp?to=account").await.location(), "/account");
}

#[tokio::test]
async fn the_secret_is_not_stored_as_it_is() {
    let server = start().await;
    let mut browser = server.browser();
    browser.give_password(ADA).await;
    let offer = browser.open(PAGE).await;
    let authenticator = Authenticator::read(&offer);
    browser.submit(&offer, &[("do", "set_up"), ("code", &server.code_of(&authenticator))]).await;
    let html = offer.text();
    let key = html.split_once("class=\"key\">").unwrap().1.split_once('<').unwrap().0.replace(' ', "");
    assert!(!server.database.contains(&key).await);
}

#[tokio::test]
async fn its_owner_hears_of_every_change_of_it() {
    let server = start().await;
    let mut browser = server.browser();
    browser.give_password(ADA).await;
    let offer = browser.open(PAGE).await;
    let mut authenticator = Authenticator::read(&offer);
    let page = browser.submit(&offer, &[("do", "set_up"), ("code", &server.code_of(&authenticator))]).await;
    authenticator.recovery_codes = shown_codes(&page);
    log_out(&mut browser).await;
    let page = browser.give_password(ADA).await;
    browser.submit(&page, &[("code", &authenticator.recovery_codes[0])]).await;
    let status = browser.open(PAGE).await;
    press(&mut browser, &status, "renew_codes").await;
    press(&mut browser, &status, "remove").await;
    server.deliver_mails().await;
    let subjects: Vec<_> = server.mails().await.into_iter().map(|mail| mail.subject).collect();
    assert_eq!(
        subjects,
        [
            "Your account has a second factor",
            "A recovery code was used",
            "You have new recovery codes",
            "Your account has no second factor any more",
        ]
    );
}
