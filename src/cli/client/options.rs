//! What a registration says, as options, and which of it goes together.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use countersign_jose::{Algorithm, ContentEncryption, JwkSet, KeyManagement};
use countersign_types::{ClientAuthMethod, GrantType, ResponseType, Scope};
use serde_json::Value;

use crate::{
    cli::CliError,
    domain::client::{
        ApplicationType, ClientMetadata, Contradiction, LogoutUri, RedirectUri, RequestObjectAlgorithm, RequestUri,
        SubjectType, WebLink, WebOrigin,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct ClientOptions {
    /// What people are shown.
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,
    /// The operator's own app: people are not asked for consent.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    first_party: Option<bool>,
    /// Its access tokens are always bound to a key that it proves to hold (DPoP).
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    dpop_bound_access_tokens: Option<bool>,
    /// How it authenticates: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none.
    #[arg(long, value_name = "METHOD")]
    pub(super) auth_method: Option<ClientAuthMethod>,
    /// The only algorithm of its assertions.
    #[arg(long, value_name = "ALG")]
    auth_signing_alg: Option<Given<Algorithm>>,
    /// By what its ID tokens are signed: RS256, or another of keys.algorithms.
    #[arg(long, value_name = "ALG")]
    id_token_alg: Option<Given<Algorithm>>,
    /// By what its access tokens are signed, which the APIs must know: RS256, or another of keys.algorithms.
    #[arg(long, value_name = "ALG")]
    access_token_alg: Option<Given<Algorithm>>,
    /// A file with its public keys, as a JWK set.
    #[arg(long, value_name = "FILE")]
    jwks: Option<Given<PathBuf>>,
    /// Where its public keys are, instead of a file.
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<Given<WebLink>>,
    /// Whether it runs on a web server (web) or on the person's own machine (native).
    #[arg(long, value_name = "TYPE")]
    application_type: Option<ApplicationType>,
    /// Whether it knows people by the same identifier as all other clients (public) or by one of its own (pairwise).
    #[arg(long, value_name = "TYPE")]
    subject_type: Option<SubjectType>,
    /// The list of redirect URIs of all clients that know people by the same pairwise identifier.
    #[arg(long, value_name = "URL")]
    sector_identifier_uri: Option<Given<WebLink>>,
    /// How the key reaches it by which its ID tokens are encrypted.
    #[arg(long, value_name = "ALG")]
    id_token_encryption_alg: Option<Given<KeyManagement>>,
    /// By what they are encrypted.
    #[arg(long, value_name = "ENC")]
    id_token_encryption_enc: Option<Given<ContentEncryption>>,
    /// By what userinfo is signed for it: RS256, or another of keys.algorithms.
    #[arg(long, value_name = "ALG")]
    userinfo_signing_alg: Option<Given<Algorithm>>,
    /// How the key reaches it by which userinfo is encrypted.
    #[arg(long, value_name = "ALG")]
    userinfo_encryption_alg: Option<Given<KeyManagement>>,
    /// By what that is encrypted.
    #[arg(long, value_name = "ENC")]
    userinfo_encryption_enc: Option<Given<ContentEncryption>>,
    /// The only algorithm of its request objects, or none.
    #[arg(long, value_name = "ALG")]
    request_object_signing_alg: Option<Given<RequestObjectAlgorithm>>,
    /// How the key reaches us by which it encrypts request objects.
    #[arg(long, value_name = "ALG")]
    request_object_encryption_alg: Option<Given<KeyManagement>>,
    /// By what it encrypts them.
    #[arg(long, value_name = "ENC")]
    request_object_encryption_enc: Option<Given<ContentEncryption>>,
    /// It asks by signed request objects alone.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    require_signed_request_object: Option<bool>,
    /// Where a request object may be fetched from.
    #[arg(long = "request-uri", value_name = "URL")]
    request_uris: Vec<Given<RequestUri>>,
    /// The oldest sign-in that will do for a request that does not say, in seconds.
    #[arg(long, value_name = "SECONDS")]
    default_max_age: Option<Given<u32>>,
    /// It counts on auth_time in its ID tokens.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    require_auth_time: Option<bool>,
    /// How strong a sign-in it would like where a request does not say; the best first.
    #[arg(long = "default-acr-value", value_name = "ACR")]
    default_acr_values: Vec<Given<String>>,
    /// Where a sign-in to it can be started from our pages.
    #[arg(long, value_name = "URL")]
    initiate_login_uri: Option<Given<WebLink>>,
    /// Where answers may be sent, to the letter.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<Given<RedirectUri>>,
    /// Where people may be sent after signing out, to the letter.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<Given<RedirectUri>>,
    /// A web origin that may call from a browser, beside those of the redirect URIs.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<Given<WebOrigin>>,
    /// A grant that it may use: authorization_code, refresh_token, client_credentials.
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<Given<GrantType>>,
    /// A response type that it may ask for: code, or with tokens from the authorization endpoint "code id_token", "code token",
    /// "code id_token token", id_token, "id_token token".
    #[arg(long = "response-type", value_name = "TYPE")]
    response_types: Vec<Given<ResponseType>>,
    /// A scope that it may ask for.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Given<Scope>>,
    /// Let this confidential client go without PKCE.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    no_pkce: Option<bool>,
    /// Its home page.
    #[arg(long, value_name = "URL")]
    client_uri: Option<Given<WebLink>>,
    /// Who is responsible for it, mostly a mail address.
    #[arg(long = "contact", value_name = "TEXT")]
    contacts: Vec<Given<String>>,
    /// What its developer calls this software.
    #[arg(long, value_name = "TEXT")]
    software_id: Option<Given<String>>,
    /// Which version of it that is.
    #[arg(long, value_name = "TEXT")]
    software_version: Option<Given<String>>,
    /// Its logo: PNG, JPEG or WebP of at most 100 KiB.
    #[arg(long, value_name = "URL")]
    logo_uri: Option<Given<WebLink>>,
    /// Its privacy policy.
    #[arg(long, value_name = "URL")]
    policy_uri: Option<Given<WebLink>>,
    /// Its terms of service.
    #[arg(long, value_name = "URL")]
    tos_uri: Option<Given<WebLink>>,
    /// Where its server is to hear that a sign-in is over, for whatever reason.
    #[arg(long, value_name = "URL")]
    backchannel_logout_uri: Option<Given<LogoutUri>>,
    /// It wants to hear which sign-in that was; it always does.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    backchannel_logout_session_required: Option<bool>,
    /// What the browser is to load, unseen, when somebody signs out in it.
    #[arg(long, value_name = "URL")]
    frontchannel_logout_uri: Option<Given<LogoutUri>>,
    /// It wants to hear which sign-in that was: `iss` and `sid` are appended.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    frontchannel_logout_session_required: Option<bool>,
}

/// The value of an option. An empty one clears what was registered.
#[derive(Clone, Debug)]
enum Given<T> {
    Nothing,
    Value(T),
}

impl<T: FromStr> FromStr for Given<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.is_empty() { Ok(Self::Nothing) } else { text.parse().map(Self::Value) }
    }
}

