//! The example API of Countersign: people keep a journal, and their apps read and write it with access tokens.
//!
//! | module | what it tells |
//! |---|---|
//! | [`settings`] | flags and environment |
//! | [`api`] | the addresses and what each does |
//! | [`entry`] | an entry, and what a client may send |
//! | [`store`] | SQLite |
//! | [`error`] | every answer that is not a success |
//! | [`clock`], [`random`] | the only places that read the time and make random bytes |
//!
//! Entries are stored as they are sent. The README says what that means.

pub mod api;
pub mod clock;
pub mod entry;
pub mod error;
pub mod random;
pub mod settings;
pub mod store;
