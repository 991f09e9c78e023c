//! What a client says of itself when it registers (RFC 7591 §2, OpenID Connect Registration §2), and what we make of it.
//!
//! Each member that is read has a line here; all others are ignored (RFC 7591 §2). So nothing can be set that is the operator's alone:
//! `first_party`, `pkce_exempt`, `origins` and whatever is no part of [`ClientMetadata`].

use std::{collections::BTreeSet, fmt::Display};

use countersign_jose::{Algorithm, JwkSet};
use countersign_types::{ClientAuthMethod, ClientId, ErrorCode, GrantType, ResponseType, ScopeSet};
use serde_json::{Map, Value, json};

use super::{ApplicationType, ClientMetadata, Contradiction, RedirectUri, WebLink};
use crate::domain::api::STANDARD_SCOPES;

mod members;
#[cfg(test)]
mod tests;

use self::members::Members;

/// The most members with a language tag.
const MAX_TRANSLATIONS: usize = 100;
/// What can be told in several languages (OpenID Connect Registration §2.1).
const TRANSLATABLE: [&str; 5] = ["client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"];
/// What is the operator's alone, and kept as it was when a client replaces the rest.
const OF_THE_OPERATOR: [&str; 4] = ["first_party", "pkce_exempt", "origins", "access_token_signed_response_alg"];

/// What a client may get that registers itself.
#[derive(Clone, Debug)]
pub struct Allowance<'a> {
    /// Scopes of APIs, beside the standard ones.
    pub scopes: ScopeSet,
    /// Whether it may act on its own behalf.
    pub client_credentials: bool,
    /// By what we sign.
    pub signing: &'a [Algorithm],
    /// By what clients may sign what they prove themselves with.
    pub assertions: &'a [Algorithm],
}

/// Why a registration is refused, in words for the client's developer that name the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the errors of RFC 7591 §3.2.2 it is.
    pub code: ErrorCode,
    /// The words: printable ASCII alone (RFC 6749 §5.2).
    pub description: String,
}

impl Refusal {
    fn new(code: ErrorCode, member: &str, problem: impl Display) -> Self {
        let clean = |c: char| match c {
            '"' => '\'',
            ' '..='[' | ']'..='~' => c,
            _ => '?',
        };
        Self { code, description: format!("{member}: {problem}").chars().map(clean).take(400).collect() }
    }

    /// A member that cannot be what it is.
    pub fn of(member: &str, problem: impl Display) -> Self {
        Self::new(ErrorCode::InvalidClientMetadata, member, problem)
    }

    /// A redirect URI that cannot be registered.
    pub fn of_redirect_uri(problem: impl Display) -> Self {
        Self::new(ErrorCode::InvalidRedirectUri, "redirect_uris", problem)
    }
}

impl From<Contradiction> for Refusal {
    fn from(contradiction: Contradiction) -> Self {
        let is_about_redirects = contradiction == Contradiction::NoRedirectUri;
        let code = if is_about_redirects { ErrorCode::InvalidRedirectUri } else { ErrorCode::InvalidClientMetadata };
        Self::new(code, "the metadata contradict each other", contradiction)
    }
}

/// Reads what a client says of itself: all of it, with the defaults of what it does not say. Whatever is behind its addresses is not
/// looked at here.
///
/// # Errors
///
/// [`Refusal`], the first that is found.
pub fn read(members: &Map<String, Value>, id: &ClientId, allowance: &Allowance<'_>) -> Result<ClientMetadata, Refusal> {
    let members = Members(members);
    refuse_software_statement(&members)?;
    let method = members.parsed("token_endpoint_auth_method")?.unwrap_or(ClientAuthMethod::ClientSecretBasic);
    let mut metadata = ClientMetadata::new(String::new(), method);
    read_redirect_uris(&members, &mut metadata)?;
    read_grants(&members, &mut metadata, allowance)?;
    read_algorithms(&members, &mut metadata, allowance)?;
    read_sign_in(&members, &mut metadata)?;
    read_for_people(&members, &mut metadata, id)?;
    read_logout(&members, &mut metadata)?;
    metadata.complete();
    check(&metadata)?;
    Ok(metadata)
}

/// What the operator had set stays when the client replaces the rest (RFC 7592 §2.2).
pub fn keep_what_is_the_operators(metadata: &mut ClientMetadata, before: &ClientMetadata) {
    // The operator trusted it with the addresses that it had: other ones are for people to agree to.
    metadata.first_party = before.first_party && metadata.redirect_uris == before.redirect_uris;
    metadata.pkce_exempt = before.pkce_exempt && metadata.token_endpoint_auth_method != ClientAuthMethod::None;
    metadata.origins.clone_from(&before.origins);
    metadata.access_token_signed_response_alg = before.access_token_signed_response_alg;
}

