//! What handlers receive: who calls, and the proof that the scopes an endpoint needs are there.

use std::{marker::PhantomData, ops::Deref, sync::Arc, time::Duration};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use countersign_types::AccessTokenClaims;
use http::request::Parts;

use crate::{
    Refusal, Require, ResourceServer, TokenError,
    challenge::Reason,
    require::{check_role, check_scope, check_sign_in},
};

/// Who calls: the claims of a token that was found valid. Reads like the [`AccessTokenClaims`] it holds.
///
/// Only the layer can make one, so holding one is proof. Without the layer the extractor answers 500.
/// A tower service without axum finds it in the request's extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    claims: Arc<AccessTokenClaims>,
    server: ResourceServer,
}

impl Caller {
    pub(crate) fn new(claims: Arc<AccessTokenClaims>, server: ResourceServer) -> Self {
        Self { claims, server }
    }

    pub(crate) fn now(&self) -> i64 {
        self.server.now()
    }

    /// The claims of the token.
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.claims
    }

    /// The `sub` of the person on whose behalf the call is made; none for a client that calls on its own behalf
    /// (`client_credentials`), whose `sub` is the client itself and must never be taken for a person (RFC 9068 §2.2, §5).
    pub fn person(&self) -> Option<&str> {
        (self.claims.sub != self.claims.client_id.as_str()).then_some(self.claims.sub.as_str())
    }

    /// Asks for more than validity. The error is the answer to return: 403 for scopes, 401 for the sign-in.
    pub fn require(&self, requirement: &Require) -> Result<(), Refusal> {
        let (now, leeway) = (self.server.now(), self.server.leeway());
        requirement.check(&self.claims, now, leeway).map_err(|shortfall| self.server.refusal(shortfall))
    }
}

impl Deref for Caller {
    type Target = AccessTokenClaims;

    fn deref(&self) -> &AccessTokenClaims {
        &self.claims
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            if let Some(Nobody(server)) = parts.extensions.get::<Nobody>() {
                return server.refusal(TokenError::Missing);
            }
            tracing::error!(
                path = parts.uri.path(),
                "a handler asks for the caller, but the route is not behind ResourceServer::layer(); every call is refused"
            );
            Refusal::new(Reason::NoLayer, None)
        })
    }
}

/// Where a layer is [`optional`](crate::TokenLayer::optional): nobody, for a request without a token.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        if parts.extensions.get::<Nobody>().is_some() {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

/// Stands in a request that came without a token where it may.
#[derive(Clone, Debug)]
pub(crate) struct Nobody(pub(crate) ResourceServer);

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

/// A [`Caller`] whose token meets `R`: `async fn list(caller: Authorized<JournalRead>)`.
pub struct Authorized<R> {
    caller: Caller,
    requirement: PhantomData<fn() -> R>,
}

impl<R> Authorized<R> {
    /// The caller alone, to hand on.
    pub fn into_caller(self) -> Caller {
        self.caller
    }
}

impl<R> Deref for Authorized<R> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<R> std::fmt::Debug for Authorized<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Authorized").field(&self.caller).finish()
    }
}

impl<R> Clone for Authorized<R> {
    fn clone(&self) -> Self {
        Self { caller: self.caller.clone(), requirement: PhantomData }
    }
}

impl<R: RequiredScope, S: Send + Sync> FromRequestParts<S> for Authorized<R> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = <Caller as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let server = &caller.server;
        check_scope(R::SCOPE, &caller)
            .and_then(|()| check_role(R::ROLES, &caller))
            .and_then(|()| check_sign_in(R::ACR_VALUES, R::MAX_AGE, &caller, server.now(), server.leeway()))
            .map_err(|shortfall| server.refusal(shortfall))?;
        Ok(Self { caller, requirement: PhantomData })
    }
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
