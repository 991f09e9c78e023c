//! The mailer against small servers that behave as this one is told to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
};

use chrono::DateTime;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    ssl::{SslAcceptor, SslMethod},
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use tokio::task::spawn_blocking;

use super::*;
use crate::config::Settings;

/// What the server does with the one connection that it takes.
#[derive(Clone)]
struct Script {
    /// The answer to a command that begins with this word, instead of 250. Nothing means: no answer, ever.
    answers: Vec<(&'static str, Option<&'static str>)>,
    /// What follows EHLO.
    extensions: &'static str,
    tls: Option<Arc<SslAcceptor>>,
    /// TLS from the first byte.
    at_once: bool,
}

impl Script {
    fn new(answers: &[(&'static str, Option<&'static str>)]) -> Self {
        Self { answers: answers.to_vec(), extensions: "250 8BITMIME", tls: None, at_once: false }
    }

    /// A port that plays this for one connection; what was said to it comes out of the handle.
    fn play(self) -> (u16, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, thread::spawn(move || self.serve(listener.accept().unwrap().0)))
    }

    fn serve(self, stream: TcpStream) -> Vec<String> {
        let mut said = Vec::new();
        match (&self.tls, self.at_once) {
            (Some(tls), true) => {
                if let Ok(mut stream) = tls.accept(stream) {
                    self.talk(&mut stream, true, &mut said);
                }
            }
            (tls, _) => {
                let mut stream = stream;
                if self.talk(&mut stream, true, &mut said)
                    && let Some(Ok(mut stream)) = tls.as_ref().map(|tls| tls.accept(stream))
                {
                    said.push("(TLS)".to_owned());
                    self.talk(&mut stream, false, &mut said);
                }
            }
        }
        said
    }

    /// Until the other side goes, or asks for TLS: then it is true.
    fn talk(&self, stream: &mut (impl Read + Write), greet: bool, said: &mut Vec<String>) -> bool {
        let mut stream = BufReader::with_capacity(1, stream);
        if greet && !self.answer(&mut stream, "(greeting)", "220 test") {
            return false;
        }
        let mut line = String::new();
        let mut in_data = false;
        while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
            let command = std::mem::take(&mut line).trim_end().to_owned();
            let usual = match (in_data, command.as_str()) {
                (true, ".") => "250 taken",
                (true, _) => continue,
                (false, command) if command.starts_with("EHLO") => self.extensions,
                (false, "DATA") => "354 go on",
                (false, "STARTTLS") => "220 go on",
                (false, command) if command.starts_with("AUTH") => "235 welcome",
                (false, _) => "250 fine",
            };
            in_data = command == "DATA";
            said.push(command.clone());
            if !self.answer(&mut stream, &command, usual) {
                return false;
            }
            if command == "STARTTLS" {
                return true;
            }
        }
        false
    }

    fn answer(&self, stream: &mut BufReader<&mut (impl Read + Write)>, command: &str, usual: &str) -> bool {
        let told = self.answers.iter().find(|(word, _)| command.starts_with(word)).map(|(_, answer)| *answer);
        match told {
            Some(None) => {
                // Not a word, until the other side gives up.
                let _ = stream.read_to_end(&mut Vec::new());
                false
            }
            Some(Some("(hang up)")) => false,
            Some(Some(answer)) => stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).is_ok(),
            None => stream.get_mut().write_all(format!("{usual}\r\n").as_bytes()).is_ok(),
        }
    }
}

fn message(to: &str) -> Message {
    Message {
        id: "an-id".to_owned(),
        to: to.to_owned(),
        subject: "Hello".to_owned(),
        text: "Text".to_owned(),
        html: "<p>Text</p>".to_owned(),
        at: DateTime::UNIX_EPOCH,
    }
}

fn mailer(url: &str, more: &str) -> Mailer {
    let quit = std::time::Duration::from_millis(100);
    with_timeouts(url, more, Timeouts { quit, ..Timeouts::default() })
}