/// The metadata as the client is told them, in the names of RFC 7591 §2: all that count, whether it said them or not.
pub fn describe(metadata: &ClientMetadata) -> Map<String, Value> {
    let mut members = Map::new();
    if let Value::Object(all) = json!(metadata) {
        members = all;
    }
    members.retain(|name, _| name != "translations" && !OF_THE_OPERATOR.contains(&name.as_str()));
    if metadata.post_logout_redirect_uris.is_empty() {
        members.remove("post_logout_redirect_uris");
    }
    members.extend(metadata.translations.iter().map(|(name, text)| (name.clone(), text.as_str().into())));
    let id_token = metadata.id_token_signed_response_alg.unwrap_or(Algorithm::RS256);
    members.insert("id_token_signed_response_alg".to_owned(), id_token.name().into());
    members.insert("require_auth_time".to_owned(), metadata.require_auth_time.into());
    members
}

/// RFC 7591 §2.3: a statement is the word of somebody who is trusted. Here nobody's is, and to ignore it could grant what it forbids.
fn refuse_software_statement(members: &Members<'_>) -> Result<(), Refusal> {
    const NAME: &str = "software_statement";
    match members.get(NAME) {
        None => Ok(()),
        Some(Value::String(_)) => Err(Refusal::new(
            ErrorCode::UnapprovedSoftwareStatement,
            NAME,
            "this server trusts nobody's software statements; register without one",
        )),
        Some(_) => Err(Refusal::new(ErrorCode::InvalidSoftwareStatement, NAME, "expected a string")),
    }
}

fn read_redirect_uris(members: &Members<'_>, metadata: &mut ClientMetadata) -> Result<(), Refusal> {
    metadata.application_type = members.parsed("application_type")?.unwrap_or_default();
    // RFC 7591 §3.2.2: whatever is wrong with them has an error code of its own.
    let of_redirect_uri = |refusal| Refusal { code: ErrorCode::InvalidRedirectUri, ..refusal };
    metadata.redirect_uris = members.list("redirect_uris").map_err(of_redirect_uri)?;
    metadata.post_logout_redirect_uris = members.list("post_logout_redirect_uris")?;
    metadata.request_uris = members.list("request_uris")?;
    metadata.initiate_login_uri = members.parsed("initiate_login_uri")?;
    Ok(())
}

fn read_grants(members: &Members<'_>, metadata: &mut ClientMetadata, allowance: &Allowance<'_>) -> Result<(), Refusal> {
    let named: Option<Vec<GrantType>> = members.optional_list("grant_types")?;
    // RFC 7591 §2.
    let grants = named.map_or_else(|| BTreeSet::from([GrantType::AuthorizationCode]), BTreeSet::from_iter);
    if grants.contains(&GrantType::ClientCredentials) && !allowance.client_credentials {
        return Err(Refusal::of("grant_types", "client_credentials is not for clients that register themselves"));
    }
    metadata.response_types = match members.texts("response_types")? {
        Some(texts) => {
            let read =
                |name: &&str| ResponseType::from_words(name).map_err(|error| Refusal::of("response_types", error));
            texts.iter().map(read).collect::<Result<_, _>>()?
        }
        None if grants.contains(&GrantType::AuthorizationCode) => BTreeSet::from([ResponseType::Code]),
        None => BTreeSet::new(),
    };
    // RFC 7591 §2.1.
    let with_code = metadata.response_types.iter().any(|one| one.is_answered_with_code());
    if with_code && !grants.contains(&GrantType::AuthorizationCode) {
        return Err(Contradiction::NoCodeGrant.into());
    }
    metadata.grant_types = grants;
    metadata.scope = read_scope(members, &allowance.scopes)?;
    metadata.dpop_bound_access_tokens = members.flag("dpop_bound_access_tokens")?;
    Ok(())
}

/// What is not for this client is taken out, and the answer tells what is left (RFC 7591 §2).
fn read_scope(members: &Members<'_>, further: &ScopeSet) -> Result<ScopeSet, Refusal> {
    let is_standard = |name: &str| STANDARD_SCOPES.iter().any(|(standard, _)| *standard == name);
    match members.parsed::<ScopeSet>("scope")? {
        Some(asked) => {
            let left = asked.filter(|scope| is_standard(scope.as_str()) || further.contains(scope.as_str()));
            if left.is_empty() && !asked.is_empty() {
                return Err(Refusal::of("scope", "nothing of it is for clients that register themselves"));
            }
            Ok(left)
        }
        None => Ok(STANDARD_SCOPES.iter().filter_map(|(name, _)| name.parse().ok()).collect()),
    }
}

fn read_algorithms(
    members: &Members<'_>,
    metadata: &mut ClientMetadata,
    allowance: &Allowance<'_>,
) -> Result<(), Refusal> {
    metadata.jwks =
        members.get("jwks").map(|jwks| JwkSet::parse(jwks).map_err(|error| Refusal::of("jwks", error))).transpose()?;
    metadata.jwks_uri = members.parsed("jwks_uri")?;
    metadata.token_endpoint_auth_signing_alg =
        members.algorithm("token_endpoint_auth_signing_alg", allowance.assertions)?;
    metadata.id_token_signed_response_alg = members.algorithm("id_token_signed_response_alg", allowance.signing)?;
    metadata.userinfo_signed_response_alg = members.algorithm("userinfo_signed_response_alg", allowance.signing)?;
    metadata.id_token_encrypted_response_alg = members.parsed("id_token_encrypted_response_alg")?;
    metadata.id_token_encrypted_response_enc = members.parsed("id_token_encrypted_response_enc")?;
    metadata.userinfo_encrypted_response_alg = members.parsed("userinfo_encrypted_response_alg")?;
    metadata.userinfo_encrypted_response_enc = members.parsed("userinfo_encrypted_response_enc")?;
    metadata.request_object_signing_alg = members.parsed("request_object_signing_alg")?;
    metadata.request_object_encryption_alg = members.parsed("request_object_encryption_alg")?;
    metadata.request_object_encryption_enc = members.parsed("request_object_encryption_enc")?;
    metadata.require_signed_request_object = members.flag("require_signed_request_object")?;
    Ok(())
}

