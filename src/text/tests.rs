use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;
use fluent_bundle::FluentResource;

use super::{
    catalog::{FILES, File},
    *,
};

/// Markup that a text may have.
const ELEMENTS: [&str; 3] = ["code", "em", "strong"];

fn english() -> Texts {
    Texts::for_page(Language::English)
}

fn german() -> Texts {
    Texts::for_page(Language::German)
}

/// The messages of a file, by key, each with its lines as they are written.
fn messages(file: File, language: Language) -> BTreeMap<String, String> {
    let mut messages: Vec<(String, String)> = Vec::new();
    for line in file.source(language).lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (key, text) = line.split_once('=').unwrap_or_else(|| panic!("{}: {line}", file.name));
            messages.push((key.trim().to_owned(), text.trim().to_owned()));
        } else if let Some((_, text)) = messages.last_mut() {
            *text = format!("{text}\n{line}");
        }
    }
    let count = messages.len();
    let messages: BTreeMap<_, _> = messages.into_iter().collect();
    assert_eq!(messages.len(), count, "{} ({}): every key once", file.name, language.tag());
    messages
}

/// The messages of all files.
fn all(language: Language) -> BTreeMap<String, String> {
    FILES.iter().flat_map(|file| messages(*file, language)).collect()
}

/// The names that follow a `$`.
fn variables(text: &str) -> BTreeSet<&str> {
    let name = |rest: &'_ str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    text.split('$').skip(1).map(|rest| &rest[..name(rest)]).collect()
}

fn files_in(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_in(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between quotes.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    source.lines().flat_map(|line| line.split('"').skip(1).step_by(2))
}

/// The keys named in source code and templates, each with the file that names it and the method it is handed to, if any.
fn named_keys() -> Vec<(String, PathBuf, String)> {
    let mut named = Vec::new();
    let is_key = |text: &str| {
        FILES.iter().any(|file| {
            text.strip_prefix(file.name).is_some_and(|rest| {
                rest.len() > 1
                    && rest.starts_with('-')
                    && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            })
        })
    };
    for path in files_in(&root().join("src"), "rs") {
        let source = std::fs::read_to_string(&path).unwrap();
        // Neither in comments nor in tests.
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let keys = literals(line).filter(|text| is_key(text));
            named.extend(keys.map(|key| (key.to_owned(), path.clone(), String::new())));
        }
    }
    for extension in ["html", "txt"] {
        for path in files_in(&root().join("templates"), extension) {
            let source = std::fs::read_to_string(&path).unwrap();
            for method in ["text", "with", "markup", "html", "get"] {
                let call = format!(".{method}(\"");
                let calls = source.split(&call).skip(1);
                let keys = calls.map(|rest| rest.split('"').next().unwrap());
                named.extend(keys.map(|key| (key.to_owned(), path.clone(), method.to_owned())));
            }
        }
    }
    named
}

#[test]
fn every_file_can_be_read() {
    for language in Language::ALL {
        for file in FILES {
            let source = file.source(language).to_owned();
            if let Err((_, errors)) = FluentResource::try_new(source) {
                panic!("{} ({}): {errors:?}", file.name, language.tag());
            }
        }
        let folder = root().join("templates/text").join(language.tag());
        let there: BTreeSet<_> = files_in(&folder, "ftl")
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let known: BTreeSet<_> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(there, known, "{}", language.tag());
    }
}

#[test]
fn all_languages_say_the_same_things() {
    for file in FILES {
        let (english, german) = (messages(*file, Language::English), messages(*file, Language::German));
        assert_eq!(english.keys().collect::<Vec<_>>(), german.keys().collect::<Vec<_>>(), "{}", file.name);
        for (key, text) in &english {
            assert!(key.starts_with(&format!("{}-", file.name)), "{key} is not of {}", file.name);
            assert_eq!(variables(text), variables(&german[key]), "{key}");
            assert_eq!(tags(text), tags(&german[key]), "{key}");
        }
    }
}

#[test]
fn every_text_that_is_named_exists_and_every_text_is_named() {
    let texts = all(Language::English);
    let named = named_keys();
    for (key, path, method) in &named {
        let text = texts.get(key).unwrap_or_else(|| panic!("{}: there is no {key}", path.display()));
        if !method.is_empty() {
            let is_safe = matches!(method.as_str(), "html" | "markup") || !text.contains('<');
            assert!(is_safe, "{}: {key} has markup, and would show it", path.display());
            let has_values = !variables(text).is_subset(&BTreeSet::from(["brand"]));
            let is_given_some = matches!(method.as_str(), "with" | "html");
            assert_eq!(is_given_some, has_values, "{}: the values of {key}", path.display());
        }
    }
    let mut named: BTreeSet<&str> = named.iter().map(|(key, ..)| key.as_str()).collect();
    // By other texts.
    for text in texts.values() {
        named.extend(text.split("{ ").skip(1).filter_map(|rest| rest.split_once(' ').map(|(key, _)| key)));
    }
    let unused: Vec<_> = texts.keys().filter(|key| !named.contains(key.as_str())).collect();
    assert!(unused.is_empty(), "nobody names {unused:?}");
}

