//! Mails to people: queued in the transaction of what they tell of, so that one leaves if, and only if, it happened.

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use crate::{
    app::App,
    domain::{
        mail::{Letter, Mail},
        user::{User, fold},
    },
    store::{
        StoreError, Tx, device,
        job::{self, JobKind, NewJob},
    },
};

/// The most mails that wait for one address when it gets one that anybody can cause, and when it gets another: so the first kind
/// never keeps out the second.
const MAX_WAITING_ASKED: i64 = 10;
const MAX_WAITING: i64 = 40;

/// Who is written to.
#[derive(Clone)]
pub struct Recipient {
    /// The mail address.
    pub address: String,
    /// The tag of the language that its owner reads, as far as it is known.
    pub locale: Option<String>,
    /// The account that the mail concerns, for the audit trail.
    pub user: Option<UserId>,
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Recipient {
    /// The owner of an account, at the address that it has, in the language that they told us to use, or that their browser
    /// asks for.
    pub async fn of(tx: &mut Tx, user: &User) -> Result<Self, StoreError> {
        let locale = match user.claim("locale") {
            Some(told) => Some(told.to_owned()),
            None => device::language(tx, &user.id).await?,
        };
        Ok(Self { address: user.email.clone(), locale, user: Some(user.id.clone()) })
    }

    /// Whoever reads what is sent to this address.
    pub fn at(address: &str) -> Self {
        Self { address: address.to_owned(), locale: None, user: None }
    }

    /// In this language, unless another is known.
    #[must_use]
    pub fn reading(mut self, language: &str) -> Self {
        self.locale.get_or_insert_with(|| language.to_owned());
        self
    }
}

/// Queues a mail. Nothing is queued where no mail can be sent, and no more than a few for one address while none gets through.
pub async fn queue(app: &App, tx: &mut Tx, to: &Recipient, mail: &Mail, now: DateTime<Utc>) -> Result<(), StoreError> {
    if !app.can_mail() {
        return Ok(());
    }
    let letter = Letter { to: to.address.clone(), locale: to.locale.clone(), mail: mail.clone() };
    let payload = serde_json::to_vec(&letter).unwrap_or_default();
    let job = NewJob {
        kind: JobKind::Mail,
        about: &fold(&to.address),
        user: to.user.as_ref(),
        most_about: if mail.can_be_asked_for() { MAX_WAITING_ASKED } else { MAX_WAITING },
        payload: &payload,
        expires_at: mail.worth_until(now),
    };
    if !job::insert(tx, &job, now).await? {
        tracing::warn!(mail = mail.kind(), "too many mails wait for one address; this one is not sent");
    }
    Ok(())
}
