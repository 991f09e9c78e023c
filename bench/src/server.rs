//! The provider under test: built, started in a folder of its own, furnished through its command line, stopped.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use nix::unistd::Pid;
use openssl::rand::rand_bytes;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    Result,
    child::Running,
    fail,
    http::{Address, Connection, basic},
};

/// How long the server may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// The database of a server that has one of its own.
const DATABASE: &str = "bench.db";

/// The client's only redirect URI. Nothing is ever sent there.
pub const REDIRECT_URI: &str = "https://app.bench.example/callback";
/// The API that the client asks for, and its scope.
pub const API: &str = "https://api.bench.example";
pub const API_SCOPE: &str = "bench.read";

/// A provider, or a node of one, with its folder. Dropping it stops the one and removes the other.
#[derive(Debug)]
pub struct Server {
    // Dropped in this order: first the process, then its files.
    running: Option<Running>,
    folder: TempDir,
    binary: PathBuf,
    port: u16,
    /// By the names of their variables, without what all of them begin with.
    settings: Vec<(&'static str, String)>,
}

/// A provider as its apps and people see it.
#[derive(Clone, Debug)]
pub struct Site {
    pub address: Address,
    pub guests: Guests,
}

impl Site {
    /// The bytes of a request of the registered client to the token endpoint or its like.
    pub fn client_post(&self, path: &str, body: &str) -> Vec<u8> {
        self.address.post(path, &[&self.guests.client], body)
    }
}

/// Whom the server knows after [`Server::furnish`].
#[derive(Clone, Debug)]
pub struct Guests {
    /// The client's `Authorization` header line.
    pub client: String,
    pub username: String,
    pub password: String,
}

impl Server {
    pub fn new(binary: PathBuf) -> Result<Self> {
        // Free at this moment; the server says so if somebody else was quicker.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = TempDir::with_prefix("countersign-bench-")?;
        let keys = folder.path().join("keys");
        fs::create_dir(&keys)?;
        let settings = vec![
            ("ISSUER", Address::of_port(port).origin()),
            ("DATABASE__URL", format!("sqlite://{}", folder.path().join(DATABASE).display())),
            ("KEYS__DIR", keys.display().to_string()),
        ];
        Ok(Self { running: None, folder, binary, port, settings })
    }

    /// The same with another setting.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.into()));
        self
    }

    /// Another node of the same provider, not started yet.
    pub fn beside(&self) -> Result<Self> {
        Ok(Self { settings: self.settings.clone(), ..Self::new(self.binary.clone())? })
    }

    pub fn binary(&self) -> PathBuf {
        self.binary.clone()
    }

    /// The file of its SQLite database.
    pub fn database(&self) -> PathBuf {
        self.folder().join(DATABASE)
    }

    pub fn address(&self) -> Address {
        Address::of_port(self.port)
    }

    pub fn pid(&self) -> Result<Pid> {
        self.running.as_ref().ok_or_else(|| fail("the server does not run"))?.pid()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server and waits for the first 200 of `/readyz`. How long that took.
    pub async fn start(&mut self) -> Result<Duration> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = self.command(&["serve"]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begin = Instant::now();
        let running = self.running.insert(Running::start(&mut command)?);
        let address = Address::of_port(self.port);
        let question = address.get("/readyz", &[]);
        while begin.elapsed() < PATIENCE {
            if let Ok(mut connection) = Connection::open(&address).await
                && let Ok(answer) = connection.exchange(&question).await
                && answer.status == 200
            {
                return Ok(begin.elapsed());
            }
            if let Some(status) = running.ended()? {
                return Err(fail(format!("the server ended with {status}:\n{}", self.log_end())));
            }
            sleep(Duration::from_millis(1)).await;
        }
        Err(fail(format!("the server is not ready after {} s:\n{}", PATIENCE.as_secs(), self.log_end())))
    }

    pub fn stop(&mut self) -> Result<()> {
        self.running.take().map_or(Ok(()), Running::stop)
    }

    /// Registers an API, a client and a user.
    pub fn furnish(&self) -> Result<Guests> {
        self.cli(&["api", "add", API, "--scope", &format!("{API_SCOPE}=Read what is measured")], "")?;
        let scopes = ["openid", "profile", "email", "offline_access", API_SCOPE];
        let grants = ["authorization_code", "refresh_token", "client_credentials"];
        let mut client = vec!["client", "add", "bench", "--name", "Bench", "--redirect-uri", REDIRECT_URI, "--json"];
        client.extend(grants.iter().flat_map(|grant| ["--grant", grant]));
        client.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let client: serde_json::Value = serde_json::from_slice(&self.cli(&client, "")?)?;
        let member = |name| client.get(name).and_then(serde_json::Value::as_str);
        let (Some(id), Some(secret)) = (member("client_id"), member("client_secret")) else {
            return Err(fail("`client add --json` prints no client_id and client_secret"));
        };
        let password = random()?;
        self.cli(&["user", "add", "ada@bench.example", "--username", "ada", "--password-stdin"], &password)?;
        Ok(Guests { client: basic(id, secret), username: "ada".to_owned(), password })
    }

    /// Runs a command of the provider's command line. What it printed.
    fn cli(&self, arguments: &[&str], input: &str) -> Result<Vec<u8>> {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(input.as_bytes()); // a command that reads nothing may be gone already
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(fail(format!("countersign {}: {}", arguments.join(" "), words.trim())))
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.folder());
        // Settings of the person who runs this are not the ones to measure.
        for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        for (name, value) in &self.settings {
            command.env(format!("COUNTERSIGN_{name}"), value);
        }
        command
            .env("COUNTERSIGN_LISTEN", format!("127.0.0.1:{}", self.port))
            // Many sign in as one person here, all at once.
            .env("COUNTERSIGN_THROTTLE__ACCOUNT", "1000")
            .env("COUNTERSIGN_THROTTLE__ADDRESS", "1000");
        command
    }

    fn log(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

fn is_setting(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("COUNTERSIGN_") || name == "RUST_LOG"
}

/// Builds the provider beside this program, in the same profile, and says where it is.
pub fn build() -> Result<PathBuf> {
    let this = env::current_exe()?;
    let place = this.parent().and_then(|folder| Some((folder.parent()?, folder.file_name()?)));
    let (target, profile) = place.ok_or_else(|| fail("this program does not lie in a target folder"))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--package", "countersign", "--bin", "countersign"]);
    command.arg("--profile").arg(if profile == "debug" { OsStr::new("dev") } else { profile });
    command.arg("--target-dir").arg(target).stdin(Stdio::null()).stdout(Stdio::null());
    if command.status()?.success() {
        Ok(this.with_file_name("countersign"))
    } else {
        Err(fail("the server does not build; --server FILE measures one that did"))
    }
}

/// 256 random bits as text.
pub fn random() -> Result<String> {
    let mut bytes = [0; 32];
    rand_bytes(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
