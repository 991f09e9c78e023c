//! Counters that tell servers when to forget what they keep in memory.

use super::{StoreError, Tx};

/// What servers keep in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A client was added, changed or removed.
    Client,
    /// An API was added or removed.
    Api,
    /// A signing key was added, retired or removed.
    Key,
    /// An account was removed, and with it the key of its personal detail.
    AuditKey,
}

impl Changed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Api => "api",
            Self::Key => "key",
            Self::AuditKey => "audit_key",
        }
    }
}

/// Where the counters stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of [`Changed::Client`].
    pub client: i64,
    /// Of [`Changed::Api`].
    pub api: i64,
    /// Of [`Changed::Key`].
    pub key: i64,
    /// Of [`Changed::AuditKey`].
    pub audit_key: i64,
}

/// Tells every server, once this transaction is committed.
pub async fn announce(tx: &mut Tx, changed: Changed) -> Result<(), StoreError> {
    tx.announced = true;
    execute!(tx, "UPDATE change SET counter = counter + 1 WHERE name = $1", changed.as_str())?;
    Ok(())
}

/// Where the counters stand now.
pub async fn counters(tx: &mut Tx) -> Result<Counters, StoreError> {
    let rows: Vec<(String, i64)> = fetch_all!(tx, "SELECT name, counter FROM change")?;
    let of =
        |changed: Changed| rows.iter().find(|(name, _)| name == changed.as_str()).map_or(0, |(_, counter)| *counter);
    Ok(Counters {
        client: of(Changed::Client),
        api: of(Changed::Api),
        key: of(Changed::Key),
        audit_key: of(Changed::AuditKey),
    })
}
