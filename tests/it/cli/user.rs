//! `countersign user`.

use serde_json::{Value, json};

use super::machine::Machine;

const PASSWORD: &str = "correct horse battery staple\n";
const ADD_ADA: [&str; 6] = ["user", "add", "ada@example.com", "--username", "ada", "--password-stdin"];

/// What is shown of a person, but for their second factor.
fn shown(machine: &Machine, name: &str) -> Value {
    let mut shown = machine.json(&["user", "show", name]);
    assert!(shown.as_object_mut().unwrap().remove("second_factor").is_some());
    shown
}

async fn with_ada() -> Machine {
    let machine = Machine::migrated().await;
    machine.run_with_input(&ADD_ADA, PASSWORD).assert_ok();
    machine
}

#[tokio::test]
async fn whoever_is_added_without_a_password_chooses_one_by_a_link() {
    let machine = Machine::migrated().await;
    let added = machine.json(&["user", "add", "ada@example.com"]);
    let start = format!("{}/link?t=", machine.setting("ISSUER"));
    assert_eq!(added["link"].as_str().unwrap().strip_prefix(&start).unwrap().len(), 43);
    let text = machine.run(&["user", "add", "bob@example.com"]).assert_ok();
    assert!(text.contains(&start) && text.contains("30 minutes"), "{text}");
    // It stands there once.
    assert!(!machine.run(&["user", "list", "--json"]).assert_ok().contains("/link"));
}

#[tokio::test]
async fn what_was_added_is_shown_and_listed_but_never_the_password() {
    let machine = Machine::migrated().await;
    let add = [&ADD_ADA[..], &["--name", "Ada Lovelace", "--role", "editor", "--role", "admin", "--json"]].concat();
    let added = machine.run_with_input(&add, PASSWORD).json();
    assert_eq!(added["claims"], json!({ "name": "Ada Lovelace" }));
    assert_eq!(added["roles"], json!(["admin", "editor"]));
    assert_eq!(
        (&added["email"], &added["email_verified"], &added["username"], &added["enabled"]),
        (&json!("ada@example.com"), &json!(false), &json!("ada"), &json!(true))
    );
    assert!(added.get("link").is_none());
    assert!(!added.to_string().contains(PASSWORD.trim()) && !added.to_string().contains("argon2"));

    for name in ["ada@example.com", "ADA@Example.COM", "ada", "Ada"] {
        assert_eq!(shown(&machine, name), added, "{name}");
    }
    assert_eq!(machine.json(&["user", "list"]), json!([added]));
    let text = machine.run(&["user", "list"]).assert_ok();
    for word in ["EMAIL", "USER NAME", "ada@example.com", "admin,editor", "enabled"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn nobody_is_added_with_what_cannot_be_used() {
    let machine = with_ada().await;
    for (arguments, words) in [
        (&["ADA@EXAMPLE.com"] as &[&str], "belongs to another account"),
        (&["x@example.com", "--username", "ADA"], "belongs to another account"),
    ] {
        machine.run(&[&["user", "add"], arguments].concat()).assert_fails(words);
    }
    for (password, words) in [("", "standard input was empty"), ("1234567\n", "8"), (&"x".repeat(129), "128")] {
        let add = ["user", "add", "x@example.com", "--password-stdin"];
        machine.run_with_input(&add, password).assert_fails(words);
        machine.run_with_input(&["user", "set-password", "ada", "--password-stdin"], password).assert_fails(words);
    }
    assert_eq!(machine.json(&["user", "list"]).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn claims_names_and_roles_are_set_and_taken_away() {
    let machine = with_ada().await;
    let set = |claims: &[&str]| machine.json(&[&["user", "set", "ada@example.com"], claims].concat());
    let changed =
        set(&["name=Ada = L", "address.country=GB", "email_verified=true", "username=countess", "roles=admin,editor"]);
    assert_eq!(changed["claims"], json!({ "name": "Ada = L", "address": { "country": "GB" } }));
    assert_eq!((&changed["email_verified"], &changed["username"]), (&json!(true), &json!("countess")));
    assert_eq!(changed["roles"], json!(["admin", "editor"]));
    assert_eq!(shown(&machine, "countess"), changed);

    let emptied = set(&["name=", "address.country=", "username=", "roles=", "email_verified="]);
    assert_eq!(emptied["email_verified"], json!(false));
    assert_eq!((&emptied["claims"], &emptied["roles"], &emptied["username"]), (&json!({}), &json!([]), &json!(null)));
    // An address that was never looked at is not verified.
    let moved = set(&["email=countess@example.com"]);
    assert_eq!((&moved["email"], &moved["email_verified"]), (&json!("countess@example.com"), &json!(false)));
}

#[tokio::test]
async fn one_wrong_claim_changes_nothing() {
    let machine = with_ada().await;
    machine.run(&["user", "add", "bob@example.com"]).assert_ok();
    let before = machine.json(&["user", "show", "ada"]);
    let set = |claim| machine.run(&["user", "set", "ada", "name=Changed", claim]);
    set("email_verified=perhaps").assert_misused("email_verified must be true or false");
    set("email=bob@example.com").assert_fails("belongs to another account");
    assert_eq!(machine.json(&["user", "show", "ada"]), before);
}

#[tokio::test]
async fn a_person_is_shut_out_and_let_in_again() {
    let machine = with_ada().await;
    assert_eq!(machine.json(&["user", "disable", "ada"])["enabled"], json!(false));
    assert!(machine.run(&["user", "list"]).assert_ok().contains("disabled"));
    assert_eq!(machine.json(&["user", "enable", "ada"])["enabled"], json!(true));
}

#[tokio::test]
async fn a_new_password_comes_from_standard_input_or_from_a_link() {
    let machine = with_ada().await;
    let set = ["user", "set-password", "ada", "--password-stdin"];
    let text = machine.run_with_input(&set, "another battery staple").assert_ok();
    assert!(text.contains("their sign-ins have ended") && !text.contains("staple"), "{text}");
    assert!(machine.json(&["user", "set-password", "ada"])["link"].as_str().unwrap().contains("/link?t="));
}

#[tokio::test]
async fn the_administrators_link_is_made_again_and_the_older_one_is_dead() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let first = server.stdout().lines().find(|line| line.contains("/link?t=")).unwrap().into();
    assert_eq!(server.status_of(&first).await, 200);
    let second = machine.json(&["user", "admin-link"])["link"].clone();
    assert_eq!((server.status_of(&first).await, server.status_of(&second).await), (410, 200));
    let text = machine.run(&["user", "admin-link"]).assert_ok();
    let third = text.lines().last().unwrap().into();
    assert_eq!((server.status_of(&second).await, server.status_of(&third).await), (410, 200));
}

#[tokio::test]
async fn there_is_no_administrators_link_where_there_is_one() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let link = machine.json(&["user", "admin-link"])["link"].clone();
    machine.run_with_input(&[&ADD_ADA[..], &["--role", "admin"]].concat(), PASSWORD).assert_ok();
    machine.run(&["user", "admin-link"]).assert_fails("there is an administrator already (ada@example.com)");
    assert_eq!(server.status_of(&link).await, 410);
    // One who is shut out administers nothing.
    machine.run(&["user", "disable", "ada"]).assert_ok();
    machine.run(&["user", "admin-link"]).assert_ok();
}
