//! Discovery (OpenID Connect Discovery §3, RFC 8414) and the JWK set (RFC 7517 §5).

use std::collections::BTreeSet;

use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use crate::harness::{ISSUER, Server, confidential};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/.well-known/jwks.json";

/// The names of the registry "OAuth Authorization Server Metadata" (IANA) that a provider like this one can have.
const REGISTERED: &[&str] = &[
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "registration_endpoint",
    "scopes_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "service_documentation",
    "ui_locales_supported",
    "op_policy_uri",
    "op_tos_uri",
    "revocation_endpoint",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "code_challenge_methods_supported",
    "signed_metadata",
    "device_authorization_endpoint",
    "userinfo_endpoint",
    "acr_values_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "id_token_encryption_alg_values_supported",
    "id_token_encryption_enc_values_supported",
    "userinfo_signing_alg_values_supported",
    "userinfo_encryption_alg_values_supported",
    "userinfo_encryption_enc_values_supported",
    "request_object_signing_alg_values_supported",
    "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported",
    "display_values_supported",
    "claim_types_supported",
    "claims_supported",
    "claims_locales_supported",
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_request_uri_registration",
    "check_session_iframe",
    "end_session_endpoint",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "prompt_values_supported",
    "pushed_authorization_request_endpoint",
    "authorization_response_iss_parameter_supported",
    "dpop_signing_alg_values_supported",
];

