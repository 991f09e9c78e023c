//! What a client registers, and which of it goes together.

use std::collections::{BTreeMap, BTreeSet};

use countersign_jose::{Algorithm, ContentEncryption, JwkSet, KeyManagement};
use countersign_types::{ClientAuthMethod, GrantType, ResponseType, Scope, ScopeSet};
use serde::{Deserialize, Serialize};

use super::{
    choice::{ApplicationType, RequestObjectAlgorithm, SubjectType},
    contradiction::Contradiction,
    uri::{LogoutUri, RedirectUri, RequestUri, WebLink, WebOrigin},
};

/// What a client may ask for that was not told more.
const DEFAULT_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What a client registered, in the names of RFC 7591 where there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// What people are shown.
    pub client_name: String,
    /// The same, and the links below, in other languages: by name and language tag, as `client_name#de`
    /// (OpenID Connect Registration §2.1).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub translations: BTreeMap<String, String>,
    /// Whether it runs on a web server or on the person's own machine.
    #[serde(default)]
    pub application_type: ApplicationType,
    /// The one way in which this client authenticates.
    pub token_endpoint_auth_method: ClientAuthMethod,
    /// The only algorithm accepted for its assertions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    /// By what its ID tokens are signed; RS256 if it did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// How the key reaches it by which its ID tokens are encrypted; they are not if it did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<KeyManagement>,
    /// By what they are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// By what userinfo is signed for it; it is plain JSON if it did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Algorithm>,
    /// How the key reaches it by which userinfo is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_alg: Option<KeyManagement>,
    /// By what that is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_enc: Option<ContentEncryption>,
    /// By what its request objects are signed; any that its keys fit if it did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<RequestObjectAlgorithm>,
    /// How the key reaches us by which it encrypts request objects. It need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_alg: Option<KeyManagement>,
    /// By what it encrypts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_enc: Option<ContentEncryption>,
    /// It asks by signed request objects alone (RFC 9101 §10.5).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_signed_request_object: bool,
    /// Where its request objects may be fetched from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<RequestUri>,
    /// By what its access tokens are signed, which APIs must know; RS256 if it did not choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_signed_response_alg: Option<Algorithm>,
    /// Its public keys: for what it signs, and for what is encrypted for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<JwkSet>,
    /// Where its public keys are, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<WebLink>,
    /// Where answers may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where people may be sent after logout.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Web origins that may call us from a browser, beside those of the redirect URIs.
    #[serde(default)]
    pub origins: Vec<WebOrigin>,
    /// The grants it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// The answers it may ask for.
    pub response_types: BTreeSet<ResponseType>,
    /// The scopes it may ask for.
    pub scope: ScopeSet,
    /// Whether it knows people by the same `sub` as all other clients.
    #[serde(default)]
    pub subject_type: SubjectType,
    /// The list of redirect URIs of all clients that know people by the same pairwise `sub` (OpenID Connect Core §8.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<WebLink>,
    /// The `max_age` of a request that names none, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// It counts on `auth_time` in its ID tokens, which is always there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_auth_time: bool,
    /// The `acr_values` of a request that names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// Where a sign-in to it can be started from our pages (OpenID Connect Core §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<WebLink>,
    /// The operator's own app: people are not asked for consent.
    #[serde(default)]
    pub first_party: bool,
    /// Lets a confidential client go without PKCE.
    #[serde(default)]
    pub pkce_exempt: bool,
    /// Its access tokens are always bound to a key that it proves to hold (RFC 9449 §5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<WebLink>,
    /// Who is responsible for it, mostly as mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// What its developer calls this software, on whatever machine (RFC 7591 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Which version of it that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Its logo, fetched and served by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<WebLink>,
    /// Its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<WebLink>,
    /// Its terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<WebLink>,
    /// Where its server is to hear of sign-outs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<LogoutUri>,
    /// It wants to be told which session was signed out of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backchannel_logout_session_required: bool,
    /// What browsers are to load at a sign-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<LogoutUri>,
    /// It wants to be told which session was signed out of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frontchannel_logout_session_required: bool,
}

