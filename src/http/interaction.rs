//! An authorization request on its way through our pages.
//!
//! It travels in the page's address as `i`, sealed so that nobody can read or change it, and bound to the browser that
//! brought it. So a request that nobody has signed in for stores nothing, unless it is too long for an address.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::SessionId;
use serde::{Deserialize, Serialize};

use super::visitor::Visitor;
use crate::{
    app::App,
    domain::{accounts::Manner, authorization::AuthorizationRequest},
    store::{StoreError, pushed_request},
};

/// Where a request goes on after every page.
pub const RESUME: &str = "/authorize/resume";
/// How long a request may take through the pages.
const LIFETIME: TimeDelta = TimeDelta::minutes(30);
/// The longest request that travels in an address, in bytes before it is sealed.
const MAX_INLINE_BYTES: usize = 3 * 1024;
/// The context of a request that no browser has made its own yet.
const ANY_BROWSER: &[u8] = b"any browser";
/// Stored requests that one network may have at a time.
const MAX_STORED_PER_NETWORK: i64 = 100;

/// A request, when it came, and what the person said to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interaction {
    /// What the app asks for.
    pub request: AuthorizationRequest,
    /// When it asked. A login or consent newer than that meets a `prompt`.
    pub asked_at: DateTime<Utc>,
    /// Whether the person refused.
    pub denied: bool,
    /// Whether the person would rather go on without a second factor than set one up.
    #[serde(default)]
    pub without_second_factor: bool,
    /// Which of the browser's sessions the person chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<SessionId>,
    /// How whoever signs in comes to those who are signed in on the browser already.
    #[serde(default)]
    pub manner: Manner,
}

/// What is sealed into the address: the request itself, or where it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sealed {
    Inline(Box<Interaction>),
    Stored { id: String },
}

/// Why a sealed request cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InteractionError {
    /// Too old, changed, or another browser's.
    #[error("the request has expired, or belongs to another browser")]
    Expired,
    /// This network has too many long requests under way.
    #[error("too many requests at once from this network")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Interaction {
    /// A request that has just arrived.
    pub fn new(request: AuthorizationRequest, asked_at: DateTime<Utc>) -> Self {
        Self { request, asked_at, denied: false, without_second_factor: false, chosen: None, manner: Manner::Instead }
    }

    /// The same request, refused by the person.
    #[must_use]
    pub fn deny(self) -> Self {
        Self { denied: true, ..self }
    }

    /// The same request, of a person who would rather go on without a second factor.
    #[must_use]
    pub fn without_second_factor(self) -> Self {
        Self { without_second_factor: true, ..self }
    }

    /// The same request, of a person who chose this session of theirs. What another account said to it does not count.
    #[must_use]
    pub fn choose(mut self, session: SessionId, email: String) -> Self {
        // Where they must prove anew who they are, their name stands there.
        self.request.login_hint = Some(email);
        Self { chosen: Some(session), without_second_factor: false, ..self }
    }

    /// The same request, of a person who signs in beside whoever is signed in already; as whom, if that is known.
    #[must_use]
    pub fn beside(mut self, login_hint: Option<String>) -> Self {
        self.request.login_hint = login_hint;
        Self { chosen: None, without_second_factor: false, manner: Manner::Beside, ..self }
    }

    /// The value of `i`, for this browser alone.
    pub async fn seal(&self, app: &App, visitor: &Visitor) -> Result<String, InteractionError> {
        self.seal_in(app, visitor, visitor.binding().as_bytes()).await
    }

    /// The value of `i` for a request that came without our cookies, from another site. It says no more than an address that
    /// anybody could write; the first browser that brings it makes it its own.
    pub async fn seal_for_any_browser(&self, app: &App, visitor: &Visitor) -> Result<String, InteractionError> {
        self.seal_in(app, visitor, ANY_BROWSER).await
    }

    async fn seal_in(&self, app: &App, visitor: &Visitor, context: &[u8]) -> Result<String, InteractionError> {
        let json = encode(&Sealed::Inline(Box::new(self.clone())))?;
        let json = if json.len() <= MAX_INLINE_BYTES { json } else { self.store(app, visitor).await? };
        let sealed = app.keys.interaction.seal(&json, context, &app.random);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    async fn store(&self, app: &App, visitor: &Visitor) -> Result<Vec<u8>, InteractionError> {
        let id = app.random.id();
        let text = serde_json::to_string(self)
            .map_err(|error| StoreError::Corrupt { table: "pushed_request", problem: error.to_string() })?;
        let times = (app.clock.now(), self.asked_at + LIFETIME);
        let mut tx = app.store.write().await?;
        let network = visitor.device.network();
        if !pushed_request::insert(&mut tx, &id, &network, &text, times, MAX_STORED_PER_NETWORK).await? {
            return Err(InteractionError::TooMany);
        }
        tx.commit().await?;
        encode(&Sealed::Stored { id })
    }

    /// Opens the value of `i`, if this browser brought the request and it is not too old.
    pub async fn open(app: &App, visitor: &Visitor, sealed: &str) -> Result<Self, InteractionError> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| InteractionError::Expired)?;
        let open = |context: &[u8]| app.keys.interaction.open(&sealed, context);
        let (json, is_bound) = match open(visitor.binding().as_bytes()) {
            Ok(json) => (json, true),
            Err(_) => (open(ANY_BROWSER).map_err(|_| InteractionError::Expired)?, false),
        };
        let now = app.clock.now();
        let interaction = match serde_json::from_slice(&json).map_err(|_| InteractionError::Expired)? {
            Sealed::Inline(interaction) => *interaction,
            Sealed::Stored { id } => {
                let stored = pushed_request::find(&mut app.store.read().await?, &id, now).await?;
                let stored = stored.ok_or(InteractionError::Expired)?;
                serde_json::from_str(&stored).map_err(|_| InteractionError::Expired)?
            }
        };
        if now >= interaction.asked_at + LIFETIME {
            return Err(InteractionError::Expired);
        }
        // Anybody could have had it sealed, and kept it until the person signed in or consented for another reason: to this
        // browser it is new.
        Ok(if is_bound { interaction } else { Self { asked_at: now, ..interaction } })
    }
}

fn encode(sealed: &Sealed) -> Result<Vec<u8>, InteractionError> {
    // Plain data of our own always serializes; if it ever did not, the request is as good as lost.
    serde_json::to_vec(sealed).map_err(|_| InteractionError::Expired)
}

/// The way to a page with a sealed request.
pub fn address(path: &str, sealed: &str) -> String {
    format!("{path}?i={sealed}")
}
