//! Takes connections: not too many, and none for ever. Whoever connects is a stranger until their token was read.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_io_timeout::TimeoutStream;
use tower_http::timeout::RequestBodyTimeoutLayer;

/// The most connections at a time; others wait to be taken.
const MOST: usize = 512;
/// How long the head of a request may take to come.
const HEAD: Duration = Duration::from_secs(10);
/// How long nothing may come of a body, or be taken of an answer.
const STALL: Duration = Duration::from_secs(30);
/// How long requests that are under way may take once the process was asked to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until asked to stop, and then what was begun.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) {
    let app = app.layer(RequestBodyTimeoutLayer::new(STALL));
    let (seats, graceful) = (Arc::new(Semaphore::new(MOST)), GracefulShutdown::new());
    let mut stop = pin!(stop);
    loop {
        let taken = async {
            let seat = Arc::clone(&seats).acquire_owned().await;
            (seat, listener.accept().await)
        };
        let (seat, connection) = tokio::select! {
            taken = taken => taken,
            () = &mut stop => break,
        };
        let stream = match connection {
            Ok((stream, _)) => stream,
            Err(error) => {
                // For example too many open files: what is open closes in time.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // No limit for reading: while a long answer goes out nothing comes in.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(STALL));
        let service = TowerToHyperService::new(app.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(seat);
        });
    }
    if timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("not everything that was under way came to its end");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    /// What a server whose answer takes two minutes says to these bytes. Time passes by itself where everybody waits.
    async fn says(sent: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = async || {
            tokio::time::sleep(Duration::from_mins(2)).await;
            "in the end"
        };
        let app = Router::new().route("/slow", get(slow)).route("/", post(async |body: String| body));
        tokio::spawn(serve(listener, app, std::future::pending()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_longer_than_a_client_may_be_silent() {
        let answer = says("GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("in the end"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_says_what_they_want_is_left() {
        for begun in ["", "GET /slow HTTP/1.1\r\nhost:"] {
            let answer = says(begun).await;
            assert!(!answer.contains("200"), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_go_on_is_given_up() {
        let answer = says("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 100\r\n\r\nhalf").await;
        assert!(!answer.contains("200"), "{answer}");
    }
}
