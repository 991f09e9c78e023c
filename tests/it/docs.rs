//! The documents name tests; every one of them must exist.

use std::path::Path;

use crate::import_rule::rust_files;

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
    for document in ["docs/rfc-map.md", "docs/security.md"] {
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
                        "id_token_hint"
                    ]
                    .contains(&name),
                "{document} names {name}, which does not exist"
            );
        }
    }
    assert!(seen > 60, "only {seen} tests are named");
}
