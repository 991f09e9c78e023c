//! The command line: one file for each family of commands.
//!
//! Commands work on the database directly, beside running servers, which notice within a second. What a command prints goes
//! to standard output, as JSON with `--json`; errors are one line on standard error. Exit status: 0, 1 for a failure, 2 for a
//! command that cannot be understood.

use std::{
    fmt,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::{
    app::{App, StartError},
    clock::Clock,
    config::{self, Mode, Settings},
    master_key::MasterKeyError,
    random::Random,
    store::{StoreError, signing_key},
};

mod api;
mod audit;
mod backup;
mod check;
mod client;
mod csv;
mod doctor;
mod key;
mod second_factor;
mod serve;
mod session;
mod user;
mod user_file;

/// A standalone OpenID Connect provider.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    /// Settings file; countersign.toml in the working directory if there is one.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the provider. What happens without a command, too.
    Serve,
    /// Bring the database schema up to date, and exit.
    Migrate,
    /// Look at the settings.
    #[command(subcommand)]
    Config(check::ConfigCommand),
    /// People.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Who is signed in where.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Apps that sign people in.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// APIs that accept our tokens.
    #[command(subcommand)]
    Api(api::ApiCommand),
    /// What happened.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Signing keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Look whether everything that a node needs is there; fail if something does not work.
    Doctor,
    /// Copy an SQLite database, beside a running server.
    Backup {
        /// The copy; it must not exist yet.
        file: PathBuf,
    },
    /// Put a copy in the place of an SQLite database, where no server runs. Everybody signs in again.
    Restore {
        /// The copy.
        file: PathBuf,
    },
}

/// Why a command came to nothing, in one line that says what to do.
#[derive(Debug)]
enum CliError {
    /// It was understood, and failed.
    Failed(String),
    /// Its arguments contradict each other, whatever is stored.
    Misused(String),
}

impl CliError {
    fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    fn misused(message: impl Into<String>) -> Self {
        Self::Misused(message.into())
    }

    /// What is printed, and the exit status: that of a misuse is the same as when the arguments cannot be parsed.
    fn told(&self) -> (&str, ExitCode) {
        match self {
            Self::Failed(text) => (text, ExitCode::FAILURE),
            Self::Misused(text) => (text, ExitCode::from(2)),
        }
    }
}

macro_rules! from_error {
    ($($error:ty),+) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        })+
    };
}
from_error!(
    StartError,
    StoreError,
    crate::store::backup::BackupError,
    io::Error,
    config::ConfigErrors,
    crate::listener::ListenError,
    crate::passwords::HashError,
    crate::login::new_password::NewPasswordError,
    crate::jose::rotation::RotationError,
    crate::jose::KeyringError,
    crate::domain::user::InvalidName,
    crate::domain::credential::PasswordError
);

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (text, status) = error.told();
            for line in text.lines() {
                eprintln!("countersign: {line}");
            }
            status
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let settings = Settings::load(cli.config.as_deref(), config::process_environment());
    let out = Output { json: cli.json };
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => block_on(true, serve::run(settings?, out)),
        Command::Migrate => block_on(false, migrate(settings?, out)),
        Command::Config(command) => check::run(&command, settings, out),
        Command::User(command) => block_on(false, user::run(command, Context(settings?), out)),
        Command::Session(command) => block_on(false, session::run(command, Context(settings?), out)),
        Command::Client(command) => block_on(false, client::run(command, Context(settings?), out)),
        Command::Api(command) => block_on(false, api::run(command, Context(settings?), out)),
        Command::Audit(command) => block_on(false, audit::run(command, Context(settings?), out)),
        Command::Key(command) => block_on(false, key::run(command, Context(settings?), out)),
        Command::Doctor => block_on(false, doctor::run(settings?, out)),
        Command::Backup { file } => block_on(false, backup::back_up(Context(settings?), &file, out)),
        Command::Restore { file } => block_on(false, backup::restore(settings?, &file, out)),
    }
}

fn block_on(many_threads: bool, work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let mut builder = if many_threads {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()?.block_on(work)
}

async fn migrate(settings: Settings, out: Output) -> Result<(), CliError> {
    let app = App::new(settings, Clock::system(), Random::system())?;
    app.store.migrate().await?;
    app.store.close().await;
    out.print(&serde_json::json!({ "migrated": true }), "The database schema is up to date.")
}

/// What commands work with. The services are put together when the runtime is there.
struct Context(Settings);

impl Context {
    /// The services, once the database is known to have its tables and to be sealed under our master key. Makes neither.
    async fn app(self) -> Result<App, CliError> {
        fn if_new(error: impl fmt::Display) -> CliError {
            CliError::new(format!("{error}; if it is new, run `countersign migrate` or `countersign serve` first"))
        }
        let makes_its_key = self.0.mode() == Mode::Development && self.0.keys.master_file.is_none();
        let app = App::existing(self.0, Clock::system(), Random::system()).map_err(|error| match error {
            StartError::MasterKey(MasterKeyError::Io { ref source, .. })
                if makes_its_key && source.kind() == io::ErrorKind::NotFound =>
            {
                if_new(error)
            }
            other => other.into(),
        })?;
        app.store.ping().await.map_err(if_new)?;
        // What is written under another key could never be read again.
        signing_key::check_seal(&mut app.store.read().await?).await?;
        Ok(app)
    }
}

/// Where results go.
#[derive(Clone, Copy)]
struct Output {
    json: bool,
}

impl Output {
    /// Prints a result: as JSON, or as text for people.
    fn print(self, json: &Value, text: impl fmt::Display) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        let written = if self.json { writeln!(out, "{json}") } else { writeln!(out, "{text}") };
        match written {
            // Whoever reads it may have seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Prints rows under their headings.
    fn table(self, json: &Value, headings: &[&str], rows: &[Vec<String>]) -> Result<(), CliError> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
        };
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let head = line(headings.to_vec());
        let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
        let text = std::iter::once(head).chain(body).collect::<Vec<_>>().join("\n");
        self.print(json, text)
    }
}

/// A secret from standard input, without the newline at its end.
fn read_secret() -> Result<String, CliError> {
    let mut text = String::new();
    io::stdin().lock().take(64 * 1024).read_to_string(&mut text)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(CliError::new("standard input was empty; the secret is read from there"));
    }
    Ok(secret.to_owned())
}

/// The text of a file, or of standard input for `-`; no more of it than this.
fn read_file(file: &Path, most: u64) -> Result<String, CliError> {
    let read = || {
        let mut text = String::new();
        let source: Box<dyn Read> =
            if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(std::fs::File::open(file)?) };
        source.take(most).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|error: io::Error| CliError::new(format!("{} cannot be read: {error}", file.display())))
}
