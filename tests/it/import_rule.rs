//! Rooms import only from rooms before them (docs/architecture.md). Read from the `use` lines.

use std::path::{Path, PathBuf};

/// What the rules must never see.
const FORBIDDEN_IN_DOMAIN: [&str; 8] =
    ["axum", "sqlx", "josekit", "oxide_auth", "tokio", "reqwest", "askama", "Utc::now"];

/// The rooms in their order, as docs/architecture.md has it. Those of one step may not import each other.
fn order() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, rule) = document.split_once("**The import rule.**").unwrap();
    let steps = rule.split('`').nth(1).unwrap().split('←');
    steps.map(|step| step.split(',').map(|room| room.trim().to_owned()).collect()).collect()
}

fn level(order: &[Vec<String>], room: &str) -> usize {
    let place = order.iter().position(|rooms| rooms.iter().any(|one| one == room));
    place.unwrap_or_else(|| panic!("{room} has no place in the order"))
}

pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The rooms that a file names after `crate::`, in `use` lines and in paths.
fn imported_rooms(source: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        // `$crate` in a macro is the same crate; `some_crate::` is not.
        let before = source[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &source[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            rooms.extend(top_level_names(group));
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    rooms
}

/// The first names within a group of imports: of `{a::b, c::{d, e}}` these are `a` and `c`.
fn top_level_names(group: &str) -> Vec<String> {
    let (mut depth, mut name, mut names, mut in_path) = (0, String::new(), Vec::new(), false);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                in_path = false;
            }
            ':' => in_path = true,
            c if depth == 0 && !in_path && (c.is_alphanumeric() || c == '_') => name.push(c),
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn rooms_import_only_from_rooms_before_them() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = order();
    let mut checked = 0;
    for file in rust_files(&sources) {
        let relative = file.strip_prefix(&sources).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.strip_suffix(".rs").unwrap_or(first);
        if matches!(room, "lib" | "main") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        let source: String =
            source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for import in imported_rooms(&source) {
            if import == room {
                continue;
            }
            checked += 1;
            let allowed = level(&order, &import) < level(&order, room);
            assert!(allowed, "{} imports {import}, which does not come before {room}", relative.display());
        }
        if room == "domain" {
            for forbidden in FORBIDDEN_IN_DOMAIN {
                let named = source.contains(&format!("use {forbidden}")) || source.contains(&format!("{forbidden}::"));
                assert!(!named && !source.contains("async fn"), "{} must not know {forbidden}", relative.display());
            }
        }
    }
    assert!(checked > 100, "only {checked} imports were found: the test looks in the wrong place");
}

#[test]
fn only_one_crate_knows_josekit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "bench/src", "crates/countersign-types/src", "crates/countersign-resource-server/src"];
    for file in folders.iter().flat_map(|folder| rust_files(&root.join(folder))) {
        assert!(!std::fs::read_to_string(&file).unwrap().contains("josekit::"), "{}", file.display());
    }
}

#[test]
fn the_reader_of_imports_sees_all_forms() {
    let source = "use crate::app::App;\nuse crate::{\n    domain::{a, b},\n    http::c,\n};\nfn f() { crate::store::x(); other_crate::y(); }";
    assert_eq!(imported_rooms(source), ["app", "domain", "http", "store"]);
}