/// What is left of a template without what it is told by code: its own markup and words.
fn without_code(template: &str) -> String {
    let after =
        |rest: &str, end: &str| rest.split_once(end).unwrap_or_else(|| panic!("no {end} in {rest}")).1.to_owned();
    let mut rest = template.to_owned();
    let mut left = String::new();
    while let Some((before, after_start)) = rest.split_once('{') {
        left.push_str(before);
        rest = match after_start.as_bytes().first() {
            Some(b'{') => after(after_start, "}}"),
            Some(b'%') => after(after_start, "%}"),
            _ => after_start.to_owned(),
        };
    }
    left + &rest
}

#[test]
fn templates_have_no_words_of_their_own() {
    for path in files_in(&root().join("templates"), "html") {
        let markup = without_code(&std::fs::read_to_string(&path).unwrap());
        let mut is_code = false;
        for rest in markup.split('<').skip(1) {
            let (tag, text) = rest.split_once('>').unwrap();
            // Commands are the same in every language.
            match tag {
                "code" | "pre" => is_code = true,
                "/code" | "/pre" => is_code = false,
                _ => {}
            }
            // Paths of ours stand as they are; so do punctuation and brackets.
            let is_ours = text.contains("/.well-known/");
            let words = text.contains(char::is_alphabetic) && !is_code && !is_ours;
            assert!(!words, "{}: {:?} is hard-wired", path.display(), text.trim());
            for read_aloud in ["aria-label=\"", "alt=\"", "title=\"", "placeholder=\""] {
                let value = tag.split(read_aloud).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
                assert!(!value.contains(char::is_alphabetic), "{}: {value:?} is hard-wired", path.display());
            }
        }
    }
}

/// The tags of a text, sorted.
fn tags(text: &str) -> Vec<&str> {
    let mut tags: Vec<&str> = text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
    tags.sort_unstable();
    tags
}

#[test]
fn markup_is_whole_and_harmless() {
    for language in Language::ALL {
        for (key, text) in all(language) {
            let mut open = Vec::new();
            for rest in text.split('<').skip(1) {
                let tag = rest.split_once('>').unwrap_or_else(|| panic!("{key}: a tag without end")).0;
                match tag.strip_prefix('/') {
                    Some(name) => assert_eq!(open.pop(), Some(name), "{key}"),
                    None => open.push(tag),
                }
                assert!(ELEMENTS.contains(&tag.trim_start_matches('/')), "{key}: <{tag}>");
            }
            assert!(open.is_empty(), "{key}: {open:?} stay open");
        }
    }
}

#[test]
fn values_cannot_change_the_text_around_them() {
    let hostile = "a\u{2069}\u{202e}<b>\r\nBcc: x";
    let values = [("app", hostile)];
    assert_eq!(english().with("login-title-for", &values), "Sign in to \u{2068}a<b>Bcc: x\u{2069}");
    assert_eq!(Texts::for_mail(Language::English).with("login-title-for", &values), "Sign in to a<b>Bcc: x");
    let html = english().html("login-title-for", values.into_iter().map(|(name, value)| (name, value.into())));
    assert_eq!(html, "Sign in to <bdi>a&lt;b&gt;Bcc: x</bdi>");
}

#[test]
fn what_is_missing_does_not_bring_a_page_down() {
    assert_eq!(english().get("login-nothing"), "login-nothing");
    assert!(english().get("login-title-for").starts_with("Sign in to "));
}

#[test]
fn spans_are_rounded_up_and_told_in_words() {
    let span = |millis| english().span(Duration::from_millis(millis));
    assert_eq!(span(1_000), "1 second");
    assert_eq!(span(1_001), "2 seconds");
    assert_eq!(span(64_000), "64 seconds");
    assert_eq!(span(128_000), "3 minutes");
    assert_eq!(span(7_200_000), "2 hours");
    assert_eq!(span(30 * 86_400_000), "30 days");
    assert_eq!(german().span(Duration::from_secs(1)), "1 Sekunde");
    assert_eq!(german().span(Duration::from_hours(720)), "30 Tage");
}

#[test]
fn days_are_written_as_each_language_does() {
    let at = DateTime::from_timestamp(1_785_938_580, 0).unwrap();
    assert_eq!(english().moment(at), "5 August 2026, 14:03 UTC");
    assert_eq!(german().moment(at), "5. August 2026, 14:03 Uhr (UTC)");
    assert_eq!(english().day(at), "5 August 2026");
    assert_eq!(german().day(at), "5. August 2026");
}
