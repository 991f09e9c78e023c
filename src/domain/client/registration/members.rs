//! Members of a registration by name and type. One that is `null` is not there (RFC 7592 §2.2).

use std::{fmt::Display, str::FromStr};

use countersign_jose::Algorithm;
use serde_json::{Map, Value};

use super::Refusal;

/// The most entries of a list.
const MAX_ENTRIES: usize = 50;
/// The longest text that people are shown, in characters.
const MAX_PLAIN: usize = 200;
/// The longest text of all others, in bytes.
const MAX_BYTES: usize = 2_048;

pub(super) struct Members<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Members<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.get(name).map(|value| bounded(name, value)).transpose()
    }

    /// A text that people may be shown.
    pub(super) fn plain_text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.text(name)?.map(|text| plain(name, text)).transpose()
    }

    /// A text that means something.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let parse = |text: &str| text.parse().map_err(|error| Refusal::of(name, error));
        self.text(name)?.map(parse).transpose()
    }

    /// One of these algorithms.
    pub(super) fn algorithm(&self, name: &str, known: &[Algorithm]) -> Result<Option<Algorithm>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = known.iter().find(|algorithm| algorithm.name() == text).copied();
        let names = || known.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
        found.map(Some).ok_or_else(|| Refusal::of(name, format!("expected one of {}", names())))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Refusal::of(name, "expected true or false")),
        }
    }

    /// A whole number of seconds.
    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, Refusal> {
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        let refused = || Refusal::of(name, "expected a whole number from 0 to 4294967295");
        self.get(name).map(|value| number(value).ok_or_else(refused)).transpose()
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Refusal> {
        let entries = match self.get(name) {
            None => return Ok(None),
            Some(Value::Array(entries)) if entries.len() <= MAX_ENTRIES => entries,
            Some(Value::Array(_)) => return Err(Refusal::of(name, format!("more than {MAX_ENTRIES} entries"))),
            Some(_) => return Err(Refusal::of(name, "expected a list of strings")),
        };
        entries.iter().map(|entry| bounded(name, entry)).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn plain_texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let texts = self.texts(name)?.unwrap_or_default();
        texts.into_iter().map(|text| plain(name, text).map(str::to_owned)).collect()
    }

    pub(super) fn optional_list<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<Vec<T>>, Refusal> {
        let Some(texts) = self.texts(name)? else { return Ok(None) };
        let parse = |text: &str| text.parse().map_err(|error| Refusal::of(name, error));
        texts.into_iter().map(parse).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn list<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Vec<T>, Refusal> {
        Ok(self.optional_list(name)?.unwrap_or_default())
    }

    /// The members of these names with a language tag, and the tags.
    pub(super) fn tagged<'n>(&self, names: &'n [&'n str]) -> Vec<(&'n str, &'a str)> {
        let parts = self.0.keys().filter_map(|key| key.split_once('#'));
        parts.filter_map(|(name, tag)| names.iter().find(|known| **known == name).map(|known| (*known, tag))).collect()
    }
}

fn bounded<'a>(name: &str, value: &'a Value) -> Result<&'a str, Refusal> {
    match value {
        Value::String(text) if text.len() <= MAX_BYTES => Ok(text),
        Value::String(_) => Err(Refusal::of(name, format!("longer than {MAX_BYTES} bytes"))),
        _ => Err(Refusal::of(name, "expected a string")),
    }
}

/// A text that looks like what it is: nothing in it is invisible, or turns what stands beside it around.
fn plain<'a>(name: &str, text: &'a str) -> Result<&'a str, Refusal> {
    if text.trim().is_empty() || text.chars().count() > MAX_PLAIN {
        return Err(Refusal::of(name, format!("expected 1 to {MAX_PLAIN} characters")));
    }
    if text.chars().any(|c| c.is_control() || is_deceptive(c)) {
        return Err(Refusal::of(
            name,
            "has control characters, or marks that change the direction of text or are invisible",
        ));
    }
    Ok(text)
}

fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}
