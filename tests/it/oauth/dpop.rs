//! Proofs of possession (RFC 9449) at the token endpoint and at userinfo.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use countersign::domain::client::ClientMetadata;
use countersign_jose::{Algorithm, PrivateKey};
use countersign_types::{ClientAuthMethod, GrantType};
use openssl::sha::sha256;
use serde_json::{Value, json};

use crate::harness::{
    ISSUER, REDIRECT_URI, Reply, SECRET, Server, VERIFIER, authorize_path, basic, claims, confidential, form_request,
    one_success, public,
};

const ADA: &str = "ada@example.com";
const OWN_BEHALF: [(&str, &str); 1] = [("grant_type", "client_credentials")];

async fn start() -> Server {
    start_with("").await
}

async fn start_with(settings: &str) -> Server {
    let server = Server::with_settings(settings).await;
    let grants = |metadata: &mut ClientMetadata| {
        metadata.grant_types.insert(GrantType::ClientCredentials);
    };
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, grants)).await;
    server.add_client("spa", public()).await;
    server.add_user(ADA, None).await;
    server
}

/// Somebody with a key.
struct Holder(PrivateKey);

impl Holder {
    fn new() -> Self {
        Self(PrivateKey::generate(Algorithm::ES256).unwrap())
    }

    fn jkt(&self) -> &str {
        self.0.kid()
    }

    /// A proof for a request at this path, with these claims instead of the usual ones.
    fn proof(&self, server: &Server, (method, path): (&str, &str), instead: &Value) -> String {
        let mut claims = json!({
            "jti": server.app.random.id(),
            "htm": method,
            "htu": format!("{ISSUER}{path}"),
            "iat": server.clock.now().timestamp(),
        });
        for (name, value) in instead.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.0.sign_embedded("dpop+jwt", &claims).unwrap()
    }

    fn token_proof(&self, server: &Server) -> String {
        self.proof(server, ("POST", "/token"), &json!({}))
    }

    /// Asks for userinfo with a token, and a proof for it.
    async fn userinfo(&self, server: &Server, token: &str) -> Reply {
        let ath = URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()));
        let proof = self.proof(server, ("POST", "/userinfo"), &json!({ "ath": ath }));
        userinfo(server, &format!("DPoP {token}"), Some(&proof)).await
    }
}

async fn userinfo(server: &Server, authorization: &str, proof: Option<&str>) -> Reply {
    let mut headers = vec![("authorization", authorization)];
    headers.extend(proof.map(|proof| ("dpop", proof)));
    server.post("/userinfo", &headers, &[]).await
}

/// A token request of the confidential client.
async fn token(server: &Server, proof: &str, form: &[(&str, &str)]) -> Reply {
    server.post("/token", &[("authorization", &basic("app", SECRET)), ("dpop", proof)], form).await
}

/// A token request of the public client.
async fn public_token(server: &Server, proof: Option<&str>, form: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> = proof.map(|proof| ("dpop", proof)).into_iter().collect();
    server.post("/token", &headers, &[form, &[("client_id", "spa")]].concat()).await
}

fn exchange(code: &str) -> [(&str, &str); 4] {
    [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)]
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

#[tokio::test]
async fn a_proof_binds_the_access_token_to_its_key() {
    let (server, holder) = (start().await, Holder::new());
    let tokens = token(&server, &holder.token_proof(&server), &OWN_BEHALF).await.json();
    assert_eq!(tokens["token_type"], "DPoP");
    let access = text(&tokens, "access_token");
    assert_eq!(claims(access)["cnf"], json!({ "jkt": holder.jkt() }));
    let told = server.introspect("app", access).await;
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("DPoP")));
    assert_eq!(told["cnf"]["jkt"], holder.jkt());
    for algorithm in [Algorithm::EdDSA, Algorithm::PS256] {
        let holder = Holder(PrivateKey::generate(algorithm).unwrap());
        assert_eq!(token(&server, &holder.token_proof(&server), &OWN_BEHALF).await.json()["token_type"], "DPoP");
    }
    let bearer = server.token("app", &OWN_BEHALF).await.json();
    assert_eq!(
        (&bearer["token_type"], &claims(text(&bearer, "access_token"))["cnf"]),
        (&json!("Bearer"), &Value::Null)
    );
}

