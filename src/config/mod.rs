//! The typed settings of the provider: every key, its default, its unit and its rule.
//!
//! They come from a TOML file, overridden by `COUNTERSIGN_…` variables: `database.url` is
//! `COUNTERSIGN_DATABASE__URL`; in a variable a list is separated by commas, and an empty value means "none" for what is
//! optional. They are read once, at the start. A key that is not known is refused, and so is every value that breaks a
//! rule; all problems are told together, one line each, and none of them repeats a value, which might be a secret.
//!
//! To add a setting: a field with its documentation, and a line in [`Settings::parse`].

mod audit;
mod brand;
mod issuer;
mod mail;
mod rate;
mod reader;
mod registration;
mod scopes;
mod second_factor;
mod secret;
#[cfg(test)]
mod tests;
mod tls;
mod value;

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use countersign_jose::Algorithm;
use ipnet::IpNet;
use url::Url;

use crate::domain::claims::ClaimMap;

pub use self::{
    audit::{AuditSettings, HookUrl},
    brand::{BrandSettings, DARK_SHEET, SHEET},
    issuer::{IssuerUrl, Mode, is_loopback_name},
    mail::{MailAddress, MailSettings, SmtpSecurity, SmtpUrl},
    rate::{Limits, RateSettings},
    reader::{ConfigErrors, Effective, Problem, Source},
    registration::RegistrationSettings,
    second_factor::SecondFactorSettings,
    secret::{DatabaseUrl, RedisUrl, SecretUrl},
    tls::TlsSettings,
    value::{LogFormat, LogLevel, PkceRequired, RegistrationMode, SignUpMode},
};
use self::{reader::Reader, value::describe};

/// The file that is read when no other is named, if it exists in the working directory.
pub const DEFAULT_FILE: &str = "countersign.toml";

/// Where a development start keeps its data.
const DEVELOPMENT_DATABASE: &str = "sqlite://data/countersign.db";

/// Who keeps a list of stolen passwords that anybody may ask.
const BREACH_URL: &str = "https://api.pwnedpasswords.com/range/";

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// All settings, each one valid. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `issuer`: the URL of this provider, compared and published exactly as written (`http://localhost:8080`).
    pub issuer: IssuerUrl,
    /// `listen`: address and port of the listener (`127.0.0.1:8080`).
    pub listen: SocketAddr,
    /// `tls.*` (none: whoever speaks TLS is a proxy in front)
    pub tls: Option<TlsSettings>,
    /// `trusted_proxies`: the peers whose `X-Forwarded-For` counts (none).
    pub trusted_proxies: Vec<IpNet>,
    /// `brand.*`
    pub brand: BrandSettings,
    /// `database.*`
    pub database: DatabaseSettings,
    /// `redis.*`
    pub redis: RedisSettings,
    /// `keys.*`
    pub keys: KeySettings,
    /// `pkce.*`
    pub pkce: PkceSettings,
    /// `registration.*`
    pub registration: RegistrationSettings,
    /// `dpop.*`
    pub dpop: DpopSettings,
    /// `mail.*`
    pub mail: MailSettings,
    /// `outbound.*`
    pub outbound: OutboundSettings,
    /// `lifetimes.*`
    pub lifetimes: Lifetimes,
    /// `scopes`: which claims a scope opens beside the standard ones, from `roles`, `groups` or `attributes.NAME` of an account (none):
    /// `scopes.employee = { text = "See where you work", claims = { department = "attributes.department" } }`.
    pub scopes: ClaimMap,
    /// `sessions.*`
    pub sessions: SessionSettings,
    /// `refresh.*`
    pub refresh: RefreshSettings,
    /// `password.*`
    pub password: PasswordSettings,
    /// `signup.*`
    pub signup: SignUpSettings,
    /// `audit.*`
    pub audit: AuditSettings,
    /// `second_factor.*`
    pub second_factor: SecondFactorSettings,
    /// `throttle.*`
    pub throttle: ThrottleSettings,
    /// `rate.*`
    pub rate: RateSettings,
    /// `log.*`
    pub log: LogSettings,
    /// `metrics.*`
    pub metrics: MetricsSettings,
    effective: Vec<Effective>,
}

