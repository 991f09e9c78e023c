//! Attack 22: the process is killed in the middle of refreshes, code exchanges and mails. What was delivered still works, nothing
//! works twice, and no mail is lost.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use countersign::{
    domain::mail::Mail,
    login::mail::{self, Recipient},
    random::Random,
};
use countersign_types::ClientAuthMethod;
use serde_json::Value;

use crate::harness::{
    Behaviour, REDIRECT_URI, SECRET, Server, Smtp, VERIFIER, basic, confidential, encode, is_long_run,
};

const ADA: &str = "ada@example.com";
const ROUNDS: usize = 3;
const FAMILIES: usize = 4;
const CODES: usize = 30;

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
        Self::start_with(server, &[])
    }

    /// With further settings, as variables.
    fn start_with(server: &Server, settings: &[(&str, String)]) -> Self {
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
            .envs(settings.iter().map(|(name, value)| (*name, value)))
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

/// Asks for tokens; `Err` when the answer never came, or the status of a refusal.
fn token(peer: SocketAddr, form: &[(&str, &str)]) -> Result<Value, Option<u16>> {
    let body = encode(form);
    let text = format!(
        "POST /token HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        basic("app", SECRET),
        body.len(),
    );
    let answer = request(peer, &text).ok_or(None)?;
    let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let json: Value =
        answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()).ok_or(None)?;
    if status == 200 { Ok(json) } else { Err(Some(status)) }
}

fn refresh_token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

/// Uses a refresh token: its successor.
fn refresh(peer: SocketAddr, presented: &str) -> Result<String, Option<u16>> {
    token(peer, &[("grant_type", "refresh_token"), ("refresh_token", presented)]).map(|tokens| refresh_token(&tokens))
}

/// Exchanges a code: the refresh token that came of it.
fn exchange(peer: SocketAddr, code: &str) -> Result<String, Option<u16>> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    token(peer, &form).map(|tokens| refresh_token(&tokens))
}

async fn server() -> Server {
    let server = Server::in_real_time().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    server
}

/// The first refresh tokens of some families.
async fn families(server: &Server) -> Vec<String> {
    let mut families = Vec::new();
    for _ in 0..FAMILIES {
        families.push(refresh_token(&server.sign_in("app", ADA, "openid offline_access").await));
    }
    families
}

/// Once, or in a long run until so many answers were delivered before a kill.
async fn repeatedly(round: impl AsyncFn() -> usize) {
    let mut delivered = round().await;
    while is_long_run() && delivered < 500 {
        delivered += round().await;
    }
}

/// Works on each thing in a thread of its own until the process is killed, which happens at some moment after each has had an answer.
/// `work` is told how to report an answer, and returns when one did not come, or after `most`. How many there were.
fn kill_amid<T: Sync>(program: Program, (things, most): (&[T], usize), work: impl Fn(&T, &dyn Fn()) + Sync) -> usize {
    let answers = Mutex::new(vec![0_usize; things.len()]);
    thread::scope(|scope| {
        let (answers, work) = (&answers, &work);
        let workers: Vec<_> = things
            .iter()
            .enumerate()
            .map(|(at, thing)| scope.spawn(move || work(thing, &|| answers.lock().unwrap()[at] += 1)))
            .collect();
        let [enough, moment] = Random::system().bytes();
        while answers.lock().unwrap().iter().any(|answers| *answers < 1 + usize::from(enough % 10)) {
            let answers = answers.lock().unwrap().clone();
            let goes_on = workers.iter().zip(answers).all(|(worker, answers)| !worker.is_finished() || answers == most);
            assert!(goes_on, "a request failed before the kill");
            thread::park_timeout(Duration::from_millis(1));
        }
        thread::park_timeout(Duration::from_micros(40 * u64::from(moment)));
        drop(program);
    });
    answers.into_inner().unwrap().into_iter().sum()
}

