//! Cross-origin calls from browsers (Fetch §3.2): whom we let read our answers.

use axum::http::{HeaderMap, HeaderValue, Method, header};

use crate::{
    app::App,
    domain::client::{Client, is_loopback_origin},
    store::StoreError,
};

/// How long browsers may remember a preflight, in seconds.
const MAX_AGE: &str = "600";

/// What scripts may read beside what browsers show them anyway.
const EXPOSED: &str = "www-authenticate, dpop-nonce, retry-after, ratelimit, ratelimit-policy";

/// The origin that a browser names, if it may be one that we answer: never one on the person's own machine under https.
fn candidate<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    (app.is_development() || !is_loopback_origin(origin)).then_some(origin)
}

/// The answer to a preflight: yes to any origin that an enabled client registered. Which client calls is not known yet.
pub async fn preflight(app: &App, headers: &HeaderMap, methods: &[Method]) -> Result<HeaderMap, StoreError> {
    let mut answer = HeaderMap::new();
    answer.insert(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = candidate(app, headers) else { return Ok(answer) };
    if app.store.origins().await?.contains(origin) {
        let methods = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        allow(&mut answer, origin);
        set(&mut answer, header::ACCESS_CONTROL_ALLOW_METHODS, &methods);
        set(&mut answer, header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, dpop");
        set(&mut answer, header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    Ok(answer)
}

/// Lets scripts of the caller's origin read an answer, if its authenticated client registered that origin.
pub fn answer(app: &App, headers: &HeaderMap, client: Option<&Client>) -> HeaderMap {
    let mut answer = HeaderMap::new();
    if headers.contains_key(header::ORIGIN) {
        answer.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let (Some(origin), Some(client)) = (candidate(app, headers), client)
        && client.allows_origin(origin)
    {
        allow(&mut answer, origin);
        set(&mut answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    answer
}

fn allow(answer: &mut HeaderMap, origin: &str) {
    set(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}

fn set(answer: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.insert(name, value);
    }
}
