//! The audit trail: a row for every authentication and token event, in the transaction of its effect, that names people to
//! nobody but the holder of their key.

use chrono::TimeDelta;
use countersign::{domain::user::User, login, store::link::LinkPurpose};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use crate::harness::{AuditRow, Browser, PASSWORD, Server, authorize_path, basic, claims, confidential};

const ADA: &str = "ada@example.com";
const ADDRESS: &str = "192.0.2.1";

/// A provider with an app that may do everything, and a person.
async fn start() -> (Server, User) {
    let server = Server::start().await;
    let app = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types.insert(GrantType::ClientCredentials);
    });
    server.add_client("app", app).await;
    let ada = server.add_user(ADA, Some("ada")).await;
    (server, ada)
}

/// Reads on where it stopped.
struct Trail<'a> {
    server: &'a Server,
    read: usize,
}

impl<'a> Trail<'a> {
    fn of(server: &'a Server) -> Self {
        Self { server, read: 0 }
    }

    async fn next(&mut self) -> Vec<AuditRow> {
        let rows = self.server.database.audit_rows().await.split_off(self.read);
        self.read += rows.len();
        rows
    }

    /// Asserts what happened since: each kind with who and what it names. The rows, for more.
    async fn assert_next(&mut self, expected: &[(&str, &str)]) -> Vec<AuditRow> {
        let rows = self.next().await;
        let found: Vec<_> = rows.iter().map(|row| (row.kind.as_str(), named(row))).collect();
        let expected: Vec<_> = expected.iter().map(|(kind, named)| (*kind, (*named).to_owned())).collect();
        assert_eq!(found, expected);
        for row in &rows {
            assert_eq!((row.leaf, row.at), (None, self.server.clock.now()), "{row:?}");
        }
        rows
    }
}

