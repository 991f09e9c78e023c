//! What handlers of axum receive: who calls, and the proof that the scopes an endpoint needs are there.

use std::{marker::PhantomData, ops::Deref};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use countersign_types::AccessTokenClaims;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{
    Caller, Refusal, RequiredScope,
    caller::Nobody,
    require::{check_role, check_scope, check_sign_in},
};

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Self::of(&parts.extensions)
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
        check_scope(R::SCOPE, &caller)
            .and_then(|()| check_role(R::ROLES, &caller))
            .and_then(|()| check_sign_in(R::ACR_VALUES, R::MAX_AGE, &caller, caller.now(), caller.leeway()))
            .map_err(|shortfall| caller.refusal(shortfall))?;
        Ok(Self { caller, requirement: PhantomData })
    }
}

/// The claims of the token in a form of one's own, where those that this crate knows are not enough:
///
/// ```
/// # use countersign_resource_server::AccessToken;
/// #[derive(serde::Deserialize)]
/// struct Claims {
///     sub: String,
///     department: Option<String>,
/// }
///
/// async fn hello(token: AccessToken<Claims>) -> String {
///     format!("{} of {}", token.sub, token.department.as_deref().unwrap_or("nowhere"))
/// }
/// ```
///
/// A token without a claim that the form needs is answered with 401 `invalid_token`.
#[derive(Clone, Debug)]
pub struct AccessToken<C = AccessTokenClaims> {
    /// What it says.
    pub claims: C,
    /// Whose it is.
    pub caller: Caller,
}

impl<C> Deref for AccessToken<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.claims
    }
}

impl<C: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for AccessToken<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = <Caller as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self { claims: caller.read()?, caller })
    }
}
