//! The built program in an empty folder, with a database of its own and no settings but those of the test.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use serde_json::Value;

use super::running::{Running, free_port};
use crate::harness::{AuditRow, Database, ISSUER, SelfSigned, Server};

/// Where the program is installed.
pub struct Machine {
    database: Arc<Database>,
    settings: Vec<(String, String)>,
}

impl Machine {
    /// With an empty database.
    pub async fn new() -> Self {
        let database = Database::create_empty().await;
        let url = database.url().to_owned();
        let listen = format!("127.0.0.1:{}", free_port());
        let issuer = listen.replace("127.0.0.1", "http://localhost");
        let machine = Self { database: Arc::new(database), settings: Vec::new() };
        let machine = machine.with("ISSUER", &issuer).with("LISTEN", &listen).with("DATABASE__URL", &url);
        // Hashes that cost next to nothing.
        machine.with("PASSWORD__MEMORY_KIB", "64").with("PASSWORD__ITERATIONS", "1")
    }

    /// With a database that has its tables.
    pub async fn migrated() -> Self {
        let machine = Self::new().await;
        machine.run(&["migrate"]).assert_ok();
        machine
    }

    /// On the database of a server that runs in this process, in real time.
    pub fn beside(server: &Server) -> Self {
        let keys = server.database.folder().join("keys");
        let machine = Self { database: server.database.clone(), settings: Vec::new() };
        let machine = machine.with("ISSUER", ISSUER).with("DATABASE__URL", server.database.url());
        machine.with("KEYS__DIR", &keys.display().to_string())
    }

    /// With another setting: the name of its variable without `COUNTERSIGN_`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.settings.push((format!("COUNTERSIGN_{name}"), value.to_owned()));
        self
    }

    /// Without a setting.
    pub fn without(mut self, name: &str) -> Self {
        self.settings.retain(|(set, _)| set.strip_prefix("COUNTERSIGN_") != Some(name));
        self
    }

    /// What the audit trail tells, in its order.
    pub async fn audited(&self) -> Vec<AuditRow> {
        self.database.audit_rows().await
    }

    /// Runs a statement behind the program's back.
    pub async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    pub fn folder(&self) -> &Path {
        self.database.folder()
    }

    pub fn setting(&self, name: &str) -> &str {
        self.find(name).unwrap()
    }

    pub fn find(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(set, _)| set.strip_prefix("COUNTERSIGN_") == Some(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Writes a master key for production, and names it in the settings.
    pub fn with_master_key(self) -> Self {
        self.write("master.key", "b25lIG1hc3RlciBrZXkgb25seSBmb3IgdGhlIHRlc3Q=");
        let owner_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.folder().join("master.key"), owner_alone).unwrap();
        self.with("KEYS__MASTER_FILE", "master.key")
    }

    /// With TLS, under this certificate.
    pub fn with_tls(self, certificate: &SelfSigned) -> Self {
        certificate.write(self.folder());
        let issuer = self.setting("LISTEN").replace("127.0.0.1", "https://localhost");
        let machine = self.with_master_key().with("ISSUER", &issuer);
        machine.with("TLS__CERTIFICATE_FILE", "tls.crt").with("TLS__KEY_FILE", "tls.key")
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).unwrap();
    }

    /// Puts a master key into a folder of keys.
    pub fn write_master_key(&self, folder: &str, base64: &str) {
        let folder = self.folder().join(folder);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("master.key"), base64).unwrap();
        let owner_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.join("master.key"), owner_alone).unwrap();
    }

    /// The names of what lies in the folder.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The program, ready to run here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).envs(self.settings.iter().cloned()).current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    /// Runs a command with this text on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that refuses its arguments does not wait for it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Outcome::of(child.wait_with_output().unwrap())
    }

    /// What a command that succeeds prints with `--json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }

    /// Starts the server, and waits until it is ready.
    pub async fn serve(&self) -> Running {
        Running::start(self).await
    }
}

/// What became of a command.
#[derive(Debug)]
pub struct Outcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    fn of(output: std::process::Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts success without a word on standard error: what it printed.
    #[track_caller]
    pub fn assert_ok(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// One JSON value on one line.
    #[track_caller]
    pub fn json(self) -> Value {
        let text = self.assert_ok();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Asserts a failure that is told in one line, with these words in it, and that nothing is printed as a result.
    #[track_caller]
    pub fn assert_fails(&self, words: &str) {
        assert_eq!((self.status, self.stdout.as_str()), (Some(1), ""), "{self:?}");
        let line = self.stderr.strip_prefix("countersign: ").and_then(|rest| rest.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("{self:?}"));
        assert!(!line.contains('\n') && line.contains(words), "{words}: {self:?}");
    }

    /// Asserts that the command was not understood, and that these words say why.
    #[track_caller]
    pub fn assert_misused(&self, words: &str) {
        assert_eq!((self.status, self.stdout.as_str()), (Some(2), ""), "{self:?}");
        assert!(self.stderr.contains(words), "{words}: {self:?}");
    }
}
