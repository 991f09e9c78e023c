//! An answer, read to its end.

use std::collections::BTreeMap;

use http_body_util::BodyExt;
use serde_json::Value;
use url::Url;

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub async fn read(response: axum::response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A header; it must be text and stand there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} stands there more than once");
        Some(value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Where it redirects to.
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text());
        self.header("location").unwrap()
    }

    /// The parameters of the query that it redirects to.
    pub fn redirect_query(&self) -> BTreeMap<String, String> {
        query_of(self.location())
    }

    /// The parameters of the fragment that it redirects to; there must be no query.
    pub fn redirect_fragment(&self) -> BTreeMap<String, String> {
        let (before, fragment) = self.location().split_once('#').unwrap_or_else(|| panic!("{}", self.location()));
        assert!(!before.contains('?'), "{}", self.location());
        query_of(&format!("https://fragment.example/?{fragment}"))
    }

    /// Asserts an error of the token endpoint's form.
    #[track_caller]
    pub fn assert_error(&self, status: u16, error: &str) {
        assert_eq!((self.status, self.json()["error"].as_str()), (status, Some(error)), "{}", self.text());
        let description = self.json()["error_description"].as_str().unwrap().to_owned();
        assert!(
            !description.is_empty() && description.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{description}"
        );
    }

    /// Asserts an error that is sent to the client's redirect URI with all that every answer carries: its parameters.
    #[track_caller]
    pub fn assert_refused(&self, error: &str) -> BTreeMap<String, String> {
        assert!(self.location().starts_with("https://app.example/cb?"), "{}", self.location());
        let query = self.redirect_query();
        assert_eq!(query.get("error").map(String::as_str), Some(error), "{}", self.location());
        assert!(query.contains_key("iss") && !query.contains_key("code"), "{}", self.location());
        query
    }

    /// Asserts a page for people, never a redirect.
    #[track_caller]
    pub fn assert_page(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
        assert!(self.headers.get("location").is_none());
        assert!(self.header("content-type").unwrap().starts_with("text/html"));
    }

    /// Asserts that the person is asked to sign in.
    #[track_caller]
    pub fn assert_login_page(&self) {
        self.assert_page(200);
        assert!(self.text().contains("name=\"password\""), "{}", self.text());
    }

    /// Asserts that the person is on their way to the sign-in.
    #[track_caller]
    pub fn assert_redirect_to_login(&self) {
        assert!(self.location().starts_with("/login?"), "{}", self.location());
    }

    /// Asserts that the person is asked for consent.
    #[track_caller]
    pub fn assert_consent_page(&self) {
        self.assert_page(200);
        assert!(self.text().contains("name=\"approve\""), "{}", self.text());
    }

    /// Asserts an answer with a code: the code.
    #[track_caller]
    pub fn assert_code(&self) -> String {
        let query = self.redirect_query();
        query.get("code").unwrap_or_else(|| panic!("no code in {}", self.location())).clone()
    }
}

/// The parameters of an address's query. A repeated one fails the test.
pub fn query_of(address: &str) -> BTreeMap<String, String> {
    let url = Url::parse(address).or_else(|_| Url::parse("http://here").unwrap().join(address)).unwrap();
    let mut parameters = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        assert!(parameters.insert(name.to_string(), value.to_string()).is_none(), "{name} is repeated in {address}");
    }
    parameters
}
