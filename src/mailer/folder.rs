//! The mails of a development start: two files for each, one for mail programs and one for pages and scripts.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::task::spawn_blocking;

use super::Message;
use crate::master_key::create_folder;

/// The most mails that are listed.
const MAX_LISTED: usize = 200;

/// A folder of mails.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    /// How many this process has put there: of two at the same time it says which was first.
    count: AtomicU32,
}

impl Folder {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, count: AtomicU32::new(0) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Puts a mail there. The folder is made for the first one, and only its owner can enter.
    pub(super) async fn put(&self, message: &Message, wire: Vec<u8>) -> io::Result<()> {
        let (dir, json) = (self.dir.clone(), serde_json::to_vec_pretty(message)?);
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number:04}-{}", message.at.format("%Y%m%dT%H%M%S%.6fZ"), message.id);
        in_background(move || {
            create_folder(&dir)?;
            write(&dir.join(format!("{name}.eml")), &wire)?;
            write(&dir.join(format!("{name}.json")), &json)
        })
        .await
    }

    /// The mails, the newest first.
    pub async fn list(&self) -> io::Result<Vec<Message>> {
        let dir = self.dir.clone();
        in_background(move || {
            let entries = match fs::read_dir(dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
            let mut paths: Vec<_> = paths
                .into_iter()
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .collect();
            // Names begin with the time.
            paths.sort_unstable_by(|a, b| b.cmp(a));
            // One that went away meanwhile, or that something else wrote, is no mail.
            let read = |path: PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
            Ok(paths.into_iter().filter_map(read).take(MAX_LISTED).collect())
        })
        .await
    }

    /// One of the mails that are listed.
    pub async fn find(&self, id: &str) -> io::Result<Option<Message>> {
        Ok(self.list().await?.into_iter().find(|message| message.id == id))
    }
}

/// Written beside and moved into place, so that nobody reads half of it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_added_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&fresh)?.write_all(bytes)?;
    fs::rename(fresh, path)
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
