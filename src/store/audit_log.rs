//! The log that the audit trail is sealed into: which event is which leaf of the tree, the hashes of the tree, and checkpoints.
//!
//! Events get their leaf in a transaction of the sealer's own, so that the request that wrote them pays for one insert and
//! nothing else. What the sealer writes is authenticated by a key that is sealed under the master key: whoever can write to the
//! database, and has no master key, cannot make it true.

use chrono::{DateTime, Utc};
use tlog_tiles::Hash;

use super::{
    StoreError, Tx,
    audit::{COLUMNS, StoredRow},
};
use crate::{
    domain::audit_log::{
        StoredEvent,
        checkpoint::{Checkpoint, Signer},
        tree,
    },
    master_key::{MasterKeys, SealingKey},
};

/// Leaves of one statement.
const MAX_LEAVES: usize = 32;

/// What the log has beside its tables.
#[derive(Debug)]
pub(super) struct Wrapping(SealingKey);

impl Wrapping {
    pub(super) fn new(master: &MasterKeys) -> Self {
        Self(master.derive("audit log"))
    }

    /// What the key of the log is sealed with.
    pub(super) fn key(&self) -> &SealingKey {
        &self.0
    }
}

/// The log, as far as it is sealed.
#[derive(Clone, Debug)]
pub struct Log {
    /// What it is called in checkpoints.
    pub origin: String,
    /// How many events are sealed.
    pub size: u64,
    /// Events before this leaf were removed when they had been kept long enough; their hashes stay.
    pub kept_from: u64,
    /// How far checkpoints were sent on.
    pub sent: u64,
    /// Whether these values are those that the sealer wrote.
    pub is_genuine: bool,
    key: SealingKey,
}

impl Log {
    /// Who signs for it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when OpenSSL refuses the key.
    pub fn signer(&self) -> Result<Signer, StoreError> {
        let seed = self.key.authenticate(b"checkpoints");
        Signer::new(&self.origin, &seed).map_err(|error| StoreError::corrupt("audit_log", error))
    }

    fn seal(&self) -> [u8; 32] {
        self.key.authenticate(format!("log\n{}\n{}\n{}", self.origin, self.size, self.kept_from).as_bytes())
    }

    /// That these hashes stand at this leaf.
    fn seal_of_leaf(&self, leaf: u64, hashes: &[u8]) -> [u8; 32] {
        self.key.authenticate(&[b"leaf".as_slice(), &leaf.to_be_bytes(), hashes].concat())
    }
}

type LogColumns = (String, Vec<u8>, i64, i64, Vec<u8>, i64);

fn open(tx: &Tx, (origin, sealed, size, kept_from, seal, sent): LogColumns) -> Result<Log, StoreError> {
    let wrong = |what| StoreError::corrupt("audit_log", what);
    let key = tx.inner().log.0.open(&sealed, b"audit log")?;
    let key = SealingKey::from_bytes(key.try_into().map_err(|_| wrong("wrong length"))?);
    let number = |value: i64| u64::try_from(value).map_err(|_| wrong("a negative number"));
    let (size, kept_from, sent) = (number(size)?, number(kept_from)?, number(sent)?);
    let mut log = Log { origin, size, kept_from, sent, is_genuine: true, key };
    log.is_genuine = log.seal().as_slice() == seal;
    Ok(log)
}

/// The log; `None` before anything was sealed.
pub async fn find(tx: &mut Tx) -> Result<Option<Log>, StoreError> {
    let row: Option<LogColumns> =
        fetch_optional!(tx, "SELECT origin, sealed_key, size, kept_from, seal, sent FROM audit_log WHERE id = 1")?;
    row.map(|row| open(tx, row)).transpose()
}

