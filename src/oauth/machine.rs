//! The protocol's course, by oxide-auth's state machines.
//!
//! The machines decide in which order a request is bound, extended and negotiated, and what a code or refresh token is good
//! for. Each function here feeds one machine, answers its questions and stops before it would issue anything: tokens are
//! minted in [`super::issue`] alone. What the machines read less strictly than we do (repeated parameters, redirect URIs that
//! differ in spelling, verifiers of any length, the system's time) was checked before, and they are fed a clean request.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use countersign_types::{ErrorCode, GrantType, ScopeSet};
use oxide_auth::{
    code_grant::{
        accesstoken::{self, AccessToken},
        authorization::{self, Authorization},
        client_credentials::{self, ClientCredentials},
        error::AccessTokenErrorType,
        extensions::Pkce,
        refresh::{self, Refresh},
    },
    primitives::{
        grant::{Extensions, Grant},
        registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl},
        scope::Scope,
    },
};

/// What a machine was asked; every value is checked already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CleanRequest<'a> {
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) scope: Option<&'a str>,
    pub(super) state: Option<&'a str>,
    pub(super) code: Option<&'a str>,
    pub(super) refresh_token: Option<&'a str>,
    pub(super) code_challenge: Option<&'a str>,
    pub(super) code_verifier: Option<&'a str>,
}

/// What a code or refresh token stands for, in the words of the machines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    pub(super) user: &'a str,
    pub(super) client_id: &'a str,
    pub(super) scope: &'a ScopeSet,
    pub(super) redirect_uri: &'a str,
    pub(super) code_challenge: Option<&'a str>,
}

/// Why a machine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped(pub(super) ErrorCode);

/// Runs an authorization request up to the scope that may be granted. `negotiate` narrows what was asked for.
pub(super) fn authorization(
    request: &CleanRequest<'_>,
    negotiate: impl FnOnce(Option<ScopeSet>) -> Result<ScopeSet, ErrorCode>,
) -> Result<ScopeSet, Stopped> {
    use authorization::{Input, Output};
    let mut machine = Authorization::new(request);
    let mut negotiate = Some(negotiate);
    let mut output = machine.advance(Input::None);
    loop {
        output = match output {
            Output::Bind { .. } => {
                let bound_client = bound(request)?;
                machine.advance(Input::Bound { request, bound_client })
            }
            Output::Extend => {
                let pkce = Pkce::optional();
                let challenge = request.code_challenge.map(Cow::Borrowed);
                let challenge = pkce.challenge(Some(Cow::Borrowed("S256")), challenge);
                let mut extensions = Extensions::new();
                if let Some(value) = challenge.map_err(|()| Stopped(ErrorCode::InvalidRequest))? {
                    extensions.set(&pkce, value);
                }
                machine.advance(Input::Extended(extensions))
            }
            Output::Negotiate { bound_client, scope } => {
                let negotiate = negotiate.take().ok_or(BROKEN)?;
                let granted = negotiate(scope.as_ref().map(from_machine).transpose()?).map_err(Stopped)?;
                let pre_grant = pre_grant(bound_client, to_machine(&granted)?);
                machine.advance(Input::Negotiated { pre_grant, state: request.state.map(str::to_owned) })
            }
            Output::Ok { pre_grant, .. } => return from_machine(&pre_grant.scope),
            Output::Err(authorization::Error::Redirect(mut error)) => {
                use oxide_auth::code_grant::error::AuthorizationErrorType as Kind;
                return Err(Stopped(match error.description().kind() {
                    Kind::UnsupportedResponseType => ErrorCode::UnsupportedResponseType,
                    Kind::InvalidScope => ErrorCode::InvalidScope,
                    _ => ErrorCode::InvalidRequest,
                }));
            }
            Output::Err(authorization::Error::Ignore) => return Err(Stopped(ErrorCode::InvalidRequest)),
            Output::Err(authorization::Error::PrimitiveError) => return Err(BROKEN),
        };
    }
}

