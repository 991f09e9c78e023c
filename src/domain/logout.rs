//! The end of a session, as apps hear of it.

use countersign_types::{ClientId, SessionId, UserId};
use serde::{Deserialize, Serialize};

/// What the server of an app is to be told (Back-Channel Logout 1.0). It waits in the queue, and is put into a token for the app when
/// it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackchannelLogout {
    /// Which app.
    pub client: ClientId,
    /// Who was signed in.
    pub user: UserId,
    /// The session that is over.
    pub session: SessionId,
}