/// The log, which nobody else can add to until the end of this transaction; made, with this name, if there is none yet.
pub async fn hold(tx: &mut Tx, origin: &str) -> Result<Log, StoreError> {
    // An update that changes nothing, to wait for whoever holds it and then see what they wrote.
    let lock = "UPDATE audit_log SET size = size WHERE id = 1
                RETURNING origin, sealed_key, size, kept_from, seal, sent";
    let held: Option<LogColumns> = fetch_optional!(tx, lock)?;
    if let Some(row) = held {
        return open(tx, row);
    }
    let inner = tx.inner();
    let secret = inner.random.bytes::<32>();
    let key = SealingKey::from_bytes(secret);
    let fresh = Log { origin: origin.to_owned(), size: 0, kept_from: 0, sent: 0, is_genuine: true, key };
    execute!(
        tx,
        "INSERT INTO audit_log (id, origin, sealed_key, size, kept_from, seal, sent) VALUES (1, $1, $2, 0, 0, $3, 0)
         ON CONFLICT (id) DO NOTHING",
        origin,
        inner.log.0.seal(&secret, b"audit log", &inner.random),
        fresh.seal().to_vec(),
    )?;
    let row: LogColumns = fetch_one!(tx, lock)?;
    open(tx, row)
}

/// Writes down how far the log reaches and what is kept of it.
pub async fn update(tx: &mut Tx, log: &Log) -> Result<(), StoreError> {
    execute!(
        tx,
        "UPDATE audit_log SET size = $1, kept_from = $2, seal = $3 WHERE id = 1",
        as_column(log.size),
        as_column(log.kept_from),
        log.seal().to_vec(),
    )?;
    Ok(())
}

/// Notes that checkpoints up to this size were sent on.
pub async fn note_sent(tx: &mut Tx, size: u64) -> Result<(), StoreError> {
    execute!(tx, "UPDATE audit_log SET sent = $1 WHERE id = 1 AND sent < $1", as_column(size))?;
    Ok(())
}

fn as_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn sealed(row: StoredRow) -> Option<(u64, StoredEvent)> {
    let (leaf, event) = row.read();
    Some((leaf?, event))
}

/// Gives up to `most` events that have none yet the next leaves, in the order of their ids: these events, in that order.
pub async fn assign_leaves(tx: &mut Tx, log: &Log, most: i64) -> Result<Vec<(u64, StoredEvent)>, StoreError> {
    // Which ones is left to the index on `leaf`: sorted by id, PostgreSQL might read every sealed event first.
    let sql = format!(
        "UPDATE audit_event SET leaf = assigned.leaf
         FROM (SELECT due.id, $1 + ROW_NUMBER() OVER (ORDER BY due.id) - 1 AS leaf
               FROM (SELECT id FROM audit_event WHERE leaf IS NULL LIMIT $2) AS due) AS assigned
         WHERE audit_event.id = assigned.id
         RETURNING {}",
        COLUMNS.split(", ").map(|column| format!("audit_event.{column}")).collect::<Vec<_>>().join(", ")
    );
    let rows: Vec<StoredRow> = fetch_all!(tx, sqlx::AssertSqlSafe(sql.as_str()), as_column(log.size), most)?;
    let mut events: Vec<_> = rows.into_iter().filter_map(sealed).collect();
    events.sort_unstable_by_key(|(leaf, _)| *leaf);
    Ok(events)
}

