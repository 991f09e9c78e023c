//! Mails on their way: to a real server, in spite of all that servers do.

use chrono::TimeDelta;
use countersign::{
    domain::{
        mail::{Mail, MailedLink},
        user::User,
    },
    jobs,
    login::mail::{self, Recipient},
    store::job::{self, JobKind},
};
use serde_json::json;

use crate::harness::{Behaviour, Log, PASSWORD, Server, Smtp};

const ADA: &str = "ada@example.com";
const SECRET: &str = "the-secret-of-the-link";

fn reset(server: &Server) -> Mail {
    let until = server.clock.now() + TimeDelta::minutes(30);
    Mail::ResetPassword { link: MailedLink { address: format!("http://localhost:8080/link?t={SECRET}"), until } }
}

async fn queue(server: &Server, to: &Recipient, mail: &Mail) {
    let mut tx = server.app.store.write().await.unwrap();
    mail::queue(&server.app, &mut tx, to, mail, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn start() -> (Server, Smtp) {
    let smtp = Smtp::start().await;
    (Server::with_settings(&smtp.settings()).await, smtp)
}

async fn owner(server: &Server, user: &User) -> Recipient {
    Recipient::of(&mut server.app.store.read().await.unwrap(), user).await.unwrap()
}

/// The kinds of the newest audit events.
async fn kinds(server: &Server, most: i64) -> Vec<String> {
    server.audit(most).await.into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn a_mail_arrives() {
    let (server, smtp) = start().await;
    let ada = server.add_user(ADA, None).await;
    queue(&server, &owner(&server, &ada).await.reading("de"), &reset(&server)).await;
    server.deliver_mails().await;

    let taken = smtp.taken();
    assert_eq!((taken.len(), taken[0].recipient.as_str()), (1, ADA));
    assert_eq!(taken[0].header("To"), ADA);
    assert_eq!(taken[0].header("From"), "Countersign <op@example.com>");
    assert_eq!(taken[0].header("Subject"), "=?utf-8?b?V8OkaGxlbg==?= Sie ein neues Passwort");
    assert_eq!(taken[0].header("Auto-Submitted"), "auto-generated");
    assert!(taken[0].header("Content-Type").starts_with("multipart/alternative"));
    assert_eq!(taken[0].data.matches("\r\nContent-Type: text/").count(), 2);
    assert_eq!(server.count("job").await, 0);
    server.advance(TimeDelta::days(1));
    server.deliver_mails().await;
    assert_eq!(smtp.taken().len(), 1);
}

#[tokio::test]
async fn a_development_start_keeps_its_mails_in_a_folder() {
    let server = Server::start().await;
    queue(&server, &Recipient::at(ADA), &reset(&server)).await;
    queue(&server, &Recipient::at("grace@example.com"), &Mail::PasswordChanged).await;
    server.deliver_mails().await;
    let mails = server.mails().await;
    assert_eq!(mails.len(), 2);
    let mail = mails.iter().find(|mail| mail.to == ADA).unwrap();
    assert_eq!(mail.subject, "Choose a new password");
    assert!(mail.text.contains(&format!("\nhttp://localhost:8080/link?t={SECRET}\n")), "{}", mail.text);
}

#[tokio::test]
async fn a_server_that_was_away_gets_the_mail_when_it_is_back() {
    let (server, smtp) = start().await;
    queue(&server, &Recipient::at(ADA), &reset(&server)).await;
    smtp.behave(Behaviour::Away);
    server.deliver_mails().await;
    smtp.behave(Behaviour::Refuse("451 greylisted"));
    server.advance(TimeDelta::seconds(5));
    server.deliver_mails().await;
    smtp.behave(Behaviour::Take);
    // Its time has not come.
    server.advance(TimeDelta::seconds(9));
    server.deliver_mails().await;
    assert!(smtp.taken().is_empty());
    server.advance(TimeDelta::seconds(1));
    server.deliver_mails().await;
    assert_eq!((smtp.taken().len(), server.count("job").await), (1, 0));
}

#[tokio::test]
async fn a_mail_is_given_up_when_its_link_no_longer_works() {
    let (server, smtp) = start().await;
    let ada = server.add_user(ADA, None).await;
    smtp.behave(Behaviour::Refuse("450 4.2.0 <ada@example.com>: try again later"));
    queue(&server, &owner(&server, &ada).await, &reset(&server)).await;
    for _ in 0..1_800 {
        server.deliver_mails().await;
        server.advance(TimeDelta::seconds(1));
    }
    assert_eq!((smtp.recipients(), server.count("job").await), (9, 0));
    let event = server.audit(1).await.remove(0);
    assert_eq!((event.kind.as_str(), event.user.as_deref()), ("mail.given_up", Some(ada.id.as_str())));
    assert_eq!(event.detail, json!({ "mail": "reset_password", "tries": 9 }).to_string());
}

#[tokio::test]
async fn a_mail_that_was_queued_while_nobody_was_there_is_not_sent_too_late() {
    let (server, smtp) = start().await;
    queue(&server, &Recipient::at(ADA), &reset(&server)).await;
    server.advance(TimeDelta::minutes(30));
    server.deliver_mails().await;
    assert_eq!((smtp.recipients(), server.count("job").await), (0, 0));
    assert_eq!(kinds(&server, 1).await, ["mail.given_up"]);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_not_sent_again() {
    let (server, smtp) = start().await;
    smtp.behave(Behaviour::Refuse("550 5.1.1 <ada@example.com>: nobody of that name"));
    queue(&server, &Recipient::at(ADA), &Mail::PasswordChanged).await;
    server.deliver_mails().await;
    assert_eq!((smtp.recipients(), server.count("job").await), (1, 0));
    assert_eq!(kinds(&server, 1).await, ["mail.given_up"]);
}

#[tokio::test]
async fn neither_addresses_nor_links_nor_the_servers_password_reach_the_log() {
    let (log, _guard) = Log::capture();
    let (server, smtp) = start().await;
    let refusals = ["450 4.2.0 <ada@example.com>: try again later", "550 5.1.1 <ada@example.com>: nobody of that name"];
    for behaviour in
        [Behaviour::Take, Behaviour::HangUpInData, Behaviour::Away].into_iter().chain(refusals.map(Behaviour::Refuse))
    {
        smtp.behave(behaviour);
        queue(&server, &Recipient::at(ADA), &reset(&server)).await;
        server.deliver_mails().await;
    }
    server.advance(TimeDelta::days(1));
    server.deliver_mails().await;
    for _ in 0..30 {
        queue(&server, &Recipient::at(ADA), &reset(&server)).await;
    }
    let text = format!("{} {:?}", log.text(), server.app);
    for said in
        ["a mail was sent", "a mail was not sent", "is given up", "too many mails wait", "for now, with code 450"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    for secret in [SECRET, ADA, "the-password-of-the-mail-server"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

/// Perhaps the server took it; whoever reads it twice can tell by its id.
#[tokio::test]
async fn a_mail_whose_server_goes_before_its_answer_is_sent_again_under_the_same_id() {
    let (server, smtp) = start().await;
    smtp.behave(Behaviour::HangUpInData);
    queue(&server, &Recipient::at(ADA), &reset(&server)).await;
    server.deliver_mails().await;
    smtp.behave(Behaviour::Take);
    server.advance(TimeDelta::seconds(5));
    server.deliver_mails().await;
    let read = smtp.read();
    assert_eq!((read.len(), smtp.taken().len()), (2, 1));
    assert_eq!(read[0].header("Message-ID"), read[1].header("Message-ID"));
}

/// A mail that was taken is not sent again because the database was away at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_taken_is_noted_as_soon_as_the_database_is_back() {
    let (server, smtp) = start().await;
    smtp.behave(Behaviour::Hold);
    queue(&server, &Recipient::at(ADA), &reset(&server)).await;
    let (app, issuer) = (server.app.clone(), server.issuer.clone());
    let delivery = tokio::spawn(async move { jobs::queue::run_due(&app, &issuer).await });
    smtp.wait_for(1).await;
    server.database.execute("ALTER TABLE job RENAME TO job_elsewhere").await;
    smtp.behave(Behaviour::Take);
    while smtp.taken().is_empty() {
        tokio::task::yield_now().await;
    }
    server.database.execute("ALTER TABLE job_elsewhere RENAME TO job").await;
    delivery.await.unwrap().unwrap();
    server.advance(TimeDelta::minutes(10));
    server.deliver_mails().await;
    assert_eq!((smtp.read().len(), server.count("job").await), (1, 0));
}

#[tokio::test]
async fn what_a_node_that_died_had_taken_another_one_sends() {
    let (server, smtp) = start().await;
    queue(&server, &Recipient::at(ADA), &reset(&server)).await;
    let now = server.clock.now();
    let mut tx = server.app.store.write().await.unwrap();
    job::claim(&mut tx, JobKind::Mail, now, now + TimeDelta::minutes(10), 1).await.unwrap();
    tx.commit().await.unwrap();

    let other = server.restart().await;
    other.deliver_mails().await;
    assert!(smtp.taken().is_empty());
    other.advance(TimeDelta::minutes(10));
    other.deliver_mails().await;
    assert_eq!((smtp.taken().len(), other.count("job").await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_send_at_once_send_each_mail_once() {
    let (server, smtp) = start().await;
    let other = server.beside().await;
    for at in 0..20 {
        queue(&server, &Recipient::at(&format!("person-{at}@example.com")), &Mail::PasswordChanged).await;
    }
    tokio::join!(server.deliver_mails(), other.deliver_mails());
    server.deliver_mails().await;
    let mut recipients: Vec<_> = smtp.taken().into_iter().map(|mail| mail.recipient).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((smtp.taken().len(), recipients.len()), (20, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_leaves_by_itself_and_nobody_waits_for_its_server() {
    let (server, smtp) = start().await;
    server.add_user(ADA, None).await;
    let jobs = jobs::start(&server.app, &server.issuer);
    smtp.behave(Behaviour::Hold);
    // More than are sent at once.
    for _ in 0..12 {
        queue(&server, &Recipient::at(ADA), &Mail::PasswordChanged).await;
    }
    smtp.wait_for(8).await;

    let mut browser = server.browser();
    let page = browser.open("/login").await;
    assert_eq!(browser.submit(&page, &[("username", ADA), ("password", PASSWORD)]).await.status, 200);

    // Whoever stops the process waits for what is under way, and for no more.
    let stopping = tokio::spawn(jobs.stop());
    smtp.behave(Behaviour::Take);
    stopping.await.unwrap();
    let taken = smtp.taken().len();
    assert!((8..=12).contains(&taken), "{taken}");
}
