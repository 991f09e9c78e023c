//! Whether the audit trail is what it was when it was sealed. Finds every event that was changed, removed, moved or cut off.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use chrono::{DateTime, Utc};
use tlog_tiles::Hash;

use crate::{
    app::App,
    domain::audit_log::{
        StoredEvent,
        checkpoint::{NoteError, Verifier},
        tree::Tree,
    },
    store::{
        StoreError,
        audit_log::{self, Leaf, Log},
    },
};

/// Leaves that are read at once.
const CHUNK: u64 = 1_000;
/// What is wrong is told up to so many times; more is only counted.
const MOST_TOLD: usize = 1_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many events are sealed.
    pub sealed: u64,
    /// Events before this leaf were removed when they had been kept long enough. Their hashes are there.
    pub kept_from: u64,
    /// How many checkpoints were compared.
    pub checkpoints: usize,
    /// How many events are not sealed yet, and since when the first of them waits.
    pub waiting: (i64, Option<DateTime<Utc>>),
    /// What is wrong: the first thousand.
    pub problems: Vec<Problem>,
    /// How much is wrong.
    pub found: usize,
}

impl Report {
    fn tell(&mut self, problem: Problem) {
        self.found += 1;
        if self.problems.len() < MOST_TOLD {
            self.problems.push(problem);
        }
    }
}

/// Something that is wrong. Leaves are places in the log, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// How far the log reaches, or from where on it is kept, was changed.
    Log,
    /// An event is not what it was.
    Changed { leaf: u64, id: i64, kind: String },
    /// An event stands where another one stood.
    Moved { leaf: u64, id: i64, from: u64 },
    /// An event is gone.
    Missing { leaf: u64 },
    /// The hash of an event is gone, or is not what it was.
    Hash { leaf: u64 },
    /// An event claims a leaf that was never given.
    Stranger { id: i64 },
    /// A checkpoint was not signed by this log.
    Checkpoint { size: u64, error: NoteError },
    /// The events do not add up to what a checkpoint says. What is wrong with them is told beside it, if it could be found.
    Root { size: u64 },
    /// A checkpoint speaks of more events than there are.
    Truncated { from: u64, size: u64 },
}

impl Problem {
    /// Its name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Changed { .. } => "changed",
            Self::Moved { .. } => "moved",
            Self::Missing { .. } => "missing",
            Self::Hash { .. } => "hash",
            Self::Stranger { .. } => "stranger",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Root { .. } => "root",
            Self::Truncated { .. } => "truncated",
        }
    }

    /// Which leaf it is about.
    pub fn leaf(&self) -> Option<u64> {
        match self {
            Self::Changed { leaf, .. } | Self::Moved { leaf, .. } | Self::Missing { leaf } | Self::Hash { leaf } => {
                Some(*leaf)
            }
            Self::Truncated { from, .. } => Some(*from),
            Self::Log | Self::Stranger { .. } | Self::Checkpoint { .. } | Self::Root { .. } => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("how far the log reaches, or from where on it is kept, was changed"),
            Self::Changed { leaf, id, kind } => write!(f, "event {id} ({kind}) at leaf {leaf} was changed"),
            Self::Moved { leaf, id, from } => {
                write!(f, "event {id} stands at leaf {leaf}, and was sealed at leaf {from}")
            }
            Self::Missing { leaf } => write!(f, "the event at leaf {leaf} is gone"),
            Self::Hash { leaf } => write!(f, "the hash at leaf {leaf} is gone or was changed"),
            Self::Stranger { id } => write!(f, "event {id} claims a place in the log that was never given"),
            Self::Checkpoint { size, error } => write!(f, "the checkpoint of {size} events: {error}"),
            Self::Root { size } => write!(f, "the first {size} events are not those of the checkpoint"),
            Self::Truncated { from, size } => {
                write!(f, "events from leaf {from} on are cut off: a checkpoint speaks of {size} events")
            }
        }
    }
}

/// Compares all events with the log, and the log with its checkpoints: those in the database, and `outside` ones that somebody
/// kept elsewhere, signed by `key`, or by the log's own if there is none.
///
/// # Errors
/// When the database cannot be read.
pub async fn verify(app: &App, outside: &[String], key: Option<Verifier>) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut tx = app.store.read().await?;
    report.waiting = audit_log::waiting(&mut tx).await?;
    // Before the log is read, since it may grow meanwhile.
    let newest = audit_log::newest_checkpoint(&mut tx).await?;
    let Some(log) = audit_log::find(&mut tx).await? else {
        if !outside.is_empty() {
            report.tell(Problem::Truncated { from: 0, size: sizes(outside, key.as_ref()).max().unwrap_or(0) });
        }
        return Ok(report);
    };
    (report.sealed, report.kept_from) = (log.size, log.kept_from);
    if !log.is_genuine {
        report.tell(Problem::Log);
    }
    let own = log
        .signer()?
        .verifier()
        .map_err(|error| StoreError::Corrupt { table: "audit_log", problem: error.to_string() })?;
    let mut expected = Expected::default();
    if let Some((size, note)) = newest.filter(|(size, _)| *size > log.size) {
        expected.read(size, &note, &own, &mut report);
    }
    for note in outside {
        let size = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
        expected.read(size, note, key.as_ref().unwrap_or(&own), &mut report);
    }
    drop(tx);

    let mut walk = Walk::default();
    let mut from = 0;
    while from < log.size {
        let until = log.size.min(from + CHUNK);
        let mut tx = app.store.read().await?;
        let most = i64::try_from(until - from).unwrap_or(i64::MAX);
        let leaves = audit_log::leaves(&mut tx, &log, from, most).await?;
        let events = audit_log::events(&mut tx, from, until).await?;
        for (size, note) in audit_log::checkpoints(&mut tx, from, most).await? {
            if size <= until {
                expected.read(size, &note, &own, &mut report);
            }
        }
        // What was kept long enough may go while this is under way.
        let kept_from = audit_log::find(&mut tx).await?.map_or(log.kept_from, |now| now.kept_from);
        drop(tx);
        let mut leaves: BTreeMap<u64, Leaf> = leaves.into_iter().map(|leaf| (leaf.leaf, leaf)).collect();
        let mut events: BTreeMap<u64, StoredEvent> = events.into_iter().collect();
        for number in from..until {
            walk.step(number, leaves.remove(&number), events.remove(&number), kept_from, &mut report);
            expected.compare(number + 1, &walk.tree, &mut report);
        }
        from = until;
    }
    walk.place(&mut report);
    expected.rest(&log, &mut report);
    for id in audit_log::strangers(&mut app.store.read().await?, &log, 100).await? {
        report.tell(Problem::Stranger { id });
    }
    Ok(report)
}

