//! `countersign doctor`.

use std::collections::BTreeMap;

use countersign::clock::Clock;
use serde_json::Value;

use super::{machine::Machine, running::free_port};
use crate::harness::{SelfSigned, Smtp, TestRedis};

/// What was looked at: the result, and the words.
type Findings = BTreeMap<String, (String, String)>;

fn findings(printed: &str) -> Findings {
    let printed: Value = serde_json::from_str(printed).unwrap();
    let text = |found: &Value, name: &str| found[name].as_str().unwrap().to_owned();
    let found = printed.as_array().unwrap().iter();
    found.map(|found| (text(found, "check"), (text(found, "result"), text(found, "finding")))).collect()
}

/// Looks at a machine where something is bad: the findings, and what is said at the end.
fn bad(machine: &Machine) -> (Findings, String) {
    let outcome = machine.run(&["doctor", "--json"]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    (findings(&outcome.stdout), outcome.stderr.clone())
}

#[track_caller]
fn assert_found(findings: &Findings, check: &str, result: &str, words: &str) {
    let (found, said) = &findings[check];
    assert!(found == result && said.contains(words), "{check}: {found}: {said}");
}

#[tokio::test]
async fn where_all_is_well_it_says_so() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let printed = machine.run(&["doctor", "--json"]).assert_ok();
    let found = findings(&printed);
    for check in ["settings", "master key", "database", "clock", "signing keys", "mail", "issuer"] {
        assert_found(&found, check, "good", "");
    }
    assert_found(&found, "redis", "skipped", "redis.url is not set");
    assert_found(&found, "administrator", "doubtful", "user admin-link");
    let table = machine.run(&["doctor"]).assert_ok();
    assert!(table.starts_with("CHECK") && table.contains("openid-configuration answers"), "{table}");
    drop(server);
    // Nobody runs now, which may be as it should.
    assert_found(
        &findings(&machine.run(&["doctor", "--json"]).assert_ok()),
        "issuer",
        "doubtful",
        "does the server run",
    );
}

#[tokio::test]
async fn what_does_not_work_is_bad_and_says_what_to_do() {
    let machine = Machine::migrated().await;
    machine.run(&["key", "rotate"]).assert_ok();
    let machine = machine.with("REDIS__URL", "redis://127.0.0.1:1");
    let machine = machine.with("MAIL__URL", "smtp://127.0.0.1:1?tls=none").with("MAIL__FROM", "a@example.com");
    let (found, said) = bad(&machine);
    assert_found(&found, "redis", "bad", "redis.url");
    assert_found(&found, "mail", "bad", "");
    assert!(said.contains("2 of 11 checks"), "{said}");

    machine.execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
    assert_found(&bad(&machine).0, "database", "bad", "countersign migrate");
}

#[tokio::test]
async fn a_clock_that_is_behind_what_was_recorded_is_found() {
    let machine = Machine::migrated().await;
    machine.run(&["user", "add", "ada@example.com"]).assert_ok();
    machine.execute("UPDATE audit_event SET at = '2999-01-01T00:00:00+00:00'").await;
    if machine.setting("DATABASE__URL").starts_with("sqlite:") {
        assert_found(&bad(&machine).0, "clock", "bad", "behind what was recorded last");
    } else {
        // The database's clock says which of the two is wrong.
        let found = findings(&machine.run(&["doctor", "--json"]).assert_ok());
        assert_found(&found, "clock", "doubtful", "events were recorded by one that was");
    }
}

#[tokio::test]
async fn another_master_key_is_found() {
    let machine = Machine::migrated().await;
    machine.run(&["key", "rotate"]).assert_ok();
    machine.write_master_key("others", "YSBtYXN0ZXIga2V5IG9mIHRoaXJ0eS10d28gYnl0ZXM=");
    let machine = machine.with("KEYS__DIR", "others");
    let (found, _) = bad(&machine);
    assert_found(&found, "master key", "bad", "keys.master_file");
    assert_found(&found, "signing keys", "bad", "");
}

