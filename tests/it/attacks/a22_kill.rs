//! Attack 22: the process is killed in the middle of refreshes. What was delivered still works, and nothing works twice.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;

use crate::harness::{SECRET, Server, basic, confidential};

const ADA: &str = "ada@example.com";
const ROUNDS: usize = 3;
const FAMILIES: usize = 4;

/// The built program on a database that a server in this process has filled.
struct Program {
    child: Child,
    peer: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGKILL: nothing is flushed, nothing is said.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(server: &Server) -> Self {
        let peer = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        let child = command
            .current_dir(server.database.folder())
            .env("COUNTERSIGN_LISTEN", peer.to_string())
            .env("COUNTERSIGN_DATABASE__URL", server.database.url())
            .env("COUNTERSIGN_KEYS__DIR", server.database.folder().join("keys"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let program = Self { child, peer };
        let ready = (0..600).any(|_| {
            let up = request(peer, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            up.is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) || {
                std::thread::park_timeout(Duration::from_millis(20));
                false
            }
        });
        assert!(ready, "the program does not become ready");
        program
    }
}

/// One request over a connection of its own; `None` when it was broken off.
fn request(peer: SocketAddr, text: &str) -> Option<String> {
    let mut stream = TcpStream::connect(peer).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

/// Uses a refresh token: its successor; `Err` when the answer never came, or the status of a refusal.
fn refresh(peer: SocketAddr, token: &str) -> Result<String, Option<u16>> {
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let text = format!(
        "POST /token HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        basic("app", SECRET),
        body.len(),
    );
    let answer = request(peer, &text).ok_or(None)?;
    let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let json =
        answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok()).ok_or(None)?;
    json["refresh_token"].as_str().map(str::to_owned).ok_or(Some(status))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_no_delivered_token_and_honours_none_twice() {
    let server = Server::in_real_time().await;
    let register = confidential(countersign_types::ClientAuthMethod::ClientSecretBasic, |_| {});
    server.add_client("app", register).await;
    server.add_user(ADA, None).await;
    let mut families = Vec::new();
    for _ in 0..FAMILIES {
        let tokens = server.sign_in("app", ADA, "openid offline_access").await;
        families.push(tokens["refresh_token"].as_str().unwrap().to_owned());
    }

    for _ in 0..ROUNDS {
        let program = Program::start(&server);
        let peer = program.peer;
        // For each family: the last token that was delivered, and whether a try with it is open.
        let heads = Arc::new(Mutex::new(families.iter().map(|token| (token.clone(), 0_usize)).collect::<Vec<_>>()));
        let workers: Vec<_> = (0..families.len())
            .map(|family| {
                let heads = heads.clone();
                std::thread::spawn(move || {
                    loop {
                        let token = heads.lock().unwrap()[family].0.clone();
                        match refresh(peer, &token) {
                            Ok(successor) => {
                                let mut heads = heads.lock().unwrap();
                                heads[family] = (successor, heads[family].1 + 1);
                            }
                            Err(None) => return,
                            Err(Some(status)) => panic!("a delivered token was refused: {status}"),
                        }
                    }
                })
            })
            .collect();
        while heads.lock().unwrap().iter().any(|(_, delivered)| *delivered < 5) {
            assert!(workers.iter().all(|worker| !worker.is_finished()), "a refresh failed before the kill");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        drop(program);
        for worker in workers {
            worker.join().unwrap();
        }

        let program = Program::start(&server);
        let heads = heads.lock().unwrap().clone();
        families.clear();
        for (head, _) in heads {
            match refresh(program.peer, &head) {
                // The open try was never committed: the token still works, and only once.
                Ok(successor) => {
                    families.push(successor);
                    if families.len() == 1 {
                        assert_eq!(refresh(program.peer, &head), Err(Some(400)));
                        let dead = families.pop().unwrap();
                        assert_eq!(refresh(program.peer, &dead), Err(Some(400)));
                    }
                }
                // It was committed, and its answer lost on the way: another use is a replay.
                Err(refused) => assert_eq!(refused, Some(400)),
            }
        }
        if families.is_empty() {
            return;
        }
    }
}