fn with_timeouts(url: &str, more: &str, timeouts: Timeouts) -> Mailer {
    let settings =
        Settings::parse(&format!("mail = {{ url = '{url}', from = 'op@example.com', {more} }}"), []).unwrap();
    Mailer::with_timeouts(&settings.mail, "Countersign", &settings.issuer, timeouts).unwrap()
}

/// What becomes of a mail to this server, and what was said to the server.
async fn send(script: Script, url: &str, more: &str) -> (Result<(), MailError>, Vec<String>) {
    let (port, server) = script.play();
    let mailer = mailer(&url.replace("PORT", &port.to_string()), more);
    let sent = mailer.send(&message("ada@example.com")).await;
    let said = spawn_blocking(|| server.join().unwrap()).await.unwrap();
    (sent, said)
}

const PLAIN: &str = "smtp://127.0.0.1:PORT";

#[tokio::test]
async fn a_mail_is_handed_over_in_the_words_of_the_protocol() {
    let (sent, said) = send(Script::new(&[]), PLAIN, "").await;
    sent.unwrap();
    assert_eq!(
        said,
        ["EHLO localhost", "MAIL FROM:<op@example.com>", "RCPT TO:<ada@example.com>", "DATA", ".", "QUIT"]
    );
}

#[tokio::test]
async fn what_a_refusal_means_depends_on_its_step_and_code() {
    let refused = async |answers: &[(&'static str, Option<&'static str>)]| {
        let (sent, _) = send(Script::new(answers), PLAIN, "").await;
        sent.unwrap_err()
    };
    let error = refused(&[("RCPT", Some("550 5.1.1 <ada@example.com> is unknown here"))]).await;
    assert!(matches!(error, MailError::Refused(550)) && error.is_final(), "{error}");
    let error = refused(&[("RCPT", Some("450 4.2.0 <ada@example.com> is greylisted"))]).await;
    assert!(matches!(error, MailError::RefusedForNow(450)) && !error.is_final(), "{error}");
    assert!(!format!("{error} {error:?}").contains("ada"), "{error:?}");
    let error = refused(&[("MAIL", Some("452 full"))]).await;
    assert!(matches!(error, MailError::RefusedForNow(452)), "{error}");
    let error = refused(&[(".", Some("554 this is spam"))]).await;
    assert!(matches!(error, MailError::Refused(554)), "{error}");
    // It refuses us, and not the mail.
    for answer in ["554 you are on a list", "421 busy", "SSH-2.0-OpenSSH_9.6"] {
        let error = refused(&[("(greeting)", Some(answer))]).await;
        assert!(matches!(error, MailError::Connection(_)) && !error.is_final(), "{answer}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_goes_or_says_nothing_is_left() {
    for (step, is_lost) in
        [("(greeting)", false), ("EHLO", false), ("MAIL", true), ("RCPT", true), ("DATA", true), (".", true)]
    {
        let (sent, _) = send(Script::new(&[(step, Some("(hang up)"))]), PLAIN, "").await;
        let error = sent.unwrap_err();
        assert_eq!(matches!(error, MailError::Lost), is_lost, "{step}: {error}");
        assert_eq!(matches!(error, MailError::Connection(_)), !is_lost, "{step}: {error}");
        assert!(!error.is_final(), "{step}");

        let (port, server) = Script::new(&[(step, None)]).play();
        let short = std::time::Duration::from_millis(100);
        let timeouts = Timeouts { connect: short, send: short, quit: short };
        let mailer = with_timeouts(&format!("smtp://127.0.0.1:{port}"), "", timeouts);
        let error = mailer.send(&message("ada@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::TooSlow) && !error.is_final(), "{step}: {error}");
        server.join().unwrap();
    }
}

/// It would be sent again.
#[tokio::test]
async fn a_server_that_goes_after_it_took_the_mail_has_taken_it() {
    for answer in [Some("(hang up)"), None, Some("500 what?")] {
        let (sent, said) = send(Script::new(&[("QUIT", answer)]), PLAIN, "").await;
        sent.unwrap();
        assert!(said.contains(&".".to_owned()));
    }
}

#[tokio::test]
async fn a_closed_port_is_said_so() {
    let (port, server) = Script::new(&[]).play();
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    server.join().unwrap();
    let error = mailer(&format!("smtp://127.0.0.1:{port}"), "").send(&message("ada@example.com")).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn an_address_in_other_letters_needs_a_server_that_takes_it() {
    let to = "\u{e4}da@example.com";
    let (port, server) = Script::new(&[]).play();
    let error = mailer(&format!("smtp://127.0.0.1:{port}"), "").send(&message(to)).await.unwrap_err();
    assert!(matches!(error, MailError::Address) && error.is_final(), "{error}");
    server.join().unwrap();

    let (port, server) = Script { extensions: "250-SMTPUTF8\r\n250 8BITMIME", ..Script::new(&[]) }.play();
    mailer(&format!("smtp://127.0.0.1:{port}"), "").send(&message(to)).await.unwrap();
    let said = spawn_blocking(|| server.join().unwrap()).await.unwrap();
    assert_eq!(said[1..3], ["MAIL FROM:<op@example.com> SMTPUTF8 BODY=8BITMIME".to_owned(), format!("RCPT TO:<{to}>")]);
}

/// A certificate for this name, signed by itself, and what presents it.
fn certificate(name: &str) -> (X509, Arc<SslAcceptor>) {
    let key: PKey<Private> =
        PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str("20991231235959Z").unwrap()).unwrap();
    builder.append_extension(BasicConstraints::new().ca().build().unwrap()).unwrap();
    let context = builder.x509v3_context(None, None);
    let names = SubjectAlternativeName::new().dns(name).build(&context).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();

    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    (certificate, Arc::new(acceptor.build()))
}

fn ca_file(folder: &Path, certificate: &X509) -> String {
    let file = folder.join("ca.pem");
    std::fs::write(&file, certificate.to_pem().unwrap()).unwrap();
    format!("ca_file = '{}'", file.display())
}

#[tokio::test]
async fn over_tls_the_server_must_be_who_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    for (url, at_once) in
        [("smtps://u:secret@localhost:PORT", true), ("smtp://u:secret@localhost:PORT?tls=required", false)]
    {
        let (good, acceptor) = certificate("localhost");
        let script = Script {
            tls: Some(acceptor),
            at_once,
            extensions: "250-STARTTLS\r\n250 AUTH PLAIN LOGIN",
            ..Script::new(&[])
        };
        let (sent, said) = send(script.clone(), url, &ca_file(folder.path(), &good)).await;
        sent.unwrap();
        let login = said.iter().position(|command| command.starts_with("AUTH PLAIN ")).unwrap();
        let before: Vec<_> = said.iter().take(login).map(String::as_str).collect();
        let expected: &[&str] =
            if at_once { &["EHLO localhost"] } else { &["EHLO localhost", "STARTTLS", "(TLS)", "EHLO localhost"] };
        assert_eq!(before, expected);

        // Signed by nobody that we know, or for another name: it hears neither password nor mail.
        let (other, imposter) = certificate("mail.example.com");
        for (tls, trusted) in [(script.tls.clone(), &other), (Some(imposter.clone()), &other)] {
            let (sent, said) = send(Script { tls, ..script.clone() }, url, &ca_file(folder.path(), trusted)).await;
            let error = sent.unwrap_err();
            assert!(matches!(error, MailError::Connection(_)), "{error}");
            assert!(!said.iter().any(|command| command.starts_with("AUTH") || command.starts_with("MAIL")), "{said:?}");
        }
    }
}

/// Somebody in between adds an answer in the clear, and would have us take each one for that to what we said later.
#[tokio::test]
async fn an_answer_slipped_in_before_tls_passes_for_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, acceptor) = certificate("localhost");
    let script = Script {
        tls: Some(acceptor),
        extensions: "250 STARTTLS",
        ..Script::new(&[("STARTTLS", Some("220 go on\r\n250 slipped in")), (".", Some("554 not taken"))])
    };
    let ca_file = ca_file(folder.path(), &certificate);
    let (sent, said) = send(script, "smtp://localhost:PORT?tls=required", &ca_file).await;
    assert!(said.contains(&".".to_owned()), "{said:?}");
    sent.unwrap_err();
}

/// Somebody in between may have struck it out.
#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    let script = Script { extensions: "250 AUTH PLAIN", ..Script::new(&[]) };
    let (sent, said) = send(script, "smtp://u:secret@127.0.0.1:PORT?tls=required", "").await;
    assert!(matches!(sent.unwrap_err(), MailError::Connection(_)));
    assert_eq!(said, ["EHLO localhost"]);
}

