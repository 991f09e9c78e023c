//! Our cookies: their names, their flags, and reading them.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::app::App;

/// The cookies that we set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The session of a signed-in person.
    Session,
    /// The sessions of those who are signed in on the same browser beside them.
    Beside,
    /// Tells one browser from another before anybody signs in; forms and requests in addresses are bound to it.
    Browser,
    /// Tells the browsers of a person apart from their first sign-in there on, whether or not they are signed in.
    Device,
    /// A sign-in whose password was right, while it waits for the second factor.
    Waiting,
    /// Recovery codes, sealed, from when they are made until their owner has seen them.
    RecoveryCodes,
    /// What `check_session_iframe` tells one sign-in from another by: the only one that its script reads, wherever it is framed.
    BrowserState,
}

impl Cookie {
    /// Under https the prefix keeps other hosts and plain http from setting it (RFC 6265bis §4.1.3.2).
    pub fn name(self, app: &App) -> &'static str {
        match (self, app.is_development()) {
            (Self::Session, false) => "__Host-countersign_session",
            (Self::Session, true) => "countersign_session",
            (Self::Beside, false) => "__Host-countersign_beside",
            (Self::Beside, true) => "countersign_beside",
            (Self::Browser, false) => "__Host-countersign_browser",
            (Self::Browser, true) => "countersign_browser",
            (Self::Device, false) => "__Host-countersign_device",
            (Self::Device, true) => "countersign_device",
            (Self::Waiting, false) => "__Host-countersign_waiting",
            (Self::Waiting, true) => "countersign_waiting",
            (Self::RecoveryCodes, false) => "__Host-countersign_recovery_codes",
            (Self::RecoveryCodes, true) => "countersign_recovery_codes",
            (Self::BrowserState, false) => "__Host-countersign_state",
            (Self::BrowserState, true) => "countersign_state",
        }
    }

    /// Its value in a request. One that was sent twice is not trusted: one of them was planted.
    pub fn read<'a>(self, app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.name(app);
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The header that sets it until the browser is closed, or for the seconds given.
    pub fn set(self, app: &App, value: &str, max_age: Option<u64>) -> HeaderValue {
        let flags = match (self, app.is_development()) {
            (Self::BrowserState, false) => "SameSite=None; Secure",
            (Self::BrowserState, true) => "SameSite=Lax",
            (_, false) => "HttpOnly; SameSite=Lax; Secure",
            (_, true) => "HttpOnly; SameSite=Lax",
        };
        let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let header = format!("{}={value}; Path=/; {flags}{max_age}", self.name(app));
        HeaderValue::try_from(header).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The header that takes it away.
    pub fn clear(self, app: &App) -> HeaderValue {
        self.set(app, "", Some(0))
    }
}
