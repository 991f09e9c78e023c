//! The words that both sides of Countersign use on the wire. No IO, no clock, no cryptography.
//!
//! | module | what it names |
//! |---|---|
//! | [`id`] | identifiers of clients, people, sessions, grants and tokens |
//! | [`scope`] | scope tokens and sets of them (RFC 6749 §3.3) |
//! | [`vocabulary`] | grant types, response types, client authentication methods, `acr` and `amr` values |
//! | [`error`] | error codes and the HTTP status each is answered with |
//! | [`claims`] | the claims of access tokens (RFC 9068) and ID tokens (OpenID Connect Core §2) |
//! | [`dpop`] | proofs of possession (RFC 9449), as far as their claims say |

pub mod claims;
pub mod dpop;
pub mod error;
pub mod id;
pub mod scope;
pub mod vocabulary;

pub use claims::{AccessTokenClaims, Audience, Confirmation, IdTokenClaims, LogoutTokenClaims};
pub use error::ErrorCode;
pub use id::{ClientId, GrantId, SessionId, TokenId, UserId};
pub use scope::{InvalidScope, Scope, ScopeSet};
pub use vocabulary::{ClientAuthMethod, GrantType, ResponseType};
