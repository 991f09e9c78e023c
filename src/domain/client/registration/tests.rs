#![allow(clippy::needless_pass_by_value)] // Tables of values read best without a reference before each.

use countersign_jose::{KeyManagement, PrivateKey};

use super::*;
use crate::domain::client::{RequestObjectAlgorithm, SubjectType};

const CALLBACK: &str = "https://app.example/cb";

fn allowance() -> Allowance<'static> {
    Allowance {
        scopes: "journal.read".parse().unwrap(),
        client_credentials: false,
        signing: &[Algorithm::RS256, Algorithm::ES256],
        assertions: &[Algorithm::RS256, Algorithm::HS256],
    }
}

fn read_with(further: &Value, allowance: &Allowance<'_>) -> Result<ClientMetadata, Refusal> {
    let mut members = Map::from_iter([("redirect_uris".to_owned(), json!([CALLBACK]))]);
    members.extend(further.as_object().unwrap().clone());
    read(&members, &ClientId::new("c1"), allowance)
}

fn registered(further: Value) -> ClientMetadata {
    read_with(&further, &allowance()).unwrap_or_else(|refusal| panic!("{further}: {refusal:?}"))
}

/// The words of the refusal, which name the member.
#[track_caller]
fn refused(further: Value, code: ErrorCode) -> String {
    let refusal = read_with(&further, &allowance()).map(|metadata| format!("{metadata:?}")).unwrap_err();
    assert_eq!(refusal.code, code, "{further}: {}", refusal.description);
    let is_plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    assert!(refusal.description.chars().all(is_plain), "{}", refusal.description);
    refusal.description
}

#[track_caller]
fn assert_refused(member: &str, value: Value) {
    let description = refused(json!({ member: value }), ErrorCode::InvalidClientMetadata);
    assert!(description.starts_with(&format!("{member}: ")), "{description}");
}

/// One key for signatures and one for encryption.
fn jwks() -> Value {
    let signs = PrivateKey::generate(Algorithm::ES256).unwrap().public_jwk().to_value();
    let encrypts = json!({ "kty": "EC", "crv": "P-256", "x": signs["x"], "y": signs["y"], "kid": "e", "use": "enc" });
    json!({ "keys": [signs, encrypts] })
}

#[test]
fn defaults_are_those_of_the_specifications() {
    let metadata = registered(json!({}));
    assert_eq!(metadata.token_endpoint_auth_method, ClientAuthMethod::ClientSecretBasic);
    assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode].into());
    assert_eq!(metadata.response_types, [ResponseType::Code].into());
    assert_eq!(metadata.application_type, ApplicationType::Web);
    assert_eq!(metadata.scope.to_string(), "address email offline_access openid phone profile");
    assert_eq!(metadata.client_name, "app.example", "where the answers go is at least true");
    let told = describe(&metadata);
    assert_eq!(told["id_token_signed_response_alg"], "RS256");
    assert_eq!(told["require_auth_time"], false);
}

#[test]
fn a_member_that_is_null_is_not_there() {
    let null =
        json!({ "client_name": null, "jwks": null, "jwks_uri": null, "scope": null, "software_statement": null });
    assert_eq!(registered(null), registered(json!({})));
}

#[test]
fn what_is_not_known_is_ignored() {
    let others = json!({
        "unknown": { "a": [] },
        "client_id": "mine",
        "client_secret": "mine",
        "first_party": true,
        "pkce_exempt": true,
        "origins": ["https://evil.example"],
        "enabled": true,
        "translations": { "client_name#de": "x" },
        "access_token_signed_response_alg": "ES256",
        "unknown#de": "x",
        "client_id#de": "x",
    });
    assert_eq!(registered(others), registered(json!({})));
}

