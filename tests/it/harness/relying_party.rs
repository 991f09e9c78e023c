//! The server of an app: it keeps what is posted to it, and answers as it is told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, routing::any};
use http::{HeaderMap, Method};
use tokio::{net::TcpListener, task::JoinHandle};

/// A request that came.
#[derive(Clone, Debug)]
pub struct Posted {
    pub method: Method,
    pub content_type: String,
    pub body: String,
}

impl Posted {
    /// The logout token, which must be all there is.
    pub fn logout_token(&self) -> String {
        let fields: Vec<_> = url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect();
        let [(name, token)] = fields.as_slice() else { panic!("one field: {}", self.body) };
        assert_eq!(name, "logout_token");
        token.clone()
    }
}

#[derive(Debug, Default)]
struct Shared {
    posted: Mutex<Vec<Posted>>,
    status: AtomicU16,
}

/// The server. It goes when this is dropped.
pub struct RelyingParty {
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Drop for RelyingParty {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl RelyingParty {
    /// One that answers with 200.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(any(take)).with_state(shared.clone());
        let listening = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let party = Self { port, shared, listening };
        party.answer(200);
        party
    }

    /// From now on it answers with this status.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// Where it is.
    pub fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What came so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().unwrap().clone()
    }
}

async fn take(State(shared): State<Arc<Shared>>, method: Method, headers: HeaderMap, body: String) -> StatusCode {
    let content_type = headers.get("content-type").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    shared.posted.lock().unwrap().push(Posted { method, content_type, body });
    StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).unwrap()
}
