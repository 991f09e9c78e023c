//! Requests that are signed as a whole (RFC 9421, RFC 9530).

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
    routing::post,
};
use countersign_jose::{Algorithm, PrivateKey, access_token_hash, base64, sha256_of};
use countersign_resource_server::SignedRequest;
use serde_json::json;
use tower::ServiceExt as _;

use crate::harness::{AUDIENCE, Provider};

const BODY: &str = r#"{"erase":"everything"}"#;
const PATH: &str = "/erase?really=yes";

/// Somebody with a key, and a token that is bound to it.
struct Signer {
    key: Arc<PrivateKey>,
    token: String,
    proof: String,
    created: i64,
}

impl Signer {
    fn new(provider: &Provider, algorithm: Algorithm, jti: &str) -> Self {
        let key = Arc::new(PrivateKey::generate(algorithm).unwrap());
        let token = provider.token_with("cnf", json!({ "jkt": key.kid() }));
        let created = provider.clock_now();
        let claims = json!({
            "jti": jti, "htm": "POST", "htu": format!("{AUDIENCE}/erase"), "iat": created,
            "ath": access_token_hash(&token),
        });
        let proof = key.sign_embedded("dpop+jwt", &claims).unwrap();
        Self { key, token, proof, created }
    }

    fn components() -> Vec<(&'static str, String)> {
        vec![
            ("@method", "POST".to_owned()),
            ("@target-uri", format!("{AUDIENCE}{PATH}")),
            ("content-digest", digest(BODY)),
        ]
    }

    /// What goes into `Signature-Input`, and the base that is signed, for these components and parameters.
    fn input(&self, components: &[(&str, String)], parameters: &str) -> (String, String) {
        let own = [("authorization", format!("DPoP {}", self.token)), ("dpop", self.proof.clone())];
        let all: Vec<_> = components.iter().cloned().chain(own).filter(|(_, value)| value != "left out").collect();
        let names = all.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(" ");
        let input = format!("({names}){parameters}");
        let lines = all.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect::<Vec<_>>().concat();
        (input.clone(), format!("{lines}\"@signature-params\": {input}"))
    }

    /// The request, with a signature over these components.
    fn request(&self, components: &[(&str, String)], parameters: &str) -> Request<Body> {
        let (input, base) = self.input(components, parameters);
        let signature = self.key.signer().unwrap().sign_detached(base.as_bytes()).unwrap();
        self.with_headers(&format!("sig={input}"), &format!("sig=:{}:", base64(&signature)), &digest(BODY), BODY)
    }

    fn good(&self) -> Request<Body> {
        self.request(&Self::components(), &self.parameters())
    }

    fn parameters(&self) -> String {
        format!(";created={};keyid=\"{}\"", self.created, self.key.kid())
    }

    fn with_headers(&self, input: &str, signature: &str, digest: &str, body: &str) -> Request<Body> {
        Request::post(PATH)
            .header("authorization", format!("DPoP {}", self.token))
            .header("dpop", &self.proof)
            .header("content-digest", digest)
            .header("signature-input", input)
            .header("signature", signature)
            .body(Body::from(body.to_owned()))
            .unwrap()
    }
}

fn digest(body: &str) -> String {
    format!("sha-256=:{}:", base64(&sha256_of(body.as_bytes())))
}

fn api(provider: &Provider) -> Router {
    let erase = async |request: SignedRequest| format!("{} {}", request.caller.sub, request.body.len());
    Router::new().route("/erase", post(erase)).layer(provider.builder().build().unwrap().layer())
}

