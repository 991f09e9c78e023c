//! Settings of the audit trail.

use std::{fmt, path::PathBuf, time::Duration};

use serde_json::Value as Json;
use url::Url;

use super::{
    issuer::{Mode, is_loopback_name},
    reader::Reader,
    value::Setting,
};

/// How long the audit trail is kept, and where its checkpoints go.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// `audit.retention`: for how long events are kept; their hashes stay for good (none: events, too).
    pub retention: Option<Duration>,
    /// `audit.checkpoint_file`: a file that each node appends every checkpoint to (none).
    pub checkpoint_file: Option<PathBuf>,
    /// `audit.checkpoint_url`: where checkpoints are posted (none).
    pub checkpoint_url: Option<HookUrl>,
}

/// A URL that others post to. Whoever knows all of it can, so no more than the host is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(Url);

impl HookUrl {
    /// All of it, for the one who posts.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.0.origin().ascii_serialization())
    }
}

impl Setting for HookUrl {
    const EXPECTED: &'static str = Url::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        Url::from_text(text).map(Self)
    }

    fn show(&self) -> Json {
        format!("{self:?}").into()
    }
}

pub(super) fn read(r: &mut Reader, mode: Mode) -> AuditSettings {
    let retention = r.read("audit.retention", None);
    let checkpoint_file = r.read("audit.checkpoint_file", None);
    let checkpoint_url: Option<HookUrl> = r.read("audit.checkpoint_url", None);
    if let Some(HookUrl(url)) = &checkpoint_url {
        let is_near = url.host_str().is_some_and(is_loopback_name) && mode == Mode::Development;
        r.check("audit.checkpoint_url", url.scheme() == "https" || is_near, || {
            "must be an https URL; http is for this machine alone, where one develops".into()
        });
        r.check("audit.checkpoint_url", url.username().is_empty() && url.password().is_none(), || {
            "must not have a user or a password in it: put what is secret into its path".into()
        });
    }
    AuditSettings { retention, checkpoint_file, checkpoint_url }
}
