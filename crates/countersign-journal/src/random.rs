//! Random bytes. The only place that makes them.

use openssl::error::ErrorStack;

/// Bytes that nobody can guess.
#[allow(clippy::disallowed_methods)] // the one place
pub fn bytes<const N: usize>() -> Result<[u8; N], ErrorStack> {
    let mut bytes = [0; N];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}
