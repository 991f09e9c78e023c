//! A mail, ready to be sent, and what it looks like on the wire (RFC 5322).

use std::fmt;

use chrono::{DateTime, Utc};
use lettre::{
    Address,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::MailError;
use crate::config::{IssuerUrl, MailAddress};

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;

/// A mail, ready to be sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Never repeated, and the same at every try: whoever gets a mail twice can tell.
    pub id: String,
    /// The mail address it goes to.
    pub to: String,
    /// What it is about, in one line.
    pub subject: String,
    /// All of it, as text.
    pub text: String,
    /// All of it, as HTML.
    pub html: String,
    /// When it was written.
    pub at: DateTime<Utc>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whom mails are from.
#[derive(Debug)]
pub(super) struct Sender {
    address: String,
    name: String,
    host: String,
}

impl Sender {
    pub(super) fn new(from: &MailAddress, brand: &str, issuer: &IssuerUrl) -> Self {
        let host = Url::parse(issuer.as_str()).ok().and_then(|url| url.host_str().map(str::to_owned));
        Self {
            address: from.as_str().to_owned(),
            name: one_line(brand),
            host: host.unwrap_or_else(|| "localhost".to_owned()),
        }
    }

    /// The host of the issuer: what we call ourselves among mail servers.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

impl Message {
    /// As it is sent: text and HTML side by side, marked as written by a program (RFC 3834 §5).
    pub(super) fn for_wire(&self, sender: &Sender) -> Result<lettre::Message, MailError> {
        let from = sender.address.parse::<Address>().map_err(|_| MailError::Address)?;
        let to = recipient(&self.to)?;
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let parts = MultiPart::alternative()
            .boundary(format!("part-{}", self.id))
            .singlepart(SinglePart::plain(self.text.clone()))
            .singlepart(SinglePart::html(self.html.clone()));
        lettre::Message::builder()
            .from(Mailbox::new(Some(sender.name.clone()), from))
            .to(Mailbox::new(None, to))
            .subject(one_line(&self.subject))
            .date(self.at.into())
            .message_id(Some(format!("<{}@{}>", self.id, sender.host)))
            .raw_header(automatic)
            .multipart(parts)
            .map_err(|_| MailError::Address)
    }
}

/// An address as servers know it: a domain in other letters by its name in ASCII (RFC 5890), so that most of them take it.
fn recipient(text: &str) -> Result<Address, MailError> {
    let (local, domain) = text.rsplit_once('@').ok_or(MailError::Address)?;
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(name)) => name,
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => domain.to_owned(),
    };
    Address::new(local, domain).map_err(|_| MailError::Address)
}

/// A header's value never becomes two headers, whatever it is made of.
fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    spaced.take(MAX_SUBJECT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn sender(brand: &str) -> Sender {
        let settings = Settings::parse("issuer = 'http://localhost:8080'", []).unwrap();
        Sender::new(&settings.mail.from, brand, &settings.issuer)
    }

    fn message(to: &str, subject: &str, text: &str) -> Message {
        Message {
            id: "an-id".to_owned(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: text.to_owned(),
            html: format!("<p>{text}</p>"),
            at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        }
    }

    fn wire(message: &Message, brand: &str) -> String {
        String::from_utf8(message.for_wire(&sender(brand)).unwrap().formatted()).unwrap()
    }

    /// The lines before the first empty one, folded lines as one.
    fn headers(wire: &str) -> Vec<String> {
        let head = wire.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        head.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_mail_has_the_headers_that_it_needs_and_no_others() {
        let mut seen = headers(&wire(&message("ada@example.com", "Hello", "Text"), "Countersign"));
        seen.sort();
        assert_eq!(
            seen,
            [
                "Auto-Submitted: auto-generated",
                "Content-Type: multipart/alternative; boundary=\"part-an-id\"",
                "Date: Fri, 15 Jan 2027 08:00:00 +0000",
                "From: Countersign <countersign@localhost>",
                "MIME-Version: 1.0",
                "Message-ID: <an-id@localhost>",
                "Subject: Hello",
                "To: ada@example.com",
            ]
        );
    }

    #[test]
    fn the_same_mail_looks_the_same_at_every_try() {
        let message = message("ada@example.com", "Hello", "Text");
        assert_eq!(wire(&message, "A"), wire(&message, "A"));
    }

    #[test]
    fn nothing_in_a_subject_or_a_name_becomes_a_header() {
        for evil in [
            "Hi\r\nBcc: eve@example.com",
            "Hi\nBcc: eve@example.com",
            "Hi\rBcc: eve@example.com",
            "Hi\r\n\r\nBcc: eve@example.com",
            "Hi\u{2028}Bcc: eve@example.com",
            "Hi\u{85}Bcc: eve@example.com",
            "Hi\0Bcc: eve@example.com",
            "Gr\u{fc}\u{df}e\r\nBcc: eve@example.com",
            "=?utf-8?q?Hi=0D=0ABcc:_eve@example.com?=",
            "\" <eve@example.com>,\r\n \"",
        ] {
            let wire = wire(&message("ada@example.com", evil, "Text"), evil);
            let headers = headers(&wire);
            assert_eq!(headers.len(), 8, "{evil:?}: {headers:?}");
            assert!(!wire.contains("\r\nBcc") && !wire.contains("\nBcc"), "{evil:?}: {wire}");
            let from = headers.iter().find(|header| header.starts_with("From: ")).unwrap();
            assert!(from.ends_with("<countersign@localhost>"), "{from}");
        }
    }

    #[test]
    fn nothing_in_an_address_becomes_a_header_or_another_recipient() {
        for evil in [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com, eve@example.com",
            "ada@example.com>\r\nRCPT TO:<eve@example.com",
            "\"ada\r\n\"@example.com",
            "ada eve@example.com",
            "ada@example.com eve",
            "ada@",
            "@example.com",
            "ada",
        ] {
            let refused = message(evil, "Hello", "Text").for_wire(&sender("A"));
            assert!(matches!(refused, Err(MailError::Address)), "{evil:?}");
        }
    }

    #[test]
    fn a_domain_in_other_letters_is_written_in_ascii() {
        let wire = wire(&message("ada@b\u{fc}cher.example", "Hello", "Text"), "A");
        assert!(wire.contains("To: ada@xn--bcher-kva.example\r\n"), "{wire}");
    }

    #[test]
    fn other_letters_survive_and_the_wire_stays_ascii() {
        let message = message("ada@example.com", "Gr\u{fc}\u{df}e", "Sch\u{f6}ne Gr\u{fc}\u{df}e");
        let wire = wire(&message, "Gegenzeichen \u{2713}");
        assert!(wire.is_ascii(), "{wire}");
        assert!(wire.contains("Sch=C3=B6ne") || wire.contains("base64"), "{wire}");
    }

    #[test]
    fn debug_shows_nothing_of_a_mail() {
        let printed = format!("{:?}", message("ada@example.com", "Hello", "secret"));
        assert!(!printed.contains("ada") && !printed.contains("Hello") && !printed.contains("secret"), "{printed}");
    }
}