/// Which ids a row has.
fn named(row: &AuditRow) -> String {
    let ids = [("user", &row.user_id), ("client", &row.client_id), ("session", &row.sid), ("grant", &row.gid)];
    ids.iter().filter(|(_, id)| id.is_some()).map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

fn detail(row: &AuditRow) -> Value {
    serde_json::from_str(&row.detail).unwrap()
}

async fn try_password(browser: &mut Browser<'_>, name: &str, password: &str) {
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", name), ("password", password)]).await;
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

#[tokio::test]
async fn every_sign_in_and_every_end_of_one() {
    let (server, ada) = start().await;
    let mut trail = Trail::of(&server);
    let mut browser = server.browser();

    try_password(&mut browser, ADA, "wrong").await;
    let row = trail.assert_next(&[("login.failed", "user")]).await.remove(0);
    assert_eq!(row.user_id.as_deref(), Some(ada.id.as_str()));
    try_password(&mut browser, "nobody", "wrong").await;
    trail.assert_next(&[("login.failed", "")]).await;
    for _ in 0..4 {
        try_password(&mut browser, ADA, "wrong").await;
    }
    trail.next().await;
    try_password(&mut browser, ADA, PASSWORD).await;
    trail.assert_next(&[("login.throttled", "user")]).await;

    server.advance(TimeDelta::hours(1));
    try_password(&mut browser, ADA, PASSWORD).await;
    let row = trail.assert_next(&[("login.succeeded", "user session")]).await.remove(0);
    assert_eq!(detail(&row), json!({ "amr": ["pwd"] }));

    server.add_user("bob@example.com", None).await;
    try_password(&mut browser, "bob@example.com", PASSWORD).await;
    let rows = trail.assert_next(&[("session.ended", "user session"), ("login.succeeded", "user session")]).await;
    assert_eq!((&rows[0].sid, detail(&rows[0])), (&row.sid, json!({ "reason": "replaced" })));

    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await;
    let ended = trail.assert_next(&[("session.ended", "user session")]).await.remove(0);
    assert_eq!((&ended.sid, detail(&ended)), (&rows[1].sid, json!({ "reason": "logout" })));

    try_password(&mut browser, ADA, PASSWORD).await;
    trail.next().await;
    server.advance(TimeDelta::hours(24));
    server.keep_house().await;
    let ended = trail.assert_next(&[("session.ended", "user session")]).await.remove(0);
    assert_eq!((detail(&ended), ended.personal), (json!({ "reason": "expired" }), None));
}

#[tokio::test]
async fn every_step_from_consent_to_revocation() {
    let (server, ada) = start().await;
    let mut trail = Trail::of(&server);
    let mut browser = server.browser();
    let login = browser.authorize("app", &[("scope", "openid email")]).await;
    let consent = browser.log_in(&login, ADA).await;
    trail.assert_next(&[("login.succeeded", "user session")]).await;

    browser.submit(&consent, &[("deny", "1")]).await;
    trail.assert_next(&[("consent.denied", "user client session")]).await;
    let code = browser.submit(&consent, &[("approve", "1")]).await.assert_code();
    let rows =
        trail.assert_next(&[("consent.granted", "user client session"), ("code.issued", "user client session grant")]);
    let rows = rows.await;
    for row in &rows {
        assert_eq!(detail(row), json!({ "scope": "email openid" }));
        assert_eq!(row.user_id.as_deref(), Some(ada.id.as_str()));
        assert_eq!(row.client_id.as_deref(), Some("app"));
    }
    let grant = rows[1].gid.clone();

    let tokens = server.exchange("app", &code).await.json();
    let row = trail.assert_next(&[("code.exchanged", "user client session grant")]).await.remove(0);
    let token = claims(text(&tokens, "access_token"));
    assert_eq!(detail(&row), json!({ "jti": token["jti"], "scope": "email openid" }));
    assert_eq!((row.gid.as_deref(), &row.gid), (token["gid"].as_str(), &grant));

    let newer = server.refresh("app", text(&tokens, "refresh_token")).await.json();
    let row = trail.assert_next(&[("token.refreshed", "user client session grant")]).await.remove(0);
    assert_eq!(detail(&row)["jti"], claims(text(&newer, "access_token"))["jti"]);

    server.revoke("app", text(&newer, "access_token")).await;
    let row = trail.assert_next(&[("token.revoked", "user client grant")]).await.remove(0);
    assert_eq!(detail(&row)["jti"], claims(text(&newer, "access_token"))["jti"]);
    server.refresh("app", text(&tokens, "refresh_token")).await.assert_error(400, "invalid_grant");
    trail.assert_next(&[("refresh_token.replayed", "user client session grant")]).await;
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    trail.assert_next(&[("code.replayed", "user client session grant")]).await;
    server.revoke("app", text(&newer, "refresh_token")).await;
    let row = trail.assert_next(&[("token.revoked", "user client session grant")]).await.remove(0);
    assert_eq!(row.gid, grant);
}

#[tokio::test]
async fn every_token_that_a_client_gets_or_is_refused() {
    let (server, _) = start().await;
    let mut trail = Trail::of(&server);
    let answer = server.token("app", &[("grant_type", "client_credentials")]).await.json();
    let row = trail.assert_next(&[("client_token.issued", "client")]).await.remove(0);
    assert_eq!(detail(&row)["jti"], claims(text(&answer, "access_token"))["jti"]);
    let wrong = [("authorization", &*basic("app", "wrong"))];
    server.post("/token", &wrong, &[("grant_type", "client_credentials")]).await.assert_error(401, "invalid_client");
    trail.assert_next(&[("client.authentication_failed", "client")]).await;
}

#[tokio::test]
async fn every_link_and_what_was_done_by_it() {
    let (server, ada) = start().await;
    let mut trail = Trail::of(&server);
    let administrator = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    trail.assert_next(&[("link.issued", "")]).await;
    let password = server.issue_link(&LinkPurpose::ChoosePassword(ada.id)).await;
    trail.assert_next(&[("link.issued", "user")]).await;

    let mut browser = server.browser();
    let page = browser.open(&administrator).await;
    browser.submit(&page, &[("email", "root@example.com"), ("password", PASSWORD)]).await;
    trail.assert_next(&[("administrator.created", "user")]).await;

    try_password(&mut server.browser(), ADA, PASSWORD).await;
    trail.next().await;
    let page = browser.open(&password).await;
    browser.submit(&page, &[("password", "another battery staple")]).await;
    let rows = trail.assert_next(&[("session.ended", "user session"), ("password.changed", "user")]).await;
    assert_eq!(detail(&rows[0]), json!({ "reason": "password_changed" }));
}

/// Takes the audit trail away, so that no event can be written.
async fn take_trail_away(server: &Server) {
    server.database.execute("ALTER TABLE audit_event RENAME TO audit_event_away").await;
}

async fn bring_trail_back(server: &Server) {
    server.database.execute("ALTER TABLE audit_event_away RENAME TO audit_event").await;
}

#[tokio::test]
async fn without_its_row_nothing_happens_and_everything_can_be_tried_again() {
    let (server, ada) = start().await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;

    take_trail_away(&server).await;
    browser.log_in(&login, ADA).await.assert_page(503);
    assert_eq!(server.count("session").await, 0);
    bring_trail_back(&server).await;
    let consent = browser.log_in(&login, ADA).await;

    take_trail_away(&server).await;
    browser.submit(&consent, &[("approve", "1")]).await.assert_page(503);
    assert_eq!(server.count("consent").await, 0);
    bring_trail_back(&server).await;
    let code = browser.submit(&consent, &[("approve", "1")]).await.assert_code();

    take_trail_away(&server).await;
    browser.get(&authorize_path("app", &[])).await.assert_page(503);
    assert_eq!((server.count("person_grant").await, server.count("authorization_code").await), (1, 1));
    server.exchange("app", &code).await.assert_error(503, "temporarily_unavailable");
    assert_eq!(server.count("refresh_token").await, 0);
    let on_its_own = server.token("app", &[("grant_type", "client_credentials")]).await;
    on_its_own.assert_error(503, "temporarily_unavailable");
    bring_trail_back(&server).await;
    let tokens = server.exchange("app", &code).await.json();

    take_trail_away(&server).await;
    let refreshed = server.refresh("app", text(&tokens, "refresh_token")).await;
    refreshed.assert_error(503, "temporarily_unavailable");
    assert_eq!(server.count("refresh_token").await, 1);
    let revoked = server.revoke("app", text(&tokens, "access_token")).await;
    revoked.assert_error(503, "temporarily_unavailable");
    assert_eq!(server.count("revocation").await, 0);
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await.assert_page(503);
    assert_eq!(server.count("session WHERE ended_at IS NULL").await, 1);
    let mut tx = server.app.store.write().await.unwrap();
    let purpose = LinkPurpose::ChoosePassword(ada.id);
    login::link::issue(&server.app, &mut tx, &purpose, server.clock.now()).await.unwrap();
    assert!(tx.commit().await.is_err());
    assert_eq!(server.count("link").await, 0);
    bring_trail_back(&server).await;
    assert_eq!(server.refresh("app", text(&tokens, "refresh_token")).await.status, 200);
}

#[tokio::test]
async fn what_names_a_person_is_sealed_under_a_key_of_their_own() {
    let (server, ada) = start().await;
    server.add_user("bob@example.com", None).await;
    for name in [ADA, "bob@example.com"] {
        try_password(&mut server.browser(), name, PASSWORD).await;
        try_password(&mut server.browser(), name, "what she typed").await;
    }
    try_password(&mut server.browser(), "who nobody is", "wrong").await;
    let rows = server.database.audit_rows().await;
    assert_eq!(rows.len(), 5);
    for row in rows {
        let stored = format!("{row:?}");
        let personal = String::from_utf8_lossy(row.personal.as_ref().unwrap()).into_owned();
        for word in [ADA, "bob@", "what she typed", "who nobody is", PASSWORD, ADDRESS] {
            assert!(!stored.contains(word) && !personal.contains(word), "{word}: {stored}");
        }
    }
    let addresses = async || {
        let events = server.audit(5).await;
        events.into_iter().map(|event| event.personal.and_then(|personal| personal.address)).collect::<Vec<_>>()
    };
    assert_eq!(addresses().await, vec![Some(ADDRESS.to_owned()); 5]);

    // Without her key hers alone are dark: neither Bob's key nor ours opens them.
    server.database.execute(&format!("DELETE FROM audit_key WHERE user_id = '{}'", ada.id)).await;
    let known = Some(ADDRESS.to_owned());
    assert_eq!(addresses().await, [known.clone(), known.clone(), known, None, None]);
}

#[tokio::test]
async fn sealed_detail_belongs_to_its_account() {
    let (server, _) = start().await;
    let bob = server.add_user("bob@example.com", None).await;
    for name in [ADA, "bob@example.com"] {
        try_password(&mut server.browser(), name, PASSWORD).await;
    }
    server.database.execute(&format!("UPDATE audit_event SET user_id = '{}'", bob.id)).await;
    let events = server.audit(2).await;
    assert!(events[0].personal.is_some() && events[1].personal.is_none());
}
