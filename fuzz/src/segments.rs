//! The two ways to write a compact token: as it is sent, and opened, with a line for each segment and JSON as itself. What is changed in
//! an opened token still is base64url when it is sent, so that it is read and not merely decoded.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The token as it is, if it is text, and what an opened token is when it is sent.
pub(crate) fn forms(input: &[u8]) -> impl Iterator<Item = String> {
    let closed = std::str::from_utf8(input).ok().map(str::to_owned);
    closed.into_iter().chain(input.contains(&b'\n').then(|| close(input)))
}

pub(crate) fn close(opened: &[u8]) -> String {
    let segments = opened.split(|byte| *byte == b'\n').map(|segment| match segment {
        [b'{', ..] => encode(segment),
        _ => String::from_utf8_lossy(segment).into_owned(),
    });
    segments.collect::<Vec<_>>().join(".")
}

pub(crate) fn open(token: &str) -> String {
    let segments =
        token.split('.').map(|segment| match serde_json::from_slice::<Map<String, Value>>(&decode(segment)) {
            Ok(_) => String::from_utf8(decode(segment)).unwrap(),
            Err(_) => segment.to_owned(),
        });
    segments.collect::<Vec<_>>().join("\n")
}

pub(crate) fn encode(segment: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(segment)
}

/// A segment of a token that was accepted.
pub(crate) fn decode(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(segment).unwrap()
}

/// What is signed of a compact JWS.
pub(crate) fn signing_input(token: &str) -> &str {
    token.rsplit_once('.').map_or("", |(input, _)| input)
}
