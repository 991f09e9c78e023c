//! Limits on how often endpoints answer, as apps, people and operators meet them. What others try with them is in `attacks/`.

use std::net::{IpAddr, Ipv6Addr};

use axum::body::Body;
use chrono::TimeDelta;
use countersign::domain::user::User;
use countersign_types::{ClientAuthMethod, GrantType};
use http::Request;

use crate::harness::{Browser, Reply, SECRET, Server, TestRedis, basic, confidential, form_request, public};

const ADA: &str = "ada@example.com";
const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// The same on one node, which counts in memory, and on one that shares a Redis.
async fn both(settings: &str, check: impl AsyncFn(Server)) {
    check(Server::with_settings(settings).await).await;
    let redis = TestRedis::shared();
    check(Server::with_settings(&format!("{settings}\nredis.url = '{}'", redis.url())).await).await;
}

async fn add_machine(server: &Server, id: &str) {
    let client = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
    });
    server.add_client(id, client).await;
}

async fn page_from(server: &Server, address: impl Into<IpAddr>, path: &str) -> Reply {
    server.send_from(address.into(), Request::get(path).body(Body::empty()).unwrap()).await
}

/// Policy, what is left of it, and when to come again.
fn told(reply: &Reply) -> (Option<&str>, Option<&str>, Option<&str>) {
    (reply.header("ratelimit-policy"), reply.header("ratelimit"), reply.header("retry-after"))
}

#[tokio::test]
async fn a_client_has_a_limit_of_its_own_and_is_told_how_much_is_left() {
    both("rate.token.client = '3/1m'", async |server| {
        add_machine(&server, "one").await;
        add_machine(&server, "other").await;
        let policy = Some("\"client\";q=3;w=60");
        for left in ["\"client\";r=2;t=60", "\"client\";r=1;t=60", "\"client\";r=0;t=80"] {
            let reply = server.token("one", &GRANT).await;
            assert_eq!((reply.status, told(&reply)), (200, (policy, Some(left), None)));
        }
        let refused = server.token("one", &GRANT).await;
        refused.assert_error(429, "temporarily_unavailable");
        assert!(refused.json()["error_description"].as_str().unwrap().contains("Retry-After"));
        assert_eq!(told(&refused), (policy, Some("\"client\";r=0;t=80"), Some("80")));
        assert_eq!(server.token("other", &GRANT).await.status, 200);

        // As long as it was told, and not a moment less. Refused requests make it no longer.
        server.advance(TimeDelta::seconds(80) - TimeDelta::milliseconds(1));
        assert_eq!(told(&server.token("one", &GRANT).await).2, Some("1"));
        server.advance(TimeDelta::milliseconds(1));
        assert_eq!(server.token("one", &GRANT).await.status, 200);
        assert_eq!(server.token("one", &GRANT).await.status, 429, "one alone has left the window");
        server.advance(TimeDelta::seconds(20));
        assert_eq!(server.token("one", &GRANT).await.status, 200);
        server.advance(TimeDelta::minutes(2));
        let reply = server.token("one", &GRANT).await;
        assert_eq!(reply.header("ratelimit"), Some("\"client\";r=2;t=20"), "all of it is forgotten");
    })
    .await;
}