fn read_sign_in(members: &Members<'_>, metadata: &mut ClientMetadata) -> Result<(), Refusal> {
    metadata.subject_type = members.parsed("subject_type")?.unwrap_or_default();
    metadata.sector_identifier_uri = members.parsed("sector_identifier_uri")?;
    metadata.default_max_age = members.number("default_max_age")?;
    metadata.require_auth_time = members.flag("require_auth_time")?;
    metadata.default_acr_values = members.plain_texts("default_acr_values")?;
    // In a request they are words of a list.
    if metadata.default_acr_values.iter().any(|value| value.contains(' ')) {
        return Err(Refusal::of("default_acr_values", "a value has a space in it"));
    }
    Ok(())
}

fn read_for_people(members: &Members<'_>, metadata: &mut ClientMetadata, id: &ClientId) -> Result<(), Refusal> {
    metadata.client_uri = members.parsed("client_uri")?;
    metadata.logo_uri = members.parsed("logo_uri")?;
    metadata.policy_uri = members.parsed("policy_uri")?;
    metadata.tos_uri = members.parsed("tos_uri")?;
    metadata.contacts = members.plain_texts("contacts")?;
    metadata.software_id = members.plain_text("software_id")?.map(str::to_owned);
    metadata.software_version = members.plain_text("software_version")?.map(str::to_owned);
    let name = members.plain_text("client_name")?.map(str::to_owned);
    // RFC 7591 §2: without a name people are shown what there is. Where the answers go is at least true.
    let host = || metadata.redirect_uris.first().and_then(RedirectUri::host);
    metadata.client_name = name.or_else(host).unwrap_or_else(|| id.to_string());

    for (member, tag) in members.tagged(&TRANSLATABLE) {
        let name = format!("{member}#{tag}");
        if !is_language_tag(tag) {
            return Err(Refusal::of(&name, "what follows # is not a language tag (BCP 47)"));
        }
        let text = match member {
            "client_name" => members.plain_text(&name)?.map(str::to_owned),
            _ => members.parsed::<WebLink>(&name)?.map(String::from),
        };
        let Some(text) = text else { continue };
        // RFC 5646 §2.1.1: tags differ by more than the case of their letters.
        if metadata.translations.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::of(&name, "this language is there twice"));
        }
        if metadata.translations.len() == MAX_TRANSLATIONS {
            return Err(Refusal::of(&name, "there are too many languages"));
        }
        metadata.translations.insert(name, text);
    }
    Ok(())
}

fn read_logout(members: &Members<'_>, metadata: &mut ClientMetadata) -> Result<(), Refusal> {
    metadata.backchannel_logout_uri = members.parsed("backchannel_logout_uri")?;
    metadata.backchannel_logout_session_required = members.flag("backchannel_logout_session_required")?;
    metadata.frontchannel_logout_uri = members.parsed("frontchannel_logout_uri")?;
    metadata.frontchannel_logout_session_required = members.flag("frontchannel_logout_session_required")?;
    Ok(())
}

fn check(metadata: &ClientMetadata) -> Result<(), Refusal> {
    metadata.check()?;
    for uri in &metadata.redirect_uris {
        check_redirect_uri(metadata, uri)?;
    }
    Ok(())
}

/// OpenID Connect Registration §2, `application_type`.
fn check_redirect_uri(metadata: &ClientMetadata, uri: &RedirectUri) -> Result<(), Refusal> {
    let in_front_channel = metadata.response_types.iter().any(|one| one.is_answered_with_tokens());
    let problem = match metadata.application_type {
        ApplicationType::Web if uri.origin().is_none() => {
            "a scheme of its own is for clients of the application_type native"
        }
        ApplicationType::Web if in_front_channel && (uri.is_native() || !uri.as_str().starts_with("https:")) => {
            "answers with tokens go to https alone, and not to this machine"
        }
        ApplicationType::Native if !uri.is_native() => {
            "a client of the application_type native has a scheme of its own or http on the loopback interface"
        }
        ApplicationType::Web | ApplicationType::Native => return Ok(()),
    };
    Err(Refusal::of_redirect_uri(problem))
}

/// In shape: RFC 5646 §2.1.
fn is_language_tag(tag: &str) -> bool {
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.len() <= 35 && tag.starts_with(|c: char| c.is_ascii_alphabetic()) && tag.split('-').all(is_subtag)
}
