//! Asks the provider whether a token is good right now (RFC 7662): for tokens that say nothing by themselves, and for what a token that
//! was revoked a minute ago must not open.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_jose::token_digest;
use countersign_types::AccessTokenClaims;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded::byte_serialize};

use crate::{
    TokenError,
    caller::{Accepted, Whole},
    clock::passed,
    provider::{FetchError, Provider},
};

/// The most answers that are remembered at a time.
const MOST: usize = 10_000;
/// How long the address is used without asking for it again, in seconds.
const ADDRESS_FOR: i64 = 3_600;

/// How this API asks.
pub(crate) struct Introspection {
    /// The value of the `Authorization` header.
    authorization: String,
    /// For how long an answer counts, in seconds.
    answer_for: i64,
    address: Mutex<Option<(Url, i64)>>,
    answers: Mutex<HashMap<[u8; 32], Answer>>,
}

/// What the provider said, and until when that counts.
type Answer = (Accepted, i64);

impl fmt::Debug for Introspection {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("answer_for", &self.answer_for).finish_non_exhaustive()
    }
}

impl Introspection {
    pub fn new(client_id: &str, client_secret: &str, answer_for: i64) -> Self {
        // RFC 6749 §2.3.1: both are form-encoded first.
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(client_id), encode(client_secret));
        let authorization = format!("Basic {}", countersign_jose::base64(pair.as_bytes()));
        Self { authorization, answer_for, address: Mutex::default(), answers: Mutex::default() }
    }

    /// What the provider says of a token that is good now.
    pub async fn ask(
        &self,
        provider: &Provider,
        (token, issuer): (&str, &str),
        now: i64,
    ) -> Result<Accepted, TokenError> {
        let digest = token_digest(token);
        if let Some(known) = self.remembered(&digest, now) {
            return Ok(known);
        }
        let answer = self.send(provider, token, now).await.map_err(|error| {
            tracing::warn!(%error, "the provider cannot be asked about a token");
            TokenError::IntrospectionUnavailable
        })?;
        if answer.get("active") != Some(&Value::Bool(true)) {
            return Err(TokenError::Inactive);
        }
        let accepted = read(answer, issuer, now)?;
        self.remember(digest, accepted.clone(), now);
        Ok(accepted)
    }

    async fn send(&self, provider: &Provider, token: &str, now: i64) -> Result<Map<String, Value>, FetchError> {
        let known = self.address.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let address = if let Some((address, _)) = known.filter(|(_, at)| !passed(*at, now, ADDRESS_FOR)) {
            address
        } else {
            let found = provider.introspection_endpoint().await?;
            *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some((found.clone(), now));
            found
        };
        provider.post(&address, &self.authorization, &[("token", token), ("token_type_hint", "access_token")]).await
    }

    fn remembered(&self, digest: &[u8; 32], now: i64) -> Option<Accepted> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(digest).filter(|(_, until)| now < *until).map(|(accepted, _)| accepted.clone())
    }

    fn remember(&self, digest: [u8; 32], accepted: Accepted, now: i64) {
        let until = now.saturating_add(self.answer_for).min(accepted.claims.exp);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, (_, until)| now < *until);
        }
        // Without room it is asked for again.
        if answers.len() < MOST && now < until {
            answers.insert(digest, (accepted, until));
        }
    }
}

/// RFC 7662 §2.2: nearly everything may be left out. What a token cannot be judged without must be there.
fn read(mut answer: Map<String, Value>, issuer: &str, now: i64) -> Result<Accepted, TokenError> {
    answer.entry("iss").or_insert_with(|| json!(issuer));
    answer.entry("iat").or_insert_with(|| json!(now));
    answer.entry("jti").or_insert_with(|| json!("none"));
    let claims = AccessTokenClaims::deserialize(&answer).map_err(|_| TokenError::Claims)?;
    Ok(Accepted { claims: Arc::new(claims), whole: Whole::Answer(Arc::new(answer)) })
}
