//! The example API of Countersign: people keep a journal, and their apps read and write it with access tokens. What it keeps is
//! ciphertext, and the keys are not here.
//!
//! | module | what it tells |
//! |---|---|
//! | [`settings`] | flags and environment |
//! | [`api`] | the addresses and what each does |
//! | [`entry`], [`vault`] | what a client may send: encrypted entries, and the key to them in wrappings that only its owner can open |
//! | [`jwe`], [`object`] | what can be seen of a ciphertext without its key |
//! | [`access`] | who did what |
//! | [`serve`] | connections, bounded in number and time |
//! | [`store`] | SQLite |
//! | [`error`] | every answer that is not a success |
//! | [`clock`] | the only place that reads the time |

pub mod access;
pub mod api;
pub mod clock;
pub mod entry;
pub mod error;
pub mod jwe;
pub mod object;
pub mod serve;
pub mod settings;
pub mod store;
pub mod vault;
