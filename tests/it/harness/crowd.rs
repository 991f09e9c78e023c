//! Many requests at the same time. Only in tests on several threads do they really meet.

use std::sync::{Arc, Mutex, mpsc};

use axum::{body::Body, extract::ConnectInfo};
use countersign::passwords::HashError;
use http::Request;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::{REDIRECT_URI, Reply, SECRET, Server, VERIFIER, basic, encode, usual_peer};

/// How many.
pub const CROWD: usize = 32;

impl Server {
    /// Sends the same form [`CROWD`] times at once: the answers, in no order.
    pub async fn post_at_once(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Vec<Reply> {
        let requests = std::iter::repeat_with(|| form_request(path, headers, form)).take(CROWD);
        self.send_at_once(requests).await
    }

    /// Sends requests at once: the answers, in no order.
    pub async fn send_at_once(&self, requests: impl Iterator<Item = Request<Body>>) -> Vec<Reply> {
        let mut tasks = JoinSet::new();
        for mut request in requests {
            request.extensions_mut().insert(ConnectInfo(usual_peer()));
            let router = self.router.clone();
            tasks.spawn(async move { Reply::read(router.oneshot(request).await.unwrap()).await });
        }
        tasks.join_all().await
    }

    /// Uses one refresh token of a confidential client [`CROWD`] times at once.
    pub async fn refresh_at_once(&self, client: &str, token: &str) -> Vec<Reply> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post_at_once("/token", &[("authorization", &basic(client, SECRET))], &form).await
    }

    /// Exchanges one code of a confidential client [`CROWD`] times at once.
    pub async fn exchange_at_once(&self, client: &str, code: &str) -> Vec<Reply> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        self.post_at_once("/token", &[("authorization", &basic(client, SECRET))], &form).await
    }
}

/// Work that keeps every core and every place in the queue before Argon2.
pub struct Jam {
    gate: mpsc::Sender<()>,
    waiting: JoinSet<Result<(), HashError>>,
}

impl Server {
    /// Fills the queue before Argon2 to its last place.
    pub async fn jam_passwords(&self) -> Jam {
        let (gate, closed) = mpsc::channel();
        let closed = Arc::new(Mutex::new(closed));
        let mut waiting = JoinSet::new();
        loop {
            let (passwords, closed) = (self.app.passwords.clone(), closed.clone());
            waiting.spawn(async move {
                // Ends when the other end of the channel does.
                let work = move || {
                    let _ = closed.lock().unwrap().recv();
                    Ok(())
                };
                passwords.run(work).await
            });
            tokio::task::yield_now().await;
            if let Some(refused) = waiting.try_join_next() {
                assert!(matches!(refused.unwrap(), Err(HashError::Busy)));
                return Jam { gate, waiting };
            }
        }
    }
}

impl Jam {
    /// Ends the work, all of it.
    pub async fn clear(self) {
        drop(self.gate);
        self.waiting.join_all().await;
    }

    /// Breaks off whoever waits for an answer; what a core has begun goes on. What keeps it going, until it is dropped.
    pub async fn abandon(mut self) -> mpsc::Sender<()> {
        self.waiting.shutdown().await;
        self.gate
    }
}

/// A form on its way.
pub fn form_request(path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(encode(form))).unwrap()
}

/// The one answer that is a success; all others must be this error.
#[track_caller]
pub fn one_success(replies: Vec<Reply>, error: &str) -> Reply {
    let (mut good, bad): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    for reply in bad {
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some(error)), "{}", reply.text());
    }
    assert_eq!(good.len(), 1, "successes");
    good.remove(0)
}
