//! `serve`: the provider itself.

use std::{future::pending, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tracing_subscriber::EnvFilter;

use super::{CliError, Output};
use crate::{
    admin::metrics,
    app::{App, Issuer},
    clock::Clock,
    config::{LogFormat, Settings},
    http::state::AppState,
    jobs,
    listener::Listener,
    login::link,
    random::Random,
    router::router,
    store::{account, link::LinkPurpose, node::NodeClaim},
};

pub(super) async fn run(settings: Settings, out: Output) -> Result<(), CliError> {
    start_log(&settings);
    let listen = settings.listen;
    let app = Arc::new(App::new(settings, Clock::system(), Random::system())?);
    let mut claim = app.store.claim_node(app.settings.redis.url.is_none()).await?;
    app.store.migrate().await?;
    let issuer = Arc::new(Issuer::open(&app).await?);
    let listener = Listener::bind(listen, "listen", app.settings.tls.as_ref()).await?;

    let state = AppState { app: app.clone(), issuer: issuer.clone() };
    let metrics = tell_metrics(state).await?;
    let jobs = jobs::start(&app, &issuer);
    greet(&app, &issuer, out).await?;
    let outcome = listener.serve(&router(app.clone(), issuer), stopped(&mut claim)).await;

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
    // By HTTP alone, to monitors of the same network.
    let listener = Listener::bind(listen, "metrics.listen", None).await?;
    let router = metrics::alone(state);
    Ok(Some(tokio::spawn(async move { listener.serve(&router, pending()).await })))
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

/// Until the process is told to stop, or must.
async fn stopped(claim: &mut NodeClaim) -> Result<(), CliError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        error = claim.lost() => Err(error.into()),
    }
}
