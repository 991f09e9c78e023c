//! `countersign migrate`.

use std::process::Stdio;

use super::machine::Machine;

#[tokio::test]
async fn a_schema_that_is_up_to_date_stays_as_it_is() {
    let machine = Machine::new().await;
    for _ in 0..2 {
        let text = machine.run(&["migrate"]).assert_ok();
        assert_eq!(text, "The database schema is up to date.\n");
        machine.run(&["user", "list"]).assert_ok();
    }
}

#[tokio::test]
async fn two_at_once_on_a_new_database_both_succeed() {
    let machine = Machine::new().await;
    let start = || {
        let mut command = machine.command(&["migrate"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in [start(), start(), start(), start()] {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    machine.run(&["user", "list"]).assert_ok();
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_told_in_one_line() {
    for url in ["postgres://nobody:hunter2@127.0.0.1:1/none", "sqlite:///proc/none/countersign.db"] {
        let machine = Machine::new().await.with("DATABASE__URL", url);
        for command in [&["migrate"] as &[&str], &["user", "list"], &["serve"]] {
            let refused = machine.run(command);
            refused.assert_fails("the database");
            assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
        }
    }
}
