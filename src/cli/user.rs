//! `user`: people.

use std::{collections::BTreeSet, path::PathBuf};

use clap::Subcommand;
use countersign_types::UserId;
use serde_json::{Map, Value, json};

use super::{
    CliError, Context, Output, read_secret, second_factor,
    user_file::{self, Format},
};
use crate::{
    app::App,
    config::SignUpMode,
    domain::{
        credential::Password,
        event::{AuditEntry, Event, Personal},
        mail::Mail,
        password_rules::NearWords,
        session::SessionEnd,
        user::{ClaimChange, ClaimError, User, is_role, parse_email, parse_username},
    },
    login::{
        link,
        mail::{self, Recipient},
        new_password, session,
    },
    store::{StoreError, Tx, account, audit, credential, link::LinkPurpose},
};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a person. Without --password-stdin it prints a link where they choose a password.
    Add {
        /// Their mail address.
        #[arg(value_parser = parse_email)]
        email: String,
        /// A name to sign in with.
        #[arg(long, value_name = "NAME", value_parser = parse_username)]
        username: Option<String>,
        /// What they are called.
        #[arg(long, value_parser = parse_name)]
        name: Option<ClaimChange>,
        /// What they may do, in words that APIs understand; "admin" may administer Countersign.
        #[arg(long = "role", value_name = "ROLE", value_parser = parse_role)]
        roles: Vec<String>,
        /// Read their password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// All people.
    List,
    /// One person.
    Show {
        /// Their mail address or user name.
        email: String,
    },
    /// Set claims: name=Ada name#de=Ada address.country=GB email_verified=true username=ada roles=admin,editor groups=staff
    /// attributes.department=Engines; an empty value removes.
    Set {
        /// Their mail address or user name.
        email: String,
        /// What to set.
        #[arg(required = true, value_name = "CLAIM=VALUE", value_parser = parse_assignment)]
        claims: Vec<Assignment>,
    },
    /// Shut a person out: sign-ins end, tokens die.
    Disable {
        /// Their mail address or user name.
        email: String,
    },
    /// Let a person in again.
    Enable {
        /// Their mail address or user name.
        email: String,
    },
    /// Set a password, and end what was signed in under the old one. Without --password-stdin it prints a link instead.
    SetPassword {
        /// Their mail address or user name.
        email: String,
        /// Read it from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Send somebody a mail with a single-use link, by which they make themselves an account.
    Invite {
        /// Their mail address.
        #[arg(value_parser = parse_email)]
        email: String,
    },
    /// What a person may do: show it, or change it.
    Roles {
        /// Their mail address or user name.
        email: String,
        /// Give them this role.
        #[arg(long, value_name = "ROLE", value_parser = parse_role)]
        add: Vec<String>,
        /// Take this role from them.
        #[arg(long, value_name = "ROLE", value_parser = parse_role)]
        remove: Vec<String>,
    },
    /// Add people from a file, all of them or nobody. Their password hashes may be of bcrypt or Argon2.
    #[command(long_about = user_file::IMPORT_HELP)]
    Import {
        /// The file; - for standard input.
        file: PathBuf,
        /// What it is; the end of its name says so too.
        #[arg(long)]
        format: Option<Format>,
        /// Leave people as they are whose mail address has an account already.
        #[arg(long)]
        skip_existing: bool,
    },
    /// Print all people, as a table that `import` reads (CSV), or with --json as JSON that it reads too.
    Export {
        /// With the hashes of their passwords. Keep them as safe as the database.
        #[arg(long)]
        password_hashes: bool,
    },
    /// Demand a second factor of a person: they set it up at their next sign-in.
    RequireMfa {
        /// Their mail address or user name.
        email: String,
        /// Demand it no longer.
        #[arg(long)]
        off: bool,
    },
    /// Take the second factor from a person who lost it, and their recovery codes.
    ResetMfa {
        /// Their mail address or user name.
        email: String,
    },
    /// Print a single-use link that makes the first administrator. Older ones stop working.
    AdminLink,
}

/// What `user set` sets.
#[derive(Clone, Debug)]
pub(super) enum Assignment {
    Username(Option<String>),
    Roles(BTreeSet<String>),
    Claim(ClaimChange),
}

pub(super) async fn run(command: UserCommand, context: Context, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    match command {
        UserCommand::Add { email, username, name, roles, password_stdin } => {
            let new = NewUser { email, username, name, roles, password_stdin };
            add(&app, new, out).await
        }
        UserCommand::List => {
            let users = account::all(&mut app.store.read().await?).await?;
            let state = |user: &User| if user.enabled { "enabled" } else { "disabled" }.to_owned();
            let roles = |user: &User| user.roles.iter().cloned().collect::<Vec<_>>().join(",");
            let row = |user: &User| {
                vec![
                    user.email.clone(),
                    user.username.clone().unwrap_or_default(),
                    roles(user),
                    state(user),
                    user.id.to_string(),
                ]
            };
            let rows: Vec<_> = users.iter().map(row).collect();
            out.table(&users.iter().map(to_json).collect(), &["EMAIL", "USER NAME", "ROLES", "STATE", "ID"], &rows)
        }
        UserCommand::Show { email } => {
            let user = find(&app, &email).await?;
            let mut json = to_json(&user);
            if let Value::Object(json) = &mut json {
                json.insert("second_factor".to_owned(), second_factor::describe(&app, &user).await?);
            }
            let lines = json.as_object().into_iter().flatten().map(|(name, value)| match value {
                Value::String(text) => format!("{name}: {text}"),
                other => format!("{name}: {other}"),
            });
            out.print(&json, lines.collect::<Vec<_>>().join("\n"))
        }
        UserCommand::Set { email, claims } => set(&app, &email, claims, out).await,
        UserCommand::Disable { email } => enable(&app, &email, false, out).await,
        UserCommand::Enable { email } => enable(&app, &email, true, out).await,
        UserCommand::SetPassword { email, password_stdin } => set_password(&app, &email, password_stdin, out).await,
        UserCommand::Invite { email } => invite(&app, email, out).await,
        UserCommand::Roles { email, add, remove } => roles(&app, &email, (add, remove), out).await,
        UserCommand::Import { file, format, skip_existing } => {
            user_file::import(&app, &file, format, skip_existing, out).await
        }
        UserCommand::Export { password_hashes } => user_file::export(&app, password_hashes, out).await,
        UserCommand::RequireMfa { email, off } => {
            second_factor::require(&app, &find(&app, &email).await?, !off, out).await
        }
        UserCommand::ResetMfa { email } => second_factor::reset(&app, &find(&app, &email).await?, out).await,
        UserCommand::AdminLink => admin_link(&app, out).await,
    }
}

struct NewUser {
    email: String,
    username: Option<String>,
    name: Option<ClaimChange>,
    roles: Vec<String>,
    password_stdin: bool,
}

async fn add(app: &App, new: NewUser, out: Output) -> Result<(), CliError> {
    let now = app.clock.now();
    let mut user = User {
        id: UserId::new(app.random.id()),
        email: new.email,
        email_verified: false,
        username: new.username,
        claims: Map::new(),
        roles: new.roles.into_iter().collect(),
        enabled: true,
        second_factor_required: false,
        created_at: now,
        updated_at: now,
    };
    if let Some(name) = new.name {
        user.change(name);
    }
    let password = if new.password_stdin { Some(Password::chosen(read_secret()?)?) } else { None };
    let phc = match &password {
        Some(password) => Some(new_password::hash(app, password, NearWords::of_person(&user)).await?),
        None => None,
    };

    let mut tx = app.store.write().await?;
    account::insert(&mut tx, &user).await.map_err(taken)?;
    audit::record(&mut tx, &AuditEntry::new(Event::UserCreated).user(&user.id), now).await?;
    let link = match phc {
        Some(phc) => {
            let user = user.id.clone();
            let password = crate::domain::credential::PasswordCredential { user, phc };
            credential::set_password(&mut tx, &password, now).await?;
            None
        }
        None => Some(link::issue(app, &mut tx, &LinkPurpose::ChoosePassword(user.id.clone()), now).await?),
    };
    tx.commit().await?;

    let mut json = to_json(&user);
    let mut text = format!("Added {}.", user.email);
    if let Some(link) = link {
        let address = link::address(app, &link);
        text = format!("{text} They choose a password here, once, within {}:\n{address}", minutes(app));
        if let Value::Object(json) = &mut json {
            json.insert("link".to_owned(), address.into());
        }
    }
    out.print(&json, text)
}

async fn set(app: &App, name: &str, assignments: Vec<Assignment>, out: Output) -> Result<(), CliError> {
    let mut tx = app.store.write().await?;
    let mut user = find_to_change(&mut tx, name).await?;
    let mut fields = Vec::new();
    for assignment in assignments {
        let field = match assignment {
            Assignment::Username(username) => {
                user.username = username;
                "username".to_owned()
            }
            Assignment::Roles(roles) => {
                user.roles = roles;
                "roles".to_owned()
            }
            Assignment::Claim(change) => {
                let name = change.name();
                user.change(change);
                name
            }
        };
        fields.push(field);
    }
    let now = app.clock.now();
    user.updated_at = now;
    account::update(&mut tx, &user).await.map_err(taken)?;
    audit::record(&mut tx, &AuditEntry::new(Event::UserChanged { fields }).user(&user.id), now).await?;
    tx.commit().await?;
    out.print(&to_json(&user), format!("Changed {}.", user.email))
}

async fn enable(app: &App, name: &str, enabled: bool, out: Output) -> Result<(), CliError> {
    let mut tx = app.store.write().await?;
    let mut user = find_to_change(&mut tx, name).await?;
    let now = app.clock.now();
    user.enabled = enabled;
    user.updated_at = now;
    account::update(&mut tx, &user).await?;
    audit::record(&mut tx, &AuditEntry::new(Event::UserEnabled { enabled }).user(&user.id), now).await?;
    if !enabled {
        session::end_all(app, &mut tx, &user, SessionEnd::Disabled, now).await?;
    }
    tx.commit().await?;
    let text = if enabled {
        format!("{} can sign in again.", user.email)
    } else {
        format!("{} is shut out; sign-ins have ended and tokens are dead.", user.email)
    };
    out.print(&to_json(&user), text)
}

async fn set_password(app: &App, name: &str, password_stdin: bool, out: Output) -> Result<(), CliError> {
    let user = find(app, name).await?;
    let now = app.clock.now();
    if password_stdin {
        let password = Password::chosen(read_secret()?)?;
        let phc = new_password::hash(app, &password, NearWords::of_person(&user)).await?;
        let mut tx = app.store.write().await?;
        link::set_password(app, &mut tx, &user, phc, now).await?;
        tx.commit().await?;
        return out.print(&to_json(&user), format!("Set the password of {}; their sign-ins have ended.", user.email));
    }
    let mut tx = app.store.write().await?;
    let secret = link::issue(app, &mut tx, &LinkPurpose::ChoosePassword(user.id.clone()), now).await?;
    tx.commit().await?;
    let address = link::address(app, &secret);
    let text = format!("{} chooses a new password here, once, within {}:\n{address}", user.email, minutes(app));
    out.print(&json!({ "link": address }), text)
}

async fn invite(app: &App, email: String, out: Output) -> Result<(), CliError> {
    if app.settings.signup.mode == SignUpMode::Off {
        return Err(CliError::new("nobody can make an account: set `signup.mode` to \"invitation\" or \"open\" first"));
    }
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    if account::find_by_name(&mut tx, &email).await?.is_some() {
        return Err(taken(StoreError::Conflict));
    }
    let purpose = LinkPurpose::Invitation(email.clone());
    let new = link::New { purpose: &purpose, request: None, from: &Personal::default() };
    let link = link::mailed(app, &mut tx, &new, now).await?;
    let until = link.until;
    mail::queue(app, &mut tx, &Recipient::at(&email), &Mail::Invitation { link }, now).await?;
    tx.commit().await?;
    let text = format!("{email} gets a mail with a link that makes an account, once, until {until}.");
    out.print(&json!({ "email": email, "until": until }), text)
}

async fn roles(app: &App, name: &str, (add, remove): (Vec<String>, Vec<String>), out: Output) -> Result<(), CliError> {
    let mut tx = app.store.write().await?;
    let mut user = find_to_change(&mut tx, name).await?;
    let roles = user.roles.iter().cloned().chain(add).filter(|role| !remove.contains(role)).collect::<BTreeSet<_>>();
    if roles != user.roles {
        let now = app.clock.now();
        user.roles = roles;
        user.updated_at = now;
        account::update(&mut tx, &user).await?;
        let event = Event::UserChanged { fields: vec!["roles".to_owned()] };
        audit::record(&mut tx, &AuditEntry::new(event).user(&user.id), now).await?;
        tx.commit().await?;
    }
    let listed = user.roles.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let listed = if listed.is_empty() { "none" } else { &listed };
    out.print(&json!(user.roles), format!("Roles of {}: {listed}", user.email))
}

async fn admin_link(app: &App, out: Output) -> Result<(), CliError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    if let Some(administrator) = account::find_administrator(&mut tx).await? {
        return Err(CliError::new(format!(
            "there is an administrator already ({}); add others by `countersign user add EMAIL --role admin`",
            administrator.email
        )));
    }
    let secret = link::issue(app, &mut tx, &LinkPurpose::FirstAdministrator, now).await?;
    tx.commit().await?;
    let address = link::address(app, &secret);
    let text = format!("Make the first administrator here, once, within {}:\n{address}", minutes(app));
    out.print(&json!({ "link": address }), text)
}

