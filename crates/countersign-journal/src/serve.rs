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

/// The most connections at a time; others wait to be taken.
const MOST: usize = 512;
/// How long the head of a request may take to come.
const HEAD: Duration = Duration::from_secs(10);
/// How long nothing may come or go where something should.
const STALL: Duration = Duration::from_secs(30);
/// How long requests that are under way may take once the process was asked to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until asked to stop, and then what was begun.
pub async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) {
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
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(STALL));
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