/// Runs a code exchange of an authenticated client up to the scope of its tokens.
pub(super) fn access_token(request: &CleanRequest<'_>, stored: &Stored<'_>) -> Result<ScopeSet, Stopped> {
    use accesstoken::{Error, Input, Output};
    let mut machine = AccessToken::new(request);
    let mut output = machine.advance(Input::None);
    loop {
        output = match output {
            Output::Authenticate { client, .. } if client == request.client_id => machine.advance(Input::Authenticated),
            Output::Authenticate { .. } => return Err(Stopped(ErrorCode::InvalidClient)),
            Output::Recover { .. } => machine.advance(Input::Recovered(Some(Box::new(grant(stored)?)))),
            Output::Extend { extensions } => {
                let pkce = Pkce::optional();
                let mut extensions = std::mem::take(extensions);
                // RFC 7636 §4.6: the verifier must be the one behind the challenge.
                pkce.verify(extensions.remove(&pkce), request.code_verifier.map(Cow::Borrowed))
                    .map_err(|()| Stopped(ErrorCode::InvalidGrant))?;
                machine.advance(Input::Extended { access_extensions: extensions })
            }
            Output::Issue { grant } => return from_machine(&grant.scope),
            // Only an issued token leads there, and none is ever handed in.
            Output::Ok(_) => return Err(BROKEN),
            Output::Err(error) => {
                return Err(match *error {
                    Error::Invalid(mut description) | Error::Unauthorized(mut description, _) => {
                        stopped(description.description().kind())
                    }
                    Error::Primitive(_) => BROKEN,
                });
            }
        };
    }
}

/// Runs a refresh of an authenticated client up to the scope of its new tokens, which it may have narrowed.
pub(super) fn refresh(request: &CleanRequest<'_>, stored: &Stored<'_>) -> Result<ScopeSet, Stopped> {
    use refresh::{Error, Input, Output};
    let mut machine = Refresh::new(request);
    let mut output = machine.advance(Input::None);
    loop {
        output = match output {
            Output::Unauthenticated { client, .. } if client == request.client_id => {
                machine.advance(Input::Authenticated { scope: request.scope.map(Cow::Borrowed) })
            }
            Output::Unauthenticated { .. } => return Err(Stopped(ErrorCode::InvalidGrant)),
            Output::RecoverRefresh { .. } => {
                let grant = Some(Box::new(grant(stored)?));
                machine.advance(Input::Recovered { scope: request.scope.map(Cow::Borrowed), grant })
            }
            Output::Refresh { grant, .. } => return from_machine(&grant.scope),
            Output::Ok(_) => return Err(BROKEN),
            Output::Err(Error::Invalid(mut description) | Error::Unauthorized(mut description, _)) => {
                return Err(stopped(description.description().kind()));
            }
            Output::Err(Error::Primitive) => return Err(BROKEN),
        };
    }
}

/// Runs a request of an authenticated client for itself up to the scope of its token.
pub(super) fn client_credentials(
    request: &CleanRequest<'_>,
    negotiate: impl FnOnce(Option<ScopeSet>) -> Result<ScopeSet, ErrorCode>,
) -> Result<ScopeSet, Stopped> {
    use client_credentials::{Error, Input, Output};
    let mut machine = ClientCredentials::new(request);
    let mut negotiate = Some(negotiate);
    let mut output = machine.advance(Input::None);
    loop {
        output = match output {
            Output::Authenticate { client, .. } if client == request.client_id => machine.advance(Input::Authenticated),
            Output::Authenticate { .. } => return Err(Stopped(ErrorCode::InvalidClient)),
            Output::Binding { .. } => machine.advance(Input::Bound { bound_client: bound(request)? }),
            Output::Extend => machine.advance(Input::Extended { extensions: Extensions::new() }),
            Output::Negotiate { bound_client, scope } => {
                let negotiate = negotiate.take().ok_or(BROKEN)?;
                let granted = negotiate(scope.as_ref().map(from_machine).transpose()?).map_err(Stopped)?;
                let pre_grant = pre_grant(bound_client, to_machine(&granted)?);
                machine.advance(Input::Negotiated { pre_grant })
            }
            Output::Ok { pre_grant, .. } => return from_machine(&pre_grant.scope),
            Output::Err(error) => {
                return Err(match *error {
                    Error::Invalid(mut description) | Error::Unauthorized(mut description, _) => {
                        stopped(description.description().kind())
                    }
                    Error::Ignore => Stopped(ErrorCode::InvalidRequest),
                    Error::Primitive(_) => BROKEN,
                });
            }
        };
    }
}

