//! The only place that makes random bytes. Everything else is handed a [`Random`].

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::token::Secret;

/// A source of random bytes: the operating system's, through OpenSSL.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

impl Random {
    /// Bytes that nobody can guess.
    ///
    /// # Panics
    /// The returned source does, if the operating system has no randomness: there is no safe way to go on.
    pub fn system() -> Self {
        #[allow(clippy::disallowed_methods, clippy::expect_used)] // The one place.
        Self(Arc::new(|bytes| openssl::rand::rand_bytes(bytes).expect("the operating system has no random bytes")))
    }

    /// Fills from another source, so that tests can know what comes.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// Fresh random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A secret of 256 bits, as 43 characters.
    pub fn secret(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.bytes::<32>()))
    }

    /// An identifier of 127 random bits, as 22 characters: never repeated, and of no use to who learns it. It begins with a letter,
    /// so that no command takes it for an option.
    pub fn id(&self) -> String {
        let mut bytes = self.bytes::<16>();
        bytes[0] &= 0x7f;
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn no_identifier_looks_like_an_option() {
        for first in 0..=u8::MAX {
            let id = Random::from_fn(move |bytes| bytes.fill(first)).id();
            assert_eq!((id.len(), id.starts_with(|c: char| c.is_ascii_alphabetic())), (22, true), "{id}");
        }
    }
}
