//! Who calls: what the layer puts into a request.

use std::{fmt, ops::Deref, sync::Arc};

use countersign_jose::reread;
use countersign_types::AccessTokenClaims;
use http::Extensions;
use serde::de::DeserializeOwned;

#[cfg(feature = "introspection")]
use crate::introspect::Answer;
use crate::{Refusal, Require, ResourceServer, TokenError, challenge::Reason};

/// Who calls: the claims of a token that was found valid. Reads like the [`AccessTokenClaims`] it holds.
///
/// Only the layer can make one, so holding one is proof. Without the layer the extractor answers 500.
#[derive(Clone, Debug)]
pub struct Caller {
    accepted: Accepted,
    server: ResourceServer,
}

/// A token that was found valid.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub claims: Arc<AccessTokenClaims>,
    pub token: Token,
    /// What the provider said of it, where that is all that there is.
    #[cfg(feature = "introspection")]
    pub answer: Option<Answer>,
}

/// The text of a token, which nobody is told.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub Arc<str>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Caller {
    pub(crate) fn new(accepted: Accepted, server: ResourceServer) -> Self {
        Self { accepted, server }
    }

    pub(crate) fn is_of(&self, server: &ResourceServer) -> bool {
        self.server.is(server)
    }

    #[cfg(feature = "introspection")]
    pub(crate) fn token(&self) -> &str {
        &self.accepted.token.0
    }

    pub(crate) fn now(&self) -> i64 {
        self.server.now()
    }

    /// The caller of a request, by its extensions: for a tower service without axum.
    ///
    /// # Errors
    /// The answer to return: 401 where nobody calls, 500 where the service is not behind the layer.
    pub fn of(extensions: &Extensions) -> Result<Self, Refusal> {
        extensions.get::<Self>().cloned().ok_or_else(|| {
            if let Some(Nobody(server)) = extensions.get::<Nobody>() {
                return server.refusal(TokenError::Missing);
            }
            tracing::error!(
                "the caller is asked for where ResourceServer::layer() is not around; every call is refused"
            );
            Refusal::new(Reason::NoLayer, None)
        })
    }

    /// The claims of the token.
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.accepted.claims
    }

    /// Everything that the token says, in a form of one's own: for claims that are not among the [`AccessTokenClaims`].
    ///
    /// # Errors
    /// The answer to return, 401 `invalid_token`, where the token does not have what `C` needs.
    pub fn read<C: DeserializeOwned>(&self) -> Result<C, Refusal> {
        #[cfg(feature = "introspection")]
        if let Some(answer) = &self.accepted.answer {
            return C::deserialize((**answer).clone()).map_err(|_| self.refusal(TokenError::Claims));
        }
        reread(&self.accepted.token.0).map_err(|error| self.refusal(TokenError::from(error)))
    }

    /// The `sub` of the person on whose behalf the call is made; none for a client that calls on its own behalf
    /// (`client_credentials`), whose `sub` is the client itself and must never be taken for a person (RFC 9068 §2.2, §5).
    ///
    /// An issuer that gives a client another `sub` than its `client_id`, such as the id of a service account, is not seen through: tell those
    /// apart by a claim of theirs ([`Caller::read`]).
    pub fn person(&self) -> Option<&str> {
        (self.sub != self.client_id.as_str()).then_some(self.sub.as_str())
    }

    /// Asks for more than validity. The error is the answer to return: 403 for scopes, 401 for the sign-in.
    pub fn require(&self, requirement: &Require) -> Result<(), Refusal> {
        let (now, leeway) = (self.now(), self.leeway());
        requirement.check(self, now, leeway).map_err(|shortfall| self.refusal(shortfall))
    }

    pub(crate) fn refusal(&self, reason: impl Into<Reason>) -> Refusal {
        self.server.refusal(reason).of_bound_token(self.cnf.is_some())
    }

    pub(crate) fn leeway(&self) -> i64 {
        self.server.leeway()
    }
}

impl Deref for Caller {
    type Target = AccessTokenClaims;

    fn deref(&self) -> &AccessTokenClaims {
        &self.accepted.claims
    }
}

/// Stands in a request that came without a token where it may.
#[derive(Clone, Debug)]
pub(crate) struct Nobody(pub(crate) ResourceServer);
