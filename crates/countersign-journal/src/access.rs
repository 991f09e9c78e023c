//! Who did what to a journal: what the owner can look up later.

use std::fmt;

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What was done, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A page of entries.
    List,
    /// One entry.
    Read,
    /// A new entry.
    Write,
    /// A new revision.
    Replace,
    /// One entry.
    Delete,
    /// The wrapped key.
    VaultRead,
    /// The wrapped key.
    VaultWrite,
    /// Everything at once.
    Export,
    /// Everything at once.
    DeleteAll,
    /// This very list.
    AccessesRead,
}

impl Action {
    /// What a request is about; none for one that nothing is kept of.
    pub fn of(method: &Method, route: &str) -> Option<Self> {
        let get = matches!(*method, Method::GET | Method::HEAD);
        match (route, method) {
            ("/entries", _) if get => Some(Self::List),
            ("/entries", &Method::POST) => Some(Self::Write),
            ("/entries/{id}", _) if get => Some(Self::Read),
            ("/entries/{id}", &Method::PUT) => Some(Self::Replace),
            ("/entries/{id}", &Method::DELETE) => Some(Self::Delete),
            ("/vault", _) if get => Some(Self::VaultRead),
            ("/vault", &Method::PUT) => Some(Self::VaultWrite),
            ("/journal", _) if get => Some(Self::Export),
            ("/journal", &Method::DELETE) => Some(Self::DeleteAll),
            ("/accesses", _) if get => Some(Self::AccessesRead),
            _ => None,
        }
    }

    /// As it is kept and told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::VaultRead => "vault_read",
            Self::VaultWrite => "vault_write",
            Self::Export => "export",
            Self::DeleteAll => "delete_all",
            Self::AccessesRead => "accesses_read",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// There is no such thing.
    NotFound,
    /// It was not allowed, or not as it must be.
    Refused,
}

impl Outcome {
    /// As it is kept and told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
        }
    }
}

/// One request of one person, from which an access is recorded.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The `sub` of the token.
    pub person: String,
    /// The app.
    pub client: String,
    /// What it asks for.
    pub action: Action,
    /// When.
    pub at: DateTime<Utc>,
}

/// An access as its owner reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// When.
    pub at: DateTime<Utc>,
    /// See [`Action`].
    pub action: String,
    /// Which entry, where it was about one.
    pub entry: Option<String>,
    /// By which app.
    pub client_id: String,
    /// See [`Outcome`].
    pub outcome: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_reads_or_changes_has_a_name() {
        for (method, route, name) in [
            (Method::GET, "/entries", "list"),
            (Method::HEAD, "/entries", "list"),
            (Method::POST, "/entries", "write"),
            (Method::GET, "/entries/{id}", "read"),
            (Method::PUT, "/entries/{id}", "replace"),
            (Method::DELETE, "/entries/{id}", "delete"),
            (Method::GET, "/vault", "vault_read"),
            (Method::PUT, "/vault", "vault_write"),
            (Method::GET, "/journal", "export"),
            (Method::DELETE, "/journal", "delete_all"),
            (Method::GET, "/accesses", "accesses_read"),
        ] {
            assert_eq!(Action::of(&method, route).map(Action::as_str), Some(name), "{method} {route}");
        }
        assert_eq!(Action::of(&Method::PATCH, "/entries"), None);
    }
}
