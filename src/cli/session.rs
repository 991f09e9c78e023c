//! `session`: who is signed in where.

use clap::{Args, Subcommand};
use countersign_types::SessionId;
use serde_json::{Value, json};

use super::{CliError, Context, Output, user};
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        session::{Session, SessionEnd},
    },
    login,
    store::{audit, session},
};

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// Sign-ins that are good, of everybody or of one person.
    List {
        /// A person's mail address or user name.
        user: Option<String>,
    },
    /// End a sign-in, or all of a person's, with every token that came of it.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Revoke {
    /// The sign-in, as `session list` calls it.
    sid: Option<String>,
    /// Everything that this person is signed in to, and what outlived earlier sign-ins.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Everything that everybody is signed in to, with links and mails on their way: after a database was put back.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(command: SessionCommand, context: Context, out: Output) -> Result<(), CliError> {
    let app = context.app().await?;
    match command {
        SessionCommand::List { user } => list(&app, user.as_deref(), out).await,
        SessionCommand::Revoke(Revoke { all: true, .. }) => revoke_everything(&app, out).await,
        SessionCommand::Revoke(Revoke { user: Some(name), .. }) => revoke_all(&app, &name, out).await,
        SessionCommand::Revoke(Revoke { sid, .. }) => revoke(&app, sid.unwrap_or_default(), out).await,
    }
}

async fn list(app: &App, name: Option<&str>, out: Output) -> Result<(), CliError> {
    let (lifetimes, now) = (app.session_lifetimes(), app.clock.now());
    let mut sessions = match name {
        Some(name) => {
            let user = user::find(app, name).await?;
            let sessions = session::of_user(&mut app.store.read().await?, &user.id).await?;
            sessions.into_iter().map(|session| (session, user.email.clone())).collect()
        }
        None => session::of_everybody(&mut app.store.read().await?).await?,
    };
    sessions.retain(|(session, _)| session.is_live(&lifetimes, now));
    let rows: Vec<_> = sessions.iter().map(|(session, email)| row(session, email)).collect();
    let json = sessions.iter().map(|(session, email)| to_json(session, email)).collect();
    out.table(&json, &["SID", "PERSON", "DEVICE", "ADDRESS", "SINCE", "LAST SEEN"], &rows)
}

async fn revoke(app: &App, sid: String, out: Output) -> Result<(), CliError> {
    let sid = SessionId::new(sid);
    let mut tx = app.store.write().await?;
    let found = session::find(&mut tx, &sid).await?;
    let found = found.ok_or_else(|| CliError::new("there is no such sign-in; `countersign session list` shows all"))?;
    login::session::end_unattended(app, &mut tx, &found, SessionEnd::Revoked, app.clock.now()).await?;
    tx.commit().await?;
    out.print(&json!({ "revoked": sid }), format!("Ended the sign-in {sid}; its tokens are dead."))
}

async fn revoke_all(app: &App, name: &str, out: Output) -> Result<(), CliError> {
    let user = user::find(app, name).await?;
    let mut tx = app.store.write().await?;
    let sessions = session::of_user(&mut tx, &user.id).await?;
    let now = app.clock.now();
    login::session::end_all(app, &mut tx, &user, SessionEnd::Revoked, now).await?;
    audit::record(&mut tx, &AuditEntry::new(Event::SessionsRevoked).user(&user.id), now).await?;
    tx.commit().await?;
    let ended: Vec<_> = sessions.iter().map(|session| session.id.as_str()).collect();
    out.print(&json!({ "revoked": ended }), format!("Ended all sign-ins of {}; their tokens are dead.", user.email))
}

async fn revoke_everything(app: &App, out: Output) -> Result<(), CliError> {
    let mut tx = app.store.write().await?;
    let now = app.clock.now();
    login::session::end_everything(&mut tx, now).await?;
    audit::record(&mut tx, &AuditEntry::new(Event::SessionsRevoked), now).await?;
    tx.commit().await?;
    out.print(&json!({ "revoked": "all" }), "Ended all sign-ins and grants of everybody; their tokens are dead.")
}

fn row(session: &Session, email: &str) -> Vec<String> {
    vec![
        session.id.to_string(),
        email.to_owned(),
        session.label.clone(),
        session.address.clone(),
        session.created_at.to_rfc3339(),
        session.last_seen.to_rfc3339(),
    ]
}

fn to_json(session: &Session, email: &str) -> Value {
    json!({
        "sid": session.id,
        "user": session.user,
        "email": email,
        "device": session.label,
        "address": session.address,
        "acr": session.acr,
        "amr": session.amr,
        "auth_time": session.auth_time,
        "created_at": session.created_at,
        "last_seen": session.last_seen,
    })
}
