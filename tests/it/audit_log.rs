//! The log that the audit trail is sealed into: whatever is done to a sealed event behind the provider's back is found.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::post};
use chrono::TimeDelta;
use countersign::{
    admin::verify_audit::{Problem, Report, verify},
    domain::{
        audit_log::{
            StoredEvent,
            checkpoint::{NoteError, Signer, Verifier, notes},
            tree::Tree,
        },
        event::{AuditEntry, Event, Personal},
    },
    jobs::seal_audit,
    login,
    store::{audit, audit_log},
};
use tokio::net::TcpListener;

use crate::harness::Server;

/// Writes so many events, one after the other.
async fn happen(server: &Server, events: u32) {
    for left in 0..events {
        let mut tx = server.app.store.write().await.unwrap();
        let personal = Personal { address: Some("192.0.2.1".to_owned()), user_agent: None };
        let entry = AuditEntry::new(Event::RecoveryCodeUsed { left }).personal(personal);
        audit::record(&mut tx, &entry, server.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn seal(server: &Server) {
    seal_audit::run(&server.app).await.unwrap();
}

async fn look(server: &Server) -> Report {
    verify(&server.app, &[], None).await.unwrap()
}

async fn verifier(server: &Server) -> Verifier {
    let log = audit_log::find(&mut server.app.store.read().await.unwrap()).await.unwrap().unwrap();
    log.signer().unwrap().verifier().unwrap()
}

/// A log of ten events, with checkpoints after the fourth and the last.
async fn of_ten() -> Server {
    of_ten_with("").await
}

async fn of_ten_with(settings: &str) -> Server {
    let server = Server::with_settings(settings).await;
    happen(&server, 4).await;
    seal(&server).await;
    happen(&server, 6).await;
    seal(&server).await;
    server
}

/// What is found after somebody did this to the database.
async fn found(server: &Server, sql: &str) -> Vec<Problem> {
    for statement in sql.split(';') {
        server.database.execute(statement).await;
    }
    look(server).await.problems
}

async fn id_at(server: &Server, leaf: u64) -> i64 {
    let events = audit_log::events(&mut server.app.store.read().await.unwrap(), leaf, leaf + 1).await.unwrap();
    events[0].1.id
}

#[tokio::test]
async fn a_sealed_trail_verifies_and_grows() {
    let server = of_ten().await;
    happen(&server, 3).await;
    let report = look(&server).await;
    assert_eq!((report.sealed, report.waiting.0, report.checkpoints, report.problems), (10, 3, 2, vec![]));
    seal(&server).await;
    let report = look(&server).await;
    assert_eq!((report.sealed, report.waiting, report.checkpoints, report.found), (13, (0, None), 3, 0));
    // A round with nothing to do signs nothing.
    seal(&server).await;
    assert_eq!(server.count("audit_checkpoint").await, 3);
}

#[tokio::test]
async fn an_empty_trail_verifies() {
    let server = Server::start().await;
    let report = look(&server).await;
    assert_eq!((report.sealed, report.found), (0, 0));
}

#[tokio::test]
async fn a_flood_is_sealed_in_many_steps() {
    let server = of_ten().await;
    let copy = "INSERT INTO audit_event (at, kind, detail) SELECT at, kind, detail FROM audit_event";
    for _ in 0..8 {
        server.database.execute(copy).await;
    }
    seal(&server).await;
    let report = look(&server).await;
    assert_eq!((report.sealed, report.waiting.0, report.checkpoints, report.problems), (2_560, 0, 3, vec![]));
}

/// Redis, PostgreSQL or a disk may be gone at any time: what was sealed is sealed once.
#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_seal_every_event_once() {
    let server = of_ten().await;
    for _ in 0..5 {
        happen(&server, 20).await;
        let rounds = (0..4).map(|_| {
            let app = server.app.clone();
            tokio::spawn(async move { seal_audit::run(&app).await })
        });
        for round in rounds.collect::<Vec<_>>() {
            round.await.unwrap().unwrap();
        }
    }
    let report = look(&server).await;
    assert_eq!((report.sealed, report.waiting.0, report.problems), (110, 0, vec![]));
}

#[tokio::test]
async fn a_changed_event_is_named() {
    for change in [
        "kind = 'login.succeeded'",
        "detail = '{}'",
        "user_id = 'somebody'",
        "client_id = 'app'",
        "sid = 's'",
        "gid = 'g'",
        "request_id = 'r'",
        "personal = NULL",
        "at = (SELECT MIN(applied_at) FROM node_time)",
    ] {
        let server = of_ten().await;
        let id = id_at(&server, 6).await;
        server.database.execute("CREATE TABLE node_time (applied_at TIMESTAMPTZ)").await;
        server.database.execute("INSERT INTO node_time VALUES ('2020-01-01T00:00:00+00:00')").await;
        let problems = found(&server, &format!("UPDATE audit_event SET {change} WHERE leaf = 6")).await;
        let [Problem::Changed { leaf: 6, id: named, .. }] = problems.as_slice() else {
            panic!("{change}: {problems:?}")
        };
        assert_eq!(*named, id);
    }
}

#[tokio::test]
async fn an_event_with_another_number_is_a_changed_one() {
    let server = of_ten().await;
    let id = id_at(&server, 6).await;
    let other = if server.database.is_sqlite() { "1000000" } else { "DEFAULT" };
    let problems = found(&server, &format!("UPDATE audit_event SET id = {other} WHERE leaf = 6")).await;
    let [Problem::Changed { leaf: 6, id: named, .. }] = problems.as_slice() else { panic!("{problems:?}") };
    assert_ne!(*named, id);
}

#[tokio::test]
async fn a_removed_event_is_named() {
    for leaf in [0, 6, 9] {
        let server = of_ten().await;
        let problems = found(&server, &format!("DELETE FROM audit_event WHERE leaf = {leaf}")).await;
        assert_eq!(problems, [Problem::Missing { leaf }]);
    }
}

#[tokio::test]
async fn events_that_changed_places_are_named() {
    let server = of_ten().await;
    let (second, eighth) = (id_at(&server, 2).await, id_at(&server, 8).await);
    let swap = "UPDATE audit_event SET leaf = 99 WHERE leaf = 2;
                UPDATE audit_event SET leaf = 2 WHERE leaf = 8;
                UPDATE audit_event SET leaf = 8 WHERE leaf = 99";
    let expected = [Problem::Moved { leaf: 2, id: eighth, from: 8 }, Problem::Moved { leaf: 8, id: second, from: 2 }];
    assert_eq!(found(&server, swap).await, expected);
}

#[tokio::test]
async fn an_event_taken_out_with_its_hash_is_named() {
    let server = of_ten().await;
    let all = "DELETE FROM audit_event WHERE leaf = 6; DELETE FROM audit_leaf WHERE leaf = 6";
    let problems = found(&server, all).await;
    // The hashes above it are there, so that the rest is known to be whole.
    assert_eq!(problems, [Problem::Hash { leaf: 6 }, Problem::Missing { leaf: 6 }]);
}

/// Whoever knows how it works, but not the master key.
#[tokio::test]
async fn a_changed_event_with_a_hash_to_match_is_named() {
    let server = of_ten().await;
    server.database.execute("UPDATE audit_event SET kind = 'x' WHERE leaf = 6").await;
    let event = audit_log::events(&mut server.app.store.read().await.unwrap(), 6, 7).await.unwrap().remove(0).1;
    let bytes = event.hash().0.into_iter().map(|byte| [byte >> 4, byte & 15]);
    let hash: String = bytes.flatten().map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect();
    let bytes = if server.database.is_sqlite() { format!("x'{hash}'") } else { format!("'\\x{hash}'::bytea") };
    let problems = found(&server, &format!("UPDATE audit_leaf SET hashes = {bytes} WHERE leaf = 6")).await;
    assert_eq!(problems, [Problem::Hash { leaf: 6 }]);
    // At the end there is nothing above it yet but the checkpoint.
    let problems =
        found(&server, "DELETE FROM audit_leaf WHERE leaf = 9; UPDATE audit_event SET kind = 'x' WHERE leaf = 9").await;
    assert_eq!(problems, [Problem::Hash { leaf: 6 }, Problem::Hash { leaf: 9 }, Problem::Root { size: 10 }]);
}

/// Not even by who has the master key.
#[tokio::test]
async fn a_log_that_was_sealed_anew_is_not_that_of_its_checkpoints() {
    let server = of_ten().await;
    let mut tx = server.app.store.write().await.unwrap();
    let log = audit_log::hold(&mut tx, "x").await.unwrap();
    let mut tree = Tree::default();
    let mut completed = Vec::new();
    for (leaf, event) in audit_log::events(&mut tx, 0, 10).await.unwrap() {
        let changed = StoredEvent { kind: if leaf == 6 { "x".to_owned() } else { event.kind.clone() }, ..event };
        completed.push(tree.append(changed.hash()).unwrap());
    }
    tx.commit().await.unwrap();
    found(&server, "DELETE FROM audit_leaf; UPDATE audit_event SET kind = 'x' WHERE leaf = 6").await;
    let mut tx = server.app.store.write().await.unwrap();
    audit_log::insert_leaves(&mut tx, &log, 0, &completed).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(look(&server).await.problems, [Problem::Root { size: 10 }]);
}

#[tokio::test]
async fn an_event_that_was_slipped_in_is_named() {
    let server = of_ten().await;
    let slipped =
        "INSERT INTO audit_event (leaf, at, kind, detail) SELECT 10, at, 'x', '{}' FROM audit_event WHERE leaf = 9";
    let problems = found(&server, slipped).await;
    assert!(matches!(problems.as_slice(), [Problem::Stranger { .. }]), "{problems:?}");
}

#[tokio::test]
async fn an_end_that_was_cut_off_is_found() {
    let server = of_ten().await;
    let outside = server.checkpoint_notes().await;
    let cut = "DELETE FROM audit_event WHERE leaf >= 4; DELETE FROM audit_leaf WHERE leaf >= 4;
               UPDATE audit_log SET size = 4";
    let problems = found(&server, cut).await;
    assert_eq!(problems, [Problem::Log, Problem::Truncated { from: 4, size: 10 }]);
    // Even with the checkpoints gone the log itself was written by somebody else.
    assert_eq!(found(&server, "DELETE FROM audit_checkpoint WHERE size > 4").await, [Problem::Log]);
    let report = verify(&server.app, &outside, None).await.unwrap();
    assert!(report.problems.contains(&Problem::Truncated { from: 4, size: 10 }), "{:?}", report.problems);
    // And nothing is signed on top of it.
    happen(&server, 1).await;
    let error = seal_audit::run(&server.app).await.unwrap_err();
    assert!(error.to_string().contains("countersign audit verify"), "{error}");
    assert_eq!(server.count("audit_checkpoint").await, 1);
}

/// Back to a state that was true once: only who kept a checkpoint knows.
#[tokio::test]
async fn a_database_of_before_is_found_by_a_checkpoint_kept_elsewhere() {
    let server = of_ten().await;
    let key = verifier(&server).await;
    server.database.execute("CREATE TABLE before_log AS SELECT * FROM audit_log").await;
    happen(&server, 2).await;
    seal(&server).await;
    let outside = server.checkpoint_notes().await;
    let back = "DELETE FROM audit_event WHERE leaf >= 10; DELETE FROM audit_leaf WHERE leaf >= 10;
                DELETE FROM audit_checkpoint WHERE size > 10; DELETE FROM audit_log;
                INSERT INTO audit_log SELECT * FROM before_log";
    assert_eq!(found(&server, back).await, []);
    let report = verify(&server.app, &outside, Some(key)).await.unwrap();
    assert_eq!(report.problems, [Problem::Truncated { from: 10, size: 12 }]);
}

#[tokio::test]
async fn a_log_that_was_begun_anew_is_found_by_its_key() {
    let server = of_ten().await;
    let (key, outside) = (verifier(&server).await, server.checkpoint_notes().await);
    let anew = "UPDATE audit_event SET leaf = NULL; DELETE FROM audit_leaf;
                DELETE FROM audit_checkpoint; DELETE FROM audit_log; DELETE FROM audit_event WHERE detail LIKE '%3%'";
    found(&server, anew).await;
    seal(&server).await;
    assert_eq!(look(&server).await.found, 0);
    let report = verify(&server.app, &outside, Some(key)).await.unwrap();
    assert_eq!(report.problems, [Problem::Root { size: 4 }, Problem::Truncated { from: 8, size: 10 }]);
    // Without the key from outside, its own does not know them either.
    let report = verify(&server.app, &outside, None).await.unwrap();
    assert_eq!(report.problems[0], Problem::Checkpoint { size: 4, error: NoteError::Signature });
}

#[tokio::test]
async fn a_forged_checkpoint_is_found() {
    let server = of_ten().await;
    let note = server.checkpoint_notes().await.remove(1);
    let other = Signer::new("localhost:8080/audit", &[1; 32]).unwrap();
    let forged = other.sign(&verifier(&server).await.open(&note).unwrap()).unwrap();
    let problems = found(&server, &format!("UPDATE audit_checkpoint SET note = '{forged}' WHERE size = 10")).await;
    assert_eq!(problems, [Problem::Checkpoint { size: 10, error: NoteError::Signature }]);
}

/// However many there are, and wherever in the log.
#[tokio::test]
async fn every_checkpoint_is_compared() {
    let server = of_ten().await;
    for _ in 0..8 {
        let copy = "INSERT INTO audit_event (at, kind, detail) SELECT at, kind, detail FROM audit_event";
        server.database.execute(copy).await;
    }
    seal(&server).await;
    happen(&server, 1).await;
    seal(&server).await;
    let report = look(&server).await;
    assert_eq!((report.sealed, report.checkpoints, report.problems), (2_561, 4, vec![]));
    let other = server.checkpoint_notes().await.remove(0);
    let problems = found(&server, &format!("UPDATE audit_checkpoint SET note = '{other}' WHERE size = 2561")).await;
    assert_eq!(problems, [Problem::Checkpoint { size: 2_561, error: NoteError::Malformed }]);
}

#[tokio::test]
async fn checkpoints_name_the_issuer_and_the_time() {
    let server = of_ten().await;
    let notes = server.checkpoint_notes().await;
    let key = verifier(&server).await;
    assert!(notes[0].starts_with("localhost:8080/audit\n4\n"), "{}", notes[0]);
    let checkpoint = key.open(&notes[1]).unwrap();
    assert_eq!((checkpoint.size, checkpoint.at), (10, server.clock.now()));
}

#[tokio::test]
async fn checkpoints_are_appended_to_a_file_whatever_happens_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints");
    let server = of_ten_with(&format!("audit.checkpoint_file = '{}'", file.display())).await;
    let in_file = || notes(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(in_file(), server.checkpoint_notes().await);
    // Half a line, as a crash leaves it; and a file that somebody took away.
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 30]).unwrap();
    happen(&server, 1).await;
    seal(&server).await;
    assert_eq!(in_file(), server.checkpoint_notes().await);
    let report = verify(&server.app, &in_file(), Some(verifier(&server).await)).await.unwrap();
    assert_eq!(report.problems, []);
    std::fs::remove_file(&file).unwrap();
    seal(&server).await;
    assert_eq!(in_file().len(), 3);
}