/// Durable state.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `database.url`: `sqlite://PATH` or `postgres://…`; must be set in production (`sqlite://data/countersign.db`).
    pub url: DatabaseUrl,
}

/// State that may be lost, shared by several nodes.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `redis.url`: `redis://…`, or `rediss://…` over TLS (none: this node is alone).
    pub url: Option<RedisUrl>,
}

/// The master key, under which all other keys and secrets are encrypted.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// `keys.dir`: where a development start generates its master key (`keys`).
    pub dir: PathBuf,
    /// `keys.master_file`: a file with the master key, 32 random bytes as base64; must be set in production (none).
    pub master_file: Option<PathBuf>,
    /// `keys.next_master_file`: the master key that is going to take over; what nodes seal that use it already can be opened (none).
    pub next_master_file: Option<PathBuf>,
    /// `keys.previous_master_file`: the master key of before, until `key rekey` has run (none).
    pub previous_master_file: Option<PathBuf>,
    /// `keys.algorithms`: for which algorithms there are signing keys, for clients to choose from (RS256).
    pub algorithms: Vec<Algorithm>,
}

/// Proof Key for Code Exchange (RFC 7636).
#[derive(Clone, Debug)]
pub struct PkceSettings {
    /// `pkce.required`: `all` clients or only `public` ones must send a challenge (`all`).
    pub required: PkceRequired,
}

/// Proofs of possession (RFC 9449).
#[derive(Clone, Copy, Debug)]
pub struct DpopSettings {
    /// `dpop.nonces`: whether a proof needs a nonce of ours, so that none can be made ahead (`false`).
    pub nonces: bool,
}

/// Requests to URLs that others name.
#[derive(Clone, Debug, Default)]
pub struct OutboundSettings {
    /// `outbound.allow`: networks that may be reached although they are not public (none).
    pub allow: Vec<IpNet>,
    /// `outbound.ca_file`: certificate authorities trusted beside the system's, as PEM (none).
    pub ca_file: Option<PathBuf>,
}

/// How long things live. Written as seconds (`600`) or with a unit (`60s`, `10m`, `24h`, `90d`); never zero.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// `lifetimes.code`: an authorization code (60 s, which is also the most).
    pub code: Duration,
    /// `lifetimes.access_token` (10 min)
    pub access_token: Duration,
    /// `lifetimes.id_token` (10 min)
    pub id_token: Duration,
    /// `lifetimes.refresh_idle`: a family of refresh tokens that nobody uses (30 d).
    pub refresh_idle: Duration,
    /// `lifetimes.refresh_absolute`: a family of refresh tokens, used or not (90 d).
    pub refresh_absolute: Duration,
    /// `lifetimes.session_idle`: a session that nobody uses (24 h).
    pub session_idle: Duration,
    /// `lifetimes.session_absolute`: a session, used or not (30 d).
    pub session_absolute: Duration,
    /// `lifetimes.jwks_cache`: how long others may keep our JWKS; a new key is published this long before it signs (1 h).
    pub jwks_cache: Duration,
    /// `lifetimes.signing_key`: how long a key signs before the next one takes over (90 d).
    pub signing_key: Duration,
    /// `lifetimes.link`: a single-use link, such as the first administrator's (30 min).
    pub link: Duration,
    /// `lifetimes.invitation`: the single-use link of an invitation (7 d).
    pub invitation: Duration,
}

/// What is counted, for Prometheus.
#[derive(Clone, Debug)]
pub struct MetricsSettings {
    /// `metrics.listen`: address and port of a listener for `/metrics` alone; without it `listen` answers it to this machine (none).
    pub listen: Option<SocketAddr>,
}

/// Sign-ins of one person at the same time.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// `sessions.limit`: on how many browsers one person may be signed in; one more ends what was used the longest ago (50).
    pub limit: usize,
}

