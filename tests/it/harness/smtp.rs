//! A mail server that takes what it is told to take.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};

/// What the server does with mails that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes them.
    Take,
    /// Answers a recipient with this line.
    Refuse(&'static str),
    /// Reads all of a mail, and goes without a word.
    HangUpInData,
    /// Reads all of a mail, and says nothing before the behaviour changes.
    Hold,
    /// Closes every connection at once.
    Away,
}

/// A mail that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The one that the server was told, beside what stands in the mail.
    pub recipient: String,
    /// The mail, headers and all.
    pub data: String,
}

impl Received {
    /// All of it, lines put together again and escapes read (RFC 2045 §6.7).
    pub fn readable(&self) -> String {
        self.data.replace("=\r\n", "").replace("=3D", "=")
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> String {
        let head = self.data.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let start = format!("{name}: ");
        let values: Vec<_> = head.split("\r\n").filter_map(|line| line.strip_prefix(&start)).collect();
        assert_eq!(values.len(), 1, "{name} in {head}");
        values[0].to_owned()
    }
}

#[derive(Default)]
struct Log {
    /// Taken, so that nobody else need send them.
    taken: Vec<Received>,
    /// Read to their end, taken or not.
    read: Vec<Received>,
    recipients: usize,
}

struct Shared {
    log: Mutex<Log>,
    changed: Notify,
    behaviour: watch::Sender<Behaviour>,
}

/// A mail server. It goes when this is dropped.
pub struct Smtp {
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Smtp {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let behaviour = watch::channel(Behaviour::Take).0;
        let shared = Arc::new(Shared { log: Mutex::default(), changed: Notify::new(), behaviour });
        let listening = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let shared = shared.clone();
                    // Whoever hangs up has nothing more to say.
                    tokio::spawn(async move { drop(shared.talk(stream).await) });
                }
            }
        });
        Self { port, shared, listening }
    }

    /// Settings of a provider that sends its mails here.
    pub fn settings(&self) -> String {
        let port = self.port;
        format!(
            "mail.url = 'smtp://user:the-password-of-the-mail-server@127.0.0.1:{port}'\nmail.from = 'op@example.com'\n"
        )
    }

    /// The same, as variables.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("COUNTERSIGN_MAIL__URL", format!("smtp://127.0.0.1:{}", self.port)),
            ("COUNTERSIGN_MAIL__FROM", "op@example.com".to_owned()),
        ]
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.behaviour.send_replace(behaviour);
    }

    /// What was taken so far.
    pub fn taken(&self) -> Vec<Received> {
        self.shared.log().taken.clone()
    }

    /// What was read to its end so far, taken or not.
    pub fn read(&self) -> Vec<Received> {
        self.shared.log().read.clone()
    }

    /// How often a recipient was named.
    pub fn recipients(&self) -> usize {
        self.shared.log().recipients
    }

    /// Waits until so many mails were read to their end.
    pub async fn wait_for(&self, count: usize) {
        let enough = async {
            while self.read().len() < count {
                self.shared.changed.notified().await;
            }
        };
        timeout(Duration::from_secs(30), enough).await.expect("a mail within half a minute");
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let behaviour = || *self.behaviour.borrow();
        if behaviour() == Behaviour::Away {
            return Ok(());
        }
        writer.write_all(b"220 test\r\n").await?;
        let mut recipient = String::new();
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split([' ', ':']).next().unwrap() {
                "EHLO" => "250-test\r\n250 AUTH PLAIN",
                "AUTH" => "235 welcome",
                "RCPT" => {
                    self.log().recipients += 1;
                    recipient = line.split(['<', '>']).nth(1).unwrap().to_owned();
                    match behaviour() {
                        Behaviour::Refuse(answer) => answer,
                        _ => "250 fine",
                    }
                }
                "DATA" => {
                    writer.write_all(b"354 go on\r\n").await?;
                    let mail = Received { recipient: recipient.clone(), data: data(&mut lines).await? };
                    self.log().read.push(mail.clone());
                    self.changed.notify_one();
                    let mut changes = self.behaviour.subscribe();
                    drop(changes.wait_for(|behaviour| *behaviour != Behaviour::Hold).await);
                    if behaviour() == Behaviour::HangUpInData {
                        return Ok(());
                    }
                    self.log().taken.push(mail);
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }
}

/// The lines of a mail up to the dot.
async fn data(lines: &mut tokio::io::Lines<BufReader<OwnedReadHalf>>) -> std::io::Result<String> {
    let mut data = String::new();
    while let Some(line) = lines.next_line().await? {
        if line == "." {
            break;
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
        data.push_str("\r\n");
    }
    Ok(data)
}
