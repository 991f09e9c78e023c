//! Where the token stands in a request, and how it is presented: in the `Authorization` header, and nowhere else.

use std::sync::Arc;

use countersign_jose::MAX_JWS_BYTES;
use http::{HeaderMap, Uri, header::AUTHORIZATION};

use crate::TokenError;

/// How a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Whoever has it may use it (RFC 6750).
    Bearer,
    /// With a proof of the key that it is bound to (RFC 9449).
    Dpop,
}

/// A token as it was presented.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Presented {
    pub scheme: Scheme,
    pub token: Arc<str>,
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} …", self.scheme)
    }
}

/// Finds the access token of a request (RFC 6750 §2.1, RFC 9449 §7.1).
///
/// The form body and the query (§2.2, §2.3) are not accepted: bodies belong to the handler, and addresses end up in logs.
pub(crate) fn read(headers: &HeaderMap, uri: &Uri) -> Result<Presented, TokenError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(TokenError::Missing),
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => return Err(TokenError::SentTwice),
    };

    let scheme_length = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(scheme_length).ok_or(TokenError::Malformed)?;
    let scheme = match scheme.to_ascii_lowercase().as_slice() {
        b"bearer" => Scheme::Bearer,
        b"dpop" => Scheme::Dpop,
        _ => return Err(TokenError::Missing),
    };
    // RFC 6750 §2: "Clients MUST NOT use more than one method to transmit the token in each request."
    if names_access_token(uri.query().unwrap_or_default()) {
        return Err(TokenError::SentTwice);
    }
    let token = rest.trim_ascii();
    if token.len() > MAX_JWS_BYTES {
        return Err(TokenError::TooLong);
    }
    if !is_b64token(token) {
        return Err(TokenError::Malformed);
    }
    let token = std::str::from_utf8(token).map_err(|_| TokenError::Malformed)?;
    Ok(Presented { scheme, token: token.into() })
}

/// Whether the request wants to prove that it holds a key, however wrong the rest of it may be.
pub(crate) fn is_dpop(headers: &HeaderMap) -> bool {
    let scheme = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().split(|byte| *byte == b' ').next());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"dpop"))
}

fn names_access_token(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("access_token"))
}

/// The grammar of RFC 6750 §2.1, `=` anywhere instead of only at the end: the signature check sorts that out.
fn is_b64token(token: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    !token.is_empty() && token.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(headers: &[&[u8]], uri: &'static str) -> Result<String, TokenError> {
        presented(headers, uri).map(|presented| presented.token.to_string())
    }

    fn presented(headers: &[&[u8]], uri: &'static str) -> Result<Presented, TokenError> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        super::read(&map, &Uri::from_static(uri))
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(read(&[value.as_bytes()], "/").unwrap(), "a.b.c", "{value}");
        }
    }

    #[test]
    fn a_token_may_come_with_a_proof() {
        for value in ["DPoP a.b.c", "dpop a.b.c"] {
            let expected = Presented { scheme: Scheme::Dpop, token: "a.b.c".into() };
            assert_eq!(presented(&[value.as_bytes()], "/"), Ok(expected));
        }
    }

    #[test]
    fn another_scheme_is_no_token() {
        for value in ["Basic YTpi", "Bearerx a.b.c", "", " Bearer a"] {
            assert!(matches!(read(&[value.as_bytes()], "/"), Err(TokenError::Missing)), "{value}");
        }
    }

    #[test]
    fn what_is_not_a_token_is_malformed() {
        for value in
            [&b"Bearer"[..], b"Bearer ", b"Bearer a b", b"Bearer a,b", b"Bearer \"a\"", b"Bearer a\xff", b"Bearer a\tb"]
        {
            assert!(matches!(read(&[value], "/"), Err(TokenError::Malformed)), "{value:?}");
        }
        assert!(matches!(read(&[format!("Bearer {}", "a".repeat(1 << 20)).as_bytes()], "/"), Err(TokenError::TooLong)));
    }

    #[test]
    fn a_token_is_sent_once() {
        assert!(matches!(read(&[b"Bearer a", b"Bearer a"], "/"), Err(TokenError::SentTwice)));
        assert!(matches!(read(&[b"Bearer a"], "/?x=1&access_token=a"), Err(TokenError::SentTwice)));
        assert!(read(&[b"Bearer a"], "/?x=access_token").is_ok());
    }

    #[test]
    fn a_token_in_the_query_alone_is_not_accepted() {
        assert!(matches!(read(&[], "/?access_token=a"), Err(TokenError::Missing)));
    }
}
