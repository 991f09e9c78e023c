//! A server in a process of its own.

use std::{
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::{Child, ExitStatus},
    time::Duration,
};

use reqwest::{Certificate, Client, redirect::Policy};
use serde_json::Value;

use super::machine::Machine;
use crate::harness::basic;

/// How long anything may take that is not measured: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);
/// A running server. It goes with the test.
pub struct Running {
    child: Child,
    issuer: String,
    http: Client,
    folder: PathBuf,
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Running {
    pub async fn start(machine: &Machine) -> Self {
        Self::start_with(machine, &["serve"]).await
    }

    pub async fn start_with(machine: &Machine, arguments: &[&str]) -> Self {
        Self::start_command(machine, machine.command(arguments)).await
    }

    /// Whose process is not ended when a file may not grow.
    pub async fn start_within_limits(machine: &Machine) -> Self {
        let script = r#"trap '' XFSZ; exec "$0" serve"#;
        let program = machine.command(&[]);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).arg(program.get_program()).current_dir(machine.folder());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self::start_command(machine, command).await
    }

    async fn start_command(machine: &Machine, mut command: std::process::Command) -> Self {
        // Several on one database have files of their own.
        let name = machine.setting("LISTEN").replace(['.', ':'], "-");
        let folder = machine.folder().join("output").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name| File::create(folder.join(name)).unwrap();
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        let mut http = Client::builder().redirect(Policy::none()).no_proxy();
        let mut issuer = format!("http://{}", machine.setting("LISTEN"));
        if let Some(file) = machine.find("TLS__CERTIFICATE_FILE") {
            let certificate = std::fs::read(machine.folder().join(file)).unwrap();
            http = http.add_root_certificate(Certificate::from_pem(&certificate).unwrap());
            issuer = issuer.replace("http://127.0.0.1", "https://localhost");
        }
        let http = http.build().unwrap();
        let mut running = Self { child, issuer, http, folder };
        let ready = running.http.get(format!("{}/readyz", running.issuer));
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let wait = async {
            while !ready.try_clone().unwrap().send().await.is_ok_and(|answer| answer.status() == 200) {
                assert_eq!(running.child.try_wait().unwrap(), None, "{}", running.log());
                ticks.tick().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never ready: {}", running.log());
        running
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.issuer
    }

    /// What it printed.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.folder.join("stdout")).unwrap()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap()
    }

    /// Status and body of a page.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(format!("{}{path}", self.issuer)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The status behind an address that a command printed.
    pub async fn status_of(&self, address: &Value) -> u16 {
        let (_, path) = address.as_str().unwrap().split_once("/link").unwrap();
        self.get(&format!("/link{path}")).await.0
    }

    /// A token for a client on its own behalf: status and answer.
    pub async fn client_token(&self, client: &str, secret: &str) -> (u16, Value) {
        let form = [("grant_type", "client_credentials")];
        let request = self.http.post(format!("{}/token", self.issuer)).header("authorization", basic(client, secret));
        let answer = request.form(&form).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// Waits until it is so. How soon a server looks is a rule of its own (`src/jobs/mod.rs`); here the machine may be busy.
    pub async fn soon(&self, is_so: impl AsyncFn() -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let wait = async {
            while !is_so().await {
                ticks.tick().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "it did not come to be so: {}", self.log());
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends a signal, as a service manager does.
    pub fn signal(&self, name: &str) {
        let pid = self.pid();
        let sent = std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to end.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let wait = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the process does not end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
