//! What the audit trail tells: one event for everything that happened to an account, a token or a setting.

use countersign_types::{ClientId, GrantId, ScopeSet, SessionId, TokenId, UserId};
use serde_json::{Map, Value, json};

use super::session::SessionEnd;

/// Something that happened. Personal detail is never part of it: that is [`Personal`], stored encrypted.
#[derive(Clone, Debug)]
pub enum Event {
    /// Someone proved who they are.
    LoginSucceeded { amr: Vec<String> },
    /// Name and password did not match an account.
    LoginFailed,
    /// Too many tries: this one was not looked at.
    LoginThrottled,
    /// A code of the second factor was wrong, or had been used.
    SecondFactorFailed,
    /// Too many tries at the second factor: this one was not looked at.
    SecondFactorThrottled,
    /// A person set up a second factor, perhaps in place of another.
    SecondFactorEnrolled,
    /// A second factor was taken away.
    SecondFactorRemoved { by: Remover },
    /// An operator demands a second factor of this person, or no longer.
    SecondFactorRequired { required: bool },
    /// A recovery code was used; so many are left.
    RecoveryCodeUsed { left: u32 },
    /// A person got new recovery codes. The old ones are dead.
    RecoveryCodesRenewed,
    /// A person chose to trust a device: the second factor is not asked for there for a while.
    DeviceTrusted,
    /// A person trusts none of their devices any more.
    DevicesDistrusted,
    /// A session is over.
    SessionEnded { reason: SessionEnd },
    /// A person went on with an account that was signed in on the browser beside another.
    SessionChosen,
    /// An operator ended all that a person was signed in to, and what outlived earlier sign-ins.
    SessionsRevoked,
    /// A person allowed a client something.
    ConsentGranted { scope: ScopeSet },
    /// A person refused.
    ConsentDenied { scope: ScopeSet },
    /// A person took back what they had allowed a client, and all that came of it.
    ConsentWithdrawn,
    /// An authorization code was sent to a client.
    CodeIssued { scope: ScopeSet },
    /// Tokens were sent to a client by the authorization endpoint: an access token with this id, or an ID token alone.
    TokensAnswered { token: Option<TokenId>, scope: ScopeSet },
    /// A code was exchanged for tokens.
    CodeExchanged { token: TokenId, scope: ScopeSet },
    /// A spent code came back, and its grant was revoked.
    CodeReplayed,
    /// A refresh token was exchanged for new tokens.
    TokenRefreshed { token: TokenId, scope: ScopeSet },
    /// A spent refresh token came back, and its grant was revoked.
    RefreshTokenReplayed,
    /// A client got a token on its own behalf.
    ClientTokenIssued { token: TokenId, scope: ScopeSet },
    /// A client took a token back.
    TokenRevoked { token: Option<TokenId> },
    /// A client could not prove who it is.
    ClientAuthenticationFailed { reason: &'static str },
    /// The first administrator was made by the link.
    FirstAdministratorCreated,
    /// A single-use link was made.
    LinkIssued { purpose: &'static str },
    /// An account was made.
    UserCreated,
    /// Claims or roles of an account were changed.
    UserChanged { fields: Vec<String> },
    /// An account was disabled or enabled.
    UserEnabled { enabled: bool },
    /// A person was given all that is stored of them.
    DataExported,
    /// An account was removed, and with it the key of what names its person here.
    UserDeleted,
    /// A password was set.
    PasswordChanged,
    /// A mail could not be sent, and no further try is made.
    MailGivenUp { mail: &'static str, tries: u32 },
    /// The server of an app could not be told that a session is over, and no further try is made.
    BackchannelLogoutGivenUp { tries: u32 },
    /// Events of the audit trail were removed when they had been kept long enough: those before this leaf of its log.
    AuditEventsRemoved { before: u64 },
    /// A client was registered, changed or removed.
    ClientChanged { change: Change },
    /// A client registered itself, by this initial access token if one was asked for.
    ClientRegistered { token: Option<String> },
    /// A client that had registered itself changed that, or took it back.
    RegistrationChanged { change: Change },
    /// A client that had registered itself was removed since nobody used it.
    UnusedClientRemoved,
    /// An initial access token was made.
    RegistrationTokenIssued { token: String, uses: u32 },
    /// An initial access token was taken back.
    RegistrationTokenRevoked { token: String },
    /// An API was registered or removed.
    ApiChanged { api: String, change: Change },
    /// A copy took the place of the database, and ended what may have been over.
    DatabaseRestored,
    /// A signing key was made.
    KeyPublished { kid: String, at_once: bool },
    /// A signing key is never to sign.
    KeySkipped { kid: String },
    /// A signing key of an algorithm that is no longer among the settings has done its time.
    KeyRetired { kid: String },
    /// A signing key was removed, with which nothing that counts was signed.
    KeyDeleted { kid: String },
    /// Everything was sealed anew under another master key.
    MasterKeyChanged,
    /// A signing key is in other hands. Nothing that it signed counts any more.
    KeyCompromised { kid: String },
}

/// Who took something away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remover {
    /// The person whose it was.
    Owner,
    /// An operator.
    Operator,
}

impl Remover {
    fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
        }
    }
}

