//! Discovery says exactly what tests exercise: each value of the document is looked for in the tests of its own subject, and one that
//! none of them uses fails here.

use std::path::Path;

use serde_json::Value;

use crate::harness::Server;

/// Everything that can be switched on.
const ALL_ON: &str = "
    keys.algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']
    signup.mode = 'open'
";

/// How a test shows that it uses a value.
#[derive(Clone, Copy)]
enum Evidence {
    /// It stands in the file as a text of its own, or as the last word of one.
    Text,
    /// The file goes through this list, from which the document is made, too.
    List(&'static str),
}
use Evidence::{List, Text};

/// Where the values of each member are used.
const USED: &[(&str, &str, Evidence)] = &[
    ("scopes_supported", "oauth/userinfo.rs", Text),
    ("scopes_supported", "oauth/refresh_token.rs", Text),
    ("response_types_supported", "oauth/response_types.rs", Text),
    ("response_modes_supported", "oauth/response_types.rs", Text),
    ("grant_types_supported", "oauth/response_types.rs", Text),
    ("grant_types_supported", "oauth/client_credentials.rs", Text),
    ("grant_types_supported", "harness/mod.rs", Text),
    ("acr_values_supported", "oauth/second_factor.rs", Text),
    ("subject_types_supported", "oauth/pairwise.rs", Text),
    ("id_token_signing_alg_values_supported", "oauth/keys.rs", Text),
    ("id_token_encryption_alg_values_supported", "oauth/sealed_answers.rs", List("KeyManagement::ASYMMETRIC")),
    ("id_token_encryption_enc_values_supported", "oauth/sealed_answers.rs", List("ContentEncryption::ALL")),
    ("userinfo_signing_alg_values_supported", "oauth/sealed_answers.rs", Text),
    ("userinfo_encryption_alg_values_supported", "oauth/sealed_answers.rs", List("KeyManagement::ASYMMETRIC")),
    ("userinfo_encryption_enc_values_supported", "oauth/sealed_answers.rs", List("ContentEncryption::ALL")),
    ("request_object_signing_alg_values_supported", "oauth/request_objects.rs", Text),
    ("request_object_encryption_alg_values_supported", "oauth/request_objects.rs", List("KeyManagement::ASYMMETRIC")),
    ("request_object_encryption_enc_values_supported", "oauth/request_objects.rs", List("ContentEncryption::ALL")),
    ("token_endpoint_auth_methods_supported", "oauth/client_auth.rs", Text),
    ("token_endpoint_auth_signing_alg_values_supported", "oauth/client_auth.rs", Text),
    ("introspection_endpoint_auth_methods_supported", "oauth/client_auth.rs", Text),
    ("introspection_endpoint_auth_signing_alg_values_supported", "oauth/client_auth.rs", Text),
    ("revocation_endpoint_auth_methods_supported", "oauth/client_auth.rs", Text),
    ("revocation_endpoint_auth_signing_alg_values_supported", "oauth/client_auth.rs", Text),
    ("code_challenge_methods_supported", "harness/browser.rs", Text),
    ("claim_types_supported", "oauth/userinfo.rs", List("each_scope_opens_its_own_claims")),
    ("claims_supported", "oauth/userinfo.rs", Text),
    ("claims_supported", "oauth/authorization_code.rs", Text),
    ("claims_supported", "oauth/response_types.rs", Text),
    ("dpop_signing_alg_values_supported", "oauth/dpop.rs", Text),
    ("prompt_values_supported", "oauth/authorize_session.rs", Text),
    ("prompt_values_supported", "pages/sign_up.rs", Text),
    ("prompt_values_supported", "pages/accounts.rs", Text),
    ("ui_locales_supported", "pages/language.rs", Text),
    ("claims_parameter_supported", "oauth/claims_parameter.rs", List("\"claims\"")),
    ("request_parameter_supported", "oauth/request_objects.rs", List("\"request\"")),
    ("request_uri_parameter_supported", "oauth/request_objects.rs", List("\"request_uri\"")),
    ("require_request_uri_registration", "oauth/request_objects.rs", List("a_uri_that_is_not_registered_is_not_asked")),
    ("backchannel_logout_supported", "jobs/backchannel_logout.rs", List("backchannel_logout_uri")),
    ("backchannel_logout_session_supported", "jobs/backchannel_logout.rs", List("[\"sid\"]")),
    ("frontchannel_logout_supported", "oauth/front_channel_logout.rs", List("frontchannel_logout_uri")),
    (
        "frontchannel_logout_session_supported",
        "oauth/front_channel_logout.rs",
        List("frontchannel_logout_session_required"),
    ),
    ("authorization_response_iss_parameter_supported", "oauth/authorize_request.rs", List("\"iss\"")),
];

fn source(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a value stands in the source: as a text, as a word of one, or as the variant that stands for it.
fn stands_in(source: &str, value: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_none_or(|c| matches!(c, '"' | '\'' | ' ' | '+' | '#'));
    source.match_indices(value).any(|(at, _)| {
        let (before, after) = (source[..at].chars().next_back(), source[at + value.len()..].chars().next());
        is_edge(before) && is_edge(after) && source[..at].matches('"').count() > 0
    }) || source.contains(&format!("Algorithm::{value}"))
        || source.contains(&format!("ClientAuthMethod::{}", in_camel_case(value)))
}

fn in_camel_case(value: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    value.split('_').filter(|word| !word.is_empty()).map(capital).collect()
}

#[tokio::test]
async fn every_value_of_discovery_is_used_by_a_test_of_its_subject() {
    let server = Server::with_settings(ALL_ON).await;
    let document = server.get("/.well-known/openid-configuration").await.json();
    let mut unused = Vec::new();
    for (member, value) in document.as_object().unwrap() {
        let entries: Vec<_> = USED.iter().filter(|(name, ..)| name == member).collect();
        let values = match value {
            // Addresses are visited by `every_endpoint_is_absolute_and_answers`.
            Value::String(_) => continue,
            Value::Array(values) => values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
            Value::Bool(flag) => vec![flag.to_string()],
            other => panic!("{member}: {other}"),
        };
        for value in values {
            let is_used = entries.iter().any(|(_, file, evidence)| match evidence {
                Text => stands_in(&source(file), &value),
                List(token) => source(file).contains(token),
            });
            if !is_used {
                unused.push(format!("{member}: {value}"));
            }
        }
    }
    assert!(unused.is_empty(), "advertised, and used by no test: {unused:#?}");
}

#[test]
fn a_value_that_nobody_uses_is_noticed() {
    let text = source("oauth/response_types.rs");
    assert!(stands_in(&text, "code id_token"));
    for absent in ["RSA1_5", "web_message", "code id_token none"] {
        assert!(!stands_in(&text, absent), "{absent}");
    }
    assert!(!stands_in("let email = 1;", "mail") && stands_in("(\"scope\", \"openid mail\")", "mail"));
}
