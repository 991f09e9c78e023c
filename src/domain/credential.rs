//! Ways to prove who one is. Each is a row of its own, so that a person can have several and new kinds need no new column.

use std::fmt;

use countersign_types::UserId;

/// The kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A password, kept as a hash.
    Password,
    /// What an authenticator app makes codes from, sealed.
    Totp,
}

impl CredentialKind {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
        }
    }
}

/// Which of the credentials that a person had of one kind: it grows with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialVersion(pub i64);

/// A person's password, hashed.
#[derive(Clone)]
pub struct PasswordCredential {
    /// Whose it is.
    pub user: UserId,
    /// Its hash: a PHC string of Argon2id, or what was imported and not used since.
    pub phc: String,
}

impl fmt::Debug for PasswordCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCredential").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The fewest characters of a password (NIST SP 800-63B §5.1.1.1).
pub const PASSWORD_MIN_CHARS: usize = 8;
/// The most characters of a password, so that hashing stays bounded.
pub const PASSWORD_MAX_CHARS: usize = 128;

/// A password that a person chose or typed. Never printed.
#[derive(Clone)]
pub struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a new password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too few characters.
    #[error("choose a password of at least {PASSWORD_MIN_CHARS} characters")]
    TooShort,
    /// Too many characters.
    #[error("choose a password of at most {PASSWORD_MAX_CHARS} characters")]
    TooLong,
    /// One of those that people choose most often.
    #[error("this is one of the most common passwords; choose another")]
    Common,
    /// It holds a name of the person or of the house.
    #[error("the password contains a name of its owner or of this service; choose one without")]
    NearWord,
    /// Few guesses find it.
    #[error("the password is easy to guess; choose a longer one, or words that nobody else would put together")]
    Weak,
    /// It was stolen somewhere, and is in the lists of thieves.
    #[error("the password is known from a theft of data elsewhere; choose another")]
    Breached,
}

impl Password {
    /// What was typed at a sign-in: any text that could be a password. Longer ones cannot be right.
    pub fn typed(text: String) -> Option<Self> {
        (text.chars().count() <= PASSWORD_MAX_CHARS).then_some(Self(text))
    }

    /// A new password, of any characters, exactly as typed. What else is asked of it: [`password_rules`](super::password_rules).
    pub fn chosen(text: String) -> Result<Self, PasswordError> {
        match text.chars().count() {
            0..PASSWORD_MIN_CHARS => Err(PasswordError::TooShort),
            PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS => Ok(Self(text)),
            _ => Err(PasswordError::TooLong),
        }
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text to judge.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