impl<T> Given<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Nothing => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl ClientOptions {
    /// What is given replaces what was there.
    pub(super) fn apply(self, metadata: &mut ClientMetadata) -> Result<(), CliError> {
        fn replace<T>(slot: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *slot = value;
            }
        }
        fn list<T, L: FromIterator<T>>(values: Vec<Given<T>>) -> Option<L> {
            (!values.is_empty()).then(|| values.into_iter().filter_map(Given::value).collect())
        }
        fn replace_one<T>(slot: &mut Option<T>, given: Option<Given<T>>) {
            if let Some(given) = given {
                *slot = given.value();
            }
        }
        match self.jwks {
            None => {}
            Some(Given::Nothing) => metadata.jwks = None,
            Some(Given::Value(file)) => metadata.jwks = Some(read_keys(&file)?),
        }
        replace_one(&mut metadata.jwks_uri, self.jwks_uri);
        replace(&mut metadata.application_type, self.application_type);
        replace(&mut metadata.subject_type, self.subject_type);
        replace_one(&mut metadata.sector_identifier_uri, self.sector_identifier_uri);
        replace_one(&mut metadata.id_token_encrypted_response_alg, self.id_token_encryption_alg);
        replace_one(&mut metadata.id_token_encrypted_response_enc, self.id_token_encryption_enc);
        replace_one(&mut metadata.userinfo_signed_response_alg, self.userinfo_signing_alg);
        replace_one(&mut metadata.userinfo_encrypted_response_alg, self.userinfo_encryption_alg);
        replace_one(&mut metadata.userinfo_encrypted_response_enc, self.userinfo_encryption_enc);
        replace_one(&mut metadata.request_object_signing_alg, self.request_object_signing_alg);
        replace_one(&mut metadata.request_object_encryption_alg, self.request_object_encryption_alg);
        replace_one(&mut metadata.request_object_encryption_enc, self.request_object_encryption_enc);
        replace(&mut metadata.require_signed_request_object, self.require_signed_request_object);
        replace(&mut metadata.request_uris, list(self.request_uris));
        replace_one(&mut metadata.default_max_age, self.default_max_age);
        replace(&mut metadata.require_auth_time, self.require_auth_time);
        replace(&mut metadata.default_acr_values, list(self.default_acr_values));
        replace_one(&mut metadata.initiate_login_uri, self.initiate_login_uri);
        replace_one(&mut metadata.client_uri, self.client_uri);
        replace(&mut metadata.contacts, list(self.contacts));
        replace_one(&mut metadata.software_id, self.software_id);
        replace_one(&mut metadata.software_version, self.software_version);
        replace(&mut metadata.client_name, self.name);
        replace(&mut metadata.first_party, self.first_party);
        replace(&mut metadata.dpop_bound_access_tokens, self.dpop_bound_access_tokens);
        replace(&mut metadata.token_endpoint_auth_method, self.auth_method);
        replace_one(&mut metadata.token_endpoint_auth_signing_alg, self.auth_signing_alg);
        replace_one(&mut metadata.id_token_signed_response_alg, self.id_token_alg);
        replace_one(&mut metadata.access_token_signed_response_alg, self.access_token_alg);
        replace(&mut metadata.redirect_uris, list(self.redirect_uris));
        replace(&mut metadata.post_logout_redirect_uris, list(self.post_logout_redirect_uris));
        replace(&mut metadata.origins, list(self.origins));
        replace(&mut metadata.grant_types, list(self.grants));
        replace(&mut metadata.response_types, list(self.response_types));
        replace(&mut metadata.scope, list(self.scopes));
        replace(&mut metadata.pkce_exempt, self.no_pkce);
        replace_one(&mut metadata.logo_uri, self.logo_uri);
        replace_one(&mut metadata.policy_uri, self.policy_uri);
        replace_one(&mut metadata.tos_uri, self.tos_uri);
        replace_one(&mut metadata.backchannel_logout_uri, self.backchannel_logout_uri);
        replace(&mut metadata.backchannel_logout_session_required, self.backchannel_logout_session_required);
        replace_one(&mut metadata.frontchannel_logout_uri, self.frontchannel_logout_uri);
        replace(&mut metadata.frontchannel_logout_session_required, self.frontchannel_logout_session_required);
        metadata.complete();
        Ok(())
    }
}