/// The database was made anew, or put back to what it was before, and the file was not.
#[tokio::test]
async fn a_file_of_another_past_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints");
    let setting = format!("audit.checkpoint_file = '{}'", file.display());
    let in_file = || notes(&std::fs::read_to_string(&file).unwrap());
    let server = of_ten_with(&setting).await;
    server.database.execute("CREATE TABLE before_log AS SELECT * FROM audit_log").await;
    happen(&server, 5).await;
    seal(&server).await;
    let mut expected = server.checkpoint_notes().await;
    let back = "DELETE FROM audit_event WHERE leaf >= 10; DELETE FROM audit_leaf WHERE leaf >= 10;
                DELETE FROM audit_checkpoint WHERE size > 10; DELETE FROM audit_log;
                INSERT INTO audit_log SELECT * FROM before_log";
    assert_eq!(found(&server, back).await, []);
    happen(&server, 1).await;
    seal(&server).await;
    expected.extend(server.checkpoint_notes().await.split_off(2));
    assert_eq!(in_file(), expected, "one of 15 events, and then one of 11");
    seal(&server).await;
    assert_eq!(in_file().len(), expected.len(), "nothing twice");

    let anew = of_ten_with(&setting).await;
    expected.extend(anew.checkpoint_notes().await);
    seal(&anew).await;
    assert_eq!(in_file(), expected);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_keeps_nothing_else_from_being_done() {
    let server = of_ten_with("audit.checkpoint_file = '/proc/nowhere/checkpoints'").await;
    assert_eq!(look(&server).await.found, 0);
}

