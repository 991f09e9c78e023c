//! Whole HTTP requests to an API whose provider's keys are in a file, so that nothing is fetched.
//!
//! A request is a line with method and address, headers, an empty line, and the body. What belongs together is filled in here, so that a
//! request that was changed in one place is not refused for another: in `authorization` the two tokens for `{bearer}` and `{bound}`; in
//! `dpop` the address for `{htu}` and the hash of the token for `{ath}`, and if that is a JSON object then, it becomes a proof with these
//! claims; in `content-digest` the digest of the body for `{}`; in `signature` for `{}` the signature of whatever `signature-input` says.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::LazyLock,
};

use axum::{Router, body::Body, extract::Request, routing::any};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use countersign_jose::{Algorithm, JwkSet, Signer, access_token_hash, base64, sha256_of};
use countersign_resource_server::{Caller, Clock, FirstUse, Lifespan, ReplayGuard, ResourceServer, SignedRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use url::Url;

use crate::{
    NOW,
    keys::{CLIENT, ES256, PROVIDER},
    seeds::{AUDIENCE, ISSUER, bearer_token, bound_token},
    segments::decode,
};

/// What a signed request must cover.
const COVERED: [&str; 5] = ["@method", "@target-uri", "content-digest", "authorization", "dpop"];

struct World {
    runtime: Runtime,
    api: Router,
    client: Signer,
    bearer: String,
    bound: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let file = tempfile::NamedTempFile::new().unwrap();
    let keys = JwkSet::from_iter([PROVIDER.public_jwk(), ES256.public_jwk()]);
    std::fs::write(file.path(), keys.to_value().to_string()).unwrap();
    let tokens = ResourceServer::builder(ISSUER, AUDIENCE)
        .algorithms([Algorithm::RS256, Algorithm::ES256])
        .jwks_file(file.path())
        .replay_guard(Forgetful)
        .clock(Still)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(tokens.ready()).unwrap();
    let api = Router::new()
        .route("/signed", any(async |_: SignedRequest| "signed"))
        .fallback(async |_: Caller| "called")
        .layer(tokens.layer());
    World { runtime, api, client: CLIENT.signer().unwrap(), bearer: bearer_token(), bound: bound_token() }
});

/// One request: was it let through?
pub fn bearer_request(input: &[u8]) -> bool {
    let Some((request, made)) = read(input) else { return false };
    let (parts, body) = request.into_parts();
    let (method, path, headers) = (parts.method.clone(), parts.uri.path().to_owned(), parts.headers.clone());
    let request = Request::from_parts(parts, Body::from(body.clone()));
    let answer = WORLD.runtime.block_on(WORLD.api.clone().oneshot(request)).unwrap();
    assert!(!answer.status().is_server_error(), "{}", answer.status());
    if answer.status() != StatusCode::OK {
        return false;
    }
    let token = only(&headers, "authorization").split_ascii_whitespace().nth(1).unwrap();
    assert!([&WORLD.bearer, &WORLD.bound].contains(&&token.to_owned()), "nobody has issued {token}");
    if token == WORLD.bound {
        let claims = made.unwrap_or_else(|| claims_of(only(&headers, "dpop")));
        assert_eq!(claims["htm"], method.as_str());
        assert_eq!(claims["ath"], access_token_hash(token));
        assert!((claims["iat"].as_i64().unwrap() - NOW).abs() <= 10);
        // What a router looks at is the path as it stands.
        let htu = Url::parse(claims["htu"].as_str().unwrap()).unwrap();
        assert!(percent_decode_str(htu.path()).eq(percent_decode_str(&path)), "{htu} is not {path}");
    }
    if path == "/signed" {
        assert_eq!(token, WORLD.bound);
        // Of a label that is there twice the last one counts (RFC 9651 §4.2.2), so there may be several.
        let inputs: Vec<_> = headers.get_all("signature-input").iter().map(|input| input.to_str().unwrap()).collect();
        let covers = |name: &&str| inputs.iter().any(|input| input.contains(&format!("\"{name}\"")));
        assert!(COVERED.iter().all(covers), "{inputs:?}");
        assert!(has_digest(&headers, &body), "another body was signed");
    }
    true
}

