//! The protocol endpoints, file by file as in `src/oauth`.

mod authorization_code;
mod authorize_request;
mod authorize_session;
mod client_auth;
mod client_credentials;
mod client_keys;
mod consent;
mod cors;
mod dpop;
mod end_session;
mod form_post;
mod introspection;
mod keys;
mod metadata;
mod refresh_token;
mod response_types;
mod revocation;
mod second_factor;
mod userinfo;
