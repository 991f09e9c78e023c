//! The key that protects what the database must give back: signing keys, client secrets, personal detail.
//!
//! One master key, from a file, and from it a [`SealingKey`] for each purpose, so that what was sealed for one purpose
//! can never be opened as another.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    hash::MessageDigest,
    memcmp,
    pkey::PKey,
    sign::Signer,
    symm::{Cipher, decrypt_aead, encrypt_aead},
};

use crate::random::Random;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// 256 bits from which all other keys are derived.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or written.
    #[error("the master key file {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("the master key file {} must hold 32 random bytes as base64; make one with: openssl rand -base64 32", .0.display())]
    Malformed(PathBuf),
    /// Others could read the file.
    #[error("the master key file {} can be read by others; run: chmod 600 {}", .0.display(), .0.display())]
    Exposed(PathBuf),
}

impl MasterKey {
    /// Reads the key from a file of 32 bytes in base64.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let io = |source| MasterKeyError::Io { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(io)?;
        refuse_exposed(path).map_err(io)?.then_some(()).ok_or_else(|| MasterKeyError::Exposed(path.to_owned()))?;
        let bytes = STANDARD.decode(text.trim()).map_err(|_| MasterKeyError::Malformed(path.to_owned()))?;
        bytes.try_into().map(Self).map_err(|_| MasterKeyError::Malformed(path.to_owned()))
    }

    /// Reads the key, or makes one where there is none yet, in a file that only its owner can read.
    pub fn read_or_create(path: &Path, random: &Random) -> Result<Self, MasterKeyError> {
        let io = |source| MasterKeyError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            create_folder(folder).map_err(io)?;
        }
        // Written beside and linked into place: two starts at once agree on one key, and a crash leaves no half of one.
        if !path.try_exists().map_err(io)? {
            let fresh = path.with_extension(format!("{}.new", random.id()));
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&fresh).map_err(io)?;
            file.write_all(STANDARD.encode(random.bytes::<32>()).as_bytes()).map_err(io)?;
            file.write_all(b"\n").map_err(io)?;
            file.sync_all().map_err(io)?;
            let linked = std::fs::hard_link(&fresh, path);
            std::fs::remove_file(&fresh).map_err(io)?;
            match linked {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(io(error)),
                _ => {}
            }
        }
        Self::read(path)
    }

    /// The key for one purpose alone (RFC 5869, HKDF-SHA256 with a single block).
    fn derive(&self, purpose: &'static str) -> [u8; 32] {
        let extracted = hmac(&[0; 32], &[&self.0]);
        hmac(&extracted, &[b"countersign/", purpose.as_bytes(), &[1]])
    }
}

/// The master keys of a process: one, or two while it is replaced.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    /// Seals, and opens.
    pub current: MasterKey,
    /// Was current before, and opens.
    pub previous: Option<MasterKey>,
    /// Is going to be current, and opens what nodes seal that have it already.
    pub next: Option<MasterKey>,
}

impl From<MasterKey> for MasterKeys {
    fn from(current: MasterKey) -> Self {
        Self { current, previous: None, next: None }
    }
}

impl MasterKeys {
    /// The key for one purpose alone.
    pub fn derive(&self, purpose: &'static str) -> SealingKey {
        let others = self.previous.iter().chain(&self.next).map(|master| master.derive(purpose)).collect();
        SealingKey { key: self.current.derive(purpose), others }
    }

    /// The same for what nodes must agree on while one after the other gets the new master key: it stays until none has the
    /// previous one any more.
    pub fn derive_shared(&self, purpose: &'static str) -> SealingKey {
        SealingKey::from_bytes(self.previous.as_ref().unwrap_or(&self.current).derive(purpose))
    }
}

/// Makes a folder that only its owner can enter, unless there is one.
pub(crate) fn create_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
fn refuse_exposed(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o007;
    Ok(std::fs::metadata(path)?.permissions().mode() & OTHERS == 0)
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path) -> std::io::Result<bool> {
    Ok(true)
}

/// HMAC-SHA256 over the parts in a row.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let compute = || {
        let key = PKey::hmac(key)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        for part in parts {
            signer.update(part)?;
        }
        let mut output = [0; 32];
        signer.sign(&mut output)?;
        Ok::<_, openssl::error::ErrorStack>(output)
    };
    #[allow(clippy::expect_used)] // Fails only when memory is exhausted.
    compute().expect("HMAC-SHA256 of in-memory bytes")
}

/// Encrypts and authenticates for one purpose.
#[derive(Clone)]
pub struct SealingKey {
    key: [u8; 32],
    /// Open, and seal nothing: of other master keys.
    others: Vec<[u8; 32]>,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The bytes were not sealed with this key for this context, or were changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed data is damaged, or was sealed under another master key")]
pub struct Unsealable;

impl SealingKey {
    /// Wraps a key that is stored sealed itself.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { key: bytes, others: Vec::new() }
    }

