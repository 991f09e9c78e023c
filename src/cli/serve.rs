//! `serve`: the provider itself.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    task::JoinHandle,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;
use tracing_subscriber::EnvFilter;

use super::{CliError, Output};
use crate::{
    admin::metrics,
    app::{App, Issuer},
    clock::Clock,
    config::{LogFormat, Settings},
    http::state::AppState,
    jobs,
    login::link,
    random::Random,
    router::router,
    store::{account, link::LinkPurpose, node::NodeClaim},
};

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

pub(super) async fn run(settings: Settings, out: Output) -> Result<(), CliError> {
    start_log(&settings);
    let listen = settings.listen;
    let app = Arc::new(App::new(settings, Clock::system(), Random::system())?);
    let mut claim = app.store.claim_node(app.settings.redis.url.is_none()).await?;
    app.store.migrate().await?;
    let issuer = Arc::new(Issuer::open(&app).await?);
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        CliError::new(format!("cannot listen on {listen}: {error}; set `listen` to another address"))
    })?;

    let state = AppState { app: app.clone(), issuer: issuer.clone() };
    let metrics = tell_metrics(state).await?;
    let jobs = jobs::start(&app, &issuer);
    greet(&app, &issuer, out).await?;
    let outcome = accept(listener, &router(app.clone(), issuer), &mut claim).await;

    jobs.stop().await;
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    app.store.close().await;
    outcome
}

/// Answers `/metrics` on a listener of its own, where the operator wants one.
async fn tell_metrics(state: AppState) -> Result<Option<JoinHandle<()>>, CliError> {
    let Some(listen) = state.app.settings.metrics.listen else { return Ok(None) };
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        CliError::new(format!("cannot listen on {listen}: {error}; set `metrics.listen` to another address"))
    })?;
    let router = metrics::alone(state);
    Ok(Some(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                // Whoever reads metrics is trusted not to open them without end.
                Ok((stream, peer)) => drop(tokio::spawn(connection(stream, peer, router.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "a connection for metrics could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    })))
}

/// To standard error: standard output is for what commands print.
fn start_log(settings: &Settings) {
    // PostgreSQL tells what is no news, such as that a table is there already.
    let filter = EnvFilter::new(format!("{},sqlx::postgres::notice=warn", settings.log.level.as_str()));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Says what runs. Only a development start prints the first administrator's link: elsewhere it would end up in logs.
async fn greet(app: &App, issuer: &Issuer, out: Output) -> Result<(), CliError> {
    let has_administrator = account::find_administrator(&mut app.store.read().await?).await?.is_some();
    let version = env!("CARGO_PKG_VERSION");
    let mut json = json!({ "issuer": issuer.url, "version": version });
    let mut text = format!("Countersign {version} is running at {}", issuer.url);
    if !has_administrator && app.is_development() {
        let now = app.clock.now();
        let mut tx = app.store.write().await?;
        let secret = link::issue(app, &mut tx, &LinkPurpose::FirstAdministrator, now).await?;
        tx.commit().await?;
        let minutes = app.settings.lifetimes.link.as_secs().div_ceil(60);
        let address = link::address(app, &secret);
        text = format!(
            "{text}\n\nMake the first administrator here, once, within {minutes} minutes:\n{address}\n\
             (a new link: countersign user admin-link)"
        );
        if let Value::Object(json) = &mut json {
            json.insert("administrator_link".to_owned(), address.into());
        }
    } else if !has_administrator {
        text = format!("{text}\nThere is no administrator yet: run `countersign user admin-link`");
    }
    // Whoever closed standard output does not want to know.
    let _ = out.print(&json, text);
    Ok(())
}

/// Answers until the process is told to stop, or must.
async fn accept(listener: TcpListener, router: &Router, claim: &mut NodeClaim) -> Result<(), CliError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let outcome = loop {
        let next = async {
            let place = connections.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            error = claim.lost() => break Err(error.into()),
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are small and sent whole; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                let connection = graceful.watch(connection(stream, peer, router.clone()));
                tokio::spawn(async move {
                    // A client that went away is no news.
                    let _ = connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, as a rule: others must close some first.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    drop(listener);
    tracing::info!("stopping; requests under way are answered first");
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => tracing::warn!("some requests took too long and were cut off"),
    }
    outcome
}

/// What a connection is spoken on: a client that does not read gives its place back.
type Patient<I> = TokioIo<Pin<Box<TimeoutStream<I>>>>;

type Connection<I, S> = http1::Connection<Patient<I>, S>;

fn connection<I: AsyncRead + AsyncWrite + Send>(
    stream: I,
    peer: SocketAddr,
    router: Router,
) -> Connection<
    I,
    impl hyper::service::Service<
        Request<hyper::body::Incoming>,
        Response = axum::response::Response,
        Error = Infallible,
        Future = impl Future<Output = Result<axum::response::Response, Infallible>> + Send,
    >,
> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
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
        let connection = connection(server, SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), router);
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let ended = tokio::time::timeout(WRITE_TIMEOUT * 2, connection).await;
        assert!(ended.expect("the connection is closed in time").is_err());
    }
}