#[tokio::test]
async fn who_did_not_prove_to_be_a_client_is_counted_by_address() {
    both("rate.token = { client = '100/m', address = '2/m' }", async |server| {
        add_machine(&server, "machine").await;
        server.add_client("app", public()).await;
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", "none"), ("client_id", "app")];
        let origin = [("origin", "https://app.example")];
        let policy = Some("\"address\";q=2;w=60");
        let wrong = server.post("/token", &[("authorization", &basic("machine", "wrong"))], &GRANT).await;
        assert_eq!((wrong.status, wrong.header("ratelimit-policy")), (401, policy));
        assert_eq!(server.post("/token", &origin, &refresh).await.status, 400);

        let refused = server.post("/token", &origin, &refresh).await;
        refused.assert_error(429, "temporarily_unavailable");
        // A script of the app may read all of that.
        assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example"));
        let exposed = refused.header("access-control-expose-headers").unwrap();
        for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
            assert!(exposed.split(", ").any(|header| header == name), "{exposed}");
        }
        assert_eq!(server.post("/token", &[], &[("rubbish", "1"), ("rubbish", "2")]).await.status, 429);

        // Neither another address nor a client that proves who it is waits for that, nor another endpoint.
        let elsewhere = form_request("/token", &[], &refresh);
        assert_eq!(server.send_from("192.0.2.9".parse().unwrap(), elsewhere).await.status, 400);
        assert_eq!(server.token("machine", &GRANT).await.status, 200);
        assert_eq!(server.post("/revoke", &[], &[("token", "x")]).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn each_endpoint_of_the_protocol_has_its_limits() {
    let settings = "rate.introspect.client = '2/m'\nrate.revoke.client = '2/m'\nrate.userinfo = { client = '2/m', address = '2/m' }";
    let server = Server::with_settings(settings).await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    let tokens = server.sign_in("app", ADA, "openid").await;
    let credentials = basic("app", SECRET);
    for path in ["/introspect", "/revoke"] {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(server.post(path, &[("authorization", &credentials)], &[("token", "x")]).await.status);
        }
        assert_eq!(statuses, [200, 200, 429], "{path}");
    }
    for (token, expected) in [(tokens["access_token"].as_str().unwrap(), 200), ("none", 401)] {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let request = Request::get("/userinfo").header("authorization", format!("Bearer {token}"));
            statuses.push(server.send(request.body(Body::empty()).unwrap()).await.status);
        }
        assert_eq!(statuses, [expected, expected, 429]);
    }
}

#[tokio::test]
async fn pages_count_by_address_and_say_so_in_the_readers_language() {
    both("rate.login.address = '3/1m'", async |server| {
        let mut browser = server.browser();
        browser.reads = Some("de");
        for _ in 0..2 {
            assert_eq!(browser.get("/login").await.status, 200);
        }
        let third = browser.get("/login/totp").await;
        assert_eq!(told(&third), (Some("\"address\";q=3;w=60"), Some("\"address\";r=0;t=80"), None));
        let refused = browser.get("/login").await;
        assert_eq!((refused.status, refused.header("content-language")), (429, Some("de")));
        assert_eq!(refused.header("retry-after"), Some("80"));
        assert!(refused.text().contains("Zu viele Anfragen"), "{}", refused.text());
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        browser.reads = None;
        assert!(browser.get("/login").await.text().contains("Too many requests"));
        assert_eq!(browser.post("/login", &[]).await.status, 429);

        assert_eq!(page_from(&server, [192, 0, 2, 9], "/login").await.status, 200);
        assert_eq!(browser.get("/recover").await.status, 200);
        server.advance(TimeDelta::seconds(80));
        assert_eq!(browser.get("/login").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn of_ipv6_a_line_counts_as_one_address_and_ten_lines_as_a_site() {
    both("rate.signup.address = '2/m'", async |server| {
        let from = |site: u16, line: u16, host: u16| Ipv6Addr::new(0x2001, 0xdb8, site, line, 0, 0, 0, host);
        let status = async |address: Ipv6Addr| page_from(&server, address, "/signup").await.status;
        let open = status(from(1, 0, 0)).await;
        assert_ne!(open, 429);
        assert_ne!(status(from(1, 0, 1)).await, 429);
        let refused = page_from(&server, from(1, 0, 2), "/signup").await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("ratelimit-policy"), Some("\"address\";q=2;w=60, \"site\";q=20;w=60"));
        assert!(refused.header("ratelimit").unwrap().contains("\"site\";r=18"), "a refused one counts nowhere");
        for line in 1..19 {
            assert_ne!(status(from(1, line, 0)).await, 429, "{line}");
        }
        assert_eq!(status(from(1, 99, 0)).await, 429, "twenty from the site");
        assert_ne!(status(from(2, 0, 0)).await, 429, "another one");
    })
    .await;
}

/// A person with these roles, signed in on a browser of their own.
async fn signed_in<'a>(server: &'a Server, email: &str, roles: &[&str]) -> Browser<'a> {
    let user = server.add_user(email, None).await;
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    server.update_user(&User { roles, ..user }).await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, email).await;
    browser
}

#[tokio::test]
async fn people_have_limits_of_their_own_which_their_roles_change() {
    let settings = "rate.authorize.account = '4/m'\nrate.roles = { service = 2, trial = 0.5, robot = 'off' }";
    both(settings, async |server| {
        for (email, roles, expected) in [
            ("ada@example.com", &["other"][..], 4),
            ("sam@example.com", &["service", "trial"], 8),
            ("tom@example.com", &["trial"], 2),
        ] {
            let mut browser = signed_in(&server, email, roles).await;
            for _ in 0..expected {
                assert_eq!(browser.get("/logout").await.status, 200, "{email}");
            }
            let refused = browser.get("/logout").await;
            assert_eq!(refused.status, 429, "{email}");
            let policy = refused.header("ratelimit-policy").unwrap();
            assert_eq!(policy, format!("\"address\";q=6000;w=60, \"account\";q={expected};w=60"));
            // On another browser it is the same person, and nobody else.
            let mut second = server.browser();
            let login = second.open("/login").await;
            second.log_in(&login, email).await;
            assert_eq!(second.get("/logout").await.status, 429, "{email}");
            assert_eq!(server.browser().get("/logout").await.status, 303, "who is not signed in");
        }
        let mut robot = signed_in(&server, "rob@example.com", &["robot", "trial"]).await;
        for _ in 0..10 {
            let reply = robot.get("/logout").await;
            assert_eq!((reply.status, reply.header("ratelimit-policy")), (200, Some("\"address\";q=6000;w=60")));
        }
    })
    .await;
}

#[tokio::test]
async fn a_role_that_was_given_counts_within_a_minute() {
    let server = Server::with_settings("rate.authorize.account = '2/10m'\nrate.roles.service = 10").await;
    let mut browser = signed_in(&server, ADA, &[]).await;
    for expected in [200, 200, 429] {
        assert_eq!(browser.get("/logout").await.status, expected);
    }
    let user = server.user(ADA).await;
    server.update_user(&User { roles: ["service".to_owned()].into(), ..user }).await;
    server.advance(TimeDelta::minutes(1));
    assert_eq!(browser.get("/logout").await.status, 200);
}

#[tokio::test]
async fn what_costs_nothing_and_what_operators_ask_has_no_limit() {
    let server = Server::with_settings("rate.exempt = ['198.51.100.0/24']\nrate.login.address = '1/m'").await;
    for path in [
        "/healthz",
        "/readyz",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/assets/style.css",
        "/signed-out",
    ] {
        assert_eq!(told(&server.get(path).await), (None, None, None), "{path}");
    }
    for _ in 0..3 {
        let exempt = page_from(&server, [198, 51, 100, 7], "/login").await;
        assert_eq!((exempt.status, told(&exempt)), (200, (None, None, None)));
    }
}

#[tokio::test]
async fn switched_off_nothing_is_counted_and_nothing_told() {
    let server = Server::with_settings("rate.login = { address = 'off', account = 0 }").await;
    for _ in 0..50 {
        let reply = server.get("/login").await;
        assert_eq!((reply.status, told(&reply)), (200, (None, None, None)));
    }
}

#[tokio::test]
async fn a_refused_request_is_counted_for_operators() {
    let server = Server::with_settings("rate.login.address = '1/m'").await;
    for _ in 0..3 {
        server.get("/login").await;
    }
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let told = server.send_from([127, 0, 0, 1].into(), request).await.text();
    let line = "countersign_rate_limited_total{endpoint=\"login\",by=\"address\"} 2";
    assert!(told.lines().any(|told| told == line), "{told}");
}

#[tokio::test]
async fn nodes_that_share_a_redis_count_together() {
    let redis = TestRedis::shared();
    let one = Server::with_settings(&format!("rate.login.address = '4/m'\nredis.url = '{}'", redis.url())).await;
    let other = one.beside().await;
    for node in [&one, &other, &one, &other] {
        assert_eq!(node.get("/login").await.status, 200);
    }
    assert_eq!(one.get("/login").await.status, 429);
    assert_eq!(other.get("/login").await.status, 429);
}

#[tokio::test]
async fn without_redis_each_node_counts_alone_and_nobody_sees_an_error() {
    let mut redis = TestRedis::own();
    let server = Server::with_settings(&format!("rate.login.address = '2/m'\nredis.url = '{}'", redis.url())).await;
    assert_eq!(server.get("/login").await.status, 200);
    redis.stop();
    for expected in [200, 200, 429, 429] {
        assert_eq!(server.get("/login").await.status, expected);
    }
    redis.start();
    server.advance(TimeDelta::seconds(2));
    for expected in [200, 200, 429] {
        assert_eq!(server.get("/login").await.status, expected, "what Redis counted is lost");
    }
}

#[tokio::test]
async fn a_redis_that_hangs_is_asked_by_one_for_all() {
    let redis = TestRedis::own();
    let server = Server::with_settings(&format!("rate.login.address = '1000/m'\nredis.url = '{}'", redis.url())).await;
    assert_eq!(server.get("/login").await.status, 200);
    redis.signal("STOP");
    let patience = std::time::Duration::from_secs(5);
    let asked = async {
        assert_eq!(server.get("/login").await.status, 200);
        for _ in 0..3 {
            server.advance(TimeDelta::seconds(1));
            for _ in 0..20 {
                assert_eq!(server.get("/login").await.status, 200);
            }
        }
    };
    tokio::time::timeout(patience, asked).await.expect("four waits and not sixty");
    redis.signal("CONT");
}