/// A machine that asks what it cannot ask: a defect, never a client's fault.
const BROKEN: Stopped = Stopped(ErrorCode::ServerError);

/// A place holder where a grant has no redirect URI: the machines insist on one, and it is followed by nobody.
const NOWHERE: &str = "urn:countersign:none";

fn bound(request: &CleanRequest<'_>) -> Result<BoundClient<'static>, Stopped> {
    let uri =
        ExactUrl::new(or_nowhere(request.redirect_uri).to_owned()).map_err(|_| Stopped(ErrorCode::InvalidRequest))?;
    Ok(BoundClient {
        client_id: Cow::Owned(request.client_id.to_owned()),
        redirect_uri: Cow::Owned(RegisteredUrl::Exact(uri)),
    })
}

fn pre_grant(client: &BoundClient<'_>, scope: Scope) -> PreGrant {
    PreGrant {
        client_id: client.client_id.clone().into_owned(),
        redirect_uri: client.redirect_uri.clone().into_owned(),
        scope,
    }
}

fn grant(stored: &Stored<'_>) -> Result<Grant, Stopped> {
    let pkce = Pkce::optional();
    let mut extensions = Extensions::new();
    let challenge = pkce.challenge(Some(Cow::Borrowed("S256")), stored.code_challenge.map(Cow::Borrowed));
    if let Some(value) = challenge.map_err(|()| BROKEN)? {
        extensions.set(&pkce, value);
    }
    Ok(Grant {
        owner_id: stored.user.to_owned(),
        client_id: stored.client_id.to_owned(),
        scope: to_machine(stored.scope)?,
        redirect_uri: or_nowhere(stored.redirect_uri).parse().map_err(|_| BROKEN)?,
        // The machine would compare it with the system's time. Ours was compared before.
        until: DateTime::<Utc>::MAX_UTC,
        extensions,
    })
}

fn or_nowhere(uri: &str) -> &str {
    if uri.is_empty() { NOWHERE } else { uri }
}

fn to_machine(scope: &ScopeSet) -> Result<Scope, Stopped> {
    scope.to_string().parse().map_err(|_| Stopped(ErrorCode::InvalidScope))
}

/// The machine's scopes come in any order; ours are sorted.
fn from_machine(scope: &Scope) -> Result<ScopeSet, Stopped> {
    scope.iter().map(str::parse).collect::<Result<_, _>>().map_err(|_| Stopped(ErrorCode::InvalidScope))
}

fn stopped(kind: AccessTokenErrorType) -> Stopped {
    Stopped(match kind {
        AccessTokenErrorType::InvalidClient => ErrorCode::InvalidClient,
        AccessTokenErrorType::InvalidGrant => ErrorCode::InvalidGrant,
        AccessTokenErrorType::UnauthorizedClient => ErrorCode::UnauthorizedClient,
        AccessTokenErrorType::UnsupportedGrantType => ErrorCode::UnsupportedGrantType,
        AccessTokenErrorType::InvalidScope => ErrorCode::InvalidScope,
        AccessTokenErrorType::InvalidRequest => ErrorCode::InvalidRequest,
    })
}

impl authorization::Request for CleanRequest<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(self.client_id.into())
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(self.redirect_uri.into())
    }
    fn state(&self) -> Option<Cow<'_, str>> {
        self.state.map(Cow::Borrowed)
    }
    fn response_type(&self) -> Option<Cow<'_, str>> {
        Some("code".into())
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl accesstoken::Request for CleanRequest<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn code(&self) -> Option<Cow<'_, str>> {
        self.code.map(Cow::Borrowed)
    }
    fn authorization(&self) -> accesstoken::Authorization<'_> {
        accesstoken::Authorization::None
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(self.client_id.into())
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(or_nowhere(self.redirect_uri).into())
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(GrantType::AuthorizationCode.as_str().into())
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl refresh::Request for CleanRequest<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        self.refresh_token.map(Cow::Borrowed)
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(GrantType::RefreshToken.as_str().into())
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((self.client_id.into(), Cow::Borrowed(b"")))
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl client_credentials::Request for CleanRequest<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((self.client_id.into(), Cow::Borrowed(b"")))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(GrantType::ClientCredentials.as_str().into())
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}
