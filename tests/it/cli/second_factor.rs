//! `countersign user require-mfa` and `user reset-mfa`.

use serde_json::{Value, json};

use super::machine::Machine;

async fn with_ada() -> Machine {
    let machine = Machine::migrated().await;
    machine.run(&["user", "add", "ada@example.com"]).assert_ok();
    machine
}

fn shown(machine: &Machine) -> Value {
    machine.json(&["user", "show", "ada@example.com"])["second_factor"].clone()
}

#[tokio::test]
async fn a_second_factor_is_demanded_of_one_person_and_no_longer() {
    let machine = with_ada().await;
    assert_eq!(shown(&machine), json!({ "required": false, "since": null, "recovery_codes": 0 }));
    let text = machine.run(&["user", "require-mfa", "ADA@example.com"]).assert_ok();
    assert!(text.contains("must have a second factor"), "{text}");
    assert_eq!(shown(&machine)["required"], true);
    // Other changes leave that as it is.
    machine.run(&["user", "set", "ada@example.com", "name=Ada"]).assert_ok();
    assert_eq!(shown(&machine)["required"], true);
    let off = machine.json(&["user", "require-mfa", "ada@example.com", "--off"]);
    assert_eq!((&off["second_factor_required"], &shown(&machine)["required"]), (&json!(false), &json!(false)));

    let events: Vec<_> = machine.audited().await.into_iter().filter(|row| row.kind.starts_with("second")).collect();
    let details: Vec<_> = events.iter().map(|row| row.detail.as_str()).collect();
    assert_eq!(details, ["{\"required\":true}", "{\"required\":false}"]);
}

#[tokio::test]
async fn what_the_settings_demand_is_told() {
    let machine = with_ada().await.with("SECOND_FACTOR__POLICY", "required");
    assert_eq!(shown(&machine)["required"], true);
    let text = machine.run(&["user", "require-mfa", "ada@example.com", "--off"]).assert_ok();
    assert!(text.contains("must still have a second factor"), "{text}");
}

#[tokio::test]
async fn who_has_none_loses_none() {
    let machine = with_ada().await;
    let text = machine.run(&["user", "reset-mfa", "ada@example.com"]).assert_ok();
    assert!(text.contains("has no second factor"), "{text}");
    assert!(machine.audited().await.iter().all(|row| row.kind != "second_factor.removed"));
}

/// As somebody who lost their phone meets it.
#[tokio::test]
async fn who_lost_it_signs_in_by_the_password_and_sets_it_up_again() {
    use crate::harness::Server;

    let server = Server::in_real_time().await;
    let ada = server.add_user("ada@example.com", None).await;
    let authenticator = server.enrol(&ada).await;
    let mut lost = server.browser();
    let page = lost.give_password("ada@example.com").await;
    lost.submit(&page, &[("code", &server.code_of(&authenticator))]).await.assert_page(200);
    let machine = Machine::beside(&server);
    let shown = shown(&machine);
    assert_eq!((&shown["recovery_codes"], shown["since"].is_string()), (&json!(10), true));
    assert_eq!(machine.json(&["user", "reset-mfa", "ada@example.com"])["removed"], true);
    assert!(!lost.is_signed_in().await, "whoever found the phone is out");

    let mut browser = server.browser();
    assert!(browser.give_password("ada@example.com").await.text().contains("Signed in as"));
    browser.open("/account/second-factor").await.assert_offer();
    assert_eq!(server.count("recovery_code").await, 0);
    let removed = server.audit(10).await.into_iter().find(|event| event.kind == "second_factor.removed").unwrap();
    assert_eq!((removed.detail.as_str(), removed.user), ("{\"by\":\"operator\"}", Some(ada.id.to_string())));
}
