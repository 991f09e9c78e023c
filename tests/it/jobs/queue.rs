//! The queue: a job is there if its cause is, one node at a time has it, and what it says is nobody's to read.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::{
    domain::mail::{Letter, Mail, MailedLink},
    login::mail::{self, Recipient},
    store::job::{self, Job, JobKind},
};
use tokio::{task::JoinSet, time::timeout};

use crate::harness::{Server, production_mail};

const ADA: &str = "ada@example.com";

fn reset(server: &Server) -> Mail {
    let address = "http://localhost:8080/link?t=the-secret-of-the-link".to_owned();
    Mail::ResetPassword { link: MailedLink { address, until: server.clock.now() + TimeDelta::minutes(30) } }
}

async fn queue(server: &Server, to: &str, mail: &Mail) {
    let mut tx = server.app.store.write().await.unwrap();
    mail::queue(&server.app, &mut tx, &Recipient::at(to), mail, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claim(server: &Server, most: i64) -> Vec<Job> {
    let now = server.clock.now();
    let mut tx = server.app.store.write().await.unwrap();
    let jobs = job::claim(&mut tx, JobKind::Mail, now, now + TimeDelta::minutes(5), most).await.unwrap();
    tx.commit().await.unwrap();
    jobs
}

async fn postpone(server: &Server, job: &Job, due_at: DateTime<Utc>) {
    let mut tx = server.app.store.write().await.unwrap();
    job::postpone(&mut tx, job, due_at).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_mail_is_queued_if_and_only_if_its_cause_happened() {
    let server = Server::start().await;
    let mut tx = server.app.store.write().await.unwrap();
    mail::queue(&server.app, &mut tx, &Recipient::at(ADA), &Mail::PasswordChanged, server.clock.now()).await.unwrap();
    drop(tx);
    assert_eq!(server.count("job").await, 0);
    queue(&server, ADA, &Mail::PasswordChanged).await;
    assert_eq!(server.count("job").await, 1);
}

#[tokio::test]
async fn a_letter_comes_out_as_it_went_in() {
    let server = Server::start().await;
    let mut ada = server.add_user(ADA, None).await;
    ada.set_claim("locale", "de-AT").unwrap();
    let mut tx = server.app.store.write().await.unwrap();
    let to = Recipient::of(&mut tx, &ada).await.unwrap().reading("en");
    mail::queue(&server.app, &mut tx, &to, &reset(&server), server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();

    let jobs = claim(&server, 8).await;
    assert_eq!((jobs.len(), jobs[0].tries, jobs[0].user.as_ref()), (1, 1, Some(&ada.id)));
    let payload = job::payload(&server.app.store, &jobs[0]).unwrap();
    let expected = Letter { to: ADA.to_owned(), locale: Some("de-AT".to_owned()), mail: reset(&server) };
    assert_eq!(serde_json::from_slice::<Letter>(&payload).unwrap(), expected);
}

#[tokio::test]
async fn neither_the_link_nor_the_address_stands_in_the_database() {
    let server = Server::start().await;
    queue(&server, ADA, &reset(&server)).await;
    assert!(server.database.contains("mail").await, "this is how it is looked for");
    for secret in ["the-secret-of-the-link", ADA, "reset_password"] {
        assert!(!server.database.contains(secret).await, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_that_claim_at_once_one_gets_the_job() {
    let server = Server::start().await;
    let other = server.beside().await;
    for _ in 0..8 {
        queue(&server, ADA, &Mail::PasswordChanged).await;
    }
    let mut claims = JoinSet::new();
    for node in [&server, &other].into_iter().cycle().take(16) {
        let (store, now) = (node.app.store.clone(), server.clock.now());
        claims.spawn(async move {
            let mut tx = store.write().await.unwrap();
            let jobs = job::claim(&mut tx, JobKind::Mail, now, now + TimeDelta::minutes(5), 3).await.unwrap();
            tx.commit().await.unwrap();
            jobs
        });
    }
    let mut taken: Vec<_> = claims.join_all().await.into_iter().flatten().map(|job| job.id).collect();
    taken.extend(claim(&server, 8).await.into_iter().map(|job| job.id));
    assert_eq!(taken.len(), 8, "each was taken once");
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 8, "none was taken twice");
}

#[tokio::test]
async fn a_job_of_a_node_that_died_is_taken_again_when_its_time_is_over() {
    let server = Server::start().await;
    queue(&server, ADA, &Mail::PasswordChanged).await;
    let first = claim(&server, 1).await.remove(0);
    server.advance(TimeDelta::minutes(5) - TimeDelta::seconds(1));
    assert!(claim(&server, 1).await.is_empty());
    server.advance(TimeDelta::seconds(1));
    let second = claim(&server, 1).await.remove(0);
    assert_eq!((&second.id, second.tries), (&first.id, 2));

    // The first one comes back to life: it may no longer say what becomes of the job, unless that it is done.
    postpone(&server, &first, server.clock.now()).await;
    assert!(claim(&server, 1).await.is_empty());
    let mut tx = server.app.store.write().await.unwrap();
    assert!(!job::give_up(&mut tx, &first).await.unwrap());
    job::finish(&mut tx, &first).await.unwrap();
    assert!(!job::give_up(&mut tx, &second).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(server.count("job").await, 0);
}

#[tokio::test]
async fn the_longest_due_is_taken_first() {
    let server = Server::start().await;
    for mail in [Mail::PasswordChanged, Mail::EmailChanged, Mail::SecondFactorOn] {
        queue(&server, ADA, &mail).await;
        server.advance(TimeDelta::seconds(1));
    }
    let mut kinds = Vec::new();
    while let Some(job) = claim(&server, 1).await.pop() {
        let letter: Letter = serde_json::from_slice(&job::payload(&server.app.store, &job).unwrap()).unwrap();
        kinds.push(letter.mail.kind());
    }
    assert_eq!(kinds, ["password_changed", "email_changed", "second_factor_on"]);
}

#[tokio::test]
async fn few_mails_wait_for_one_address_however_it_is_written() {
    let server = Server::start().await;
    for at in 0..30 {
        let spellings = [ADA, "ADA@Example.com", "ada@ex\u{ad}ample.com", "ada@example\u{3002}com", "ada@example.com."];
        queue(&server, spellings[at % spellings.len()], &Mail::SignUpTaken).await;
    }
    queue(&server, "grace@example.com", &Mail::SignUpTaken).await;
    assert_eq!(server.count("job").await, 11);
    // What the owner must hear is not kept out by what anybody can cause.
    for _ in 0..60 {
        queue(&server, ADA, &Mail::PasswordChanged).await;
    }
    assert_eq!(server.count("job").await, 41);
}

#[tokio::test]
async fn where_no_mail_can_be_sent_none_is_queued() {
    let server = Server::production().await;
    assert!(!server.app.can_mail());
    queue(&server, ADA, &Mail::PasswordChanged).await;
    assert_eq!(server.count("job").await, 0);

    let server = Server::production_with(production_mail()).await;
    assert!(server.app.can_mail());
    queue(&server, ADA, &Mail::PasswordChanged).await;
    assert_eq!(server.count("job").await, 1);
}

/// Whoever waits for a job hears of one, but only of what was committed.
#[tokio::test]
async fn a_committed_job_wakes_whoever_waits() {
    let server = Server::start().await;
    let (mut queued, mut other) = (server.app.store.jobs_queued(), server.app.store.jobs_queued());
    let mut tx = server.app.store.write().await.unwrap();
    mail::queue(&server.app, &mut tx, &Recipient::at(ADA), &Mail::PasswordChanged, server.clock.now()).await.unwrap();
    drop(tx);
    let at_once = Duration::from_millis(1);
    assert!(timeout(at_once, queued.changed()).await.is_err());
    queue(&server, ADA, &Mail::PasswordChanged).await;
    for listener in [&mut queued, &mut other] {
        assert!(timeout(at_once, listener.changed()).await.is_ok());
        assert!(timeout(at_once, listener.changed()).await.is_err(), "each is told once");
    }
}

/// Those of a later version, on another node or before this one was put back.
#[tokio::test]
async fn jobs_of_an_unknown_kind_are_left_and_stop_no_other() {
    let server = Server::start().await;
    queue(&server, ADA, &Mail::PasswordChanged).await;
    server.database.execute("UPDATE job SET kind = 'of_tomorrow'").await;
    queue(&server, ADA, &Mail::PasswordChanged).await;
    server.deliver_mails().await;
    assert_eq!((server.mails().await.len(), server.count("job").await), (1, 1));
}

#[tokio::test]
async fn what_is_queued_at_the_same_time_is_done_in_its_order() {
    let server = Server::start().await;
    let mails = [Mail::SecondFactorOn, Mail::PasswordChanged, Mail::SecondFactorOff, Mail::EmailChanged];
    for mail in &mails {
        queue(&server, ADA, mail).await;
    }
    let jobs = claim(&server, 8).await;
    let letters = jobs.iter().map(|job| job::payload(&server.app.store, job).unwrap());
    let kinds: Vec<_> = letters.map(|letter| serde_json::from_slice::<Letter>(&letter).unwrap().mail.kind()).collect();
    assert_eq!(kinds, mails.map(|mail| mail.kind()));
}
