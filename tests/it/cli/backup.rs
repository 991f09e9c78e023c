//! `countersign backup` and `restore`.

use countersign_types::ClientAuthMethod;
use serde_json::json;

use super::machine::Machine;
use crate::harness::{Browser, Server, confidential};

const ADA: &str = "ada@example.com";

/// A machine whose database is a file; none where the tests run on PostgreSQL.
async fn machine() -> Option<Machine> {
    let machine = Machine::migrated().await;
    if machine.setting("DATABASE__URL").starts_with("sqlite:") {
        return Some(machine);
    }
    machine.run(&["backup", "copy.db"]).assert_fails("pg_dump");
    machine.run(&["restore", "copy.db"]).assert_fails("pg_dump");
    None
}

fn people(machine: &Machine) -> Vec<String> {
    let people = machine.json(&["user", "list"]);
    people.as_array().unwrap().iter().map(|person| person["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_copy_is_made_beside_a_running_server_and_brings_everything_back() {
    let Some(machine) = machine().await else { return };
    let server = machine.serve().await;
    machine.run(&["user", "add", "ada@example.com"]).assert_ok();
    let copied = machine.json(&["backup", "copy.db"]);
    assert_eq!(copied["file"], json!("copy.db"));
    assert!(copied["bytes"].as_u64().unwrap() > 10_000, "{copied}");
    assert!(!machine.files().iter().any(|name| name.contains("partial")), "{:?}", machine.files());
    let mode = std::fs::metadata(machine.folder().join("copy.db")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    machine.run(&["user", "add", "bob@example.com"]).assert_ok();

    machine.run(&["restore", "copy.db"]).assert_fails("another node is running");
    assert_eq!(people(&machine), ["ada@example.com", "bob@example.com"]);
    drop(server);
    let restored = machine.json(&["restore", "copy.db"]);
    assert_eq!(people(&machine), ["ada@example.com"]);
    assert!(machine.audited().await.iter().any(|row| row.kind == "database.restored"));
    // What was there is not lost: it can be put back the same way.
    let replaced = restored["replaced"].as_str().unwrap();
    machine.run(&["restore", replaced]).assert_ok();
    assert_eq!(people(&machine), ["ada@example.com", "bob@example.com"]);
}

#[tokio::test]
async fn a_copy_replaces_nothing() {
    let Some(machine) = machine().await else { return };
    machine.write("copy.db", "something of somebody's");
    machine.run(&["backup", "copy.db"]).assert_fails("copy.db exists already");
    assert_eq!(std::fs::read_to_string(machine.folder().join("copy.db")).unwrap(), "something of somebody's");
    machine.run(&["backup", "no/folder/copy.db"]).assert_fails("no/folder/copy.db");
    // What a killed process left is in nobody's way.
    machine.write("other.db.partial", "half of a copy");
    machine.run(&["backup", "other.db"]).assert_ok();
}

#[tokio::test]
async fn what_cannot_be_used_is_not_put_in_place() {
    let Some(machine) = machine().await else { return };
    machine.run(&["key", "rotate"]).assert_ok();
    machine.run(&["user", "add", "ada@example.com"]).assert_ok();
    machine.run(&["backup", "copy.db"]).assert_ok();
    let bytes = std::fs::read(machine.folder().join("copy.db")).unwrap();
    std::fs::write(machine.folder().join("cut.db"), &bytes[..bytes.len() / 2]).unwrap();
    machine.write("rubbish.db", &"no database at all".repeat(1_000));
    machine.run(&["restore", "none.db"]).assert_fails("none.db");
    let before = machine.files();
    for (file, words) in
        [("cut.db", "cut.db is not a whole database"), ("rubbish.db", "rubbish.db is not a whole database")]
    {
        machine.run(&["restore", file]).assert_fails(words);
    }
    std::fs::write(machine.folder().join("copy.db-wal"), "what was written since").unwrap();
    machine.run(&["restore", "copy.db"]).assert_fails("a part of it is in copy.db-wal");
    std::fs::remove_file(machine.folder().join("copy.db-wal")).unwrap();
    // A database of another house, sealed under another master key.
    let other = Machine::migrated().await;
    other.run(&["key", "rotate"]).assert_ok();
    other.run(&["backup", "copy.db"]).assert_ok();
    let foreign = other.folder().join("copy.db");
    machine.run(&["restore", foreign.to_str().unwrap()]).assert_fails("everything is as it was");
    assert_eq!((people(&machine), machine.files()), (vec!["ada@example.com".to_owned()], before));
}

#[tokio::test]
async fn nothing_that_may_have_been_over_comes_back_to_life() {
    let server = Server::in_real_time().await;
    if !server.database.is_sqlite() {
        return;
    }
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let cookies = browser.cookies.clone();
    let machine = Machine::beside(&server);
    let link = machine.json(&["user", "set-password", ADA])["link"].as_str().unwrap().to_owned();
    machine.run(&["backup", "copy.db"]).assert_ok();

    machine.run(&["restore", "copy.db"]).assert_ok();
    let server = server.restart().await;

    assert!(!Browser::with_cookies(&server, cookies).is_signed_in().await);
    let token = |name: &str| tokens[name].as_str().unwrap();
    assert_eq!(server.userinfo(token("access_token")).await.status, 401);
    server.refresh("app", token("refresh_token")).await.assert_error(400, "invalid_grant");
    let path = link.split_once("/link").unwrap().1;
    assert_eq!(server.get(&format!("/link{path}")).await.status, 410);
    // Whoever knows the password signs in as ever.
    server.sign_in("app", ADA, "openid").await;
}