async fn discovery(server: &Server) -> Value {
    let reply = server.get(DISCOVERY).await;
    assert_eq!(reply.status, 200);
    reply.json()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

#[tokio::test]
async fn issuer_is_exactly_the_configured_one() {
    assert_eq!(discovery(&Server::start().await).await["issuer"], ISSUER);
    assert_eq!(discovery(&Server::production().await).await["issuer"], "https://op.example");
}

#[tokio::test]
async fn every_endpoint_is_absolute_and_answers() {
    let server = Server::start().await;
    let document = discovery(&server).await;
    let is_address = |name: &str| name.ends_with("_endpoint") || name.ends_with("_uri") || name.ends_with("_iframe");
    let addresses = document.as_object().unwrap().iter().filter(|(name, _)| is_address(name));
    let mut names = BTreeSet::new();
    for (name, address) in addresses {
        names.insert(name.as_str());
        let path = address.as_str().unwrap().strip_prefix(ISSUER).unwrap_or_else(|| panic!("{name}: {address}"));
        assert_ne!(server.get(path).await.status, 404, "{name} is advertised and not there");
    }
    let expected = [
        "authorization_endpoint",
        "check_session_iframe",
        "end_session_endpoint",
        "introspection_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
    ];
    assert_eq!(names, BTreeSet::from(expected));
}

#[tokio::test]
async fn only_registered_metadata_names_are_used() {
    let document = discovery(&Server::start().await).await;
    for name in document.as_object().unwrap().keys() {
        assert!(REGISTERED.contains(&name.as_str()), "{name} is not a registered name");
    }
}

#[tokio::test]
async fn what_openid_connect_requires_is_there() {
    let document = discovery(&Server::start().await).await;
    assert!(strings(&document["id_token_signing_alg_values_supported"]).contains(&"RS256"));
    assert_eq!(strings(&document["subject_types_supported"]), ["public", "pairwise"]);
    let claims = strings(&document["claims_supported"]);
    for claim in ["sub", "name", "email", "email_verified", "address", "phone_number", "updated_at", "auth_time"] {
        assert!(claims.contains(&claim), "{claim}");
    }
    assert_eq!(claims.iter().collect::<BTreeSet<_>>().len(), claims.len(), "a claim stands there twice");
}

#[tokio::test]
async fn scopes_are_ours_and_those_of_registered_apis() {
    let server = Server::start().await;
    let ours = ["openid", "profile", "email", "address", "phone", "offline_access"];
    assert_eq!(strings(&discovery(&server).await["scopes_supported"]), ours);

    server.add_api("https://journal.example", &["journal.read"], &[], false).await;

    assert_eq!(strings(&discovery(&server).await["scopes_supported"])[6..], ["journal.read"]);
}

#[tokio::test]
async fn request_objects_and_claims_are_declared() {
    let document = discovery(&Server::start().await).await;
    for parameter in ["request", "request_uri", "claims"] {
        assert_eq!(document[format!("{parameter}_parameter_supported")], true, "{parameter}");
    }
    assert_eq!(document["require_request_uri_registration"], true);
}

#[tokio::test]
async fn iss_in_answers_and_prompt_values_are_declared() {
    let document = discovery(&Server::start().await).await;
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(strings(&document["prompt_values_supported"]), ["none", "login", "consent", "select_account"]);
}

#[tokio::test]
async fn locales_are_canonical() {
    let document = discovery(&Server::start().await).await;
    assert_eq!(strings(&document["ui_locales_supported"]), ["en", "de"]);
    for locale in strings(&document["ui_locales_supported"]) {
        let (language, region) = locale.split_once('-').unwrap_or((locale, "GB"));
        assert!(language.bytes().all(|byte| byte.is_ascii_lowercase()), "{locale}");
        assert!(region.bytes().all(|byte| byte.is_ascii_uppercase()), "{locale}");
    }
}

#[tokio::test]
async fn the_same_document_stands_at_the_address_of_rfc_8414() {
    let server = Server::start().await;
    let (openid, oauth) = (server.get(DISCOVERY).await, server.get("/.well-known/oauth-authorization-server").await);
    assert_eq!(openid.json(), oauth.json());
}

#[tokio::test]
async fn only_what_works_is_advertised() {
    let server = Server::start().await;
    let document = discovery(&server).await;
    // Each is asked for in response_types.rs.
    assert_eq!(
        strings(&document["response_types_supported"]),
        ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"]
    );
    assert_eq!(strings(&document["response_modes_supported"]), ["query", "fragment", "form_post"]);
    assert_eq!(strings(&document["code_challenge_methods_supported"]), ["S256"]);
    for absent in ["registration_endpoint", "pushed_authorization_request_endpoint"] {
        assert_eq!(document[absent], Value::Null, "{absent}");
    }
    let all_grants = |client: &mut countersign::domain::client::ClientMetadata| {
        client.grant_types = GrantType::ALL.iter().copied().collect();
    };
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, all_grants)).await;
    // Implicit is what the authorization endpoint gives alone.
    for grant in strings(&document["grant_types_supported"]).into_iter().filter(|grant| *grant != "implicit") {
        let answer = server.token("app", &[("grant_type", grant)]).await.json();
        assert_ne!(answer["error"], "unsupported_grant_type", "{grant}");
    }
    for grant in ["password", "urn:ietf:params:oauth:grant-type:device_code", "implicit"] {
        server.token("app", &[("grant_type", grant)]).await.assert_error(400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn clients_without_a_secret_cannot_introspect_and_are_not_told_so() {
    let document = discovery(&Server::start().await).await;
    assert!(strings(&document["token_endpoint_auth_methods_supported"]).contains(&"none"));
    assert!(!strings(&document["introspection_endpoint_auth_methods_supported"]).contains(&"none"));
}

#[tokio::test]
async fn documents_may_be_cached_and_are_not_sent_twice() {
    let server = Server::with_settings("lifetimes.jwks_cache = '20m'").await;
    for path in [DISCOVERY, JWKS] {
        let reply = server.get(path).await;
        assert_eq!(reply.header("cache-control"), Some("public, max-age=1200"), "{path}");
        let etag = reply.header("etag").unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");

        let known = http::Request::get(path).header("if-none-match", format!("\"other\", W/{etag}"));
        let again = server.send(known.body(axum::body::Body::empty()).unwrap()).await;

        assert_eq!((again.status, again.header("etag"), again.body.len()), (304, Some(etag), 0), "{path}");
    }
}

#[tokio::test]
async fn jwks_has_public_members_only_and_a_kid_alg_and_use_on_every_key() {
    let jwks = Server::start().await.get(JWKS).await.json();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    for key in keys {
        let members: BTreeSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, BTreeSet::from(["alg", "e", "kid", "kty", "n", "use"]));
        assert_eq!((&key["alg"], &key["use"], &key["kty"]), (&json!("RS256"), &json!("sig"), &json!("RSA")));
    }
}
