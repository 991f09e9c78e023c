//! The ways to get a token, one file each. By the time a grant sees a request, its client is authenticated.

use std::sync::Arc;

use crate::{
    app::{App, Issuer},
    domain::client::Client,
    http::form::Parameters,
    login::Device,
};

pub(super) mod authorization_code;
pub(super) mod client_credentials;
pub(super) mod refresh_token;

/// A token request of an authenticated client.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) app: &'a App,
    pub(super) issuer: &'a Issuer,
    pub(super) client: Arc<Client>,
    pub(super) form: &'a Parameters,
    pub(super) device: &'a Device,
}
