//! Several nodes, as processes of their own: any request at any node, and what becomes of it when Redis goes.

use std::collections::BTreeMap;

use countersign_jose::{Algorithm, PrivateKey};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::{Value, json};

use super::{
    machine::Machine,
    running::{Running, free_port},
};
use crate::harness::{PASSWORD, TestRedis, VERIFIER, authorize_path, basic, claims, hidden_fields};

const ADA: &str = "ada@example.com";

/// Nodes on one database and one Redis, with an app and a person.
struct Nodes {
    machine: Machine,
    running: Vec<Running>,
    http: Client,
    secret: String,
}

impl Nodes {
    async fn start(count: usize, redis: &TestRedis) -> Self {
        let machine = Machine::migrated().await.with("REDIS__URL", redis.url());
        machine.run_with_input(&["user", "add", ADA, "--password-stdin"], PASSWORD).assert_ok();
        let add = ["client", "add", "app", "--redirect-uri", "https://app.example/cb", "--first-party", "--json"];
        let client = machine.run(&add).json();
        let mut running = Vec::new();
        let mut machine = machine;
        for _ in 0..count {
            machine = machine.with("LISTEN", &format!("127.0.0.1:{}", free_port()));
            running.push(machine.serve().await);
        }
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { machine, running, http, secret: client["client_secret"].as_str().unwrap().to_owned() }
    }

    fn url(&self, node: usize, path: &str) -> String {
        format!("{}{path}", self.running[node % self.running.len()].address())
    }

    async fn token(&self, node: usize, form: &[(&str, &str)]) -> (u16, Value) {
        let request = self.http.post(self.url(node, "/token")).header("authorization", basic("app", &self.secret));
        told(request.form(form).send().await.unwrap()).await
    }

