//! The audit trail, written in the transaction of what it tells of.
//!
//! Rows name people by their random ids. What would name them in plain words is sealed under a key of the account, which
//! is itself sealed under the master key: when the account's key is destroyed, the rows stay and name nobody.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use countersign_types::UserId;

use super::{
    StoreError, Tx,
    change::{Changed, announce},
};
use crate::{
    domain::{
        audit_log::StoredEvent,
        event::{AuditEntry, Personal},
    },
    master_key::{MasterKeys, SealingKey},
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
    accounts: Mutex<Accounts>,
}

/// Keys of accounts that were used of late. What was read before the last time they were forgotten is never put in, since it may
/// be gone.
#[derive(Debug, Default)]
struct Accounts {
    generation: u64,
    keys: HashMap<UserId, SealingKey>,
}

impl Keys {
    pub(super) fn new(master: &MasterKeys) -> Self {
        Self {
            wrapping: master.derive("audit keys of accounts"),
            nobody: master.derive("audit without account"),
            accounts: Mutex::default(),
        }
    }

    /// What seals the keys of accounts.
    pub(super) fn wrapping(&self) -> &SealingKey {
        &self.wrapping
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of an account if it is known, and in which generation it was not.
    fn cached(&self, user: &UserId) -> (u64, Option<SealingKey>) {
        let accounts = self.accounts();
        (accounts.generation, accounts.keys.get(user).cloned())
    }

    fn remember(&self, read_in: u64, user: &UserId, key: &SealingKey) {
        let mut accounts = self.accounts();
        if accounts.generation != read_in {
            return;
        }
        if accounts.keys.len() >= MAX_KEYS {
            accounts.keys.clear();
        }
        accounts.keys.insert(user.clone(), key.clone());
    }

    /// Forgets the keys of all accounts, since one of them was destroyed, here or on another node.
    pub(super) fn forget_accounts(&self) {
        let mut accounts = self.accounts();
        *accounts = Accounts { generation: accounts.generation + 1, keys: HashMap::new() };
    }
}

tokio::task_local! {
    /// The name of the request that is being answered.
    static REQUEST: String;
}

/// Does something for a request: what it writes to the trail bears its name.
pub async fn in_request<W: Future>(name: String, work: W) -> W::Output {
    REQUEST.scope(name, work).await
}

/// The name of the request that is being answered, if one is.
pub(super) fn request() -> Option<String> {
    REQUEST.try_with(Clone::clone).ok()
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
    request: Option<String>,
    detail: String,
    personal: Option<Vec<u8>>,
}

impl Row {
    /// The name of the event.
    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    fn new(entry: &AuditEntry, at: DateTime<Utc>, personal: Option<Vec<u8>>) -> Self {
        Self {
            at,
            kind: entry.event.kind(),
            user: entry.user.as_ref().map(ToString::to_string),
            client: entry.client.as_ref().map(ToString::to_string),
            session: entry.session.as_ref().map(ToString::to_string),
            grant: entry.grant.as_ref().map(ToString::to_string),
            request: request(),
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
                let values: Vec<_> = (1..=9).map(|column| format!("${}", at * 9 + column)).collect();
                format!("({})", values.join(", "))
            };
            let rows: Vec<_> = (0..size).map(row).collect();
            let columns = "at, kind, user_id, client_id, sid, gid, request_id, detail, personal";
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
                    .bind(row.request.as_deref())
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
            Row::new(entry, now, key.and_then(|key| seal(&entry.personal, &key, &inner.random)))
        }
        Some(_) => Row::new(entry, now, None),
        None => Row::of_nobody(entry, now, &inner.audit, &inner.random),
    };
    tx.events.push(row);
    Ok(())
}

/// Destroys the key of an account's personal detail, with this transaction: its rows stay, and name nobody any more.
pub async fn destroy_key(tx: &mut Tx, user: &UserId) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM audit_key WHERE user_id = $1", user.as_str())?;
    tx.destroyed_audit_key = true;
    announce(tx, Changed::AuditKey).await
}