/// What was done to a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New.
    Added,
    /// Other values.
    Changed,
    /// A new secret.
    SecretRotated,
    /// Gone.
    Removed,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::SecretRotated => "secret_rotated",
            Self::Removed => "removed",
        }
    }
}

impl Event {
    /// The name of the event in the audit trail.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LoginSucceeded { .. } => "login.succeeded",
            Self::LoginFailed => "login.failed",
            Self::LoginThrottled => "login.throttled",
            Self::SecondFactorFailed => "second_factor.failed",
            Self::SecondFactorThrottled => "second_factor.throttled",
            Self::SecondFactorEnrolled => "second_factor.enrolled",
            Self::SecondFactorRemoved { .. } => "second_factor.removed",
            Self::SecondFactorRequired { .. } => "second_factor.required",
            Self::RecoveryCodeUsed { .. } => "recovery_code.used",
            Self::RecoveryCodesRenewed => "recovery_codes.renewed",
            Self::DeviceTrusted => "device.trusted",
            Self::DevicesDistrusted => "devices.distrusted",
            Self::SessionEnded { .. } => "session.ended",
            Self::SessionChosen => "session.chosen",
            Self::SessionsRevoked => "sessions.revoked",
            Self::ConsentGranted { .. } => "consent.granted",
            Self::ConsentDenied { .. } => "consent.denied",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::CodeIssued { .. } => "code.issued",
            Self::TokensAnswered { .. } => "tokens.answered",
            Self::CodeExchanged { .. } => "code.exchanged",
            Self::CodeReplayed => "code.replayed",
            Self::TokenRefreshed { .. } => "token.refreshed",
            Self::RefreshTokenReplayed => "refresh_token.replayed",
            Self::ClientTokenIssued { .. } => "client_token.issued",
            Self::TokenRevoked { .. } => "token.revoked",
            Self::ClientAuthenticationFailed { .. } => "client.authentication_failed",
            Self::FirstAdministratorCreated => "administrator.created",
            Self::LinkIssued { .. } => "link.issued",
            Self::UserCreated => "user.created",
            Self::UserChanged { .. } => "user.changed",
            Self::UserEnabled { enabled: true } => "user.enabled",
            Self::UserEnabled { enabled: false } => "user.disabled",
            Self::DataExported => "data.exported",
            Self::UserDeleted => "user.deleted",
            Self::PasswordChanged => "password.changed",
            Self::MailGivenUp { .. } => "mail.given_up",
            Self::BackchannelLogoutGivenUp { .. } => "backchannel_logout.given_up",
            Self::AuditEventsRemoved { .. } => "audit_events.removed",
            Self::ClientChanged { .. } => "client.changed",
            Self::ClientRegistered { .. } => "client.registered",
            Self::RegistrationChanged { .. } => "client.registration_changed",
            Self::UnusedClientRemoved => "client.unused_removed",
            Self::RegistrationTokenIssued { .. } => "registration_token.issued",
            Self::RegistrationTokenRevoked { .. } => "registration_token.revoked",
            Self::ApiChanged { .. } => "api.changed",
            Self::DatabaseRestored => "database.restored",
            Self::KeyPublished { .. } => "key.published",
            Self::KeySkipped { .. } => "key.skipped",
            Self::KeyRetired { .. } => "key.retired",
            Self::KeyDeleted { .. } => "key.deleted",
            Self::MasterKeyChanged => "master_key.changed",
            Self::KeyCompromised { .. } => "key.compromised",
        }
    }

    /// What else there is to say about it, without a word about a person.
    pub fn detail(&self) -> Value {
        match self {
            Self::LoginSucceeded { amr } => json!({ "amr": amr }),
            Self::SecondFactorRemoved { by } => json!({ "by": by.as_str() }),
            Self::SecondFactorRequired { required } => json!({ "required": required }),
            Self::RecoveryCodeUsed { left } => json!({ "left": left }),
            Self::SessionEnded { reason } => json!({ "reason": reason.as_str() }),
            Self::ConsentGranted { scope } | Self::ConsentDenied { scope } | Self::CodeIssued { scope } => {
                json!({ "scope": scope })
            }
            Self::TokensAnswered { token, scope } => json!({ "jti": token, "scope": scope }),
            Self::CodeExchanged { token, scope }
            | Self::TokenRefreshed { token, scope }
            | Self::ClientTokenIssued { token, scope } => json!({ "jti": token, "scope": scope }),
            Self::TokenRevoked { token } => json!({ "jti": token }),
            Self::ClientAuthenticationFailed { reason } => json!({ "reason": reason }),
            Self::LinkIssued { purpose } => json!({ "purpose": purpose }),
            Self::UserChanged { fields } => json!({ "fields": fields }),
            Self::MailGivenUp { mail, tries } => json!({ "mail": mail, "tries": tries }),
            Self::BackchannelLogoutGivenUp { tries } => json!({ "tries": tries }),
            Self::AuditEventsRemoved { before } => json!({ "before": before }),
            Self::ClientChanged { change } | Self::RegistrationChanged { change } => {
                json!({ "change": change.as_str() })
            }
            Self::ClientRegistered { token } => json!({ "token": token }),
            Self::RegistrationTokenIssued { token, uses } => json!({ "token": token, "uses": uses }),
            Self::RegistrationTokenRevoked { token } => json!({ "token": token }),
            Self::ApiChanged { api, change } => json!({ "api": api, "change": change.as_str() }),
            Self::KeyPublished { kid, at_once } => json!({ "kid": kid, "at_once": at_once }),
            Self::KeySkipped { kid }
            | Self::KeyRetired { kid }
            | Self::KeyDeleted { kid }
            | Self::KeyCompromised { kid } => json!({ "kid": kid }),
            Self::MasterKeyChanged => json!({}),
            Self::LoginFailed
            | Self::LoginThrottled
            | Self::SecondFactorFailed
            | Self::SecondFactorThrottled
            | Self::SecondFactorEnrolled
            | Self::RecoveryCodesRenewed
            | Self::DeviceTrusted
            | Self::DevicesDistrusted
            | Self::SessionChosen
            | Self::SessionsRevoked
            | Self::ConsentWithdrawn
            | Self::DataExported
            | Self::UserDeleted
            | Self::DatabaseRestored
            | Self::UnusedClientRemoved
            | Self::CodeReplayed
            | Self::RefreshTokenReplayed
            | Self::FirstAdministratorCreated
            | Self::UserCreated
            | Self::UserEnabled { .. }
            | Self::PasswordChanged => Value::Object(Map::new()),
        }
    }
}

