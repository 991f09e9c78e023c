//! `audit`: what happened, and whether the trail of it is whole.

use std::{io::Write, path::PathBuf};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CliError, Context, Output, user};
use crate::{
    admin::verify_audit::{Report, verify},
    app::App,
    domain::{
        audit_log::{
            StoredEvent,
            checkpoint::{Verifier, notes},
        },
        event::{Personal, is_failure},
    },
    store::{
        StoreError, audit,
        audit_log::{self, Filter, Order},
    },
};

/// Events that are read at once.
const CHUNK: i64 = 1_000;
/// Problems that are printed for people; JSON has more.
const SHOWN: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Events, the newest first.
    List {
        #[command(flatten)]
        which: Which,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Events as lines of JSON, the oldest first: to keep, or for other programs.
    Export {
        #[command(flatten)]
        which: Which,
    },
    /// Look whether any event was changed, removed, moved or cut off since it was sealed; fail if one was.
    Verify {
        /// Checkpoints that were kept elsewhere, such as audit.checkpoint_file of another machine.
        #[arg(long, value_name = "FILE")]
        checkpoints: Option<PathBuf>,
        /// The key that they are signed by, as `audit key` printed it once. Without it the one in the database counts.
        #[arg(long)]
        key: Option<String>,
    },
    /// Print the key that checkpoints are signed by. Keep it elsewhere, and give it to whoever checks them.
    Key,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Of this person: mail address, user name, or the id of an account that is gone.
    #[arg(long)]
    user: Option<String>,
    /// Of this client.
    #[arg(long)]
    client: Option<String>,
    /// Of this kind, or whose kind begins so: `login`, `login.failed`.
    #[arg(long)]
    kind: Option<String>,
    /// Not before this day or time (UTC): 2026-01-31, 2026-01-31T08:00:00Z.
    #[arg(long, value_parser = parse_time)]
    since: Option<DateTime<Utc>>,
    /// Before this day or time (UTC).
    #[arg(long, value_parser = parse_time)]
    until: Option<DateTime<Utc>>,
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    let day = || text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.or_else(|_| day()).map_err(|_| "a day such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z".to_owned())
}

pub(super) async fn run(command: AuditCommand, context: Context, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    match command {
        AuditCommand::List { which, limit } => list(&app, which, limit, out).await,
        AuditCommand::Export { which } => export(&app, which).await,
        AuditCommand::Verify { checkpoints, key } => check(&app, checkpoints, key.as_deref(), out).await,
        AuditCommand::Key => key(&app, out).await,
    }
}

impl Which {
    async fn filter(self, app: &App) -> Result<Filter, CliError> {
        let user = match self.user {
            // Whose account is gone has no name any more, but an id.
            Some(name) => Some(user::find(app, &name).await.map_or(name, |user| user.id.to_string())),
            None => None,
        };
        Ok(Filter { user, client: self.client, kind: self.kind, since: self.since, until: self.until })
    }
}

/// An event, and what can be said of it to an operator.
struct Told {
    leaf: Option<u64>,
    event: StoredEvent,
    personal: Option<Personal>,
}