/// Rotation of refresh tokens.
#[derive(Clone, Debug)]
pub struct RefreshSettings {
    /// `refresh.grace`: how long a rotated token is accepted once more while its successor is unused (0 s; at most 60 s).
    pub grace: Duration,
}

/// Cost of Argon2id for new password hashes (RFC 9106 §3.1).
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// `password.memory_kib`: memory, in KiB (19456).
    pub memory_kib: u32,
    /// `password.iterations`: passes over the memory (2).
    pub iterations: u32,
    /// `password.parallelism`: lanes (1).
    pub parallelism: u32,
    /// `password.words`: names of the house, its products and its places, which no password may contain (none; "Countersign" and the
    /// host of the issuer are among them without being said).
    pub words: Vec<String>,
    /// `password.breach_check` and `password.breach_url`: where new passwords are looked up among stolen ones (`false`, and
    /// `https://api.pwnedpasswords.com/range/`). Five hexadecimal digits of the SHA-1 are appended: nobody is told the password.
    pub breaches: Option<Url>,
}

/// Accounts that people make themselves.
#[derive(Clone, Debug)]
pub struct SignUpSettings {
    /// `signup.mode`: nobody (`off`), whom an operator invited (`invitation`) or everybody (`open`) can make an account (`off`).
    pub mode: SignUpMode,
}

/// Failed tries before delays begin, forgotten when there was none for an hour, and how many mails others can cause.
#[derive(Clone, Debug)]
pub struct ThrottleSettings {
    /// `throttle.account`: for one account (5).
    pub account: u32,
    /// `throttle.address`: from one network address, or at one client's secret from there if a person may have chosen it (30).
    pub address: u32,
    /// `throttle.house`: in all within 15 minutes, before the other two become a fifth of what they are (1000).
    pub house: u32,
    /// `throttle.mails_to`: mails that who is not signed in can have sent to one address within an hour (5).
    pub mails_to: u32,
    /// `throttle.mails_from`: mails that they can have sent from one network address within an hour (30).
    pub mails_from: u32,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `log.format`: `text` or `json` (`text`).
    pub format: LogFormat,
    /// `log.level`: `error`, `warn`, `info`, `debug` or `trace` (`info`).
    pub level: LogLevel,
}

/// A duration as settings have it, such as `10m` or `90d`.
///
/// # Errors
/// What is expected instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    value::Setting::from_text(text)
}

/// The variables of this process that are settings. A value that is not UTF-8 loses what cannot be read.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(reader::PREFIX))
}

impl Settings {
    /// Reads `file`, or [`DEFAULT_FILE`] if none is named and it exists, then the variables of `environment`, of which
    /// only the `COUNTERSIGN_…` ones count (see [`process_environment`]).
    ///
    /// # Errors
    /// All that is wrong with the settings, or why the file cannot be read.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Problem::new(path.display(), format!("cannot be read: {error}")).into()),
        };
        Self::parse(&text, environment).map_err(|errors| errors.in_file(path))
    }

    /// The settings of a file with this text, overridden by `environment`. Reads neither files nor the process.
    ///
    /// # Errors
    /// All that is wrong with the settings.
    pub fn parse(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(text, environment)?;
        let r = &mut reader;

        let issuer = r.read("issuer", IssuerUrl::development());
        let listen = r.read("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        let tls = tls::read(r, issuer.mode());
        let trusted_proxies = r.read("trusted_proxies", Vec::new());
        let brand = brand::brand(r);
        let database = database(r, issuer.mode());
        let redis = RedisSettings { url: r.read("redis.url", None) };
        let keys = keys(r, issuer.mode());
        let pkce = PkceSettings { required: r.read("pkce.required", PkceRequired::All) };
        let registration = registration::read(r, pkce.required);
        let dpop = DpopSettings { nonces: r.read("dpop.nonces", false) };
        let mail = mail::mail(r);
        let outbound =
            OutboundSettings { allow: r.read("outbound.allow", Vec::new()), ca_file: r.read("outbound.ca_file", None) };
        let lifetimes = lifetimes(r);
        let scopes = r.read("scopes", ClaimMap::default());
        let sessions = sessions(r);
        let refresh = refresh(r);
        let password = password(r, issuer.mode());
        let signup = SignUpSettings { mode: r.read("signup.mode", SignUpMode::Off) };
        r.check(
            "signup.mode",
            signup.mode == SignUpMode::Off || mail.url.is_some() || issuer.mode() == Mode::Development,
            || "accounts are made by mail: set `mail.url` too".into(),
        );
        let second_factor = second_factor::read(r);
        let throttle = throttle(r);
        let rate = rate::read(r);
        let log =
            LogSettings { format: r.read("log.format", LogFormat::Text), level: r.read("log.level", LogLevel::Info) };
        let audit = audit::read(r, issuer.mode());
        let metrics = MetricsSettings { listen: r.read("metrics.listen", None) };

        let effective = reader.finish()?;
        Ok(Self {
            issuer,
            listen,
            tls,
            trusted_proxies,
            brand,
            database,
            redis,
            keys,
            pkce,
            registration,
            dpop,
            mail,
            outbound,
            lifetimes,
            scopes,
            sessions,
            refresh,
            password,
            signup,
            audit,
            second_factor,
            throttle,
            rate,
            log,
            metrics,
            effective,
        })
    }

    /// Whether this is a development or a production start: the scheme of the issuer says so.
    pub fn mode(&self) -> Mode {
        self.issuer.mode()
    }

    /// Every setting as it was loaded, with its source, secrets masked; in the order of this file.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }
}

