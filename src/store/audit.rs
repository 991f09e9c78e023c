//! The audit trail, written in the transaction of what it tells of.
//!
//! Rows name people by their random ids. What would name them in plain words is sealed under a key of the account, which
//! is itself sealed under the master key: when the account's key is destroyed, the rows stay and name nobody.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{StoreError, Tx};
use crate::{
    domain::event::{AuditEntry, Personal},
    master_key::{MasterKey, SealingKey},
    random::Random,
};

const MAX_KEYS: usize = 10_000;

/// The keys of personal detail.
#[derive(Debug)]
pub(super) struct Keys {
    /// Seals the keys of accounts.
    wrapping: SealingKey,
    /// For events that concern no account.
    nobody: SealingKey,
    accounts: Mutex<HashMap<UserId, SealingKey>>,
}

impl Keys {
    pub(super) fn new(master: &MasterKey) -> Self {
        Self {
            wrapping: master.derive("audit keys of accounts"),
            nobody: master.derive("audit without account"),
            accounts: Mutex::default(),
        }
    }

    fn cached(&self, user: &UserId) -> Option<SealingKey> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    fn remember(&self, user: &UserId, key: &SealingKey) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MAX_KEYS {
            accounts.clear();
        }
        accounts.insert(user.clone(), key.clone());
    }
}

/// A row ready to be written.
#[derive(Clone, Debug)]
pub(super) struct Row {
    at: DateTime<Utc>,
    kind: &'static str,
    user: Option<String>,
    client: Option<String>,
    session: Option<String>,
    grant: Option<String>,
    detail: String,
    personal: Option<Vec<u8>>,
}

impl Row {
    fn new(entry: &AuditEntry, at: DateTime<Utc>, personal: Option<Vec<u8>>) -> Self {
        Self {
            at,
            kind: entry.event.kind(),
            user: entry.user.as_ref().map(ToString::to_string),
            client: entry.client.as_ref().map(ToString::to_string),
            session: entry.session.as_ref().map(ToString::to_string),
            grant: entry.grant.as_ref().map(ToString::to_string),
            detail: entry.event.detail().to_string(),
            personal,
        }
    }

    /// Of an event that concerns no account.
    pub(super) fn of_nobody(entry: &AuditEntry, at: DateTime<Utc>, keys: &Keys, random: &Random) -> Self {
        debug_assert!(entry.user.is_none(), "an account's detail belongs under its own key");
        Self::new(entry, at, seal(&entry.personal, &keys.nobody, random))
    }
}

/// The most rows of one statement.
const MAX_ROWS: usize = 32;

/// Statements that insert 1, 2, 4 … [`MAX_ROWS`] rows: few enough for each connection to keep them all prepared.
static INSERTS: LazyLock<Vec<(usize, String)>> = LazyLock::new(|| {
    let sizes = std::iter::successors(Some(1), |size| Some(size * 2)).take_while(|size| *size <= MAX_ROWS);
    sizes
        .map(|size| {
            let row = |at: usize| {
                let values: Vec<_> = (1..=8).map(|column| format!("${}", at * 8 + column)).collect();
                format!("({})", values.join(", "))
            };
            let rows: Vec<_> = (0..size).map(row).collect();
            let columns = "at, kind, user_id, client_id, sid, gid, detail, personal";
            (size, format!("INSERT INTO audit_event ({columns}) VALUES {}", rows.join(", ")))
        })
        .collect()
});

/// Writes rows in as few statements as it takes: with SQLite each is handed to another thread.
pub(super) async fn insert(tx: &mut Tx, mut rows: &[Row]) -> Result<(), StoreError> {
    while !rows.is_empty() {
        let fitting = INSERTS.iter().rev().find_map(|(size, sql)| Some((rows.split_at_checked(*size)?, sql.as_str())));
        let Some(((now, later), sql)) = fitting else { return Ok(()) };
        on!(tx, connection => {
            let mut query = sqlx::query(sql);
            for row in now {
                query = query
                    .bind(row.at)
                    .bind(row.kind)
                    .bind(row.user.as_deref())
                    .bind(row.client.as_deref())
                    .bind(row.session.as_deref())
                    .bind(row.grant.as_deref())
                    .bind(row.detail.as_str())
                    .bind(row.personal.as_deref());
            }
            query.execute(connection).await.map(drop)
        })?;
        rows = later;
    }
    Ok(())
}