#[tokio::test]
async fn a_client_that_is_marked_so_gets_no_bearer_token() {
    let (server, holder) = (start().await, Holder::new());
    let bound = |metadata: &mut ClientMetadata| {
        metadata.grant_types.insert(GrantType::ClientCredentials);
        metadata.dpop_bound_access_tokens = true;
    };
    server.add_client("bound", confidential(ClientAuthMethod::ClientSecretBasic, bound)).await;
    server.token("bound", &OWN_BEHALF).await.assert_error(400, "invalid_dpop_proof");
    let (authorization, proof) = (basic("bound", SECRET), holder.token_proof(&server));
    let reply = server.post("/token", &[("authorization", &authorization), ("dpop", &proof)], &OWN_BEHALF).await;
    assert_eq!(reply.json()["token_type"], "DPoP");
}

#[tokio::test]
async fn a_proof_for_anything_else_is_refused() {
    let (server, holder) = (start().await, Holder::new());
    let now = server.clock.now().timestamp();
    for instead in [
        json!({ "htm": "GET" }),
        json!({ "htu": "https://op.example/token" }),
        json!({ "htu": format!("{ISSUER}/userinfo") }),
        json!({ "htu": "/token" }),
        json!({ "iat": now - 11 }),
        json!({ "iat": now + 11 }),
        json!({ "iat": "now" }),
        json!({ "jti": "" }),
        json!({ "jti": 1 }),
        json!({ "jti": null }),
    ] {
        let proof = holder.proof(&server, ("POST", "/token"), &instead);
        let reply = token(&server, &proof, &OWN_BEHALF).await;
        reply.assert_error(400, "invalid_dpop_proof");
    }
    for instead in [json!({ "iat": now - 10 }), json!({ "htu": format!("{ISSUER}/token?a=b#c") })] {
        let proof = holder.proof(&server, ("POST", "/token"), &instead);
        assert_eq!(token(&server, &proof, &OWN_BEHALF).await.status, 200, "{instead}");
    }
    let claims = json!({ "jti": "1", "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": now });
    let of_another_type = holder.0.sign_embedded("JWT", &claims).unwrap();
    let without_its_key = holder.0.signer().unwrap().sign("dpop+jwt", &claims).unwrap();
    let rs256 = PrivateKey::generate(Algorithm::RS256).unwrap().sign_embedded("dpop+jwt", &claims).unwrap();
    let cut = holder.token_proof(&server);
    for proof in [&of_another_type, &without_its_key, &rs256, &cut[..cut.len() - 4], "", "a.b.c", "\u{e9}"] {
        token(&server, proof, &OWN_BEHALF).await.assert_error(400, "invalid_dpop_proof");
    }
    let proofs = [holder.token_proof(&server), holder.token_proof(&server)];
    let authorization = basic("app", SECRET);
    let headers = [("authorization", authorization.as_str()), ("dpop", &proofs[0]), ("dpop", &proofs[1])];
    server.post("/token", &headers, &OWN_BEHALF).await.assert_error(400, "invalid_dpop_proof");
}

#[tokio::test]
async fn a_proof_is_good_once_however_many_try() {
    let (server, holder) = (start().await, Holder::new());
    let proof = holder.token_proof(&server);
    let authorization = basic("app", SECRET);
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    let requests = (0..8).map(|_| form_request("/token", &headers, &OWN_BEHALF));
    one_success(server.send_at_once(requests).await, "invalid_dpop_proof");
    // The same name by another key is another proof.
    let named = |holder: &Holder| holder.proof(&server, ("POST", "/token"), &json!({ "jti": "the same" }));
    assert_eq!(token(&server, &named(&holder), &OWN_BEHALF).await.status, 200);
    assert_eq!(token(&server, &named(&Holder::new()), &OWN_BEHALF).await.status, 200);
    token(&server, &named(&holder), &OWN_BEHALF).await.assert_error(400, "invalid_dpop_proof");
}