#[tokio::test]
async fn a_password_that_is_not_taken_is_the_operators_to_mend() {
    let login = "smtp://u:secret@127.0.0.1:PORT";
    let with = |answers: &[(&'static str, Option<&'static str>)]| Script {
        extensions: "250 AUTH PLAIN",
        ..Script::new(answers)
    };
    let (sent, _) = send(with(&[]), login, "").await;
    sent.unwrap();
    let (sent, _) = send(with(&[("AUTH", Some("535 5.7.8 no"))]), login, "").await;
    let error = sent.unwrap_err();
    assert!(matches!(error, MailError::Login { code: Some(535) }) && !error.is_final(), "{error}");
    let (sent, _) = send(with(&[("AUTH", Some("454 4.7.0 later"))]), login, "").await;
    assert!(matches!(sent.unwrap_err(), MailError::RefusedForNow(454)));
    let (sent, _) = send(Script { extensions: "250 AUTH GSSAPI", ..Script::new(&[]) }, login, "").await;
    let error = sent.unwrap_err();
    assert!(matches!(error, MailError::Login { code: None }) && !format!("{error:?}").contains("secret"), "{error}");
}

#[tokio::test]
async fn a_folder_keeps_mails_from_others_and_lists_the_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data/mail");
    let settings = Settings::parse(&format!("mail.dir = '{}'", dir.display()), []).unwrap();
    let mailer = Mailer::new(&settings.mail, "Countersign", &settings.issuer).unwrap();
    let kept = mailer.folder().unwrap();
    assert!(kept.list().await.unwrap().is_empty());
    for at in 0..3 {
        let id = format!("id-{at}");
        let at = DateTime::from_timestamp(at, 0).unwrap();
        mailer.send(&Message { id, at, ..message("ada@example.com") }).await.unwrap();
    }
    std::fs::write(dir.join("zzz.json"), "no mail").unwrap();
    let ids: Vec<_> = kept.list().await.unwrap().into_iter().map(|message| message.id).collect();
    assert_eq!(ids, ["id-2", "id-1", "id-0"]);
    assert_eq!(kept.find("id-1").await.unwrap().unwrap().to, "ada@example.com");
    for id in ["id-3", "../mail/id-1", ""] {
        assert!(kept.find(id).await.unwrap().is_none(), "{id}");
    }
    let wire = std::fs::read_to_string(dir.join("19700101T000001.000000Z-0001-id-1.eml")).unwrap();
    assert!(wire.contains("To: ada@example.com\r\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("19700101T000001.000000Z-0001-id-1.json"))), (0o700, 0o600));
    }
}

#[test]
fn a_bad_ca_file_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let new = || {
        let text = format!("mail = {{ url = 'smtps://h', from = 'a@b.example', ca_file = '{}' }}", file.display());
        let settings = Settings::parse(&text, []).unwrap();
        Mailer::new(&settings.mail, "Countersign", &settings.issuer).unwrap_err().to_string()
    };
    assert!(new().starts_with(&format!("mail.ca_file: {}: cannot be read", file.display())));
    std::fs::write(&file, "nothing").unwrap();
    assert!(new().ends_with("expected certificates as PEM"));
}
