//! Lets a Rust API trust the access tokens of Countersign, or of another provider that
//! issues them as RFC 9068 describes: signed JWTs that the API checks by itself, with the keys the provider publishes.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use countersign_resource_server::{Authorized, ResourceServer, scopes};
//!
//! scopes! {
//!     pub JournalRead = "journal.read";
//!     pub JournalWrite = "journal.write";
//! }
//!
//! async fn list(caller: Authorized<JournalRead>) -> String {
//!     format!("the entries of {}", caller.sub)
//! }
//!
//! async fn write(caller: Authorized<JournalWrite>, entry: String) -> String {
//!     format!("{} wrote {} bytes", caller.sub, entry.len())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = ResourceServer::builder("https://id.example.com", "https://journal.example.com")
//!     .publish_metadata(["journal.read", "journal.write"])
//!     .build()?;
//!
//! let app = Router::new()
//!     .route("/entries", get(list).post(write))
//!     .layer(tokens.layer())
//!     .merge(tokens.metadata_router());
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is checked
//!
//! `typ` is `at+jwt`, so an ID token never passes; `alg` is on the list (RS256 unless told otherwise); the signature is of a
//! key the provider publishes now; `iss` is the issuer and `aud` names this API, both as exact strings; `exp`, `nbf` and
//! `iat` against the clock with a leeway of 10 s; `sub`, `client_id` and `jti` are there. Answers follow RFC 6750:
//!
//! | request | answer |
//! |---|---|
//! | no token | 401, `WWW-Authenticate: Bearer` |
//! | a token that is not accepted | 401 `invalid_token` |
//! | two `Authorization` headers, a malformed one, or a second token in the query | 400 `invalid_request` |
//! | a role is missing | 403 `insufficient_scope` |
//! | a scope is missing | 403 `insufficient_scope` with the scope |
//! | the sign-in is too weak or too old (RFC 9470) | 401 `insufficient_user_authentication` with `acr_values`, `max_age` |
//! | a token that is bound to a key, without a right proof | 401 `invalid_token` or `invalid_dpop_proof`, `WWW-Authenticate: DPoP` with `algs` |
//! | a [`SignedRequest`] is not signed as it must be | 401 `invalid_signature` with `Accept-Signature` |
//! | a [`RateLimit`] is reached | 429 `temporarily_unavailable` with `Retry-After` |
//! | the provider says that a token is not good | 401 `invalid_token` |
//! | the provider was never reached | 503 `temporarily_unavailable` with `Retry-After` |
//!
//! A token that is bound to a key (`cnf.jkt`, RFC 9449) is accepted as `Authorization: DPoP` with a proof of that key alone: for this
//! method and address, made within ten seconds of our time, naming the token, and used once. The address is that of the audience, or
//! [`Builder::public_url`]; several processes that serve one API share a [`ReplayGuard`], such as the `RedisStore` of the feature `redis`.
//!
//! What nobody must be able to alter on its way takes a [`SignedRequest`]: method, address, body and token are signed by the key of the
//! token (RFC 9421, RFC 9530).
//!
//! # What is not
//!
//! * A token is accepted until it expires. That the person signed out or the grant was revoked is not seen before then, ten minutes
//!   at most with Countersign; where that is too long, [`TokenLayer::confirmed`] asks the provider.
//! * Tokens that are bound to a certificate (mutual TLS) are **refused**. Without a look at the certificate, accepting them
//!   would make them bearer tokens again, which is what their client wanted to prevent.
//! * Tokens in the form body or in the query (RFC 6750 §2.2, §2.3) are not accepted.
//!
//! # Features
//!
//! | feature | what it brings |
//! |---|---|
//! | `axum` (default) | extractors ([`Caller`], [`Authorized`], [`AccessToken`]) for axum 0.8 and [`ResourceServer::metadata_router`]; without it, the layers guard every tower service of HTTP, whose handlers find the caller by [`Caller::of`] |
//! | `introspection` | [`TokenLayer::confirmed`] and [`TokenLayer::introspected`] |
//! | `signatures` | [`SignedRequest`] |
//! | `redis` | [`RedisStore`] |
//!
//! The oldest Rust that compiles it is 1.94; a newer one is asked for in a minor version, and told in the changelog. There is no `unsafe` in
//! it, and no input makes it panic: that is fuzzed.
//!
//! It runs on tokio, with IO and timers on.
//!
//! # Keys
//!
//! Fetched from `{issuer}/.well-known/openid-configuration` and the `jwks_uri` in it, at the first request or by
//! [`ResourceServer::ready`]. Refreshed in the background when older than the provider's `Cache-Control` says, and at once
//! when a token names an unknown key, but at most once in ten seconds. While the provider is unreachable the known keys
//! stay in use, for a day unless [`Builder::stale_keys`] says otherwise; a token that names an unknown key is then answered with 503, not 401.
//!
//! # A token that comes again
//!
//! costs a hash and not a signature: the last 10,000 that were valid are remembered by their digests
//! ([`Builder::cached_tokens`]), for as long as the provider's keys stay the same. Times are looked at each time, and so is a proof.
//!
//! # How often
//!
//! one caller may ask, by role, says a [`RateLimit`]; several machines that count together share a [`RateStore`], such as the same `RedisStore`.
//!
//! # The files
//!
//! | module | what it tells |
//! |---|---|
//! | `server` | [`ResourceServer`] and its settings |
//! | `caller` | who calls ([`Caller`]) |
//! | `bearer` | where a token stands in a request |
//! | `proof`, `replay` | tokens that are bound to a key ([`ReplayGuard`]) |
//! | `signature` | requests that are signed as a whole ([`SignedRequest`]) |
//! | `validate` | the rules of a valid token ([`TokenError`]) |
//! | `require` | what an endpoint asks beyond that ([`Require`]; [`RequireScope`], [`RequireRole`], [`RequireAcr`] for one thing alone; [`Shortfall`]) |
//! | `keys` | the provider's keys, kept ready |
//! | `provider` | fetching them |
//! | `layer`, `extract` | tower and axum ([`Authorized`], [`AccessToken`]) |
//! | `limit` | how often one caller may ask ([`RateLimit`]) |
//! | `redis_store` | what several machines remember together, with the feature `redis` |
//! | `introspect` | asking the provider whether a token is good right now |
//! | `cache` | tokens that were valid a moment ago |
//! | `challenge` | the answer to a request that does not pass ([`Refusal`]) |
//! | `metadata` | RFC 9728 |
//! | `clock` | the time ([`Clock`]) |

