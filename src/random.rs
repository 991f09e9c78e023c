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

    /// An identifier of 128 bits, as 22 characters: never repeated, and of no use to who learns it.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<16>())
    }
}