fn database(r: &mut Reader, mode: Mode) -> DatabaseSettings {
    let built_in = DatabaseUrl::built_in(DEVELOPMENT_DATABASE);
    let default = match mode {
        Mode::Development => Some(built_in.clone()),
        Mode::Production => None,
    };
    let url = r.read("database.url", default);
    r.require("database.url", url.is_some());
    DatabaseSettings { url: url.unwrap_or(built_in) }
}

fn keys(r: &mut Reader, mode: Mode) -> KeySettings {
    let dir = r.read("keys.dir", PathBuf::from("keys"));
    let master_file: Option<PathBuf> = r.read("keys.master_file", None);
    r.require("keys.master_file", mode == Mode::Development || master_file.is_some());
    let next_master_file = r.read("keys.next_master_file", None);
    let previous_master_file = r.read("keys.previous_master_file", None);
    let algorithms = r.read("keys.algorithms", vec![Algorithm::RS256]);
    r.check("keys.algorithms", algorithms.contains(&Algorithm::RS256), || {
        "must have RS256, which every client and API knows (OpenID Connect Core §15.1)".into()
    });
    KeySettings { dir, master_file, next_master_file, previous_master_file, algorithms }
}

fn lifetimes(r: &mut Reader) -> Lifetimes {
    // RFC 6749 §4.1.2 recommends ten minutes at most; nothing that works needs more than one.
    let code = lifetime(r, "lifetimes.code", MINUTE);
    r.check("lifetimes.code", code.as_secs() <= MINUTE, || "must not be longer than 60s".into());

    let access_token = lifetime(r, "lifetimes.access_token", 10 * MINUTE);
    let id_token = lifetime(r, "lifetimes.id_token", 10 * MINUTE);
    let refresh_idle = lifetime(r, "lifetimes.refresh_idle", 30 * DAY);
    let refresh_absolute = lifetime(r, "lifetimes.refresh_absolute", 90 * DAY);
    not_longer(r, ("lifetimes.refresh_idle", refresh_idle), ("lifetimes.refresh_absolute", refresh_absolute));
    let session_idle = lifetime(r, "lifetimes.session_idle", 24 * HOUR);
    let session_absolute = lifetime(r, "lifetimes.session_absolute", 30 * DAY);
    not_longer(r, ("lifetimes.session_idle", session_idle), ("lifetimes.session_absolute", session_absolute));
    // A key is published one cache time before it signs, so its predecessor must sign at least that long.
    let jwks_cache = lifetime(r, "lifetimes.jwks_cache", HOUR);
    let signing_key = lifetime(r, "lifetimes.signing_key", 90 * DAY);
    not_longer(r, ("lifetimes.jwks_cache", jwks_cache), ("lifetimes.signing_key", signing_key));
    let link = lifetime(r, "lifetimes.link", 30 * MINUTE);
    let invitation = lifetime(r, "lifetimes.invitation", 7 * DAY);

    Lifetimes {
        code,
        access_token,
        id_token,
        refresh_idle,
        refresh_absolute,
        session_idle,
        session_absolute,
        jwks_cache,
        signing_key,
        link,
        invitation,
    }
}

