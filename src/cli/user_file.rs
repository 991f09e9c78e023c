//! `user import` and `user export`: all people at once, as a table or as JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use countersign_types::UserId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    CliError, Output, csv, read_file,
    user::{parse_role, to_json},
};
use crate::{
    app::App,
    domain::{
        credential::PasswordCredential,
        event::{AuditEntry, Event},
        user::{ClaimChange, SETTABLE_CLAIMS, User, parse_email, parse_username},
    },
    passwords::Passwords,
    store::{StoreError, account, audit, credential},
};

/// What `user import --help` tells.
pub(super) const IMPORT_HELP: &str = "\
Add people from a file, all of them or nobody.

A table (CSV) begins with a line that names its columns: email, and any of id, email_verified, username, roles (with commas \
between them), enabled, password_hash, and the claims that `user set` knows, such as name, name#de, address.country, groups (with \
commas between them) or attributes.department. JSON is a list \
of objects as `user export --json` prints it.

A password hash is of bcrypt ($2a$, $2b$, $2y$) or an Argon2 PHC string. It is good for the first sign-in, which replaces it. \
Whoever has none is sent a link by `user set-password`, or asks for one on the page for forgotten passwords. \
An id becomes the `sub` of tokens; without one it is made up.";

/// The largest file, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How people are written down.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// A table.
    Csv,
    /// A list of objects.
    Json,
}

/// A person as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: Option<String>,
    email: String,
    #[serde(default)]
    email_verified: bool,
    username: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default = "yes")]
    enabled: bool,
    password_hash: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

fn yes() -> bool {
    true
}

/// A person to be added, with nothing wrong in it.
struct Person {
    user: User,
    hash: Option<String>,
}

pub(super) async fn import(
    app: &App,
    file: &Path,
    format: Option<Format>,
    skip_existing: bool,
    out: Output,
) -> Result<(), CliError> {
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let text = read_file(file, MAX_BYTES)?;
    let people = match format.unwrap_or(if is_json { Format::Json } else { Format::Csv }) {
        Format::Json => from_json(app, &text)?,
        Format::Csv => from_csv(app, &text)?,
    };

    let now = app.clock.now();
    let (mut imported, mut skipped) = (0, 0);
    let mut tx = app.store.write().await?;
    for Person { user, hash } in people {
        if skip_existing && account::find_by_name(&mut tx, &user.email).await?.is_some() {
            skipped += 1;
            continue;
        }
        account::insert(&mut tx, &user).await.map_err(|error| match error {
            StoreError::Conflict => CliError::new(format!(
                "{}: this mail address, user name or id belongs to another account; nobody was added",
                user.email
            )),
            other => other.into(),
        })?;
        if let Some(phc) = hash {
            credential::set_password(&mut tx, &PasswordCredential { user: user.id.clone(), phc }, now).await?;
        }
        audit::record(&mut tx, &AuditEntry::new(Event::UserCreated).user(&user.id), now).await?;
        imported += 1;
    }
    tx.commit().await?;
    let text = format!("Added {imported}, left {skipped} as they were.");
    out.print(&json!({ "imported": imported, "skipped": skipped }), text)
}

fn from_json(app: &App, text: &str) -> Result<Vec<Person>, CliError> {
    // What serde says of a wrong value might repeat it.
    let records: Vec<Record> = serde_json::from_str(text).map_err(|error| {
        CliError::new(format!("line {}: this is not a list of people as `user export --json` prints it", error.line()))
    })?;
    let numbered = records.into_iter().enumerate();
    numbered.map(|(at, record)| person(app, record).map_err(|problem| at_place("person", at + 1, &problem))).collect()
}

fn from_csv(app: &App, text: &str) -> Result<Vec<Person>, CliError> {
    let (head, rows) = csv::parse(text).map_err(|error| CliError::new(error.to_string()))?;
    if !head.iter().any(|column| column == "email") {
        return Err(CliError::new("the first line must name the columns, \"email\" among them"));
    }
    let is_known = |column: &String| COLUMNS.contains(&column.as_str()) || is_claim(column);
    if let Some(unknown) = head.iter().find(|column| !is_known(column)) {
        return Err(CliError::new(format!(
            "\"{unknown}\" is no column that is known; see `countersign user import --help`"
        )));
    }
    let parse = |row: csv::Row| {
        let columns: BTreeMap<_, _> = head.iter().map(String::as_str).zip(row.fields).collect();
        record(columns).and_then(|record| person(app, record)).map_err(|problem| at_place("line", row.line, &problem))
    };
    rows.into_iter().map(parse).collect()
}

fn at_place(what: &str, at: usize, problem: &CliError) -> CliError {
    CliError::new(format!("{what} {at}: {}; nobody was added", problem.told().0))
}

/// The columns of a table that are no claims.
const COLUMNS: [&str; 7] = ["id", "email", "email_verified", "username", "roles", "enabled", "password_hash"];

fn is_claim(column: &str) -> bool {
    !COLUMNS.contains(&column) && ClaimChange::parse(column, "").is_ok()
}

