//! An API that takes all of what the crate offers. It needs the features `introspection` and `signatures`, a provider at
//! `https://id.example.com`, where it is registered as `https://journal.example.com`, and the secret of a client that may ask about tokens.

use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use countersign_resource_server::{
    AccessToken, Authorized, Caller, RateLimit, Refusal, Require, ResourceServer, SignedRequest, scopes,
};

scopes! {
    /// Read the journal.
    JournalRead = "journal.read";
}

#[derive(serde::Deserialize)]
struct Claims {
    sub: String,
    department: Option<String>,
}

async fn list(caller: Authorized<JournalRead>) -> String {
    format!("the entries of {}", caller.sub)
}

async fn department(token: AccessToken<Claims>) -> String {
    format!("{} of {}", token.sub, token.department.as_deref().unwrap_or("nowhere"))
}

/// Whoever may erase everything signed in with a second factor within five minutes, and signs the request by the key of the token.
async fn erase(request: SignedRequest) -> Result<&'static str, Refusal> {
    let strong = Require::scope("journal.write").acr("urn:countersign:acr:mfa").max_age(Duration::from_mins(5));
    request.caller.require(&strong)?;
    Ok("erased")
}

async fn greet(caller: Option<Caller>) -> String {
    caller.map_or("Who are you?".to_owned(), |caller| format!("Hello {}", caller.sub))
}

fn app() -> Result<Router, Box<dyn std::error::Error>> {
    let tokens = ResourceServer::builder("https://id.example.com", "https://journal.example.com")
        .introspection("journal-api", std::fs::read_to_string("/run/secrets/journal-api")?.trim())
        .publish_metadata(["journal.read", "journal.write"])
        .build()?;
    let limit = RateLimit::new("journal", 60, Duration::from_mins(1)).role("premium", 600);

    let editors =
        Router::new().route("/department", get(department)).layer(Require::scope("journal.read").role("editor"));
    let live = Router::new().route("/erase", post(erase)).layer(tokens.layer().confirmed());
    Ok(Router::new()
        .route("/entries", get(list))
        .merge(editors)
        .merge(live)
        .layer(limit)
        .layer(tokens.layer())
        .merge(Router::new().route("/", get(greet)).layer(tokens.layer().optional()))
        .merge(tokens.metadata_router()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
    axum::serve(listener, app()?).await?;
    Ok(())
}
