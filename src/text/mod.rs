//! Every text that people read on pages and in mails, in every language that is spoken here.
//!
//! The texts stand in `templates/text/{en,de}/NAME.ftl`, in [Fluent](https://projectfluent.org)'s syntax, and are
//! compiled in. A key begins with the name of its file: `login-title` is in `login.ftl`. A test sees to it that all
//! languages have the same texts, that each one that is named in `src/` or `templates/` exists, and that none is unused.
//!
//! To add a file: a line in `catalog.rs`.

mod catalog;
mod language;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use fluent_bundle::{FluentArgs, FluentError, FluentValue};
use fluent_syntax::ast::Pattern;

pub use self::{language::Language, value::Value};

/// Where texts are read, which decides how what others wrote is kept apart from what we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    /// On a page: values are isolated, so that one from right to left does not turn the words around it.
    Page,
    /// In a mail, whose readers may show the marks of isolation as boxes.
    Mail,
}

/// The texts of one language.
#[derive(Clone, Copy, Debug)]
pub struct Texts {
    language: Language,
    medium: Medium,
}

impl Texts {
    /// For pages.
    pub fn for_page(language: Language) -> Self {
        Self { language, medium: Medium::Page }
    }

    /// For mails.
    pub fn for_mail(language: Language) -> Self {
        Self { language, medium: Medium::Mail }
    }

    /// The language.
    pub fn language(self) -> Language {
        self.language
    }

    /// A text without values, as plain text.
    pub fn get(self, key: &str) -> Cow<'static, str> {
        let Some(pattern) = self.pattern(key) else { return Cow::Owned(key.to_owned()) };
        let mut errors = Vec::new();
        let text = catalog::bundle(self.language).format_pattern(pattern, None, &mut errors);
        note(key, &errors);
        text
    }

    /// A text with values, as plain text.
    pub fn with<'a, V: Into<Value<'a>> + Copy>(self, key: &str, values: &[(&'static str, V)]) -> String {
        self.plain(key, values.iter().map(|(name, value)| (*name, (*value).into())))
    }

    /// A text with values of several kinds, as plain text.
    pub fn plain<'a>(self, key: &str, values: impl Iterator<Item = (&'static str, Value<'a>)>) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(name, self.plain_value(value));
        }
        self.format(key, &args)
    }

    /// A text with markup of its own, such as `<strong>`, as HTML. Markup in values is not one.
    pub fn html<'a>(self, key: &str, values: impl Iterator<Item = (&'static str, Value<'a>)>) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            let value = match value {
                Value::Foreign(text) => FluentValue::from(format!("<bdi>{}</bdi>", escape(&value::clean(text)))),
                Value::Own(text) => escape(text).into(),
                Value::Number(_) | Value::Span(_) | Value::Moment(_) => self.plain_value(value),
            };
            args.set(name, value);
        }
        self.format(key, &args)
    }

    fn plain_value(self, value: Value<'_>) -> FluentValue<'_> {
        match value {
            Value::Foreign(text) => match self.medium {
                // First strong isolate … pop directional isolate (UAX #9 §2.6).
                Medium::Page => format!("\u{2068}{}\u{2069}", value::clean(text)).into(),
                Medium::Mail => value::clean(text).into(),
            },
            Value::Own(text) => text.into(),
            Value::Number(number) => number.into(),
            Value::Span(time) => self.span(time).into(),
            Value::Moment(at) => self.moment(at).into(),
        }
    }

    fn format(self, key: &str, args: &FluentArgs<'_>) -> String {
        let Some(pattern) = self.pattern(key) else { return key.to_owned() };
        let mut errors = Vec::new();
        let text = catalog::bundle(self.language).format_pattern(pattern, Some(args), &mut errors).into_owned();
        note(key, &errors);
        text
    }

    fn pattern(self, key: &str) -> Option<&'static Pattern<&'static str>> {
        let pattern = catalog::bundle(self.language).get_message(key).and_then(|message| message.value());
        if pattern.is_none() {
            tracing::error!(key, "there is no such text");
        }
        pattern
    }
}

fn note(key: &str, errors: &[FluentError]) {
    if !errors.is_empty() {
        tracing::error!(key, ?errors, "a text lacks a value");
    }
}

/// Text as HTML, in elements and in attributes.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
