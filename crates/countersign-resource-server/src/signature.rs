//! Requests that are signed as a whole (RFC 9421, RFC 9530), for operations that nobody must be able to alter on their way: by the
//! same key that the access token is bound to.

use std::{collections::HashSet, fmt::Write as _};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, Request},
};
use countersign_jose::{Algorithm, PublicJwk, sha256_of};
use countersign_types::ErrorCode;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sfv::{Dictionary, FieldType as _, InnerList, List, ListEntry, Parser, StringRef};

use crate::{Caller, Refusal, proof::ProvenKey};

/// What a signature must cover: method, address, body, token and the proof of its key, which is good once.
const COVERED: [&str; 5] = ["@method", "@target-uri", "content-digest", "authorization", "dpop"];
/// How old a signature may be, and how far its clock may be ahead, in seconds.
const OLDEST: i64 = 60;
const AHEAD: i64 = 10;
/// The most components of a signature: each of them is read.
const MOST_COMPONENTS: usize = 32;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");

/// A request whose method, address, body and token are signed by the key that its token is bound to. It reads the body, within the
/// limit of `DefaultBodyLimit`.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    /// Whose.
    pub caller: Caller,
    /// The body, as it was signed.
    pub body: Bytes,
}

/// Why a request does not pass for a signed one. The message is what the client may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The token is not bound to a key, so nobody knows whose signature it would be.
    #[error("this needs an access token that is bound to a key (DPoP), and a signature by that key")]
    NotBound,
    /// `Content-Digest` is missing, malformed, or not that of the body (RFC 9530 §2).
    #[error("Content-Digest must have the sha-256 of the body")]
    Digest,
    /// `Signature-Input` or `Signature` is missing or malformed, or there are several (RFC 9421 §4).
    #[error("one signature is needed, in Signature-Input and Signature")]
    Malformed,
    /// It leaves out what must be signed, or covers what is not there.
    #[error(
        "the signature must cover @method, @target-uri, content-digest, authorization and dpop, and no other derived components"
    )]
    Components,
    /// `created` is missing, or too long ago or ahead.
    #[error("created of the signature must be within the last minute, by the server's clock")]
    Time,
    /// `expires` has passed.
    #[error("the signature has expired")]
    Expired,
    /// The key makes proofs, but by an algorithm that messages are not signed with.
    #[error("a key that signs requests must be one of ES256 or EdDSA")]
    Unfit,
    /// `keyid` or `alg` names another key or algorithm.
    #[error(
        "keyid and alg of the signature, where they are named, must be those of the key that the access token is bound to"
    )]
    Key,
    /// It is not of that key, or of another request.
    #[error("the signature is not of this request")]
    Signature,
    /// The body is larger than `DefaultBodyLimit` allows.
    #[error("the body is too large")]
    TooLarge,
    /// The body broke off.
    #[error("the body cannot be read")]
    Body,
}

impl SignatureError {
    fn of_body(status: StatusCode) -> Self {
        if status == StatusCode::PAYLOAD_TOO_LARGE { Self::TooLarge } else { Self::Body }
    }

    pub(crate) fn code(self) -> ErrorCode {
        match self {
            // Another token is needed, before anything can be signed.
            Self::NotBound | Self::Unfit => ErrorCode::InvalidToken,
            // Without the body nobody has looked at the signature.
            Self::TooLarge | Self::Body => ErrorCode::InvalidRequest,
            Self::Digest
            | Self::Malformed
            | Self::Components
            | Self::Time
            | Self::Expired
            | Self::Key
            | Self::Signature => ErrorCode::InvalidSignature,
        }
    }

    /// RFC 9421 §5.1: what would do.
    pub(crate) fn accept_signature(self) -> Option<(HeaderName, HeaderValue)> {
        if self.code() == ErrorCode::InvalidRequest {
            return None;
        }
        let wanted = COVERED.map(|name| format!("\"{name}\"")).join(" ");
        HeaderValue::try_from(format!("sig=({wanted});created;keyid")).ok().map(|wanted| (ACCEPT_SIGNATURE, wanted))
    }
}

impl<S: Send + Sync> FromRequest<S> for SignedRequest {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        let wrong = |error: SignatureError| caller.refusal(error);
        let proven = parts.extensions.get::<ProvenKey>().cloned().ok_or_else(|| wrong(SignatureError::NotBound))?;
        let (method, headers) = (parts.method.clone(), parts.headers.clone());
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let body = body.map_err(|rejection| wrong(SignatureError::of_body(rejection.status())))?;
        let signed = Message { method: &method, headers: &headers, body: &body };
        signed.check(&proven, caller.now()).map_err(wrong)?;
        Ok(Self { caller, body })
    }
}

