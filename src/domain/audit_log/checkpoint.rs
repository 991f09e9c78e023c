//! Checkpoints: how many events the log had at some time, and the root of its tree, signed (C2SP tlog-checkpoint, signed-note;
//! Ed25519).

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use openssl::{
    error::ErrorStack,
    pkey::{Id, PKey, Private, Public},
    sha::Sha256,
    sign,
};
use tlog_tiles::{Checkpoint as Text, Hash};

/// The signature type of Ed25519 (C2SP signed-note).
const ED25519: u8 = 1;
/// How many bytes of a digest name a key.
const KEY_ID_BYTES: usize = 4;
/// How many bytes a signature has.
const SIGNATURE_BYTES: usize = 64;
/// What begins a line with a signature.
const SIGNATURE: &str = "— ";

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// How many events there were.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
    /// When it was made. Signed, too.
    pub at: DateTime<Utc>,
}

/// Why a text is no checkpoint of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not made like one.
    #[error("it is not a checkpoint")]
    Malformed,
    /// It speaks of another log.
    #[error("it is of another log")]
    Origin,
    /// It has no signature of the log's key.
    #[error("it is not signed by the key of this log")]
    Signature,
}

/// Signs for a log.
pub struct Signer {
    origin: String,
    key: PKey<Private>,
}

/// Knows the signature of a log.
pub struct Verifier {
    origin: String,
    key: PKey<Public>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name().unwrap_or_default())
    }
}

impl Signer {
    /// The signer of the log with this name, by an Ed25519 key of these 32 bytes.
    ///
    /// # Errors
    /// When OpenSSL cannot make the key: memory is exhausted.
    pub fn new(origin: &str, seed: &[u8; 32]) -> Result<Self, ErrorStack> {
        Ok(Self { origin: origin.to_owned(), key: PKey::private_key_from_raw_bytes(seed, Id::ED25519)? })
    }

    /// Who knows its signature.
    ///
    /// # Errors
    /// When OpenSSL cannot: memory is exhausted.
    pub fn verifier(&self) -> Result<Verifier, ErrorStack> {
        let key = PKey::public_key_from_raw_bytes(&self.key.raw_public_key()?, Id::ED25519)?;
        Ok(Verifier { origin: self.origin.clone(), key })
    }

    /// The checkpoint as a signed note.
    ///
    /// # Errors
    /// When OpenSSL cannot sign: memory is exhausted.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, ErrorStack> {
        let Checkpoint { size, root, at } = checkpoint;
        let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let text = format!("{}\n{size}\n{root}\n{at}\n", self.origin);
        let signature = sign::Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(text.as_bytes())?;
        let id = key_id(&self.origin, &self.key.raw_public_key()?);
        let signature = STANDARD.encode([id.as_slice(), &signature].concat());
        Ok(format!("{text}\n{SIGNATURE}{} {signature}\n", self.origin))
    }
}

impl Verifier {
    /// The key as other tools take it: `origin+id+base64`.
    ///
    /// # Errors
    /// When OpenSSL cannot: memory is exhausted.
    pub fn name(&self) -> Result<String, ErrorStack> {
        let key = self.key.raw_public_key()?;
        let id = hex(key_id(&self.origin, &key));
        Ok(format!("{}+{id}+{}", self.origin, STANDARD.encode([&[ED25519], key.as_slice()].concat())))
    }

    /// Reads a key as [`Self::name`] writes it. `None` for what is none.
    pub fn parse(name: &str) -> Option<Self> {
        let (origin, rest) = name.trim().split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let key = STANDARD.decode(key).ok()?;
        let (&ED25519, key) = key.split_first()? else { return None };
        let verifier = Self { origin: origin.to_owned(), key: PKey::public_key_from_raw_bytes(key, Id::ED25519).ok()? };
        (id == hex(key_id(origin, key))).then_some(verifier)
    }

    /// What a note says, if this log signed it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (text, signatures) = note.split_once("\n\n").ok_or(NoteError::Malformed)?;
        let text = format!("{text}\n");
        let parsed = Text::from_bytes(text.as_bytes()).map_err(|_| NoteError::Malformed)?;
        if parsed.origin() != self.origin {
            return Err(NoteError::Origin);
        }
        let at = parsed.extension().lines().next().and_then(|line| DateTime::parse_from_rfc3339(line).ok());
        let at = at.ok_or(NoteError::Malformed)?.to_utc();
        let is_ours = signatures.lines().any(|line| self.is_signature(line, &text));
        is_ours.then_some(Checkpoint { size: parsed.size(), root: *parsed.hash(), at }).ok_or(NoteError::Signature)
    }

    fn is_signature(&self, line: &str, text: &str) -> bool {
        let signature = line.strip_prefix(SIGNATURE).and_then(|rest| rest.strip_prefix(self.origin.as_str()));
        let decoded = signature.and_then(|rest| STANDARD.decode(rest.strip_prefix(' ')?).ok());
        let verified = |signature: &[u8]| {
            sign::Verifier::new_without_digest(&self.key)
                .and_then(|mut verifier| verifier.verify_oneshot(signature, text.as_bytes()))
                .unwrap_or(false)
        };
        decoded
            .is_some_and(|bytes| bytes.split_at_checked(KEY_ID_BYTES).is_some_and(|(_, signature)| verified(signature)))
    }
}

