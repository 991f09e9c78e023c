//! `countersign client`.

use countersign_jose::{Algorithm, PrivateKey};
use serde_json::{Value, json};

use super::machine::Machine;

const REDIRECT: [&str; 2] = ["--redirect-uri", "https://app.example/cb"];
const SERVICE: [&str; 2] = ["--grant", "client_credentials"];

/// `client add app` with these arguments.
fn add(machine: &Machine, arguments: &[&str]) -> Value {
    machine.json(&[&["client", "add", "app"], arguments].concat())
}

fn show(machine: &Machine) -> Value {
    machine.json(&["client", "show", "app"])
}

fn write_keys(machine: &Machine) {
    let key = PrivateKey::generate(Algorithm::ES256).unwrap().public_jwk().to_value();
    machine.write("keys.json", &json!({ "keys": [key] }).to_string());
}

#[tokio::test]
async fn the_secret_is_printed_once() {
    let machine = Machine::migrated().await;
    let added = add(&machine, &REDIRECT);
    assert_eq!(added.as_object().unwrap().keys().collect::<Vec<_>>(), ["client_id", "client_secret"]);
    let secret = added["client_secret"].as_str().unwrap();
    assert_eq!(secret.len(), 43);
    for command in [&["client", "show", "app"] as &[&str], &["client", "list"], &["client", "list", "--json"]] {
        let text = machine.run(command).assert_ok();
        assert!(text.contains("app") && !text.contains(secret) && !text.contains("secret\":"), "{text}");
    }
    let text = machine.run(&[&["client", "add", "other"], &REDIRECT[..]].concat()).assert_ok();
    assert!(text.contains("client_secret: ") && text.contains("not shown again"), "{text}");
}

#[tokio::test]
async fn what_is_not_said_has_a_safe_default() {
    let machine = Machine::migrated().await;
    add(&machine, &REDIRECT);
    let mut shown = show(&machine);
    assert!(shown.as_object_mut().unwrap().remove("created_at").is_some());
    assert_eq!(
        shown,
        json!({
            "client_id": "app",
            "client_name": "app",
            "enabled": true,
            "registered_by": "operator",
            "application_type": "web",
            "token_endpoint_auth_method": "client_secret_basic",
            "redirect_uris": ["https://app.example/cb"],
            "post_logout_redirect_uris": [],
            "origins": [],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": "email offline_access openid profile",
            "subject_type": "public",
            "first_party": false,
            "pkce_exempt": false,
            "dpop_bound_access_tokens": false,
        })
    );
}

