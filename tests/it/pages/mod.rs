//! The hosted pages, as honest people meet them. What others try with them is in `attacks/`.

mod account;
mod accounts;
mod assets;
mod brand;
mod consent;
mod dev_mail;
mod headers;
mod language;
mod link;
mod login;
mod logo;
mod plain;
mod recover;
mod second_factor;
mod sign_up;
mod start;

use countersign_types::ClientAuthMethod;

use crate::harness::{Server, confidential};

const ADA: &str = "ada@example.com";

/// A provider with an app and a person.
async fn start() -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, Some("ada")).await;
    server
}
