//! Time-based one-time codes (RFC 6238): SHA-1, six digits, thirty seconds, as every authenticator app makes them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp, TotpError};

/// How many bytes the secret has: the 160 bits that RFC 4226 §4 recommends.
pub const SECRET_BYTES: usize = 20;

/// How long a code is shown, in seconds (RFC 6238 §5.2).
const STEP_SECONDS: i64 = 30;
/// How many steps a clock may be behind or ahead (RFC 6238 §5.2).
const DRIFT: i64 = 1;
const DIGITS: usize = 6;

/// What an authenticator app and we share. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; SECRET_BYTES]);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Which of the half minutes since 1970 a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Step(i64);

impl Step {
    /// The one of this time.
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(time.timestamp() / STEP_SECONDS)
    }
}

/// Six digits that somebody typed. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpCode(String);

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl TotpCode {
    /// Reads six digits; apps show them in two groups.
    pub fn typed(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(Self(digits))
    }
}

impl TotpSecret {
    /// Wraps fresh random bytes, or those that were stored.
    pub fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// As they are sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn totp(&self) -> Totp {
        // The builder's own values are the ones of this module.
        Builder::new().with_secret(self.0).build_noncompliant()
    }

    /// As people type it into an app: base32 in groups of four.
    pub fn in_groups(&self) -> String {
        let base32 = Secret::from(self.0).to_base32();
        let groups: Vec<String> =
            base32.chars().collect::<Vec<_>>().chunks(4).map(|group| group.iter().collect()).collect();
        groups.join(" ")
    }

    /// The address that an app reads from a QR code, with the names that it shows beside the codes.
    pub fn uri(&self, issuer: &str, account: &str) -> Result<String, TotpError> {
        // The format has a colon between the two.
        let named = |text: &str| text.replace(':', " ");
        let builder = Builder::new().with_secret(self.0).with_issuer(Some(named(issuer)));
        builder.with_account_name(named(account)).build()?.to_url()
    }

    /// The code of a step.
    pub fn code(&self, step: Step) -> TotpCode {
        let seconds = u64::try_from(step.0.saturating_mul(STEP_SECONDS)).unwrap_or_default();
        TotpCode(self.totp().generate(seconds).to_string())
    }

    /// The step that a code is for: one of those around now, and after the last that was accepted.
    ///
    /// RFC 6238 §5.2: a code must not be accepted twice, nor one from before it.
    pub fn accept(&self, code: &TotpCode, last: Option<Step>, now: DateTime<Utc>) -> Option<Step> {
        let Step(present) = Step::at(now);
        (present - DRIFT..=present + DRIFT)
            .map(Step)
            .filter(|step| last.is_none_or(|last| *step > last))
            .find(|step| openssl::memcmp::eq(self.code(*step).0.as_bytes(), code.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn secret() -> TotpSecret {
        TotpSecret::new(*b"12345678901234567890")
    }

    fn typed(code: &str) -> TotpCode {
        TotpCode::typed(code).unwrap()
    }

    /// RFC 6238 appendix B, SHA-1; of its eight digits the last six.
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    #[test]
    fn codes_are_those_of_rfc_6238() {
        for (seconds, code) in VECTORS {
            assert_eq!(secret().code(Step::at(at(seconds))).0, code, "{seconds}");
            assert!(secret().accept(&typed(code), None, at(seconds)).is_some(), "{seconds}");
        }
    }

    #[test]
    fn a_clock_may_be_one_step_behind_or_ahead() {
        let now = at(1_111_111_111);
        let of = |steps: i64| secret().code(Step(Step::at(now).0 + steps));
        for (steps, is_good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            assert_eq!(secret().accept(&of(steps), None, now).is_some(), is_good, "{steps}");
        }
    }

    #[test]
    fn a_step_is_accepted_once_and_none_before_it() {
        let now = at(1_111_111_111);
        let Step(present) = Step::at(now);
        let accept = |of: i64, last: i64| secret().accept(&secret().code(Step(of)), Some(Step(last)), now);
        assert_eq!(accept(present, present), None);
        assert_eq!(accept(present - 1, present), None);
        assert_eq!(accept(present + 1, present), Some(Step(present + 1)));
        assert_eq!(accept(present, present - 1), Some(Step(present)));
    }

    #[test]
    fn codes_are_six_digits_however_they_are_grouped() {
        assert_eq!(TotpCode::typed(" 287 082\n"), Some(TotpCode("287082".to_owned())));
        for text in ["", "28708", "2870822", "28708x", "+28708", "２８７０８２", "-87082"] {
            assert_eq!(TotpCode::typed(text), None, "{text}");
        }
    }

    #[test]
    fn the_secret_is_shown_as_apps_read_it() {
        assert_eq!(secret().in_groups(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        let uri = secret().uri("Our House: & more", "ada+x@example.com").unwrap();
        assert_eq!(
            uri,
            "otpauth://totp/Our%20House%20%20%26%20more:ada%2Bx%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Our%20House%20%20%26%20more"
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        assert_eq!(format!("{:?} {:?}", secret(), typed("123456")), "… …");
    }
}
