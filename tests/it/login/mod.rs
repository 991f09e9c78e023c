//! Ways to prove who one is, and what comes of it, as the store remembers it.

mod device;
mod imported_hash;
mod limit;
mod new_password;
