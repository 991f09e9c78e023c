//! What an endpoint asks of a token beyond validity: scopes, roles, and how strong and how recent the sign-in was.

use std::{
    fmt,
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use countersign_types::{AccessTokenClaims, ErrorCode};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::Caller;

/// A requirement that is put together at run time. For fixed ones, [`Authorized`](crate::Authorized) says it in the handler's signature.
///
/// ```
/// # use std::time::Duration;
/// # use countersign_resource_server::Require;
/// let to_erase = Require::scope("journal.write")
///     .acr("urn:countersign:acr:pwd+otp")
///     .max_age(Duration::from_secs(300));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Require {
    scope: String,
    roles: Vec<String>,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
}

impl Require {
    /// Asks for a scope, or for all of several that are separated by spaces. An empty text asks for none.
    pub fn scope(scope: impl Into<String>) -> Self {
        Self { scope: scope.into(), ..Self::default() }
    }

    /// Asks for a role of the person (RFC 9068 §2.2.3.1). Called again, it adds another that will do as well. Countersign tells roles to
    /// APIs that are registered so (`countersign api add --roles`).
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Asks for this `acr`. Called again, it adds another that will do as well (RFC 9470 §3).
    #[must_use]
    pub fn acr(mut self, acr: impl Into<String>) -> Self {
        self.acr_values.push(acr.into());
        self
    }

    /// Asks that the person signed in no longer ago than this (RFC 9470 §3).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    pub(crate) fn check(&self, claims: &AccessTokenClaims, now: i64, leeway: i64) -> Result<(), Shortfall> {
        check_scope(&self.scope, claims)?;
        check_role(&self.roles, claims)?;
        check_sign_in(&self.acr_values, self.max_age, claims, now, leeway)
    }
}

/// Guards every route that it wraps, inside of a [`TokenLayer`](crate::TokenLayer).
impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        RequireService { inner, requirement: Arc::new(self.clone()) }
    }
}

/// A [`Require`] that asks for a scope and nothing else, or for all of several that are separated by spaces:
/// `.route_layer(RequireScope::new("journal.write"))`.
#[derive(Clone, Debug)]
pub struct RequireScope(Require);

impl RequireScope {
    /// For this scope.
    pub fn new(scope: impl Into<String>) -> Self {
        Self(Require::scope(scope))
    }
}

/// A [`Require`] that asks for a role and nothing else (RFC 9068 §2.2.3.1).
#[derive(Clone, Debug)]
pub struct RequireRole(Require);

impl RequireRole {
    /// For this role.
    pub fn new(role: impl Into<String>) -> Self {
        Self(Require::default().role(role))
    }

    /// Or for this one.
    #[must_use]
    pub fn or(self, role: impl Into<String>) -> Self {
        Self(self.0.role(role))
    }
}

/// A [`Require`] that asks how strong and how recent the sign-in was, and nothing else (RFC 9470).
#[derive(Clone, Debug)]
pub struct RequireAcr(Require);

impl RequireAcr {
    /// For this `acr`.
    pub fn new(acr: impl Into<String>) -> Self {
        Self(Require::default().acr(acr))
    }

    /// Or for this one.
    #[must_use]
    pub fn or(self, acr: impl Into<String>) -> Self {
        Self(self.0.acr(acr))
    }

    /// And that it is no older than this.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        Self(self.0.max_age(age))
    }
}

impl<S> Layer<S> for RequireScope {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        self.0.layer(inner)
    }
}

impl<S> Layer<S> for RequireRole {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        self.0.layer(inner)
    }
}

impl<S> Layer<S> for RequireAcr {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        self.0.layer(inner)
    }
}

/// A service behind a [`Require`].
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    requirement: Arc<Require>,
}

impl<S, B, R> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: From<String> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let checked = Caller::of(request.extensions()).and_then(|caller| caller.require(&self.requirement));
        match checked {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(refusal) => Box::pin(ready(Ok(refusal.into_http()))),
        }
    }
}

/// What a kind of endpoint asks for, as a type. Made by [`scopes!`](crate::scopes), or by hand where a sign-in must be
/// strong or recent:
///
/// ```
/// # use std::time::Duration;
/// # use countersign_resource_server::RequiredScope;
/// struct EraseJournal;
///
/// impl RequiredScope for EraseJournal {
///     const SCOPE: &'static str = "journal.write";
///     const MAX_AGE: Option<Duration> = Some(Duration::from_secs(300));
/// }
/// ```
pub trait RequiredScope {
    /// The scope, or several separated by spaces, all of which are needed.
    const SCOPE: &'static str;
    /// Any of these roles of the person is needed; empty: none is.
    const ROLES: &'static [&'static str] = &[];
    /// Any of these `acr` values is needed; empty: every sign-in will do.
    const ACR_VALUES: &'static [&'static str] = &[];
    /// The sign-in must not be older than this.
    const MAX_AGE: Option<Duration> = None;
}