/// The request, unless no HTTP server would hand it on; and the claims of the proof, if it was made here.
fn read(input: &[u8]) -> Option<(http::Request<Vec<u8>>, Option<Value>)> {
    let at = input.windows(2).position(|two| two == b"\n\n")?;
    let (head, body) = (&input[..at], &input[at + 2..]);
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = http::Request::new(body.to_vec());
    *request.method_mut() = Method::from_bytes(&first[..space]).ok()?;
    *request.uri_mut() = Uri::try_from(&first[space + 1..]).ok()?;
    for line in lines {
        let colon = line.windows(2).position(|two| two == b": ")?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(&line[colon + 2..]).ok()?);
    }
    let address = format!("{AUDIENCE}{}", request.uri().path());
    let digest = base64(&sha256_of(request.body()));
    let headers = request.headers_mut();
    replace(headers, "authorization", |text| text.replace("{bearer}", &WORLD.bearer).replace("{bound}", &WORLD.bound));
    replace(headers, "dpop", |text| text.replace("{htu}", &address).replace("{ath}", &access_token_hash(&WORLD.bound)));
    replace(headers, "content-digest", |text| text.replace("{}", &digest));
    let claims = headers.get("dpop").and_then(|claims| serde_json::from_slice(claims.as_bytes()).ok());
    let claims = claims.filter(Value::is_object);
    if let Some(claims) = &claims {
        replace(headers, "dpop", |_| CLIENT.sign_embedded("dpop+jwt", claims).unwrap());
    }
    if let Some(base) = base(&request) {
        let signature = base64(&WORLD.client.sign_detached(base.as_bytes()).unwrap());
        replace(request.headers_mut(), "signature", |text| text.replace("{}", &signature));
    }
    Some((request, claims))
}

fn replace(headers: &mut HeaderMap, name: &str, with: impl FnOnce(&str) -> String) {
    if let Some(value) = headers.get_mut(name)
        && let Some(replaced) = value.to_str().ok().and_then(|text| HeaderValue::try_from(with(text)).ok())
    {
        *value = replaced;
    }
}

/// What a client would sign that means what `signature-input` says (RFC 9421 §2.5), read as plainly as can be.
fn base(request: &http::Request<Vec<u8>>) -> Option<String> {
    let (_label, input) = request.headers().get("signature-input")?.to_str().ok()?.split_once('=')?;
    let (names, _parameters) = input.strip_prefix('(')?.split_once(')')?;
    let mut base = String::new();
    for name in names.split(' ').map(|name| name.trim_matches('"')) {
        let value = match name {
            "@method" => request.method().to_string(),
            "@target-uri" => format!("{AUDIENCE}{}", request.uri().path_and_query()?),
            _ => request.headers().get(name)?.to_str().ok()?.trim().to_owned(),
        };
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    Some(format!("{base}\"@signature-params\": {input}"))
}

/// The header that there must be exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    assert_eq!(values.len(), 1, "{name}");
    values[0].to_str().unwrap()
}

fn claims_of(proof: &str) -> Value {
    serde_json::from_slice(&decode(proof.split('.').nth(1).unwrap())).unwrap()
}

fn has_digest(headers: &HeaderMap, body: &[u8]) -> bool {
    // Structured fields need no padding (RFC 9651 §4.2.7).
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let lenient = GeneralPurpose::new(&alphabet::STANDARD, lenient);
    let said = headers.get_all("content-digest").iter().filter_map(|value| value.to_str().ok());
    let digest = sha256_of(body).to_vec();
    said.flat_map(|said| said.split(':')).any(|digested| lenient.decode(digested).as_ref() == Ok(&digest))
}

/// The time stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> i64 {
        NOW
    }
}

/// Knows no proof again: an input means the same however often it was tried.
#[derive(Debug)]
struct Forgetful;

impl ReplayGuard for Forgetful {
    fn first_use(
        &self,
        _id: String,
        _lifespan: Lifespan,
        _now: i64,
    ) -> Pin<Box<dyn Future<Output = FirstUse> + Send + '_>> {
        Box::pin(ready(FirstUse::First))
    }
}
