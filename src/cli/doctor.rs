//! `doctor`: whether everything that a node needs is there, and what to do where it is not.

use std::fmt::Display;

use chrono::TimeDelta;
use countersign_jose::Algorithm;
use serde_json::{Value, json};
use url::Url;

use super::{CliError, Output};
use crate::{
    app::App,
    clock::Clock,
    config::Settings,
    domain::key::KeyState,
    listener::tls::Certificate,
    outbound::OutboundError,
    random::Random,
    store::{Store, StoreError, account, audit, audit_log, client, signing_key},
};

/// By how much the clocks of two machines may differ: tokens are checked to the second, guards by up to ten.
const MAX_SKEW: TimeDelta = TimeDelta::seconds(2);
/// How many days before its end a certificate has a successor, where that is done by itself.
const RENEWED_DAYS_BEFORE: i32 = 14;
/// Within what time events are sealed where a server runs and all is well.
const SEALED_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// The longest discovery document that is read, in bytes.
const MAX_DISCOVERY_BYTES: usize = 64 * 1024;

/// What was found.
#[derive(Debug)]
enum Finding {
    /// Nothing to do.
    Good(String),
    /// It works, but not as it should.
    Doubtful(String),
    /// It does not work.
    Bad(String),
    /// It could not be looked at.
    Skipped(String),
}

use Finding::{Bad, Doubtful, Good, Skipped};

impl Finding {
    fn of<T, E: Display>(outcome: Result<T, E>, good: impl FnOnce(T) -> Self) -> Self {
        outcome.map_or_else(|error| Bad(error.to_string()), good)
    }

    fn result(&self) -> &'static str {
        match self {
            Good(_) => "good",
            Doubtful(_) => "doubtful",
            Bad(_) => "bad",
            Skipped(_) => "skipped",
        }
    }

    fn words(&self) -> &str {
        let (Good(words) | Doubtful(words) | Bad(words) | Skipped(words)) = self;
        words
    }
}

pub(super) async fn run(settings: Settings, out: Output) -> Result<(), CliError> {
    let app = App::existing(settings, Clock::system(), Random::system())?;
    let database = database(&app.store).await;
    let reachable = !matches!(database, Bad(_));
    let findings = [
        ("settings", Good(format!("issuer {}", app.settings.issuer.as_str()))),
        ("master key", if reachable { seal(&app.store).await } else { unknown() }),
        ("database", database),
        ("clock", if reachable { clock(&app).await } else { unknown() }),
        ("redis", redis(&app).await),
        ("signing keys", if reachable { keys(&app).await } else { unknown() }),
        ("administrator", if reachable { administrator(&app).await } else { unknown() }),
        ("mail", mail(&app).await),
        ("certificate", certificate(&app)),
        ("audit trail", if reachable { audit_trail(&app).await } else { unknown() }),
        ("issuer", issuer(&app).await),
    ];
    let rows: Vec<_> = findings
        .iter()
        .map(|(what, found)| vec![(*what).to_owned(), found.result().to_owned(), found.words().to_owned()])
        .collect();
    let json: Value = findings
        .iter()
        .map(|(what, found)| json!({ "check": what, "result": found.result(), "finding": found.words() }))
        .collect();
    out.table(&json, &["CHECK", "RESULT", "FINDING"], &rows)?;
    match findings.iter().filter(|(_, found)| matches!(found, Bad(_))).count() {
        0 => Ok(()),
        bad => Err(CliError::new(format!("{bad} of {} checks found something bad", findings.len()))),
    }
}

fn unknown() -> Finding {
    Skipped("the database does not answer".to_owned())
}

async fn database(store: &Store) -> Finding {
    match store.pending_migrations().await {
        Ok(0) => Good("answers, and its schema is of this version".to_owned()),
        Ok(pending) => Bad(format!("{pending} migrations are missing: run `countersign migrate`")),
        Err(error) => Bad(error.to_string()),
    }
}

async fn seal(store: &Store) -> Finding {
    let checked = async { signing_key::check_seal(&mut store.read().await?).await };
    Finding::of(checked.await, |()| Good("opens what is sealed in the database".to_owned()))
}

async fn clock(app: &App) -> Finding {
    let looked = async {
        let mut tx = app.store.read().await?;
        let newest = audit::latest(&mut tx, 1).await?;
        Ok::<_, crate::store::StoreError>((app.store.clock_of_server(&mut tx).await?, newest))
    };
    Finding::of(looked.await, |(server, newest)| {
        let now = app.clock.now();
        let ahead = newest.first().map(|row| row.at - now).filter(|ahead| *ahead > MAX_SKEW);
        let skew = server.map(|server| (server - now).abs()).filter(|skew| *skew > MAX_SKEW);
        match (ahead, skew) {
            // Two against one.
            (Some(ahead), None) if server.is_some() => Doubtful(format!(
                "agrees with the database's, but events were recorded by one that was {} s ahead",
                ahead.num_seconds()
            )),
            (Some(ahead), _) => Bad(format!(
                "is {} s behind what was recorded last: set it right, if it was not ahead then",
                ahead.num_seconds()
            )),
            (None, Some(skew)) => {
                Bad(format!("differs by {} s from the database's: synchronise both", skew.num_seconds()))
            }
            (None, None) => Good(format!("says {}", now.format("%Y-%m-%d %H:%M:%S UTC"))),
        }
    })
}

async fn redis(app: &App) -> Finding {
    match app.ephemeral.redis_answers(app.clock.now()).await {
        None => Skipped("redis.url is not set: for one node alone".to_owned()),
        Some(true) => Good("answers".to_owned()),
        Some(false) => Bad("does not answer: see redis.url, and whether it runs".to_owned()),
    }
}

