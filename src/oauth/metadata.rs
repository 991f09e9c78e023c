//! What we say of ourselves: discovery (OpenID Connect Discovery §3, RFC 8414) and our public keys (RFC 7517 §5).

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_jose::{ContentEncryption, KeyManagement};
use countersign_types::{
    GrantType, ResponseType,
    vocabulary::{ACR_PASSWORD, ACR_SECOND_FACTOR},
};
use openssl::sha::sha256;
use serde_json::{Value, json};

use super::{authorize::REQUEST_OBJECT_ALGORITHMS, check_session, client_auth, dpop, error::OAuthError, registration};
use crate::{
    app::{App, Issuer},
    domain::{api::Apis, authorization::Prompt, client::SubjectType, user::SETTABLE_CLAIMS},
    http::state::AppState,
    text::Language,
};

/// The document as it was last built, for the APIs that were registered then.
#[derive(Debug, Default)]
pub struct Discovery(Mutex<Option<(Arc<Apis>, Document)>>);

#[derive(Clone, Debug)]
struct Document {
    body: Bytes,
    etag: String,
}

impl Discovery {
    async fn document(&self, app: &App, issuer: &Issuer) -> Result<Document, OAuthError> {
        let apis = app.store.apis().await?;
        let mut built = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*built {
            Some((of, document)) if Arc::ptr_eq(of, &apis) => Ok(document.clone()),
            _ => {
                let body = Bytes::from(metadata(app, &issuer.url, &apis).to_string());
                let hash = sha256(&body);
                let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash.get(..12).unwrap_or(&hash)));
                let document = Document { body, etag };
                *built = Some((apis, document.clone()));
                Ok(document)
            }
        }
    }
}

/// Only what works is in it.
fn metadata(app: &App, issuer: &str, apis: &Apis) -> Value {
    let endpoint = |path: &str| format!("{issuer}{path}");
    let names = |algorithms: &[countersign_jose::Algorithm]| -> Vec<&str> {
        algorithms.iter().map(|algorithm| algorithm.name()).collect()
    };
    let claims = SETTABLE_CLAIMS.iter().map(|(name, _)| *name).filter(|name| !name.contains('.'));
    let claims: Vec<&str> =
        ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "at_hash", "c_hash"]
            .into_iter()
            .chain(claims)
            .chain(["address", "updated_at"])
            .chain(app.settings.scopes.names())
            .collect();
    let auth_methods: Vec<&str> = client_auth::METHODS.iter().map(|method| method.as_str()).collect();
    let confidential: Vec<&str> = auth_methods.iter().copied().filter(|method| *method != "none").collect();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": endpoint("/authorize"),
        "token_endpoint": endpoint("/token"),
        "userinfo_endpoint": endpoint("/userinfo"),
        "jwks_uri": endpoint("/.well-known/jwks.json"),
        "introspection_endpoint": endpoint("/introspect"),
        "revocation_endpoint": endpoint("/revoke"),
        "scopes_supported": apis.all_scopes().collect::<Vec<_>>(),
        "response_types_supported": ResponseType::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": GrantType::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "acr_values_supported": [ACR_PASSWORD, ACR_SECOND_FACTOR],
        "subject_types_supported": SubjectType::ALL.map(SubjectType::as_str),
        "id_token_signing_alg_values_supported": names(&app.settings.keys.algorithms),
        "id_token_encryption_alg_values_supported": KeyManagement::ASYMMETRIC.map(KeyManagement::name),
        "id_token_encryption_enc_values_supported": ContentEncryption::ALL.map(ContentEncryption::name),
        "userinfo_signing_alg_values_supported": names(&app.settings.keys.algorithms),
        "userinfo_encryption_alg_values_supported": KeyManagement::ASYMMETRIC.map(KeyManagement::name),
        "userinfo_encryption_enc_values_supported": ContentEncryption::ALL.map(ContentEncryption::name),
        "token_endpoint_auth_methods_supported": auth_methods,
        "token_endpoint_auth_signing_alg_values_supported": names(&client_auth::ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": names(&client_auth::ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": auth_methods,
        "revocation_endpoint_auth_signing_alg_values_supported": names(&client_auth::ASSERTION_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "claim_types_supported": ["normal"],
        "claims_supported": claims,
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "request_object_signing_alg_values_supported":
            names(&REQUEST_OBJECT_ALGORITHMS).into_iter().chain(["none"]).collect::<Vec<_>>(),
        "request_object_encryption_alg_values_supported": KeyManagement::ASYMMETRIC.map(KeyManagement::name),
        "request_object_encryption_enc_values_supported": ContentEncryption::ALL.map(ContentEncryption::name),
        "dpop_signing_alg_values_supported": dpop::ALGORITHMS,
        "prompt_values_supported": Prompt::supported(app.is_sign_up_open()).collect::<Vec<_>>(),
        "authorization_response_iss_parameter_supported": true,
        "ui_locales_supported": Language::ALL.map(Language::tag),
    });
    if let Value::Object(document) = &mut document {
        document.extend(of_logout(issuer).map(|(name, value)| (name.to_owned(), value)));
        if registration::is_on(app) {
            document.insert("registration_endpoint".to_owned(), endpoint("/register").into());
        }
    }
    document
}

/// How a session ends, and how apps hear of it.
fn of_logout(issuer: &str) -> [(&'static str, Value); 6] {
    [
        ("end_session_endpoint", format!("{issuer}/logout").into()),
        ("check_session_iframe", format!("{issuer}{}", check_session::PATH).into()),
        ("backchannel_logout_supported", true.into()),
        ("backchannel_logout_session_supported", true.into()),
        ("frontchannel_logout_supported", true.into()),
        ("frontchannel_logout_session_supported", true.into()),
    ]
}

/// `GET /.well-known/openid-configuration` and `GET /.well-known/oauth-authorization-server`
pub async fn get(
    State(state): State<AppState>,
    State(discovery): State<Arc<Discovery>>,
    headers: HeaderMap,
) -> Response {
    match discovery.document(&state.app, &state.issuer).await {
        Ok(Document { body, etag }) => document(&state.app, &headers, body, &etag),
        Err(error) => error.into_response(),
    }
}

/// `GET /.well-known/jwks.json`
pub async fn jwks(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let jwks = state.issuer.keyring.jwks(state.app.clock.now());
    document(&state.app, &headers, jwks.body, &jwks.etag)
}

/// A public document that clients may keep for as long as keys are published before they sign.
fn document(app: &App, headers: &HeaderMap, body: Bytes, etag: &str) -> Response {
    let max_age = app.settings.lifetimes.jwks_cache.as_secs();
    let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    let common = [
        (header::CACHE_CONTROL, value(format!("public, max-age={max_age}"))),
        (header::ETAG, value(etag.to_owned())),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    if is_known(headers, etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// Whether the client has this version already (RFC 9110 §13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