/// A row of a table as the object that it stands for. An empty field is none.
fn record(mut columns: BTreeMap<&str, String>) -> Result<Record, CliError> {
    columns.retain(|_, value| !value.is_empty());
    let flag = |value: Option<String>, default| match value.as_deref() {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(CliError::new("email_verified and enabled are true or false")),
    };
    let roles = columns.remove("roles").unwrap_or_default();
    Ok(Record {
        id: columns.remove("id"),
        email: columns.remove("email").unwrap_or_default(),
        email_verified: flag(columns.remove("email_verified"), false)?,
        username: columns.remove("username"),
        roles: roles.split(',').map(|role| role.trim().to_owned()).filter(|role| !role.is_empty()).collect(),
        enabled: flag(columns.remove("enabled"), true)?,
        password_hash: columns.remove("password_hash"),
        created_at: None,
        updated_at: None,
        claims: columns.into_iter().map(|(claim, value)| (claim.to_owned(), value.into())).collect(),
    })
}

fn person(app: &App, record: Record) -> Result<Person, CliError> {
    let now = app.clock.now();
    let id = match record.id {
        Some(id) if (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) => id,
        Some(_) => return Err(CliError::new("an id is 1 to 255 ASCII characters without spaces")),
        None => app.random.id(),
    };
    if let Some(hash) = &record.password_hash {
        Passwords::check_foreign(hash).map_err(|error| CliError::new(error.to_string()))?;
    }
    let mut user = User {
        id: UserId::new(id),
        email: parse_email(&record.email)?,
        email_verified: record.email_verified,
        username: record.username.as_deref().map(parse_username).transpose()?,
        claims: Map::new(),
        roles: record.roles.iter().map(|role| parse_role(role)).collect::<Result<_, _>>().map_err(CliError::new)?,
        enabled: record.enabled,
        second_factor_required: false,
        created_at: record.created_at.unwrap_or(now),
        updated_at: record.updated_at.unwrap_or(now),
    };
    for (claim, value) in flat(&record.claims) {
        let text = text_of(&claim, value).ok_or_else(|| CliError::new(format!("{claim} must be text")))?;
        if !is_claim(&claim) {
            return Err(CliError::new(format!("\"{claim}\" is not a claim that can be set")));
        }
        user.set_claim(&claim, &text).map_err(|error| CliError::new(error.to_string()))?;
    }
    Ok(Person { user, hash: record.password_hash })
}

/// A claim as `user set` takes it: groups with commas between them.
fn text_of(claim: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(groups) if claim == "groups" => {
            let groups = groups.iter().map(|group| group.as_str().filter(|group| !group.contains(',')));
            groups.collect::<Option<Vec<_>>>().map(|groups| groups.join(","))
        }
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Claims by name; the members of an address as `address.country`.
fn flat(claims: &Map<String, Value>) -> impl Iterator<Item = (String, &Value)> {
    claims.iter().flat_map(|(claim, value)| match value {
        Value::Object(members) => {
            members.iter().map(|(member, value)| (format!("{claim}.{member}"), value)).collect::<Vec<_>>()
        }
        other => vec![(claim.clone(), other)],
    })
}

pub(super) async fn export(app: &App, password_hashes: bool, out: Output) -> Result<(), CliError> {
    let mut tx = app.store.read().await?;
    let users = account::all(&mut tx).await?;
    let hashes = if password_hashes { credential::all_passwords(&mut tx).await? } else { BTreeMap::new() };
    drop(tx);

    let standard = SETTABLE_CLAIMS.iter().map(|(claim, _)| (*claim).to_owned()).filter(|claim| is_claim(claim));
    let mut claims: Vec<String> = standard.collect();
    // Groups, attributes and texts in a language: only those that somebody has.
    let said: BTreeSet<_> = users.iter().flat_map(|user| flat(&user.claims)).map(|(claim, _)| claim).collect();
    claims.extend(
        said.into_iter().filter(|claim| is_claim(claim) && !SETTABLE_CLAIMS.iter().any(|(one, _)| one == claim)),
    );
    let columns = COLUMNS.into_iter().filter(|column| password_hashes || *column != "password_hash");
    let mut lines = vec![csv::line(columns.chain(claims.iter().map(String::as_str)))];
    let mut list = Vec::new();
    for user in &users {
        let hash = hashes.get(&user.id);
        lines.push(row(user, &claims, password_hashes.then(|| hash.map_or("", String::as_str))));
        let mut json = to_json(user);
        if let (Value::Object(json), Some(hash)) = (&mut json, hash) {
            json.insert("password_hash".to_owned(), hash.as_str().into());
        }
        list.push(json);
    }
    out.print(&Value::Array(list), lines.join("\n"))
}

fn row(user: &User, claims: &[String], hash: Option<&str>) -> String {
    let roles = user.roles.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let flag = |flag: bool| if flag { "true" } else { "false" };
    let said: BTreeMap<String, String> =
        flat(&user.claims).filter_map(|(claim, value)| text_of(&claim, value).map(|text| (claim, text))).collect();
    let own = [user.id.as_str(), &user.email, flag(user.email_verified), user.username.as_deref().unwrap_or_default()];
    let own = own.into_iter().chain([roles.as_str(), flag(user.enabled)]).chain(hash);
    csv::line(own.chain(claims.iter().map(|claim| said.get(claim).map_or("", String::as_str))))
}