impl Told {
    fn outcome(&self) -> &'static str {
        if is_failure(&self.event.kind) { "failure" } else { "success" }
    }

    fn address(&self) -> Option<&str> {
        self.personal.as_ref().and_then(|personal| personal.address.as_deref())
    }

    /// The event is printed as it is hashed, byte for byte.
    fn to_line(&self) -> Result<String, CliError> {
        let broken = |error: serde_json::Error| CliError::new(error.to_string());
        let personal = serde_json::to_string(&self.personal).map_err(broken)?;
        let leaf = serde_json::to_string(&self.leaf).map_err(broken)?;
        let (outcome, event) = (self.outcome(), self.event.canonical());
        Ok(format!(r#"{{"leaf":{leaf},"outcome":"{outcome}","personal":{personal},"event":{event}}}"#))
    }

    fn to_json(&self) -> Value {
        let StoredEvent { id, at, kind, user, client, session, grant, request, detail, .. } = &self.event;
        json!({
            "id": id,
            "at": at,
            "kind": kind,
            "outcome": self.outcome(),
            "user": user,
            "client": client,
            "session": session,
            "grant": grant,
            "request": request,
            "detail": serde_json::from_str::<Value>(detail).unwrap_or(Value::Null),
            "personal": self.personal,
            "leaf": self.leaf,
        })
    }

    fn row(&self) -> Vec<String> {
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        let detail = if self.event.detail == "{}" { String::new() } else { self.event.detail.clone() };
        vec![
            self.event.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            self.event.kind.clone(),
            shown(&self.event.user),
            shown(&self.event.client),
            self.address().unwrap_or_default().to_owned(),
            detail,
        ]
    }
}

async fn page(app: &App, filter: &Filter, order: Order, most: i64) -> Result<Vec<Told>, StoreError> {
    let mut tx = app.store.read().await?;
    let mut keys = audit::AccountKeys::default();
    let mut told = Vec::new();
    for (leaf, event) in audit_log::page(&mut tx, filter, order, most).await? {
        let personal = audit::personal(&mut tx, &event, &mut keys).await?;
        told.push(Told { leaf, event, personal });
    }
    Ok(told)
}

async fn list(app: &App, which: Which, limit: u32, out: Output) -> Result<(), CliError> {
    let filter = which.filter(app).await?;
    let told = page(app, &filter, Order::Before(i64::MAX), limit.into()).await?;
    let rows: Vec<_> = told.iter().map(Told::row).collect();
    let json = told.iter().map(Told::to_json).collect();
    out.table(&json, &["AT (UTC)", "WHAT", "PERSON", "CLIENT", "ADDRESS", "DETAIL"], &rows)
}

async fn export(app: &App, which: Which) -> Result<(), CliError> {
    let filter = which.filter(app).await?;
    let mut out = std::io::stdout().lock();
    let mut after = 0;
    loop {
        let told = page(app, &filter, Order::After(after), CHUNK).await?;
        let Some(last) = told.last() else { return Ok(out.flush()?) };
        after = last.event.id;
        for told in &told {
            writeln!(out, "{}", told.to_line()?)?;
        }
    }
}

async fn check(app: &App, checkpoints: Option<PathBuf>, key: Option<&str>, out: Output) -> Result<(), CliError> {
    let key =
        key.map(|key| Verifier::parse(key).ok_or_else(|| CliError::misused("--key is none that `audit key` prints")));
    let key = key.transpose()?;
    let outside = match checkpoints {
        None => Vec::new(),
        Some(file) => {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| CliError::new(format!("{}: {error}", file.display())))?;
            let notes = notes(&text);
            if notes.is_empty() {
                return Err(CliError::new(format!("{} has no checkpoint in it", file.display())));
            }
            notes
        }
    };
    let report = verify(app, &outside, key).await?;
    out.print(&to_json(&report), words(&report))?;
    match report.found {
        0 => Ok(()),
        1 => Err(CliError::new("the audit trail is not what was sealed: 1 problem was found")),
        many => Err(CliError::new(format!("the audit trail is not what was sealed: {many} problems were found"))),
    }
}

fn words(report: &Report) -> String {
    let mut lines = vec![format!(
        "{} events are sealed, {} wait for it; {} checkpoints were compared.",
        report.sealed, report.waiting.0, report.checkpoints
    )];
    if report.kept_from > 0 {
        lines.push(format!("Of the first {} the hashes alone are kept (audit.retention).", report.kept_from));
    }
    if report.found == 0 {
        lines.push("Every one is what it was when it was sealed.".to_owned());
    }
    lines.extend(report.problems.iter().take(SHOWN).map(|problem| format!("- {problem}")));
    if report.found > SHOWN {
        lines.push(format!("- and {} more", report.found - SHOWN));
    }
    lines.join("\n")
}

fn to_json(report: &Report) -> Value {
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| json!({ "kind": problem.kind(), "leaf": problem.leaf(), "text": problem.to_string() }))
        .collect();
    json!({
        "ok": report.found == 0,
        "sealed": report.sealed,
        "kept_from": report.kept_from,
        "waiting": report.waiting.0,
        "waiting_since": report.waiting.1,
        "checkpoints": report.checkpoints,
        "found": report.found,
        "problems": problems,
    })
}

async fn key(app: &App, out: Output) -> Result<(), CliError> {
    let log = audit_log::find(&mut app.store.read().await?).await?;
    let log = log.ok_or_else(|| CliError::new("nothing is sealed yet; a running server does it within a minute"))?;
    let broken = |error: openssl::error::ErrorStack| CliError::new(error.to_string());
    let name = log.signer()?.verifier().and_then(|verifier| verifier.name()).map_err(broken)?;
    out.print(&json!({ "key": name }), name.as_str())
}
