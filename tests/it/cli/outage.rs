//! A running server whose database goes, and comes back.

use sqlx::{Connection, Executor, SqliteConnection};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::{machine::Machine, running::Running};

/// What stands between a server and its database. SQLite is a file: there somebody else holds the write lock.
enum Line {
    Wire { here: u16, there: String, forwarding: Option<AbortHandle> },
    Lock { url: String, holder: Option<SqliteConnection> },
}

impl Line {
    /// A line to the database behind this URL, and the URL by which it is used.
    async fn to(url: &str) -> (Self, String) {
        if url.starts_with("sqlite:") {
            return (Self::Lock { url: url.to_owned(), holder: None }, url.to_owned());
        }
        let parsed = url::Url::parse(url).unwrap();
        let there = format!("{}:{}", parsed.host_str().unwrap(), parsed.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let forwarding = Some(forward(listener, there.clone()));
        let mut through = parsed;
        through.set_host(Some("127.0.0.1")).unwrap();
        through.set_port(Some(here)).unwrap();
        (Self::Wire { here, there, forwarding }, through.to_string())
    }

    async fn cut(&mut self) {
        match self {
            Self::Wire { forwarding, .. } => forwarding.take().unwrap().abort(),
            Self::Lock { url, holder } => {
                let mut connection = SqliteConnection::connect(url).await.unwrap();
                connection.execute("BEGIN IMMEDIATE").await.unwrap();
                *holder = Some(connection);
            }
        }
    }

    async fn mend(&mut self) {
        match self {
            Self::Wire { here, there, forwarding } => {
                let listener = TcpListener::bind(("127.0.0.1", *here)).await.unwrap();
                *forwarding = Some(forward(listener, there.clone()));
            }
            Self::Lock { holder, .. } => {
                holder.take().unwrap().execute("ROLLBACK").await.unwrap();
            }
        }
    }

    /// Whether what only reads is cut off, too.
    fn cuts_reading(&self) -> bool {
        matches!(self, Self::Wire { .. })
    }
}

fn forward(listener: TcpListener, there: String) -> AbortHandle {
    let forwarding = tokio::spawn(async move {
        // With it go all connections.
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let there = there.clone();
            connections.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(there).await {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    forwarding.abort_handle()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_server_says_so_does_nothing_and_comes_back_by_itself() {
    let machine = Machine::migrated().await;
    let add = ["client", "add", "service", "--grant", "client_credentials"];
    let secret = machine.json(&add)["client_secret"].as_str().unwrap().to_owned();
    let (mut line, url) = Line::to(machine.setting("DATABASE__URL")).await;
    let machine = machine.with("DATABASE__URL", &url);
    let server = machine.serve().await;
    let before = issued(&server, &secret).await;

    line.cut().await;
    let ask = async || server.client_token("service", &secret).await;
    let ready = async || server.get("/readyz").await.0;
    let (first, second, ready_status) = tokio::join!(ask(), ask(), ready());
    for (status, answer) in [first, second] {
        assert_eq!((status, answer["error"].as_str()), (503, Some("temporarily_unavailable")), "{answer}");
    }
    if line.cuts_reading() {
        for page in ["/authorize?client_id=other&response_type=code", "/link?t=abc", "/logout?client_id=other"] {
            assert_eq!(server.get(page).await.0, 503, "{page}");
        }
    }
    assert_eq!(ready_status, if line.cuts_reading() { 503 } else { 200 });
    assert_eq!(server.get("/healthz").await.0, 200);
    // What is in memory is told as ever.
    assert_eq!(server.get("/.well-known/jwks.json").await.0, 200);

    line.mend().await;
    server.soon(async || ready().await == 200).await;
    server.soon(async || ask().await.0 == 200).await;
    assert!(before < issued(&server, &secret).await, "it counts on");
}

/// No file of the process may grow beyond this many bytes, as on a full disk.
fn let_files_grow_to(server: &Running, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let limit = std::process::Command::new("prlimit").args(["--pid", &server.pid(), &limit]).status();
    assert!(limit.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_a_server_refuses_and_goes_on_when_there_is_room() {
    let machine = Machine::migrated().await;
    if !machine.setting("DATABASE__URL").starts_with("sqlite:") {
        // PostgreSQL's disk is not ours.
        return;
    }
    let add = ["client", "add", "service", "--grant", "client_credentials"];
    let secret = machine.json(&add)["client_secret"].as_str().unwrap().to_owned();
    let server = Running::start_within_limits(&machine).await;
    let before = issued(&server, &secret).await;
    let mut answered = 0;

    let_files_grow_to(&server, "200000");
    let refused = loop {
        match server.client_token("service", &secret).await {
            (200, _) => answered += 1,
            refused => break refused,
        }
        assert!(answered < 10_000);
    };
    assert_eq!((refused.0, refused.1["error"].as_str()), (503, Some("temporarily_unavailable")), "{refused:?}");
    assert_eq!(server.client_token("service", &secret).await.0, 503);
    assert_eq!(server.get("/healthz").await.0, 200);
    assert_eq!(server.get("/.well-known/jwks.json").await.0, 200);
    assert_eq!(server.get("/login").await.0, 200);

    let_files_grow_to(&server, "unlimited");
    assert_eq!(issued(&server, &secret).await, before + answered + 1, "what was answered counts, and nothing else");
}

/// How many tokens the server says that it issued, durably, with one more.
async fn issued(server: &Running, secret: &str) -> u64 {
    assert_eq!(server.client_token("service", secret).await.0, 200);
    let (_, metrics) = server.get("/metrics").await;
    let line = metrics.lines().find(|line| line.contains("event=\"client_token.issued\"")).unwrap().to_owned();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
