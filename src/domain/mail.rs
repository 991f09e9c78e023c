//! Mails to people: what there is to say. How it is worded is up to the templates, in the language of whoever reads it.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a mail that carries no link is worth sending.
const NEWS: TimeDelta = TimeDelta::days(2);

/// What a mail says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mail {
    /// Somebody asked for an account with this address: the link makes it.
    SignUp { link: MailedLink },
    /// Somebody asked for an account with this address, which has one.
    SignUpTaken,
    /// An operator invites: the link makes the account.
    Invitation { link: MailedLink },
    /// The link proves that the address of the account is the reader's.
    VerifyEmail { link: MailedLink },
    /// The link proves that the address an account shall have from now on is the reader's.
    ConfirmNewEmail { link: MailedLink },
    /// To the old address: the account has another one now.
    EmailChanged,
    /// The link lets the reader choose another password.
    ResetPassword { link: MailedLink },
    /// The password was changed.
    PasswordChanged,
    /// Somebody signed in on a device that was not seen before.
    NewDevice {
        /// What the device is called.
        label: String,
        /// The network address it came from.
        address: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A second factor is asked for from now on.
    SecondFactorOn,
    /// No second factor is asked for any more.
    SecondFactorOff,
    /// A recovery code stood in for the second factor.
    RecoveryCodeUsed {
        /// How many codes are left.
        left: u32,
    },
    /// There are new recovery codes, and the old ones are void.
    RecoveryCodesRenewed,
    /// The account is gone.
    AccountDeleted,
}

/// A single-use link in a mail. Whoever has it needs nothing else, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailedLink {
    /// The whole address.
    pub address: String,
    /// When it stops working.
    pub until: DateTime<Utc>,
}

impl Mail {
    /// What it is called in the audit trail, the log and the templates.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SignUp { .. } => "sign_up",
            Self::SignUpTaken => "sign_up_taken",
            Self::Invitation { .. } => "invitation",
            Self::VerifyEmail { .. } => "verify_email",
            Self::ConfirmNewEmail { .. } => "confirm_new_email",
            Self::EmailChanged => "email_changed",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::NewDevice { .. } => "new_device",
            Self::SecondFactorOn => "second_factor_on",
            Self::SecondFactorOff => "second_factor_off",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::AccountDeleted => "account_deleted",
        }
    }

    /// The link in it, if there is one.
    pub fn link(&self) -> Option<&MailedLink> {
        match self {
            Self::SignUp { link }
            | Self::Invitation { link }
            | Self::VerifyEmail { link }
            | Self::ConfirmNewEmail { link }
            | Self::ResetPassword { link } => Some(link),
            Self::SignUpTaken
            | Self::EmailChanged
            | Self::PasswordChanged
            | Self::NewDevice { .. }
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::RecoveryCodeUsed { .. }
            | Self::RecoveryCodesRenewed
            | Self::AccountDeleted => None,
        }
    }

    /// Whether it can be asked for by somebody who has not proven to be its reader.
    pub fn can_be_asked_for(&self) -> bool {
        match self {
            Self::SignUp { .. }
            | Self::SignUpTaken
            | Self::VerifyEmail { .. }
            | Self::ConfirmNewEmail { .. }
            | Self::ResetPassword { .. } => true,
            Self::Invitation { .. }
            | Self::EmailChanged
            | Self::PasswordChanged
            | Self::NewDevice { .. }
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::RecoveryCodeUsed { .. }
            | Self::RecoveryCodesRenewed
            | Self::AccountDeleted => false,
        }
    }

    /// Until when it is worth sending: as long as its link works, or two days.
    pub fn worth_until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.link().map_or(now + NEWS, |link| link.until)
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({})", self.kind())
    }
}

impl fmt::Debug for MailedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A mail on its way: what is said, and to whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The mail address.
    pub to: String,
    /// The tag of the language (RFC 5646) that its owner reads, as far as it is known.
    pub locale: Option<String>,
    /// What is said.
    pub mail: Mail,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("mail", &self.mail).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// A link that works for half an hour from 1970 on.
    pub(crate) fn link() -> MailedLink {
        let until = DateTime::UNIX_EPOCH + TimeDelta::minutes(30);
        MailedLink { address: "https://op.example/link?t=secret".to_owned(), until }
    }

    /// One mail of each kind, with this text wherever text comes from elsewhere.
    pub(crate) fn every_mail(text: &str) -> Vec<Mail> {
        vec![
            Mail::SignUp { link: link() },
            Mail::SignUpTaken,
            Mail::Invitation { link: link() },
            Mail::VerifyEmail { link: link() },
            Mail::ConfirmNewEmail { link: link() },
            Mail::EmailChanged,
            Mail::ResetPassword { link: link() },
            Mail::PasswordChanged,
            Mail::NewDevice { label: text.to_owned(), address: text.to_owned(), at: DateTime::UNIX_EPOCH },
            Mail::SecondFactorOn,
            Mail::SecondFactorOff,
            Mail::RecoveryCodeUsed { left: 9 },
            Mail::RecoveryCodesRenewed,
            Mail::AccountDeleted,
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        samples::{every_mail, link},
        *,
    };

    #[test]
    fn there_is_a_sample_of_each_kind() {
        let kinds: BTreeSet<_> = every_mail("").iter().map(Mail::kind).collect();
        assert_eq!(kinds.len(), 14);
    }

    #[test]
    fn a_letter_is_read_back_as_it_was_queued() {
        for mail in every_mail("text") {
            let letter = Letter { to: "ada@example.com".to_owned(), locale: Some("de".to_owned()), mail };
            let json = serde_json::to_value(&letter).unwrap();
            assert_eq!(json["mail"]["kind"], letter.mail.kind());
            assert_eq!(serde_json::from_value::<Letter>(json).unwrap(), letter);
        }
    }

    #[test]
    fn debug_shows_neither_links_nor_people() {
        for mail in every_mail("192.0.2.1") {
            let letter = Letter { to: "ada@example.com".to_owned(), locale: None, mail };
            let printed = format!("{letter:?} {:?}", letter.mail.link());
            for secret in ["secret", "ada", "192.0.2.1"] {
                assert!(!printed.contains(secret), "{printed}");
            }
        }
    }

    #[test]
    fn a_mail_is_worth_sending_as_long_as_its_link_works_or_two_days() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(Mail::ResetPassword { link: link() }.worth_until(now), link().until);
        assert_eq!(Mail::PasswordChanged.worth_until(now), now + TimeDelta::days(2));
    }
}