/// Stores the hashes that leaves completed, of which the first is `from`.
pub async fn insert_leaves(tx: &mut Tx, log: &Log, from: u64, completed: &[Vec<Hash>]) -> Result<(), StoreError> {
    let leaves: Vec<_> = (from..).zip(completed).map(|(leaf, hashes)| (leaf, tree::to_bytes(hashes))).collect();
    for chunk in leaves.chunks(MAX_LEAVES) {
        let values: Vec<_> =
            (0..chunk.len()).map(|at| format!("(${}, ${}, ${})", 3 * at + 1, 3 * at + 2, 3 * at + 3)).collect();
        let sql = format!("INSERT INTO audit_leaf (leaf, hashes, seal) VALUES {}", values.join(", "));
        on!(tx, connection => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.as_str()));
            for (leaf, hashes) in chunk {
                let seal = log.seal_of_leaf(*leaf, hashes).to_vec();
                query = query.bind(as_column(*leaf)).bind(hashes.as_slice()).bind(seal);
            }
            query.execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// What is known of a leaf.
#[derive(Debug)]
pub struct Leaf {
    /// Which one.
    pub leaf: u64,
    /// The hashes that it completed, its own first; `None` if they are not those that the sealer wrote.
    pub hashes: Option<Vec<Hash>>,
}

fn leaf(log: &Log, (leaf, hashes, seal): (i64, Vec<u8>, Vec<u8>)) -> Leaf {
    let leaf = u64::try_from(leaf).unwrap_or(u64::MAX);
    let is_genuine = log.seal_of_leaf(leaf, &hashes).as_slice() == seal;
    Leaf { leaf, hashes: is_genuine.then(|| tree::from_bytes(&hashes)).flatten() }
}

/// The hashes that this leaf completed.
pub async fn find_leaf(tx: &mut Tx, log: &Log, number: u64) -> Result<Option<Leaf>, StoreError> {
    let row: Option<(i64, Vec<u8>, Vec<u8>)> =
        fetch_optional!(tx, "SELECT leaf, hashes, seal FROM audit_leaf WHERE leaf = $1", as_column(number))?;
    Ok(row.map(|row| leaf(log, row)))
}

/// Leaves from this one on, in order.
pub async fn leaves(tx: &mut Tx, log: &Log, from: u64, most: i64) -> Result<Vec<Leaf>, StoreError> {
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = fetch_all!(
        tx,
        "SELECT leaf, hashes, seal FROM audit_leaf WHERE leaf >= $1 ORDER BY leaf LIMIT $2",
        as_column(from),
        most,
    )?;
    Ok(rows.into_iter().map(|row| leaf(log, row)).collect())
}

/// Sealed events from this leaf on, up to `until`, in the order of their leaves.
pub async fn events(tx: &mut Tx, from: u64, until: u64) -> Result<Vec<(u64, StoredEvent)>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM audit_event WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf");
    let rows: Vec<StoredRow> = fetch_all!(tx, sqlx::AssertSqlSafe(sql.as_str()), as_column(from), as_column(until))?;
    Ok(rows.into_iter().filter_map(sealed).collect())
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this account.
    pub user: Option<String>,
    /// Of this client.
    pub client: Option<String>,
    /// Whose kind begins so.
    pub kind: Option<String>,
    /// Not before this time.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
}

/// In which order events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first one after this id on.
    After(i64),
    /// From the last one before this id back.
    Before(i64),
}

/// Events that are wanted, with their leaves: up to `most`.
pub async fn page(
    tx: &mut Tx,
    filter: &Filter,
    order: Order,
    most: i64,
) -> Result<Vec<(Option<u64>, StoredEvent)>, StoreError> {
    let (range, id) = match order {
        Order::After(id) => ("id > $6 ORDER BY id", id),
        Order::Before(id) => ("id < $6 ORDER BY id DESC", id),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_event
         WHERE ($1 IS NULL OR user_id = $1) AND ($2 IS NULL OR client_id = $2)
           AND ($3 IS NULL OR SUBSTR(kind, 1, LENGTH($3)) = $3)
           AND ($4 IS NULL OR at >= $4) AND ($5 IS NULL OR at < $5) AND {range} LIMIT $7"
    );
    let rows: Vec<StoredRow> = fetch_all!(
        tx,
        sqlx::AssertSqlSafe(sql.as_str()),
        filter.user.as_deref(),
        filter.client.as_deref(),
        filter.kind.as_deref(),
        filter.since,
        filter.until,
        id,
        most,
    )?;
    Ok(rows.into_iter().map(StoredRow::read).collect())
}

