//! The least that an axum server can do, in a process of its own: what the provider's documents are compared with.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    thread,
};

use axum::{Router, routing::get};
use tokio::{net::TcpListener, runtime, sync::oneshot};

use crate::{Result, child::Running, fail, http::Address};

/// The argument that makes this program serve it.
pub const ARGUMENT: &str = "--empty-handler";

/// A running empty server.
#[derive(Debug)]
pub struct Empty {
    pub running: Running,
    pub address: Address,
}

impl Empty {
    /// Starts this program once more, as an empty server.
    pub fn start() -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut running = Running::start(command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let output = running.child().stdout.take().ok_or_else(|| fail("the empty server has no output"))?;
        let mut port = String::new();
        BufReader::new(output).read_line(&mut port)?;
        Ok(Self { running, address: Address::of_port(port.trim().parse()?) })
    }
}

/// Serves until the standard input ends, which it does when the program that started this one is gone.
pub fn serve() -> Result<()> {
    let (gone, wait) = oneshot::channel::<()>();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink()); // ended or broken: over either way
        drop(gone);
    });
    runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        io::stdout().flush()?;
        let app = Router::new().route("/", get(async || ()));
        tokio::select! {
            served = async { axum::serve(listener, app).await } => Ok(served?),
            _ = wait => Ok(()),
        }
    })
}