/// Names the scopes of an API as types for [`Authorized`](crate::Authorized). A text that is no scope does not compile.
///
/// ```
/// countersign_resource_server::scopes! {
///     /// Read the journal.
///     pub JournalRead = "journal.read";
///     /// Write in the journal.
///     pub JournalWrite = "journal.write";
/// }
/// ```
///
/// ```compile_fail
/// countersign_resource_server::scopes! { Broken = "say \"hello\""; }
/// ```
#[macro_export]
macro_rules! scopes {
    ($($(#[$doc:meta])* $visibility:vis $name:ident = $scope:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            $visibility struct $name;

            impl $crate::RequiredScope for $name {
                const SCOPE: &'static str = $scope;
            }

            const _: () = assert!(
                $crate::is_scope_list($scope),
                "a scope is printable ASCII without quotation marks and backslashes"
            );
        )+
    };
}

/// Whether the text consists of scopes separated by single spaces (RFC 6749 §3.3). For [`scopes!`](crate::scopes).
#[doc(hidden)]
pub const fn is_scope_list(text: &str) -> bool {
    let mut bytes = text.as_bytes();
    let mut after_space = true;
    while let [first, rest @ ..] = bytes {
        match *first {
            b' ' if !after_space => after_space = true,
            0x21 | 0x23..=0x5b | 0x5d..=0x7e => after_space = false,
            _ => return false,
        }
        bytes = rest;
    }
    !after_space
}

/// What a valid token lacks. The message is what the client may read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shortfall {
    /// RFC 6750 §3.1: "The request requires higher privileges than provided by the access token."
    Scope {
        /// The scopes that are needed, separated by spaces.
        needed: String,
    },
    /// The person has none of the roles that will do. No other token would help, so nothing more is told.
    Role,
    /// RFC 9470 §3: the sign-in was too weak or is too long ago.
    Authentication {
        /// The `acr` values that will do.
        acr_values: Vec<String>,
        /// The greatest age of the sign-in, in seconds.
        max_age: Option<u64>,
    },
}

impl Shortfall {
    /// The `error` on the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Scope { .. } | Self::Role => ErrorCode::InsufficientScope,
            Self::Authentication { .. } => ErrorCode::InsufficientUserAuthentication,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scope { .. } => "the access token lacks a scope that is needed",
            Self::Role => "this is not for the roles of whoever the access token is for",
            Self::Authentication { .. } => "a stronger or more recent sign-in is needed",
        })
    }
}

impl std::error::Error for Shortfall {}

pub(crate) fn check_scope(needed: &str, claims: &AccessTokenClaims) -> Result<(), Shortfall> {
    if needed.split(' ').filter(|scope| !scope.is_empty()).all(|scope| claims.scope.contains(scope)) {
        Ok(())
    } else {
        Err(Shortfall::Scope { needed: needed.to_owned() })
    }
}

pub(crate) fn check_role(any_of: &[impl AsRef<str>], claims: &AccessTokenClaims) -> Result<(), Shortfall> {
    let has = |role: &str| claims.roles.iter().any(|own| own == role);
    if any_of.is_empty() || any_of.iter().any(|role| has(role.as_ref())) { Ok(()) } else { Err(Shortfall::Role) }
}

pub(crate) fn check_sign_in(
    acr_values: &[impl AsRef<str>],
    max_age: Option<Duration>,
    claims: &AccessTokenClaims,
    now: i64,
    leeway: i64,
) -> Result<(), Shortfall> {
    let strong = acr_values.is_empty()
        || claims.acr.as_ref().is_some_and(|acr| acr_values.iter().any(|one| one.as_ref() == acr));
    // A token without `auth_time` was not got by a sign-in that anyone could call recent.
    let recent = max_age.is_none_or(|age| {
        let allowed = i64::try_from(age.as_secs()).unwrap_or(i64::MAX).saturating_add(leeway);
        claims.auth_time.is_some_and(|then| now.saturating_sub(then) <= allowed)
    });
    if strong && recent {
        return Ok(());
    }
    Err(Shortfall::Authentication {
        acr_values: acr_values.iter().map(|acr| acr.as_ref().to_owned()).collect(),
        max_age: max_age.map(|age| age.as_secs()),
    })
}