fn lifetime(r: &mut Reader, key: &'static str, default_seconds: u64) -> Duration {
    let lifetime = r.read(key, Duration::from_secs(default_seconds));
    r.check(key, !lifetime.is_zero(), || "must not be zero".into());
    lifetime
}

fn not_longer(r: &mut Reader, (key, value): (&'static str, Duration), (limit_key, limit): (&'static str, Duration)) {
    if !r.refused(limit_key) {
        r.check(key, value <= limit, || {
            format!("{} is longer than `{limit_key}`, which is {}", describe(value), describe(limit))
        });
    }
}

fn sessions(r: &mut Reader) -> SessionSettings {
    let limit: u32 = r.read("sessions.limit", 50);
    r.check("sessions.limit", limit > 0, || "must not be zero".into());
    SessionSettings { limit: usize::try_from(limit).unwrap_or(usize::MAX) }
}

fn refresh(r: &mut Reader) -> RefreshSettings {
    let grace = r.read("refresh.grace", Duration::ZERO);
    r.check("refresh.grace", grace.as_secs() <= MINUTE, || "must not be longer than 60s".into());
    RefreshSettings { grace }
}

fn password(r: &mut Reader, mode: Mode) -> PasswordSettings {
    let memory_kib = r.read("password.memory_kib", 19_456);
    let iterations = r.read("password.iterations", 2);
    let parallelism = r.read("password.parallelism", 1);
    // RFC 9106 §3.1: one pass and one lane at least, and 8 KiB for each lane. The upper bounds catch slips of the pen.
    r.check("password.iterations", (1..=1_000).contains(&iterations), || "must be from 1 to 1000".into());
    r.check("password.parallelism", (1..=64).contains(&parallelism), || "must be from 1 to 64".into());
    if !r.refused("password.parallelism") {
        let least = parallelism.saturating_mul(8);
        r.check("password.memory_kib", (least..=4_194_304).contains(&memory_kib), || {
            format!("must be from {least} (8 KiB for each lane) to 4194304")
        });
    }
    let words = r.read("password.words", Vec::new());
    let breach_check = r.read("password.breach_check", false);
    let breach_url: Option<Url> = r.read("password.breach_url", Url::parse(BREACH_URL).ok());
    let is_usable = |url: &Url| (mode == Mode::Development || url.scheme() == "https") && url.path().ends_with('/');
    r.check("password.breach_url", breach_url.as_ref().is_none_or(is_usable), || {
        "must start with https:// and end with a slash".into()
    });
    r.check("password.breach_url", !breach_check || breach_url.is_some(), || {
        "must be set where `password.breach_check` is true".into()
    });
    let breaches = breach_url.filter(|_| breach_check);
    PasswordSettings { memory_kib, iterations, parallelism, words, breaches }
}

fn throttle(r: &mut Reader) -> ThrottleSettings {
    let account = r.read("throttle.account", 5);
    let address = r.read("throttle.address", 30);
    let house = r.read("throttle.house", 1_000);
    let mails_to = r.read("throttle.mails_to", 5);
    let mails_from = r.read("throttle.mails_from", 30);
    for (key, value) in [
        ("throttle.account", account),
        ("throttle.address", address),
        ("throttle.house", house),
        ("throttle.mails_to", mails_to),
        ("throttle.mails_from", mails_from),
    ] {
        r.check(key, value > 0, || "must not be zero".into());
    }
    ThrottleSettings { account, address, house, mails_to, mails_from }
}