#[test]
fn everything_that_is_said_is_kept_and_told() {
    let shown = json!({
        "client_name": "The App",
        "client_name#de": "Die App",
        "client_name#ja-Hani": "アプリ",
        "client_uri": "https://app.example/",
        "client_uri#de": "https://app.example/de",
        "logo_uri": "https://app.example/logo.png",
        "logo_uri#de": "https://app.example/logo-de.png",
        "policy_uri": "https://app.example/policy",
        "policy_uri#de": "https://app.example/policy-de",
        "tos_uri": "https://app.example/terms",
        "tos_uri#de": "https://app.example/terms-de",
        "contacts": ["admin@app.example"],
    });
    let mut said = json!({
        "application_type": "web",
        "redirect_uris": [CALLBACK, "https://app.example/cb2"],
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "response_types": ["code", "code id_token"],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "scope": "journal.read openid",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks": jwks(),
        "id_token_signed_response_alg": "ES256",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "RS256",
        "userinfo_encrypted_response_alg": "ECDH-ES+A256KW",
        "userinfo_encrypted_response_enc": "A128CBC-HS256",
        "request_object_signing_alg": "ES256",
        "request_object_encryption_alg": "RSA-OAEP-256",
        "request_object_encryption_enc": "A256GCM",
        "require_signed_request_object": true,
        "request_uris": ["https://app.example/request.jwt#hash"],
        "subject_type": "pairwise",
        "sector_identifier_uri": "https://app.example/sector.json",
        "default_max_age": 3600,
        "require_auth_time": true,
        "default_acr_values": ["urn:countersign:acr:mfa", "other"],
        "initiate_login_uri": "https://app.example/login",
        "dpop_bound_access_tokens": true,
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "2.1",
        "backchannel_logout_uri": "https://app.example/out",
        "backchannel_logout_session_required": true,
        "frontchannel_logout_uri": "https://app.example/front",
        "frontchannel_logout_session_required": true,
    });
    said.as_object_mut().unwrap().extend(shown.as_object().unwrap().clone());
    let mut told = Value::Object(describe(&registered(said.clone())));
    // The order of what has none is ours.
    told["response_types"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    told["grant_types"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    let mut expected = said;
    expected["response_types"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(told, expected);
}

#[test]
fn encryption_without_a_method_gets_the_default_one() {
    let metadata = registered(json!({ "jwks": jwks(), "id_token_encrypted_response_alg": "ECDH-ES" }));
    assert_eq!(metadata.id_token_encrypted_response_alg, Some(KeyManagement::EcdhEs));
    assert_eq!(describe(&metadata)["id_token_encrypted_response_enc"], "A128CBC-HS256");
}

#[test]
fn unsigned_request_objects_are_a_choice() {
    let metadata = registered(json!({ "request_object_signing_alg": "none" }));
    assert_eq!(metadata.request_object_signing_alg, Some(RequestObjectAlgorithm::None));
}

#[test]
fn each_member_has_its_type() {
    for member in ["client_name", "client_uri", "scope", "jwks_uri", "subject_type", "token_endpoint_auth_method"] {
        for value in [json!(1), json!(true), json!([]), json!({})] {
            assert_refused(member, value);
        }
    }
    for member in ["contacts", "grant_types", "response_types", "request_uris", "default_acr_values"] {
        for value in [json!("text"), json!({}), json!([1]), json!([null])] {
            assert_refused(member, value);
        }
        assert_refused(member, json!(vec!["https://app.example/"; 51]));
    }
    for member in ["require_auth_time", "require_signed_request_object", "dpop_bound_access_tokens"] {
        for value in [json!("true"), json!(1)] {
            assert_refused(member, value);
        }
    }
    for value in [json!("60"), json!(-1), json!(1.5), json!(4_294_967_296_u64)] {
        assert_refused("default_max_age", value);
    }
    assert_refused("jwks", json!("text"));
}

#[test]
fn values_that_nobody_knows_are_refused_with_their_member() {
    for (member, value) in [
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("token_endpoint_auth_signing_alg", json!("none")),
        ("grant_types", json!(["password"])),
        ("grant_types", json!(["client_credentials"])),
        ("response_types", json!(["token"])),
        ("application_type", json!("desktop")),
        ("subject_type", json!("private")),
        ("id_token_signed_response_alg", json!("none")),
        ("id_token_signed_response_alg", json!("EdDSA")),
        ("id_token_signed_response_alg", json!("HS256")),
        ("userinfo_signed_response_alg", json!("HS256")),
        ("id_token_encrypted_response_alg", json!("RSA1_5")),
        ("id_token_encrypted_response_enc", json!("A1GCM")),
        ("request_object_signing_alg", json!("RS1")),
        ("jwks_uri", json!("http://app.example/jwks.json")),
        ("jwks_uri", json!("javascript:alert(1)")),
        ("logo_uri", json!("data:image/png,x")),
        ("policy_uri", json!("/policy")),
        ("tos_uri#de", json!("ftp://app.example/")),
        ("initiate_login_uri", json!("http://app.example/login")),
        ("request_uris", json!(["https://app.example/".to_owned() + &"x".repeat(512)])),
        ("post_logout_redirect_uris", json!(["https://app.example/#x"])),
        ("backchannel_logout_uri", json!("https://app.example/#x")),
        ("frontchannel_logout_uri", json!("http://app.example/")),
        ("default_acr_values", json!(["two words"])),
        ("client_name#", json!("x")),
        ("client_name#de_DE", json!("x")),
        ("client_name#<b>", json!("x")),
        ("scope", json!("a\"b")),
        ("scope", json!("journal.write")),
        ("client_uri", json!("https://app.example/".to_owned() + &"x".repeat(2_048))),
    ] {
        assert_refused(member, value);
    }
}

#[test]
fn names_are_what_they_look_like() {
    for name in ["", "  ", "a\nb", "a\u{202e}b", "a\u{2066}b", "a\u{200b}b", "\u{feff}a", "a\u{0}", "a\u{85}"] {
        assert_refused("client_name", json!(name));
        assert_refused("client_name#de", json!(name));
        assert_refused("contacts", json!([name]));
    }
    assert_refused("client_name", json!("x".repeat(201)));
    for name in ["Écrin", "می‌خواهم", "<b>", "x"] {
        assert_eq!(registered(json!({ "client_name": name })).client_name, name);
    }
    assert_refused("client_name#DE", json!(5));
    let twice = json!({ "client_name#de": "a", "client_name#DE": "b" });
    assert!(refused(twice, ErrorCode::InvalidClientMetadata).contains("twice"));
}

#[test]
fn contradictions_are_refused() {
    for further in [
        json!({ "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "jwks": jwks(), "jwks_uri": "https://app.example/jwks.json" }),
        json!({ "grant_types": ["implicit"], "response_types": ["code id_token"] }),
        json!({ "grant_types": ["refresh_token"], "response_types": ["code"] }),
        json!({ "grant_types": [] }),
        json!({ "response_types": [] }),
        json!({ "id_token_encrypted_response_alg": "ECDH-ES" }),
        json!({ "id_token_encrypted_response_enc": "A256GCM" }),
        json!({ "require_signed_request_object": true, "request_object_signing_alg": "none" }),
        json!({ "token_endpoint_auth_signing_alg": "HS256" }),
        json!({ "subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://other.example/cb"] }),
    ] {
        refused(further, ErrorCode::InvalidClientMetadata);
    }
    let one_host = json!({ "subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://app.example/2"] });
    assert_eq!(registered(one_host).subject_type, SubjectType::Pairwise);
}

#[test]
fn redirect_uris_have_an_error_of_their_own() {
    for (further, uris) in [
        (json!({}), json!([])),
        (json!({}), json!(null)),
        (json!({}), json!("https://app.example/cb")),
        (json!({}), json!(["https://app.example/cb#x"])),
        (json!({}), json!(["http://app.example/cb"])),
        (json!({}), json!(["https://good@evil.example/cb"])),
        (json!({}), json!(["javascript:alert(1)"])),
        (json!({}), json!(["/cb"])),
        (json!({}), json!(["com.example.app:/cb"])),
        (json!({ "response_types": ["id_token"] }), json!(["http://localhost/cb"])),
        (json!({ "response_types": ["code id_token"] }), json!(["http://127.0.0.1/cb"])),
        (json!({ "response_types": ["code id_token"] }), json!(["https://localhost/cb"])),
        (json!({ "application_type": "native" }), json!([CALLBACK])),
    ] {
        let mut further = further;
        further["redirect_uris"] = uris;
        let description = refused(further, ErrorCode::InvalidRedirectUri);
        assert!(description.contains("redirect_uris"), "{description}");
    }
    for (application_type, uri) in [
        ("web", "http://localhost:3000/cb"),
        ("native", "com.example.app:/cb"),
        ("native", "http://127.0.0.1/cb"),
        ("native", "http://[::1]/cb"),
    ] {
        registered(json!({ "application_type": application_type, "redirect_uris": [uri] }));
    }
}

#[test]
fn software_statements_are_refused_in_clear_words() {
    let description = refused(json!({ "software_statement": "eyJ" }), ErrorCode::UnapprovedSoftwareStatement);
    assert!(description.starts_with("software_statement: "), "{description}");
    refused(json!({ "software_statement": 1 }), ErrorCode::InvalidSoftwareStatement);
}

#[test]
fn scopes_of_apis_are_only_for_whom_the_operator_says() {
    let scope = |asked: &str| registered(json!({ "scope": asked })).scope.to_string();
    assert_eq!(scope("openid journal.read journal.write"), "journal.read openid");
}

#[test]
fn on_their_own_behalf_clients_act_only_where_the_operator_says() {
    let further = json!({ "grant_types": ["client_credentials"], "redirect_uris": null });
    let allowed = Allowance { client_credentials: true, ..allowance() };
    let metadata = read_with(&further, &allowed).unwrap();
    assert!(metadata.response_types.is_empty());
    assert_eq!(metadata.client_name, "c1");
    refused(further, ErrorCode::InvalidClientMetadata);
}

#[test]
fn what_the_operator_had_set_stays() {
    let mut before = registered(json!({}));
    (before.first_party, before.pkce_exempt) = (true, true);
    before.origins = vec!["https://spa.example".parse().unwrap()];
    let mut after = registered(json!({ "client_name": "New" }));
    keep_what_is_the_operators(&mut after, &before);
    assert!(after.first_party && after.pkce_exempt);
    assert_eq!((after.origins, &*after.client_name), (before.origins.clone(), "New"));
    let mut public = registered(json!({ "token_endpoint_auth_method": "none" }));
    keep_what_is_the_operators(&mut public, &before);
    assert!(!public.pkce_exempt, "a public client never goes without PKCE");
    let told = describe(&before);
    assert!(OF_THE_OPERATOR.iter().all(|name| !told.contains_key(*name)));
}

#[test]
fn words_are_in_the_language_of_the_reader() {
    let metadata = registered(json!({
        "client_name": "App",
        "client_name#de-AT": "Äpp",
        "client_name#DE": "Anwendung",
        "tos_uri#de-CH": "https://app.example/agb",
    }));
    assert_eq!(metadata.translated("client_name", "de"), Some("Anwendung"));
    assert_eq!(metadata.translated("client_name", "en"), None);
    assert_eq!(metadata.translated("tos_uri", "de"), Some("https://app.example/agb"));
    assert_eq!(metadata.translated("policy_uri", "de"), None);
}