async fn keys(app: &App) -> Finding {
    let (lifetimes, now) = (app.key_lifetimes(), app.clock.now());
    let stored = async {
        let mut tx = app.store.read().await?;
        Ok::<_, StoreError>((signing_key::all(&mut tx).await?, client::all(&mut tx).await?))
    };
    let longest = TimeDelta::from_std(lifetimes.signing).unwrap_or(TimeDelta::MAX);
    Finding::of(stored.await, |(keys, clients)| {
        if keys.is_empty() {
            return Doubtful("there is none yet: the first start makes one".to_owned());
        }
        let algorithms = &app.settings.keys.algorithms;
        let wants_another = clients.iter().find_map(|client| {
            let wanted = [client.id_token_algorithm(), client.access_token_algorithm()];
            Some((&client.id, wanted.into_iter().find(|algorithm| !algorithms.contains(algorithm))?))
        });
        if let Some((client, algorithm)) = wants_another {
            return Bad(format!(
                "the client {client} wants {algorithm}, whose keys have no successors: add it to `keys.algorithms`"
            ));
        }
        let mut since = Vec::new();
        for algorithm in algorithms {
            let of_algorithm = || keys.iter().filter(|key| key.algorithm == algorithm.name());
            match of_algorithm().find(|key| key.times.state(&lifetimes, now) == KeyState::Signing) {
                Some(key) if now - key.times.signs_from > longest => {
                    return Doubtful(format!("{} should have a successor by now: does a server run?", key.kid));
                }
                Some(key) => since.push(format!("{algorithm} since {}", key.times.signs_from.format("%Y-%m-%d"))),
                None if *algorithm == Algorithm::RS256 => {
                    return Bad("none signs: run `countersign key rotate --now`".to_owned());
                }
                // One that is new is not chosen by any client before it signs.
                None if of_algorithm().any(|key| key.times.state(&lifetimes, now) == KeyState::Published) => {}
                None => return Doubtful(format!("there is none for {algorithm} yet: a running server makes it")),
            }
        }
        Good(format!("sign: {}", since.join(", ")))
    })
}

async fn administrator(app: &App) -> Finding {
    let found = async { account::find_administrator(&mut app.store.read().await?).await };
    Finding::of(found.await, |found| match found {
        Some(_) => Good("there is one".to_owned()),
        None => Doubtful("there is none: run `countersign user admin-link`".to_owned()),
    })
}

async fn mail(app: &App) -> Finding {
    if let Some(folder) = app.mailer.folder() {
        return Good(format!("kept in {}", folder.path().display()));
    }
    if !app.can_mail() {
        return Doubtful("mail.url is not set: nobody can recover an account".to_owned());
    }
    Finding::of(app.mailer.reach().await, |()| Good("the server takes our connection".to_owned()))
}

fn certificate(app: &App) -> Finding {
    let Some(tls) = &app.settings.tls else {
        return Skipped("tls.certificate_file is not set: whoever speaks TLS is in front".to_owned());
    };
    let now = app.clock.now().timestamp();
    let looked = Certificate::read(tls).and_then(|found| Ok((found.days_left(now)?, found)));
    let host = Url::parse(app.settings.issuer.as_str()).ok().and_then(|url| Some(url.host_str()?.to_owned()));
    Finding::of(looked, |(days, found)| match host {
        _ if !found.has_begun(now).unwrap_or(true) => {
            Bad("is not valid yet: see the clock, and the certificate".to_owned())
        }
        _ if days < 0 => Bad("is no longer valid: renew it, and the server takes it up by itself".to_owned()),
        Some(host) if !found.is_for(&host) => Bad(format!("is not for {host}, where the issuer is")),
        _ if days < RENEWED_DAYS_BEFORE => Doubtful(format!("is valid for {days} more days: is it renewed?")),
        _ if found.is_alone() => Doubtful(
            "comes without the certificates between it and its authority, which clients may not know".to_owned(),
        ),
        _ => Good(format!("is valid for {days} more days")),
    })
}

/// Whether events wait for their seal longer than they should.
async fn audit_trail(app: &App) -> Finding {
    let waiting = async { audit_log::waiting(&mut app.store.read().await?).await };
    let now = app.clock.now();
    Finding::of(waiting.await, |(count, since)| match since.map(|since| now - since) {
        Some(waited) if waited > SEALED_WITHIN => Doubtful(format!(
            "{count} events wait for their seal, the first for {} minutes: does a server run? If so, see its log, and run `countersign audit verify`",
            waited.num_minutes()
        )),
        _ => Good("is sealed as it grows".to_owned()),
    })
}

/// Fetches what apps fetch, from where they do: through proxies and all.
async fn issuer(app: &App) -> Finding {
    let issuer = app.settings.issuer.as_str();
    let Ok(url) = Url::parse(&format!("{issuer}/.well-known/openid-configuration")) else {
        return Bad(format!("{issuer} is no address"));
    };
    match app.outbound.get(&url, MAX_DISCOVERY_BYTES).await {
        Ok(fetched) => match serde_json::from_slice::<Value>(&fetched.body) {
            Ok(document) if document.get("issuer").and_then(Value::as_str) == Some(issuer) => {
                Good(format!("{url} answers"))
            }
            Ok(_) | Err(_) => Bad(format!("{url} is answered by somebody else: see the proxy, and `issuer`")),
        },
        Err(OutboundError::Address) => Skipped("its address is not public: see it from where apps run".to_owned()),
        Err(error) => Doubtful(format!("{url}: {error}; does the server run, and do apps reach it?")),
    }
}