fn seal(personal: &Personal, key: &SealingKey, random: &Random) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(personal).unwrap_or_default();
    (!personal.is_empty()).then(|| key.seal(&json, b"personal", random))
}

/// Writes an event. It is true if, and only if, the rest of the transaction is.
pub async fn record(tx: &mut Tx, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
    let inner = tx.inner();
    let row = match &entry.user {
        Some(user) if !entry.personal.is_empty() => {
            let key = account_key(tx, user).await?;
            Row::new(entry, now, seal(&entry.personal, &key, &inner.random))
        }
        Some(_) => Row::new(entry, now, None),
        None => Row::of_nobody(entry, now, &inner.audit, &inner.random),
    };
    tx.events.push(row);
    Ok(())
}

/// The key of an account's personal detail; made at its first use.
async fn account_key(tx: &mut Tx, user: &UserId) -> Result<SealingKey, StoreError> {
    let inner = tx.inner();
    if let Some(key) = inner.audit.cached(user) {
        return Ok(key);
    }
    let select = "SELECT sealed FROM audit_key WHERE user_id = $1";
    let mut found: Option<(Vec<u8>,)> = fetch_optional!(tx, select, user.as_str())?;
    if found.is_none() {
        tx.made_audit_key = true;
        let sealed = inner.audit.wrapping.seal(&inner.random.bytes::<32>(), user.as_str().as_bytes(), &inner.random);
        execute!(
            tx,
            "INSERT INTO audit_key (user_id, sealed) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
            user.as_str(),
            sealed,
        )?;
        // Another transaction may have been first: what stands there now counts.
        found = fetch_optional!(tx, select, user.as_str())?;
    }
    let (sealed,) = found.ok_or_else(|| StoreError::corrupt("audit_key", "a key vanished"))?;
    let bytes = inner.audit.wrapping.open(&sealed, user.as_str().as_bytes())?;
    let bytes = bytes.try_into().map_err(|_| StoreError::corrupt("audit_key", "wrong length"))?;
    let key = SealingKey::from_bytes(bytes);
    if !tx.made_audit_key {
        // A key of this transaction may yet be rolled back; remembered, it would seal what nobody can open.
        inner.audit.remember(user, &key);
    }
    Ok(key)
}

/// An event as stored.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: String,
    /// Whose account it concerns.
    pub user: Option<String>,
    /// Which client it concerns.
    pub client: Option<String>,
    /// Which grant it concerns.
    pub grant: Option<String>,
    /// What else there is to say.
    pub detail: String,
    /// Detail that names a person, opened; `None` when there is none or its key was destroyed.
    pub personal: Option<Personal>,
}

/// The newest events, latest first.
pub async fn latest(tx: &mut Tx, most: i64) -> Result<Vec<AuditRecord>, StoreError> {
    type Columns = (DateTime<Utc>, String, Option<String>, Option<String>, Option<String>, String, Option<Vec<u8>>);
    let rows: Vec<Columns> = fetch_all!(
        tx,
        "SELECT at, kind, user_id, client_id, gid, detail, personal FROM audit_event ORDER BY id DESC LIMIT $1",
        most,
    )?;
    let mut records = Vec::with_capacity(rows.len());
    for (at, kind, user, client, grant, detail, sealed) in rows {
        let personal = match (&user, sealed) {
            (_, None) => None,
            (None, Some(sealed)) => open(&tx.inner().audit.nobody, &sealed),
            (Some(user), Some(sealed)) => {
                let stored: Option<(Vec<u8>,)> =
                    fetch_optional!(tx, "SELECT sealed FROM audit_key WHERE user_id = $1", user.as_str())?;
                let inner = tx.inner();
                let key = stored.and_then(|(key,)| inner.audit.wrapping.open(&key, user.as_bytes()).ok());
                let key = key.and_then(|key| key.try_into().ok()).map(SealingKey::from_bytes);
                key.and_then(|key| open(&key, &sealed))
            }
        };
        records.push(AuditRecord { at, kind, user, client, grant, detail, personal });
    }
    Ok(records)
}

fn open(key: &SealingKey, sealed: &[u8]) -> Option<Personal> {
    serde_json::from_slice(&key.open(sealed, b"personal").ok()?).ok()
}