    async fn userinfo(&self, node: usize, token: &str) -> u16 {
        let request = self.http.get(self.url(node, "/userinfo")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    }

    /// Whether a node says that a token is good.
    async fn is_active(&self, node: usize, token: &str) -> bool {
        let request = self.http.post(self.url(node, "/introspect")).header("authorization", basic("app", &self.secret));
        let (status, answer) = told(request.form(&[("token", token)]).send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer["active"].as_bool().unwrap()
    }

    /// Signs Ada in, each request at the next node: the tokens.
    async fn sign_in(&self, first: usize) -> Value {
        let mut traveller = Traveller { nodes: self, next: first, cookies: BTreeMap::new() };
        let code = traveller.code().await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", VERIFIER),
        ];
        let (status, answer) = self.token(traveller.next, &form).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

async fn told(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// A browser whose requests each reach another node.
struct Traveller<'a> {
    nodes: &'a Nodes,
    next: usize,
    cookies: BTreeMap<String, String>,
}

impl Traveller<'_> {
    async fn send(&mut self, path: &str, form: Option<&[(&str, &str)]>) -> Response {
        let url = self.nodes.url(self.next, path);
        self.next += 1;
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match form {
            None => self.nodes.http.get(url),
            Some(form) => self.nodes.http.post(url).form(form),
        };
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        answer
    }

    async fn code(&mut self) -> String {
        let mut path = authorize_path("app", &[("scope", "openid offline_access")]);
        let mut form: Option<Vec<(String, String)>> = None;
        for _ in 0..8 {
            let fields = form.take();
            let fields: Option<Vec<(&str, &str)>> = fields
                .as_ref()
                .map(|fields| fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect());
            let answer = self.send(&path, fields.as_deref()).await;
            if let Some(location) = answer.headers().get("location") {
                let location = location.to_str().unwrap().to_owned();
                if let Some(answer) = location.strip_prefix("https://app.example/cb?") {
                    let pairs = url::form_urlencoded::parse(answer.as_bytes());
                    return pairs.into_iter().find(|(name, _)| name == "code").expect(&location).1.into_owned();
                }
                path = location;
                continue;
            }
            let page = answer.text().await.unwrap();
            let (action, mut fields) = hidden_fields(&page);
            fields.extend([("username".to_owned(), ADA.to_owned()), ("password".to_owned(), PASSWORD.to_owned())]);
            (path, form) = (action, Some(fields));
        }
        panic!("no code came of it");
    }
}

#[tokio::test]
async fn any_request_at_any_node() {
    let redis = TestRedis::shared();
    let nodes = Nodes::start(3, &redis).await;
    for first in 0..3 {
        let answer = nodes.sign_in(first).await;
        let (access, refresh) = (answer["access_token"].as_str().unwrap(), answer["refresh_token"].as_str().unwrap());
        for node in 0..3 {
            assert_eq!((nodes.userinfo(node, access).await, nodes.is_active(node, access).await), (200, true));
        }
        // Another node knows the refresh token, and no node takes it twice.
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let (status, refreshed) = nodes.token(first + 1, &form).await;
        assert_eq!(status, 200, "{refreshed}");
        let (status, refused) = nodes.token(first + 2, &form).await;
        assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
        // Which ends everything, on the third node, too, as soon as it is answered.
        let renewed = refreshed["access_token"].as_str().unwrap();
        for (node, token) in [(0, access), (1, access), (2, renewed), (0, renewed)] {
            assert_eq!((nodes.userinfo(node, token).await, nodes.is_active(node, token).await), (401, false));
        }
    }
}

#[tokio::test]
async fn a_revocation_is_seen_on_every_node_and_survives_them_and_a_flushed_redis() {
    let redis = TestRedis::own();
    let mut nodes = Nodes::start(2, &redis).await;
    let answer = nodes.sign_in(0).await;
    let (access, refresh) = (answer["access_token"].as_str().unwrap(), answer["refresh_token"].as_str().unwrap());
    let request = nodes.http.post(nodes.url(0, "/revoke")).header("authorization", basic("app", &nodes.secret));
    assert_eq!(request.form(&[("token", refresh)]).send().await.unwrap().status(), 200);
    assert_eq!((nodes.userinfo(1, access).await, nodes.is_active(1, access).await), (401, false));
    // What an operator ends on the command line, too.
    let other = nodes.sign_in(1).await;
    let other = other["access_token"].as_str().unwrap();
    assert_eq!(nodes.userinfo(0, other).await, 200);
    nodes.machine.run(&["session", "revoke", claims(other)["sid"].as_str().unwrap()]).assert_ok();
    assert_eq!((nodes.userinfo(0, other).await, nodes.userinfo(1, other).await), (401, 401));

    redis.run::<()>("FLUSHALL");
    for node in &mut nodes.running {
        node.signal("KILL");
        node.ended().await;
    }
    nodes.running = vec![nodes.machine.serve().await];
    for token in [access, other] {
        assert_eq!((nodes.userinfo(0, token).await, nodes.is_active(0, token).await), (401, false));
    }
}

/// Everything but replay guards goes on, and those come back by themselves.
#[tokio::test]
async fn without_redis_people_sign_in_and_what_must_be_used_once_is_refused() {
    let mut redis = TestRedis::own();
    let nodes = Nodes::start(2, &redis).await;
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    nodes.machine.write("keys.json", &json!({ "keys": [key.public_jwk().to_value()] }).to_string());
    let grants = ["--grant", "client_credentials"];
    let add = ["client", "add", "service", "--auth-method", "private_key_jwt", "--jwks", "keys.json"];
    nodes.machine.run(&[&add[..], &grants].concat()).assert_ok();
    let audience = nodes.machine.setting("ISSUER").to_owned();
    let number = std::cell::Cell::new(0);
    let assert = async |node: usize| {
        number.set(number.get() + 1);
        let now = countersign::clock::Clock::system().now().timestamp();
        let claims = json!({
            "iss": "service", "sub": "service", "aud": audience, "jti": number.get().to_string(), "iat": now, "exp": now + 60
        });
        let assertion = key.signer().unwrap().sign("JWT", &claims).unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        let answer = nodes.http.post(nodes.url(node, "/token")).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().get("retry-after").is_some())
    };
    // Nobody knows yet that this Redis forgot nothing, and so nothing of before is taken; then it is.
    nodes.running[0].soon(async || assert(0).await == (200, false)).await;
    let before = nodes.sign_in(0).await;

    redis.stop();
    assert_eq!(assert(1).await, (503, true));
    let answer = nodes.sign_in(1).await;
    let access = answer["access_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", before["refresh_token"].as_str().unwrap())];
    assert_eq!(nodes.token(0, &form).await.0, 200);
    assert_eq!((nodes.userinfo(0, access).await, nodes.is_active(1, access).await), (200, true));
    for node in 0..2 {
        let (status, body) = nodes.running[node].get("/readyz").await;
        assert!(status == 200 && body.contains("\"redis\":\"down\""), "{status} {body}");
    }

    redis.start();
    nodes.running[0].soon(async || assert(0).await == (200, false)).await;
    nodes.running[1].soon(async || nodes.running[1].get("/readyz").await.1.contains("\"redis\":\"up\"")).await;
}

/// What the command line changes, and what a node does by itself.
#[tokio::test]
async fn every_node_learns_of_every_change() {
    let redis = TestRedis::shared();
    let nodes = Nodes::start(2, &redis).await;
    let add = ["client", "add", "late", "--grant", "client_credentials"];
    let secret = nodes.machine.json(&add)["client_secret"].as_str().unwrap().to_owned();
    let new = nodes.machine.json(&["key", "rotate", "--now"])["kid"].as_str().unwrap().to_owned();
    for node in &nodes.running {
        node.soon(async || node.client_token("late", &secret).await.0 == 200).await;
        node.soon(async || node.get("/.well-known/jwks.json").await.1.contains(&new)).await;
    }
    nodes.machine.run(&["client", "remove", "late"]).assert_ok();
    for node in &nodes.running {
        node.soon(async || node.client_token("late", &secret).await.0 == 401).await;
    }
}
