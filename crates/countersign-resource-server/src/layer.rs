//! The tower layer: a request passes with a valid token, or is answered here.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response, Uri};
use tower::{Layer, Service};

use crate::{
    Caller, Refusal, ResourceServer, TokenError,
    bearer::{self, Presented},
    caller::Nobody,
    proof::{Proof, ProvenKey},
};

/// Made by [`ResourceServer::layer`], for every tower service of HTTP whose bodies can be made of text, as those of axum can.
#[derive(Clone, Debug)]
pub struct TokenLayer {
    server: ResourceServer,
    by: By,
    optional: bool,
}

/// By what a token is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Its signature.
    Signature,
    /// Its signature, and then the provider.
    #[cfg(feature = "introspection")]
    Both,
    /// The provider.
    #[cfg(feature = "introspection")]
    Provider,
}

impl TokenLayer {
    pub(crate) fn new(server: ResourceServer) -> Self {
        Self { server, by: By::Signature, optional: false }
    }

    /// Lets requests without a token pass, too: handlers take an `Option<Caller>`. A token that is no good is refused all the same.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Asks the provider, too, whether a token is good right now (RFC 7662): for what one that was revoked a minute ago must not open.
    /// Needs [`Builder::introspection`](crate::Builder::introspection); without, nothing passes.
    #[cfg(feature = "introspection")]
    #[must_use]
    pub fn confirmed(self) -> Self {
        Self { by: By::Both, ..self }
    }

    /// Asks the provider alone: for tokens that say nothing by themselves. Needs
    /// [`Builder::introspection`](crate::Builder::introspection); without, nothing passes.
    #[cfg(feature = "introspection")]
    #[must_use]
    pub fn introspected(self) -> Self {
        Self { by: By::Provider, ..self }
    }
}

impl<S> Layer<S> for TokenLayer {
    type Service = TokenService<S>;

    fn layer(&self, inner: S) -> TokenService<S> {
        TokenService { inner, server: self.server.clone(), by: self.by, optional: self.optional }
    }
}

/// A service behind a [`TokenLayer`].
#[derive(Clone, Debug)]
pub struct TokenService<S> {
    inner: S,
    server: ResourceServer,
    by: By,
    optional: bool,
}

impl<S, B, R> Service<Request<B>> for TokenService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut inner = take_ready(&mut self.inner);
        let (server, by) = (self.server.clone(), self.by);
        let presented = bearer::read(request.headers(), request.uri());
        let with_proof = bearer::is_dpop(request.headers());
        let known = request.extensions().get::<Caller>().filter(|caller| caller.is_of(&server)).cloned();
        let may_be_nobody = self.optional && presented == Err(TokenError::Missing);
        let proof = Proof::of(request.method(), &original_uri(request.extensions(), request.uri()), request.headers());
        Box::pin(async move {
            if may_be_nobody {
                request.extensions_mut().insert(Nobody(server));
                return inner.call(request).await;
            }
            // Inside of another layer of this API only what that one did not ask is asked: a proof is good once.
            let outcome = match known {
                #[cfg(feature = "introspection")]
                Some(caller) => server.known_caller(caller, by).await.map(|caller| (caller, None)),
                #[cfg(not(feature = "introspection"))]
                Some(caller) => Ok((caller, None)),
                None => server.caller(presented, &proof, by).await,
            };
            match outcome {
                Ok((caller, proven)) => {
                    request.extensions_mut().insert(caller);
                    if let Some(proven) = proven {
                        request.extensions_mut().insert(proven);
                    }
                    inner.call(request).await
                }
                Err(refusal) => Ok(refusal.of_bound_token(with_proof).into_http()),
            }
        })
    }
}

/// The service that was polled ready, which is the one to be called: its clone, which stays, may not be ready.
pub(crate) fn take_ready<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    std::mem::replace(service, clone)
}

/// The address as it was before a nested router took its part of it.
#[cfg(feature = "axum")]
pub(crate) fn original_uri(extensions: &Extensions, uri: &Uri) -> Uri {
    use axum::extract::OriginalUri;
    extensions.get::<OriginalUri>().map_or_else(|| uri.clone(), |OriginalUri(original)| original.clone())
}

#[cfg(not(feature = "axum"))]
pub(crate) fn original_uri(_: &Extensions, uri: &Uri) -> Uri {
    uri.clone()
}

impl ResourceServer {
    #[cfg(feature = "introspection")]
    async fn known_caller(&self, caller: Caller, by: By) -> Result<Caller, Refusal> {
        if by == By::Signature {
            return Ok(caller);
        }
        self.confirm(caller.claims(), caller.token()).await.map(|()| caller).map_err(|error| self.refusal(error))
    }

    async fn caller(
        &self,
        presented: Result<Presented, TokenError>,
        proof: &Proof,
        by: By,
    ) -> Result<(Caller, Option<ProvenKey>), Refusal> {
        let outcome = match presented {
            Ok(presented) => self.validate_presented(presented, proof, by).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok((accepted, proven)) => Ok((Caller::new(accepted, self.clone()), proven)),
            Err(error) => {
                tracing::debug!(%error, "request refused");
                Err(self.refusal(error))
            }
        }
    }
}
