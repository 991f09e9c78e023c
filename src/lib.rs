//! Countersign, a standalone OpenID Connect provider. This file is the map of its rooms, and nothing else.
//!
//! Each room imports only from rooms above it; `tests/it/import_rule.rs` reads the `use` lines and sees to it.
//!
//! | room | what it is for |
//! |---|---|
//! | `crates/` | what both sides of the wire share: words, signatures, the API's side |
//! | [`domain`] | the rules: types and decisions without IO |
//! | [`config`], [`clock`], [`random`], [`metrics`], [`master_key`] | settings, time, randomness, what is counted, and the key that protects what is stored |
//! | [`text`] | what people read, in every language |
//! | [`store`], [`ephemeral`], [`outbound`], [`mailer`], [`jose`], [`passwords`] | durable rows, counters that expire, fetching from others, sending mails, our own keys, hashing |
//! | [`looks`] | name, logo and colours of the house |
//! | [`app`] | the services of the process, and the issuer |
//! | [`login`] | ways to prove who one is, and the session that comes of it |
//! | [`http`] | what every endpoint and page needs of HTTP |
//! | [`oauth`], [`pages`], [`admin`], [`jobs`] | protocol endpoints; hosted pages; for operators; work that nobody waits for. None imports another |
//! | [`router`], [`listener`] | every route, once; connections, by TLS or not |
//! | [`cli`] | the command line |

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod ephemeral;
pub mod http;
pub mod jobs;
pub mod jose;
pub mod listener;
pub mod login;
pub mod looks;
pub mod mailer;
pub mod master_key;
pub mod metrics;
pub mod oauth;
pub mod outbound;
pub mod pages;
pub mod passwords;
pub mod random;
pub mod relying_party;
pub mod router;
pub mod store;
pub mod text;
