//! Takes connections, by TLS where the settings say so, and hands their requests to a router.

use std::{convert::Infallible, fmt, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use self::tls::{Opening, Tls, TlsError};
use crate::{config::TlsSettings, http::peer_certificate::PeerCertificate};

pub mod tls;

/// How long a client may take to send the head of a request, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may leave an answer unread, without a byte taken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way may take when the process is told to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Connections at once; beyond it new ones wait.
const MAX_CONNECTIONS: usize = 8_192;

/// An address that connections come to.
pub struct Listener {
    socket: TcpListener,
    tls: Option<Tls>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).field("tls", &self.tls.is_some()).finish()
    }
}

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {error}; set `{setting}` to another address")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// What the operating system says.
        error: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Listener {
    /// Listens on an address that `setting` names.
    ///
    /// # Errors
    /// The address is taken, or not of this machine; the certificate or its key cannot be used.
    pub async fn bind(
        address: SocketAddr,
        setting: &'static str,
        tls: Option<&TlsSettings>,
    ) -> Result<Self, ListenError> {
        let tls = tls.cloned().map(Tls::open).transpose()?;
        let bound = TcpListener::bind(address).await;
        let socket = bound.map_err(|error| ListenError::Address { address, setting, error })?;
        Ok(Self { socket, tls })
    }

    /// Where it listens: the port that was chosen, where any would do.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers until `stop` comes, and returns it when what was under way is answered.
    pub async fn serve<T>(self, router: &Router, stop: impl Future<Output = T>) -> T {
        let mut stop = std::pin::pin!(stop);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut handshakes = JoinSet::new();
        let outcome = loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, self.socket.accept().await)
            };
            tokio::select! {
                outcome = &mut stop => break outcome,
                (place, accepted) = next => match accepted {
                    Ok((stream, peer)) => {
                        // Answers are small and sent whole; waiting to fill a packet only delays them.
                        let _ = stream.set_nodelay(true);
                        if let Some(tls) = &self.tls {
                            let opening = tls.open_connection(stream);
                            handshakes.spawn(async move { (opening.await, peer, place.ok()) });
                        } else {
                            answer(&graceful, connection(stream, (peer, None), router.clone()), place.ok());
                        }
                    }
                    Err(error) => {
                        // Out of file descriptors, as a rule: others must close some first.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                opened = handshakes.join_next(), if !handshakes.is_empty() => match opened {
                    Some(Ok((Opening::Secured(stream, certificate), peer, place))) => {
                        answer(&graceful, connection(stream, (peer, certificate), router.clone()), place);
                    }
                    Some(Ok((Opening::Plain(stream), peer, place))) => {
                        answer(&graceful, connection(stream, (peer, None), tls::told_to_speak_tls()), place);
                    }
                    // A client that went away is no news.
                    Some(Ok((Opening::Failed, ..)) | Err(_)) | None => {}
                },
            }
        };
        drop((self, handshakes));
        tracing::info!("stopping; requests under way are answered first");
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => tracing::warn!("some requests took too long and were cut off"),
        }
        outcome
    }
}

fn answer(
    graceful: &GracefulShutdown,
    connection: impl GracefulConnection<Error: Send> + Send + 'static,
    place: Option<OwnedSemaphorePermit>,
) {
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // A client that went away is no news.
        let _ = connection.await;
        drop(place);
    });
}

/// What a connection is spoken on: a client that does not read gives its place back.
type Patient<I> = TokioIo<Pin<Box<TimeoutStream<I>>>>;

type Connection<I, S> = http1::Connection<Patient<I>, S>;

fn connection<I: AsyncRead + AsyncWrite + Send>(
    stream: I,
    (peer, certificate): (SocketAddr, Option<PeerCertificate>),
    router: Router,
) -> Connection<
    I,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = Response,
        Error = Infallible,
        Future = impl Future<Output = Result<Response, Infallible>> + Send,
    >,
> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(certificate) = certificate.clone() {
            request.extensions_mut().insert(certificate);
        }
        router.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::routing::get;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// The clock of tokio stands still and jumps to the next timer whenever nobody has anything else to do.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_gives_its_place_back() {
        let (mut client, server) = tokio::io::duplex(1_024);
        let router = Router::new().route("/", get(async || "a".repeat(100_000)));
        let connection = connection(server, (SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), None), router);
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let ended = tokio::time::timeout(WRITE_TIMEOUT * 2, connection).await;
        assert!(ended.expect("the connection is closed in time").is_err());
    }
}
