//! `countersign key rekey`: another master key, beside running servers.

use countersign::{
    admin::verify_audit::verify,
    domain::{client::StoredSecret, mail::Mail},
    jobs::seal_audit,
    login::mail::{self, Recipient},
    store::client,
};
use countersign_types::{ClientAuthMethod, ClientId};
use serde_json::json;

use super::machine::Machine;
use crate::harness::{Authenticator, SECRET, Server, confidential};

const ADA: &str = "ada@example.com";
const OLD: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const NEW: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

/// The files of two master keys.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let keys = Self(tempfile::tempdir().unwrap());
        for (name, text) in [("old", OLD), ("new", NEW)] {
            std::fs::write(keys.path(name), text).unwrap();
            std::fs::set_permissions(keys.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        keys
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The settings of a node: which of the two it has as what.
    fn settings(&self, files: &[(&str, &str)]) -> String {
        let lines = files.iter().map(|(setting, name)| format!("keys.{setting} = '{}'", self.path(name)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Something of everything that is sealed.
async fn fill(server: &Server) -> Authenticator {
    let ada = server.add_user(ADA, None).await;
    server.add_client("jwt", confidential(ClientAuthMethod::ClientSecretJwt, |_| {})).await;
    // One event that concerns an account, and one that does not.
    server.browser().give_password(ADA).await;
    let authenticator = server.enrol(&ada).await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", "nobody"), ("password", "wrong password")]).await;
    seal_audit::run(&server.app).await.unwrap();
    server.deliver_mails().await;
    queue(server).await;
    authenticator
}

async fn queue(server: &Server) {
    let mut tx = server.app.store.write().await.unwrap();
    mail::queue(&server.app, &mut tx, &Recipient::at(ADA), &Mail::PasswordChanged, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Uses all of it.
async fn assert_whole(server: &Server, authenticator: &Authenticator) {
    let before = server.mails().await.len();
    server.deliver_mails().await;
    assert!(server.mails().await.len() > before, "jobs");
    server.advance(chrono::TimeDelta::seconds(60));
    let mut browser = server.browser();
    let page = browser.give_password(ADA).await;
    browser.submit(&page, &[("code", &server.code_of(authenticator))]).await.assert_page(200);
    assert!(browser.is_signed_in().await, "second factors");
    let client =
        client::find(&mut server.app.store.read().await.unwrap(), &ClientId::new("jwt")).await.unwrap().unwrap();
    let Some(StoredSecret::Encrypted(sealed)) = &client.secret else { panic!("{client:?}") };
    assert_eq!(server.app.keys.client_secret.open(sealed, b"jwt").unwrap(), SECRET.as_bytes());
    let events = server.audit(100).await;
    assert!(events.iter().all(|event| event.kind != "login.failed" || event.personal.is_some()), "{events:?}");
    assert!(events.iter().any(|event| event.kind == "login.failed"));
    seal_audit::run(&server.app).await.unwrap();
    assert_eq!(verify(&server.app, &[], None).await.unwrap().problems, []);
}

#[tokio::test]
async fn another_master_key_takes_over_without_anything_being_lost() {
    let keys = Keys::new();
    let server = Server::with_settings(&keys.settings(&[("master_file", "old")])).await;
    let authenticator = fill(&server).await;
    let kids = server.get("/.well-known/jwks.json").await.text();

    // Every node learns the new one; then each takes it, one after the other.
    let first = keys.settings(&[("master_file", "old"), ("next_master_file", "new")]);
    let second = keys.settings(&[("master_file", "new"), ("previous_master_file", "old")]);
    let server = server.restart_with(&first).await;
    let swapped = server.beside_with(&second).await;
    queue(&swapped).await;
    assert_whole(&server, &authenticator).await;
    // A page that the one showed comes back to the other.
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let mut elsewhere = crate::harness::Browser::with_cookies(&swapped, browser.cookies.clone());
    elsewhere.submit(&page, &[("username", ADA), ("password", crate::harness::PASSWORD)]).await.assert_code_page();
    queue(&server).await;
    assert_whole(&swapped, &authenticator).await;
    queue(&server).await;

    // Beside a server that runs.
    let machine = Machine::beside(&server).with("KEYS__MASTER_FILE", &keys.path("new"));
    machine.run(&["key", "rekey"]).assert_fails("was sealed under another master key");
    let machine = machine.with("KEYS__PREVIOUS_MASTER_FILE", &keys.path("old"));
    let told = machine.json(&["key", "rekey"]);
    assert_eq!(
        (&told["signing_keys"], &told["client_secrets"], &told["second_factors"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!((&told["audit_keys"], &told["jobs"]), (&json!(2), &json!(1)));
    let again = json!({ "signing_keys": 0, "encryption_keys": 0, "issuer_secrets": 0, "client_secrets": 0, "second_factors": 0, "audit_keys": 0, "jobs": 0 });
    assert_eq!(machine.json(&["key", "rekey"]), again);
    swapped.follow_changes().await;
    assert_whole(&swapped, &authenticator).await;

    // And the old one is not needed any more.
    drop(server);
    queue(&swapped).await;
    let server = swapped.restart_with(&keys.settings(&[("master_file", "new")])).await;
    assert_whole(&server, &authenticator).await;
    assert_eq!(server.get("/.well-known/jwks.json").await.text(), kids);
}

#[tokio::test]
async fn a_file_that_is_no_key_stops_the_start_and_is_named() {
    let machine = Machine::migrated().await.with("KEYS__PREVIOUS_MASTER_FILE", "nowhere.key");
    machine.run(&["key", "rekey"]).assert_fails("nowhere.key");
}