    /// The keys for the same purpose of other master keys.
    pub fn others(&self) -> impl Iterator<Item = [u8; 32]> + '_ {
        self.others.iter().copied()
    }

    /// AES-256-GCM: nonce, ciphertext and tag in a row. `context` is not stored; the same must be given to open.
    ///
    /// # Panics
    /// When memory is exhausted.
    pub fn seal(&self, plain: &[u8], context: &[u8], random: &Random) -> Vec<u8> {
        let nonce = random.bytes::<NONCE_BYTES>();
        let mut tag = [0; TAG_BYTES];
        #[allow(clippy::expect_used)] // Fails only when memory is exhausted.
        let cipher = encrypt_aead(Cipher::aes_256_gcm(), &self.key, Some(&nonce), context, plain, &mut tag)
            .expect("AES-256-GCM of in-memory bytes");
        [nonce.as_slice(), &cipher, &tag].concat()
    }

    /// Opens what [`Self::seal`] made with the same context.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES).ok_or(Unsealable)?;
        let (cipher, tag) = rest.len().checked_sub(TAG_BYTES).map(|at| rest.split_at(at)).ok_or(Unsealable)?;
        let open = |key: &[u8; 32]| decrypt_aead(Cipher::aes_256_gcm(), key, Some(nonce), context, cipher, tag).ok();
        std::iter::once(&self.key).chain(&self.others).find_map(open).ok_or(Unsealable)
    }

    /// Seals under the current master key what was sealed under another; `None` for what is sealed under the current one.
    ///
    /// # Errors
    /// When none of the master keys opens it.
    pub fn reseal(&self, sealed: &[u8], context: &[u8], random: &Random) -> Result<Option<Vec<u8>>, Unsealable> {
        if Self::from_bytes(self.key).open(sealed, context).is_ok() {
            return Ok(None);
        }
        let plain = self.open(sealed, context)?;
        Ok(Some(self.seal(&plain, context, random)))
    }

    /// HMAC-SHA256 of the text: a token that only this key can make.
    pub fn authenticate(&self, text: &[u8]) -> [u8; 32] {
        hmac(&self.key, &[text])
    }

    /// Whether such a token was made by this key, or that of another master key.
    pub fn is_authentic(&self, text: &[u8], token: &[u8]) -> bool {
        let mut keys = std::iter::once(&self.key).chain(&self.others);
        keys.any(|key| token.len() == 32 && memcmp::eq(&hmac(key, &[text]), token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MasterKeys {
        MasterKey([7; 32]).into()
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_context_alone() {
        let random = Random::system();
        let sealed = key().derive("a").seal(b"secret", b"context", &random);
        assert_eq!(key().derive("a").open(&sealed, b"context").unwrap(), b"secret");
        assert_eq!(key().derive("a").open(&sealed, b"other"), Err(Unsealable));
        assert_eq!(key().derive("b").open(&sealed, b"context"), Err(Unsealable));
        for length in [0, 11, 12, 27, sealed.len() - 1] {
            assert_eq!(key().derive("a").open(&sealed[..length], b"context"), Err(Unsealable), "{length}");
        }
    }

    #[test]
    fn a_new_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/master.key");
        let random = Random::system();
        let first = MasterKey::read_or_create(&path, &random).unwrap();
        let again = MasterKey::read_or_create(&path, &random).unwrap();
        assert_eq!(first.0, again.0);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
            assert!(matches!(MasterKey::read(&path), Err(MasterKeyError::Exposed(_))));
        }
    }

    #[test]
    fn a_file_with_anything_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        std::fs::write(&path, "hunter2").unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert!(matches!(MasterKey::read(&path), Err(MasterKeyError::Malformed(_))));
    }

    #[test]
    fn while_a_master_key_is_replaced_all_nodes_open_what_any_of_them_seals() {
        let random = Random::system();
        let (old, new) = (MasterKey([7; 32]), MasterKey([8; 32]));
        let before = MasterKeys { next: Some(new.clone()), ..old.clone().into() };
        let after = MasterKeys { previous: Some(old.clone()), ..new.clone().into() };
        for (seals, opens) in [(&before, &after), (&after, &before)] {
            let sealed = seals.derive("a").seal(b"secret", b"context", &random);
            assert_eq!(opens.derive("a").open(&sealed, b"context").unwrap(), b"secret");
            assert_eq!(opens.derive("b").open(&sealed, b"context"), Err(Unsealable));
            let token = seals.derive("a").authenticate(b"text");
            assert!(
                opens.derive("a").is_authentic(b"text", &token) && !opens.derive("a").is_authentic(b"other", &token)
            );
        }
        let shared = |keys: &MasterKeys| keys.derive_shared("names").authenticate(b"x");
        assert_eq!(shared(&before), shared(&after));
        assert!(!after.derive("a").is_authentic(b"text", &[]));
    }

    #[test]
    fn what_was_sealed_under_another_master_key_is_sealed_anew_and_nothing_else() {
        let random = Random::system();
        let (old, new) = (MasterKey([7; 32]), MasterKey([8; 32]));
        let alone = MasterKeys::from(new.clone()).derive("a");
        let both = MasterKeys { previous: Some(old.clone()), ..new.into() }.derive("a");
        let sealed = MasterKeys::from(old).derive("a").seal(b"secret", b"context", &random);
        let resealed = both.reseal(&sealed, b"context", &random).unwrap().unwrap();
        assert_eq!(alone.open(&resealed, b"context").unwrap(), b"secret");
        assert_eq!(both.reseal(&resealed, b"context", &random), Ok(None));
        assert_eq!(alone.reseal(&sealed, b"context", &random), Err(Unsealable));
    }
}
