//! What mails say. Nothing in them is written by a stranger, so that nobody can have us send words of theirs.

use std::time::Duration;

use askama::Template;
use chrono::{DateTime, Utc};

use crate::{
    app::App,
    domain::mail::{Letter, Mail, MailedLink},
    mailer::Message,
    text::{Language, Texts, Value},
};

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct House<'a> {
    /// What this provider is called.
    pub(super) brand: &'a str,
    /// Where it is to be found, whatever a request claimed.
    pub(super) issuer: &'a str,
}

impl<'a> House<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        Self { brand: app.brand(), issuer: app.settings.issuer.as_str() }
    }
}

/// What stands in a mail, in its order.
#[derive(Debug)]
struct Words {
    subject: String,
    text: String,
    /// What the reader may want to compare, a line each.
    facts: Vec<String>,
    /// What to do if something is wrong.
    alarm: Option<String>,
    action: Option<Action>,
    /// What there is to know about the link.
    after: Vec<String>,
    footer: String,
}

/// Where to go.
#[derive(Debug)]
struct Action {
    label: String,
    address: String,
}

#[derive(Debug, Template)]
#[template(path = "mail/mail.txt")]
struct TextPart<'a> {
    words: &'a Words,
}

#[derive(Debug, Template)]
#[template(path = "mail/mail.html")]
struct HtmlPart<'a> {
    language: &'static str,
    brand: &'a str,
    words: &'a Words,
}

/// Puts a letter into words.
pub(super) fn write(
    letter: &Letter,
    house: &House<'_>,
    id: &str,
    now: DateTime<Utc>,
) -> Result<Message, askama::Error> {
    let language = letter.locale.as_deref().and_then(Language::of_tag).unwrap_or_default();
    let words = Writer { texts: Texts::for_mail(language), house, now }.words(&letter.mail);
    Ok(Message {
        id: id.to_owned(),
        to: letter.to.clone(),
        text: TextPart { words: &words }.render()?,
        html: HtmlPart { language: language.tag(), brand: house.brand, words: &words }.render()?,
        subject: words.subject,
        at: now,
    })
}

#[derive(Clone, Copy, Debug)]
struct Writer<'a> {
    texts: Texts,
    house: &'a House<'a>,
    now: DateTime<Utc>,
}

impl Writer<'_> {
    fn words(self, mail: &Mail) -> Words {
        match mail {
            Mail::SignUp { link } => {
                self.with_link(["mail-sign-up-subject", "mail-sign-up-text", "mail-sign-up-action"], link)
            }
            Mail::SignUpTaken => {
                self.with_page(["mail-taken-subject", "mail-taken-text", "mail-taken-action"], "/login")
            }
            Mail::Invitation { link } => {
                self.with_link(["mail-invitation-subject", "mail-invitation-text", "mail-invitation-action"], link)
            }
            Mail::VerifyEmail { link } => {
                self.with_link(["mail-verify-subject", "mail-verify-text", "mail-verify-action"], link)
            }
            Mail::ConfirmNewEmail { link } => {
                self.with_link(["mail-confirm-subject", "mail-confirm-text", "mail-confirm-action"], link)
            }
            Mail::EmailChanged => {
                self.alarmed("mail-only-operator", self.plain("mail-moved-subject", self.text("mail-moved-text", &[])))
            }
            Mail::ResetPassword { link } => {
                self.with_link(["mail-reset-subject", "mail-reset-text", "mail-reset-action"], link)
            }
            Mail::PasswordChanged => self.alarmed(
                "mail-password-alarm",
                self.with_page(["mail-password-subject", "mail-password-text", "mail-password-action"], "/recover"),
            ),
            Mail::NewDevice { label, address, at } => {
                let keys = ["mail-device-subject", "mail-device-text", "mail-device-action"];
                let facts = vec![
                    self.text("mail-device-label", &[("device", Value::Foreign(&self.texts.device(label)))]),
                    self.text("mail-device-address", &[("address", Value::Foreign(address))]),
                    self.text("mail-device-time", &[("time", Value::Moment(*at))]),
                ];
                self.alarmed("mail-device-alarm", Words { facts, ..self.with_page(keys, "/account/sessions") })
            }
            Mail::SecondFactorOn => self.about_factor("mail-factor-on-subject", self.text("mail-factor-on-text", &[])),
            Mail::SecondFactorOff => {
                self.about_factor("mail-factor-off-subject", self.text("mail-factor-off-text", &[]))
            }
            Mail::RecoveryCodeUsed { left } => {
                let text = self.text("mail-code-used-text", &[("left", Value::Number((*left).into()))]);
                self.about_factor("mail-code-used-subject", text)
            }
            Mail::RecoveryCodesRenewed => {
                self.about_factor("mail-codes-renewed-subject", self.text("mail-codes-renewed-text", &[]))
            }
            Mail::AccountDeleted => self
                .alarmed("mail-only-operator", self.plain("mail-deleted-subject", self.text("mail-deleted-text", &[]))),
        }
    }

    fn plain(self, subject: &str, text: String) -> Words {
        Words {
            subject: self.text(subject, &[]),
            text,
            facts: Vec::new(),
            alarm: None,
            action: None,
            after: Vec::new(),
            footer: self.text("mail-footer", &[]),
        }
    }

    /// With a single-use link.
    fn with_link(self, [subject, text, action]: [&str; 3], link: &MailedLink) -> Words {
        let left = (link.until - self.now).to_std().unwrap_or(Duration::ZERO);
        Words {
            action: Some(Action { label: self.text(action, &[]), address: link.address.clone() }),
            after: vec![
                self.text("mail-link-life", &[("time", Value::Span(left))]),
                self.text("mail-link-ignore", &[]),
            ],
            ..self.plain(subject, self.text(text, &[]))
        }
    }

    /// With the address of a page of ours.
    fn with_page(self, [subject, text, action]: [&str; 3], path: &str) -> Words {
        Words { action: Some(self.page(action, path)), ..self.plain(subject, self.text(text, &[])) }
    }

    fn page(self, label: &str, path: &str) -> Action {
        Action { label: self.text(label, &[]), address: format!("{}{path}", self.house.issuer) }
    }

    fn about_factor(self, subject: &str, text: String) -> Words {
        let action = Some(self.page("mail-factor-action", "/account/second-factor"));
        self.alarmed("mail-factor-alarm", Words { action, ..self.plain(subject, text) })
    }

    /// With what to do if the reader knows nothing of it.
    fn alarmed(self, alarm: &str, words: Words) -> Words {
        Words { alarm: Some(self.text(alarm, &[])), ..words }
    }

    fn text(self, key: &str, more: &[(&'static str, Value<'_>)]) -> String {
        let own = [("brand", Value::Own(self.house.brand)), ("issuer", Value::Own(self.house.issuer))];
        self.texts.plain(key, own.into_iter().chain(more.iter().copied()))
    }
}
