//! The claims of our tokens. Times are seconds since 1970 (RFC 7519 NumericDate), always integers.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::{ClientId, GrantId, ScopeSet, SessionId, TokenId};

/// The media type of an access token in its `typ` header (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The `typ` header of an ID token.
pub const ID_TOKEN_TYPE: &str = "JWT";
/// The media type of a logout token in its `typ` header (Back-Channel Logout 1.0 §2.4).
pub const LOGOUT_TOKEN_TYPE: &str = "logout+jwt";

/// An `aud` claim: one value or several (RFC 7519 §4.1.3). One is written as a plain string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience(Vec<String>);

impl Audience {
    /// Whether the value is among them, compared as exact strings.
    pub fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|one| one == value)
    }

    /// The values in the order in which they stand in the token.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The only value, if there is exactly one.
    pub fn single(&self) -> Option<&str> {
        match self.0.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

impl FromIterator<String> for Audience {
    fn from_iter<I: IntoIterator<Item = String>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.single() {
            Some(one) => serializer.serialize_str(one),
            None => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            One(String),
            Many(Vec<String>),
        }
        Ok(match Wire::deserialize(deserializer)? {
            Wire::One(one) => Self(vec![one]),
            Wire::Many(many) => Self(many),
        })
    }
}

/// What a token is bound to (RFC 7800). Empty for bearer tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The SHA-256 thumbprint of a DPoP key (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// The SHA-256 thumbprint of a client certificate (RFC 8705 §3.1).
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
}

/// An access token (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// The issuer, exactly as configured.
    pub iss: String,
    /// The person's id, or the client's where no person is involved (RFC 9068 §2.2).
    pub sub: String,
    /// The APIs that own a granted scope, and the issuer for `openid`.
    pub aud: Audience,
    /// When it stops being valid, in seconds since 1970.
    #[serde(deserialize_with = "foreign::date")]
    pub exp: i64,
    /// When it was issued, in seconds since 1970.
    #[serde(deserialize_with = "foreign::date")]
    pub iat: i64,
    /// This token.
    pub jti: TokenId,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// What it allows. Left out where nothing was granted: an empty one has no form (RFC 6749 §3.3).
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// The grant that it came from; all tokens of a grant are revoked together. Absent where no person granted anything.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "foreign::own")]
    pub gid: Option<GrantId>,
    /// The device session of the sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "foreign::own")]
    pub sid: Option<SessionId>,
    /// When the person signed in, in seconds since 1970 (RFC 9068 §2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "foreign::optional_date")]
    pub auth_time: Option<i64>,
    /// How strong the sign-in was (RFC 9068 §2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By what means the person signed in (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The person's roles, for an API that was registered to see them (RFC 9068 §2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "foreign::roles")]
    pub roles: Vec<String>,
    /// What the token is bound to (RFC 7800); absent for a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Not before, in seconds since 1970. Countersign never sets it; a validator must honour it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "foreign::optional_date")]
    pub nbf: Option<i64>,
}

/// An ID token (OpenID Connect Core §2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    /// The issuer, exactly as configured.
    pub iss: String,
    /// The person.
    pub sub: String,
    /// The client that it is meant for.
    pub aud: Audience,
    /// When it stops being valid, in seconds since 1970.
    pub exp: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When the person signed in, in seconds since 1970.
    pub auth_time: i64,
    /// The client's `nonce`, untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The left half of the access token's hash (§3.1.3.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// The left half of the code's hash (§3.3.2.11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c_hash: Option<String>,
    /// How strong the sign-in was.
    pub acr: String,
    /// By what means the person signed in (RFC 8176).
    pub amr: Vec<String>,
    /// The device session.
    pub sid: SessionId,
    /// The client again: the party to which the token was issued.
    pub azp: ClientId,
    /// Claims about the person that belong into this token.
    #[serde(flatten)]
    pub person: Map<String, serde_json::Value>,
}

/// A logout token (Back-Channel Logout 1.0 §2.4): a session is over. It never has a `nonce`, so that it can be taken for no ID token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogoutTokenClaims {
    /// The issuer, exactly as configured.
    pub iss: String,
    /// The person, as the client knows them.
    pub sub: String,
    /// The client that it is meant for.
    pub aud: Audience,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it stops being valid, in seconds since 1970.
    pub exp: i64,
    /// This token.
    pub jti: TokenId,
    /// What happened.
    pub events: LogoutEvents,
    /// The session that is over, as the client knows it.
    pub sid: SessionId,
}

/// The `events` of a logout token (RFC 8417 §2.2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogoutEvents {
    /// The one that makes it a logout token.
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    pub backchannel_logout: LogoutEvent,
}

/// An event of which there is nothing more to say: an empty object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogoutEvent {}

/// How other issuers write what Countersign writes in one way only.
mod foreign {
    use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
    use serde_json::Value;

    /// A `NumericDate` may have fractions of a second (RFC 7519 §2); they are dropped.
    pub fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Date {
            Seconds(i64),
            Fraction(f64),
        }
        match Date::deserialize(deserializer)? {
            Date::Seconds(seconds) => Ok(seconds),
            #[allow(clippy::cast_possible_truncation)] // not within these bounds
            Date::Fraction(seconds) if seconds.abs() < 1e15 => Ok(seconds.floor() as i64),
            Date::Fraction(_) => Err(D::Error::custom("no date")),
        }
    }

    pub fn optional_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        date(deserializer).map(Some)
    }

    /// `gid` and `sid` are ours; where another issuer means something else by them, they say nothing.
    pub fn own<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
        Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
    }

    /// Texts, or objects of SCIM with a `value` (RFC 9068 §2.2.3.1, RFC 7643 §4.1.2). Others say nothing.
    pub fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        let listed = match Value::deserialize(deserializer)? {
            Value::Array(listed) => listed,
            one => vec![one],
        };
        let role = |role: Value| match role {
            Value::String(role) => Some(role),
            Value::Object(role) => role.get("value").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        Ok(listed.into_iter().filter_map(role).collect())
    }
}