pub(super) async fn find(app: &App, name: &str) -> Result<User, CliError> {
    account::find_by_name(&mut app.store.read().await?, name).await?.ok_or_else(|| no_account(name))
}

async fn find_to_change(tx: &mut Tx, name: &str) -> Result<User, CliError> {
    let user = account::find_by_name(tx, name).await?.ok_or_else(|| no_account(name))?;
    account::find_to_change(tx, &user.id).await?.ok_or_else(|| no_account(name))
}

fn no_account(name: &str) -> CliError {
    CliError::new(format!("there is no account {name}; `countersign user list` shows all"))
}

fn taken(error: StoreError) -> CliError {
    match error {
        StoreError::Conflict => CliError::new("this mail address or user name belongs to another account"),
        other => other.into(),
    }
}

fn parse_name(argument: &str) -> Result<ClaimChange, ClaimError> {
    ClaimChange::parse("name", argument)
}

pub(super) fn parse_role(argument: &str) -> Result<String, &'static str> {
    let what = "a role is up to 64 ASCII characters without spaces and commas";
    is_role(argument).then(|| argument.to_owned()).ok_or(what)
}

fn parse_assignment(argument: &str) -> Result<Assignment, String> {
    let (name, value) = argument.split_once('=').ok_or("write it as CLAIM=VALUE")?;
    Ok(match name {
        "username" if value.is_empty() => Assignment::Username(None),
        "username" => Assignment::Username(Some(parse_username(value).map_err(|error| error.to_string())?)),
        "roles" => {
            let roles = value.split(',').filter(|role| !role.is_empty());
            Assignment::Roles(roles.map(parse_role).collect::<Result<_, _>>()?)
        }
        claim => Assignment::Claim(ClaimChange::parse(claim, value).map_err(|error| error.to_string())?),
    })
}

fn minutes(app: &App) -> String {
    format!("{} minutes", app.settings.lifetimes.link.as_secs().div_ceil(60))
}

pub(super) fn to_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "claims": user.claims,
        "roles": user.roles,
        "enabled": user.enabled,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    })
}
