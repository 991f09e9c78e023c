//! A client's own web site, on this machine.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;

/// Serves what it was told to serve, and counts who asks.
#[derive(Clone)]
pub struct Site {
    port: u16,
    state: Arc<Mutex<Pages>>,
}

#[derive(Default)]
struct Pages {
    bodies: HashMap<String, String>,
    visits: usize,
}

impl Site {
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        site
    }

    /// From now on this is behind a path.
    pub fn put(&self, path: &str, body: impl Into<String>) {
        self.state.lock().unwrap().bodies.insert(path.to_owned(), body.into());
    }

    /// From now on nothing is behind a path.
    pub fn remove(&self, path: &str) {
        self.state.lock().unwrap().bodies.remove(path);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many requests came so far.
    pub fn visits(&self) -> usize {
        self.state.lock().unwrap().visits
    }
}

async fn answer(State(site): State<Site>, request: Request) -> Response {
    let mut pages = site.state.lock().unwrap();
    pages.visits += 1;
    match pages.bodies.get(request.uri().path()) {
        Some(body) => body.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
