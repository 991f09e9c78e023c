//! The command line, as the built program: what it does and prints, how it fails, and that a running server notices.

mod api;
mod audit;
mod backup;
mod client;
mod compose;
mod config;
mod doctor;
mod key;
mod logout;
pub mod machine;
mod migrate;
mod nodes;
mod outage;
mod rekey;
mod rotation;
pub mod running;
mod second_factor;
mod serve;
mod session;
mod user;
mod user_file;

use self::machine::Machine;

/// Every command that works on what is stored, with the least that it needs.
const STORED: [&[&str]; 23] = [
    &["user", "add", "ada@example.com"],
    &["user", "list"],
    &["user", "show", "ada@example.com"],
    &["user", "set", "ada@example.com", "name=Ada"],
    &["user", "disable", "ada@example.com"],
    &["user", "enable", "ada@example.com"],
    &["user", "set-password", "ada@example.com"],
    &["user", "require-mfa", "ada@example.com"],
    &["user", "reset-mfa", "ada@example.com"],
    &["user", "admin-link"],
    &["session", "list"],
    &["session", "revoke", "--user", "ada@example.com"],
    &["client", "add", "app", "--redirect-uri", "https://app.example/cb"],
    &["client", "list"],
    &["client", "show", "app"],
    &["client", "set", "app", "--name", "The App"],
    &["client", "rotate-secret", "app"],
    &["client", "remove", "app"],
    &["api", "add", "https://api.example", "--scope", "read=Read"],
    &["api", "list"],
    &["api", "remove", "https://api.example"],
    &["key", "list"],
    &["key", "rotate"],
];

#[tokio::test]
async fn every_command_prints_json_when_asked_and_text_for_people_when_not() {
    let (machine, other) = (Machine::migrated().await, Machine::migrated().await);
    for command in STORED {
        let json = machine.json(command);
        assert!(json.is_object() || json.is_array(), "{command:?}: {json}");
        let text = other.run(command).assert_ok();
        assert!(!text.trim().is_empty() && text.ends_with('\n'), "{command:?}");
        assert!(command[1] == "show" || !text.starts_with(['{', '[']), "{command:?}: {text}");
    }
    // The flag may stand anywhere.
    assert!(machine.run(&["--json", "user", "list"]).json().is_array());
}

#[tokio::test]
async fn every_change_is_recorded_and_looking_is_not() {
    let machine = Machine::migrated().await;
    for command in STORED {
        machine.run(command).assert_ok();
    }
    let kinds: Vec<String> = machine.audited().await.into_iter().map(|row| row.kind).collect();
    assert_eq!(
        kinds,
        [
            "user.created",
            "link.issued",
            "user.changed",
            "user.disabled",
            "user.enabled",
            "link.issued",
            "second_factor.required",
            "link.issued",
            "sessions.revoked",
            "client.changed",
            "client.changed",
            "client.changed",
            "client.changed",
            "api.changed",
            "api.changed",
            "key.published",
        ]
    );
}

#[tokio::test]
async fn no_command_but_serve_and_migrate_touches_the_schema() {
    let machine = Machine::new().await;
    // Where nothing is yet, and where there is a key, but no tables.
    for key in ["", "b25lIG1hc3RlciBrZXkgb25seSBmb3IgdGhlIHRlc3Q="] {
        if !key.is_empty() {
            machine.write_master_key("keys", key);
        }
        let before = machine.files();
        for command in STORED {
            machine.run(command).assert_fails("run `countersign migrate` or `countersign serve` first");
        }
        assert_eq!(machine.files(), before);
    }
    assert_eq!(machine.json(&["migrate"]), serde_json::json!({ "migrated": true }));
    assert_eq!(machine.json(&["user", "list"]), serde_json::json!([]));
}

#[tokio::test]
async fn no_command_but_serve_and_migrate_makes_a_master_key_or_a_folder() {
    let machine = Machine::new().await.without("DATABASE__URL");
    for command in STORED {
        machine.run(command).assert_fails("the master key file keys/master.key: ");
    }
    assert!(machine.files().is_empty(), "{:?}", machine.files());
    machine.run(&["migrate"]).assert_ok();
    assert_eq!(machine.files(), ["data", "keys"]);
    machine.run(&["user", "list"]).assert_ok();
}

#[tokio::test]
async fn no_command_writes_under_another_master_key() {
    let machine = Machine::migrated().await;
    machine.run(&["key", "rotate"]).assert_ok();
    let machine = machine.with("KEYS__DIR", "other");
    machine.write_master_key("other", "b25lIG1hc3RlciBrZXkgb25seSBmb3IgdGhlIHRlc3Q=");
    let before = machine.audited().await.len();
    for command in STORED {
        machine.run(command).assert_fails("is keys.master_file the one that this database was made with?");
    }
    assert_eq!(machine.audited().await.len(), before);
    let machine = machine.with("KEYS__DIR", "keys");
    assert_eq!(machine.json(&["user", "list"]), serde_json::json!([]));
}