async fn send(api: &Router, request: Request<Body>) -> (u16, String) {
    let response = api.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    if status == 401 {
        assert!(response.headers().contains_key("www-authenticate"));
    }
    (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_request_that_is_signed_by_the_key_of_its_token_passes_once() {
    let provider = Provider::start().await;
    let api = api(&provider);
    for (jti, algorithm) in [("1", Algorithm::ES256), ("2", Algorithm::EdDSA)] {
        let signer = Signer::new(&provider, algorithm, jti);
        assert_eq!(send(&api, signer.good()).await, (200, format!("ada {}", BODY.len())), "{algorithm}");
        // Its proof is good once, and it is signed with the rest.
        assert_eq!(send(&api, signer.good()).await.0, 401);
    }
}

#[tokio::test]
async fn whatever_was_altered_or_left_out_is_noticed() {
    let provider = Provider::start().await;
    let api = api(&provider);
    let mut jti = 100;
    let mut signer = || {
        jti += 1;
        Signer::new(&provider, Algorithm::ES256, &jti.to_string())
    };
    let mut refused = Vec::new();
    // Altered on the way: another body, with or without its digest; another address; another method.
    let one = signer();
    let (input, base) = one.input(&Signer::components(), &one.parameters());
    let signature = base64(&one.key.signer().unwrap().sign_detached(base.as_bytes()).unwrap());
    let (input, signature) = (format!("sig={input}"), format!("sig=:{signature}:"));
    refused.push((one.with_headers(&input, &signature, &digest(BODY), "another"), "sha-256 of the body"));
    let one = signer();
    refused.push((one.with_headers(&input, &signature, &digest("another"), "another"), "keyid and alg"));
    for (name, value) in [
        ("@method", "PUT"),
        ("@target-uri", "https://api.example/erase"),
        ("@target-uri", "https://evil.example/erase?really=yes"),
    ] {
        let one = signer();
        let altered = Signer::components()
            .into_iter()
            .map(|(own, text)| (own, if own == name { value.to_owned() } else { text }));
        let altered: Vec<_> = altered.collect();
        refused.push((one.request(&altered, &one.parameters()), "not of this request"));
    }
    // Something is not covered, twice, or is no component.
    for left_out in 0..3 {
        let one = signer();
        let mut components = Signer::components();
        components.remove(left_out);
        refused.push((one.request(&components, &one.parameters()), "must cover"));
    }
    for more in [("@method", "POST"), ("@authority", "api.example"), ("x-nothing", "1"), ("Content-Digest", "1")] {
        let one = signer();
        let mut components = Signer::components();
        components.push((more.0, more.1.to_owned()));
        refused.push((one.request(&components, &one.parameters()), "must cover"));
    }
    // Too old, too early, without a time, expired.
    let now = provider.clock_now();
    for parameters in [
        format!(";created={}", now - 61),
        format!(";created={}", now + 11),
        ";created=\"now\"".to_owned(),
        String::new(),
    ] {
        let one = signer();
        refused.push((one.request(&Signer::components(), &parameters), "within the last minute"));
    }
    let one = signer();
    let expired = format!(";created={now};expires={now}");
    refused.push((one.request(&Signer::components(), &expired), "has expired"));
    // Another key, or said to be.
    for parameters in [";keyid=\"another\"", ";alg=\"rsa-pss-sha512\"", ";alg=7"] {
        let one = signer();
        refused.push((one.request(&Signer::components(), &format!(";created={now}{parameters}")), "keyid and alg"));
    }
    let (one, stranger) = (signer(), PrivateKey::generate(Algorithm::ES256).unwrap());
    let (input, base) = one.input(&Signer::components(), &one.parameters());
    let signature = base64(&stranger.signer().unwrap().sign_detached(base.as_bytes()).unwrap());
    refused.push((
        one.with_headers(&format!("sig={input}"), &format!("sig=:{signature}:"), &digest(BODY), BODY),
        "not of this request",
    ));
    // No signature, several, rubbish.
    for (input, signature) in [
        ("sig=()", "other=:AA==:"),
        ("sig=1", "sig=:AA==:"),
        ("sig=(", "sig=:AA==:"),
        ("a=();created=1, b=();created=1", "a=:AA==:, b=:AA==:"),
        ("", ""),
    ] {
        refused.push((signer().with_headers(input, signature, &digest(BODY), BODY), "one signature is needed"));
    }
    for digest in ["", "sha-256=1", "md5=:AA==:", "sha-256=:AA==:", "sha-256"] {
        refused.push((signer().with_headers("sig=()", "sig=:AA==:", digest, BODY), "sha-256 of the body"));
    }
    for (request, words) in refused {
        let (status, body) = send(&api, request).await;
        assert!(
            status == 401 && body.contains("invalid_signature") && body.contains(words),
            "{words}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn a_bearer_token_signs_nothing() {
    let provider = Provider::start().await;
    let request = Request::post(PATH).header("authorization", format!("Bearer {}", provider.token()));
    let (status, body) = send(&api(&provider), request.body(Body::from(BODY)).unwrap()).await;
    assert!(status == 401 && body.contains("invalid_token") && body.contains("bound to a key"), "{status} {body}");
}

#[tokio::test]
async fn what_has_nothing_to_do_with_the_signature_is_told_so() {
    let provider = Provider::start().await;
    let signer = Signer::new(&provider, Algorithm::ES256, "large");
    let large = "x".repeat(3 << 20);
    let (status, body) = send(&api(&provider), signer.with_headers("", "", "", &large)).await;
    assert!(status == 413 && body.contains("invalid_request") && body.contains("too large"), "{status} {body}");
    // A route without the layer is a fault of the API.
    let forgotten = Router::new().route("/erase", post(async |_: SignedRequest| "never"));
    assert_eq!(send(&forgotten, signer.good()).await.0, 500);
}

#[tokio::test]
async fn a_key_that_only_makes_proofs_is_told_which_would_do() {
    let provider = Provider::start().await;
    let signer = Signer::new(&provider, Algorithm::PS256, "1");
    let (status, body) = send(&api(&provider), signer.good()).await;
    assert!(status == 401 && body.contains("ES256 or EdDSA"), "{status} {body}");
}

/// An API whose routes a traversal could reach, one of them nested.
fn tenants(provider: &Provider) -> Router {
    let served = async |request: SignedRequest| format!("served {}", request.caller.sub);
    let users = Router::new().route("/{user}", post(served)).route("/{tenant}/users/{user}", post(served));
    Router::new().nest("/users", users.clone()).merge(users).layer(provider.builder().build().unwrap().layer())
}

#[tokio::test]
async fn the_address_is_signed_letter_by_letter() {
    let provider = Provider::start().await;
    let api = tenants(&provider);
    let key = Arc::new(PrivateKey::generate(Algorithm::ES256).unwrap());
    let token = provider.token_with("cnf", json!({ "jkt": key.kid() }));
    let created = provider.clock_now();
    // Signed for one address and sent to another.
    let ask = async |jti: &str, signed: &str, sent: &str| {
        let htu = format!("{AUDIENCE}{}", signed.split('?').next().unwrap());
        let claims = json!({ "jti": jti, "htm": "POST", "htu": htu, "iat": created, "ath": access_token_hash(&token) });
        let signer = Signer {
            proof: key.sign_embedded("dpop+jwt", &claims).unwrap(),
            key: key.clone(),
            token: token.clone(),
            created,
        };
        let mut components = Signer::components();
        components[1].1 = format!("{AUDIENCE}{signed}");
        let mut request = signer.request(&components, &signer.parameters());
        *request.uri_mut() = sent.parse().unwrap();
        send(&api, request).await.0
    };
    for (number, address) in
        ["/users/7", "/users/7?name=O'Neil&x", "/users/7?", "/users/%7E7", "/users/a{b}\"c", "/x/users/7"]
            .into_iter()
            .enumerate()
    {
        assert_eq!(ask(&format!("good {number}"), address, address).await, 200, "{address}");
    }
    for (number, sent) in
        ["/tenants/../users/7", "/./users/7", "/tenants/%2e%2e/users/7", "/users\\7", "/users/7?", "/users/%37"]
            .into_iter()
            .enumerate()
    {
        assert_eq!(ask(&format!("altered {number}"), "/users/7", sent).await, 401, "{sent}");
    }
}
