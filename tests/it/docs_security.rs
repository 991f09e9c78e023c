//! docs/security.md and docs/compliance.md promise tests: every one that they name must be there, every attack that is tried must be
//! named, and no requirement may be left out.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    std::fs::read_to_string(root().join("docs/security.md")).unwrap()
}

fn compliance() -> String {
    std::fs::read_to_string(root().join("docs/compliance.md")).unwrap()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of the tests in a file.
pub fn tests_in(file: &Path) -> BTreeSet<String> {
    let source = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = source.lines();
    let mut tests = BTreeSet::new();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[test") || line.trim_start().starts_with("#[tokio::test") {
            let signature = lines.by_ref().find_map(|line| line.split_once("fn ")).unwrap().1;
            tests.insert(signature.split('(').next().unwrap().to_owned());
        }
    }
    tests
}

/// Where a test is that is named by its file.
fn file_of(name: &str) -> PathBuf {
    let in_place = name.starts_with("src/") || name.starts_with("crates/");
    root().join(if in_place { "" } else { "tests/it" }).join(format!("{name}.rs"))
}

#[test]
fn every_test_that_is_named_exists() {
    let documents = document() + &compliance();
    let named: Vec<_> = quoted(&documents).filter_map(|text| text.split_once("::")).collect();
    assert!(named.len() > 200, "only {} tests are named", named.len());
    for (file, name) in named {
        assert!(tests_in(&file_of(file)).contains(name), "{file}::{name} does not exist");
    }
}

#[test]
fn every_file_that_is_named_exists() {
    let is_path = |text: &&str| (text.starts_with("src/") || text.starts_with("crates/")) && !text.contains(':');
    for document in [document(), compliance()] {
        for file in quoted(&document).filter(is_path) {
            assert!(root().join(file).exists(), "{file} does not exist");
        }
    }
}

/// How many requirements the sections of these chapters have in OWASP ASVS 5.0.0.
const ASVS: [(&str, &[usize]); 4] =
    [("6", &[3, 12, 8, 6, 8, 4, 2, 4]), ("7", &[3, 4, 2, 5, 3, 2]), ("9", &[3, 4]), ("10", &[2, 3, 5, 16, 5, 2, 3])];

#[test]
fn every_requirement_of_asvs_has_a_line_that_says_where_or_what_is_missing() {
    let document = compliance();
    let (_, tables) = document.split_once("## OWASP ASVS 5.0").unwrap();
    let lines = tables.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    let mut numbers = Vec::new();
    for line in lines {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, requirement, _, told, _] = cells[..] else { panic!("{line}") };
        let says = |words: &str| told.contains(words);
        let has_test = says("::") || says("attack ");
        assert!(
            !requirement.is_empty() && (has_test || says("by reading") || says("later") || says("holds")),
            "{line}"
        );
        numbers.push(number.to_owned());
    }
    let sections = |(chapter, counts): &(&'static str, &'static [usize])| {
        let (chapter, counts) = (*chapter, *counts);
        let section =
            move |(at, count): (usize, &usize)| (1..=*count).map(move |n| format!("{chapter}.{}.{n}", at + 1));
        counts.iter().enumerate().flat_map(section).collect::<Vec<_>>()
    };
    assert_eq!(numbers, ASVS.iter().flat_map(sections).collect::<Vec<_>>());
}

/// Each standard and specification of 45 CFR 164.312, with a test that exists for what is ours.
#[test]
fn every_technical_safeguard_has_a_line_with_tests_that_exist() {
    let document = compliance();
    for paragraph in [
        "(a)(1)",
        "(a)(2)(i) R",
        "(a)(2)(ii) R",
        "(a)(2)(iii) A",
        "(a)(2)(iv) A",
        "(b)",
        "(c)(1)",
        "(c)(2) A",
        "(d)",
        "(e)(1)",
        "(e)(2)(i) A",
        "(e)(2)(ii) A",
    ] {
        let line = document.lines().find(|line| line.starts_with(&format!("| {paragraph} |")));
        let line = line.unwrap_or_else(|| panic!("{paragraph} is missing"));
        let named: Vec<_> = quoted(line).filter_map(|text| text.split_once("::")).collect();
        assert!(!named.is_empty(), "{paragraph} names no test");
        for (file, name) in named {
            assert!(tests_in(&file_of(file)).contains(name), "{file}::{name} does not exist");
        }
    }
}

#[test]
fn every_attack_has_a_line_that_names_all_its_tests() {
    let document = document();
    let (_, table) = document.split_once("## Attacks by number").unwrap();
    let line =
        |number: usize| table.lines().find(|line| line.starts_with(&format!("| {number} |"))).unwrap().to_owned();
    for entry in std::fs::read_dir(root().join("tests/it/attacks")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some(number) = stem.strip_prefix('a').and_then(|rest| rest.split('_').next()?.parse().ok()) else {
            continue;
        };
        let line = line(number);
        let (_, listed) = line.split_once(&format!("`{stem}.rs`: ")).unwrap_or_else(|| panic!("{stem} is not named"));
        let listed = quoted(listed.split(';').next().unwrap());
        let listed: BTreeSet<_> = listed.map(str::to_owned).collect();
        assert_eq!(listed, tests_in(&path), "the tests of attack {number} in docs/security.md");
    }
    (1..=22).for_each(|number| drop(line(number)));
}
