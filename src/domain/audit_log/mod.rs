//! The log that the audit trail is sealed into: how an event is hashed, the tree of hashes, and signed checkpoints of it.
//!
//! The hashes are those of RFC 6962 §2.1, the checkpoints those of C2SP (tlog-checkpoint, signed-note), so that tools which know
//! nothing of us can check them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use tlog_tiles::{Hash, record_hash};

pub mod checkpoint;
pub mod tree;

/// An event as it is stored, with what names a person sealed; or opened, where `P` is [`Personal`](super::event::Personal).
#[derive(Clone)]
pub struct StoredEvent<P = Vec<u8>> {
    /// Its number.
    pub id: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: String,
    /// Whose account it concerns.
    pub user: Option<String>,
    /// Which client it concerns.
    pub client: Option<String>,
    /// In which session it happened.
    pub session: Option<String>,
    /// Which grant it concerns.
    pub grant: Option<String>,
    /// In which request it happened.
    pub request: Option<String>,
    /// What else there is to say, as JSON.
    pub detail: String,
    /// Detail that names a person, if there is any that can be read.
    pub personal: Option<P>,
}

impl<P> StoredEvent<P> {
    /// The same with other detail that names a person.
    pub fn with_personal<Q>(self, personal: Option<Q>) -> StoredEvent<Q> {
        let Self { id, at, kind, user, client, session, grant, request, detail, personal: _ } = self;
        StoredEvent { id, at, kind, user, client, session, grant, request, detail, personal }
    }
}

impl<P> std::fmt::Debug for StoredEvent<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredEvent").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What is hashed of an event: its members in the order of their names, as RFC 8785 wants it.
#[derive(Serialize)]
struct Canonical<'a> {
    at: String,
    client: Option<&'a str>,
    detail: &'a str,
    grant: Option<&'a str>,
    id: i64,
    kind: &'a str,
    personal: Option<String>,
    request: Option<&'a str>,
    session: Option<&'a str>,
    user: Option<&'a str>,
}

impl StoredEvent {
    /// The event as canonical JSON (RFC 8785): the bytes that are hashed. Times are in UTC with six digits after the second;
    /// sealed bytes are base64url.
    pub fn canonical(&self) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let canonical = Canonical {
            at: self.at.to_rfc3339_opts(SecondsFormat::Micros, true),
            client: self.client.as_deref(),
            detail: &self.detail,
            grant: self.grant.as_deref(),
            id: self.id,
            kind: &self.kind,
            personal: self.personal.as_ref().map(|sealed| URL_SAFE_NO_PAD.encode(sealed)),
            request: self.request.as_deref(),
            session: self.session.as_deref(),
            user: self.user.as_deref(),
        };
        // Text and a number: nothing that could fail.
        serde_json::to_string(&canonical).unwrap_or_default()
    }

    /// The hash of its leaf (RFC 6962 §2.1).
    pub fn hash(&self) -> Hash {
        record_hash(self.canonical().as_bytes())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn event(id: i64) -> StoredEvent {
        StoredEvent {
            id,
            at: DateTime::from_timestamp(1_800_000_000, 123_456_789).unwrap(),
            kind: "login.succeeded".to_owned(),
            user: Some("u".to_owned()),
            client: None,
            session: Some("s".to_owned()),
            grant: None,
            request: Some("r".to_owned()),
            detail: r#"{"amr":["pwd"]}"#.to_owned(),
            personal: Some(vec![0xff, 0xfe]),
        }
    }

    /// Whoever checks an export relies on exactly this.
    #[test]
    fn an_event_is_hashed_as_canonical_json() {
        assert_eq!(
            event(7).canonical(),
            r#"{"at":"2027-01-15T08:00:00.123456Z","client":null,"detail":"{\"amr\":[\"pwd\"]}","grant":null,"id":7,"#
                .to_owned()
                + r#""kind":"login.succeeded","personal":"__4","request":"r","session":"s","user":"u"}"#
        );
    }

    #[test]
    fn nothing_of_an_event_can_change_unnoticed() {
        let original = event(7).hash();
        let changes: [fn(&mut StoredEvent); 10] = [
            |event| event.id = 8,
            |event| event.at += chrono::TimeDelta::microseconds(1),
            |event| event.kind.push('x'),
            |event| event.user = None,
            |event| event.client = Some(String::new()),
            |event| event.session = Some("S".to_owned()),
            |event| event.grant = Some("g".to_owned()),
            |event| event.request = None,
            |event| event.detail.push(' '),
            |event| event.personal = Some(vec![0xff]),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut event = event(7);
            change(&mut event);
            assert_ne!(event.hash(), original, "{number}");
        }
    }
}
