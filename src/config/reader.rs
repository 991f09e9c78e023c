//! Where settings come from, and the list of all that is wrong with them.
//!
//! Each setting is read by its name, so the reader comes to know all names; what nobody has read at the end is unknown.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::Serialize;
use serde_json::Value as Json;
use toml::{Table, Value as Toml};

use super::value::Setting;

/// Every variable that begins with this is meant for us.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// Where a setting's value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The TOML file.
    File,
    /// A `COUNTERSIGN_…` variable.
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
        })
    }
}

/// One setting as it was loaded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// Its name, such as `database.url`.
    pub key: &'static str,
    /// Its value, secrets masked; durations as they are written (`10m`), `null` for none.
    pub value: Json,
    /// Where the value came from.
    pub source: Source,
}

impl Effective {
    /// The value as one line of text; empty for none.
    pub fn shown(&self) -> String {
        match &self.value {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            Json::Array(items) => items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        }
    }
}

/// One thing that is wrong with the settings. It never repeats a value, which might be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, the variable or the file.
    pub name: String,
    /// What is wrong with it.
    pub text: String,
}

impl Problem {
    pub(super) fn new(name: impl fmt::Display, text: impl Into<String>) -> Self {
        Self { name: name.to_string(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A TOML key may be any text; one problem stays on one line.
        let line = format!("{}: {}", self.name, self.text).replace(|c: char| c.is_control(), " ");
        f.write_str(&line)
    }
}

/// All that is wrong with the settings; `Display` writes one line for each problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// The problems, at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    /// Names the file where the text itself is at fault.
    pub(super) fn in_file(mut self, path: &Path) -> Self {
        for problem in &mut self.0 {
            if problem.name == TEXT {
                problem.name = path.display().to_string();
            }
        }
        self
    }
}

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// What names a file before its path is known.
const TEXT: &str = "settings";

/// Hands out settings by name and remembers what was asked for, what came of it and what went wrong.
pub(super) struct Reader {
    file: Table,
    environment: BTreeMap<String, String>,
    effective: Vec<Effective>,
    problems: Vec<(&'static str, Problem)>,
}

impl Reader {
    pub(super) fn new(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let file = text.parse::<Table>().map_err(|error| {
            // Only the line's number: the line itself might hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Problem::new(TEXT, format!("line {line}: {}", error.message()))
        })?;
        let environment = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        Ok(Self { file, environment, effective: Vec::new(), problems: Vec::new() })
    }

    /// The setting `key`. A value that is refused becomes a problem, and the default stands in for it, so that reading
    /// can go on and find the next problem.
    pub(super) fn read<T: Setting + Clone>(&mut self, key: &'static str, default: T) -> T {
        let from_file = take(&mut self.file, key);
        let (read, source) = match (self.environment.remove(&variable(key)), from_file) {
            (Some(text), _) => (T::from_text(&text), Source::Environment),
            (None, Some(value)) => (T::from_toml(&value), Source::File),
            (None, None) => (Ok(default.clone()), Source::Default),
        };
        match read {
            Ok(value) => {
                self.effective.push(Effective { key, value: value.show(), source });
                value
            }
            Err(text) => {
                self.effective.push(Effective { key, value: Json::Null, source });
                self.refuse(key, text);
                default
            }
        }
    }

    /// Refuses `key` unless `valid`; a value that has been refused already is let be.
    pub(super) fn check(&mut self, key: &'static str, valid: bool, text: impl FnOnce() -> String) {
        if !valid && !self.refused(key) {
            self.refuse(key, text());
        }
    }

    /// Refuses a start in production without `key`.
    pub(super) fn require(&mut self, key: &'static str, given: bool) {
        self.check(key, given, || format!("must be set for an https issuer (here or as {})", variable(key)));
    }

    pub(super) fn refused(&self, key: &str) -> bool {
        self.problems.iter().any(|(refused, _)| *refused == key)
    }

    fn refuse(&mut self, key: &'static str, text: String) {
        let from_environment = self.effective.iter().any(|e| e.key == key && e.source == Source::Environment);
        let name = if from_environment { variable(key) } else { key.to_owned() };
        self.problems.push((key, Problem::new(name, text)));
    }

    /// The settings as they were loaded, or all that is wrong with them, unknown names included.
    pub(super) fn finish(self) -> Result<Vec<Effective>, ConfigErrors> {
        let keys: Vec<&str> = self.effective.iter().map(|effective| effective.key).collect();
        let mut problems: Vec<Problem> = self.problems.into_iter().map(|(_, problem)| problem).collect();
        for (name, value) in leaves("", &self.file) {
            let section = format!("{name}.");
            let members: Vec<_> = keys.iter().filter_map(|key| key.strip_prefix(&section)).collect();
            if members.is_empty() {
                problems.push(unknown(&name, keys.iter().map(ToString::to_string)));
            } else if !value.is_table() {
                problems.push(Problem::new(&name, format!("expected a table with {}", members.join(", "))));
            }
        }
        for name in self.environment.keys() {
            problems.push(unknown(name, keys.iter().map(|key| variable(key))));
        }
        if problems.is_empty() { Ok(self.effective) } else { Err(ConfigErrors(problems)) }
    }
}

/// `database.url` is `COUNTERSIGN_DATABASE__URL`.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Takes the value at `key` out of the table.
fn take(table: &mut Table, key: &str) -> Option<Toml> {
    let Some((section, member)) = key.split_once('.') else { return table.remove(key) };
    let Some(Toml::Table(inner)) = table.get_mut(section) else { return None };
    take(inner, member)
}

/// All that is left in the table, with its full name; of a section only what is in it, unless it is empty.
fn leaves<'a>(prefix: &str, table: &'a Table) -> Vec<(String, &'a Toml)> {
    table
        .iter()
        .flat_map(|(name, value)| {
            let name = format!("{prefix}{name}");
            match value {
                Toml::Table(inner) if !inner.is_empty() => leaves(&format!("{name}."), inner),
                _ => vec![(name, value)],
            }
        })
        .collect()
}

/// A name that is not known, with the one that was probably meant: at most every third letter is another.
fn unknown(name: &str, known: impl Iterator<Item = String>) -> Problem {
    let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let written = bare(name);
    let near = known.filter_map(|known| {
        let meant = bare(&known);
        let distance = strsim::damerau_levenshtein(&written, &meant);
        (distance * 3 <= written.chars().count().max(meant.chars().count())).then_some((distance, known))
    });
    let text = match near.min_by_key(|(distance, _)| *distance) {
        Some((_, nearest)) => format!("unknown setting; the nearest known one is {nearest}"),
        None => "unknown setting; without it, `countersign config check` lists all".to_owned(),
    };
    Problem::new(name, text)
}
