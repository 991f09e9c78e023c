//! Sends mails: to a server by SMTP, or, on a development start, into a folder.
//!
//! Nobody who is waited for waits for this: mails come out of the queue. What is logged or told of a failure says what a server
//! answered, but neither whom the mail was for nor what it said.
//!
//! | module | what it does |
//! |---|---|
//! | `message` | a mail, ready to be sent, and what it looks like on the wire |
//! | `smtp` | one mail to the server, and what its answers mean |
//! | [`folder`] | the mails of a development start |

pub mod folder;
mod message;
mod smtp;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use thiserror::Error;

use self::{folder::Folder, message::Sender, smtp::Smtp};
pub use self::{message::Message, smtp::Timeouts};
use crate::config::{IssuerUrl, MailSettings, Mode};

/// Sends mails in the one way that the settings say.
#[derive(Debug)]
pub struct Mailer {
    sender: Sender,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// To this server.
    Smtp(Box<Smtp>),
    /// Into this folder.
    Folder(Folder),
    /// Nowhere: no server is set.
    Nowhere,
}

/// Why the settings do not make a mailer; for the operator.
#[derive(Debug, Error)]
#[error("mail.ca_file: {path}: {reason}", path = path.display())]
pub struct CaFileError {
    path: PathBuf,
    reason: String,
}

/// Why a mail was not sent. The text names nobody and repeats nothing of the mail.
#[derive(Debug, Error)]
pub enum MailError {
    /// No mail can be sent to such an address.
    #[error("the address is none that mail can be sent to")]
    Address,
    /// The server refused it for good.
    #[error("the mail server refused it for good, with code {0}")]
    Refused(u16),
    /// The server refused it for now.
    #[error("the mail server refused it for now, with code {0}")]
    RefusedForNow(u16),
    /// The server did not take our user name and password.
    #[error("the mail server did not accept user and password{}", code.map(|code| format!(", with code {code}")).unwrap_or_default())]
    Login {
        /// What it answered; nothing when it knows no way that we know.
        code: Option<u16>,
    },
    /// There was no connection, or none that is protected as it must be.
    #[error("the mail server cannot be reached: {0}")]
    Connection(String),
    /// The connection broke, or the server said what no mail server says. Perhaps the mail was sent.
    #[error("the mail server was lost in the middle")]
    Lost,
    /// The server took too long. Perhaps the mail was sent.
    #[error("the mail server took too long")]
    TooSlow,
    /// The mail cannot be written to its folder.
    #[error("mail.dir: {0}")]
    Folder(#[from] io::Error),
    /// No server is set any more.
    #[error("mail.url is not set")]
    Nowhere,
}

impl MailError {
    /// Whether another try would end alike.
    pub fn is_final(&self) -> bool {
        match self {
            // RFC 5321 §4.2.1: "The SMTP client SHOULD NOT repeat the exact request (in the same sequence)."
            Self::Address | Self::Refused(_) => true,
            // These are the operator's to mend.
            Self::Login { .. } | Self::Folder(_) | Self::Nowhere => false,
            Self::RefusedForNow(_) | Self::Connection(_) | Self::Lost | Self::TooSlow => false,
        }
    }
}

impl Mailer {
    /// A mailer by these settings. Reads `mail.ca_file`, if there is one, and opens no connection.
    pub fn new(settings: &MailSettings, brand: &str, issuer: &IssuerUrl) -> Result<Self, CaFileError> {
        Self::with_timeouts(settings, brand, issuer, Timeouts::default())
    }

    /// [`new`](Self::new) with other timeouts, for tests.
    pub fn with_timeouts(
        settings: &MailSettings,
        brand: &str,
        issuer: &IssuerUrl,
        timeouts: Timeouts,
    ) -> Result<Self, CaFileError> {
        let sender = Sender::new(&settings.from, brand, issuer);
        let way = match (&settings.url, issuer.mode()) {
            (Some(url), _) => {
                let authorities = settings.ca_file.as_ref().map(authorities).transpose()?.unwrap_or_default();
                Way::Smtp(Box::new(Smtp::new(url.clone(), authorities, sender.host(), timeouts)))
            }
            (None, Mode::Development) => Way::Folder(Folder::new(settings.dir.clone())),
            (None, Mode::Production) => Way::Nowhere,
        };
        Ok(Self { sender, way })
    }

    /// Whether mails go anywhere.
    pub fn is_on(&self) -> bool {
        match self.way {
            Way::Smtp(_) | Way::Folder(_) => true,
            Way::Nowhere => false,
        }
    }

    /// The folder that mails go to, where they do.
    pub fn folder(&self) -> Option<&Folder> {
        match &self.way {
            Way::Folder(folder) => Some(folder),
            Way::Smtp(_) | Way::Nowhere => None,
        }
    }

    /// Whether mails could be sent: the server takes our connection, and our password.
    pub async fn reach(&self) -> Result<(), MailError> {
        match &self.way {
            Way::Smtp(smtp) => smtp.greet().await,
            Way::Folder(_) => Ok(()),
            Way::Nowhere => Err(MailError::Nowhere),
        }
    }

    /// Sends a mail. Once this returns `Ok`, another has taken it over.
    pub async fn send(&self, message: &Message) -> Result<(), MailError> {
        let wire = message.for_wire(&self.sender)?;
        match &self.way {
            Way::Smtp(smtp) => smtp.send(&wire).await,
            Way::Folder(folder) => Ok(folder.put(message, wire.formatted()).await?),
            Way::Nowhere => Err(MailError::Nowhere),
        }
    }
}

/// The certificates in a file, as DER.
fn authorities(path: &PathBuf) -> Result<Vec<Vec<u8>>, CaFileError> {
    let refused = |reason: String| CaFileError { path: path.clone(), reason };
    let pem = std::fs::read(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let read = openssl::x509::X509::stack_from_pem(&pem)
        .and_then(|all| all.iter().map(|certificate| certificate.to_der()).collect::<Result<Vec<_>, _>>());
    match read {
        Ok(authorities) if !authorities.is_empty() => Ok(authorities),
        _ => Err(refused("expected certificates as PEM".into())),
    }
}
