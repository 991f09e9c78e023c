use countersign_types::{ClientAuthMethod, UserId};

use super::*;
use crate::domain::client::{ClientMetadata, Registrar};

const ENROLLED: Standing = Standing::Enrolled { trusted_device: true };
const WITHOUT: Standing = Standing::Without { demanded: false };
const DEMANDED: Standing = Standing::Without { demanded: true };

pub(super) fn request(acr_values: &[&str], prompt: Prompt) -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: ClientId::new("app"),
        redirect_uri: String::new(),
        redirect_uri_sent: true,
        response_type: ResponseType::Code,
        response_mode: ResponseMode::Query,
        scope: ScopeSet::default(),
        state: None,
        nonce: None,
        prompt,
        max_age: None,
        login_hint: None,
        expected_sub: None,
        ui_locales: Vec::new(),
        acr_values: acr_values.iter().map(|value| (*value).to_owned()).collect(),
        essential_acr: false,
        claims: ClaimsRequest::default(),
        claims_scope: ScopeSet::default(),
        code_challenge: None,
        dpop_jkt: None,
        extension: Map::new(),
    }
}

/// A client that needs no consent.
pub(super) fn client() -> Client {
    let metadata = ClientMetadata {
        redirect_uris: vec!["https://app.example/cb".parse().unwrap()],
        first_party: true,
        ..ClientMetadata::new("App".to_owned(), ClientAuthMethod::ClientSecretBasic)
    };
    let created_at = DateTime::UNIX_EPOCH;
    Client {
        id: ClientId::new("app"),
        metadata,
        secret: None,
        enabled: true,
        created_at,
        registered_by: Registrar::Operator,
    }
}

/// Somebody who signed in at this time by their password.
pub(super) fn session(user: &str, at: DateTime<Utc>) -> Session {
    Session {
        id: SessionId::new(format!("of {user}")),
        user: UserId::new(user),
        auth_time: at,
        acr: ACR_PASSWORD.to_owned(),
        amr: Vec::new(),
        label: String::new(),
        device: None,
        address: String::new(),
        created_at: at,
        last_seen: at,
    }
}

/// What comes next for a client that needs no consent, on a session of this strength.
fn next(request: &AuthorizationRequest, acr: &str, second_factor: Standing, declined: bool) -> Decision {
    let now = DateTime::UNIX_EPOCH;
    let (client, session) = (client(), Session { acr: acr.to_owned(), ..session("u", now) });
    let circumstances = Circumstances {
        client: &client,
        session: Some(&session),
        sub: Some("u"),
        beside: &[],
        chosen: None,
        consent: None,
        asked_at: now,
        denied: false,
        second_factor,
        without_second_factor: declined,
        now,
    };
    decide(request, &circumstances)
}

#[test]
fn a_wish_for_a_second_factor_is_met_where_it_can_be() {
    let wish = request(&["urn:example:gold", ACR_SECOND_FACTOR, ACR_PASSWORD], Prompt::AsNeeded);
    assert_eq!(next(&wish, ACR_PASSWORD, ENROLLED, false), Decision::SecondFactor);
    assert_eq!(next(&wish, ACR_PASSWORD, WITHOUT, false), Decision::Enrol);
    assert_eq!(next(&wish, ACR_PASSWORD, WITHOUT, true), Decision::Issue);
    assert_eq!(next(&wish, ACR_SECOND_FACTOR, ENROLLED, false), Decision::Issue);
}

#[test]
fn nobody_is_asked_for_more_than_is_wished_or_demanded() {
    for values in [&[] as &[&str], &["urn:example:gold"], &[ACR_PASSWORD, ACR_SECOND_FACTOR]] {
        let request = request(values, Prompt::AsNeeded);
        for standing in [ENROLLED, WITHOUT] {
            assert_eq!(next(&request, ACR_PASSWORD, standing, false), Decision::Issue, "{values:?}");
        }
    }
}

#[test]
fn a_demand_cannot_be_declined() {
    assert_eq!(next(&request(&[], Prompt::AsNeeded), ACR_PASSWORD, DEMANDED, true), Decision::Enrol);
}

#[test]
fn an_essential_acr_is_met_or_the_answer_is_an_error() {
    let insist = |values: &[&str]| AuthorizationRequest { essential_acr: true, ..request(values, Prompt::AsNeeded) };
    let unmet = |decision| matches!(decision, Decision::Refuse(ErrorCode::UnmetAuthenticationRequirements, _));
    let gold = insist(&["urn:example:gold"]);
    assert!(unmet(next(&gold, ACR_SECOND_FACTOR, ENROLLED, false)));
    let strong = insist(&[ACR_SECOND_FACTOR]);
    assert_eq!(next(&strong, ACR_PASSWORD, ENROLLED, false), Decision::SecondFactor);
    assert_eq!(next(&strong, ACR_PASSWORD, WITHOUT, false), Decision::Enrol);
    assert!(unmet(next(&strong, ACR_PASSWORD, WITHOUT, true)), "who declines cannot be strong");
    assert_eq!(next(&strong, ACR_SECOND_FACTOR, ENROLLED, false), Decision::Issue);
    let either = insist(&[ACR_SECOND_FACTOR, ACR_PASSWORD]);
    assert_eq!(next(&either, ACR_PASSWORD, WITHOUT, true), Decision::Issue);
    // A sign-in with two factors is one with a password.
    let weak = insist(&[ACR_PASSWORD]);
    assert_eq!(next(&weak, ACR_SECOND_FACTOR, ENROLLED, false), Decision::Issue);
    assert_eq!(weak.answered_acr(ACR_SECOND_FACTOR), ACR_PASSWORD);
    assert_eq!(either.answered_acr(ACR_SECOND_FACTOR), ACR_SECOND_FACTOR);
    assert_eq!(request(&[ACR_PASSWORD], Prompt::AsNeeded).answered_acr(ACR_SECOND_FACTOR), ACR_SECOND_FACTOR);
}

#[test]
fn in_silence_a_wish_is_an_error_unless_the_password_will_do() {
    let code = |request: AuthorizationRequest, standing| match next(&request, ACR_PASSWORD, standing, false) {
        Decision::Refuse(code, _) => Some(code),
        _ => None,
    };
    let wish = || request(&[ACR_SECOND_FACTOR], Prompt::Nothing);
    assert_eq!(code(wish(), ENROLLED), Some(ErrorCode::LoginRequired));
    assert_eq!(code(wish(), WITHOUT), Some(ErrorCode::InteractionRequired));
    let either = || request(&[ACR_SECOND_FACTOR, ACR_PASSWORD], Prompt::Nothing);
    assert_eq!((code(either(), ENROLLED), code(either(), WITHOUT)), (None, None));
    assert_eq!(code(either(), DEMANDED), Some(ErrorCode::InteractionRequired));
}
