//! Why a new password is refused, in words for people.

use crate::domain::credential::PasswordError;

/// The text that tells it.
pub(super) fn refusal(error: PasswordError) -> &'static str {
    match error {
        PasswordError::TooShort => "password-too-short",
        PasswordError::TooLong => "password-too-long",
        PasswordError::Common => "password-common",
        PasswordError::NearWord => "password-near-word",
        PasswordError::Weak => "password-weak",
        PasswordError::Breached => "password-breached",
    }
}
