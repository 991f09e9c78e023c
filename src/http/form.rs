//! Parameters of a query or a form, read so that nothing in them is ambiguous.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// The largest form, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The most parameters.
const MAX_PARAMETERS: usize = 100;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The parameters of a request, by name. A name stands for one value; whether it stood there twice is remembered.
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl std::fmt::Debug for Parameters {
    /// The names alone: values are secrets as often as not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why parameters cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A percent sign that is not followed by two hexadecimal digits, or bytes that are not UTF-8.
    #[error("parameters must be form-encoded UTF-8")]
    Encoding,
    /// A NUL, which no parameter has any use for.
    #[error("parameters must not contain NUL")]
    Nul,
    /// More than anybody needs.
    #[error("too many parameters")]
    TooMany,
    /// RFC 6749 §3.1: parameters must not be included more than once.
    #[error("a parameter was sent more than once")]
    Repeated,
    /// Not a form.
    #[error("the body must be application/x-www-form-urlencoded")]
    MediaType,
    /// Larger than [`MAX_BODY_BYTES`].
    #[error("the body is too large")]
    TooLarge,
    /// Broken off, or slower than ten seconds.
    #[error("the body did not arrive")]
    Incomplete,
}

impl FormError {
    /// The status of a direct answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Encoding | Self::Nul | Self::TooMany | Self::Repeated => StatusCode::BAD_REQUEST,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// As the texts of pages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Nul => "nul",
            Self::TooMany => "too-many",
            Self::Repeated => "repeated",
            Self::MediaType => "media-type",
            Self::TooLarge => "too-large",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Parameters {
    /// Reads form-encoded text: of a query, or of a body.
    pub fn parse(encoded: &[u8]) -> Result<Self, FormError> {
        let mut parameters = Vec::new();
        for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            parameters.push((decode(name)?, decode(value.get(1..).unwrap_or_default())?));
        }
        Ok(Self(parameters))
    }

    /// All of them, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// With those of `others` whose name is not among these.
    #[must_use]
    pub fn chain_missing(mut self, others: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in others {
            if !self.has(&name) {
                self.0.push((name, value));
            }
        }
        self
    }

    /// The value of a parameter. One that is empty counts as absent (RFC 6749 §3.1); of several the first is meant.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The value of a parameter as text of its own.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// Whether the name stands there, even without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Whether a name stands there more than once.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.0.iter().filter(|(known, _)| known == name).count() > 1
    }

    /// Whether any name stands there more than once.
    pub fn has_repeated(&self) -> bool {
        self.0.iter().enumerate().any(|(at, (name, _))| self.0.iter().take(at).any(|(earlier, _)| earlier == name))
    }

    /// Without any name more than once (RFC 6749 §3.2).
    pub fn unique(self) -> Result<Self, FormError> {
        if self.has_repeated() { Err(FormError::Repeated) } else { Ok(self) }
    }

    /// Form-encoded again.
    pub fn encode(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Of pairs that were read elsewhere.
impl FromIterator<(String, String)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Decodes one half of a pair; stricter than browsers, which let broken escapes stand.
fn decode(encoded: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    let hex = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16)).ok_or(FormError::Encoding);
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(hex(rest.next())? * 16 + hex(rest.next())?).map_err(|_| FormError::Encoding)?,
            other => *other,
        });
    }
    if bytes.contains(&0) {
        return Err(FormError::Nul);
    }
    String::from_utf8(bytes).map_err(|_| FormError::Encoding)
}

/// Decodes form-encoded text as [`Parameters`] are decoded: for the halves of HTTP Basic (RFC 6749 §2.3.1).
pub fn decode_component(encoded: &str) -> Result<String, FormError> {
    decode(encoded.as_bytes())
}

/// The parameters of the query.
#[derive(Debug)]
pub struct Query(pub Result<Parameters, FormError>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// The parameters of a form body. What is wrong with it is for the endpoint to answer in its own form.
#[derive(Debug)]
pub struct Form(pub Result<Parameters, FormError>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(read_form(request).await))
    }
}

async fn read_form(request: Request) -> Result<Parameters, FormError> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = media_type.is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    let body = read_body(request).await?;
    if !is_form && !body.is_empty() {
        return Err(FormError::MediaType);
    }
    Parameters::parse(&body)
}

pub(super) async fn read_body(request: Request) -> Result<Bytes, FormError> {
    let collected = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(FormError::TooLarge),
        Ok(Err(_)) | Err(_) => Err(FormError::Incomplete),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Parameters, FormError> {
        Parameters::parse(text.as_bytes())
    }

    #[test]
    fn values_are_decoded_once() {
        let parameters = parse("a=1+2%203&b=%2541&c&d=").unwrap();
        assert_eq!(parameters.get("a"), Some("1 2 3"));
        assert_eq!(parameters.get("b"), Some("%41"));
        assert_eq!((parameters.get("c"), parameters.has("c")), (None, true));
        assert_eq!(parameters.get("d"), None);
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for broken in ["a=%", "a=%4", "a=%zz", "a=%ff", "%=1", "a=%+1"] {
            assert_eq!(parse(broken).unwrap_err(), FormError::Encoding, "{broken}");
        }
        assert_eq!(parse("a=%00").unwrap_err(), FormError::Nul);
        assert_eq!(parse(&"a=1&".repeat(101)).unwrap_err(), FormError::TooMany);
        assert_eq!(parse("a=1&b=2&a=1").unwrap().unique().unwrap_err(), FormError::Repeated);
        assert!(parse("a=1&a").unwrap().is_repeated("a"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_the_same(pairs in prop::collection::vec(("[^\u{0}]{1,9}", "[^\u{0}]{0,9}"), 0..9)) {
            let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            prop_assert_eq!(parse(&encoded).unwrap().0, pairs);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parameters::parse(&bytes);
        }
    }
}
