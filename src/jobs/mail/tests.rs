//! Every mail is written in every language, with what strangers could put into it, and looked at.

use chrono::{DateTime, TimeDelta, Utc};

use super::words::{House, write};
use crate::{
    domain::mail::{
        Letter, Mail,
        samples::{every_mail, link},
    },
    mailer::Message,
    text::Language,
};

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
const HOUSE: House<'static> = House { brand: "Countersign", issuer: "https://op.example" };

fn written(mail: &Mail, language: Language, house: &House<'_>) -> Message {
    let letter =
        Letter { to: "ada@example.com".to_owned(), locale: Some(language.tag().to_owned()), mail: mail.clone() };
    write(&letter, house, "an-id", NOW).unwrap()
}

/// Every mail in every language.
fn every_message(text: &str, house: &House<'_>) -> Vec<(Mail, Message)> {
    let mails = every_mail(text).into_iter();
    mails.flat_map(|mail| Language::ALL.map(|language| (mail.clone(), written(&mail, language, house)))).collect()
}

/// The addresses that a mail's HTML leads to.
fn hrefs(html: &str) -> Vec<&str> {
    html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn every_mail_has_words() {
    for (mail, message) in every_message("text", &HOUSE) {
        let kind = mail.kind();
        for part in [&message.subject, &message.text, &message.html] {
            assert!(!part.is_empty() && !part.contains("mail-") && !part.contains('{'), "{kind}: {part}");
        }
        assert!(!message.subject.contains('\n'), "{kind}");
        assert!(!message.text.contains("\n\n\n") && !message.text.starts_with('\n'), "{kind}: {:?}", message.text);
        assert!(message.text.contains("\n\n-- \nCountersign, https://op.example"), "{kind}: {:?}", message.text);
        assert!(message.html.contains(&format!("<title>{}</title>", message.subject)), "{kind}");
    }
}

#[test]
fn a_link_stands_alone_on_its_line_and_leads_to_the_issuer() {
    for (mail, message) in every_message("text", &HOUSE) {
        let links: Vec<_> = message.text.lines().filter(|line| line.starts_with("https://")).collect();
        assert_eq!(links, hrefs(&message.html), "{}", mail.kind());
        assert!(links.len() <= 1 && links.iter().all(|link| link.starts_with("https://op.example/")), "{links:?}");
        if let Some(link) = mail.link() {
            assert_eq!(links, [link.address.as_str()], "{}", mail.kind());
        }
    }
}

#[test]
fn a_mail_says_how_long_its_link_will_still_work() {
    let mail = Mail::ResetPassword { link: link() };
    assert!(written(&mail, Language::English, &HOUSE).text.contains("The link works once, for 30 minutes."));
    let letter = Letter { to: "ada@example.com".to_owned(), locale: None, mail };
    let late = write(&letter, &HOUSE, "an-id", NOW + TimeDelta::minutes(18)).unwrap();
    assert!(late.text.contains("for 12 minutes."), "{}", late.text);
    let too_late = write(&letter, &HOUSE, "an-id", NOW + TimeDelta::minutes(31)).unwrap();
    assert!(too_late.text.contains("for 0 seconds."), "{}", too_late.text);
}

#[test]
fn a_mail_speaks_its_readers_language_or_english() {
    for (locale, subject) in [
        (None, "Your password was changed"),
        (Some("en-GB"), "Your password was changed"),
        (Some("de"), "Ihr Passwort wurde geändert"),
        (Some("de-AT"), "Ihr Passwort wurde geändert"),
        (Some("tlh"), "Your password was changed"),
        (Some("\r\nBcc: eve@example.com"), "Your password was changed"),
    ] {
        let letter =
            Letter { to: "ada@example.com".to_owned(), locale: locale.map(str::to_owned), mail: Mail::PasswordChanged };
        let message = write(&letter, &HOUSE, "an-id", NOW).unwrap();
        assert_eq!(message.subject, subject, "{locale:?}");
        let tag = if subject.starts_with("Ihr") { "de" } else { "en" };
        assert!(message.html.contains(&format!("<html lang=\"{tag}\">")), "{locale:?}");
    }
}

#[test]
fn recovery_codes_are_counted() {
    let text = |left, language| written(&Mail::RecoveryCodeUsed { left }, language, &HOUSE).text;
    assert!(text(9, Language::English).contains("9 are left."));
    assert!(text(1, Language::English).contains("1 is left."));
    assert!(text(0, Language::English).contains("None is left: make new ones."));
    assert!(text(1, Language::German).contains("Einer ist noch übrig."));
}

#[test]
fn nothing_that_a_stranger_wrote_becomes_markup_or_a_line() {
    let hostile = "\"'><script>alert(1)</script>\r\n\nhttps://evil.example/\u{202e}\u{2028}&amp;";
    let house = House { brand: "<b>&\"'", ..HOUSE };
    let plain: Vec<_> = every_message("text", &House { brand: "brand", ..HOUSE });
    for ((mail, message), (_, expected)) in every_message(hostile, &house).iter().zip(&plain) {
        let kind = mail.kind();
        let tags = |html: &str| html.matches('<').count();
        assert_eq!(tags(&message.html), tags(&expected.html), "{kind}: {}", message.html);
        assert_eq!(hrefs(&message.html).len(), hrefs(&expected.html).len(), "{kind}");
        assert_eq!(message.text.lines().count(), expected.text.lines().count(), "{kind}: {}", message.text);
        let turns = |c: char| matches!(c, '\u{202e}' | '\u{2028}' | '\u{2068}' | '\u{2069}');
        assert!(!message.text.contains(turns) && !message.html.contains(turns), "{kind}");
    }
}

#[test]
fn every_template_is_written_here() {
    let there = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/mail")).unwrap();
    let mut there: Vec<_> = there.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(there, ["mail.html", "mail.txt"]);
}