/// Whether an event of this kind tells of something that was refused or went wrong.
pub fn is_failure(kind: &str) -> bool {
    matches!(
        kind,
        "login.failed"
            | "login.throttled"
            | "second_factor.failed"
            | "second_factor.throttled"
            | "consent.denied"
            | "code.replayed"
            | "refresh_token.replayed"
            | "client.authentication_failed"
            | "mail.given_up"
            | "backchannel_logout.given_up"
    )
}

/// One line of the audit trail: the event, and the ids of all that took part.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// What happened.
    pub event: Event,
    /// Whose account it concerns.
    pub user: Option<UserId>,
    /// Which client it concerns.
    pub client: Option<ClientId>,
    /// In which session it happened.
    pub session: Option<SessionId>,
    /// Which grant it concerns.
    pub grant: Option<GrantId>,
    /// Detail that names a person.
    pub personal: Personal,
}

impl AuditEntry {
    /// An event that names nobody yet.
    pub fn new(event: Event) -> Self {
        Self { event, user: None, client: None, session: None, grant: None, personal: Personal::default() }
    }

    /// Concerns this account.
    #[must_use]
    pub fn user(mut self, user: &UserId) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// Concerns this client.
    #[must_use]
    pub fn client(mut self, client: &ClientId) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// Happened in this session.
    #[must_use]
    pub fn session(mut self, session: &SessionId) -> Self {
        self.session = Some(session.clone());
        self
    }

    /// Concerns this grant.
    #[must_use]
    pub fn grant(mut self, grant: &GrantId) -> Self {
        self.grant = Some(grant.clone());
        self
    }

    /// Comes with detail that names a person.
    #[must_use]
    pub fn personal(mut self, personal: Personal) -> Self {
        self.personal = personal;
        self
    }
}

/// Detail that names a person. Stored under the key of the account, which dies with it.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Personal {
    /// The address of the network that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the device calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl Personal {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
