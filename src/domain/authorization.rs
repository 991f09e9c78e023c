//! An app asks for a person's sign-in: what it asked for, and what must happen before it is answered.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use countersign_types::{
    ClientId, ErrorCode, ResponseType, ScopeSet, SessionId,
    vocabulary::{ACR_PASSWORD, ACR_SECOND_FACTOR},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{claims::ClaimsRequest, client::Client, second_factor::Standing, session::Session};

/// A request that was checked against its client's registration: nothing in it can be wrong any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Whether the client named it, and so must name it again at the token endpoint (RFC 6749 §4.1.3).
    pub redirect_uri_sent: bool,
    /// What is asked for.
    pub response_type: ResponseType,
    /// How the answer is carried.
    pub response_mode: ResponseMode,
    /// Scopes that exist and that the client may ask for.
    pub scope: ScopeSet,
    /// Returned untouched.
    pub state: Option<String>,
    /// Returned in the ID token.
    pub nonce: Option<String>,
    /// What the person must do even if they need not.
    pub prompt: Prompt,
    /// The oldest sign-in that will do, in seconds.
    pub max_age: Option<u32>,
    /// Whom the app expects, as they would type it.
    pub login_hint: Option<String>,
    /// Whom the app expects, by the `sub` that it knows them by: from an ID token of ours, or from the `claims` parameter.
    #[serde(alias = "hinted_user")]
    pub expected_sub: Option<String>,
    /// Languages that the person reads, best first.
    pub ui_locales: Vec<String>,
    /// How strong a sign-in the app would like, best first.
    pub acr_values: Vec<String>,
    /// Whether one of them is a must (OpenID Connect Core §5.5.1.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential_acr: bool,
    /// Claims that are asked for by name (OpenID Connect Core §5.5), as far as the client may have them.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    /// The scopes that would open them.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub claims_scope: ScopeSet,
    /// The SHA-256 of the verifier that the token endpoint will ask for (RFC 7636 §4.2).
    pub code_challenge: Option<String>,
    /// The thumbprint of the key that the code is bound to (RFC 9449 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<String>,
    /// Parameters that an extension declared. None does yet; all others are ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extension: Map<String, Value>,
}

impl AuthorizationRequest {
    /// What the person is asked for: the scope, and what claims that are asked for by name would take.
    pub fn consent_scope(&self) -> ScopeSet {
        self.scope.union(&self.claims_scope)
    }

    /// The `acr` of an answer on a session that has this one. A stronger sign-in is a weaker one, too, where the app insists on that.
    pub fn answered_acr<'a>(&self, acr: &'a str) -> &'a str {
        let insists = self.essential_acr && !self.acr_values.iter().any(|value| value == acr);
        if insists && self.accepts_password() { ACR_PASSWORD } else { acr }
    }

    /// Whether the app insists on a sign-in that nobody can make here.
    fn insists_on_the_unknown(&self) -> bool {
        let is_known = |value: &String| [ACR_PASSWORD, ACR_SECOND_FACTOR].contains(&value.as_str());
        self.essential_acr && !self.acr_values.iter().any(is_known)
    }

    /// Whether the app would rather have a second factor than none: of the values that are known, the best is meant.
    fn wishes_second_factor(&self) -> bool {
        let known = self.acr_values.iter().find(|value| [ACR_PASSWORD, ACR_SECOND_FACTOR].contains(&value.as_str()));
        known.is_some_and(|value| value == ACR_SECOND_FACTOR)
    }

    /// Whether the app named a password alone as good enough.
    fn accepts_password(&self) -> bool {
        self.acr_values.iter().any(|value| value == ACR_PASSWORD)
    }

    /// Whether a sign-in for this request needs every factor that the person has, whatever the device: the app wishes for a strong
    /// one or for a fresh one.
    pub fn wants_every_factor(&self) -> bool {
        self.prompt.asks_login() || self.max_age.is_some() || self.wishes_second_factor()
    }
}

/// How an answer is carried to the client (OAuth 2.0 Multiple Response Types §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In its fragment.
    Fragment,
    /// In a form that the browser sends there (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// What the person must do even if they need not (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Whatever is needed.
    #[default]
    AsNeeded,
    /// Nothing may be shown.
    Nothing,
    /// These, even if not needed.
    Ask(BTreeSet<Ask>),
}