/// The key of an account's personal detail; made at its first use, and `None` when the account is gone.
async fn account_key(tx: &mut Tx, user: &UserId) -> Result<Option<SealingKey>, StoreError> {
    let inner = tx.inner();
    let (generation, cached) = inner.audit.cached(user);
    if cached.is_some() {
        return Ok(cached);
    }
    let select = "SELECT sealed FROM audit_key WHERE user_id = $1";
    let mut found: Option<(Vec<u8>,)> = fetch_optional!(tx, select, user.as_str())?;
    if found.is_none() {
        tx.made_audit_key = true;
        let sealed = inner.audit.wrapping.seal(&inner.random.bytes::<32>(), user.as_str().as_bytes(), &inner.random);
        execute!(
            tx,
            "INSERT INTO audit_key (user_id, sealed) SELECT id, $2 FROM account WHERE id = $1
             ON CONFLICT (user_id) DO NOTHING",
            user.as_str(),
            sealed,
        )?;
        // Another transaction may have been first: what stands there now counts.
        found = fetch_optional!(tx, select, user.as_str())?;
    }
    let Some((sealed,)) = found else { return Ok(None) };
    let bytes = inner.audit.wrapping.open(&sealed, user.as_str().as_bytes())?;
    let bytes = bytes.try_into().map_err(|_| StoreError::corrupt("audit_key", "wrong length"))?;
    let key = SealingKey::from_bytes(bytes);
    if !tx.made_audit_key {
        // A key of this transaction may yet be rolled back; remembered, it would seal what nobody can open.
        inner.audit.remember(generation, user, &key);
    }
    Ok(Some(key))
}

/// The keys of detail that concerns no account: those of the present master keys, and of earlier ones, since an event stays sealed as
/// it was.
async fn keys_of_nobody(tx: &mut Tx) -> Result<Vec<SealingKey>, StoreError> {
    let rows: Vec<(String, Vec<u8>)> = fetch_all!(tx, "SELECT id, sealed FROM audit_key_of_nobody")?;
    let inner = tx.inner();
    let mut keys = vec![inner.audit.nobody.clone()];
    for (id, sealed) in rows {
        let bytes = inner.audit.wrapping.open(&sealed, id.as_bytes())?;
        keys.extend(bytes.try_into().map(SealingKey::from_bytes));
    }
    Ok(keys)
}

/// Seals what stands here under the present master key: keys of accounts, and those of earlier master keys for detail that
/// concerns no account. How many were sealed anew.
pub(super) async fn reseal(tx: &mut Tx) -> Result<usize, StoreError> {
    let inner = tx.inner();
    let mut resealed = 0;
    for key in inner.audit.nobody.others() {
        let digest = SealingKey::from_bytes(key).authenticate(b"name");
        let id = URL_SAFE_NO_PAD.encode(digest);
        execute!(
            tx,
            "INSERT INTO audit_key_of_nobody (id, sealed) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
            &id,
            inner.audit.wrapping.seal(&key, id.as_bytes(), &inner.random),
        )?;
    }
    let rows: Vec<(String, Vec<u8>)> = fetch_all!(tx, "SELECT id, sealed FROM audit_key_of_nobody")?;
    for (id, sealed) in rows {
        if let Some(fresh) = inner.audit.wrapping.reseal(&sealed, id.as_bytes(), &inner.random)? {
            execute!(tx, "UPDATE audit_key_of_nobody SET sealed = $2 WHERE id = $1", id, fresh)?;
            resealed += 1;
        }
    }
    Ok(resealed)
}

/// An event, with what names a person opened: `None` where there is nothing or its key was destroyed.
pub type AuditRecord = StoredEvent<Personal>;

/// What [`StoredRow`] is read from.
pub(super) const COLUMNS: &str = "id, at, kind, user_id, client_id, sid, gid, request_id, detail, personal, leaf";

/// A row of the trail.
#[derive(sqlx::FromRow)]
pub(super) struct StoredRow {
    id: i64,
    at: DateTime<Utc>,
    kind: String,
    user_id: Option<String>,
    client_id: Option<String>,
    sid: Option<String>,
    gid: Option<String>,
    request_id: Option<String>,
    detail: String,
    personal: Option<Vec<u8>>,
    leaf: Option<i64>,
}

