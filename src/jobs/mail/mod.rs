//! Mails: what is queued becomes words in its reader's language, and is sent.

#[cfg(test)]
mod tests;
mod words;

use self::words::{House, write};
use super::queue::Tried;
use crate::{
    app::App,
    domain::{
        event::{AuditEntry, Event},
        job::Outcome,
        mail::Letter,
    },
    store::job::{self, Job},
};

/// Sends the mail of a job.
pub(super) async fn send(app: &App, job: &Job) -> Tried {
    let letter = match read(app, job) {
        Ok(letter) => letter,
        Err(problem) => {
            tracing::error!(problem, job = job.id, "a mail cannot be read");
            return tried(job, "unknown", Outcome::Hopeless);
        }
    };
    let (kind, now) = (letter.mail.kind(), app.clock.now());
    if job.expires_at <= now {
        return tried(job, kind, Outcome::Failed);
    }
    let message = match write(&letter, &House::of(app), &job.id, now) {
        Ok(message) => message,
        Err(error) => {
            tracing::error!(%error, mail = kind, "a mail cannot be written");
            return tried(job, kind, Outcome::Hopeless);
        }
    };
    match app.mailer.send(&message).await {
        Ok(()) => {
            tracing::info!(job = job.id, mail = kind, tries = job.tries, "a mail was sent");
            tried(job, kind, Outcome::Done)
        }
        Err(error) => {
            tracing::warn!(%error, job = job.id, mail = kind, tries = job.tries, "a mail was not sent");
            tried(job, kind, if error.is_final() { Outcome::Hopeless } else { Outcome::Failed })
        }
    }
}

fn tried(job: &Job, mail: &'static str, outcome: Outcome) -> Tried {
    let entry = AuditEntry::new(Event::MailGivenUp { mail, tries: job.tries });
    Tried { subject: mail, outcome, if_given_up: Some(job.user.iter().fold(entry, AuditEntry::user)) }
}

fn read(app: &App, job: &Job) -> Result<Letter, String> {
    let payload = job::payload(&app.store, job).map_err(|error| error.to_string())?;
    // What else serde says of it might repeat it.
    serde_json::from_slice(&payload).map_err(|error| format!("its {:?} is wrong", error.classify()))
}
