//! The vault: the person's data key, wrapped once for each way to unlock it. The server has nothing that unwraps it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::jwe::{Compact, Fault};

/// How often PBKDF2 hashes a passphrase: the least that is safe (OWASP's advice for SHA-512), and the most that a phone should have to do.
const ITERATIONS: std::ops::RangeInclusive<u32> = 210_000..=1_000_000;
/// The shortest salt, in bytes: RFC 7518 §4.8.1.1 asks for eight, NIST SP 800-132 for sixteen.
const MIN_SALT: usize = 16;
/// A wrapped content encryption key of 256 bits (RFC 3394), in bytes.
const WRAPPED_KEY: usize = 40;
/// The longest ciphertext of a key, in bytes: one JWK of 256 bits has some eighty.
const MAX_KEY: usize = 512;

/// The data key in its wrappings, each a compact JWE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// By a passphrase: `PBES2-HS512+A256KW` (RFC 7518 §4.8).
    pub passphrase: String,
    /// By a recovery key: `A256KW` (RFC 7518 §4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
}

/// Why a vault is refused. The message is what the client may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVault {
    /// Not a JWE at all.
    #[error("each wrapping in the vault is a compact JWE: {0}")]
    NotJwe(Fault),
    /// Another algorithm, or other members.
    #[error(
        "the header of passphrase is {{\"alg\":\"PBES2-HS512+A256KW\",\"enc\":\"A256GCM\",\"cty\":\"jwk+json\",\"p2c\":NUMBER,\"p2s\":SALT}}"
    )]
    Passphrase,
    /// `p2c` is too small to be safe or too large to be borne.
    #[error("p2c is from 210000 to 1000000")]
    Iterations,
    /// `p2s` is too short.
    #[error("p2s has at least 16 bytes, in base64url")]
    Salt,
    /// Another algorithm, or other members.
    #[error("the header of recovery is {{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"cty\":\"jwk+json\"}}")]
    Recovery,
    /// What is wrapped is too long for a key.
    #[error("a wrapping holds one key and nothing else")]
    Lengths,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PassphraseHeader {
    alg: String,
    enc: String,
    cty: String,
    p2c: u32,
    p2s: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecoveryHeader {
    alg: String,
    enc: String,
    cty: String,
}

impl Vault {
    /// Checks all that can be checked without a key.
    pub fn check(&self) -> Result<(), InvalidVault> {
        let found = Compact::<PassphraseHeader>::parse(&self.passphrase);
        let found = found.map_err(|fault| of_header(fault, InvalidVault::Passphrase))?;
        let PassphraseHeader { alg, enc, cty, p2c, p2s } = &found.header;
        if (alg.as_str(), enc.as_str(), cty.as_str()) != ("PBES2-HS512+A256KW", "A256GCM", "jwk+json") {
            return Err(InvalidVault::Passphrase);
        }
        if !ITERATIONS.contains(p2c) {
            return Err(InvalidVault::Iterations);
        }
        if URL_SAFE_NO_PAD.decode(p2s).map_or(0, |salt| salt.len()) < MIN_SALT {
            return Err(InvalidVault::Salt);
        }
        check_lengths(&found)?;

        let Some(recovery) = &self.recovery else { return Ok(()) };
        let found = Compact::<RecoveryHeader>::parse(recovery);
        let found = found.map_err(|fault| of_header(fault, InvalidVault::Recovery))?;
        let RecoveryHeader { alg, enc, cty } = &found.header;
        if (alg.as_str(), enc.as_str(), cty.as_str()) != ("A256KW", "A256GCM", "jwk+json") {
            return Err(InvalidVault::Recovery);
        }
        check_lengths(&found)
    }
}

fn of_header(fault: Fault, otherwise: InvalidVault) -> InvalidVault {
    if fault == Fault::Header { otherwise } else { InvalidVault::NotJwe(fault) }
}

fn check_lengths<H>(found: &Compact<H>) -> Result<(), InvalidVault> {
    let fits = found.encrypted_key == WRAPPED_KEY && found.ciphertext <= MAX_KEY;
    if fits { Ok(()) } else { Err(InvalidVault::Lengths) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPHRASE: &str =
        r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","cty":"jwk+json","p2c":600000,"p2s":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
    const RECOVERY: &str = r#"{"alg":"A256KW","enc":"A256GCM","cty":"jwk+json"}"#;

    fn jwe(header: &str, key: usize, ciphertext: usize) -> String {
        let part = |length| URL_SAFE_NO_PAD.encode(vec![1; length]);
        [URL_SAFE_NO_PAD.encode(header), part(key), part(12), part(ciphertext), part(16)].join(".")
    }

    fn check(passphrase: &str, recovery: &str) -> Result<(), InvalidVault> {
        Vault { passphrase: jwe(passphrase, 40, 80), recovery: Some(jwe(recovery, 40, 80)) }.check()
    }

    #[test]
    fn a_key_may_be_wrapped_in_both_ways_or_by_a_passphrase_alone() {
        assert_eq!(check(PASSPHRASE, RECOVERY), Ok(()));
        assert_eq!(Vault { passphrase: jwe(PASSPHRASE, 40, 80), recovery: None }.check(), Ok(()));
    }

    #[test]
    fn a_wrapping_that_is_weak_or_costs_too_much_is_refused() {
        for (iterations, outcome) in [
            ("0", Err(InvalidVault::Iterations)),
            ("1000", Err(InvalidVault::Iterations)),
            ("209999", Err(InvalidVault::Iterations)),
            ("210000", Ok(())),
            ("1000000", Ok(())),
            ("1000001", Err(InvalidVault::Iterations)),
            ("4294967296", Err(InvalidVault::Passphrase)),
            ("-1", Err(InvalidVault::Passphrase)),
        ] {
            assert_eq!(check(&PASSPHRASE.replace("600000", iterations), RECOVERY), outcome, "{iterations}");
        }
        assert_eq!(check(&PASSPHRASE.replace("AAAAAAAAAAAAAAAAAAAAAA", "AAAA"), RECOVERY), Err(InvalidVault::Salt));
        assert_eq!(check(&PASSPHRASE.replace("AAAAAA", "====AA"), RECOVERY), Err(InvalidVault::Salt));
    }

    #[test]
    fn other_algorithms_are_refused() {
        for (from, to) in [("HS512", "HS256"), ("A256KW", "A128KW"), ("A256GCM", "A256CBC-HS512"), ("jwk+json", "text")]
        {
            assert_eq!(check(&PASSPHRASE.replace(from, to), RECOVERY), Err(InvalidVault::Passphrase), "{to}");
        }
        for (from, to) in [("A256KW", "A128KW"), ("A256KW", "dir"), ("A256GCM", "A128GCM"), ("jwk+json", "text")] {
            assert_eq!(check(PASSPHRASE, &RECOVERY.replace(from, to)), Err(InvalidVault::Recovery), "{to}");
        }
        assert_eq!(check(RECOVERY, RECOVERY), Err(InvalidVault::Passphrase));
        assert_eq!(check(PASSPHRASE, PASSPHRASE), Err(InvalidVault::Recovery));
    }

    #[test]
    fn it_is_no_place_for_anything_but_keys() {
        for (key, ciphertext) in [(0, 80), (39, 80), (40, 513)] {
            let vault = Vault { passphrase: jwe(PASSPHRASE, key, ciphertext), recovery: None };
            assert_eq!(vault.check(), Err(InvalidVault::Lengths));
        }
        let plain = Vault { passphrase: "correct horse battery staple".to_owned(), recovery: None };
        assert_eq!(plain.check(), Err(InvalidVault::NotJwe(Fault::Parts)));
    }
}
