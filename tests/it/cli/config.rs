//! `countersign config check`, and settings that no command accepts.

use serde_json::json;

use super::machine::Machine;

#[tokio::test]
async fn every_setting_is_shown_with_its_source() {
    let machine = Machine::new().await.with("LIFETIMES__CODE", "30s");
    machine.write("countersign.toml", "pkce.required = 'public'\nlifetimes.code = '20s'\n");
    let settings = machine.json(&["config", "check"]);
    for (key, value, source) in [
        ("issuer", json!(machine.setting("ISSUER")), "environment"),
        ("pkce.required", json!("public"), "file"),
        ("lifetimes.code", json!("30s"), "environment"),
        ("lifetimes.access_token", json!("10m"), "default"),
        ("keys.master_file", json!(null), "default"),
    ] {
        assert_eq!(settings[key], json!({ "value": value, "source": source }), "{key}");
    }
    let text = machine.run(&["config", "check"]).assert_ok();
    for word in ["SETTING", "VALUE", "SOURCE", "lifetimes.code", "30s", "environment", "default"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn secrets_are_masked() {
    let machine = Machine::new()
        .await
        .with("DATABASE__URL", "postgres://countersign:hunter2@db.example/countersign?sslmode=require")
        .with("REDIS__URL", "redis://:hunter2@redis.example");
    for arguments in [&["config", "check"] as &[&str], &["config", "check", "--json"]] {
        let text = machine.run(arguments).assert_ok();
        assert!(text.contains("db.example") && text.contains("redis.example") && text.contains('…'), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn looking_at_the_settings_changes_nothing() {
    let machine = Machine::new().await;
    machine.run(&["config", "check"]).assert_ok();
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test]
async fn unknown_settings_are_refused_with_the_nearest_name() {
    let machine = Machine::new().await.with("LISTENN", "127.0.0.1:1");
    machine
        .run(&["config", "check"])
        .assert_fails("COUNTERSIGN_LISTENN: unknown setting; the nearest known one is COUNTERSIGN_LISTEN");
    let machine = machine.without("LISTENN");
    machine.write("other.toml", "lifetimes.codes = '10s'");
    let with_file = ["config", "check", "--config", "other.toml"];
    machine.run(&with_file).assert_fails("lifetimes.codes: unknown setting; the nearest known one is lifetimes.code");
}

#[tokio::test]
async fn no_command_runs_on_wrong_settings() {
    let machine = Machine::new().await.with("LIFETIMES__CODE", "2m");
    for command in
        [&["serve"] as &[&str], &["migrate"], &["user", "list"], &["key", "rotate"], &["config", "check"], &[]]
    {
        machine.run(command).assert_fails("COUNTERSIGN_LIFETIMES__CODE: must not be longer than 60s");
    }
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test]
async fn a_settings_file_that_is_named_must_be_there() {
    let machine = Machine::new().await;
    machine.run(&["--config", "none.toml", "config", "check"]).assert_fails("none.toml: cannot be read");
    machine.write("broken.toml", "\nissuer = 'http://localhost");
    machine.run(&["--config", "broken.toml", "config", "check"]).assert_fails("broken.toml: line 2");
}

#[tokio::test]
async fn plain_http_is_for_loopback_alone() {
    for issuer in ["http://id.example.com", "http://192.168.1.1:8080", "http://localhost.example.com", "http://0.0.0.0"]
    {
        let machine = Machine::new().await.with("ISSUER", issuer);
        machine.run(&["serve"]).assert_fails("COUNTERSIGN_ISSUER: http is only for loopback");
    }
    for issuer in ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
        let settings = Machine::new().await.with("ISSUER", issuer).json(&["config", "check"]);
        assert_eq!(settings["issuer"]["value"], json!(issuer));
    }
}

#[tokio::test]
async fn a_production_start_names_each_setting_that_is_missing() {
    let machine = Machine::new().await.with("ISSUER", "https://id.example.com").without("DATABASE__URL");
    let refused = machine.run(&["serve"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""));
    let lines: Vec<_> = refused.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "countersign: database.url: must be set for an https issuer (here or as COUNTERSIGN_DATABASE__URL)",
            "countersign: keys.master_file: must be set for an https issuer (here or as COUNTERSIGN_KEYS__MASTER_FILE)",
        ]
    );
    assert!(machine.files().is_empty(), "nothing is made up in its place: {:?}", machine.files());
}

#[tokio::test]
async fn a_master_key_that_is_missing_or_open_to_others_or_no_key_is_named() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    let machine = Machine::new().await.with("ISSUER", "https://id.example.com").with("KEYS__MASTER_FILE", "master.key");
    let key = machine.folder().join("master.key");
    machine.run(&["migrate"]).assert_fails("the master key file master.key: ");
    machine.write("master.key", "b25lIG1hc3RlciBrZXkgb25seSBmb3IgdGhlIHRlc3Q=\n");
    std::fs::set_permissions(&key, Permissions::from_mode(0o604)).unwrap();
    machine.run(&["migrate"]).assert_fails("chmod 600 master.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    machine.run(&["migrate"]).assert_ok();
    machine.write("master.key", "hunter2");
    machine.run(&["migrate"]).assert_fails("openssl rand -base64 32");
}
