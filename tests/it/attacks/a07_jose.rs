//! Attack 7: hostile JSON Web Tokens at every endpoint that reads one (RFC 8725): as access token, as `id_token_hint` and as
//! client assertion. The guards themselves are tested in `crates/countersign-jose`; here they must stand in every way.

use std::sync::LazyLock;

use axum::body::Body;
use countersign_jose::{Algorithm, JwkSet, PrivateKey, Signer};
use countersign_types::{ClientAuthMethod, GrantType};
use http::Request;
use serde_json::{Value, json};

use crate::harness::{Forger, ISSUER, SECRET, Server, authorize_path, b64, basic, claims, confidential, merge};

const USER: &str = "ada@example.com";

static THIEF: LazyLock<Forger> = LazyLock::new(|| Forger::new(PrivateKey::generate(Algorithm::RS256).unwrap()));

/// Where tokens are read.
struct Target {
    server: Server,
    /// Our own signing key.
    ours: Forger,
    /// The key of the client `service`.
    clients: Forger,
    access: Value,
    id: Value,
}

impl Target {
    async fn new() -> Self {
        let server = Server::start().await;
        let clients = Forger::new(PrivateKey::generate(Algorithm::RS256).unwrap());
        let jwks = JwkSet::parse(&json!({ "keys": [clients.public()] })).unwrap();
        let service = confidential(ClientAuthMethod::PrivateKeyJwt, |client| {
            client.jwks = Some(jwks);
            client.grant_types = [GrantType::ClientCredentials].into();
        });
        server.add_client("service", service).await;
        server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
        server.add_user(USER, None).await;
        let tokens = server.sign_in("app", USER, "openid").await;
        let read = |name: &str| claims(tokens[name].as_str().unwrap());
        Self { ours: server.stolen_key().await, clients, access: read("access_token"), id: read("id_token"), server }
    }

    fn assertion(&self) -> Value {
        let now = self.server.clock.now().timestamp();
        json!({ "iss": "service", "sub": "service", "aud": ISSUER, "jti": self.server.app.random.id(), "iat": now, "exp": now + 60 })
    }

    async fn userinfo(&self, token: &str) -> u16 {
        self.server.userinfo(token).await.status
    }

    async fn assert_not_an_access_token(&self, token: &str) {
        let reply = self.server.userinfo(token).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
        let reply = self.server.post("/userinfo", &[], &[("access_token", token)]).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
        assert_eq!(self.server.introspect("app", token).await, json!({ "active": false }), "{token}");
        let header = basic("app", SECRET);
        // RFC 7009 §2.2: nothing to revoke.
        let reply = self.server.post("/revoke", &[("authorization", &header)], &[("token", token)]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    async fn assert_not_a_hint(&self, token: &str) {
        let hinted = self.server.get(&authorize_path("app", &[("id_token_hint", token)])).await;
        assert_eq!(hinted.redirect_query()["error"], "invalid_request", "{token}");
        self.server.post("/logout", &[], &[("id_token_hint", token)]).await.assert_page(400);
    }

    async fn token_with(&self, assertion: &str) -> crate::harness::Reply {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "service"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        self.server.post("/token", &[], &form).await
    }

    async fn assert_not_an_assertion(&self, token: &str) {
        self.token_with(token).await.assert_error(401, "invalid_client");
    }

    /// Tries what comes of `forge`, which is given the key that would be right, the type and the claims.
    async fn assert_refused_everywhere(&self, forge: impl Fn(&Forger, &str, &Value) -> Vec<String>) {
        for token in forge(&self.ours, "at+jwt", &self.access) {
            self.assert_not_an_access_token(&token).await;
        }
        for token in forge(&self.ours, "JWT", &self.id) {
            if !token.is_empty() {
                self.assert_not_a_hint(&token).await;
            }
        }
        for token in forge(&self.clients, "JWT", &self.assertion()) {
            self.assert_not_an_assertion(&token).await;
        }
    }
}

/// Header and payload as segments.
fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", b64(header.to_string()), b64(claims.to_string()))
}

#[tokio::test]
async fn the_forgers_are_right_but_for_the_attack() {
    let target = Target::new().await;
    let nothing = json!({});
    assert_eq!(target.userinfo(&target.ours.sign("at+jwt", &nothing, &target.access)).await, 200);
    let hint = target.ours.sign("JWT", &nothing, &target.id);
    let reply = target.server.get(&authorize_path("app", &[("id_token_hint", &hint)])).await;
    assert!(reply.location().starts_with("/login?i="));
    let assertion = target.clients.sign("JWT", &nothing, &target.assertion());
    assert_eq!(target.token_with(&assertion).await.status, 200);
}

#[tokio::test]
async fn alg_none() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let genuine = key.sign(typ, &json!({}), claims);
            let signature = genuine.rsplit('.').next().unwrap();
            ["none", "None", "NONE", "nOnE", ""]
                .into_iter()
                .flat_map(|alg| {
                    let header = json!({ "alg": alg, "typ": typ, "kid": key.kid() });
                    let unsigned = unsigned(&header, claims);
                    [format!("{unsigned}."), unsigned.clone(), format!("{unsigned}.{signature}")]
                })
                .collect()
        })
        .await;
}

