//! The protocol endpoints, file by file as in `src/oauth`.

mod authorization_code;
mod authorize_request;
mod authorize_session;
mod check_session;
mod claims_parameter;
mod client_auth;
mod client_credentials;
mod client_keys;
mod consent;
mod cors;
mod discovery_walk;
mod dpop;
mod end_session;
mod form_post;
mod front_channel_logout;
mod introspection;
mod keys;
mod metadata;
mod pairwise;
mod refresh_token;
pub mod registration;
mod request_objects;
mod response_types;
mod revocation;
mod sealed_answers;
mod second_factor;
mod userinfo;