/// By what a signature says whose it is (C2SP signed-note).
fn key_id(origin: &str, key: &[u8]) -> [u8; KEY_ID_BYTES] {
    let mut digest = Sha256::new();
    digest.update(origin.as_bytes());
    digest.update(&[b'\n', ED25519]);
    digest.update(key);
    let [a, b, c, d, ..] = digest.finish();
    [a, b, c, d]
}

fn hex(id: [u8; KEY_ID_BYTES]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// Whether a line is a signature to its end.
fn is_whole(line: &str) -> bool {
    let encoded = line.strip_prefix(SIGNATURE).and_then(|rest| rest.rsplit_once(' '));
    encoded
        .is_some_and(|(_, text)| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == KEY_ID_BYTES + SIGNATURE_BYTES))
}

/// The notes in a file to which one was appended after the other. What else is in it, such as half a note, is passed over.
pub fn notes(file: &str) -> Vec<String> {
    let blocks: Vec<_> = file.split("\n\n").map(|block| block.trim_matches('\n')).collect();
    let pairs = blocks.iter().zip(blocks.iter().skip(1));
    let signed = pairs.filter(|(text, signatures)| !text.is_empty() && signatures.lines().any(is_whole));
    signed.map(|(text, signatures)| format!("{text}\n\n{signatures}\n")).collect()
}

#[cfg(test)]
mod tests {
    use tlog_tiles::record_hash;

    use super::*;

    const ORIGIN: &str = "op.example/audit";

    fn signer() -> Signer {
        Signer::new(ORIGIN, &[7; 32]).unwrap()
    }

    fn checkpoint(size: u64) -> Checkpoint {
        let at = DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap();
        Checkpoint { size, root: record_hash(b"root"), at }
    }

    #[test]
    fn a_checkpoint_is_a_signed_note_that_its_log_knows() {
        let note = signer().sign(&checkpoint(3)).unwrap();
        let lines: Vec<_> = note.lines().collect();
        assert_eq!((lines[0], lines[1], lines[3], lines[4]), (ORIGIN, "3", "2027-01-15T08:00:00.123456Z", ""));
        assert!(lines[5].starts_with("— op.example/audit ") && note.ends_with('\n'));
        assert_eq!(signer().verifier().unwrap().open(&note), Ok(checkpoint(3)));
    }

    #[test]
    fn a_changed_one_is_refused() {
        let note = signer().sign(&checkpoint(3)).unwrap();
        let verifier = signer().verifier().unwrap();
        for (from, to, error) in [
            ("\n3\n", "\n4\n", NoteError::Signature),
            ("08:00:00", "08:00:01", NoteError::Signature),
            ("\n3\n", "\n03\n", NoteError::Malformed),
            ("op.example/audit\n3", "op.example/other\n3", NoteError::Origin),
            ("\n\n", "\n", NoteError::Malformed),
            ("— ", "- ", NoteError::Signature),
        ] {
            assert_eq!(verifier.open(&note.replace(from, to)), Err(error), "{from:?} → {to:?}");
        }
        let other = Signer::new(ORIGIN, &[8; 32]).unwrap().sign(&checkpoint(3)).unwrap();
        assert_eq!(verifier.open(&other), Err(NoteError::Signature));
        assert_eq!(verifier.open(""), Err(NoteError::Malformed));
    }

    #[test]
    fn its_key_can_be_written_down() {
        let name = signer().verifier().unwrap().name().unwrap();
        assert!(name.starts_with("op.example/audit+"), "{name}");
        let note = signer().sign(&checkpoint(3)).unwrap();
        assert_eq!(Verifier::parse(&name).unwrap().open(&note), Ok(checkpoint(3)));
        for broken in ["", "a+b", "op.example/audit+00000000+AQ==", &name.replace("audit", "other")] {
            assert!(Verifier::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_file_holds_one_after_the_other() {
        let two = [3, 5].map(|size| signer().sign(&checkpoint(size)).unwrap());
        assert_eq!(notes(&two.join("\n")), two);
        assert!(notes("").is_empty() && notes("\n\n").is_empty());
        let torn = format!("{}\n\n{}", &two[0][..20], two[1]);
        assert_eq!(notes(&torn), [two[1].clone()], "half a note, as a crash leaves it");
    }
}