fn sizes<'a>(notes: &'a [String], key: Option<&'a Verifier>) -> impl Iterator<Item = u64> + 'a {
    notes.iter().filter_map(move |note| match key {
        Some(key) => key.open(note).ok().map(|checkpoint| checkpoint.size),
        None => note.lines().nth(1)?.parse().ok(),
    })
}

/// What checkpoints say, by size.
#[derive(Default)]
struct Expected(BTreeMap<u64, Vec<Hash>>);

impl Expected {
    fn read(&mut self, size: u64, note: &str, key: &Verifier, report: &mut Report) {
        match key.open(note) {
            Ok(checkpoint) if checkpoint.size == size => {
                report.checkpoints += 1;
                self.0.entry(size).or_default().push(checkpoint.root);
            }
            Ok(_) => report.tell(Problem::Checkpoint { size, error: NoteError::Malformed }),
            Err(error) => report.tell(Problem::Checkpoint { size, error }),
        }
    }

    fn compare(&mut self, size: u64, tree: &Tree, report: &mut Report) {
        let Some(roots) = self.0.remove(&size) else { return };
        let root = tree.root().ok();
        if roots.iter().any(|expected| Some(*expected) != root) {
            report.tell(Problem::Root { size });
        }
    }

    /// Those that speak of more than there is.
    fn rest(self, log: &Log, report: &mut Report) {
        if let Some((size, _)) = self.0.last_key_value() {
            report.tell(Problem::Truncated { from: log.size, size: *size });
        }
    }
}

/// The way through the log.
#[derive(Default)]
struct Walk {
    /// The tree of what the hashes say.
    tree: Tree,
    /// Whether a hash was missing or not what it was.
    has_gap: bool,
    /// Events that are not those of their leaf: the leaf, its hash, and the event.
    unplaced: Vec<(u64, Option<Hash>, StoredEvent)>,
}

impl Walk {
    fn step(
        &mut self,
        number: u64,
        leaf: Option<Leaf>,
        event: Option<StoredEvent>,
        kept_from: u64,
        report: &mut Report,
    ) {
        let hashes = leaf.and_then(|leaf| leaf.hashes);
        let own = hashes.as_ref().and_then(|hashes| hashes.first().copied());
        match (&hashes, &event) {
            (Some(hashes), _) => self.append(number, hashes, report),
            (None, event) => {
                report.tell(Problem::Hash { leaf: number });
                self.has_gap = true;
                // The event itself can still show that the rest is whole.
                let hash = event.as_ref().map(StoredEvent::hash);
                self.tree.append_known(hash.as_slice());
            }
        }
        match event {
            Some(event) if own.is_some_and(|own| own == event.hash()) => {}
            Some(event) => self.unplaced.push((number, own, event)),
            None if number >= kept_from => report.tell(Problem::Missing { leaf: number }),
            None => {}
        }
    }

    /// Appends hashes that the sealer wrote. That they add up must not depend on it: it could have been somebody with our key.
    fn append(&mut self, number: u64, hashes: &[Hash], report: &mut Report) {
        let known_before = self.tree.completed_by(hashes);
        if !self.has_gap && known_before.is_none_or(|completed| completed != hashes) {
            report.tell(Problem::Hash { leaf: number });
            self.has_gap = true;
        }
        self.tree.append_known(hashes);
    }

    /// Finds out of events that are not those of their leaf whether they are those of another.
    fn place(self, report: &mut Report) {
        let places: HashMap<_, _> =
            self.unplaced.iter().filter_map(|(leaf, own, _)| Some((own.as_ref()?.0, *leaf))).collect();
        for (leaf, own, event) in &self.unplaced {
            match (places.get(&event.hash().0).copied(), own) {
                (Some(from), _) => report.tell(Problem::Moved { leaf: *leaf, id: event.id, from }),
                (None, Some(_)) => {
                    report.tell(Problem::Changed { leaf: *leaf, id: event.id, kind: event.kind.clone() });
                }
                // That its hash is gone was told.
                (None, None) => {}
            }
        }
    }
}