/// One thing that a `prompt` can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// To sign in again.
    Login,
    /// To consent again.
    Consent,
    /// To choose an account: one that is signed in on this browser, or another.
    SelectAccount,
    /// To make an account (Initiating User Registration via OpenID Connect §4).
    Create,
}

impl Prompt {
    /// The values that discovery names where nobody can make an account.
    const SUPPORTED: [&'static str; 4] = ["none", "login", "consent", "select_account"];

    /// The values that discovery names.
    pub fn supported(is_sign_up_open: bool) -> impl Iterator<Item = &'static str> {
        Self::SUPPORTED.into_iter().chain(is_sign_up_open.then_some("create"))
    }

    fn asks_login(&self) -> bool {
        matches!(self, Self::Ask(asked) if asked.contains(&Ask::Login))
    }

    fn asks_choice(&self) -> bool {
        matches!(self, Self::Ask(asked) if asked.contains(&Ask::SelectAccount))
    }

    fn asks_account(&self) -> bool {
        matches!(self, Self::Ask(asked) if asked.contains(&Ask::Create))
    }

    fn asks_consent(&self) -> bool {
        matches!(self, Self::Ask(asked) if asked.contains(&Ask::Consent))
    }
}

/// What a person allowed a client, remembered.
#[derive(Clone, Debug)]
pub struct Consent {
    /// What was allowed.
    pub scope: ScopeSet,
    /// When it was last asked.
    pub granted_at: DateTime<Utc>,
}

/// What is known when a decision is due.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Who asks.
    pub client: &'a Client,
    /// Who is signed in on this browser, if the session is still good.
    pub session: Option<&'a Session>,
    /// The `sub` by which the client knows them.
    pub sub: Option<&'a str>,
    /// The `sub` of everybody else who is signed in on this browser. They count for nothing until the person chooses them.
    pub beside: &'a [String],
    /// Which session the person chose for this request, if they were asked.
    pub chosen: Option<&'a SessionId>,
    /// What the person allowed this client before.
    pub consent: Option<&'a Consent>,
    /// When the request arrived. A login or consent newer than that meets a `prompt`.
    pub asked_at: DateTime<Utc>,
    /// Whether the person refused this request.
    pub denied: bool,
    /// How the person who is signed in stands with the second factor.
    pub second_factor: Standing,
    /// Whether the person would rather go on without a second factor than set one up.
    pub without_second_factor: bool,
    /// The time of the decision.
    pub now: DateTime<Utc>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The person must sign in.
    Login,
    /// The person must choose an account, one that is signed in or another.
    SelectAccount,
    /// The person is asked to make an account, or to sign in to the one that they have.
    SignUp,
    /// The person must give a code of their second factor.
    SecondFactor,
    /// The person must set up a second factor, or say that they would rather not.
    Enrol,
    /// The person must be asked whether the client may have this.
    Consent,
    /// The client gets its code.
    Issue,
    /// The client gets an error, with words for its developer.
    Refuse(ErrorCode, &'static str),
}

/// What is told of an essential `acr` that nobody has here.
const UNMET_ACR: &str = "the acr that claims calls essential cannot be reached";

