//! An entry: a ciphertext that names itself, so that whoever can open it knows that the server did not exchange it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::jwe::{Compact, Fault};

/// The longest body of an entry, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The `typ` of an entry (RFC 7516 §4.1.11).
pub const TYPE: &str = "journal-entry";

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// See [`EntryId`].
    pub id: String,
    /// How often it was written, from 1 on.
    pub revision: i64,
    /// A compact JWE; none once it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// That it was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

impl Entry {
    /// One that is there, or without a body one that was deleted.
    pub fn new(id: String, revision: i64, body: Option<String>) -> Self {
        Self { id, revision, deleted: body.is_none(), body }
    }
}

impl From<Sealed> for Entry {
    fn from(Sealed { id, revision, body }: Sealed) -> Self {
        Self::new(id.0, revision, Some(body))
    }
}

/// A UUID (RFC 9562 §4) in lower case, chosen by the client, since the ciphertext has to name it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EntryId(String);

impl EntryId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of an entry is a UUID in lower case")]
pub struct InvalidId;

impl TryFrom<String> for EntryId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let fits = |(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        };
        if text.len() == 36 && text.bytes().enumerate().all(fits) { Ok(Self(text)) } else { Err(InvalidId) }
    }
}

impl FromStr for EntryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.to_owned().try_into()
    }
}

/// A ciphertext that is fit to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which entry it says it is.
    pub id: EntryId,
    /// Which revision of it, from 1 on.
    pub revision: i64,
    /// The compact JWE itself.
    pub body: String,
}

/// Everything that stands in the header of an entry. It is readable for everybody, so nothing else may stand there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    typ: String,
    entry: EntryId,
    revision: i64,
}

/// Why a body is refused. The message is what the client may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntry {
    /// Plaintext, for example.
    #[error("an entry is a compact JWE, since this journal keeps ciphertext only: {0}")]
    NotJwe(#[from] Fault),
    /// Another way to encrypt, or another type.
    #[error(
        "the header of an entry is {{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"typ\":\"journal-entry\",\"entry\":UUID,\"revision\":NUMBER}}"
    )]
    Header,
    /// Longer than [`MAX_BODY`].
    #[error("an entry is at most 64 KiB, encrypted")]
    TooLong,
    /// With `dir` there is none (RFC 7518 §4.5).
    #[error("with alg dir, the second part of the JWE is empty")]
    EncryptedKey,
}

impl Sealed {
    /// Checks all that can be checked without the key.
    pub fn parse(body: String) -> Result<Self, InvalidEntry> {
        if body.len() > MAX_BODY {
            return Err(InvalidEntry::TooLong);
        }
        let Compact { header, encrypted_key, .. } = Compact::<Header>::parse(&body).map_err(|fault| match fault {
            Fault::Header => InvalidEntry::Header,
            other => InvalidEntry::NotJwe(other),
        })?;
        let Header { alg, enc, typ, entry, revision } = header;
        if (alg.as_str(), enc.as_str(), typ.as_str()) != ("dir", "A256GCM", TYPE) || revision < 1 {
            return Err(InvalidEntry::Header);
        }
        if encrypted_key != 0 {
            return Err(InvalidEntry::EncryptedKey);
        }
        Ok(Self { id: entry, revision, body })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const ID: &str = "0191d6a4-7e2b-7c10-9a55-8c7f0d1e2f30";

    fn sealed(header: &str, key: usize) -> Result<Sealed, InvalidEntry> {
        let part = |length| URL_SAFE_NO_PAD.encode(vec![1; length]);
        Sealed::parse([URL_SAFE_NO_PAD.encode(header), part(key), part(12), part(50), part(16)].join("."))
    }

    fn header(changed: &str) -> String {
        format!(r#"{{"alg":"dir","enc":"A256GCM","typ":"journal-entry","entry":"{ID}","revision":1{changed}}}"#)
    }

    #[test]
    fn a_ciphertext_names_its_entry_and_revision() {
        let found = sealed(&header(""), 0).unwrap();
        assert_eq!((found.id.as_str(), found.revision), (ID, 1));
    }

    #[test]
    fn another_header_is_refused() {
        for wrong in [
            header(r#","title":"Monday""#),
            header(r#","zip":"DEF""#),
            header(r#","crit":[]"#),
            header(r#","revision":2"#),
            header("").replace("A256GCM", "A128GCM"),
            header("").replace(r#""dir""#, r#""A256KW""#),
            header("").replace("journal-entry", "JWT"),
            header("").replace(r#""typ":"journal-entry","#, ""),
            header("").replace(":1}", ":0}"),
            header("").replace(":1}", ":-1}"),
            header("").replace(":1}", ":1.5}"),
            header("").replace(":1}", r#":"1"}"#),
            header("").replace(":1}", ":9223372036854775808}"),
            header("").replace(ID, &ID.to_uppercase()),
            header("").replace(ID, "1"),
            "[]".to_owned(),
            format!(r#"["dir","A256GCM","journal-entry","{ID}",1]"#),
            header(" "),
            "null".to_owned(),
        ] {
            assert_eq!(sealed(&wrong, 0), Err(InvalidEntry::Header), "{wrong}");
        }
    }

    #[test]
    fn the_key_is_nowhere_in_it() {
        assert_eq!(sealed(&header(""), 40), Err(InvalidEntry::EncryptedKey));
    }

    #[test]
    fn one_that_is_too_long_is_told_so() {
        assert_eq!(Sealed::parse("a".repeat(MAX_BODY + 1)), Err(InvalidEntry::TooLong));
    }

    #[test]
    fn plaintext_is_told_what_is_kept_here() {
        let refused = Sealed::parse("It rained all day.".to_owned()).unwrap_err();
        assert!(refused.to_string().starts_with("an entry is a compact JWE, since this journal keeps ciphertext only"));
    }

    #[test]
    fn other_texts_are_no_ids() {
        let long = format!("{ID}0");
        for text in ["", "1", "../../etc/passwd", &ID.replace('-', ""), &ID.replace('a', "g"), &long, &"é".repeat(18)]
        {
            assert_eq!(text.parse::<EntryId>(), Err(InvalidId), "{text}");
        }
    }
}
