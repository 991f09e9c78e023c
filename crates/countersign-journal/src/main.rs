//! Starts the journal and stops it when asked.

use std::{error::Error, io::IsTerminal as _, process::ExitCode, sync::Arc};

use chrono::TimeDelta;
use clap::Parser as _;
use countersign_journal::{
    api::{self, Journal},
    clock::{Clock as _, SystemClock},
    serve,
    settings::Settings,
    store::Store,
};
use tokio::{net::TcpListener, signal, time};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    match run(Settings::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign-journal: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let tokens = settings.tokens()?;
    let store = Store::open(&settings.database)
        .await
        .map_err(|error| format!("the database {} cannot be opened: {error}", settings.database.display()))?;
    let app = api::router(Journal::new(store.clone(), Arc::new(SystemClock), &settings), &tokens);
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("{} cannot be listened on: {error}", settings.listen))?;
    tracing::info!(listen = %settings.listen, issuer = settings.issuer, audience = settings.audience, "the journal is open");

    // So that the first caller need not wait. The provider may also come later.
    tokio::spawn(async move { tokens.ready().await });
    tokio::spawn(sweep(store.clone(), TimeDelta::days(settings.access_days.into())));
    serve::serve(listener, app, asked_to_stop()).await;
    store.close().await;
    Ok(())
}

/// Forgets once an hour who did what too long ago.
async fn sweep(store: Store, age: TimeDelta) {
    let mut hourly = time::interval(time::Duration::from_hours(1));
    loop {
        hourly.tick().await;
        let swept = async {
            let mut all = 0_u64;
            loop {
                let mut tx = store.begin().await?;
                let swept = tx.sweep_accesses(SystemClock.now() - age).await?;
                tx.commit().await?;
                all = all.saturating_add(swept);
                if swept == 0 {
                    return Ok::<_, sqlx::Error>(all);
                }
            }
        };
        match swept.await {
            Ok(0) => {}
            Ok(accesses) => tracing::info!(accesses, "accesses of long ago are forgotten"),
            Err(error) => tracing::warn!(%error, "accesses of long ago cannot be swept"),
        }
    }
}

async fn asked_to_stop() {
    let interrupt = signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<Option<()>>();
    tokio::select! {
        _ = interrupt => {}
        _ = terminate => {}
    }
}