impl ClientMetadata {
    /// A client that signs people in by codes, and registered nothing else yet.
    pub fn new(client_name: String, method: ClientAuthMethod) -> Self {
        Self {
            client_name,
            translations: BTreeMap::new(),
            application_type: ApplicationType::default(),
            token_endpoint_auth_method: method,
            token_endpoint_auth_signing_alg: None,
            id_token_signed_response_alg: None,
            id_token_encrypted_response_alg: None,
            id_token_encrypted_response_enc: None,
            userinfo_signed_response_alg: None,
            userinfo_encrypted_response_alg: None,
            userinfo_encrypted_response_enc: None,
            request_object_signing_alg: None,
            request_object_encryption_alg: None,
            request_object_encryption_enc: None,
            require_signed_request_object: false,
            request_uris: Vec::new(),
            access_token_signed_response_alg: None,
            jwks: None,
            jwks_uri: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            origins: Vec::new(),
            grant_types: BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]),
            response_types: BTreeSet::from([ResponseType::Code]),
            scope: DEFAULT_SCOPES.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect(),
            subject_type: SubjectType::default(),
            sector_identifier_uri: None,
            default_max_age: None,
            require_auth_time: false,
            default_acr_values: Vec::new(),
            initiate_login_uri: None,
            first_party: false,
            pkce_exempt: false,
            dpop_bound_access_tokens: false,
            client_uri: None,
            contacts: Vec::new(),
            software_id: None,
            software_version: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            frontchannel_logout_uri: None,
            frontchannel_logout_session_required: false,
        }
    }

    /// What is registered under this name for readers of a language (OpenID Connect Registration §2.1): for just that language, else for
    /// it in some country. Nothing if only that without a tag is left.
    pub fn translated(&self, name: &str, language: &str) -> Option<&str> {
        let tagged = || self.translations.iter().filter_map(|(key, text)| Some((key.split_once('#')?, text)));
        let of = |fits: &dyn Fn(&str) -> bool| {
            tagged().find(|((of, tag), _)| *of == name && fits(tag)).map(|(_, text)| text.as_str())
        };
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_owned();
        of(&|tag| tag.eq_ignore_ascii_case(language))
            .or_else(|| of(&|tag| primary(tag).eq_ignore_ascii_case(&primary(language))))
    }

    /// Whether there are keys of its own, here or where it says.
    fn has_keys(&self) -> bool {
        self.jwks.is_some() || self.jwks_uri.is_some()
    }

    /// Completes what follows from the rest: an answer that the token endpoint has no part in is the grant `implicit`
    /// (OpenID Connect Registration §2).
    pub fn complete(&mut self) {
        if self.response_types.iter().any(|response_type| response_type.is_answered_with_tokens()) {
            self.grant_types.insert(GrantType::Implicit);
        }
        for (alg, enc) in [
            (self.id_token_encrypted_response_alg, &mut self.id_token_encrypted_response_enc),
            (self.userinfo_encrypted_response_alg, &mut self.userinfo_encrypted_response_enc),
            (self.request_object_encryption_alg, &mut self.request_object_encryption_enc),
        ] {
            // The default of OpenID Connect Registration §2.
            if alg.is_some() && enc.is_none() {
                *enc = Some(ContentEncryption::A128CbcHs256);
            }
        }
    }

    /// Refuses registrations that could never work, or that open more than their owner would think.
    ///
    /// # Errors
    /// [`Contradiction`], the first that is found.
    pub fn check(&self) -> Result<(), Contradiction> {
        let is_public = self.token_endpoint_auth_method == ClientAuthMethod::None;
        if self.grant_types.is_empty() {
            return Err(Contradiction::NoGrant);
        }
        let signs_people_in = [GrantType::AuthorizationCode, GrantType::Implicit];
        if signs_people_in.iter().any(|grant| self.grant_types.contains(grant)) {
            if self.redirect_uris.is_empty() {
                return Err(Contradiction::NoRedirectUri);
            }
            if self.response_types.is_empty() {
                return Err(Contradiction::NoResponseType);
            }
        }
        let wants = |wanted: fn(ResponseType) -> bool| self.response_types.iter().copied().any(wanted);
        let [code, implicit] = signs_people_in.map(|grant| self.grant_types.contains(&grant));
        if implicit && !code && wants(ResponseType::is_answered_with_code) {
            return Err(Contradiction::NoCodeGrant);
        }
        if wants(ResponseType::is_answered_with_access_token) && self.dpop_bound_access_tokens {
            return Err(Contradiction::BoundInFrontChannel);
        }
        if self.grant_types.contains(&GrantType::ClientCredentials) && is_public {
            return Err(Contradiction::PublicOnItsOwn);
        }
        if self.pkce_exempt && is_public {
            return Err(Contradiction::PublicWithoutPkce);
        }
        if self.subject_type == SubjectType::Pairwise && self.sector_identifier_uri.is_none() && !self.has_one_host() {
            return Err(Contradiction::NoSector);
        }
        self.check_keys()?;
        self.check_algorithms()
    }

    /// Whether all redirect URIs are of one host, which can be the sector by itself.
    fn has_one_host(&self) -> bool {
        let mut hosts = self.redirect_uris.iter().map(RedirectUri::host);
        let first = hosts.next();
        hosts.all(|host| first.as_ref() == Some(&host))
    }

    fn check_keys(&self) -> Result<(), Contradiction> {
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return Err(Contradiction::TwoKeySets);
        }
        if self.token_endpoint_auth_method == ClientAuthMethod::PrivateKeyJwt {
            if !self.has_keys() {
                return Err(Contradiction::NoKeys);
            }
            if self.jwks.as_ref().is_some_and(|jwks| jwks.signature_keys().next().is_none()) {
                return Err(Contradiction::NoSignatureKey);
            }
        }
        let signs_requests = self.require_signed_request_object
            || matches!(self.request_object_signing_alg, Some(RequestObjectAlgorithm::Signed(_)));
        if signs_requests && !self.has_keys() {
            return Err(Contradiction::NoRequestObjectKey);
        }
        let encryptions = [self.id_token_encrypted_response_alg, self.userinfo_encrypted_response_alg];
        for alg in encryptions.into_iter().flatten() {
            let fits = |jwks: &JwkSet| jwks.encryption_key(alg).is_some();
            if !self.has_keys() || self.jwks.as_ref().is_some_and(|jwks| !fits(jwks)) {
                return Err(Contradiction::NoEncryptionKey);
            }
        }
        Ok(())
    }

    fn check_algorithms(&self) -> Result<(), Contradiction> {
        if let Some(algorithm) = self.token_endpoint_auth_signing_alg {
            let fits = match self.token_endpoint_auth_method {
                ClientAuthMethod::PrivateKeyJwt => !algorithm.is_symmetric(),
                ClientAuthMethod::ClientSecretJwt => algorithm.is_symmetric(),
                ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost | ClientAuthMethod::None => {
                    false
                }
            };
            if !fits {
                return Err(Contradiction::AssertionAlgorithm);
            }
        }
        let unsigned = self.request_object_signing_alg == Some(RequestObjectAlgorithm::None);
        if unsigned && self.require_signed_request_object {
            return Err(Contradiction::UnsignedRequestObject);
        }
        for (alg, enc) in [
            (self.id_token_encrypted_response_alg, self.id_token_encrypted_response_enc),
            (self.userinfo_encrypted_response_alg, self.userinfo_encrypted_response_enc),
            (self.request_object_encryption_alg, self.request_object_encryption_enc),
        ] {
            if alg.is_none() && enc.is_some() {
                return Err(Contradiction::EncryptionWithoutKey);
            }
        }
        let asymmetric = |alg: &KeyManagement| KeyManagement::ASYMMETRIC.contains(alg);
        let all = [
            self.id_token_encrypted_response_alg,
            self.userinfo_encrypted_response_alg,
            self.request_object_encryption_alg,
        ];
        if all.iter().flatten().any(|alg| !asymmetric(alg)) {
            return Err(Contradiction::SymmetricEncryption);
        }
        let signed = [
            self.id_token_signed_response_alg,
            self.access_token_signed_response_alg,
            self.userinfo_signed_response_alg,
            self.request_object_signing_alg.and_then(RequestObjectAlgorithm::signature),
        ];
        if signed.into_iter().flatten().any(Algorithm::is_symmetric) {
            return Err(Contradiction::SymmetricSignature);
        }
        Ok(())
    }
}
