//! Settings of the audit trail.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::reader::Reader;

/// How long the audit trail is kept, and where its checkpoints go.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// `audit.retention`: for how long events are kept; their hashes stay for good (none: events, too).
    pub retention: Option<Duration>,
    /// `audit.checkpoint_file`: a file that each node appends every checkpoint to (none).
    pub checkpoint_file: Option<PathBuf>,
    /// `audit.checkpoint_url`: where checkpoints are posted (none).
    pub checkpoint_url: Option<Url>,
}

pub(super) fn read(r: &mut Reader) -> AuditSettings {
    AuditSettings {
        retention: r.read("audit.retention", None),
        checkpoint_file: r.read("audit.checkpoint_file", None),
        checkpoint_url: r.read("audit.checkpoint_url", None),
    }
}
