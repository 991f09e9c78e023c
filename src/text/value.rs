//! What stands in a text that changes: names, numbers, times.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, Datelike, Utc};

use super::Texts;
use crate::domain::device;

/// What a text's placeholder stands for.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Written by somebody else: a name, an address. It is kept from changing the text around it.
    Foreign(&'a str),
    /// Written by us or the operator.
    Own(&'a str),
    /// A number, which the words around it may agree with.
    Number(u64),
    /// How long something takes, rounded up.
    Span(Duration),
    /// When something was.
    Moment(DateTime<Utc>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Foreign(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Foreign(text)
    }
}

/// Templates borrow what they have borrowed already.
impl<'a, T: ?Sized> From<&&'a T> for Value<'a>
where
    &'a T: Into<Self>,
{
    fn from(value: &&'a T) -> Self {
        (*value).into()
    }
}

macro_rules! plain_values {
    ($($type:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$type> for Value<'_> {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }

        impl From<&$type> for Value<'_> {
            fn from(value: &$type) -> Self {
                (*value).into()
            }
        })+
    };
}

plain_values! {
    u64 => Number,
    u32 => Number,
    Duration => Span,
    DateTime<Utc> => Moment,
}

impl Texts {
    /// How long something takes, in the largest unit that says it well, rounded up: "8 seconds", "15 minutes".
    pub fn span(self, time: Duration) -> String {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let (unit, number) = match seconds {
            0..=90 => ("seconds", seconds),
            91..=5_400 => ("minutes", seconds.div_ceil(60)),
            5_401..=172_800 => ("hours", seconds.div_ceil(3_600)),
            _ => ("days", seconds.div_ceil(86_400)),
        };
        let values = [("number", Value::Number(number)), ("unit", Value::Own(unit))];
        self.plain("common-span", values.into_iter())
    }

    /// A day: "5 August 2026".
    pub fn day(self, at: DateTime<Utc>) -> String {
        self.plain("common-day", day(at).into_iter())
    }

    /// A day and the time on it: "5 August 2026, 14:03 UTC".
    pub fn moment(self, at: DateTime<Utc>) -> String {
        let time = at.format("%H:%M").to_string();
        self.plain("common-moment", day(at).into_iter().chain([("time", Value::Own(&time))]))
    }

    /// A device, from its label as it is stored: "Firefox on Linux".
    pub fn device(self, label: &str) -> String {
        match label.split_once(" on ") {
            Some((browser, system)) => {
                let values = [("browser", Value::Own(browser)), ("system", Value::Own(system))];
                self.plain("common-device", values.into_iter())
            }
            None if label.is_empty() || label == device::UNKNOWN => self.get("common-device-unknown").into_owned(),
            None => label.to_owned(),
        }
    }
}

fn day(at: DateTime<Utc>) -> [(&'static str, Value<'static>); 3] {
    let number = |number: u32| Value::Number(number.into());
    let year = u64::try_from(at.year()).unwrap_or_default();
    [("day", number(at.day())), ("month", number(at.month())), ("year", Value::Number(year))]
}

/// Text without characters that control its layout or its direction: what they do would not end with it, and a mark of our
/// own could be ended by one within.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let is_control = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(is_control) { text.replace(is_control, "").into() } else { text.into() }
}
