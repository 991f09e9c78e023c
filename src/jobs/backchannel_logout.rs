//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): the server of an app is told that a session is over.

use chrono::{DateTime, TimeDelta, Utc};
use countersign_jose::{JweError, SignError};
use countersign_types::{
    Audience, LogoutTokenClaims, TokenId,
    claims::{LOGOUT_TOKEN_TYPE, LogoutEvents},
};
use url::{Url, form_urlencoded::Serializer};

use super::queue::Tried;
use crate::{
    app::{App, Issuer},
    domain::{
        client::Client,
        event::{AuditEntry, Event},
        job::Outcome,
        logout::BackchannelLogout,
    },
    outbound::OutboundError,
    relying_party::{Lock, LockError},
    store::{
        StoreError,
        job::{self, Job},
    },
};

/// What these notices are called in the log.
const SUBJECT: &str = "backchannel_logout";
/// How long a logout token is good for (§2.4 advises two minutes at most). Each try has one of its own.
const TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(2);
/// §2.5.
const FORM: &str = "application/x-www-form-urlencoded";

/// Why an app was not told.
#[derive(Debug, thiserror::Error)]
enum SendError {
    /// The client cannot be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token cannot be signed.
    #[error("the token cannot be signed: {0}")]
    Sign(#[from] SignError),
    /// There is no key of the client's algorithm.
    #[error("there is no key for the algorithm of the app's ID tokens")]
    NoKey,
    /// Its keys cannot be read, or none fits.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// OpenSSL cannot encrypt.
    #[error("the token cannot be encrypted: {0}")]
    Encrypt(#[from] JweError),
    /// The app cannot be reached, or refuses.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl SendError {
    /// Whether another try is worth it.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Store(_) | Self::Sign(_) | Self::NoKey | Self::Lock(_) | Self::Encrypt(_) => Outcome::Failed,
            Self::Outbound(error) => outcome(error),
        }
    }
}

/// §2.8: an app that could not do it answers 400, and the same token would be no better a second time. What has to do with its server
/// or the way there may pass.
fn outcome(error: &OutboundError) -> Outcome {
    match error {
        OutboundError::Scheme | OutboundError::Userinfo | OutboundError::Address => Outcome::Hopeless,
        OutboundError::Status(408 | 429) => Outcome::Failed,
        OutboundError::Status(400..=499) => Outcome::Hopeless,
        OutboundError::Status(_)
        | OutboundError::Unreachable
        | OutboundError::Timeout
        | OutboundError::Redirect
        | OutboundError::TooLarge(_)
        | OutboundError::Encoding
        | OutboundError::Busy
        | OutboundError::Unavailable => Outcome::Failed,
    }
}

/// Sends the notice of a job.
pub(super) async fn send(app: &App, issuer: &Issuer, job: &Job) -> Tried {
    let event = Event::BackchannelLogoutGivenUp { tries: job.tries };
    let Some(notice) = read(app, job) else {
        tracing::error!(job = job.id, "a notice of a logout cannot be read");
        return Tried { subject: SUBJECT, outcome: Outcome::Hopeless, if_given_up: Some(AuditEntry::new(event)) };
    };
    let BackchannelLogout { client, user, session } = &notice;
    let entry = AuditEntry::new(event).client(client).user(user).session(session);
    let now = app.clock.now();
    let outcome = if job.expires_at <= now { Outcome::Failed } else { told(app, issuer, job, &notice, now).await };
    Tried { subject: SUBJECT, outcome, if_given_up: Some(entry) }
}

fn read(app: &App, job: &Job) -> Option<BackchannelLogout> {
    serde_json::from_slice(&job::payload(&app.store, job).ok()?).ok()
}

async fn told(app: &App, issuer: &Issuer, job: &Job, notice: &BackchannelLogout, now: DateTime<Utc>) -> Outcome {
    let client = notice.client.as_str();
    match tell(app, issuer, notice, now).await {
        Ok(()) => {
            tracing::info!(job = job.id, client, tries = job.tries, "an app was told of a logout");
            Outcome::Done
        }
        Err(error) => {
            tracing::warn!(%error, job = job.id, client, tries = job.tries, "an app was not told of a logout");
            error.outcome()
        }
    }
}

async fn tell(app: &App, issuer: &Issuer, notice: &BackchannelLogout, now: DateTime<Utc>) -> Result<(), SendError> {
    let client = app.store.client(&notice.client).await?.filter(|client| client.enabled);
    let uri = client.as_ref().and_then(|client| client.metadata.backchannel_logout_uri.as_ref());
    let (Some(client), Some(uri)) = (&client, uri) else {
        // Meanwhile its registration changed or went: there is nobody to tell.
        return Ok(());
    };
    let signed = logout_token(app, issuer, client, notice, now)?;
    // §2.4, §2.6: as the app's ID tokens are.
    let token = match Lock::for_id_token(app, client).await? {
        None => signed,
        Some(lock) => lock.close(&signed, Some("JWT"))?,
    };
    let form = Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    let url = Url::parse(uri.as_str()).map_err(|_| OutboundError::Scheme)?;
    Ok(app.outbound.post(&url, FORM, form).await?)
}

/// §2.4, signed as the app's ID tokens are.
fn logout_token(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    notice: &BackchannelLogout,
    now: DateTime<Utc>,
) -> Result<String, SendError> {
    let claims = LogoutTokenClaims {
        iss: issuer.url.clone(),
        sub: issuer.sub(client, &notice.user),
        aud: Audience::from_iter([client.id.to_string()]),
        iat: now.timestamp(),
        exp: (now + TOKEN_LIFETIME).timestamp(),
        jti: TokenId::new(app.random.id()),
        events: LogoutEvents::default(),
        sid: issuer.sid(client, &notice.session),
    };
    let sign = |signer: &countersign_jose::Signer| signer.sign(LOGOUT_TOKEN_TYPE, &claims);
    let signed = issuer.keyring.sign_with(client.id_token_algorithm(), now, sign);
    Ok(signed.ok_or(SendError::NoKey)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_given_up() {
        for passing in [
            OutboundError::Status(500),
            OutboundError::Status(503),
            OutboundError::Status(408),
            OutboundError::Status(429),
            OutboundError::Status(302),
            OutboundError::Timeout,
            OutboundError::Unreachable,
            OutboundError::Busy,
        ] {
            assert_eq!(outcome(&passing), Outcome::Failed, "{passing}");
        }
        for final_one in [
            OutboundError::Status(400),
            OutboundError::Status(401),
            OutboundError::Status(404),
            OutboundError::Status(410),
            OutboundError::Scheme,
            OutboundError::Address,
        ] {
            assert_eq!(outcome(&final_one), Outcome::Hopeless, "{final_one}");
        }
    }
}
