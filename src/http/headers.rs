//! Headers that make answers safe, on every answer alike.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{form_post, frame::Frame};

/// For pages: nothing but our own styles and pictures; never in a frame; forms go nowhere but here.
pub const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

/// For pages whose form may end at a client: Chromium applies `form-action` to every redirect that follows.
pub const CLIENT_FORM_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// For everything that is not a page.
const DOCUMENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// For the one document that anybody may frame, since it is made for that: it runs one script, and shows nothing (Session
/// Management 1.0 §3.2).
pub const FRAMED_POLICY: &str = "default-src 'none'; script-src 'sha256-wN8Z5t9HJp5Ll373lynXSpZK8miDlyX413J6Sh/WW0U='; \
     base-uri 'none'; form-action 'none'";

/// What no page of ours needs, and so none may use.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
     microphone=(), payment=(), usb=()";

/// Adds what is missing to an answer.
pub fn secure(headers: &mut HeaderMap, is_development: bool) {
    add(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(headers, header::REFERRER_POLICY, "no-referrer");
    add(headers, header::CONTENT_SECURITY_POLICY, DOCUMENT_POLICY);
    if headers.get(header::CONTENT_SECURITY_POLICY).is_none_or(|policy| policy != FRAMED_POLICY) {
        add(headers, header::X_FRAME_OPTIONS, "DENY");
    }
    add(headers, HeaderName::from_static("permissions-policy"), PERMISSIONS);
    // Whom an answer is for is decided by CORS; nobody embeds one without it.
    add(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    // Only who knows that an answer is everybody's says so itself.
    add(headers, header::CACHE_CONTROL, "no-store");
    if !is_development {
        add(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// A page's own headers: it is never kept, may do nothing but what its policy says, and is in its reader's language.
///
/// Pages that an app's request passes through may have been opened by the app in a window of its own, which waits there for the
/// answer: they leave it its way back. All others cut themselves off from whoever opened them.
pub fn page(policy: &'static str, frame: &Frame) -> [(HeaderName, HeaderValue); 5] {
    let is_on_the_way = policy == CLIENT_FORM_POLICY || policy == form_post::POLICY;
    let opener = if is_on_the_way { "unsafe-none" } else { "same-origin" };
    page_under(HeaderValue::from_static(policy), opener, frame)
}

/// The same for a page on the way to an app whose policy is made for it.
pub(super) fn page_on_the_way(policy: HeaderValue, frame: &Frame) -> [(HeaderName, HeaderValue); 5] {
    page_under(policy, "unsafe-none", frame)
}

fn page_under(policy: HeaderValue, opener: &'static str, frame: &Frame) -> [(HeaderName, HeaderValue); 5] {
    [
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static(opener)),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(frame.language().tag())),
        (header::VARY, HeaderValue::from_static("Accept-Language, Cookie")),
    ]
}
