//! Measures Countersign: starts it, drives it over loopback, reads from the operating system what it spent, and prints
//! one table with each figure beside its limit. Both come from the same run, so the table means the same on any machine.

// This program measures: it reads the clock, and its randomness protects nothing.
#![allow(clippy::disallowed_methods)]

mod arguments;
mod baseline;
mod browser;
mod child;
mod cpu;
mod crowd;
mod empty;
mod fleet;
mod http;
mod load;
mod rows;
mod server;
mod services;
mod table;

use std::{env, io, process::ExitCode, time::Duration};

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    arguments::{HELP, Options, Other, Task},
    baseline::Baseline,
    rows::{Bench, Name, Size},
    server::Server,
    services::Services,
    table::Table,
};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn fail(words: impl Into<String>) -> Error {
    words.into().into()
}

const LEGEND: &str = "\
µs: CPU time that the server's process spent on one request, in user and kernel mode, as the operating system counts it;
for `validation`, `revalidation` and `token_layer`, that this process spent on one token or call. Measured and compared
are medians over the rounds, the result is the median of the rounds' results, `rounds` are the lowest and the highest of
them.";

/// The longest time that all rows together may take.
const LONGEST_RUN: Duration = Duration::from_hours(1);

fn main() -> ExitCode {
    let task = match Task::parse(env::args().skip(1)) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let done = match task {
        Task::Help => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Task::List => {
            for name in Name::ALL {
                println!("{}", name.as_str());
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::EmptyHandler => empty::serve().map(|()| ExitCode::SUCCESS),
        Task::Countersign(options) => run(countersign(&options)),
        Task::Other(options, other) => run(another(&options, &other)),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// Runs to the end, or until a signal or the time is up; either way all children are stopped.
fn run(task: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    // One thread is enough for the client and leaves the other processors to the server.
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            done = timeout(LONGEST_RUN, task) => done.map_err(|_| fail("not done after an hour"))?,
            _ = interrupt.recv() => Err(fail("interrupted")),
            _ = terminate.recv() => Err(fail("terminated")),
        }
    })
}

async fn countersign(options: &Options) -> Result<ExitCode> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: the figures say nothing; run with --release");
    }
    let size = size(options);
    let binary = options.server.clone().map_or_else(server::build, Ok)?;
    let mut server = Server::new(binary)?;
    eprintln!("setting up in {}", server.folder().display());
    server.start().await?;
    let guests = server.furnish()?;
    let services = Services::find(options.postgres.clone(), options.redis.clone());
    let mut bench = Bench { server, guests, baseline: Baseline::new(size.baseline)?, size, services, crowd: None };
    let mut table = Table::default();
    let mut announced = None;
    for name in Name::ALL.into_iter().filter(|name| options.measures(*name)) {
        let pid = bench.server.pid().ok();
        if pid.is_some() && pid != announced {
            eprintln!("the server is process {}", bench.server.pid()?);
            announced = pid;
            pause(options)?;
        }
        eprintln!("measuring {}", name.as_str());
        table.push(name.as_str(), name.measure(&mut bench).await);
    }
    if let Ok(resident) = bench.processes().and_then(|processes| cpu::resident_mib(&processes)) {
        eprintln!("the server holds {resident:.1} MiB after all rows");
    }
    Ok(conclude(&table, options))
}

async fn another(options: &Options, other: &Other) -> Result<ExitCode> {
    let size = size(options);
    let baseline = Baseline::new(size.baseline)?;
    let mut table = Table::default();
    table.push("client_credentials", rows::of_another(other, &baseline, size).await);
    if let Ok(resident) = cpu::resident_mib(&other.processes) {
        eprintln!("the server holds {resident:.1} MiB");
    }
    Ok(conclude(&table, options))
}

fn size(options: &Options) -> Size {
    if options.quick { Size::QUICK } else { Size::FULL }
}

fn pause(options: &Options) -> Result<()> {
    if options.pause {
        eprintln!("press Enter to go on");
        io::stdin().read_line(&mut String::new())?;
    }
    Ok(())
}

fn conclude(table: &Table, options: &Options) -> ExitCode {
    println!("{LEGEND}\n");
    table.print();
    for (name, error) in table.failures() {
        eprintln!("{name}: {error}");
    }
    if table.failures().next().is_some() || (options.strict && table.missed()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
