//! How one value is written: in TOML, in a variable, and on the screen.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use countersign_jose::Algorithm;
use countersign_types::{Scope, ScopeSet};
use ipnet::IpNet;
use serde_json::Value as Json;
use toml::Value as Toml;
use url::Url;

use crate::domain::user::is_role;

/// A type that a setting can have. The errors are what follows the setting's name and a colon.
pub(super) trait Setting: Sized {
    /// What a person must write, to follow the word "expected".
    const EXPECTED: &'static str;

    /// From a variable, or from a string in TOML.
    fn from_text(text: &str) -> Result<Self, String>;

    /// From TOML; types that are not written as strings say how.
    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::String(text) => Self::from_text(text),
            other => Err(mismatch(Self::EXPECTED, other)),
        }
    }

    /// For `config check`, without secrets.
    fn show(&self) -> Json;
}

pub(super) fn mismatch(expected: &str, found: &Toml) -> String {
    let found = match found {
        Toml::String(_) => "a string",
        Toml::Integer(_) => "a number",
        Toml::Float(_) => "a fraction",
        Toml::Boolean(_) => "true or false",
        Toml::Datetime(_) => "a date",
        Toml::Array(_) => "a list",
        Toml::Table(_) => "a table",
    };
    format!("expected {expected}, found {found}")
}

/// None is written as the empty text.
impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::from_text(text).map(Some) }
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::String(text) => Self::from_text(text),
            other => T::from_toml(other).map(Some),
        }
    }

    fn show(&self) -> Json {
        self.as_ref().map_or(Json::Null, Setting::show)
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an address and a port such as 127.0.0.1:8080";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected {}", Self::EXPECTED))
    }

    fn show(&self) -> Json {
        self.to_string().into()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> Json {
        self.as_str().into()
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err(format!("expected {}", Self::EXPECTED)) } else { Ok(text.into()) }
    }

    fn show(&self) -> Json {
        self.to_string_lossy().into()
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 4294967295";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected {}", Self::EXPECTED))
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::Integer(number) => Self::try_from(*number).map_err(|_| format!("expected {}", Self::EXPECTED)),
            other => Err(mismatch(Self::EXPECTED, other)),
        }
    }

    fn show(&self) -> Json {
        (*self).into()
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected {}", Self::EXPECTED))
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::Boolean(flag) => Ok(*flag),
            other => Err(mismatch(Self::EXPECTED, other)),
        }
    }

    fn show(&self) -> Json {
        (*self).into()
    }
}

impl Setting for Vec<String> {
    const EXPECTED: &'static str = "a list of words";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect())
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Toml::Array(items) = value else { return Err(mismatch(Self::EXPECTED, value)) };
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| format!("expected {}", Self::EXPECTED)))
            .collect()
    }

    fn show(&self) -> Json {
        self.clone().into()
    }
}

impl Setting for ScopeSet {
    const EXPECTED: &'static str = "a list of scopes";

    fn from_text(text: &str) -> Result<Self, String> {
        text.replace(',', " ").parse().map_err(|_| format!("expected {}", Self::EXPECTED))
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let words = Vec::<String>::from_toml(value).map_err(|_| mismatch(Self::EXPECTED, value))?;
        let scopes = words.iter().map(|word| word.parse().map_err(|_| format!("expected {}", Self::EXPECTED)));
        scopes.collect()
    }

    fn show(&self) -> Json {
        self.iter().map(Scope::as_str).collect()
    }
}

/// Algorithms that tokens are signed by; the first of all is always there.
impl Setting for Vec<Algorithm> {
    const EXPECTED: &'static str = "a list of RS256, PS256, ES256 and EdDSA";

    fn from_text(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        words.map(algorithm).collect::<Result<Vec<_>, _>>().map(|given| in_order(&given))
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Toml::Array(items) = value else { return Err(mismatch(Self::EXPECTED, value)) };
        let given = items.iter().map(|item| algorithm(item.as_str().unwrap_or_default()));
        given.collect::<Result<Vec<_>, _>>().map(|given| in_order(&given))
    }

    fn show(&self) -> Json {
        self.iter().map(|algorithm| algorithm.name()).collect()
    }
}

fn algorithm(word: &str) -> Result<Algorithm, String> {
    let found = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == word && !algorithm.is_symmetric());
    found.ok_or_else(|| format!("expected {}", Vec::<Algorithm>::EXPECTED))
}

/// Each once, the default first.
fn in_order(given: &[Algorithm]) -> Vec<Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| given.contains(algorithm)).collect()
}

