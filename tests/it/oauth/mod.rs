//! The protocol endpoints, file by file as in `src/oauth`.

mod client_credentials;
