//! What was granted to a client: the one thing from which every token is minted, whatever the grant type.

use chrono::{DateTime, Utc};
use countersign_types::{ClientId, Confirmation, GrantId, ScopeSet, SessionId, UserId};

use super::{api::OFFLINE_ACCESS, authorization::AuthorizationRequest, claims::ClaimsRequest, session::Session};

/// What a client may do, and for whom.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The client.
    pub client: ClientId,
    /// What it may do.
    pub scope: ScopeSet,
    /// On whose behalf.
    pub subject: Subject,
    /// What its refresh tokens are bound to; `None` where whoever holds one may use it, or must authenticate.
    pub confirmation: Option<Confirmation>,
}

/// On whose behalf a client acts.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Its own (RFC 6749 §4.4).
    Client,
    /// A person's.
    Person(Box<PersonGrant>),
}

/// What a person granted at one sign-in.
#[derive(Clone, Debug)]
pub struct PersonGrant {
    /// The `gid` of every token of the grant.
    pub id: GrantId,
    /// The person.
    pub user: UserId,
    /// The session at which it was granted.
    pub session: SessionId,
    /// When the person had signed in. A refresh does not move it (OpenID Connect Core §12.2).
    pub auth_time: DateTime<Utc>,
    /// How strong that sign-in was.
    pub acr: String,
    /// By what means.
    pub amr: Vec<String>,
    /// What the client asked for by name (OpenID Connect Core §5.5).
    pub claims: ClaimsRequest,
    /// When it was granted.
    pub created_at: DateTime<Utc>,
    /// When it ends, however often it is refreshed.
    pub ends_at: DateTime<Utc>,
}

impl PersonGrant {
    /// A new grant on a session, of what this request asks for.
    pub fn on(
        session: &Session,
        request: &AuthorizationRequest,
        id: GrantId,
        (now, ends_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        Self {
            id,
            user: session.user.clone(),
            session: session.id.clone(),
            auth_time: session.auth_time,
            acr: request.answered_acr(&session.acr).to_owned(),
            amr: session.amr.clone(),
            claims: request.claims.clone(),
            created_at: now,
            ends_at,
        }
    }
}

impl Grant {
    /// Whether the grant survives logout and the end of the session (OpenID Connect Core §11).
    pub fn is_offline(&self) -> bool {
        self.scope.contains(OFFLINE_ACCESS)
    }

    /// The thumbprint of the key that its refresh tokens are bound to.
    pub fn bound_to(&self) -> Option<&str> {
        self.confirmation.as_ref()?.jkt.as_deref()
    }

    /// The person's part, where a person granted it.
    pub fn person(&self) -> Option<&PersonGrant> {
        match &self.subject {
            Subject::Client => None,
            Subject::Person(person) => Some(person),
        }
    }
}
