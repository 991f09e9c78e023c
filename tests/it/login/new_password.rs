//! New passwords, on a page that sets one: every rule, and the list of stolen ones.

use std::sync::{Arc, Mutex};

use countersign::{domain::user::User, store::link::LinkPurpose};
use openssl::sha::sha1;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{Log, Server};

const STRONG: &str = "a new battery staple";

async fn with_ada(settings: &str) -> (Server, User) {
    let server = Server::with_settings(settings).await;
    let mut user = server.add_user("ada.lovelace@example.com", Some("countess")).await;
    user.set_claim("name", "Augusta Byron").unwrap();
    server.update_user(&user).await;
    (server, user)
}

/// The status of an attempt to choose this password by a link, and the page.
async fn choose(server: &Server, user: &User, password: &str) -> (u16, String) {
    let link = server.issue_link(&LinkPurpose::ChoosePassword(user.id.clone())).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let reply = browser.submit_only(&page, &[("password", password)]).await;
    (reply.status, reply.text())
}

#[tokio::test]
async fn passwords_that_would_be_tried_first_are_refused_and_told_why() {
    let (server, user) = with_ada("password.words = ['Analytical Engine']").await;
    for (password, words) in [
        ("1234567", "too short"),
        (&"🔑x4".repeat(43), "too long"),
        ("qwertyuiop", "first passwords that anybody would try"),
        ("QWERTYUIOP", "first passwords that anybody would try"),
        ("iloveyou", "first passwords that anybody would try"),
        // Words of the person, and of the house.
        ("ada.lovelace and the engine", "contains your name"),
        ("my Lovelace is 36 years old", "contains your name"),
        ("the countess of somewhere", "contains your name"),
        ("augusta went to the fair", "contains your name"),
        ("i sign in with Countersign", "contains your name"),
        ("ＣＯＵＮＴＥＲＳＩＧＮ it is", "contains your name"),
        ("a localhost of my own", "contains your name"),
        ("the analytical kind", "contains your name"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "easy to guess"),
        ("abcdefghijklmnop", "easy to guess"),
        ("20241125", "easy to guess"),
    ] {
        let (status, page) = choose(&server, &user, password).await;
        assert!(status == 422 && page.contains(words), "{password}: {status} {page}");
    }
    // No rule says of what characters.
    for password in [STRONG, "zvkq wmxp", "  leading and trailing  ", "Донаудампфшифф", "🔑🐢🎻🧵🪁🦉🌋🧭"]
    {
        assert_eq!(choose(&server, &user, password).await.0, 303, "{password}");
    }
}

#[tokio::test]
async fn a_password_is_the_one_that_was_chosen_and_no_other_spelling_of_it() {
    let (server, user) = with_ada("throttle.account = 100").await;
    let chosen = " Größe\u{301} ﬁ 🔑 ";
    assert_eq!(choose(&server, &user, chosen).await.0, 303);
    for (typed, signs_in) in [
        (chosen, true),
        (chosen.trim(), false),
        (" GRÖSSE\u{301} ﬁ 🔑 ", false),
        // Composed and decomposed, and a ligature for its letters.
        (" Gro\u{308}ße\u{301} ﬁ 🔑 ", false),
        (" Größ\u{e9} ﬁ 🔑 ", false),
        (" Größe\u{301} fi 🔑 ", false),
    ] {
        let mut browser = server.browser();
        let page = browser.open("/login").await;
        let reply = browser.submit(&page, &[("username", "countess"), ("password", typed)]).await;
        assert_eq!(reply.text().contains("Signed in as"), signs_in, "{typed:?}");
    }
}

/// A list of stolen passwords on this machine, and what was asked of it.
struct StolenList {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl StolenList {
    /// Answers everybody with this status and this list.
    async fn open(status: &'static str, list: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let opened = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let asked = opened.asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
                asked.lock().unwrap().push(line);
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{list}", list.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        opened
    }

    fn settings(&self) -> String {
        format!("password.breach_check = true\npassword.breach_url = 'http://127.0.0.1:{}/range/'", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn digits(password: &str) -> String {
    sha1(password.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn a_stolen_password_is_refused_and_only_five_digits_leave_the_house() {
    let stolen = digits(STRONG);
    let list = format!("0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n{}:3\r\n", &stolen[5..]);
    let list = StolenList::open("200 OK", list).await;
    let (server, user) = with_ada(&list.settings()).await;
    let (log, _guard) = Log::capture();

    let (status, page) = choose(&server, &user, STRONG).await;
    assert!(status == 422 && page.contains("was stolen somewhere"), "{status} {page}");
    assert_eq!(list.asked(), [format!("GET /range/{} HTTP/1.1", &stolen[..5])]);
    assert_eq!(choose(&server, &user, "another battery staple").await.0, 303);
    assert!(!log.text().contains(&stolen[..5]), "{}", log.text());
}

#[tokio::test]
async fn a_list_that_cannot_be_had_refuses_nobody_and_is_missed_in_the_log() {
    let list = StolenList::open("500 Oops", format!("{}:3", &digits(STRONG)[5..])).await;
    let (server, user) = with_ada(&list.settings()).await;
    let (log, _guard) = Log::capture();
    assert_eq!(choose(&server, &user, STRONG).await.0, 303);
    assert!(log.text().contains("was not looked up"), "{}", log.text());
}

#[tokio::test]
async fn nobody_is_asked_unless_the_operator_says_so_nor_about_what_is_refused_anyway() {
    let list = StolenList::open("200 OK", String::new()).await;
    let off = list.settings().replace("true", "false");
    let (server, user) = with_ada(&off).await;
    assert_eq!(choose(&server, &user, STRONG).await.0, 303);
    let (server, user) = with_ada(&list.settings()).await;
    for refused in ["1234567", "qwertyuiop", "ada.lovelace!", "abcdefghijklmnop"] {
        assert_eq!(choose(&server, &user, refused).await.0, 422);
    }
    assert_eq!(list.asked(), Vec::<String>::new());
}