fn read_keys(file: &Path) -> Result<JwkSet, CliError> {
    let read = || {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        JwkSet::parse(&value).map_err(|error| error.to_string())
    };
    read().map_err(|error: String| CliError::new(format!("the key file {}: {error}", file.display())))
}

fn parse_name(argument: &str) -> Result<String, &'static str> {
    let is_valid = !argument.trim().is_empty() && argument.chars().count() <= 200;
    is_valid.then(|| argument.to_owned()).ok_or("a name has 1 to 200 characters")
}

/// What does not go together, in the words of the options.
pub(super) fn contradiction(metadata: &ClientMetadata) -> Result<(), String> {
    metadata.check().map_err(|contradiction| {
        let words = match contradiction {
            Contradiction::NoGrant => "a client without any --grant could do nothing",
            Contradiction::NoRedirectUri => {
                "a client that signs people in needs a --redirect-uri; a client without people needs --grant client_credentials"
            }
            Contradiction::NoResponseType => "a client that signs people in needs --response-type code",
            Contradiction::NoCodeGrant => "a response type with a code needs --grant authorization_code",
            Contradiction::PublicOnItsOwn => {
                "a public client cannot act on its own behalf; leave out --grant client_credentials or --public"
            }
            Contradiction::PublicWithoutPkce => {
                "a public client cannot go without PKCE; leave out --no-pkce or --public"
            }
            Contradiction::NoKeys => "private_key_jwt needs the client's public keys: --jwks FILE or --jwks-uri URL",
            Contradiction::NoSignatureKey => "the key file has no key that can verify a signature",
            Contradiction::NoRequestObjectKey => {
                "signed request objects need the client's public keys: --jwks FILE or --jwks-uri URL"
            }
            Contradiction::TwoKeySets => "the client's keys are in a file or behind an address: --jwks or --jwks-uri",
            Contradiction::AssertionAlgorithm => "--auth-signing-alg does not fit the client's authentication method",
            Contradiction::BoundInFrontChannel
            | Contradiction::NoEncryptionKey
            | Contradiction::NoSector
            | Contradiction::UnsignedRequestObject
            | Contradiction::EncryptionWithoutKey
            | Contradiction::SymmetricEncryption
            | Contradiction::SymmetricSignature => return contradiction.to_string(),
        };
        words.to_owned()
    })
}
