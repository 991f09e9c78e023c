//! What the server holds in RAM.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Result, cpu,
    rows::{
        Bench,
        client_credentials::{has_token, request},
    },
    table::{Figure, Limit},
};

/// How long a started server is left alone before it counts as idle.
const REST: Duration = Duration::from_secs(2);

/// Resident memory of a server that was just started and asked nothing.
pub async fn idle(bench: &mut Bench) -> Result<Figure> {
    bench.server.stop()?;
    bench.server.start().await?;
    sleep(REST).await;
    Ok(Figure::alone("MiB", [cpu::resident_mib(&bench.processes()?)?], Limit::AtMost(25.0)))
}

/// Resident memory after many token requests.
pub async fn loaded(bench: &Bench) -> Result<Figure> {
    let mut load = bench.load().await?;
    load.drive([request(&bench.site())], bench.size.loaded, has_token).await?;
    Ok(Figure::alone("MiB", [cpu::resident_mib(&bench.processes()?)?], Limit::AtMost(60.0)))
}
