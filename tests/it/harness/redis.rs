//! A Redis: the one that `COUNTERSIGN_TEST_REDIS` names, or one that a test starts and may stop, restart and flush.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::FromRedisValue;
use tempfile::TempDir;

/// A Redis. One of its own goes with the test.
pub struct TestRedis {
    url: String,
    own: Option<Own>,
}

struct Own {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl TestRedis {
    /// One that other tests may use too.
    pub fn shared() -> Self {
        match std::env::var("COUNTERSIGN_TEST_REDIS") {
            Ok(url) => Self { url, own: None },
            Err(_) => Self::own(),
        }
    }

    /// One for this test alone.
    pub fn own() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Another program may take a port that was free a moment ago.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(process) = start(&folder, port) {
                return Self { url: format!("redis://127.0.0.1:{port}"), own: Some(Own { folder, port, process }) };
            }
        }
        panic!("redis-server does not start");
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a command, such as `FLUSHALL`.
    pub fn run<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        command.query(&mut connection).unwrap()
    }

    /// Kills it: what was not saved is gone.
    pub fn stop(&mut self) {
        let own = self.own.as_mut().expect("a Redis of its own");
        own.process.kill().unwrap();
        own.process.wait().unwrap();
    }

    /// Starts it again, from what was saved.
    pub fn start(&mut self) {
        let own = self.own.as_mut().expect("a Redis of its own");
        own.process = start(&own.folder, own.port).expect("redis-server starts again");
    }

    /// Stops its time (`STOP`), and lets it go on (`CONT`).
    pub fn signal(&self, signal: &str) {
        let own = self.own.as_ref().expect("a Redis of its own");
        let sent = Command::new("kill").args(["-s", signal, &own.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if let Some(own) = &mut self.own {
            let _ = own.process.kill();
            let _ = own.process.wait();
        }
    }
}

fn start(folder: &TempDir, port: u16) -> Option<Child> {
    let mut process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need redis-server (scripts/test --install), or COUNTERSIGN_TEST_REDIS");
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    loop {
        if client.get_connection().and_then(|mut redis| redis::cmd("PING").exec(&mut redis)).is_ok() {
            return Some(process);
        }
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
