//! `countersign api`.

use serde_json::json;

use super::machine::Machine;

const URI: &str = "https://journal.example/api";

#[tokio::test]
async fn what_was_added_is_listed_and_removed() {
    let machine = Machine::migrated().await;
    machine.run(&["client", "add", "rs", "--grant", "client_credentials"]).assert_ok();
    let added = machine.json(&[
        "api",
        "add",
        URI,
        "--scope",
        "journal.read=Read your journal",
        "--scope",
        "journal.write=Write = change it",
        "--roles",
        "--client",
        "rs",
    ]);
    assert_eq!(
        added,
        json!({
            "uri": URI,
            "scopes": { "journal.read": "Read your journal", "journal.write": "Write = change it" },
            "roles": true,
            "clients": ["rs"],
        })
    );
    assert_eq!(machine.json(&["api", "list"]), json!([added]));
    let text = machine.run(&["api", "list"]).assert_ok();
    for word in ["API", "SCOPE", "TEXT", URI, "journal.read", "Write = change it"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(machine.json(&["api", "remove", URI]), json!({ "removed": URI }));
    assert_eq!(machine.json(&["api", "list"]), json!([]));
}

#[tokio::test]
async fn a_scope_belongs_to_one_api() {
    let machine = Machine::migrated().await;
    let add = |uri, scope| machine.run(&["api", "add", uri, "--scope", "own=Own", "--scope", scope]);
    add(URI, "read=Read").assert_ok();
    machine.run(&["api", "add", URI, "--scope", "other=Other"]).assert_fails("registered already");
    let other = "https://other.example";
    machine
        .run(&["api", "add", other, "--scope", "new=New", "--scope", "read=Read"])
        .assert_fails("owns one of its scopes");
    // Nothing of it stayed behind.
    machine.run(&["api", "add", other, "--scope", "new=New"]).assert_ok();
}

#[tokio::test]
async fn what_cannot_be_an_api_is_refused() {
    let machine = Machine::migrated().await;
    for (arguments, words) in [
        (&[machine.setting("ISSUER"), "--scope", "read=Read"] as &[&str], "another than the issuer's"),
        (&[URI, "--scope", "read=Read", "--client", "nobody"], "there is no client nobody; add it first"),
    ] {
        machine.run(&[&["api", "add"], arguments].concat()).assert_fails(words);
    }
    assert_eq!(machine.json(&["api", "list"]), json!([]));
}

#[tokio::test]
async fn a_running_server_sees_an_api_soon() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let advertised = async || server.get("/.well-known/openid-configuration").await.1.contains("journal.read");
    assert!(!advertised().await);
    machine.run(&["api", "add", URI, "--scope", "journal.read=Read"]).assert_ok();
    server.soon(advertised).await;
    machine.run(&["api", "remove", URI]).assert_ok();
    server.soon(async || !advertised().await).await;
}

#[tokio::test]
async fn a_scope_of_the_settings_is_no_apis() {
    let machine = Machine::migrated().await.with("SCOPES", "{ employee = { text = 'See where you work' } }");
    machine
        .run(&["api", "add", URI, "--scope", "employee=Read it"])
        .assert_fails("the scope employee is one of `scopes` in the settings already");
    machine
        .run(&["client", "add", "app", "--redirect-uri", "https://app.example/cb", "--scope", "employee"])
        .assert_ok();
}