#[tokio::test]
async fn a_code_that_was_asked_for_with_a_key_is_good_with_that_key_alone() {
    let (server, holder) = (start().await, Holder::new());
    let mut browser = server.browser();
    let code = browser.answer("app", ADA, &[("dpop_jkt", holder.jkt())]).await.assert_code();
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    let thief = Holder::new();
    token(&server, &thief.token_proof(&server), &exchange(&code)).await.assert_error(400, "invalid_grant");
    let tokens = token(&server, &holder.token_proof(&server), &exchange(&code)).await;
    assert_eq!(tokens.json()["token_type"], "DPoP", "wrong tries spent nothing");
    for wrong in ["short", &"é".repeat(43), &format!("{}=", holder.jkt())] {
        browser.get(&authorize_path("app", &[("dpop_jkt", wrong)])).await.assert_refused("invalid_request");
    }
}

#[tokio::test]
async fn refresh_tokens_of_a_public_client_are_bound_to_the_key_and_stay() {
    let (server, holder) = (start().await, Holder::new());
    let code = server.browser().code("spa", ADA, "openid offline_access").await;
    let tokens = public_token(&server, Some(&holder.token_proof(&server)), &exchange(&code)).await.json();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    public_token(&server, None, &refresh).await.assert_error(400, "invalid_dpop_proof");
    let thief = Holder::new();
    public_token(&server, Some(&thief.token_proof(&server)), &refresh).await.assert_error(400, "invalid_grant");
    for _ in 0..2 {
        let next = public_token(&server, Some(&holder.token_proof(&server)), &refresh).await.json();
        assert_eq!(next["refresh_token"], tokens["refresh_token"]);
        assert_eq!(claims(text(&next, "access_token"))["cnf"]["jkt"], holder.jkt());
    }
}

#[tokio::test]
async fn without_a_proof_at_first_a_refresh_token_is_bound_to_nothing() {
    let (server, holder) = (start().await, Holder::new());
    let code = server.browser().code("spa", ADA, "openid offline_access").await;
    let tokens = public_token(&server, None, &exchange(&code)).await.json();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    let next = public_token(&server, Some(&holder.token_proof(&server)), &refresh).await.json();
    assert_eq!(next["token_type"], "DPoP");
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
}

#[tokio::test]
async fn a_confidential_client_may_use_another_key_at_each_refresh() {
    let server = start().await;
    let code = server.browser().code("app", ADA, "openid offline_access").await;
    let mut tokens = token(&server, &Holder::new().token_proof(&server), &exchange(&code)).await.json();
    for _ in 0..2 {
        let holder = Holder::new();
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
        let next = token(&server, &holder.token_proof(&server), &refresh).await.json();
        assert_eq!(claims(text(&next, "access_token"))["cnf"]["jkt"], holder.jkt());
        tokens = next;
    }
}

#[tokio::test]
async fn userinfo_takes_a_bound_token_with_a_proof_of_its_key_alone() {
    let (server, holder) = (start().await, Holder::new());
    let code = server.browser().code("app", ADA, "openid").await;
    let tokens = token(&server, &holder.token_proof(&server), &exchange(&code)).await.json();
    let access = text(&tokens, "access_token");
    let told = holder.userinfo(&server, access).await;
    assert_eq!((told.status, &told.json()["sub"]), (200, &claims(access)["sub"]));

    let ath = URL_SAFE_NO_PAD.encode(sha256(access.as_bytes()));
    let dpop = format!("DPoP {access}");
    let for_userinfo = |instead: Value| holder.proof(&server, ("POST", "/userinfo"), &instead);
    let used = for_userinfo(json!({ "ath": ath }));
    assert_eq!(userinfo(&server, &dpop, Some(&used)).await.status, 200);
    for (authorization, proof, error) in [
        (&dpop, None, "invalid_dpop_proof"),
        (&dpop, Some(used), "invalid_dpop_proof"),
        (&dpop, Some(for_userinfo(json!({}))), "invalid_dpop_proof"),
        (&dpop, Some(for_userinfo(json!({ "ath": "another" }))), "invalid_dpop_proof"),
        (&dpop, Some(for_userinfo(json!({ "ath": ath, "htm": "GET" }))), "invalid_dpop_proof"),
        (&dpop, Some(Holder::new().proof(&server, ("POST", "/userinfo"), &json!({ "ath": ath }))), "invalid_token"),
        (&format!("Bearer {access}"), None, "invalid_token"),
        (&format!("Bearer {access}"), Some(for_userinfo(json!({ "ath": ath }))), "invalid_token"),
    ] {
        let reply = userinfo(&server, authorization, proof.as_deref()).await;
        reply.assert_error(401, error);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("DPoP realm=") && challenge.contains(&format!("error=\"{error}\"")),
            "{challenge}"
        );
        assert!(challenge.ends_with("algs=\"ES256 EdDSA PS256\""), "{challenge}");
    }
    let bearer = server.sign_in("app", ADA, "openid").await;
    holder.userinfo(&server, text(&bearer, "access_token")).await.assert_error(401, "invalid_token");
}

