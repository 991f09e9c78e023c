//! What an operator ends on the command line, a running server tells the apps.

use countersign_types::ClientAuthMethod;
use serde_json::Value;

use super::machine::Machine;
use crate::harness::{RelyingParty, Server, claims, confidential};

const ADA: &str = "ada@example.com";

async fn start() -> (Server, RelyingParty, Machine) {
    let (server, party) = (Server::in_real_time().await, RelyingParty::start().await);
    let app = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
        app.backchannel_logout_uri = Some(party.uri("/out").parse().unwrap());
    });
    server.add_client("app", app).await;
    server.add_user(ADA, None).await;
    let machine = Machine::beside(&server);
    (server, party, machine)
}

/// The `sid` of a sign-in to the app.
async fn sign_in(server: &Server) -> Value {
    let tokens = server.sign_in("app", ADA, "openid offline_access").await;
    claims(tokens["id_token"].as_str().unwrap())["sid"].clone()
}

/// The sessions of which the app has heard.
async fn heard(server: &Server, party: &RelyingParty) -> Vec<Value> {
    server.advance(chrono::TimeDelta::seconds(60));
    server.deliver_mails().await;
    let mut heard: Vec<_> = party.posted().iter().map(|posted| claims(&posted.logout_token())["sid"].clone()).collect();
    heard.sort_by_key(Value::to_string);
    heard
}

#[tokio::test]
async fn a_sign_in_that_is_revoked() {
    let (server, party, machine) = start().await;
    let sid = sign_in(&server).await;
    sign_in(&server).await;
    machine.json(&["session", "revoke", sid.as_str().unwrap()]);
    assert_eq!(heard(&server, &party).await, [sid]);
}

#[tokio::test]
async fn a_person_who_is_disabled() {
    let (server, party, machine) = start().await;
    let mut sids = vec![sign_in(&server).await, sign_in(&server).await];
    sids.sort_by_key(Value::to_string);
    machine.json(&["user", "disable", ADA]);
    assert_eq!(heard(&server, &party).await, sids);
}

#[tokio::test]
async fn all_of_everybody() {
    let (server, party, machine) = start().await;
    let sid = sign_in(&server).await;
    machine.json(&["session", "revoke", "--all"]);
    assert_eq!(heard(&server, &party).await, [sid]);
}