/// Events whose leaf the log never gave: up to so many.
pub async fn strangers(tx: &mut Tx, log: &Log, most: i64) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64,)> = fetch_all!(
        tx,
        "SELECT id FROM audit_event WHERE leaf < 0 OR leaf >= $1 ORDER BY id LIMIT $2",
        as_column(log.size),
        most,
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Whether an event waits to be sealed, or no checkpoint covers the last that are: there may have been as many as fit into a batch, or
/// the process was killed after one.
pub async fn is_unsealed(tx: &mut Tx) -> Result<bool, StoreError> {
    let waiting: Option<(i64,)> = fetch_optional!(tx, "SELECT id FROM audit_event WHERE leaf IS NULL LIMIT 1")?;
    let uncovered: Option<(i64,)> = fetch_optional!(
        tx,
        "SELECT size FROM audit_log WHERE size > 0
             AND NOT EXISTS (SELECT 1 FROM audit_checkpoint c WHERE c.size >= audit_log.size)",
    )?;
    Ok(waiting.is_some() || uncovered.is_some())
}

/// How many events wait to be sealed, and since when the first of them does.
pub async fn waiting(tx: &mut Tx) -> Result<(i64, Option<DateTime<Utc>>), StoreError> {
    fetch_one!(tx, "SELECT COUNT(*), MIN(at) FROM audit_event WHERE leaf IS NULL")
}

/// Stores a checkpoint.
pub async fn insert_checkpoint(tx: &mut Tx, checkpoint: &Checkpoint, note: &str) -> Result<(), StoreError> {
    execute!(
        tx,
        "INSERT INTO audit_checkpoint (size, at, note) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING",
        as_column(checkpoint.size),
        checkpoint.at,
        note,
    )?;
    Ok(())
}

/// The size and the signed note of the checkpoint of the most events.
pub async fn newest_checkpoint(tx: &mut Tx) -> Result<Option<(u64, String)>, StoreError> {
    let row: Option<(i64, String)> =
        fetch_optional!(tx, "SELECT size, note FROM audit_checkpoint ORDER BY size DESC LIMIT 1")?;
    Ok(row.map(|(size, note)| (u64::try_from(size).unwrap_or(u64::MAX), note)))
}

/// Of these sizes and notes the one of the most events that is the checkpoint stored for its size.
pub async fn newest_known(tx: &mut Tx, notes: &[(u64, String)]) -> Result<Option<u64>, StoreError> {
    for (size, note) in notes.iter().rev() {
        let found: Option<(i64,)> = fetch_optional!(
            tx,
            "SELECT size FROM audit_checkpoint WHERE size = $1 AND note = $2",
            as_column(*size),
            note,
        )?;
        if found.is_some() {
            return Ok(Some(*size));
        }
    }
    Ok(None)
}

/// The signed notes of checkpoints of more than `beyond` events, the smallest first: their size, and the note.
pub async fn checkpoints(tx: &mut Tx, beyond: u64, most: i64) -> Result<Vec<(u64, String)>, StoreError> {
    let rows: Vec<(i64, String)> = fetch_all!(
        tx,
        "SELECT size, note FROM audit_checkpoint WHERE size > $1 ORDER BY size LIMIT $2",
        as_column(beyond),
        most,
    )?;
    Ok(rows.into_iter().map(|(size, note)| (u64::try_from(size).unwrap_or(u64::MAX), note)).collect())
}

/// The checkpoints of more than `beyond` events, the smallest first; of more than `most` the newest alone.
pub async fn fresh_checkpoints(tx: &mut Tx, beyond: u64, most: usize) -> Result<Vec<(u64, String)>, StoreError> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let fresh = checkpoints(tx, beyond, limit).await?;
    if fresh.len() > most { Ok(newest_checkpoint(tx).await?.into_iter().collect()) } else { Ok(fresh) }
}

/// Whether the first event that is kept is of before this time.
pub async fn is_old(tx: &mut Tx, log: &Log, until: DateTime<Utc>) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        tx,
        "SELECT leaf FROM audit_event WHERE leaf = (SELECT MIN(leaf) FROM audit_event WHERE leaf >= $1) AND at < $2",
        as_column(log.kept_from),
        until,
    )?;
    Ok(row.is_some())
}

/// Removes up to `most` sealed events of before `until` from the beginning of the log; their hashes stay. Returns the first leaf
/// that is kept.
pub async fn remove_before(tx: &mut Tx, log: &Log, until: DateTime<Utc>, most: u64) -> Result<u64, StoreError> {
    let end = log.size.min(log.kept_from.saturating_add(most));
    // Up to the first that is younger: what is gone is a whole beginning.
    let (young,): (Option<i64>,) = fetch_one!(
        tx,
        "SELECT MIN(leaf) FROM audit_event WHERE leaf >= $1 AND leaf < $2 AND at >= $3",
        as_column(log.kept_from),
        as_column(end),
        until,
    )?;
    let kept_from = young.and_then(|leaf| u64::try_from(leaf).ok()).unwrap_or(end);
    execute!(
        tx,
        "DELETE FROM audit_event WHERE leaf >= $1 AND leaf < $2",
        as_column(log.kept_from),
        as_column(kept_from),
    )?;
    Ok(kept_from)
}