mod bearer;
mod cache;
mod caller;
mod challenge;
mod clock;
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "introspection")]
mod introspect;
mod keys;
mod layer;
mod limit;
mod metadata;
mod proof;
mod provider;
#[cfg(feature = "redis")]
mod redis_store;
mod replay;
mod require;
mod server;
#[cfg(feature = "signatures")]
mod signature;
mod validate;

pub use caller::Caller;
pub use challenge::{Reason, Refusal};
pub use clock::{Clock, SystemClock};
pub use countersign_jose::Algorithm;
pub use countersign_types::dpop::ProofError;
pub use countersign_types::{AccessTokenClaims, ErrorCode, Scope, ScopeSet};
#[cfg(feature = "axum")]
pub use extract::{AccessToken, Authorized};
pub use layer::{TokenLayer, TokenService};
pub use limit::{Quota, RateLimit, RateLimitService, RateStore, Standing};
#[cfg(feature = "redis")]
pub use redis_store::RedisStore;
pub use replay::{FirstUse, Lifespan, MemoryReplayGuard, ReplayGuard};
pub use require::{
    Require, RequireAcr, RequireRole, RequireScope, RequireService, RequiredScope, Shortfall, is_scope_list,
};
pub use server::{BuildError, Builder, ResourceServer};
#[cfg(feature = "signatures")]
pub use signature::{SignatureError, SignedRequest};
pub use validate::TokenError;

/// The HTTP client that [`Builder::http_client`] takes.
pub use reqwest;

/// Keeps the README's examples compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
