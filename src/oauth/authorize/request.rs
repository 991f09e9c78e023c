//! What an app asks for, checked against its registration.
//!
//! Until client and redirect URI are known to be right, an error is a page: sent anywhere else it could be sent to a thief
//! (RFC 6749 §4.1.2.1). From then on it is an answer to the client.

use std::{collections::BTreeSet, sync::Arc};

use countersign_types::{ClientId, ErrorCode, GrantType, ResponseType, ScopeSet};
use serde_json::{Map, Value};

use super::{request_object, respond::Answer};
use crate::{
    app::{App, Issuer},
    config::PkceRequired,
    domain::{
        api::{Apis, OFFLINE_ACCESS, OPENID},
        authorization::{Ask, AuthorizationRequest, Prompt, ResponseMode},
        claims::ClaimsRequest,
        client::Client,
    },
    http::form::Parameters,
    jose::verify_hint,
    oauth::machine::{self, CleanRequest},
    store::StoreError,
};

/// Why a request does not even begin.
#[derive(Debug)]
pub(super) enum Refused {
    /// Shown to the person, since it is not known where else to send it: the key of the text.
    Page(&'static str),
    /// Sent to the client.
    Answer(Box<Answer>),
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The most languages in which claims are told.
const MAX_LOCALES: usize = 10;

/// Where an answer goes, once that is known to be right.
struct Destination {
    client: Arc<Client>,
    redirect_uri: String,
    redirect_uri_sent: bool,
}

/// Reads a request: a checked one, or why not.
pub(super) async fn parse(app: &App, issuer: &Issuer, parameters: Parameters) -> Result<AuthorizationRequest, Refused> {
    let client = find_client(app, &parameters).await?;
    let parameters = match request_object::resolve(app, issuer, &client, parameters).await {
        Ok(parameters) => parameters,
        Err((sent, wrong)) => return Err(without_object(client, &sent, wrong)),
    };
    let parameters = &parameters;
    let destination = find_destination(client, parameters)?;
    let asked = parameters.get("scope").and_then(|scope| scope.parse().ok()).unwrap_or_default();
    let apis = app.store.apis_for(&asked).await?;
    let state = if parameters.is_repeated("state") { None } else { parameters.owned("state") };
    let default_mode = default_mode(parameters);
    let response_mode = response_mode(parameters, default_mode, &destination.redirect_uri);
    let request = read(app, issuer, &apis, parameters, &destination, response_mode.unwrap_or(default_mode));
    request.and_then(|request| response_mode.map(|_| request)).map_err(|(code, description)| {
        let response_mode = response_mode.unwrap_or(default_mode);
        Refused::Answer(Box::new(Answer::error(destination.redirect_uri, response_mode, state, code, description)))
    })
}

async fn find_client(app: &App, parameters: &Parameters) -> Result<Arc<Client>, Refused> {
    // Which of two is meant nobody can say.
    if parameters.is_repeated("client_id") || parameters.is_repeated("redirect_uri") {
        return Err(Refused::Page("error-app-twice"));
    }
    let id = parameters.get("client_id").ok_or(Refused::Page("error-app-missing"))?;
    let client = app.store.client(&ClientId::new(id)).await?.filter(|client| client.enabled);
    client.ok_or(Refused::Page("error-app-unknown"))
}

/// What is told of a request object that cannot be used: to the client, if what stands beside it says where that is.
fn without_object(client: Arc<Client>, sent: &Parameters, (code, description): request_object::Wrong) -> Refused {
    match find_destination(client, sent) {
        Ok(Destination { redirect_uri, .. }) => {
            let default_mode = default_mode(sent);
            let mode = response_mode(sent, default_mode, &redirect_uri).unwrap_or(default_mode);
            let state = if sent.is_repeated("state") { None } else { sent.owned("state") };
            Refused::Answer(Box::new(Answer::error(redirect_uri, mode, state, code, description)))
        }
        Err(_) => Refused::Page("error-request-object"),
    }
}

fn find_destination(client: Arc<Client>, parameters: &Parameters) -> Result<Destination, Refused> {
    let is_openid = parameters.get("scope").is_some_and(|scope| scope.split(' ').any(|one| one == OPENID));
    let (redirect_uri, redirect_uri_sent) =
        match (parameters.get("redirect_uri"), client.metadata.redirect_uris.as_slice()) {
            (Some(asked), _) if client.allows_redirect(asked) => (asked.to_owned(), true),
            (Some(_), _) => {
                return Err(Refused::Page("error-redirect-unregistered"));
            }
            // OpenID Connect Core §3.1.2.1 requires it; RFC 6749 §3.1.2.3 lets it be left out where there is one alone.
            (None, [only]) if !is_openid => (only.as_str().to_owned(), false),
            (None, _) => return Err(Refused::Page("error-redirect-missing")),
        };
    Ok(Destination { client, redirect_uri, redirect_uri_sent })
}

pub(super) type Checked<T> = Result<T, (ErrorCode, &'static str)>;

fn invalid<T>(description: &'static str) -> Checked<T> {
    Err((ErrorCode::InvalidRequest, description))
}

/// Where an answer with tokens goes that was not told where: not into the query, which ends up in logs (OAuth 2.0 Multiple Response
/// Types §5). So with what asks for one and is refused.
fn default_mode(parameters: &Parameters) -> ResponseMode {
    let mut words = parameters.get("response_type").unwrap_or_default().split(' ');
    if words.any(|word| matches!(word, "token" | "id_token")) { ResponseMode::Fragment } else { ResponseMode::Query }
}

fn response_mode(parameters: &Parameters, default: ResponseMode, redirect_uri: &str) -> Checked<ResponseMode> {
    match parameters.get("response_mode") {
        None => Ok(default),
        Some("query") if default == ResponseMode::Fragment => {
            invalid("response_mode query would carry tokens; use fragment or form_post")
        }
        Some("query") => Ok(ResponseMode::Query),
        Some("fragment") => Ok(ResponseMode::Fragment),
        // A browser posts to nothing else.
        Some("form_post") if !redirect_uri.starts_with("https://") && !redirect_uri.starts_with("http://") => {
            invalid("response_mode form_post needs a redirect_uri of http or https")
        }
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(_) => invalid("response_mode must be query, fragment or form_post"),
    }
}

fn read(
    app: &App,
    issuer: &Issuer,
    apis: &Apis,
    parameters: &Parameters,
    destination: &Destination,
    response_mode: ResponseMode,
) -> Checked<AuthorizationRequest> {
    let client = &destination.client;
    // RFC 6749 §3.1.
    if parameters.has_repeated() {
        return invalid("a parameter was sent more than once");
    }
    let response_type = response_type(parameters, client)?;
    let code_challenge = code_challenge(app, parameters, (client, response_type))?;
    let dpop_jkt = dpop_jkt(parameters, response_type)?;
    let nonce = nonce(parameters, response_type)?;
    let prompt = prompt(app, parameters)?;
    let max_age = match parameters.get("max_age").map(str::parse) {
        None => client.metadata.default_max_age,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return invalid("max_age must be a number of seconds"),
    };
    let mut claims = claims(parameters)?;
    let hinted_sub = hinted_sub(app, issuer, parameters, client)?;
    let expected_sub = match (hinted_sub, requested_sub(&claims)?) {
        (Some(hinted), Some(requested)) if hinted != requested => {
            return invalid("id_token_hint and the sub of claims name different people");
        }
        (hinted, requested) => hinted.or(requested),
    };
    let (acr_values, essential_acr) = acr(parameters, &claims, client);
    let claims_scope = claims.limit(&app.settings.scopes, &client.metadata.scope);
    let state = parameters.owned("state");
    let clean = CleanRequest {
        client_id: client.id.as_str(),
        redirect_uri: &destination.redirect_uri,
        scope: parameters.get("scope"),
        state: state.as_deref(),
        code_challenge: code_challenge.as_deref(),
        ..CleanRequest::default()
    };
    let scope =
        machine::authorization(&clean, |asked| negotiate(asked, (client, response_type), apis)).map_err(|stopped| {
            let description = match stopped.0 {
                ErrorCode::InvalidScope => "scope is missing, malformed, or names what this client may not ask for",
                _ => "the request is malformed",
            };
            (stopped.0, description)
        })?;
    if response_type.is_answered_with_id_token() && !scope.contains(OPENID) {
        return invalid("a response_type with id_token needs the scope openid");
    }
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        redirect_uri: destination.redirect_uri.clone(),
        redirect_uri_sent: destination.redirect_uri_sent,
        response_type,
        response_mode,
        scope,
        nonce,
        prompt,
        max_age,
        login_hint: parameters.owned("login_hint"),
        expected_sub,
        ui_locales: words(parameters, "ui_locales"),
        acr_values,
        essential_acr,
        claims,
        claims_scope,
        code_challenge,
        dpop_jkt,
        extension: Map::new(),
        state,
    })
}

fn words(parameters: &Parameters, name: &str) -> Vec<String> {
    parameters.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// OpenID Connect Core §5.5, §5.2.
fn claims(parameters: &Parameters) -> Checked<ClaimsRequest> {
    let asked = parameters.get("claims").map(ClaimsRequest::parse).transpose();
    let asked = asked.map_err(|description| (ErrorCode::InvalidRequest, description))?.unwrap_or_default();
    let locales = words(parameters, "claims_locales").into_iter().take(MAX_LOCALES).collect();
    Ok(ClaimsRequest { locales, ..asked })
}

/// Whom the app expects, by an ID token that it got from us.
fn hinted_sub(app: &App, issuer: &Issuer, parameters: &Parameters, client: &Client) -> Checked<Option<String>> {
    let Some(hint) = parameters.get("id_token_hint") else { return Ok(None) };
    // One that was encrypted for the client may come back encrypted for us (OpenID Connect Core §3.1.2.1).
    let opened = issuer.keyring.decrypt(hint).and_then(Result::ok);
    let hint = opened.as_deref().unwrap_or(hint);
    match verify_hint(hint, &issuer.keyring, &issuer.url, app.clock.now()) {
        Ok(hint) if hint.client == client.id => Ok(Some(hint.sub)),
        Ok(_) => invalid("id_token_hint was issued to another client"),
        Err(_) => invalid("id_token_hint is not an ID token of this issuer"),
    }
}

/// Whom the app expects, by the `sub` that the ID token is to have (OpenID Connect Core §5.5.1).
fn requested_sub(claims: &ClaimsRequest) -> Checked<Option<String>> {
    let Some(wanted) = claims.id_token.get("sub").filter(|wanted| !wanted.values.is_empty()) else { return Ok(None) };
    match wanted.values.as_slice() {
        [Value::String(sub)] => Ok(Some(sub.clone())),
        _ => invalid("the sub of claims has one value, which is text"),
    }
}

/// How strong a sign-in the app would like, and whether it is a must: by `acr_values`, or by the claim `acr` (OpenID Connect
/// Core §5.5.1.1), which is the more exact of the two; else as the client registered (Registration §2).
fn acr(parameters: &Parameters, claims: &ClaimsRequest, client: &Client) -> (Vec<String>, bool) {
    match claims.id_token.get("acr").filter(|wanted| !wanted.values.is_empty()) {
        Some(wanted) => (wanted.texts().map(str::to_owned).collect(), wanted.essential),
        None if parameters.get("acr_values").is_none() => (client.metadata.default_acr_values.clone(), false),
        None => (words(parameters, "acr_values"), false),
    }
}

fn response_type(parameters: &Parameters, client: &Client) -> Checked<ResponseType> {
    let Some(name) = parameters.get("response_type") else { return invalid("response_type is missing") };
    let Ok(response_type) = ResponseType::from_words(name) else {
        return Err((ErrorCode::UnsupportedResponseType, "this response_type is not known here"));
    };
    allowed_response_type(client, response_type).map(|()| response_type)
}

/// Whether the client registered for this answer.
pub(super) fn allowed_response_type(client: &Client, response_type: ResponseType) -> Checked<()> {
    if !client.metadata.response_types.contains(&response_type) {
        return Err((ErrorCode::UnauthorizedClient, "the client did not register this response_type"));
    }
    if response_type.is_answered_with_code() && !client.may_use(GrantType::AuthorizationCode) {
        return Err((ErrorCode::UnauthorizedClient, "the client did not register the grant authorization_code"));
    }
    if response_type.is_answered_with_tokens() && !client.may_use(GrantType::Implicit) {
        return Err((ErrorCode::UnauthorizedClient, "the client did not register the grant implicit"));
    }
    if response_type.is_answered_with_access_token() && client.metadata.dpop_bound_access_tokens {
        let description = "access tokens of this client are bound to a key; use the response_type code";
        return Err((ErrorCode::UnauthorizedClient, description));
    }
    Ok(())
}

/// OpenID Connect Core §3.2.2.1, §3.3.2.11: without it whoever holds an ID token could pass it off as the answer to a request of theirs.
fn nonce(parameters: &Parameters, response_type: ResponseType) -> Checked<Option<String>> {
    match parameters.owned("nonce") {
        None if response_type.is_answered_with_id_token() => invalid("nonce is required with this response_type"),
        nonce => Ok(nonce),
    }
}

/// RFC 7636 §4.3, with S256 alone (RFC 9700 §2.1.1).
fn code_challenge(
    app: &App,
    parameters: &Parameters,
    (client, response_type): (&Client, ResponseType),
) -> Checked<Option<String>> {
    let Some(challenge) = parameters.get("code_challenge") else {
        if parameters.has("code_challenge_method") {
            return invalid("code_challenge is missing");
        }
        let settings = &app.settings;
        let rule = if client.is_self_registered() { settings.registration.pkce } else { settings.pkce.required };
        let is_required = match rule {
            PkceRequired::All => client.is_public() || !client.metadata.pkce_exempt,
            PkceRequired::Public => client.is_public(),
        };
        return if is_required && response_type.is_answered_with_code() {
            invalid("code_challenge is required (PKCE, RFC 7636)")
        } else {
            Ok(None)
        };
    };
    if parameters.get("code_challenge_method") != Some("S256") {
        return invalid("code_challenge_method must be S256");
    }
    if !is_digest(challenge) {
        return invalid("code_challenge must be 43 characters of base64url");
    }
    Ok(Some(challenge.to_owned()))
}

/// Whether this can be a SHA-256, as base64url.
fn is_digest(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == 43 && text.bytes().all(is_base64url)
}

/// RFC 9449 §10: the key that the code is going to be redeemed with.
fn dpop_jkt(parameters: &Parameters, response_type: ResponseType) -> Checked<Option<String>> {
    match parameters.owned("dpop_jkt") {
        // It would be a bearer token: nobody proves anything here.
        Some(_) if response_type.is_answered_with_access_token() => {
            invalid("dpop_jkt cannot bind an access token of this endpoint; use the response_type code")
        }
        Some(thumbprint) if !is_digest(&thumbprint) => {
            invalid("dpop_jkt must be the SHA-256 thumbprint of a JWK, 43 characters of base64url")
        }
        thumbprint => Ok(thumbprint),
    }
}

/// OpenID Connect Core §3.1.2.1, and Initiating User Registration via OpenID Connect §4.
fn prompt(app: &App, parameters: &Parameters) -> Checked<Prompt> {
    let mut asked = BTreeSet::new();
    let mut nothing = false;
    for value in parameters.get("prompt").unwrap_or_default().split_whitespace() {
        match value {
            "none" => nothing = true,
            "login" => drop(asked.insert(Ask::Login)),
            "consent" => drop(asked.insert(Ask::Consent)),
            "select_account" => drop(asked.insert(Ask::SelectAccount)),
            "create" if app.is_sign_up_open() => drop(asked.insert(Ask::Create)),
            _ => return invalid("prompt has a value that is not known here"),
        }
    }
    match (nothing, asked.is_empty()) {
        (true, true) => Ok(Prompt::Nothing),
        (true, false) => invalid("prompt=none cannot be combined with other values"),
        (false, true) => Ok(Prompt::AsNeeded),
        (false, false) => Ok(Prompt::Ask(asked)),
    }
}

/// What of the scope can be granted. What nobody knows is ignored (OpenID Connect Core §3.1.2.1); what this client may not
/// ask for is refused.
fn negotiate(
    asked: Option<ScopeSet>,
    (client, response_type): (&Client, ResponseType),
    apis: &Apis,
) -> Result<ScopeSet, ErrorCode> {
    let known = asked.ok_or(ErrorCode::InvalidScope)?.filter(|scope| apis.knows(scope));
    if !known.is_subset(&client.metadata.scope) {
        return Err(ErrorCode::InvalidScope);
    }
    // OpenID Connect Core §11: without the means to refresh, offline access is ignored.
    let can_refresh = client.may_use(GrantType::RefreshToken) && response_type.is_answered_with_code();
    let scope = known.filter(|scope| can_refresh || scope.as_str() != OFFLINE_ACCESS);
    if scope.is_empty() { Err(ErrorCode::InvalidScope) } else { Ok(scope) }
}