#[tokio::test]
async fn hs256_with_the_rsa_public_key_as_secret() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let pem = key.public_pem();
            let trimmed = String::from_utf8(pem.clone()).unwrap().trim().as_bytes().to_vec();
            let jwk = key.public().to_string().into_bytes();
            let modulus = key.public()["n"].as_str().unwrap().as_bytes().to_vec();
            let sign = |secret: Vec<u8>| {
                let header = json!({ "alg": "HS256", "typ": typ, "kid": key.kid() });
                let input = unsigned(&header, claims);
                let key = openssl::pkey::PKey::hmac(&secret).unwrap();
                let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
                let tag = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
                format!("{input}.{}", b64(tag))
            };
            [pem, trimmed, jwk, modulus].into_iter().map(sign).collect()
        })
        .await;
}

#[tokio::test]
async fn another_key_under_our_kid() {
    let target = Target::new().await;
    let forge = |key: &Forger, typ: &str, claims: &Value| vec![THIEF.sign(typ, &json!({ "kid": key.kid() }), claims)];
    target.assert_refused_everywhere(forge).await;
}

#[tokio::test]
async fn an_embedded_jwk() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let embedded = json!({ "jwk": THIEF.public() });
            let under_our_kid = merge(&embedded, &json!({ "kid": key.kid() }));
            vec![THIEF.sign(typ, &embedded, claims), THIEF.sign(typ, &under_our_kid, claims)]
        })
        .await;
}

/// Names an address in the header; nobody may come there.
async fn assert_never_fetched(parameter: &str) {
    let target = Target::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let named = json!({ parameter: url, "kid": key.kid() });
            vec![THIEF.sign(typ, &named, claims), key.sign(typ, &named, claims)]
        })
        .await;
    let visit = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    assert!(visit.is_err(), "{parameter} was fetched");
}

#[tokio::test]
async fn jku() {
    assert_never_fetched("jku").await;
}

#[tokio::test]
async fn x5u() {
    assert_never_fetched("x5u").await;
}

#[tokio::test]
async fn kid_with_traversal() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let kids =
                ["../../../../dev/null", "/proc/self/environ", "keys/master.key", "file:///dev/null", "\u{0}", ""];
            kids.map(|kid| key.sign(typ, &json!({ "kid": kid }), claims)).to_vec()
        })
        .await;
}

#[tokio::test]
async fn kid_with_sql() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let kids = ["' OR '1'='1", "x' UNION SELECT 'secret' --", "'; DROP TABLE signing_key; --"];
            kids.map(|kid| key.sign(typ, &json!({ "kid": kid }), claims)).to_vec()
        })
        .await;
}

#[tokio::test]
async fn kid_that_is_no_text() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let kids = [json!(1), json!([key.kid()]), json!({ "kid": key.kid() }), json!(true)];
            kids.map(|kid| key.sign(typ, &json!({ "kid": kid }), claims)).to_vec()
        })
        .await;
}

#[tokio::test]
async fn unknown_crit() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let crits =
                [json!({ "crit": ["x"], "x": 1 }), json!({ "crit": [] }), json!({ "crit": ["b64"], "b64": false })];
            crits.map(|crit| key.sign(typ, &crit, claims)).to_vec()
        })
        .await;
}

#[tokio::test]
async fn duplicate_members() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let header = json!({ "alg": "RS256", "typ": typ, "kid": key.kid() }).to_string();
            let again = |json: &str, member: &str| format!("{},{member}}}", json.strip_suffix('}').unwrap());
            let claims = claims.to_string();
            vec![
                key.sign_text(&again(&header, "\"alg\":\"none\""), &claims),
                key.sign_text(&again(&header, "\"kid\":\"other\""), &claims),
                key.sign_text(&header, &again(&claims, "\"sub\":\"admin\"")),
                key.sign_text(&header, &again(&claims, "\"s\\u0075b\":\"admin\"")),
                key.sign_text(&header, &again(&claims, "\"exp\":99999999999")),
            ]
        })
        .await;
}

#[tokio::test]
async fn empty_segments() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let genuine = key.sign(typ, &json!({}), claims);
            let [header, payload, signature] = genuine.split('.').collect::<Vec<_>>().try_into().unwrap();
            vec![
                ".".to_owned(),
                "..".to_owned(),
                "...".to_owned(),
                "....".to_owned(),
                format!(".{payload}.{signature}"),
                format!("{header}..{signature}"),
                format!("{header}.{payload}."),
                format!("{header}.{payload}"),
                format!("{genuine}."),
                format!(".{genuine}"),
                format!("{genuine}="),
                format!("{header}.{payload}.{signature}{signature}"),
            ]
        })
        .await;
}