#[tokio::test]
async fn checkpoints_are_posted_once_and_again_after_a_failure() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let refuses = Arc::new(Mutex::new(false));
    let (seen, refusing) = (taken.clone(), refuses.clone());
    let handler = post(async move |body: String| {
        if *refusing.lock().unwrap() {
            return http::StatusCode::SERVICE_UNAVAILABLE;
        }
        seen.lock().unwrap().push(body);
        http::StatusCode::NO_CONTENT
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/checkpoints", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/checkpoints", handler)).await });

    let server = of_ten_with(&format!("audit.checkpoint_url = '{url}'")).await;
    let mut expected = server.checkpoint_notes().await;
    assert_eq!(taken.lock().unwrap().split_off(0), expected);
    *refuses.lock().unwrap() = true;
    happen(&server, 1).await;
    seal(&server).await;
    *refuses.lock().unwrap() = false;
    seal(&server).await;
    seal(&server).await;
    expected = server.checkpoint_notes().await.split_off(2);
    assert_eq!(taken.lock().unwrap().split_off(0), expected);
}

/// Only what somebody else has proves anything of the end.
#[tokio::test]
async fn when_many_wait_the_newest_is_handed_on_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = of_ten_with("").await;
    for size in 1_000..1_501 {
        let sql =
            format!("INSERT INTO audit_checkpoint SELECT {size}, at, note FROM audit_checkpoint WHERE size < 1000");
        server.database.execute(&format!("{sql} LIMIT 1")).await;
    }
    let mut tx = server.app.store.read().await.unwrap();
    let fresh = audit_log::fresh_checkpoints(&mut tx, 999, 500).await.unwrap();
    assert_eq!(fresh.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [1_500]);
    assert_eq!(audit_log::fresh_checkpoints(&mut tx, 1_000, 500).await.unwrap().len(), 500);
    drop((tx, folder));
}

