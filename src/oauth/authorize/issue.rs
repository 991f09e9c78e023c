//! What comes of a request that may be granted: the grant, and its code or tokens.

use chrono::{DateTime, Utc};
use countersign_types::{GrantId, GrantType, ResponseType};

use super::respond::{Granted, IdToken};
use crate::{
    app::App,
    domain::{
        authorization::AuthorizationRequest,
        client::Client,
        event::{AuditEntry, Event},
        grant::{Grant, PersonGrant, Subject},
        session::Session,
        token::Secret,
        user::User,
    },
    http::{state::AppState, visitor::Visitor},
    oauth::{
        error::OAuthError,
        issue::{AccessToken, Beside, IdTokenClaims, Mint, Order},
    },
    relying_party::{Lock, LockError},
    store::{StoreError, account, audit, client as clients, code, person_grant, session as sessions},
};

/// A request that may be granted, of whom, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) request: &'a AuthorizationRequest,
    pub(super) client: &'a Client,
    pub(super) session: &'a Session,
}

/// Why nothing was issued after all.
pub(super) enum Unissued {
    Store(StoreError),
    /// A token could not be made.
    Token(OAuthError),
}

impl From<StoreError> for Unissued {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<LockError> for Unissued {
    fn from(error: LockError) -> Self {
        Self::Token(error.into())
    }
}

impl From<OAuthError> for Unissued {
    fn from(error: OAuthError) -> Self {
        Self::Token(error)
    }
}

impl Asked<'_> {
    /// Makes what was asked for, and stores the grant and its code; nothing if the session has ended.
    pub(super) async fn issue(self, state: &AppState, visitor: &Visitor) -> Result<Option<Granted>, Unissued> {
        let Self { request, client, session } = self;
        let (app, now) = (&*state.app, state.app.clock.now());
        let id = GrantId::new(app.random.id());
        let person = PersonGrant::on(session, request, id, (now, self.ends_at(app, now)));
        let grant = Grant {
            client: client.id.clone(),
            scope: request.scope.clone(),
            subject: Subject::Person(Box::new(person.clone())),
            confirmation: None,
        };
        let code = request.response_type.is_answered_with_code().then(|| app.random.secret());
        let (access_token, id_token) = if request.response_type.is_answered_with_tokens() {
            let Some(user) = account::find(&mut app.store.read().await?, &session.user).await? else { return Ok(None) };
            self.tokens(state, &grant, (&user, code.as_ref()), now).await?
        } else {
            (None, None)
        };

        let mut tx = app.store.write().await?;
        // Since it was looked at, the session may have ended with a changed password: nothing may begin on it any more.
        if !sessions::touch(&mut tx, &session.id, now).await? {
            return Ok(None);
        }
        if client.is_unused() {
            clients::use_first(&mut tx, &client.id, now).await?;
        }
        person_grant::insert(&mut tx, &grant, &person).await?;
        if let Some(code) = &code {
            code::insert(&mut tx, &code.digest(), &person.id, &self.binding(app, now)).await?;
            let event = Event::CodeIssued { scope: request.scope.clone() };
            audit::record(&mut tx, &self.entry(visitor, &person, event), now).await?;
        }
        if request.response_type.is_answered_with_tokens() {
            let token = access_token.as_ref().map(|access| access.id.clone());
            let event = Event::TokensAnswered { token, scope: request.scope.clone() };
            audit::record(&mut tx, &self.entry(visitor, &person, event), now).await?;
        }
        tx.commit().await?;
        Ok(Some(Granted { code, access_token, id_token }))
    }

    /// When the grant ends: with the last thing that can come of it.
    fn ends_at(self, app: &App, now: DateTime<Utc>) -> DateTime<Utc> {
        let lifetimes = &app.settings.lifetimes;
        let by_code = || {
            if self.client.may_use(GrantType::RefreshToken) {
                lifetimes.refresh_absolute
            } else {
                lifetimes.code + lifetimes.access_token
            }
        };
        now + if self.request.response_type.is_answered_with_code() { by_code() } else { lifetimes.access_token }
    }

    fn binding(self, app: &App, now: DateTime<Utc>) -> code::CodeBinding {
        let request = self.request;
        code::CodeBinding {
            redirect_uri: request.redirect_uri.clone(),
            redirect_uri_sent: request.redirect_uri_sent,
            code_challenge: request.code_challenge.clone(),
            nonce: request.nonce.clone(),
            dpop_jkt: request.dpop_jkt.clone(),
            expires_at: now + app.settings.lifetimes.code,
        }
    }

    fn entry(self, visitor: &Visitor, person: &PersonGrant, event: Event) -> AuditEntry {
        AuditEntry::new(event)
            .user(&person.user)
            .client(&self.client.id)
            .session(&person.session)
            .grant(&person.id)
            .personal(visitor.device.personal())
    }

    /// The tokens of the answer (OpenID Connect Core §3.2.2.5, §3.3.2.5).
    async fn tokens(
        self,
        state: &AppState,
        grant: &Grant,
        (user, code): (&User, Option<&Secret>),
        now: DateTime<Utc>,
    ) -> Result<(Option<AccessToken>, Option<IdToken>), Unissued> {
        let (app, request) = (&*state.app, self.request);
        let apis = app.store.apis().await?;
        let mint = Mint { app, issuer: &state.issuer, apis: &apis, now };
        let has_access_token = request.response_type != ResponseType::IdToken;
        let order = Order {
            grant,
            client: self.client,
            scope: request.scope.clone(),
            nonce: request.nonce.as_deref(),
            roles: user.roles.iter().cloned().collect(),
            person: IdTokenClaims { user, client: self.client, asked: &request.claims }
                .told(&app.settings.scopes, (!has_access_token).then_some(&request.scope)),
            lock: if request.response_type.is_answered_with_id_token() {
                Lock::for_id_token(app, self.client).await?
            } else {
                None
            },
            confirmation: None,
            ends_by: Some(self.session.expires_at(&app.session_lifetimes())),
        };
        let wants_access_token = request.response_type.is_answered_with_access_token();
        let access_token = wants_access_token.then(|| mint.access_token(&order)).transpose()?;
        let wants_id_token = request.response_type.is_answered_with_id_token();
        let beside = Beside {
            access_token: access_token.as_ref().map(|access| access.token.as_str()),
            code: code.map(Secret::expose),
        };
        let id_token = if wants_id_token { mint.id_token(&order, beside)? } else { None };
        Ok((access_token, id_token.map(IdToken)))
    }
}
