//! `countersign key`.

use chrono::{DateTime, TimeDelta, Utc};
use countersign_jose::{Algorithm, PrivateKey};
use serde_json::{Value, json};

use super::{machine::Machine, running::Running};
use crate::harness::jose_header;

fn states(machine: &Machine) -> Vec<(Value, Value)> {
    let keys = machine.json(&["key", "list"]);
    keys.as_array().unwrap().iter().map(|key| (key["kid"].clone(), key["state"].clone())).collect()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

async fn published(server: &Running, kid: &Value) -> bool {
    server.get("/.well-known/jwks.json").await.1.contains(kid.as_str().unwrap())
}

#[tokio::test]
async fn a_new_key_is_published_now_and_signs_one_cache_time_later() {
    let machine = Machine::migrated().await;
    assert_eq!(machine.json(&["key", "list"]), json!([]));
    // Of the first key nobody can have cached anything.
    let first = machine.json(&["key", "rotate"])["kid"].clone();
    assert_eq!(states(&machine), [(first.clone(), json!("signing"))]);

    let second = machine.json(&["key", "rotate"])["kid"].clone();
    let mut both = states(&machine);
    both.sort_by_key(|(_, state)| state.to_string());
    assert_eq!(both, [(second.clone(), json!("published")), (first, json!("signing"))]);
    let listed = machine.json(&["key", "list"]);
    let listed = listed.as_array().unwrap().iter().find(|key| key["kid"] == second).unwrap();
    assert_eq!(listed["algorithm"], json!("RS256"));
    assert_eq!(
        time(&listed["signs_from"]) - time(&listed["published_at"]),
        TimeDelta::hours(1) + TimeDelta::seconds(11)
    );

    let text = machine.run(&["key", "list"]).assert_ok();
    assert!(text.contains("SIGNS FROM") && text.contains("published") && text.contains(second.as_str().unwrap()));
}

#[tokio::test]
async fn nothing_of_a_private_key_is_printed() {
    let machine = Machine::migrated().await;
    let rotated = machine.json(&["key", "rotate"]);
    assert_eq!(rotated.as_object().unwrap().keys().collect::<Vec<_>>(), ["kid", "signs_from"]);
    let listed = machine.json(&["key", "list"]);
    let names: std::collections::BTreeSet<_> = listed[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["algorithm", "compromised_at", "kid", "published_at", "retired_at", "signs_from", "state"]
    );
}

#[tokio::test]
async fn a_running_server_publishes_a_new_key_soon_and_signs_with_it_when_it_is_urgent() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let secret = machine.json(&["client", "add", "app", "--grant", "client_credentials"])["client_secret"].clone();
    let signing_kid = async || {
        let (_, answer) = server.client_token("app", secret.as_str().unwrap()).await;
        jose_header(answer["access_token"].as_str().unwrap())["kid"].clone()
    };
    let (first, _) = states(&machine).remove(0);

    let second = machine.json(&["key", "rotate"])["kid"].clone();
    server.soon(async || published(&server, &second).await).await;
    assert_eq!(signing_kid().await, first);

    let urgent = machine.json(&["key", "rotate", "--now"])["kid"].clone();
    server.soon(async || signing_kid().await == urgent).await;
    assert!(published(&server, &first).await, "tokens that it signed are still about");
}

#[tokio::test]
async fn a_running_server_forgets_a_compromised_key_soon() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let (leaked, _) = states(&machine).remove(0);
    let kid = leaked.as_str().unwrap();
    machine.run(&["key", "rotate", "--compromised", kid]).assert_misused("--now");
    machine
        .run(&["key", "rotate", "--now", "--compromised", "no-such-key"])
        .assert_fails("there is no key no-such-key");
    let text = machine.run(&["key", "rotate", "--now", "--compromised", kid]).assert_ok();
    assert!(text.contains("Nothing that") && text.contains(kid), "{text}");
    server.soon(async || !published(&server, &leaked).await).await;
    assert!(states(&machine).contains(&(leaked.clone(), json!("compromised"))));
    machine.run(&["key", "rotate", "--now", "--compromised", kid]).assert_fails("compromised already");
}

#[tokio::test]
async fn keys_come_from_files_and_go_before_they_sign() {
    let machine = Machine::migrated().await;
    let first = machine.json(&["key", "rotate"])["kid"].clone();
    let jwk = PrivateKey::generate(Algorithm::RS256).unwrap();
    std::fs::write(machine.folder().join("key.json"), jwk.to_jwk_bytes()).unwrap();
    let imported = machine.json(&["key", "import", "key.json"])["kid"].clone();
    assert_eq!(imported, json!(jwk.kid()));
    assert!(states(&machine).contains(&(imported.clone(), json!("published"))));
    machine.run(&["key", "import", "key.json"]).assert_fails("is there already");
    machine.run(&["key", "import", "none.json"]).assert_fails("none.json cannot be read");
    machine.run(&["key", "retire", first.as_str().unwrap()]).assert_fails("is signing");
    machine.run(&["key", "retire", jwk.kid()]).assert_ok();
    let expected = [(first, json!("signing")), (imported, json!("retired"))];
    assert!(expected.iter().all(|state| states(&machine).contains(state)), "{:?}", states(&machine));
}
