//! Apps hear that a session is over.

use chrono::{DateTime, TimeDelta, Utc};
use countersign_types::{SessionId, UserId};

use crate::{
    app::Issuer,
    domain::{
        accounts::Accounts,
        client::Client,
        logout::{BackchannelLogout, frontchannel_uri},
    },
    store::{
        StoreError, Tx, client,
        job::{self, JobKind, NewJob},
    },
};

/// What the browser is to load when somebody signed out of this session in it, for each of its apps that wants that (Front-Channel
/// Logout 1.0 §3).
pub async fn frontchannel_uris(issuer: &Issuer, tx: &mut Tx, session: &SessionId) -> Result<Vec<String>, StoreError> {
    let clients = client::of_session(tx, session).await?;
    let uri = |client: &Client| frontchannel_uri(&client.metadata, &issuer.url, &issuer.sid(client, session));
    Ok(clients.iter().filter_map(uri).collect())
}

/// The same for all who are signed in on a browser.
pub async fn frontchannel_uris_of_all(
    issuer: &Issuer,
    tx: &mut Tx,
    accounts: &Accounts,
) -> Result<Vec<String>, StoreError> {
    let mut uris = Vec::new();
    for session in accounts.live() {
        uris.extend(frontchannel_uris(issuer, tx, &session.id).await?);
    }
    Ok(uris)
}

/// For how long it is tried to tell an app.
const WORTH: TimeDelta = TimeDelta::hours(24);

/// Queues a notice to the server of each app that has something from this session and wants to hear of its end (Back-Channel Logout
/// 1.0 §2.3). What an app keeps by `offline_access` changes nothing: it is told that the person is not there any more (§2.7).
pub(super) async fn notify(
    tx: &mut Tx,
    user: &UserId,
    session: &SessionId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for client in client::of_session(tx, session).await? {
        if client.metadata.backchannel_logout_uri.is_none() {
            continue;
        }
        let notice = BackchannelLogout { client: client.id, user: user.clone(), session: session.clone() };
        let payload = serde_json::to_vec(&notice).unwrap_or_default();
        let job = NewJob {
            kind: JobKind::BackchannelLogout,
            about: &format!("{} {}", notice.session, notice.client),
            user: Some(user),
            // A session ends once.
            most_about: 1,
            payload: &payload,
            expires_at: now + WORTH,
        };
        job::insert(tx, &job, now).await?;
    }
    Ok(())
}
