//! Which state of a thing a request is about (RFC 9110 §13): so that nobody overwrites what another device wrote meanwhile.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::ApiError;

/// What a change is meant to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there (`*`).
    Any,
    /// This state.
    Version(i64),
    /// One that never was.
    Other,
}

impl Expected {
    /// `If-Match`, which a change of an entry or a vault must have (RFC 6585 §3).
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let missing = "say which revision this changes: If-Match with the ETag that you read";
        match tags(headers, &header::IF_MATCH).as_slice() {
            [] => Err(ApiError::PreconditionRequired(missing)),
            ["*"] => Ok(Self::Any),
            [tag] => Ok(version(tag).map_or(Self::Other, Self::Version)),
            _ => Err(ApiError::Invalid("If-Match names one ETag")),
        }
    }

    /// Whether this is the state that is meant.
    pub fn is(self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Version(expected) => expected == version,
            Self::Other => false,
        }
    }
}

/// Whether the client has this state already: `If-None-Match` (RFC 9110 §13.1.2).
pub fn has(headers: &HeaderMap, current: i64) -> bool {
    let is_it = |tag: &str| tag == "*" || version(tag.strip_prefix("W/").unwrap_or(tag)) == Some(current);
    tags(headers, &header::IF_NONE_MATCH).into_iter().any(is_it)
}

/// Whether the request is meant for nothing being there yet: `If-None-Match: *`.
pub fn expects_nothing(headers: &HeaderMap) -> bool {
    tags(headers, &header::IF_NONE_MATCH) == ["*"]
}

/// An `ETag` (RFC 9110 §8.8.3).
pub fn etag(version: i64) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    (header::ETAG, value)
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    // Our tags have no comma in them, so whatever has is none of ours.
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

fn version(tag: &str) -> Option<i64> {
    let number = tag.strip_prefix('"')?.strip_suffix('"')?;
    number.parse().ok().filter(|version: &i64| version.to_string() == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_change_says_what_it_changes() {
        let of = |values: &[&'static str]| Expected::of(&headers(&header::IF_MATCH, values)).ok();
        assert_eq!(of(&["\"7\""]), Some(Expected::Version(7)));
        assert_eq!(of(&["*"]), Some(Expected::Any));
        for other in ["7", "W/\"7\"", "\"07\"", "\"+7\"", "\"x\"", "\"\""] {
            assert_eq!(of(&[other]), Some(Expected::Other), "{other}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["\"1\", \"2\""]), None);
        assert_eq!(of(&["\"1\"", "\"2\""]), None);
        assert!(!Expected::Version(1).is(2) && !Expected::Other.is(0) && Expected::Any.is(9));
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let has = |values: &[&'static str]| has(&headers(&header::IF_NONE_MATCH, values), 7);
        assert!(
            has(&["\"7\""]) && has(&["W/\"7\""]) && has(&["\"1\", \"7\""]) && has(&["\"1\"", "\"7\""]) && has(&["*"])
        );
        assert!(!has(&[]) && !has(&["\"6\""]) && !has(&["7"]) && !has(&["\"77\""]));
    }
}
