//! What every endpoint and page needs of HTTP: reading requests without surprises, and answering safely.

pub mod around;
pub mod beside;
pub mod browser_state;
pub mod cookies;
pub mod cors;
pub mod csrf;
pub mod error_page;
pub mod form;
pub mod form_post;
pub mod frame;
pub mod front_channel;
pub mod headers;
pub mod interaction;
pub mod json;
pub mod near;
pub mod owner;
pub mod peer_certificate;
pub mod rate;
pub mod request_id;
pub mod session;
pub mod sign_in;
pub mod state;
pub mod visitor;
pub mod waiting;
