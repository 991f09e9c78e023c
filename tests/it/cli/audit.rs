//! `countersign audit`.

use countersign::{domain::audit_log::checkpoint::Verifier, jobs::seal_audit};
use openssl::sha::sha256;
use serde_json::{Value, json};

use super::machine::Machine;
use crate::harness::Server;

const ADA: &str = "ada@example.com";

/// A server on which Ada failed once and signed in.
async fn server() -> Server {
    let server = Server::in_real_time().await;
    server.add_user(ADA, Some("ada")).await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", ADA), ("password", "wrong password")]).await;
    browser.give_password(ADA).await;
    server
}

async fn seal(server: &Server) {
    seal_audit::run(&server.app).await.unwrap();
}

fn kinds(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_are_listed_the_newest_first_and_by_what_is_asked_for() {
    let server = server().await;
    let machine = Machine::beside(&server);
    let all = machine.json(&["audit", "list"]);
    assert_eq!(kinds(&all), ["login.succeeded", "login.failed"]);
    let failed = &all[1];
    assert_eq!((&failed["outcome"], &failed["personal"]["address"]), (&json!("failure"), &json!("192.0.2.1")));
    assert!(failed["request"].is_string() && failed["leaf"].is_null(), "{failed}");
    assert_eq!((&all[0]["outcome"], &all[0]["detail"]), (&json!("success"), &json!({ "amr": ["pwd"] })));

    for (arguments, expected) in [
        (vec!["--user", "ada"], vec!["login.succeeded", "login.failed"]),
        (vec!["--kind", "login.f"], vec!["login.failed"]),
        (vec!["--limit", "1"], vec!["login.succeeded"]),
        (vec!["--since", "2020-01-01"], vec!["login.succeeded", "login.failed"]),
        (vec!["--until", "2020-01-01T00:00:00Z"], vec![]),
        (vec!["--client", "app"], vec![]),
        (vec!["--user", "an-id-of-before"], vec![]),
    ] {
        let list = machine.json(&[&["audit", "list"], arguments.as_slice()].concat());
        assert_eq!(kinds(&list), expected, "{arguments:?}");
    }
    let table = machine.run(&["audit", "list"]).assert_ok();
    assert!(table.starts_with("AT (UTC)") && table.contains("login.failed") && table.contains("192.0.2.1"), "{table}");
    machine.run(&["audit", "list", "--since", "yesterday"]).assert_misused("a day such as 2026-01-31");
    machine.run(&["audit", "list", "--limit", "0"]).assert_misused("0 is not in 1..=100000");
}

/// Whoever has an export and a checkpoint needs nothing of ours to check it: RFC 6962, and what is printed.
#[tokio::test]
async fn an_export_has_every_event_as_it_is_hashed() {
    let server = server().await;
    seal(&server).await;
    let machine = Machine::beside(&server);
    let export = machine.run(&["audit", "export"]).assert_ok();
    let hashes: Vec<[u8; 32]> = export
        .lines()
        .map(|line| {
            let (_, event) = line.split_once("\"event\":").unwrap();
            let event = event.strip_suffix('}').unwrap();
            assert_eq!(serde_json::from_str::<Value>(line).unwrap()["event"].to_string(), event, "nothing to guess");
            sha256(&[&[0], event.as_bytes()].concat())
        })
        .collect();
    let [first, second] = hashes.as_slice() else { panic!("{export}") };
    let root = sha256(&[&[1], first.as_slice(), second].concat());
    let key = Verifier::parse(machine.json(&["audit", "key"])["key"].as_str().unwrap()).unwrap();
    let note = server.checkpoint_notes().await.remove(0);
    assert_eq!(key.open(&note).unwrap().root.0, root);

    let line: Value = serde_json::from_str(export.lines().next().unwrap()).unwrap();
    assert_eq!((&line["leaf"], &line["outcome"]), (&json!(0), &json!("failure")));
    assert_eq!(line["personal"]["address"], "192.0.2.1");
    assert_eq!(machine.run(&["audit", "export", "--kind", "login.failed"]).assert_ok().lines().count(), 1);
}

#[tokio::test]
async fn a_whole_trail_verifies_and_a_changed_one_fails_with_what_was_changed() {
    let server = server().await;
    let machine = Machine::beside(&server);
    machine.run(&["audit", "key"]).assert_fails("nothing is sealed yet");
    seal(&server).await;
    let report = machine.json(&["audit", "verify"]);
    let expected = json!({
        "ok": true, "sealed": 2, "kept_from": 0, "waiting": 0, "waiting_since": null, "checkpoints": 1, "found": 0,
        "problems": []
    });
    assert_eq!(report, expected);
    let words = machine.run(&["audit", "verify"]).assert_ok();
    assert!(words.contains("Every one is what it was"), "{words}");

    server.database.execute("UPDATE audit_event SET kind = 'login.succeeded' WHERE leaf = 0").await;
    let outcome = machine.run(&["audit", "verify"]);
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stdout.contains("(login.succeeded) at leaf 0 was changed"), "{outcome:?}");
    assert!(outcome.stderr.contains("1 problem was found"), "{outcome:?}");
    let outcome = machine.run(&["audit", "verify", "--json"]);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&report["ok"], &report["problems"][0]["leaf"]), (&json!(false), &json!(0)));
}

#[tokio::test]
async fn checkpoints_from_elsewhere_find_what_was_cut_off() {
    let server = server().await;
    seal(&server).await;
    let machine = Machine::beside(&server);
    let key = machine.run(&["audit", "key"]).assert_ok();
    let file = machine.folder().join("checkpoints");
    std::fs::write(&file, server.checkpoint_notes().await.join("\n")).unwrap();
    let check = ["audit", "verify", "--checkpoints", file.to_str().unwrap(), "--key", key.trim()];
    assert!(machine.run(&check).assert_ok().contains("2 checkpoints were compared"));

    for table in ["audit_event", "audit_leaf", "audit_checkpoint", "audit_log"] {
        server.database.execute(&format!("DELETE FROM {table}")).await;
    }
    let outcome = machine.run(&check);
    assert!(outcome.stdout.contains("cut off: a checkpoint speaks of 2 events"), "{outcome:?}");
    assert_eq!(outcome.status, Some(1));

    std::fs::write(&file, "nothing").unwrap();
    machine.run(&check).assert_fails("has no checkpoint in it");
    machine.run(&["audit", "verify", "--checkpoints", "nowhere"]).assert_fails("nowhere");
    machine.run(&["audit", "verify", "--key", "x"]).assert_misused("--key is none that `audit key` prints");
}
