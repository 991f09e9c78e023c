//! What `countersign-resource-server` costs an API, in this process: tokens validated for the first time and again, where the keys are
//! known and the token is one of the provider's own; its layer; and what it remembers.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Router, body::Body, http::Request, routing::get};
use countersign_jose::PrivateKey;
use countersign_resource_server::{Algorithm, ResourceServer};
use nix::unistd::Pid;
use serde_json::json;
use tower::ServiceExt as _;

use crate::{
    Result,
    baseline::Sample,
    cpu, fail,
    http::Connection,
    rows::{Bench, client_credentials, rounds},
    server::API,
    table::{Figure, Limit},
};

/// What a handler does that is not free, in µs of CPU time.
const WORK: f64 = 1_000.0;
/// Tokens that are remembered when memory is read.
const REMEMBERED: u32 = 100_000;

pub async fn validation(bench: &Bench) -> Result<Figure> {
    each_time(bench, 0, Limit::Times(1.6)).await
}

/// The same with what is remembered of it.
pub async fn revalidation(bench: &Bench) -> Result<Figure> {
    each_time(bench, 1_000, Limit::AtMost(3.0)).await
}

async fn each_time(bench: &Bench, cached: usize, limit: Limit) -> Result<Figure> {
    let (token, resource_server) = token_and_server(bench, cached).await?;
    let verification = async || bench.baseline.verification();
    let validation = async || {
        let mut sample = Sample::begin(bench.baseline.sample)?;
        while sample.goes_on() {
            resource_server.validate(&token).await?;
        }
        sample.per_operation()
    };
    let rounds = rounds(bench.size.rounds, verification, validation).await?;
    Ok(Figure { unit: "µs", rounds, against: "RS256 verification", limit })
}

/// A handler that works for a millisecond, behind the layer: a client that comes again with its token.
pub async fn layer(bench: &Bench) -> Result<Figure> {
    let (token, resource_server) = token_and_server(bench, 1_000).await?;
    let work = async || {
        let begin = cpu::spent_here().unwrap_or_default();
        while cpu::spent_here().unwrap_or_default() - begin < WORK {}
        "done"
    };
    let bare = Router::new().route("/", get(work));
    let guarded = bare.clone().layer(resource_server.layer());
    let calls = async |router: &Router| {
        let mut sample = Sample::begin(bench.baseline.sample)?;
        while sample.goes_on() {
            let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty())?;
            let response = router.clone().oneshot(request).await?;
            if !response.status().is_success() {
                return Err(fail(format!("the layer answers {}", response.status())));
            }
        }
        sample.per_operation()
    };
    let rounds = rounds(bench.size.rounds, async || calls(&bare).await, async || calls(&guarded).await).await?;
    Ok(Figure { unit: "µs", rounds, against: "handler alone", limit: Limit::Times(1.05) })
}

/// Memory of so many tokens as one API hardly ever sees within ten minutes. Its issuer signs by ES256, since signing is not what is
/// measured.
pub async fn memory() -> Result<Figure> {
    let key = PrivateKey::generate(Algorithm::ES256)?;
    let folder = tempfile::tempdir()?;
    let jwks = folder.path().join("jwks.json");
    fs::write(&jwks, json!({ "keys": [key.public_jwk().to_value()] }).to_string())?;
    let most = usize::try_from(REMEMBERED)?;
    let resource_server = ResourceServer::builder("https://id.example", API)
        .algorithms([Algorithm::ES256])
        .jwks_file(jwks)
        // Forgotten by halves: so many are never less than this.
        .cached_tokens(2 * most)
        .build()?;
    let signer = key.signer()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let before = cpu::resident_mib(&[Pid::this()])?;
    for number in 0..REMEMBERED {
        // As the provider writes them.
        let claims = json!({
            "iss": "https://id.example", "sub": format!("01890a5d-ac96-774b-bcce-{number:012}"), "aud": [API, "https://id.example"],
            "exp": now + 600, "iat": now, "auth_time": now, "acr": "urn:countersign:acr:pwd+otp", "amr": ["pwd", "otp", "mfa"],
            "jti": format!("01890a5d-ac96-774b-bccf-{number:012}"), "client_id": "01890a5d-ac96-774b-bcd0-000000000001",
            "scope": "openid profile email offline_access journal.read journal.write",
            "gid": format!("01890a5d-ac96-774b-bcd1-{number:012}"), "sid": format!("01890a5d-ac96-774b-bcd2-{number:012}"),
        });
        resource_server.validate(&signer.sign("at+jwt", &claims)?).await?;
    }
    let after = cpu::resident_mib(&[Pid::this()])?;
    drop(resource_server);
    Ok(Figure::alone("MiB", [after - before], Limit::AtMost(100.0)))
}

/// A token of the provider, and an API that remembers so many.
async fn token_and_server(bench: &Bench, cached: usize) -> Result<(String, ResourceServer)> {
    let address = bench.address();
    let answer = Connection::open(&address).await?.exchange(&client_credentials::request(&bench.site())).await?;
    let resource_server = ResourceServer::builder(address.origin(), API).cached_tokens(cached).build()?;
    resource_server.ready().await?;
    Ok((answer.member("access_token")?, resource_server))
}