/// Refreshes families until the process is killed: the last token of each that was delivered, with which each has a try open; and how
/// many were delivered.
fn kill_amid_refreshes(program: Program, families: &[String]) -> (Vec<String>, usize) {
    let peer = program.peer;
    let heads: Vec<_> = families.iter().map(|head| Mutex::new(head.clone())).collect();
    let delivered = kill_amid(program, (&heads, usize::MAX), |head, answered| {
        loop {
            let token = head.lock().unwrap().clone();
            match refresh(peer, &token) {
                Ok(successor) => *head.lock().unwrap() = successor,
                Err(None) => return,
                Err(Some(status)) => panic!("a delivered token was refused: {status}"),
            }
            answered();
        }
    });
    (heads.into_iter().map(|head| head.into_inner().unwrap()).collect(), delivered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_honours_no_refresh_token_twice() {
    repeatedly(kill_and_refresh).await;
}

async fn kill_and_refresh() -> usize {
    let server = server().await;
    let mut families = families(&server).await;
    // Delivered, and not in use when the process is killed.
    let mut resting = refresh_token(&server.sign_in("app", ADA, "openid offline_access").await);
    let mut delivered = 0;
    for _ in 0..ROUNDS {
        let (heads, refreshes) = kill_amid_refreshes(Program::start(&server), &families);
        delivered += refreshes;

        let program = Program::start(&server);
        let peer = program.peer;
        resting = refresh(peer, &resting).expect("a delivered token that was not in use");
        families.clear();
        for (at, head) in heads.iter().enumerate() {
            match refresh(peer, head) {
                // The open try was never committed: the token still works, and only once.
                Ok(successor) if at == 0 => {
                    assert_eq!(refresh(peer, head), Err(Some(400)));
                    assert_eq!(refresh(peer, &successor), Err(Some(400)));
                }
                Ok(successor) => families.push(successor),
                // It was committed, and its answer lost on the way: another use is a replay.
                Err(refused) => assert_eq!(refused, Some(400)),
            }
        }
        if families.is_empty() {
            break;
        }
    }
    delivered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_the_grace_a_killed_process_loses_no_refresh_token() {
    repeatedly(kill_and_refresh_within_the_grace).await;
}

async fn kill_and_refresh_within_the_grace() -> usize {
    let server = server().await;
    let mut families = families(&server).await;
    let grace = [("COUNTERSIGN_REFRESH__GRACE", "60s".to_owned())];
    let mut delivered = 0;
    for _ in 0..ROUNDS {
        let (heads, refreshes) = kill_amid_refreshes(Program::start_with(&server, &grace), &families);
        delivered += refreshes;

        let program = Program::start_with(&server, &grace);
        let used = |token: &str| refresh(program.peer, token).expect("a delivered token");
        families = heads.iter().map(|head| used(&used(head))).collect();
        // Its successor was used, so it is spent, and whoever still has it is a thief.
        assert_eq!(refresh(program.peer, &heads[0]), Err(Some(400)));
        assert_eq!(refresh(program.peer, &families[0]), Err(Some(400)));
        families.remove(0);
    }
    delivered
}

/// What is known of a code when the process is killed.
#[derive(Clone, Debug)]
enum Known {
    /// Nobody used it.
    Unused,
    /// It was sent, and nothing came back.
    Open,
    /// Its refresh token was delivered.
    Delivered(String),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_honours_no_code_twice_and_keeps_what_came_of_it() {
    repeatedly(kill_and_exchange).await;
}

async fn kill_and_exchange() -> usize {
    let server = server().await;
    let mut browser = server.browser();
    let mut codes = Vec::new();
    for _ in 0..CODES * 2 {
        let code = browser.code("app", ADA, "openid offline_access").await;
        codes.push(Mutex::new((code, Known::Unused)));
    }
    let piles: Vec<_> = codes.chunks(CODES).collect();
    let program = Program::start(&server);
    let peer = program.peer;
    let delivered = kill_amid(program, (&piles, CODES), |pile, answered| {
        for code in *pile {
            let mut code = code.lock().unwrap();
            code.1 = Known::Open;
            match exchange(peer, &code.0) {
                Ok(token) => code.1 = Known::Delivered(token),
                Err(None) => return,
                Err(Some(status)) => panic!("a code was refused: {status}"),
            }
            answered();
        }
    });

    let program = Program::start(&server);
    for code in codes {
        let (code, known) = code.into_inner().unwrap();
        match known {
            Known::Unused => assert!(exchange(program.peer, &code).is_ok()),
            Known::Delivered(token) => assert!(refresh(program.peer, &token).is_ok()),
            // Done or not done: if it was not, the code still works.
            Known::Open => assert!(matches!(exchange(program.peer, &code), Ok(_) | Err(Some(400)))),
        }
        assert_eq!(exchange(program.peer, &code), Err(Some(400)));
    }
    delivered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_no_mail() {
    let server = server().await;
    let smtp = Smtp::start().await;
    smtp.behave(Behaviour::Hold);
    let people = ["a@example.com", "b@example.com", "c@example.com"];
    for person in people {
        let mut tx = server.app.store.write().await.unwrap();
        let to = Recipient::at(person);
        mail::queue(&server.app, &mut tx, &to, &Mail::PasswordChanged, server.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
    let program = Program::start_with(&server, &smtp.variables());
    smtp.wait_for(people.len()).await;
    drop(program);
    assert_eq!(server.count("job").await, 3);

    // Ten minutes later.
    server.database.execute("UPDATE job SET due_at = '2026-01-01T00:00:00+00:00'").await;
    smtp.behave(Behaviour::Take);
    let program = Program::start_with(&server, &smtp.variables());
    smtp.wait_for(2 * people.len()).await;
    while server.count("job").await > 0 {
        assert!(request(program.peer, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").is_some());
    }
    let mut taken: Vec<_> = smtp.taken().into_iter().map(|mail| mail.recipient).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken, people);
}
