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
    pub fn derive(&self, purpose: &'static str) -> SealingKey {
        let extracted = hmac(&[0; 32], &[&self.0]);
        SealingKey(hmac(&extracted, &[b"countersign/", purpose.as_bytes(), &[1]]))
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
pub struct SealingKey([u8; 32]);

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
        Self(bytes)
    }

    /// AES-256-GCM: nonce, ciphertext and tag in a row. `context` is not stored; the same must be given to open.
    ///
    /// # Panics
    /// When memory is exhausted.
    pub fn seal(&self, plain: &[u8], context: &[u8], random: &Random) -> Vec<u8> {
        let nonce = random.bytes::<NONCE_BYTES>();
        let mut tag = [0; TAG_BYTES];
        #[allow(clippy::expect_used)] // Fails only when memory is exhausted.
        let cipher = encrypt_aead(Cipher::aes_256_gcm(), &self.0, Some(&nonce), context, plain, &mut tag)
            .expect("AES-256-GCM of in-memory bytes");
        [nonce.as_slice(), &cipher, &tag].concat()
    }

    /// Opens what [`Self::seal`] made with the same context.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES).ok_or(Unsealable)?;
        let (cipher, tag) = rest.len().checked_sub(TAG_BYTES).map(|at| rest.split_at(at)).ok_or(Unsealable)?;
        decrypt_aead(Cipher::aes_256_gcm(), &self.0, Some(nonce), context, cipher, tag).map_err(|_| Unsealable)
    }

    /// HMAC-SHA256 of the text: a token that only this key can make.
    pub fn authenticate(&self, text: &[u8]) -> [u8; 32] {
        hmac(&self.0, &[text])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MasterKey {
        MasterKey([7; 32])
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
}