/// Decides what happens next with a request. Called again after every page that it asked for.
pub fn decide(request: &AuthorizationRequest, circumstances: &Circumstances<'_>) -> Decision {
    if circumstances.denied {
        return Decision::Refuse(ErrorCode::AccessDenied, "the person refused");
    }
    // OpenID Connect Core §5.5.1.1: before anybody gives their password for nothing.
    if request.insists_on_the_unknown() {
        return Decision::Refuse(ErrorCode::UnmetAuthenticationRequirements, UNMET_ACR);
    }
    let silent = request.prompt == Prompt::Nothing;
    // Initiating User Registration via OpenID Connect §4: met by whoever signs in because of it, to a new account or an old one.
    let is_met = circumstances.session.is_some_and(|session| session.auth_time >= circumstances.asked_at);
    if request.prompt.asks_account() && !is_met {
        return Decision::SignUp;
    }

    let Some(session) = circumstances.session else {
        return if silent {
            Decision::Refuse(ErrorCode::LoginRequired, "nobody is signed in")
        } else if request
            .expected_sub
            .as_ref()
            .map_or(!circumstances.beside.is_empty(), |sub| circumstances.beside.contains(sub))
        {
            Decision::SelectAccount
        } else {
            Decision::Login
        };
    };
    let signed_in_since = session.auth_time >= circumstances.asked_at;
    let is_own_choice = signed_in_since || circumstances.chosen == Some(&session.id);

    // OpenID Connect Core §3.1.2.1, id_token_hint: another person than the one hinted at is never signed in. Nor is the one hinted
    // at without asking, if they are not the present one: whoever sits there may not know that they are signed in, too.
    if let Some(expected) =
        request.expected_sub.as_ref().filter(|expected| Some(expected.as_str()) != circumstances.sub)
    {
        return if silent || is_own_choice {
            Decision::Refuse(ErrorCode::LoginRequired, "another person is signed in than the request names")
        } else if circumstances.beside.contains(expected) {
            Decision::SelectAccount
        } else {
            Decision::Login
        };
    }
    if request.prompt.asks_choice() && !is_own_choice {
        return Decision::SelectAccount;
    }
    if !signed_in_since && (request.prompt.asks_login() || is_too_old(request, session, circumstances.now)) {
        return if silent {
            Decision::Refuse(ErrorCode::LoginRequired, "the sign-in is older than max_age")
        } else {
            Decision::Login
        };
    }

    if let Some(decision) = strengthen(request, circumstances, session) {
        return decision;
    }
    if !has_consent(request, circumstances) {
        return if silent {
            Decision::Refuse(ErrorCode::ConsentRequired, "the person has not allowed this yet")
        } else {
            Decision::Consent
        };
    }
    Decision::Issue
}

/// OpenID Connect Core §3.1.2.1, max_age: the sign-in must not be older than this many seconds.
fn is_too_old(request: &AuthorizationRequest, session: &Session, now: DateTime<Utc>) -> bool {
    request.max_age.is_some_and(|max_age| {
        // Zero asks for a sign-in of its own, as prompt=login does.
        max_age == 0 || now - session.auth_time > chrono::TimeDelta::seconds(max_age.into())
    })
}

/// What must happen before the sign-in is as strong as the app wishes and the policy demands.
///
/// OpenID Connect Core §3.1.2.1, acr_values: a wish. It is met where it can be; who has no second factor is offered one.
fn strengthen(
    request: &AuthorizationRequest,
    circumstances: &Circumstances<'_>,
    session: &Session,
) -> Option<Decision> {
    if session.has_second_factor() {
        return None;
    }
    let silent = request.prompt == Prompt::Nothing;
    let wished = request.wishes_second_factor() && !(silent && request.accepts_password());
    match circumstances.second_factor {
        Standing::Enrolled { .. } if wished && silent => {
            Some(Decision::Refuse(ErrorCode::LoginRequired, "the person must give their second factor first"))
        }
        Standing::Enrolled { .. } if wished => Some(Decision::SecondFactor),
        Standing::Enrolled { .. } => None,
        // OpenID Connect Core §5.5.1.1: a failed attempt.
        Standing::Without { demanded: false }
            if wished
                && circumstances.without_second_factor
                && request.essential_acr
                && !request.accepts_password() =>
        {
            Some(Decision::Refuse(ErrorCode::UnmetAuthenticationRequirements, UNMET_ACR))
        }
        Standing::Without { demanded } if demanded || wished && !circumstances.without_second_factor => {
            Some(if silent {
                Decision::Refuse(ErrorCode::InteractionRequired, "the person must set up a second factor first")
            } else {
                Decision::Enrol
            })
        }
        Standing::Without { .. } => None,
    }
}

fn has_consent(request: &AuthorizationRequest, circumstances: &Circumstances<'_>) -> bool {
    let asked = request.consent_scope();
    let consented_since = circumstances
        .consent
        .is_some_and(|consent| consent.granted_at >= circumstances.asked_at && asked.is_subset(&consent.scope));
    // RFC 8252 §8.6: another app could pose as a public native client, so the person is asked every time.
    if request.prompt.asks_consent() || circumstances.client.is_public_native() {
        return consented_since;
    }
    circumstances.client.skips_consent() || circumstances.consent.is_some_and(|consent| asked.is_subset(&consent.scope))
}

#[cfg(test)]
mod choice_tests;

#[cfg(test)]
mod tests;
