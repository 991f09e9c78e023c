//! Attack 17: a process under everything at once that nobody has to prove anything for. Its memory stays bounded, what it counts has
//! names of its own, and whoever has a right to an answer gets one meanwhile.

use std::{
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
};

use reqwest::{Client, StatusCode, redirect::Policy};
use tokio::task::JoinSet;

use crate::{
    cli::{machine::Machine, running::Running},
    harness::{hidden_fields, is_long_run},
};

/// What the process may hold in RAM, in KiB: it is not optimised here, and two passwords at a time take 19 MiB each.
const MEMORY: u64 = 160 * 1024;
/// Connections of one kind of attack.
const AT_ONCE: usize = 32;

/// What somebody sends who has nothing to lose.
#[derive(Clone, Copy, Debug)]
enum Rubbish {
    HugePassword,
    ManyParameters,
    DeepJson,
    MadeUpAddresses,
    Guesses,
    SignUps,
}

impl Rubbish {
    const ALL: [Self; 6] =
        [Self::HugePassword, Self::ManyParameters, Self::DeepJson, Self::MadeUpAddresses, Self::Guesses, Self::SignUps];

    /// Sends it, and says how it was answered.
    async fn send(self, http: &Client, issuer: &str, n: usize) -> StatusCode {
        let form = |path: &str, body: String| {
            let request = http.post(format!("{issuer}{path}"));
            request.header("content-type", "application/x-www-form-urlencoded").body(body)
        };
        let request = match self {
            Self::HugePassword => form("/login", format!("username=ada&password={}", "a".repeat(1 << 20))),
            Self::ManyParameters => form("/token", (0..5_000).map(|n| format!("p{n}=v")).collect::<Vec<_>>().join("&")),
            Self::DeepJson => http
                .post(format!("{issuer}/token"))
                .header("content-type", "application/json")
                .body("[".repeat(100_000)),
            Self::MadeUpAddresses => {
                let method = reqwest::Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
                http.request(method, format!("{issuer}/made-up-{n}/{n}"))
            }
            Self::Guesses => {
                return submit(http, issuer, "/login", &format!("username=nobody{n}&password=guess-{n}")).await;
            }
            Self::SignUps => return submit(http, issuer, "/signup", &format!("email=nobody{n}@example.com")).await,
        };
        // A server may answer and close while a body that is too large still comes.
        request.send().await.map_or(StatusCode::PAYLOAD_TOO_LARGE, |answer| answer.status())
    }

    fn may_be_answered(self, status: StatusCode) -> bool {
        match self {
            Self::HugePassword => status == 413,
            Self::ManyParameters => matches!(status.as_u16(), 400 | 413),
            Self::DeepJson => matches!(status.as_u16(), 400 | 413 | 415),
            Self::MadeUpAddresses => matches!(status.as_u16(), 404 | 405),
            // A page again, too many, or too many at once.
            Self::Guesses => matches!(status.as_u16(), 200 | 401 | 422 | 429 | 503),
            Self::SignUps => matches!(status.as_u16(), 200 | 303 | 429 | 503),
        }
    }
}

/// Opens a page in a browser of its own, and sends its form back.
async fn submit(http: &Client, issuer: &str, path: &str, fields: &str) -> StatusCode {
    let page = http.get(format!("{issuer}{path}")).send().await.unwrap();
    let cookies: Vec<_> = page.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let cookies: Vec<_> = cookies.iter().map(|line| line.split(';').next().unwrap().to_owned()).collect();
    let html = page.text().await.unwrap();
    let (action, hidden) = hidden_fields(&html);
    let hidden = hidden.iter().map(|(name, value)| format!("{name}={value}&")).collect::<Vec<_>>().concat();
    let request = http.post(format!("{issuer}{action}")).header("cookie", cookies.join("; "));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(format!("{hidden}{fields}")).send().await.unwrap().status()
}

fn resident_kib(server: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once() {
    let machine = Machine::migrated().await.with("SIGNUP__MODE", "open").with("PASSWORD__MEMORY_KIB", "19456");
    let add = ["client", "add", "service", "--grant", "client_credentials"];
    let secret = machine.json(&add)["client_secret"].as_str().unwrap().to_owned();
    let server = machine.serve().await;
    let issuer = server.address().to_owned();
    // Bodies that never come to an end.
    let head = "POST /token HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\ngrant_type=";
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(issuer.strip_prefix("http://").unwrap()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();

    let sent = AtomicUsize::new(0);
    let each = if is_long_run() { 50 } else { 3 };
    let mut attackers = JoinSet::new();
    for rubbish in Rubbish::ALL {
        for at in 0..AT_ONCE {
            let issuer = issuer.clone();
            attackers.spawn(async move {
                let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
                for n in 0..each {
                    let status = rubbish.send(&http, &issuer, at * 1_000 + n).await;
                    assert!(rubbish.may_be_answered(status), "{rubbish:?}: {status}");
                }
            });
        }
    }
    let mut most = 0;
    while !attackers.is_empty() {
        assert_eq!(server.client_token("service", &secret).await.0, 200);
        assert_eq!(server.get("/readyz").await.0, 200);
        most = most.max(resident_kib(&server));
        while let Some(done) = attackers.try_join_next() {
            done.unwrap();
            sent.fetch_add(each, Ordering::Relaxed);
        }
    }
    assert_eq!(sent.into_inner(), AT_ONCE * each * Rubbish::ALL.len());
    assert!(most < MEMORY, "{most} KiB");
    drop(slow);

    let (_, metrics) = server.get("/metrics").await;
    assert!(!metrics.contains("made-up") && !metrics.contains("M1000"), "{metrics}");
    assert!(metrics.lines().count() < 3_000, "{}", metrics.lines().count());
}