#[tokio::test]
async fn an_encrypted_token_with_empty_iv_or_tag() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, _, _| {
            let headers = [
                json!({ "alg": "dir", "enc": "A256GCM" }),
                json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": key.kid() }),
                json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }),
            ];
            let tails = [".key..text.tag", ".key.iv.text.", "....", ".key.iv..tag"];
            let join = |header: &Value, tail| format!("{}{tail}", b64(header.to_string()));
            headers.iter().flat_map(|header| tails.map(|tail| join(header, tail))).collect()
        })
        .await;
}

#[tokio::test]
async fn zip() {
    let target = Target::new().await;
    let forge = |key: &Forger, typ: &str, claims: &Value| vec![key.sign(typ, &json!({ "zip": "DEF" }), claims)];
    target.assert_refused_everywhere(forge).await;
}

#[tokio::test]
async fn deep_json() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, claims| {
            let deep = format!("{}{}", "[".repeat(4_000), "]".repeat(4_000));
            let header = json!({ "alg": "RS256", "typ": typ, "kid": key.kid() }).to_string();
            let with = |json: &str| format!("{},\"deep\":{deep}}}", json.strip_suffix('}').unwrap());
            vec![
                key.sign_text(&header, &with(&claims.to_string())),
                key.sign_text(&with(&header), &claims.to_string()),
                key.sign_text(&deep, &deep),
            ]
        })
        .await;
}

#[tokio::test]
async fn segments_that_are_no_json() {
    let target = Target::new().await;
    target
        .assert_refused_everywhere(|key, typ, _| {
            let header = json!({ "alg": "RS256", "typ": typ, "kid": key.kid() }).to_string();
            ["", "null", "[]", "\"text\"", "{", "{}", "{\"sub\":1}", "\u{feff}{}", "{} {}"]
                .map(|payload| key.sign_text(&header, payload))
                .to_vec()
        })
        .await;
}

#[tokio::test]
async fn a_megabyte() {
    let target = Target::new().await;
    let huge = "a".repeat(1 << 20);
    for token in [huge.clone(), format!("{huge}.{huge}.{huge}"), ".".repeat(1 << 20)] {
        let request = Request::get("/userinfo").header("authorization", format!("Bearer {token}"));
        assert_eq!(target.server.send(request.body(Body::empty()).unwrap()).await.status, 401);
        let form = [("access_token", token.as_str()), ("token", &token), ("client_assertion", &token)];
        for path in ["/userinfo", "/introspect", "/revoke", "/token"] {
            target.server.post(path, &[], &form).await.assert_error(413, "invalid_request");
        }
        for path in ["/authorize", "/logout"] {
            target.server.post(path, &[], &[("id_token_hint", &token)]).await.assert_page(413);
        }
    }
    // The largest that still fits into a form.
    let fitting = "a".repeat(60_000);
    target.assert_not_an_access_token(&fitting).await;
    target.assert_not_a_hint(&fitting).await;
    target.assert_not_an_assertion(&fitting).await;
}

#[tokio::test]
async fn a_token_of_another_kind() {
    let target = Target::new().await;
    let nothing = json!({});
    target.assert_not_an_access_token(&target.ours.sign("JWT", &nothing, &target.id)).await;
    target.assert_not_an_access_token(&target.ours.sign("JWT", &nothing, &target.access)).await;
    target.assert_not_an_access_token(&target.ours.sign("at+jwt", &nothing, &target.id)).await;
    target.assert_not_a_hint(&target.ours.sign("at+jwt", &nothing, &target.access)).await;
    target.assert_not_a_hint(&target.ours.sign("JWT", &nothing, &target.access)).await;
    target.assert_not_a_hint(&target.ours.sign("logout+jwt", &nothing, &target.id)).await;
    target.assert_not_an_assertion(&target.ours.sign("JWT", &nothing, &target.assertion())).await;
}

#[tokio::test]
async fn a_token_past_its_time() {
    let target = Target::new().await;
    let token = target.ours.sign("at+jwt", &json!({}), &target.access);
    target.server.advance(chrono::TimeDelta::minutes(10));
    target.assert_not_an_access_token(&token).await;
}

#[tokio::test]
async fn an_hmac_key_that_is_no_clients() {
    let target = Target::new().await;
    let signer = Signer::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    target.assert_not_an_access_token(&signer.sign("at+jwt", &target.access).unwrap()).await;
    target.assert_not_a_hint(&signer.sign("JWT", &target.id).unwrap()).await;
    target.assert_not_an_assertion(&signer.sign("JWT", &target.assertion()).unwrap()).await;
}