#[tokio::test]
async fn a_checkpoint_covers_the_last_event_however_many_there_were() {
    let server = Server::start().await;
    let waiting = server.count("audit_event WHERE leaf IS NULL").await;
    happen(&server, u32::try_from(500 - waiting).unwrap()).await;
    seal(&server).await;
    let covered = || async { server.count("audit_checkpoint c WHERE c.size = 500").await };
    assert_eq!((server.count("audit_event WHERE leaf IS NULL").await, covered().await), (0, 1));
    // A process that was killed between sealing and signing.
    server.database.execute("DELETE FROM audit_checkpoint").await;
    seal(&server).await;
    assert_eq!(covered().await, 1);
}

#[tokio::test]
async fn events_that_were_kept_long_enough_go_and_their_proofs_stay() {
    let server = of_ten_with("audit.retention = '30d'").await;
    server.advance(TimeDelta::days(20));
    happen(&server, 5).await;
    seal(&server).await;
    server.advance(TimeDelta::days(10) + TimeDelta::seconds(1));
    seal(&server).await;
    // What tells of it is sealed with the next round.
    assert_eq!(server.count("audit_event WHERE leaf < 10").await, 0);
    assert_eq!(server.count("audit_event WHERE leaf IS NOT NULL").await, 5);
    seal(&server).await;
    let report = look(&server).await;
    assert_eq!((report.sealed, report.kept_from, report.checkpoints, report.problems), (16, 10, 4, vec![]));
    let newest = server.audit(1).await.remove(0);
    assert_eq!((newest.kind.as_str(), newest.detail.as_str()), ("audit_events.removed", "{\"before\":10}"));
    // It covers nothing that somebody else took away, nor can the line be moved.
    let problems = found(&server, "DELETE FROM audit_event WHERE leaf = 12").await;
    assert_eq!(problems, [Problem::Missing { leaf: 12 }]);
    let problems = found(&server, "UPDATE audit_log SET kept_from = 13").await;
    assert_eq!(problems, [Problem::Log]);
}

#[tokio::test]
async fn unsealed_events_are_kept_however_old() {
    let server = of_ten_with("audit.retention = '1d'").await;
    happen(&server, 1).await;
    server.advance(TimeDelta::days(5));
    seal(&server).await;
    assert_eq!(look(&server).await.found, 0);
}

/// The rows of somebody whose account is gone still prove that they were there, and name nobody.
#[tokio::test]
async fn a_removed_account_breaks_no_proof() {
    let server = of_ten().await;
    let ada = server.add_user("ada@example.com", None).await;
    server.browser().give_password("ada@example.com").await;
    seal(&server).await;
    let mut tx = server.app.store.write().await.unwrap();
    login::account::delete(&server.app, &mut tx, &ada, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    seal(&server).await;
    assert_eq!(look(&server).await.problems, []);
}

#[tokio::test]
async fn an_event_bears_the_name_of_its_request() {
    let server = Server::start().await;
    server.add_user("ada@example.com", None).await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let reply = browser.submit_only(&page, &[("username", "ada@example.com"), ("password", "wrong password")]).await;
    let failed = server.audit(1).await.remove(0);
    assert_eq!(failed.kind, "login.failed");
    assert_eq!(failed.request.as_deref(), reply.header("x-request-id"));
}
