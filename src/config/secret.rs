//! URLs that may carry a password: shown masked everywhere, given away only by name.

use std::{fmt, marker::PhantomData};

use serde_json::Value as Json;
use url::{Url, form_urlencoded};

use super::value::Setting;

/// What stands for a secret.
const MASK: &str = "…";

/// Which URLs a setting accepts.
pub trait UrlKind {
    /// Its schemes.
    const SCHEMES: &'static [&'static str];
    /// What a person must write.
    const EXPECTED: &'static str;
}

/// `sqlite:` and `postgres:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {}

/// `redis:`, `rediss:` and its socket forms
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redis {}

/// The URL of a database.
pub type DatabaseUrl = SecretUrl<Database>;
/// The URL of a Redis.
pub type RedisUrl = SecretUrl<Redis>;

impl UrlKind for Database {
    const SCHEMES: &'static [&'static str] = &["sqlite", "postgres", "postgresql"];
    const EXPECTED: &'static str = "a URL such as sqlite://data/countersign.db or postgres://user:password@host/name";
}

impl UrlKind for Redis {
    const SCHEMES: &'static [&'static str] = &["redis", "rediss", "redis+unix", "unix"];
    const EXPECTED: &'static str = "a URL such as redis://host:6379 or rediss://user:password@host:6379";
}

/// A URL that may carry a password. `Debug` and `Display` mask it; [`expose`](Self::expose) does not.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl<K> {
    text: String,
    kind: PhantomData<K>,
}

impl<K> SecretUrl<K> {
    /// A URL without a secret, written in the program.
    pub(super) fn built_in(text: &'static str) -> Self {
        Self { text: text.to_owned(), kind: PhantomData }
    }

    /// The URL with its password, for the one who connects.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The URL with each password in it replaced by `…`.
    pub fn masked(&self) -> String {
        mask(&self.text)
    }
}

impl<K> fmt::Debug for SecretUrl<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> fmt::Display for SecretUrl<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<K: UrlKind> Setting for SecretUrl<K> {
    const EXPECTED: &'static str = K::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        match Url::parse(text) {
            Ok(url) if K::SCHEMES.contains(&url.scheme()) => Ok(Self { text: text.to_owned(), kind: PhantomData }),
            _ => Err(format!("expected {}", Self::EXPECTED)),
        }
    }

    fn show(&self) -> Json {
        self.masked().into()
    }
}

/// Works on the text, not on the parsed URL: a password with an unescaped `/`, `?` or `#` ends at the last `@` here, so
/// that no part of it is shown, even if some of the rest is hidden too.
pub(super) fn mask(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (user, rest) = match rest.rsplit_once('@') {
        Some((userinfo, rest)) => match userinfo.split_once(':') {
            Some((user, _)) => (format!("{user}:{MASK}@"), rest),
            None => (format!("{userinfo}@"), rest),
        },
        None => (String::new(), rest),
    };
    let rest = match rest.split_once('?') {
        Some((path, query)) => format!("{path}?{}", query.split('&').map(mask_pair).collect::<Vec<_>>().join("&")),
        None => rest.to_owned(),
    };
    if scheme.is_empty() { format!("{user}{rest}") } else { format!("{scheme}://{user}{rest}") }
}

/// The drivers accept `password=` (and `pass=`, for sockets) in the query too, escaped or not.
fn mask_pair(pair: &str) -> String {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let secret = form_urlencoded::parse(pair.as_bytes())
        .any(|(name, _)| ["pass", "secret", "token"].iter().any(|word| name.to_ascii_lowercase().contains(word)));
    if secret { format!("{name}={MASK}") } else { pair.to_owned() }
}
