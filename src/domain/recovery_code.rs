//! Recovery codes: what stands in for a lost authenticator app. Each works once.

use std::fmt;

use super::token::Digest;

/// How many a person has.
pub const RECOVERY_CODES: usize = 10;
/// How many random bytes are in one: 120 bits, so that a digest of it can be kept as it is (ASVS 6.5.2).
pub const CODE_BYTES: usize = 15;

/// RFC 4648 §6.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CHARS: usize = CODE_BYTES * 8 / 5;
const GROUP: usize = 6;

/// A recovery code, without the strokes between its groups. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl RecoveryCode {
    /// Of fresh random bytes.
    pub fn new(bytes: &[u8; CODE_BYTES]) -> Self {
        // Five bytes are eight characters.
        let chars = bytes.chunks(5).flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            (0..8).rev().filter_map(move |at| ALPHABET.get(usize::try_from(bits >> (5 * at) & 31).ok()?))
        });
        Self(chars.map(|byte| char::from(*byte)).collect())
    }

    /// What somebody typed, if it could be one. Strokes, spaces and letter case are let be, and so is a digit that was read for
    /// a letter: the alphabet has no 0, 1 and 8.
    pub fn typed(text: &str) -> Option<Self> {
        let chars = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| match c.to_ascii_uppercase() {
            '0' => 'O',
            '1' => 'I',
            '8' => 'B',
            other => other,
        });
        // One more than there can be is enough to know that it is none.
        let code: String = chars.take(CHARS + 1).collect();
        let is_one = code.len() == CHARS && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_one.then_some(Self(code))
    }

    /// What is stored of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// As the person is shown it, once: four groups of six characters.
    pub fn in_groups(&self) -> String {
        let chars: Vec<char> = self.0.chars().collect();
        chars.chunks(GROUP).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_base32_in_four_groups() {
        let code = RecoveryCode::new(b"\0\x01\x02\xfd\xfe\xffhello wor");
        assert_eq!(code.in_groups(), "AAAQF7-P675UG-K3DMN4-QHO33S");
        assert_eq!(RecoveryCode::new(&[0xff; CODE_BYTES]).in_groups(), "777777-777777-777777-777777");
    }

    #[test]
    fn it_is_read_however_it_is_typed() {
        let code = RecoveryCode::new(&[0x5a; CODE_BYTES]);
        let shown = code.in_groups();
        for typed in
            [&shown, &shown.to_lowercase(), &shown.replace('-', " "), &format!(" {}\n", shown.replace('-', ""))]
        {
            assert_eq!(RecoveryCode::typed(typed).as_ref(), Some(&code), "{typed}");
        }
        let read = |text: &str| RecoveryCode::typed(text).map(|code| code.0);
        assert_eq!(read("0i8AAA-AAAAAA-AAAAAA-AAAAAA"), read("OIBAAA-AAAAAA-AAAAAA-AAAAAA"));
        assert_eq!(read("01baaa-AAAAAA-AAAAAA-AAAAAA"), read("OIBAAA-AAAAAA-AAAAAA-AAAAAA"));
    }

    #[test]
    fn what_cannot_be_one_is_none() {
        let long = "A".repeat(1_000_000);
        for text in
            ["", "123456", "AAAAAA-AAAAAA-AAAAAA-AAAAA", "AAAAAA-AAAAAA-AAAAAA-AAAAAAA", "é", &"9".repeat(24), &long]
        {
            assert!(RecoveryCode::typed(text).is_none());
        }
    }

    #[test]
    fn it_is_never_printed() {
        assert_eq!(format!("{:?}", RecoveryCode::new(&[0; CODE_BYTES])), "…");
    }
}