/// A request, as far as it can be signed.
struct Message<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl Message<'_> {
    fn check(&self, proven: &ProvenKey, now: i64) -> Result<(), SignatureError> {
        self.check_digest()?;
        let (label, input) = self.input()?;
        let signature = self.signature(&label)?;
        check_parameters(&input, &proven.key, now)?;
        let base = self.base(&input, &proven.address)?;
        let algorithm = algorithm_of(&proven.key).ok_or(SignatureError::Key)?;
        let verifier = proven.key.verifier(algorithm).map_err(|_| SignatureError::Key)?;
        if verifier.verify_detached(base.as_bytes(), &signature) { Ok(()) } else { Err(SignatureError::Signature) }
    }

    /// RFC 9530 §2. Other digests may stand beside it.
    fn check_digest(&self) -> Result<(), SignatureError> {
        let digests = self.dictionary(&CONTENT_DIGEST).ok_or(SignatureError::Digest)?;
        let digest = match digests.get("sha-256") {
            Some(ListEntry::Item(item)) => item.bare_item.as_byte_sequence(),
            Some(ListEntry::InnerList(_)) | None => None,
        };
        if digest == Some(&sha256_of(self.body)) { Ok(()) } else { Err(SignatureError::Digest) }
    }

    /// The one signature that there is: what it is called, and what it covers.
    fn input(&self) -> Result<(String, InnerList), SignatureError> {
        let inputs = self.dictionary(&SIGNATURE_INPUT).ok_or(SignatureError::Malformed)?;
        let mut inputs = inputs.into_iter();
        match (inputs.next(), inputs.next()) {
            (Some((label, ListEntry::InnerList(input))), None) => Ok((label.as_str().to_owned(), input)),
            _ => Err(SignatureError::Malformed),
        }
    }

    fn signature(&self, label: &str) -> Result<Vec<u8>, SignatureError> {
        let signatures = self.dictionary(&SIGNATURE).ok_or(SignatureError::Malformed)?;
        match (signatures.len(), signatures.get(label)) {
            (1, Some(ListEntry::Item(item))) => item.bare_item.as_byte_sequence().map(<[u8]>::to_vec),
            _ => None,
        }
        .ok_or(SignatureError::Malformed)
    }

    fn dictionary(&self, name: &HeaderName) -> Option<Dictionary> {
        Parser::new(&self.field(name)?).parse().ok()
    }

    /// A header as it is signed (RFC 9421 §2.1): its values without surrounding space, joined by a comma.
    fn field(&self, name: &HeaderName) -> Option<String> {
        let values = self.headers.get_all(name).iter();
        let values: Option<Vec<&str>> = values.map(|value| value.to_str().ok().map(str::trim)).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.join(", "))
    }

    /// RFC 9421 §2.5.
    fn base(&self, input: &InnerList, address: &str) -> Result<String, SignatureError> {
        let wrong = SignatureError::Components;
        if input.items.len() > MOST_COMPONENTS {
            return Err(wrong);
        }
        let mut seen = HashSet::new();
        let mut base = String::new();
        for item in &input.items {
            let name = item.bare_item.as_string().map(StringRef::as_str).ok_or(wrong)?;
            // Parameters change what is signed of a component, and two of a name are ambiguous.
            if !item.params.is_empty() || !seen.insert(name) {
                return Err(wrong);
            }
            let value = match name {
                "@method" => self.method.as_str().to_owned(),
                "@target-uri" => address.to_owned(),
                _ if name.starts_with('@') || name != name.to_ascii_lowercase() => return Err(wrong),
                _ => self.field(&name.parse().map_err(|_| wrong)?).ok_or(wrong)?,
            };
            let _ = writeln!(base, "\"{name}\": {value}");
        }
        if COVERED.iter().any(|needed| !seen.contains(needed)) {
            return Err(wrong);
        }
        let list: List = vec![ListEntry::InnerList(input.clone())];
        let parameters = list.serialize().ok_or(wrong)?;
        base.push_str("\"@signature-params\": ");
        base.push_str(&parameters);
        Ok(base)
    }
}

fn check_parameters(input: &InnerList, key: &PublicJwk, now: i64) -> Result<(), SignatureError> {
    let integer = |name: &str| input.params.get(name).map(|value| value.as_integer().map(i64::from));
    let created = integer("created").flatten().ok_or(SignatureError::Time)?;
    if created < now.saturating_sub(OLDEST) || created > now.saturating_add(AHEAD) {
        return Err(SignatureError::Time);
    }
    if integer("expires").is_some_and(|expires| expires.is_none_or(|expires| expires <= now)) {
        return Err(SignatureError::Expired);
    }
    let is = |name: &str, expected: &str| {
        let named = input.params.get(name).map(|value| value.as_string().map(StringRef::as_str));
        named.is_none_or(|named| named == Some(expected))
    };
    let algorithm = match algorithm_of(key) {
        Some(Algorithm::ES256) => "ecdsa-p256-sha256",
        Some(Algorithm::EdDSA) => "ed25519",
        _ => return Err(SignatureError::Unfit),
    };
    if is("keyid", &key.thumbprint()) && is("alg", algorithm) { Ok(()) } else { Err(SignatureError::Key) }
}

/// RFC 9421 §3.3: the algorithms that DPoP and message signatures share.
fn algorithm_of(key: &PublicJwk) -> Option<Algorithm> {
    [Algorithm::ES256, Algorithm::EdDSA].into_iter().find(|algorithm| key.supports(*algorithm))
}