#[tokio::test]
async fn what_is_not_there_is_named_in_one_line() {
    let machine = Machine::migrated().await;
    for (command, words) in [
        (&["user", "show", "ada"] as &[&str], "there is no account ada; `countersign user list` shows all"),
        (&["user", "set", "ada", "name=Ada"], "there is no account ada"),
        (&["user", "disable", "ada"], "there is no account ada"),
        (&["user", "enable", "ada"], "there is no account ada"),
        (&["user", "set-password", "ada"], "there is no account ada"),
        (&["user", "require-mfa", "ada"], "there is no account ada"),
        (&["user", "reset-mfa", "ada"], "there is no account ada"),
        (&["client", "show", "app"], "there is no client app; `countersign client list` shows all"),
        (&["client", "set", "app", "--name", "App"], "there is no client app"),
        (&["client", "remove", "app"], "there is no client app"),
        (&["client", "rotate-secret", "app"], "there is no client app"),
        (&["api", "remove", "https://api.example"], "there is no API https://api.example; `countersign api list`"),
    ] {
        machine.run(command).assert_fails(words);
        machine.run(&[command, &["--json"]].concat()).assert_fails(words);
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_told_with_status_2() {
    let machine = Machine::new().await;
    for (command, words) in [
        (&["sreve"] as &[&str], "sreve"),
        (&["user"], "Usage"),
        (&["user", "add"], "<EMAIL>"),
        (&["user", "set", "ada"], "<CLAIM=VALUE>"),
        (&["user", "add", "ada"], "mail address"),
        (&["user", "add", "x@example.com", "--username", "a b"], "user name"),
        (&["user", "add", "x@example.com", "--username", "a@b"], "user name"),
        (&["user", "add", "x@example.com", "--name", &"x".repeat(1_001)], "1,000 characters"),
        (&["user", "add", "x@example.com", "--role", "a,b"], "a role is"),
        (&["user", "add", "x@example.com", "--role", ""], "a role is"),
        (&["user", "set", "ada", "nonsense"], "write it as CLAIM=VALUE"),
        (&["user", "set", "ada", "sub=x"], "\"sub\" is not a claim that can be set; known are: "),
        (&["user", "set", "ada", "email_verified=perhaps"], "email_verified must be true or false"),
        (&["user", "set", "ada", "picture=javascript:alert(1)"], "picture must be"),
        (&["user", "set", "ada", "email="], "email must be a mail address"),
        (&["user", "set", "ada", "username=a b"], "user name"),
        (&["user", "set", "ada", "roles=a b"], "a role is"),
        (&["user", "list", "--all"], "--all"),
        (&["client", "add"], "<ID>"),
        (&["client", "add", "a b"], "printable ASCII"),
        (&["client", "add", ""], "printable ASCII"),
        (&["client", "add", "app", "--name", " "], "1 to 200 characters"),
        (&["client", "add", "app", "--redirect-uri", "https://app.example/cb#part"], "fragment"),
        (&["client", "add", "app", "--redirect-uri", "http://app.example/cb"], "use https"),
        (&["client", "add", "app", "--redirect-uri", "javascript:alert(1)"], "private-use scheme"),
        (&["client", "add", "app", "--post-logout-redirect-uri", "/bye"], "absolute"),
        (&["client", "add", "app", "--origin", "https://app.example/path"], "not a web origin"),
        (&["client", "add", "app", "--auth-method", "password"], "password"),
        (&["client", "add", "app", "--auth-signing-alg", "none"], "none"),
        (&["client", "add", "app", "--grant", "device_code"], "device_code"),
        (&["client", "add", "app", "--response-type", "token"], "token"),
        (&["client", "add", "app", "--scope", "a b"], "--scope"),
        (&["client", "add", "app", "--logo-uri", "data:image/png,"], "data:image/png,"),
        (&["client", "add", "app", "--backchannel-logout-uri", "http://app.example/out"], "use https"),
        (&["client", "add", "app", "--frontchannel-logout-uri", "https://app.example/out#part"], "fragment"),
        (&["client", "set", "app", "--enabled", "perhaps"], "perhaps"),
        (&["api", "add", "https://api.example"], "--scope"),
        (&["api", "add", "journal", "--scope", "read=Read"], "absolute URI"),
        (&["api", "add", "https://api.example/#part", "--scope", "read=Read"], "absolute URI"),
        (&["api", "add", "https://api.example", "--scope", "bad"], "NAME=TEXT"),
        (&["api", "add", "https://api.example", "--scope", "read= "], "NAME=TEXT"),
        (&["api", "add", "https://api.example", "--scope", "a b=Read"], "\"a b\""),
        (&["api", "add", "https://api.example", "--scope", "openid=Mine"], "belongs to the provider itself"),
        (&["key", "rotate", "--soon"], "--soon"),
        (&["config"], "Usage"),
        (&["config", "print"], "print"),
    ] {
        machine.run(command).assert_misused(words);
    }
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test]
async fn help_and_version_need_nothing() {
    let machine = Machine::new().await.with("DATABASE__URL", "rubbish");
    assert!(machine.run(&["--version"]).assert_ok().starts_with("countersign "));
    for command in ["serve", "migrate", "config", "user", "client", "api", "key"] {
        assert!(machine.run(&["--help"]).assert_ok().contains(command));
        machine.run(&[command, "--help"]).assert_ok();
    }
}