#[tokio::test]
async fn everything_that_is_said_is_kept() {
    let machine = Machine::migrated().await;
    machine.run(&["api", "add", "https://api.example", "--scope", "read=Read it"]).assert_ok();
    write_keys(&machine);
    let added = add(
        &machine,
        &[
            "--name",
            "The <App>",
            "--first-party",
            "--auth-method",
            "private_key_jwt",
            "--auth-signing-alg",
            "ES256",
            "--jwks",
            "keys.json",
            "--redirect-uri",
            "https://app.example/cb?x=1",
            "--redirect-uri",
            "com.example.app:/cb",
            "--post-logout-redirect-uri",
            "https://app.example/bye",
            "--origin",
            "https://spa.example",
            "--grant",
            "authorization_code",
            "--grant",
            "client_credentials",
            "--response-type",
            "code",
            "--scope",
            "openid",
            "--scope",
            "read",
            "--no-pkce",
            "--logo-uri",
            "https://app.example/logo.png",
            "--policy-uri",
            "https://app.example/policy",
            "--tos-uri",
            "https://app.example/terms",
            "--backchannel-logout-uri",
            "https://app.example/signed-out",
            "--backchannel-logout-session-required",
            "--frontchannel-logout-uri",
            "http://localhost:3000/signed-out",
            "--frontchannel-logout-session-required",
        ],
    );
    assert_eq!(added, json!({ "client_id": "app" }), "it has a key, so it needs no secret");
    let shown = show(&machine);
    for (name, value) in [
        ("client_name", json!("The <App>")),
        ("first_party", json!(true)),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_signing_alg", json!("ES256")),
        ("redirect_uris", json!(["https://app.example/cb?x=1", "com.example.app:/cb"])),
        ("post_logout_redirect_uris", json!(["https://app.example/bye"])),
        ("origins", json!(["https://spa.example"])),
        ("grant_types", json!(["authorization_code", "client_credentials"])),
        ("response_types", json!(["code"])),
        ("scope", json!("openid read")),
        ("pkce_exempt", json!(true)),
        ("logo_uri", json!("https://app.example/logo.png")),
        ("policy_uri", json!("https://app.example/policy")),
        ("tos_uri", json!("https://app.example/terms")),
        ("backchannel_logout_uri", json!("https://app.example/signed-out")),
        ("backchannel_logout_session_required", json!(true)),
        ("frontchannel_logout_uri", json!("http://localhost:3000/signed-out")),
        ("frontchannel_logout_session_required", json!(true)),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    assert_eq!(shown["jwks"]["keys"][0]["kty"], json!("EC"));
    assert!(shown["jwks"]["keys"][0].get("d").is_none());
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let machine = Machine::migrated().await;
    assert_eq!(add(&machine, &[&["--public"], &REDIRECT[..]].concat()), json!({ "client_id": "app" }));
    assert_eq!(show(&machine)["token_endpoint_auth_method"], json!("none"));
    machine.run(&["client", "rotate-secret", "app"]).assert_fails("the client app has no secret");
}

#[tokio::test]
async fn registrations_that_could_never_work_or_open_too_much_are_refused() {
    let machine = Machine::migrated().await;
    machine.write("empty.json", r#"{"keys":[]}"#);
    machine.write("broken.json", "{");
    for (arguments, words) in [
        (&["app"] as &[&str], "needs a --redirect-uri"),
        (&["app", "--grant", "", REDIRECT[0], REDIRECT[1]], "without any --grant"),
        (&["app", "--response-type", "", REDIRECT[0], REDIRECT[1]], "needs --response-type code"),
        (&["app", "--public", "--auth-method", "client_secret_post", REDIRECT[0], REDIRECT[1]], "public client cannot"),
        (&["app", "--public", "--grant", "client_credentials"], "public client cannot"),
        (&["app", "--public", "--no-pkce", REDIRECT[0], REDIRECT[1]], "public client cannot"),
        (&["app", "--auth-method", "private_key_jwt", REDIRECT[0], REDIRECT[1]], "--jwks FILE"),
        (
            &["app", "--auth-method", "private_key_jwt", "--jwks", "empty.json", REDIRECT[0], REDIRECT[1]],
            "no key that can verify",
        ),
        (&["app", "--auth-signing-alg", "RS256", REDIRECT[0], REDIRECT[1]], "--auth-signing-alg does not fit"),
        (&["app", "--public", "--secret-stdin", REDIRECT[0], REDIRECT[1]], "has no secret"),
    ] {
        machine.run(&[&["client", "add"], arguments].concat()).assert_misused(words);
    }
    for (option, value, words) in [
        ("--jwks", "none.json", "the key file none.json"),
        ("--jwks", "broken.json", "the key file broken.json"),
        ("--scope", "read", "no API owns the scope read"),
    ] {
        machine.run(&["client", "add", "app", option, value, REDIRECT[0], REDIRECT[1]]).assert_fails(words);
    }
    assert_eq!(machine.json(&["client", "list"]), json!([]));
    add(&machine, &REDIRECT);
    machine.run(&[&["client", "add", "app"], &REDIRECT[..]].concat()).assert_fails("there is a client app already");
}

#[tokio::test]
async fn what_is_set_replaces_what_was_there_and_the_rest_stays() {
    let machine = Machine::migrated().await;
    add(&machine, &[&["--first-party", "--name", "Before"], &REDIRECT[..]].concat());
    let before = show(&machine);
    let set = ["client", "set", "app", "--redirect-uri", "https://new.example/cb", "--first-party=false"];
    let changed = machine.json(&set);
    assert_eq!(changed["redirect_uris"], json!(["https://new.example/cb"]));
    assert_eq!(changed["first_party"], json!(false));
    assert_eq!((&changed["client_name"], &changed["scope"]), (&before["client_name"], &before["scope"]));
    assert_eq!(show(&machine), changed);
    assert_eq!(machine.json(&["client", "set", "app", "--enabled", "false"])["enabled"], json!(false));
    assert!(machine.run(&["client", "list"]).assert_ok().contains("disabled"));
}

#[tokio::test]
async fn an_empty_value_clears_what_was_registered() {
    let machine = Machine::migrated().await;
    write_keys(&machine);
    add(&machine, &REDIRECT);
    let before = show(&machine);
    let link = "https://app.example/";
    let cleared_by = [
        ("--logo-uri", link),
        ("--policy-uri", link),
        ("--tos-uri", link),
        ("--backchannel-logout-uri", link),
        ("--frontchannel-logout-uri", link),
        ("--post-logout-redirect-uri", link),
        ("--origin", link),
        ("--jwks", "keys.json"),
    ];
    let set = |options: &[(&str, &str)]| {
        let options: Vec<_> = options.iter().flat_map(|(option, value)| [*option, *value]).collect();
        machine.json(&[&["client", "set", "app"], &options[..]].concat())
    };
    let changed = set(&cleared_by);
    assert_eq!((&changed["logo_uri"], &changed["origins"]), (&json!(link), &json!(["https://app.example"])));
    assert_eq!(set(&cleared_by.map(|(option, _)| (option, ""))), before);
    // What would be of no use afterwards is not cleared.
    for (option, words) in [("--redirect-uri", "needs a --redirect-uri"), ("--grant", "without any --grant")] {
        machine.run(&["client", "set", "app", option, ""]).assert_fails(words);
    }
    assert_eq!(show(&machine), before);
}

#[tokio::test]
async fn a_change_that_would_leave_the_client_without_its_secret_is_refused() {
    let machine = Machine::migrated().await;
    add(&machine, &REDIRECT);
    let before = show(&machine);
    for method in ["none", "client_secret_jwt"] {
        let set = ["client", "set", "app", "--auth-method", method];
        machine.run(&set).assert_fails("remove the client and add it again");
    }
    machine.run(&["client", "set", "app", "--scope", "nobodys"]).assert_fails("no API owns the scope nobodys");
    assert_eq!(show(&machine), before);
    machine.run(&["client", "set", "app", "--auth-method", "client_secret_post"]).assert_ok();
}

#[tokio::test]
async fn a_removed_client_is_gone() {
    let machine = Machine::migrated().await;
    add(&machine, &REDIRECT);
    assert_eq!(machine.json(&["client", "remove", "app"]), json!({ "removed": "app" }));
    assert_eq!(machine.json(&["client", "list"]), json!([]));
}

#[tokio::test]
async fn imported_secrets_work_whether_weak_or_strong_and_are_not_repeated() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let strong = "0123456789abcdef0123456789abcdef";
    for (id, secret) in [("weak", "hunter2"), ("strong", strong)] {
        let add = ["client", "add", id, "--secret-stdin", SERVICE[0], SERVICE[1], "--json"];
        let added = machine.run_with_input(&add, &format!("{secret}\n")).json();
        assert_eq!(added, json!({ "client_id": id }));
        assert_eq!(server.client_token(id, secret).await.0, 200, "{id}");
        assert_eq!(server.client_token(id, "another").await.0, 401, "{id}");
    }
    let jwt = ["client", "add", "jwt", "--auth-method", "client_secret_jwt", "--secret-stdin", SERVICE[0], SERVICE[1]];
    machine.run_with_input(&jwt, "hunter2").assert_fails("at least 32 bytes");
    machine.run_with_input(&jwt, strong).assert_ok();
    machine.run_with_input(&["client", "rotate-secret", "weak", "--secret-stdin"], "").assert_fails("was empty");
}

#[tokio::test]
async fn a_running_server_sees_every_change_of_a_client_soon() {
    let machine = Machine::new().await;
    let server = machine.serve().await;
    let works = async |secret: &Value| server.client_token("app", secret.as_str().unwrap()).await.0 == 200;
    assert_eq!(server.client_token("app", "none").await.0, 401);

    let first = add(&machine, &SERVICE)["client_secret"].clone();
    server.soon(async || works(&first).await).await;
    let second = machine.json(&["client", "rotate-secret", "app"])["client_secret"].clone();
    assert_ne!(first, second);
    server.soon(async || works(&second).await && !works(&first).await).await;

    machine.run(&["client", "set", "app", "--enabled", "false"]).assert_ok();
    server.soon(async || !works(&second).await).await;
    machine.run(&["client", "set", "app", "--enabled", "true"]).assert_ok();
    server.soon(async || works(&second).await).await;

    machine.run(&["client", "remove", "app"]).assert_ok();
    server.soon(async || !works(&second).await).await;
}

#[tokio::test]
async fn what_others_change_while_a_secret_is_typed_stays_changed() {
    use std::{io::Write, process::Stdio};

    let machine = Machine::migrated().await;
    machine.run(&["client", "add", "app", "--redirect-uri", "https://app.example/cb"]).assert_ok();
    let mut command = machine.command(&["client", "rotate-secret", "app", "--secret-stdin"]);
    let mut rotation = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    machine.run(&["client", "set", "app", "--enabled", "false"]).assert_ok();
    let secret = [b'a'; 40];
    rotation.stdin.take().unwrap().write_all(&secret).unwrap();
    assert!(rotation.wait().unwrap().success());
    assert_eq!(machine.json(&["client", "show", "app"])["enabled"], false);
}

#[tokio::test]
async fn an_algorithm_is_chosen_of_those_that_sign_already() {
    let machine = Machine::migrated().await;
    let add =
        |id: &'static str| ["client", "add", id, "--redirect-uri", "https://app.example/cb", "--id-token-alg", "ES256"];
    machine.run(&add("app")).assert_fails("add it to `keys.algorithms` first");
    let machine = machine.with("KEYS__ALGORITHMS", "RS256,ES256");
    machine.run(&add("app")).assert_fails("there is no ES256 key yet; a running server makes it within a minute");
    machine.run(&["key", "rotate", "--now", "--algorithm", "ES256"]).assert_ok();
    assert!(machine.json(&add("app"))["client_secret"].is_string());
    assert_eq!(machine.json(&["client", "show", "app"])["id_token_signed_response_alg"], "ES256");
    machine.run(&["key", "rotate", "--algorithm", "EdDSA"]).assert_fails("nothing is signed by EdDSA here");
    let machine = machine.with("KEYS__ALGORITHMS", "RS256,PS256,ES256");
    machine.run(&["key", "rotate", "--algorithm", "PS256"]).assert_ok();
    machine
        .run(&["client", "set", "app", "--access-token-alg", "PS256"])
        .assert_fails("the first PS256 key signs from");
    machine.with("KEYS__ALGORITHMS", "ES256").run(&["key", "list"]).assert_fails("must have RS256");
}

/// Options with the members that they set.
const FURTHER: [(&str, &str, &str, &str); 22] = [
    ("--jwks-uri", "https://app.example/jwks.json", "jwks_uri", "\"https://app.example/jwks.json\""),
    ("--application-type", "native", "application_type", "\"native\""),
    ("--subject-type", "pairwise", "subject_type", "\"pairwise\""),
    ("--sector-identifier-uri", "https://app.example/s", "sector_identifier_uri", "\"https://app.example/s\""),
    ("--id-token-encryption-alg", "RSA-OAEP-256", "id_token_encrypted_response_alg", "\"RSA-OAEP-256\""),
    ("--id-token-encryption-enc", "A256GCM", "id_token_encrypted_response_enc", "\"A256GCM\""),
    ("--userinfo-signing-alg", "RS256", "userinfo_signed_response_alg", "\"RS256\""),
    ("--userinfo-encryption-alg", "ECDH-ES", "userinfo_encrypted_response_alg", "\"ECDH-ES\""),
    ("--userinfo-encryption-enc", "A256GCM", "userinfo_encrypted_response_enc", "\"A256GCM\""),
    ("--request-object-signing-alg", "ES256", "request_object_signing_alg", "\"ES256\""),
    ("--request-object-encryption-alg", "ECDH-ES", "request_object_encryption_alg", "\"ECDH-ES\""),
    ("--request-object-encryption-enc", "A256GCM", "request_object_encryption_enc", "\"A256GCM\""),
    ("--require-signed-request-object=true", "", "require_signed_request_object", "true"),
    ("--request-uri", "https://app.example/r.jwt", "request_uris", "[\"https://app.example/r.jwt\"]"),
    ("--default-max-age", "60", "default_max_age", "60"),
    ("--require-auth-time=true", "", "require_auth_time", "true"),
    ("--default-acr-value", "urn:x", "default_acr_values", "[\"urn:x\"]"),
    ("--initiate-login-uri", "https://app.example/in", "initiate_login_uri", "\"https://app.example/in\""),
    ("--client-uri", "https://app.example/", "client_uri", "\"https://app.example/\""),
    ("--contact", "a@app.example", "contacts", "[\"a@app.example\"]"),
    ("--software-id", "s1", "software_id", "\"s1\""),
    ("--software-version", "2", "software_version", "\"2\""),
];

#[tokio::test]
async fn whatever_a_client_can_register_itself_has_an_option() {
    let machine = Machine::migrated().await;
    // Without it nothing is signed, userinfo least of all.
    machine.run(&["key", "rotate", "--now"]).assert_ok();
    add(&machine, &REDIRECT);
    let before = show(&machine);
    let set = |value_of: fn(&'static str) -> &'static str| {
        let mut arguments = vec!["client", "set", "app"];
        for (option, value, ..) in FURTHER {
            arguments.push(option);
            if !option.contains('=') {
                arguments.push(value_of(value));
            }
        }
        machine.json(&arguments)
    };
    let changed = set(|value| value);
    for (option, _, member, value) in FURTHER {
        assert_eq!(changed[member].to_string(), value, "{option}");
    }
    // What has a default has no empty value.
    let mut arguments =
        vec!["client", "set", "app", "--require-signed-request-object=false", "--require-auth-time=false"];
    arguments.extend(["--application-type", "web", "--subject-type", "public"]);
    for (option, ..) in FURTHER.iter().filter(|(option, ..)| !option.contains('=') && !option.ends_with("-type")) {
        arguments.extend([option, ""]);
    }
    assert_eq!(machine.json(&arguments), before);
}

#[tokio::test]
async fn a_registration_token_is_printed_once_and_can_be_taken_back() {
    let machine = Machine::migrated().await;
    let made = machine.json(&["client", "registration-token", "--expires", "2h", "--uses", "3"]);
    let (name, token) = (made["name"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert_eq!((token.len(), &made["uses_left"]), (43, &json!(3)));
    let listed = machine.json(&["client", "registration-token", "list"]);
    assert_eq!((listed[0]["name"].as_str(), listed[0].get("token"), listed[1].as_str()), (Some(name), None, None));
    let text = machine.run(&["client", "registration-token"]).assert_ok();
    assert!(text.contains("not shown again") && text.contains("set registration.mode to token"), "{text}");
    assert_eq!(machine.json(&["client", "registration-token", "list"])[1]["uses_left"], 1);

    assert_eq!(machine.json(&["client", "registration-token", "revoke", name]), json!({ "revoked": name }));
    machine.run(&["client", "registration-token", "revoke", name]).assert_fails("there is no registration token");
    let kinds: Vec<_> = machine.audited().await.into_iter().map(|row| row.kind).collect();
    assert!(kinds.ends_with(&["registration_token.revoked".to_owned()]), "{kinds:?}");
    for (option, value) in [("--uses", "0"), ("--uses", "x"), ("--expires", "0"), ("--expires", "soon")] {
        machine.run(&["client", "registration-token", option, value]).assert_misused(option);
    }
}

/// OpenID Connect Core §8.1: with another sector everybody would be somebody else to it.
#[tokio::test]
async fn a_client_goes_on_knowing_people_by_the_names_it_knows() {
    let machine = Machine::migrated().await;
    add(&machine, &[&REDIRECT[..], &["--subject-type", "pairwise"]].concat());
    let set = |arguments: &[&str]| machine.run(&[&["client", "set", "app"], arguments].concat());
    // As long as nobody knows it, it may change.
    set(&["--subject-type", "public"]).assert_ok();
    set(&["--subject-type", "pairwise"]).assert_ok();
    machine.run(&["user", "add", "ada@example.com"]).assert_ok();
    machine
        .execute("INSERT INTO consent (user_id, client_id, scope, granted_at) SELECT id, 'app', 'openid', created_at FROM account")
        .await;
    set(&["--subject-type", "public"]).assert_fails("cannot change; add another client");
    set(&["--redirect-uri", "https://elsewhere.example/cb"]).assert_fails("cannot change; add another client");
    set(&["--redirect-uri", "https://app.example/another"]).assert_ok();
    let two = ["--redirect-uri", "https://a.example/cb", "--redirect-uri", "https://b.example/cb"];
    let added = [&["client", "add", "other", "--subject-type", "pairwise"], &two[..]].concat();
    machine.run(&added).assert_misused("needs a sector_identifier_uri");
}