#[tokio::test]
async fn where_nonces_are_needed_the_answer_says_which_and_every_node_knows_it() {
    let (server, holder) = (start_with("dpop.nonces = true").await, Holder::new());
    let with = |nonce: &str| holder.proof(&server, ("POST", "/token"), &json!({ "nonce": nonce }));
    let told = token(&server, &holder.token_proof(&server), &OWN_BEHALF).await;
    told.assert_error(400, "use_dpop_nonce");
    let nonce = told.header("dpop-nonce").unwrap().to_owned();
    let answered = token(&server, &with(&nonce), &OWN_BEHALF).await;
    assert_eq!((answered.status, answered.header("dpop-nonce")), (200, Some(nonce.as_str())));
    let node = server.beside().await;
    assert_eq!(token(&node, &with(&nonce), &OWN_BEHALF).await.status, 200);

    let (number, tag) = nonce.split_once('.').unwrap();
    let later = number.parse::<i64>().unwrap() + 1;
    for wrong in
        ["", ".", "1", number, &format!("{later}.{tag}"), &format!("{number}.{}", "A".repeat(43)), &"9".repeat(40)]
    {
        token(&server, &with(wrong), &OWN_BEHALF).await.assert_error(400, "use_dpop_nonce");
    }
    server.advance(TimeDelta::minutes(5));
    let answered = token(&server, &with(&nonce), &OWN_BEHALF).await;
    assert_eq!(answered.status, 200, "one that was told a moment ago is good for a while");
    assert_ne!(answered.header("dpop-nonce"), Some(nonce.as_str()));
    server.advance(TimeDelta::minutes(5));
    token(&server, &with(&nonce), &OWN_BEHALF).await.assert_error(400, "use_dpop_nonce");
    assert!(server.token("app", &OWN_BEHALF).await.header("dpop-nonce").is_none(), "of no use without a proof");

    let code = server.browser().code("app", ADA, "openid").await;
    let fresh = token(&server, &with(""), &OWN_BEHALF).await.header("dpop-nonce").unwrap().to_owned();
    let access = token(&server, &with(&fresh), &exchange(&code)).await.json();
    let told = holder.userinfo(&server, text(&access, "access_token")).await;
    told.assert_error(401, "use_dpop_nonce");
    assert!(told.header("www-authenticate").unwrap().contains("use_dpop_nonce") && told.header("dpop-nonce").is_some());
}

#[tokio::test]
async fn it_is_told_in_metadata_and_scripts_may_use_it() {
    let server = start().await;
    let document = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(document["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "PS256"]));
    let origin = ("origin", "https://app.example");
    let request = http::Request::options("/token").header(origin.0, origin.1).body(axum::body::Body::empty()).unwrap();
    let preflight = server.send(request).await;
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("dpop"));
    let (authorization, proof) = (basic("app", SECRET), Holder::new().token_proof(&server));
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str()), origin];
    let answer = server.post("/token", &headers, &OWN_BEHALF).await;
    assert!(answer.header("access-control-expose-headers").unwrap().contains("dpop-nonce"));
}
