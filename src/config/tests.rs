use proptest::prelude::*;

use super::*;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    Settings::parse(text, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// The one line that `text` is refused with.
fn refused(text: &str) -> String {
    let message = load(text, &[]).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

const PRODUCTION: &str = r#"
issuer = "https://id.example.com"
database.url = "postgres://countersign:hunter2@db/countersign"
keys.master_file = "/etc/countersign/master.key"
"#;

#[test]
fn nothing_set_is_a_development_start() {
    let settings = load("", &[("PATH", "/bin"), ("COUNTERSIGNED", "no setting")]).unwrap();
    assert_eq!(settings.mode(), Mode::Development);
    assert_eq!(settings.issuer.as_str(), "http://localhost:8080");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database.url.expose(), "sqlite://data/countersign.db");
    assert_eq!(settings.keys.dir, Path::new("keys"));
    assert_eq!(settings.lifetimes.refresh_absolute, Duration::from_hours(90 * 24));
    assert_eq!(settings.refresh.grace, Duration::ZERO);
    assert!(settings.redis.url.is_none() && settings.keys.master_file.is_none());
    assert!(settings.effective().iter().all(|effective| effective.source == Source::Default));
}

#[test]
fn a_production_start_names_each_missing_setting() {
    let errors = load("issuer = 'https://id.example.com'", &[]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "database.url: must be set for an https issuer (here or as COUNTERSIGN_DATABASE__URL)\n\
         keys.master_file: must be set for an https issuer (here or as COUNTERSIGN_KEYS__MASTER_FILE)"
    );
    assert_eq!(load(PRODUCTION, &[]).unwrap().mode(), Mode::Production);
    // An empty variable is no value.
    assert!(load(PRODUCTION, &[("COUNTERSIGN_KEYS__MASTER_FILE", "")]).is_err());
    assert!(load(PRODUCTION, &[("COUNTERSIGN_DATABASE__URL", "")]).is_err());
}

#[test]
fn the_looks_of_the_house_can_be_set() {
    let brand = load("", &[]).unwrap().brand;
    assert_eq!(
        (brand.name.as_str(), brand.logo_file, brand.accent, brand.accent_dark),
        ("Countersign", None, None, None)
    );
    let brand = load("brand.name = ' House & Sons '\nbrand.accent = '#7A0C0C'", &[]).unwrap().brand;
    assert_eq!((brand.name.as_str(), brand.accent.unwrap().to_string().as_str()), ("House & Sons", "#7a0c0c"));
    for name in ["''", "' '", "'12345678901234567890123456789012345678901'", "\"a\\nb\""] {
        let wrong = "brand.name: must be 1 to 40 characters, none of them a control character";
        assert_eq!(refused(&format!("brand.name = {name}")), wrong, "{name}");
    }
    assert_eq!(refused("brand.accent = 'red'"), "brand.accent: expected a colour such as #0d5f58");
}

#[test]
fn colours_that_cannot_be_read_are_refused() {
    assert_eq!(
        refused("brand.accent = '#7fd0c4'"),
        "brand.accent: cannot be read on the page, which is #ffffff: the contrast is 1.79, and must be 4.5 at least"
    );
    assert_eq!(
        refused("brand.accent_dark = '#0d5f58'"),
        "brand.accent_dark: cannot be read on the page, which is #191f22: the contrast is 2.22, and must be 4.5 at least"
    );
}

#[test]
fn the_list_of_stolen_passwords_is_asked_only_when_told_so_and_only_by_https() {
    assert!(load("", &[]).unwrap().password.breaches.is_none());
    let list = |text: &str| load(text, &[]).unwrap().password.breaches.unwrap().to_string();
    assert_eq!(list("password.breach_check = true"), "https://api.pwnedpasswords.com/range/");
    let own = "password.breach_check = true\npassword.breach_url = ";
    assert_eq!(list(&format!("{own}'http://127.0.0.1:1/range/'")), "http://127.0.0.1:1/range/");
    assert_eq!(refused(&format!("{own}''")), "password.breach_url: must be set where `password.breach_check` is true");
    let wrong = "password.breach_url: must start with https:// and end with a slash";
    assert_eq!(refused(&format!("{own}'https://list.example/range'")), wrong);
    assert_eq!(refused(&format!("{PRODUCTION}{own}'http://list.example/range/'")), wrong);
    assert!(refused("password.breach_check = 'perhaps'").contains("expected true or false"));
    assert_eq!(load("password.words = ['one', 'two']", &[]).unwrap().password.words, ["one", "two"]);
    assert_eq!(load("", &[("COUNTERSIGN_PASSWORD__WORDS", "one, two")]).unwrap().password.words, ["one", "two"]);
}

#[test]
fn issuer_is_one_exact_url() {
    for text in ["https://id.example.com", "https://id.example.com:8443", "http://127.8.0.1", "http://[::1]:8080"] {
        let issuer = load(PRODUCTION, &[("COUNTERSIGN_ISSUER", text)]).unwrap().issuer;
        assert_eq!(issuer.as_str(), text);
    }
    for (issuer, reason) in [
        ("http://id.example.com", "http is only for loopback"),
        ("http://localhost.example.com", "http is only for loopback"),
        ("http://10.0.0.1", "http is only for loopback"),
        ("http://[::ffff:127.0.0.1]", "http is only for loopback"),
        ("http://localhost:8080/", "must not end in a slash"),
        ("http://localhost/tenant/", "a path is not supported yet"),
        ("http://localhost/?", "neither a query nor a fragment"),
        ("http://localhost#", "neither a query nor a fragment"),
        ("http://user@localhost", "user or a password"),
        ("http://:hunter2@localhost", "user or a password"),
        ("http://LOCALHOST", "write it as http://localhost"),
        ("http://localhost:80", "write it as http://localhost"),
        ("http://127.1", "write it as http://127.0.0.1"),
        ("https://id.example.com/tenant", "a path is not supported yet; write scheme, host and port alone"),
        ("http://localhost/a/..", "write it as http://localhost"),
        (" http://localhost", "write it as http://localhost"),
        ("localhost:8080", "expected an absolute URL"),
        ("/", "expected an absolute URL"),
        ("", "expected an absolute URL"),
        ("ftp://localhost", "expected an absolute URL"),
        ("https:", "expected an absolute URL"),
    ] {
        let message = load("", &[("COUNTERSIGN_ISSUER", issuer)]).unwrap_err().to_string();
        assert!(message.starts_with("COUNTERSIGN_ISSUER: ") && message.contains(reason), "{issuer}: {message}");
        assert!(!message.contains("hunter2"));
    }
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_name() {
    for (text, message) in [
        ("isuer = 'x'", "isuer: unknown setting; the nearest known one is issuer"),
        ("[lifetimes]\ncod = 1", "lifetimes.cod: unknown setting; the nearest known one is lifetimes.code"),
        ("database_url = 'x'", "database_url: unknown setting; the nearest known one is database.url"),
        ("[pkce.requird]", "pkce.requird: unknown setting; the nearest known one is pkce.required"),
        ("[[redis.urls]]\nx = 1", "redis.urls: unknown setting; the nearest known one is redis.url"),
        ("colour = 'red'", "colour: unknown setting; without it, `countersign config check` lists all"),
        ("url = 'x'", "url: unknown setting; without it, `countersign config check` lists all"),
        ("[smtp]\nhost = 'x'", "smtp.host: unknown setting; without it, `countersign config check` lists all"),
        ("database = 'sqlite://x'", "database: expected a table with url"),
        (
            "keys = 5",
            "keys: expected a table with dir, master_file, next_master_file, previous_master_file, algorithms",
        ),
    ] {
        assert_eq!(refused(text), message);
    }
    assert_eq!(
        load("", &[("COUNTERSIGN_LISTN", "")]).unwrap_err().to_string(),
        "COUNTERSIGN_LISTN: unknown setting; the nearest known one is COUNTERSIGN_LISTEN"
    );
    assert_eq!(
        load("", &[("COUNTERSIGN_COLOUR", "")]).unwrap_err().to_string(),
        "COUNTERSIGN_COLOUR: unknown setting; without it, `countersign config check` lists all"
    );
    assert!(load("[database]\n[keys]", &[]).is_ok(), "an empty section is nothing");
}

#[test]
fn clients_register_themselves_only_where_that_is_set() {
    let registration = |text: &str| load(text, &[]).unwrap().registration;
    let default = registration("");
    assert_eq!((default.mode, default.pkce), (RegistrationMode::Off, PkceRequired::All));
    assert!(default.scopes.is_empty() && !default.client_credentials);
    assert_eq!((default.limit, default.unused), (1_000, Duration::from_hours(30 * 24)));

    assert_eq!(registration("pkce.required = 'public'").pkce, PkceRequired::Public);
    assert_eq!(registration("pkce.required = 'public'\nregistration.pkce = 'all'").pkce, PkceRequired::All);
    assert_eq!(registration("registration.mode = 'token'").mode, RegistrationMode::Token);
    assert_eq!(registration("registration.scopes = ['b', 'a']").scopes.to_string(), "a b");
    let variable = load("", &[("COUNTERSIGN_REGISTRATION__SCOPES", "a,b c")]).unwrap();
    assert_eq!(variable.registration.scopes.to_string(), "a b c");
    for (text, message) in [
        ("registration.mode = 'on'", "registration.mode: expected `off`, `token` or `open`"),
        ("registration.pkce = 'none'", "registration.pkce: expected `all` or `public`"),
        ("registration.scopes = 'a'", "registration.scopes: expected a list of scopes, found a string"),
        ("registration.scopes = ['a b']", "registration.scopes: expected a list of scopes"),
        ("registration.limit = 0", "registration.limit: must not be zero"),
        ("registration.unused = 0", "registration.unused: must not be zero"),
    ] {
        assert_eq!(refused(text), message);
    }
}

#[test]
fn wrong_types_are_refused_with_what_is_expected() {
    for (text, message) in [
        ("issuer = 1", "issuer: expected an absolute URL such as https://id.example.com, found a number"),
        ("issuer.x = 1", "issuer: expected an absolute URL such as https://id.example.com, found a table"),
        ("listen = '8080'", "listen: expected an address and a port such as 127.0.0.1:8080"),
        (
            "outbound.allow = '10.0.0.0/8'",
            "outbound.allow: expected a list of networks such as 10.0.0.0/8 or fd00::/8, found a string",
        ),
        ("trusted_proxies = ['proxy']", "trusted_proxies: expected a list of networks such as 10.0.0.0/8 or fd00::/8"),
        ("trusted_proxies = [1]", "trusted_proxies: expected a list of networks such as 10.0.0.0/8 or fd00::/8"),
        ("pkce.required = 'none'", "pkce.required: expected `all` or `public`"),
        ("pkce.required = true", "pkce.required: expected `all` or `public`, found true or false"),
        ("log.level = 'infoo'", "log.level: expected `error`, `warn`, `info`, `debug` or `trace`"),
        ("log.format = ['json']", "log.format: expected `text` or `json`, found a list"),
        ("throttle.account = '5'", "throttle.account: expected a whole number from 0 to 4294967295, found a string"),
        ("throttle.account = -1", "throttle.account: expected a whole number from 0 to 4294967295"),
        ("keys.dir = ''", "keys.dir: expected a path"),
        ("keys.master_file = 1.5", "keys.master_file: expected a path, found a fraction"),
    ] {
        assert_eq!(refused(text), message);
    }
    assert!(
        refused("database.url = 'mysql://u:hunter2@h/d'").starts_with("database.url: expected a URL such as sqlite:")
    );
    assert!(refused("redis.url = 'http://h'").starts_with("redis.url: expected a URL such as redis:"));
}

#[test]
fn a_mail_server_is_reached_over_tls_unless_it_is_near() {
    let url = |text: &str| {
        let settings = load("mail.from = 'a@example.com'", &[("COUNTERSIGN_MAIL__URL", text)]).unwrap();
        settings.mail.url.unwrap()
    };
    for (text, host, port, security) in [
        ("smtps://mail.example.com", "mail.example.com", 465, SmtpSecurity::Tls),
        ("smtp://mail.example.com", "mail.example.com", 587, SmtpSecurity::StartTls),
        ("smtp://mail.example.com:25?tls=required", "mail.example.com", 25, SmtpSecurity::StartTls),
        ("smtp://catcher:1025?tls=none", "catcher", 1025, SmtpSecurity::Plain),
        ("smtp://localhost", "localhost", 25, SmtpSecurity::Plain),
        ("smtp://[::1]:2525/", "::1", 2525, SmtpSecurity::Plain),
        ("smtp://127.0.0.1?tls=required", "127.0.0.1", 587, SmtpSecurity::StartTls),
    ] {
        let url = url(text);
        assert_eq!((url.host.as_str(), url.port, url.security, url.login), (host, port, security, None), "{text}");
    }
    let login = url("smtps://ada%40example.com:a+b%2F%25@mail.example.com").login.unwrap();
    assert_eq!(login, ("ada@example.com".to_owned(), "a+b/%".to_owned()));

    for (text, message) in [
        ("smtp://u:hunter2@mail.example.com?tls=none", "a password goes to another machine over TLS alone"),
        ("smtp://mail.example.com?tls=opportunistic", "the only parameter is tls=required or tls=none"),
        ("smtps://mail.example.com?tls=none", "smtps takes no parameters"),
        ("smtps://mail.example.com/inbox", "must have neither a path nor a fragment"),
        ("smtps://u:hun/ter2@mail.example.com", "expected a URL such as smtps:"),
        ("smtps://u:hun#ter2@mail.example.com", "expected a URL such as smtps:"),
        ("smtp:", "expected a URL such as smtps:"),
        ("smtp:///", "expected a URL such as smtps:"),
        ("https://mail.example.com", "expected a URL such as smtps:"),
        ("mail.example.com", "expected a URL such as smtps:"),
    ] {
        let message_seen = refused(&format!("mail.from = 'a@example.com'\nmail.url = '{text}'"));
        assert!(message_seen.starts_with(&format!("mail.url: {message}")), "{text}: {message_seen}");
        assert!(!message_seen.contains("ter2"), "{message_seen}");
    }
}

#[test]
fn accounts_are_made_where_mails_can_be_sent() {
    assert_eq!(refused("signup.mode = 'closed'"), "signup.mode: expected `off`, `invitation` or `open`");
    let mode = |text: &str| load(text, &[]).map(|settings| settings.signup.mode);
    assert_eq!(mode("").unwrap(), SignUpMode::Off);
    for (word, expected) in [("invitation", SignUpMode::Invitation), ("open", SignUpMode::Open)] {
        let text = format!("signup.mode = '{word}'");
        assert_eq!(mode(&text).unwrap(), expected, "a development start keeps mails in a folder");
        let message = load(&text, &[("COUNTERSIGN_ISSUER", "https://op.example")]).unwrap_err().to_string();
        assert!(message.contains("signup.mode: accounts are made by mail: set `mail.url` too"), "{message}");
    }
}

#[test]
fn mails_need_an_address_to_come_from() {
    assert_eq!(refused("mail.url = 'smtps://mail.example.com'"), "mail.from: must be set where `mail.url` is");
    for from in ["", "ada", "Ada <ada@example.com>", "ada@ex\u{e4}mple.com", " ada@example.com"] {
        let message = load("mail.url = 'smtps://h'", &[("COUNTERSIGN_MAIL__FROM", from)]).unwrap_err().to_string();
        assert!(message.contains("MAIL__FROM: "), "{from}: {message}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let errors =
        load("isuer = 1\nlisten = 2\nthrottle.account = 0", &[("COUNTERSIGN_LOG__LEVEL", "x"), ("COUNTERSIGN_X", "")]);
    let message = errors.unwrap_err().to_string();
    let names: Vec<_> = message.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["listen", "throttle.account", "COUNTERSIGN_LOG__LEVEL", "isuer", "COUNTERSIGN_X"], "{message}");

    let errors = load("\"two\\nlines\" = 1\nlisten = 2", &[]).unwrap_err();
    assert_eq!(errors.problems().len(), 2);
    assert_eq!(errors.to_string().lines().count(), 2);
}

#[test]
fn broken_toml_names_the_file_and_the_line_but_not_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("countersign.toml");
    std::fs::write(&file, "listen = '127.0.0.1:80'\ndatabase.url = 'postgres://u:hunter2@h/d\n").unwrap();
    let message = Settings::load(Some(&file), []).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: line 2: ", file.display())), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    assert_eq!(message.lines().count(), 1);

    for text in
        ["redis.url = hunter2", "'hunter2' = 1\n'hunter2' = 2", "redis.url = 'x' hunter2", "redis.url = \"\\hunter2\""]
    {
        let message = refused(text);
        assert!(message.starts_with("settings: line ") && !message.contains("hunter2"), "{message}");
    }

    let missing = dir.path().join("missing.toml");
    let message = Settings::load(Some(&missing), []).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: cannot be read", missing.display())), "{message}");
    std::fs::write(&file, PRODUCTION).unwrap();
    assert_eq!(Settings::load(Some(&file), []).unwrap().mode(), Mode::Production);
}

#[test]
fn variables_override_the_file() {
    let settings = load(
        "listen = '127.0.0.1:1'\nthrottle.account = 7\noutbound.allow = ['10.0.0.0/8']",
        &[
            ("COUNTERSIGN_LISTEN", "0.0.0.0:2"),
            ("COUNTERSIGN_DATABASE__URL", "sqlite://x.db"),
            ("COUNTERSIGN_OUTBOUND__ALLOW", "192.168.7.9/16, fd00::1"),
            ("COUNTERSIGN_TRUSTED_PROXIES", ""),
            ("COUNTERSIGN_LIFETIMES__LINK", "90"),
            ("COUNTERSIGN_REDIS__URL", ""),
        ],
    )
    .unwrap();
    assert_eq!(settings.listen.to_string(), "0.0.0.0:2");
    assert_eq!(settings.database.url.expose(), "sqlite://x.db");
    assert_eq!(settings.throttle.account, 7);
    assert_eq!(settings.lifetimes.link, Duration::from_secs(90));
    assert!(settings.redis.url.is_none() && settings.trusted_proxies.is_empty());
    let shown = |key: &str| {
        let effective = settings.effective().iter().find(|effective| effective.key == key).unwrap();
        (effective.shown(), effective.source)
    };
    assert_eq!(shown("outbound.allow"), ("192.168.0.0/16, fd00::1/128".to_owned(), Source::Environment));
    assert_eq!(shown("throttle.account"), ("7".to_owned(), Source::File));
    assert_eq!(shown("redis.url"), (String::new(), Source::Environment));
    assert_eq!(shown("lifetimes.link"), ("90s".to_owned(), Source::Environment));
    assert_eq!(shown("lifetimes.access_token"), ("10m".to_owned(), Source::Default));
    assert_eq!(shown("refresh.grace"), ("0s".to_owned(), Source::Default));
    assert!(load("listen = 5", &[("COUNTERSIGN_LISTEN", "0.0.0.0:2")]).is_ok(), "an overridden value is not read");
}

#[test]
fn durations_are_seconds_or_have_a_unit() {
    let link =
        |value: &str| load(&format!("lifetimes.link = {value}"), &[]).map(|settings| settings.lifetimes.link.as_secs());
    for (value, seconds) in [
        ("90", 90),
        ("'90'", 90),
        ("'90s'", 90),
        ("'10m'", 600),
        ("'24h'", 86_400),
        ("'7d'", 604_800),
        ("'3650d'", 315_360_000),
    ] {
        assert_eq!(link(value).unwrap(), seconds);
    }
    for value in [
        "-1",
        "'-1s'",
        "'+1s'",
        "1.5",
        "'1.5h'",
        "''",
        "'s'",
        "'1w'",
        "'1 h'",
        "'1h30m'",
        "'3651d'",
        "true",
        "'99999999999999999999d'",
        "9223372036854775807",
    ] {
        let message = link(value).unwrap_err().to_string();
        assert!(message.starts_with("lifetimes.link: expected seconds, or a duration such as 60s"), "{message}");
    }
}

#[test]
fn lifetimes_make_sense_together() {
    for (text, message) in [
        ("lifetimes.code = 61", "lifetimes.code: must not be longer than 60s"),
        ("lifetimes.code = 0", "lifetimes.code: must not be zero"),
        ("lifetimes.access_token = '0m'", "lifetimes.access_token: must not be zero"),
        (
            "lifetimes.session_absolute = '12h'",
            "lifetimes.session_idle: 1d is longer than `lifetimes.session_absolute`, which is 12h",
        ),
        (
            "lifetimes.refresh_idle = '91d'",
            "lifetimes.refresh_idle: 91d is longer than `lifetimes.refresh_absolute`, which is 90d",
        ),
        (
            "lifetimes.signing_key = '59m'",
            "lifetimes.jwks_cache: 1h is longer than `lifetimes.signing_key`, which is 59m",
        ),
        ("refresh.grace = 61", "refresh.grace: must not be longer than 60s"),
    ] {
        assert_eq!(refused(text), message);
    }
    // One slip, one line.
    refused("lifetimes.session_absolute = 'x'\nlifetimes.session_idle = '60d'");
    assert!(
        load("lifetimes.session_idle = '12h'\nlifetimes.session_absolute = '12h'\nrefresh.grace = 10", &[]).is_ok()
    );
}

#[test]
fn numbers_stay_within_their_limits() {
    for (text, message) in [
        ("password.memory_kib = 7", "password.memory_kib: must be from 8 (8 KiB for each lane) to 4194304"),
        (
            "password.memory_kib = 31\npassword.parallelism = 4",
            "password.memory_kib: must be from 32 (8 KiB for each lane) to 4194304",
        ),
        ("password.memory_kib = 4194305", "password.memory_kib: must be from 8 (8 KiB for each lane) to 4194304"),
        ("password.iterations = 0", "password.iterations: must be from 1 to 1000"),
        ("password.parallelism = 0", "password.parallelism: must be from 1 to 64"),
        ("throttle.account = 0", "throttle.account: must not be zero"),
        ("throttle.address = 0", "throttle.address: must not be zero"),
        ("throttle.house = 0", "throttle.house: must not be zero"),
    ] {
        assert_eq!(refused(text), message);
    }
    let least = load("password = { memory_kib = 8, iterations = 1, parallelism = 1 }", &[]).unwrap().password;
    assert!(argon2::Params::new(least.memory_kib, least.iterations, least.parallelism, None).is_ok());
}

#[test]
fn secrets_are_shown_nowhere() {
    let text = format!(
        "{PRODUCTION}\nredis.url = 'rediss://:hunter2@cache:6379'\nmail = {{ url = 'smtps://u:hunter2@mail', from = 'a@b' }}"
    );
    let settings = load(&text, &[]).unwrap();
    assert!(settings.database.url.expose().contains("hunter2"));
    let shown =
        format!("{settings:?} {} {}", settings.database.url, serde_json::to_string(settings.effective()).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("postgres://countersign:…@db/countersign") && shown.contains("rediss://:…@cache:6379"));
    assert!(shown.contains("smtps://u:…@mail"));
}

#[test]
fn passwords_are_masked_wherever_a_url_holds_them() {
    for (url, masked) in [
        ("sqlite://data/countersign.db", "sqlite://data/countersign.db"),
        ("sqlite::memory:", "sqlite::memory:"),
        ("postgres://app@db/name", "postgres://app@db/name"),
        ("postgres://app:hunter2@db:5432/name?sslmode=require", "postgres://app:…@db:5432/name?sslmode=require"),
        ("postgres:///name?host=/run&password=hunter2", "postgres:///name?host=/run&password=…"),
        ("postgres:///name?pass%77ord=hunter2&x=1", "postgres:///name?pass%77ord=…&x=1"),
        ("postgres://app:12/hunter2?x@db/name", "postgres://app:…@db/name"),
        ("postgres:name?password=hunter2", "postgres:name?password=…"),
    ] {
        let settings = load("", &[("COUNTERSIGN_DATABASE__URL", url)]).unwrap();
        assert_eq!(settings.database.url.expose(), url);
        assert_eq!(settings.database.url.masked(), masked);
    }
}

proptest! {
    #[test]
    fn no_part_of_a_password_is_shown(password in "[a-z0-9@:/?#&=%!$]{1,24}", tail in "[a-z]{0,8}") {
        let url = SecretUrl::<secret::Database>::built_in(format!("postgres://USER:{password}@HOST/{tail}").leak());
        prop_assert_eq!(url.masked(), format!("postgres://USER:…@HOST/{}", tail));
    }

    #[test]
    fn any_text_is_settings_or_a_refusal(text in ".{0,200}", value in ".{0,40}") {
        let _ = load(&text, &[]);
        for effective in load("", &[]).unwrap().effective() {
            let variable = format!("COUNTERSIGN_{}", effective.key.replace('.', "__").to_uppercase());
            if let Err(errors) = load("", &[(&variable, &value)]) {
                prop_assert_eq!(errors.problems().len(), errors.to_string().lines().count());
            }
        }
    }
}

#[test]
fn a_second_factor_is_demanded_of_nobody_of_roles_or_of_everybody() {
    use crate::domain::second_factor::Policy;

    let policy = |text: &str| load(text, &[]).unwrap().second_factor.policy;
    assert_eq!(policy(""), Policy::Optional { roles: [].into() });
    let roles = "second_factor.required_roles = ['admin', 'treasurer']";
    let expected = Policy::Optional { roles: ["admin".to_owned(), "treasurer".to_owned()].into() };
    assert_eq!(policy(roles), expected);
    let variable = [("COUNTERSIGN_SECOND_FACTOR__REQUIRED_ROLES", "admin, treasurer")];
    assert_eq!(load("", &variable).unwrap().second_factor.policy, expected);
    assert_eq!(policy(&format!("second_factor.policy = 'required'\n{roles}")), Policy::Required);
    assert_eq!(refused("second_factor.policy = 'always'"), "second_factor.policy: expected `optional` or `required`");
    for roles in ["['a b']", "['a,b']", "['']", "[1]"] {
        let message = refused(&format!("second_factor.required_roles = {roles}"));
        assert!(message.contains("a list of roles"), "{message}");
    }
}

#[test]
fn devices_are_trusted_for_thirty_days_or_never() {
    let remember = |text| load(text, &[]).unwrap().second_factor.remember;
    assert_eq!(remember(""), Duration::from_hours(30 * 24));
    assert!(remember("second_factor.remember = 0").is_zero());
}

#[test]
fn of_a_url_that_checkpoints_are_posted_to_the_host_alone_is_shown() {
    let text = "audit.checkpoint_url = 'https://hooks.example/s3rvice/k3y?token=t0ken'";
    let settings = load(text, &[]).unwrap();
    let effective = settings.effective().iter().find(|setting| setting.key == "audit.checkpoint_url").unwrap();
    assert_eq!(effective.value, "https://hooks.example/…");
    assert!(format!("{settings:?}").contains("https://hooks.example/…"));
    for secret in ["s3rvice", "k3y", "t0ken"] {
        assert!(!format!("{:?}", settings.audit).contains(secret), "{secret}");
    }
    let refused = |url: &str, words: &str| {
        let message = load(&format!("audit.checkpoint_url = '{url}'"), &[]).unwrap_err().to_string();
        assert!(message.starts_with("audit.checkpoint_url: ") && message.contains(words), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    };
    refused("ftp://hooks.example/s3cret", "");
    refused("http://hooks.example/s3cret", "must be an https URL");
    refused("https://user:s3cret@hooks.example/", "must not have a user");
    assert!(load("audit.checkpoint_url = 'http://127.0.0.1:9/x'", &[]).is_ok());
}

#[test]
fn tls_takes_both_files_and_an_https_issuer() {
    let both = "tls.certificate_file = 'a.crt'\ntls.key_file = 'a.key'";
    let settings = load(&format!("{PRODUCTION}\n{both}"), &[]).unwrap();
    let tls = settings.tls.unwrap();
    assert_eq!((tls.certificate_file, tls.key_file), ("a.crt".into(), "a.key".into()));
    assert!(!tls.client_certificates);
    assert_eq!(load("", &[]).unwrap().tls, None);
    for (text, problem) in [
        ("tls.certificate_file = 'a.crt'", "tls.key_file: must be set when `tls.certificate_file` is"),
        ("tls.key_file = 'a.key'", "tls.certificate_file: must be set when `tls.key_file` is"),
        ("tls.client_certificates = true", "tls.client_certificates: nobody can be asked without TLS"),
    ] {
        let refused = load(&format!("{PRODUCTION}\n{text}"), &[]).unwrap_err().to_string();
        assert!(refused.starts_with(problem) && refused.lines().count() == 1, "{refused}");
    }
    let refused = load(both, &[]).unwrap_err().to_string();
    assert!(refused.starts_with("tls.certificate_file: people would be sent to http: set `issuer`"), "{refused}");
}
