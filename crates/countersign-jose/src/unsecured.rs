//! JWTs that nobody signed (RFC 7519 §6). Whoever reads one knows that anyone may have written it.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::guard::{self, FormatError};
use crate::verify::{JwsError, MAX_JWS_BYTES};

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// The claims of an unsecured JWT: `alg` is `none`, and the signature is empty. **Nothing is verified here**: only for those that are worth
/// no more than the plain parameters beside them, such as request objects of a client that registered so (OpenID Connect Core §6.1).
///
/// # Errors
///
/// [`JwsError::Format`] for what is not well-formed, [`JwsError::Algorithm`] for any other `alg`, and [`JwsError::Signature`] for a
/// signature, which an unsecured JWT must not have (RFC 7518 §3.6).
pub fn read_unsecured(token: &str) -> Result<Map<String, Value>, JwsError> {
    let [header, payload, signature] = guard::segments::<3>(token, MAX_JWS_BYTES)?;
    let header: Header = guard::header(header)?;
    if header.alg != "none" {
        return Err(JwsError::Algorithm);
    }
    if !signature.is_empty() {
        return Err(JwsError::Signature);
    }
    match guard::read_object(&guard::decode(payload)?) {
        Ok(claims) => Ok(claims),
        Err(error @ (FormatError::DuplicateMember | FormatError::TooDeep)) => Err(error.into()),
        Err(_) => Err(JwsError::Claims),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn token(header: &str, payload: &str, signature: &str) -> String {
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn only_alg_none_without_a_signature_is_read() {
        let none = r#"{"alg":"none"}"#;
        assert_eq!(read_unsecured(&token(none, r#"{"a":1}"#, "")).unwrap()["a"], 1);
        assert_eq!(read_unsecured(&token(none, "{}", "AAAA")), Err(JwsError::Signature));
        for alg in ["None", "NONE", "RS256", "HS256", ""] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            assert_eq!(read_unsecured(&token(&header, "{}", "")), Err(JwsError::Algorithm), "{alg}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let none = r#"{"alg":"none"}"#;
        for (header, payload) in [
            (none, r#"{"a":1,"a":2}"#),
            (none, "[]"),
            (none, ""),
            (r#"{"alg":"none","crit":["b64"]}"#, "{}"),
            (r#"{"alg":"none","alg":"none"}"#, "{}"),
            ("{}", "{}"),
        ] {
            assert!(read_unsecured(&token(header, payload, "")).is_err(), "{header} {payload}");
        }
        assert!(read_unsecured("e30.e30").is_err() && read_unsecured(&format!("{}.", "a".repeat(1_000_000))).is_err());
    }
}
