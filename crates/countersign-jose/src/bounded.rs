//! How long a JSON value is as text, without writing the text.

use std::io;

use serde_json::Value;

use crate::key::KeyError;

/// Fails when `value` would be longer than `limit` bytes of JSON.
pub(crate) fn check(value: &Value, limit: usize) -> Result<(), KeyError> {
    serde_json::to_writer(Room(limit), value).map_err(|_| KeyError::TooLarge { limit })
}

/// A writer that keeps nothing and is full after so many bytes.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
