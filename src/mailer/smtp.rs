//! One mail to the server (RFC 5321), and what its answers mean.
//!
//! The steps are taken one by one and not by lettre's transport, since what an answer means depends on the step: a server that
//! takes no password is the operator's to mend, one that takes no recipient says so for good. And once the server has taken a
//! mail nothing that comes after may count as a failure, or it would be sent again.

use std::{fmt, net::IpAddr, time::Duration};

use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, Certificate, TlsParameters},
    extension::ClientId,
};
use tokio::{sync::OnceCell, task::spawn_blocking, time::timeout};

use super::MailError;
use crate::config::{SmtpSecurity, SmtpUrl};

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until it has greeted us, and taken our password.
    pub connect: Duration,
    /// Until it has taken the mail.
    pub send: Duration,
    /// Until it has said goodbye, for which nobody waits.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            // RFC 5321 §4.5.3.2.6 would wait ten minutes for the last answer, since who gives up too soon sends twice; the claim on
            // a job must last longer than this.
            send: Duration::from_mins(5),
            quit: Duration::from_secs(5),
        }
    }
}

/// The longest part of a server's words that is logged, in characters.
const MAX_WORDS: usize = 200;

/// A server that takes mails.
pub(super) struct Smtp {
    server: SmtpUrl,
    authorities: Vec<Vec<u8>>,
    hello: ClientId,
    timeouts: Timeouts,
    /// Built for the first mail: loading the system's authorities takes time that most starts never need.
    tls: OnceCell<TlsParameters>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Smtp {
    pub(super) fn new(server: SmtpUrl, authorities: Vec<Vec<u8>>, own_host: &str, timeouts: Timeouts) -> Self {
        let hello = match own_host.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
            Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
            Err(_) => ClientId::Domain(own_host.to_owned()),
        };
        Self { server, authorities, hello, timeouts, tls: OnceCell::new() }
    }

    /// Opens a connection, and says goodbye.
    pub(super) async fn greet(&self) -> Result<(), MailError> {
        let connected = timeout(self.timeouts.connect, self.connect()).await;
        let mut connection = connected.map_err(|_| MailError::TooSlow)??;
        // Whatever it answers to that.
        let _ = timeout(self.timeouts.quit, connection.quit()).await;
        Ok(())
    }

    /// Sends one mail over a connection of its own.
    pub(super) async fn send(&self, message: &lettre::Message) -> Result<(), MailError> {
        let connected = timeout(self.timeouts.connect, self.connect()).await;
        let mut connection = connected.map_err(|_| MailError::TooSlow)??;

        let sent = timeout(self.timeouts.send, connection.send(message.envelope(), &message.formatted())).await;
        let answer = sent.map_err(|_| MailError::TooSlow)?.map_err(|error| refusal(&error))?;
        // Not whatever is positive: answers that somebody slipped in before TLS would leave us one behind, at a 354.
        if !answer.has_code(250) {
            return Err(MailError::Lost);
        }

        let quit = self.timeouts.quit;
        tokio::spawn(async move { timeout(quit, connection.quit()).await });
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let SmtpUrl { host, port, security, login, .. } = &self.server;
        let (at_once, later) = match security {
            SmtpSecurity::Tls => (Some(self.tls().await?), None),
            SmtpSecurity::StartTls => (None, Some(self.tls().await?)),
            SmtpSecurity::Plain => (None, None),
        };
        let address = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, at_once, None)
            .await
            .map_err(|error| unreachable(&error))?;
        if let Some(tls) = later {
            connection.starttls(tls, &self.hello).await.map_err(|error| unreachable(&error))?;
        }
        if let Some((user, password)) = login {
            let credentials = Credentials::new(user.clone(), password.clone());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| {
                // 4xx: the server cannot look just now (RFC 4954 §6).
                match error.status() {
                    Some(code) if error.is_transient() => MailError::RefusedForNow(code.into()),
                    code => MailError::Login { code: code.map(u16::from) },
                }
            })?;
        }
        Ok(connection)
    }

    async fn tls(&self) -> Result<TlsParameters, MailError> {
        let build = || async {
            let (host, authorities) = (self.server.host.clone(), self.authorities.clone());
            let built = spawn_blocking(move || {
                let mut builder = TlsParameters::builder(host);
                for authority in authorities {
                    builder = builder.add_root_certificate(Certificate::from_der(authority)?);
                }
                builder.build()
            });
            built.await.map_err(|error| MailError::Connection(error.to_string()))?.map_err(|error| unreachable(&error))
        };
        self.tls.get_or_try_init(build).await.cloned()
    }
}

/// Before there is a mail the server's words are about us or itself, and whoever runs this must read them.
fn unreachable(error: &Error) -> MailError {
    let words = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS).collect();
    MailError::Connection(words)
}

/// From here on its words may repeat the address, so that its code must do.
fn refusal(error: &Error) -> MailError {
    match error.status() {
        Some(code) if error.is_permanent() => MailError::Refused(code.into()),
        Some(code) => MailError::RefusedForNow(code.into()),
        // The server does not take an address in these letters.
        None if error.is_client() => MailError::Address,
        None => MailError::Lost,
    }
}
