//! The documents name tests; every one of them must exist.

use std::{collections::BTreeSet, path::Path};

use crate::{docs_security::tests_in, import_rule::rust_files};

/// The names in back-quotes that look like those of tests.
fn named_tests(document: &str) -> Vec<&str> {
    let quoted = document.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| {
            name.matches('_').count() >= 2
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
        .collect()
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources: String = rust_files(&root.join("tests/it"))
        .into_iter()
        .chain(rust_files(&root.join("src")))
        .chain(rust_files(&root.join("crates")))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let mut seen = 0;
    for document in ["docs/rfc-map.md", "docs/security.md", "docs/compliance.md"] {
        for name in named_tests(&std::fs::read_to_string(root.join(document)).unwrap()) {
            seen += 1;
            let exists = sources.contains(&format!("fn {name}("));
            assert!(
                exists
                    || [
                        "private_key_jwt",
                        "client_secret_basic",
                        "client_secret_post",
                        "client_secret_jwt",
                        "id_token_hint",
                        "initiate_login_uri"
                    ]
                    .contains(&name),
                "{document} names {name}, which does not exist"
            );
        }
    }
    assert!(seen > 60, "only {seen} tests are named");
}

/// The last cells of the map: files, each with tests after it. A name before any file is one of the section's.
#[test]
fn every_test_of_the_map_is_in_the_file_that_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/rfc-map.md")).unwrap();
    let mut seen = 0;
    for row in document.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for part in cell.split("; ") {
            let Some((file, names)) = part.split_once(": ") else { continue };
            let file = match file.trim_matches('`') {
                path if path.contains('/') => root.join(path),
                name => root.join("tests/it/oauth").join(format!("{name}.rs")),
            };
            let tests = tests_in(&file);
            for name in names.split('`').skip(1).step_by(2) {
                seen += 1;
                assert!(tests.contains(name), "{name} is not in {}", file.display());
            }
        }
    }
    assert!(seen > 150, "only {seen} tests are named");
}

/// The catalogue of events has each kind that is written, with its outcome, and no other.
#[test]
fn every_kind_of_event_is_in_the_catalogue() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/domain/event.rs")).unwrap();
    let (_, kinds) = source.split_once("pub fn kind(&self)").unwrap();
    let (kinds, _) = kinds.split_once("pub fn detail(").unwrap();
    let written: BTreeSet<_> = kinds.split('"').skip(1).step_by(2).collect();
    assert!(written.len() > 40 && written.contains("login.failed"), "{written:?}");

    let document = std::fs::read_to_string(root.join("docs/audit-events.md")).unwrap();
    let (_, table) = document.split_once("| kind | when |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let mut listed = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split(" | ").collect();
        for kind in cells[0].split('`').skip(1).step_by(2) {
            listed.insert(kind);
            let outcome = if countersign::domain::event::is_failure(kind) { "failure" } else { "success" };
            assert_eq!(cells[2], outcome, "{kind}");
        }
    }
    assert_eq!(listed, written);
}
