//! Settings of clients that register themselves.

use std::time::Duration;

use countersign_types::ScopeSet;

use super::{
    DAY,
    reader::Reader,
    value::{PkceRequired, RegistrationMode},
};

/// Clients that register themselves (RFC 7591).
#[derive(Clone, Debug)]
pub struct RegistrationSettings {
    /// `registration.mode`: none can (`off`), those with an initial access token (`token`) or all (`open`) (`off`).
    pub mode: RegistrationMode,
    /// `registration.pkce`: `all` of them or only `public` ones must send a challenge (as `pkce.required`).
    pub pkce: PkceRequired,
    /// `registration.scopes`: scopes of APIs that they may ask for, beside the standard ones (none).
    pub scopes: ScopeSet,
    /// `registration.client_credentials`: whether they may act on their own behalf (`false`).
    pub client_credentials: bool,
    /// `registration.limit`: how many of them there can be at the same time (1000).
    pub limit: u32,
    /// `registration.unused`: when one is removed that nobody ever signed in to (30 d).
    pub unused: Duration,
}

pub(super) fn read(r: &mut Reader, pkce: PkceRequired) -> RegistrationSettings {
    let mode = r.read("registration.mode", RegistrationMode::Off);
    let pkce = r.read("registration.pkce", pkce);
    let scopes = r.read("registration.scopes", ScopeSet::default());
    let client_credentials = r.read("registration.client_credentials", false);
    let limit = r.read("registration.limit", 1_000);
    r.check("registration.limit", limit > 0, || "must not be zero".into());
    let unused = super::lifetime(r, "registration.unused", 30 * DAY);
    RegistrationSettings { mode, pkce, scopes, client_credentials, limit, unused }
}