impl StoredRow {
    /// The leaf that it has in the log, if it is sealed; and the event.
    pub(super) fn read(self) -> (Option<u64>, StoredEvent) {
        let event = StoredEvent {
            id: self.id,
            at: self.at,
            kind: self.kind,
            user: self.user_id,
            client: self.client_id,
            session: self.sid,
            grant: self.gid,
            request: self.request_id,
            detail: self.detail,
            personal: self.personal,
        };
        (self.leaf.and_then(|leaf| u64::try_from(leaf).ok()), event)
    }
}

async fn opened(tx: &mut Tx, rows: Vec<StoredRow>) -> Result<Vec<AuditRecord>, StoreError> {
    let (mut keys, mut records) = (AccountKeys::default(), Vec::with_capacity(rows.len()));
    for row in rows {
        let (_, event) = row.read();
        let personal = personal(tx, &event, &mut keys).await?;
        records.push(event.with_personal(personal));
    }
    Ok(records)
}

/// The newest events, latest first.
pub async fn latest(tx: &mut Tx, most: i64) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM audit_event ORDER BY id DESC LIMIT $1");
    let rows = fetch_all!(tx, sqlx::AssertSqlSafe(sql.as_str()), most)?;
    opened(tx, rows).await
}

/// What happened in a person's account before this place in the trail, latest first. What apps do many times a day, all by
/// themselves, is left out.
pub async fn of_user_before(
    tx: &mut Tx,
    user: &UserId,
    before: i64,
    most: i64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_event
         WHERE user_id = $1 AND id < $2 AND kind NOT IN ('code.issued', 'token.refreshed') ORDER BY id DESC LIMIT $3"
    );
    let rows = fetch_all!(tx, sqlx::AssertSqlSafe(sql.as_str()), user.as_str(), before, most)?;
    opened(tx, rows).await
}

/// Everything that happened in a person's account after this place in the trail, in its order.
pub async fn of_user_after(tx: &mut Tx, user: &UserId, after: i64, most: i64) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM audit_event WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = fetch_all!(tx, sqlx::AssertSqlSafe(sql.as_str()), user.as_str(), after, most)?;
    opened(tx, rows).await
}

/// The key of an account's personal detail as it is stored now; `None` when there is none or it cannot be opened.
async fn stored_key(tx: &mut Tx, user: &str) -> Result<Option<SealingKey>, StoreError> {
    let stored: Option<(Vec<u8>,)> = fetch_optional!(tx, "SELECT sealed FROM audit_key WHERE user_id = $1", user)?;
    let key = stored.and_then(|(key,)| tx.inner().audit.wrapping.open(&key, user.as_bytes()).ok());
    Ok(key.and_then(|key| key.try_into().ok()).map(SealingKey::from_bytes))
}

/// Detail that names a person, opened; `None` when there is none or its key was destroyed. `keys` remembers those of accounts.
pub async fn personal(
    tx: &mut Tx,
    event: &StoredEvent,
    keys: &mut AccountKeys,
) -> Result<Option<Personal>, StoreError> {
    let Some(sealed) = &event.personal else { return Ok(None) };
    if !keys.0.contains_key(&event.user) {
        let found = match &event.user {
            None => keys_of_nobody(tx).await?,
            Some(user) => stored_key(tx, user).await?.into_iter().collect(),
        };
        keys.0.insert(event.user.clone(), found);
    }
    Ok(keys.0.get(&event.user).and_then(|keys| open(keys, sealed)))
}

/// Keys of accounts, and of nobody's, that were needed a moment ago.
#[derive(Debug, Default)]
pub struct AccountKeys(HashMap<Option<String>, Vec<SealingKey>>);

fn open(keys: &[SealingKey], sealed: &[u8]) -> Option<Personal> {
    let opened = keys.iter().find_map(|key| key.open(sealed, b"personal").ok())?;
    serde_json::from_slice(&opened).ok()
}
