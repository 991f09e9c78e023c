//! Registrations for tests.

use countersign::{
    app::App,
    domain::{
        client::{ClientMetadata, StoredSecret},
        token::Digest,
    },
};
use countersign_types::ClientAuthMethod;

/// The secret of every confidential client.
pub const SECRET: &str = "a secret with more than two hundred and fifty-six bits";
/// Where every web client gets its answers.
pub const REDIRECT_URI: &str = "https://app.example/cb";
/// The example of RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its challenge.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// How a client's secret is kept.
#[derive(Clone, Copy)]
pub enum Secret {
    Digest,
    Encrypted,
}

impl Secret {
    pub fn store(self, app: &App, id: &str) -> StoredSecret {
        match self {
            Self::Digest => StoredSecret::Digest(Digest::of(SECRET).as_bytes().to_vec()),
            Self::Encrypted => {
                StoredSecret::Encrypted(app.keys.client_secret.seal(SECRET.as_bytes(), id.as_bytes(), &app.random))
            }
        }
    }
}

/// What a client registers, and its secret.
pub type TestClient = (ClientMetadata, Option<Secret>);

fn metadata(method: ClientAuthMethod, redirect_uri: &str) -> ClientMetadata {
    ClientMetadata {
        redirect_uris: vec![redirect_uri.parse().unwrap()],
        post_logout_redirect_uris: vec!["https://app.example/bye".parse().unwrap()],
        scope: "openid profile email address phone offline_access".parse().unwrap(),
        ..ClientMetadata::new("The App".to_owned(), method)
    }
}

/// A web application with a secret, changed as the test needs it.
pub fn confidential(method: ClientAuthMethod, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    let mut metadata = metadata(method, REDIRECT_URI);
    change(&mut metadata);
    let secret = match method {
        ClientAuthMethod::ClientSecretBasic | ClientAuthMethod::ClientSecretPost => Some(Secret::Digest),
        ClientAuthMethod::ClientSecretJwt => Some(Secret::Encrypted),
        ClientAuthMethod::PrivateKeyJwt | ClientAuthMethod::None => None,
    };
    (metadata, secret)
}

/// A single-page application.
pub fn public() -> TestClient {
    (metadata(ClientAuthMethod::None, REDIRECT_URI), None)
}

/// A native application on the loopback interface.
pub fn native() -> TestClient {
    (metadata(ClientAuthMethod::None, "http://127.0.0.1/cb"), None)
}