impl Setting for Url {
    const EXPECTED: &'static str = "a URL that starts with https://, or in development with http://localhost";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
            .ok()
            .filter(|url| url.has_host() && matches!(url.scheme(), "https" | "http"))
            .ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }

    fn show(&self) -> Json {
        self.as_str().into()
    }
}

/// Networks; a single address is a network of one.
impl Setting for Vec<IpNet> {
    const EXPECTED: &'static str = "a list of networks such as 10.0.0.0/8 or fd00::/8";

    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect()
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Toml::Array(items) = value else { return Err(mismatch(Self::EXPECTED, value)) };
        items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| format!("expected {}", Self::EXPECTED)).and_then(network))
            .collect()
    }

    fn show(&self) -> Json {
        self.iter().map(ToString::to_string).collect()
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .map(|network| network.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("expected {}", Vec::<IpNet>::EXPECTED))
}

/// Roles of people.
impl Setting for BTreeSet<String> {
    const EXPECTED: &'static str = "a list of roles, each up to 64 ASCII characters without spaces and commas";

    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(role).collect()
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Toml::Array(items) = value else { return Err(mismatch(Self::EXPECTED, value)) };
        items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| format!("expected {}", Self::EXPECTED)).and_then(role))
            .collect()
    }

    fn show(&self) -> Json {
        self.iter().cloned().collect()
    }
}

fn role(text: &str) -> Result<String, String> {
    if is_role(text) { Ok(text.to_owned()) } else { Err(format!("expected {}", BTreeSet::<String>::EXPECTED)) }
}

/// The longest lifetime: ten years. Longer ones are slips of the pen, and sums of times cannot overflow below it.
const LONGEST: u64 = 3650 * 86_400;

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl Setting for Duration {
    const EXPECTED: &'static str = "seconds, or a duration such as 60s, 10m, 24h or 90d, up to 3650d";

    fn from_text(text: &str) -> Result<Self, String> {
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
            .unwrap_or((text, 1));
        // `parse` would take a sign.
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = number.parse::<u64>().ok().filter(|_| digits).and_then(|number| number.checked_mul(factor));
        seconds
            .filter(|seconds| *seconds <= LONGEST)
            .map(Self::from_secs)
            .ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::String(text) => Self::from_text(text),
            Toml::Integer(number) => Self::from_text(&number.to_string()),
            other => Err(mismatch(Self::EXPECTED, other)),
        }
    }

    fn show(&self) -> Json {
        describe(*self).into()
    }
}

/// A duration in the largest unit that divides it: `10m`, `90d`, `61s`.
pub(super) fn describe(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (unit, factor) =
        UNITS.into_iter().find(|(_, factor)| seconds >= *factor && seconds.is_multiple_of(*factor)).unwrap_or(("s", 1));
    format!("{}{unit}", seconds / factor)
}

/// A setting that is one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $($(#[$word_doc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$word_doc])* $variant),+
        }

        impl $name {
            /// The word that stands for it in the settings.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl Setting for $name {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("expected {}", Self::EXPECTED)),
                }
            }

            fn show(&self) -> Json {
                self.as_str().into()
            }
        }
    };
}

words! {
    /// Which clients must use PKCE (RFC 9700 §2.1.1).
    PkceRequired, "`all` or `public`",
    /// Every client.
    All = "all",
    /// Clients that have no secret and no key.
    Public = "public"
}

words! {
    /// Who can make an account.
    SignUpMode, "`off`, `invitation` or `open`",
    /// Nobody.
    Off = "off",
    /// Whom an operator invited.
    Invitation = "invitation",
    /// Everybody who can read mails at an address.
    Open = "open"
}

words! {
    /// Which clients can register themselves (RFC 7591).
    RegistrationMode, "`off`, `token` or `open`",
    /// None.
    Off = "off",
    /// Those that show an initial access token.
    Token = "token",
    /// All.
    Open = "open"
}

words! {
    /// Who must have a second factor.
    SecondFactorPolicy, "`optional` or `required`",
    /// Those with certain roles.
    Optional = "optional",
    /// Everybody.
    Required = "required"
}

words! {
    /// The form of the log.
    LogFormat, "`text` or `json`",
    /// Lines for people.
    Text = "text",
    /// One JSON object for each line.
    Json = "json"
}

words! {
    /// The least important events that are still logged.
    LogLevel, "`error`, `warn`, `info`, `debug` or `trace`",
    /// Failures that need someone.
    Error = "error",
    /// What is odd, but handled.
    Warn = "warn",
    /// What is done.
    Info = "info",
    /// How it is done.
    Debug = "debug",
    /// Everything.
    Trace = "trace"
}
