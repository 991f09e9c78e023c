//! The protocol: one file for each endpoint and each grant.

pub mod authorize;
mod bearer;
pub mod check_session;
mod client_auth;
mod dpop;
pub mod end_session;
mod entry;
mod error;
mod grant;
pub mod introspection;
mod issue;
mod machine;
pub mod metadata;
pub mod registration;
pub mod revocation;
pub mod token;
pub mod userinfo;

pub use error::method_not_allowed;