#[tokio::test]
async fn without_a_database_everything_else_is_still_looked_at() {
    let machine = Machine::migrated().await;
    let machine = machine.with("DATABASE__URL", "postgres://nobody@127.0.0.1:1/none");
    let (found, _) = bad(&machine);
    assert_found(&found, "database", "bad", "");
    for check in ["clock", "signing keys", "administrator", "master key"] {
        assert_found(&found, check, "skipped", "the database does not answer");
    }
    assert_found(&found, "settings", "good", "issuer http://localhost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_is_greeted_and_sent_nothing() {
    let smtp = Smtp::start().await;
    let machine = Machine::migrated().await;
    let set =
        |machine: Machine, (name, value): (&str, String)| machine.with(name.trim_start_matches("COUNTERSIGN_"), &value);
    let machine = smtp.variables().into_iter().fold(machine, set);
    let printed = machine.run(&["doctor", "--json"]).assert_ok();
    assert_found(&findings(&printed), "mail", "good", "takes our connection");
    assert!(smtp.taken().is_empty());
}

#[tokio::test]
async fn an_algorithm_that_a_client_wants_and_nothing_signs_by_is_found() {
    let machine = Machine::migrated().await.with("KEYS__ALGORITHMS", "RS256,ES256");
    for algorithm in ["RS256", "ES256"] {
        machine.run(&["key", "rotate", "--now", "--algorithm", algorithm]).assert_ok();
    }
    let add = ["client", "add", "app", "--redirect-uri", "https://app.example/cb", "--id-token-alg", "ES256"];
    machine.run(&add).assert_ok();
    let found = findings(&machine.run(&["doctor", "--json"]).assert_ok());
    assert_found(&found, "signing keys", "good", "ES256 since ");
    let machine = machine.with("KEYS__ALGORITHMS", "RS256,PS256");
    assert_found(&bad(&machine).0, "signing keys", "bad", "the client app wants ES256");
    machine.run(&["client", "set", "app", "--id-token-alg", "RS256"]).assert_ok();
    let found = findings(&machine.run(&["doctor", "--json"]).assert_ok());
    assert_found(&found, "signing keys", "doubtful", "there is none for PS256 yet");
}

#[tokio::test]
async fn a_certificate_that_nobody_should_be_shown_is_found() {
    let (now, day) = (Clock::system().now().timestamp(), 24 * 3_600);
    let machine = Machine::migrated().await.with_tls(&SelfSigned::until("localhost", now + 30 * day + 60));
    let finding = |result: &str, words: &str| {
        let printed = machine.run(&["doctor", "--json"]);
        assert_found(&findings(&printed.stdout), "certificate", result, words);
    };
    finding("good", "is valid for 30 more days");
    SelfSigned::until("localhost", now + 3 * day + 60).write(machine.folder());
    finding("doubtful", "for 3 more days: is it renewed?");
    SelfSigned::until("localhost", now - 60).write(machine.folder());
    finding("bad", "is no longer valid: renew it");
    SelfSigned::of("id.example").write(machine.folder());
    finding("bad", "is not for localhost");
    machine.write("tls.crt", "nothing");
    finding("bad", "tls.crt has no certificate as PEM");
}

#[tokio::test]
async fn redis_is_reached_by_tls_and_with_a_password() {
    let (machine, redis, port) = (Machine::migrated().await, TestRedis::own(), free_port());
    let files = SelfSigned::of("localhost").write(machine.folder());
    let (certificate, key) = (files.certificate_file.display(), files.key_file.display());
    let tls = format!("tls-cert-file {certificate} tls-key-file {key} tls-auth-clients no tls-port {port}");
    redis.run::<()>(&format!("CONFIG SET {tls} requirepass hunter2"));
    let finding = |password: &str, result: &str| {
        let mut command = machine.command(&["doctor", "--json"]);
        command.env("COUNTERSIGN_REDIS__URL", format!("rediss://:{password}@localhost:{port}"));
        let unknown = command.output().unwrap();
        let known = command.env("SSL_CERT_FILE", &files.certificate_file).output().unwrap();
        let found = |output: std::process::Output| findings(std::str::from_utf8(&output.stdout).unwrap());
        assert_found(&found(unknown), "redis", "bad", "does not answer");
        assert_found(&found(known), "redis", result, "");
    };
    finding("hunter2", "good");
    finding("hunter3", "bad");
}
