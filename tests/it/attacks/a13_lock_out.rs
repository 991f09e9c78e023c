//! Attack 13: guessing past the delays, and keeping others out by failing on purpose. Each is tried with counters in memory and
//! in Redis.

use std::net::IpAddr;

use axum::body::Body;
use chrono::TimeDelta;
use countersign::{
    domain::{client::StoredSecret, credential::Password, throttle::DELAYS, user::User},
    store::link::LinkPurpose,
};
use countersign_types::{ClientAuthMethod, GrantType};
use http::Request;

use crate::harness::{
    Browser, CROWD, PASSWORD, Reply, SECRET, Server, TestRedis, basic, confidential, encode, form_request,
    hidden_fields,
};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const WRONG: &str = "not the password";
const NEW: &str = "a new battery for the staple";
const DEVICE: &str = "countersign_device";

/// Runs an attack on a server that counts in memory, and on one that counts in Redis.
async fn everywhere(settings: &str, attack: impl AsyncFn(&Server, &User)) {
    let redis = TestRedis::shared();
    for counters in [String::new(), format!("redis.url = '{}'", redis.url())] {
        let server = Server::with_settings(&format!("{settings}\n{counters}")).await;
        let ada = server.add_user(ADA, Some("ada")).await;
        server.add_user(BOB, None).await;
        attack(&server, &ada).await;
    }
}

async fn try_in(browser: &mut Browser<'_>, name: &str, password: &str) -> u16 {
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", name), ("password", password)]).await.status
}

async fn try_password(server: &Server, name: &str, password: &str) -> u16 {
    try_in(&mut server.browser(), name, password).await
}

/// A browser that knows the sign-in page, so that only its last request comes from an address of its own.
async fn try_from(server: &Server, address: &str, name: &str) -> u16 {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let (_, hidden) = hidden_fields(&page.text());
    let cookie = format!("countersign_browser={}", browser.cookies["countersign_browser"]);
    let form = [("csrf", hidden[0].1.as_str()), ("username", name), ("password", WRONG)];
    let address: IpAddr = address.parse().unwrap();
    server.send_from(address, form_request("/login", &[("cookie", &cookie)], &form)).await.status
}

/// Fails at an account until it must wait.
async fn lock(server: &Server, name: &str) {
    for _ in 0..5 {
        assert_eq!(try_password(server, name, WRONG).await, 422);
    }
    assert_eq!(try_password(server, name, PASSWORD).await, 429);
}

/// Fails at an account for as long as it takes to the longest delay, from ever new addresses.
async fn lock_for_long(server: &Server, name: &str) {
    for n in 0..16 {
        if n >= 5 {
            server.advance(TimeDelta::from_std(DELAYS[n - 5]).unwrap());
        }
        assert_eq!(try_from(server, &format!("198.51.100.{n}"), name).await, 422);
    }
    assert_eq!(try_from(server, "203.0.113.1", name).await, 429);
}

#[tokio::test]
async fn by_another_spelling_of_the_name() {
    everywhere("", async |server, _| {
        for name in [ADA, "ada", "ADA", " Ada@Example.COM ", "\u{ff41}da"] {
            assert_eq!(try_password(server, name, WRONG).await, 422, "{name}");
        }
        for name in [ADA, "ada", "aDa", "ada@EXAMPLE.com\u{a0}", "\u{ff21}DA", "\u{1d51e}da"] {
            assert_eq!(try_password(server, name, PASSWORD).await, 429, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn by_another_spelling_of_a_name_that_nobody_has() {
    everywhere("", async |server, _| {
        for name in ["eve", "EVE", " eve ", "\u{ff45}ve", "Eve"] {
            assert_eq!(try_password(server, name, WRONG).await, 422, "{name}");
        }
        assert_eq!(try_password(server, "eVe", WRONG).await, 429);
    })
    .await;
}

#[tokio::test]
async fn by_spreading_over_addresses() {
    everywhere("", async |server, _| {
        for n in 0..5 {
            assert_eq!(try_from(server, &format!("198.51.100.{n}"), ADA).await, 422);
        }
        assert_eq!(try_from(server, "203.0.113.1", ADA).await, 429);
        assert_eq!(try_from(server, "2001:db8::1", ADA).await, 429);
    })
    .await;
}

#[tokio::test]
async fn by_spreading_over_names() {
    everywhere("throttle.address = 8", async |server, _| {
        for n in 0..8 {
            assert_eq!(try_from(server, "198.51.100.1", &format!("name{n}")).await, 422);
        }
        assert_eq!(try_from(server, "198.51.100.1", ADA).await, 429);
        assert_eq!(try_from(server, "198.51.100.2", ADA).await, 422, "others do not wait");
    })
    .await;
}

#[tokio::test]
async fn by_the_many_addresses_of_one_line() {
    everywhere("throttle.address = 8", async |server, _| {
        for n in 0..8 {
            assert_eq!(try_from(server, &format!("2001:db8:1:2::{n}"), &format!("name{n}")).await, 422);
        }
        assert_eq!(try_from(server, "2001:db8:1:2:3:4:5:6", ADA).await, 429);
        assert_eq!(try_from(server, "2001:db8:1:3::1", ADA).await, 422, "another line");
        for n in 0..8 {
            let address = if n % 2 == 0 { "198.51.100.1" } else { "::ffff:198.51.100.1" };
            assert_eq!(try_from(server, address, &format!("name{n}")).await, 422);
        }
        assert_eq!(try_from(server, "198.51.100.1", "ada").await, 429);
    })
    .await;
}

#[tokio::test]
async fn by_the_many_lines_of_one_site() {
    everywhere("throttle.address = 2", async |server, _| {
        for n in 0..20 {
            assert_eq!(try_from(server, &format!("2001:db8:1:{n}::1"), &format!("name{n}")).await, 422);
        }
        assert_eq!(try_from(server, "2001:db8:1:ffff::1", ADA).await, 429);
        assert_eq!(try_from(server, "2001:db8:2:ffff::1", ADA).await, 422, "another site");
    })
    .await;
}

#[tokio::test]
async fn by_spreading_over_addresses_and_names() {
    everywhere("throttle.house = 20", async |server, _| {
        let mut own = server.browser();
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 200);
        for n in 0..20 {
            assert_eq!(try_from(server, &format!("198.51.100.{n}"), &format!("name{n}")).await, 422);
        }
        // One is free now where five were.
        assert_eq!(try_from(server, "203.0.113.1", BOB).await, 422);
        assert_eq!(try_from(server, "203.0.113.2", BOB).await, 429);
        server.advance(TimeDelta::seconds(1));
        assert_eq!(try_password(server, BOB, PASSWORD).await, 200, "delays are no longer than usual");
        for _ in 0..5 {
            assert_eq!(try_in(&mut own, ADA, WRONG).await, 422, "people on their own devices notice nothing");
        }
        server.advance(TimeDelta::minutes(30));
        for _ in 0..5 {
            assert_eq!(try_password(server, "eve", WRONG).await, 422, "it is over");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_trying_at_once() {
    everywhere("", async |server, _| {
        let mut browser = server.browser();
        let page = browser.open("/login").await;
        let (_, hidden) = hidden_fields(&page.text());
        let cookie = format!("countersign_browser={}", browser.cookies["countersign_browser"]);
        let form = [("csrf", hidden[0].1.as_str()), ("username", ADA), ("password", WRONG)];
        let replies = server.post_at_once("/login", &[("cookie", &cookie)], &form).await;
        let looked_at = replies.iter().filter(|reply| reply.status == 422).count();
        let refused = replies.iter().filter(|reply| reply.status == 429).count();
        assert_eq!((looked_at, refused), (5, CROWD - 5));
    })
    .await;
}

#[tokio::test]
async fn by_another_way_in() {
    everywhere("", async |server, _| {
        server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
        let mut browser = server.browser();
        assert_eq!(try_in(&mut browser, ADA, PASSWORD).await, 200);
        server.advance(TimeDelta::minutes(10));
        // The page that asks signed-in people again.
        let confirm = browser.open("/account/confirm?to=overview").await;
        for _ in 0..3 {
            assert_eq!(browser.submit(&confirm, &[("password", WRONG)]).await.status, 422);
        }
        for _ in 0..2 {
            assert_eq!(try_in(&mut browser, ADA, WRONG).await, 422);
        }
        assert_eq!(browser.submit(&confirm, &[("password", PASSWORD)]).await.status, 429);
        assert_eq!(try_in(&mut browser, ADA, PASSWORD).await, 429);
        // The same sign-in for an app.
        let for_app = browser.authorize("app", &[("prompt", "login")]).await;
        assert_eq!(browser.log_in(&for_app, ADA).await.status, 429);
        // There is no grant that takes a password.
        let grant = [("grant_type", "password"), ("username", ADA), ("password", PASSWORD)];
        server.token("app", &grant).await.assert_error(400, "unsupported_grant_type");
    })
    .await;
}

#[tokio::test]
async fn by_the_cookie_of_a_device_that_is_not_theirs() {
    everywhere("", async |server, _| {
        lock(server, ADA).await;
        let mut bobs = server.browser();
        assert_eq!(try_in(&mut bobs, BOB, PASSWORD).await, 200);
        for cookie in [bobs.cookies[DEVICE].clone(), "a".repeat(43), String::new()] {
            let mut browser = server.browser();
            browser.cookies.insert(DEVICE.to_owned(), cookie);
            assert_eq!(try_in(&mut browser, ADA, PASSWORD).await, 429);
        }
    })
    .await;
}

/// Somebody else who knew the password made their browser the person's own.
#[tokio::test]
async fn by_a_device_of_before_the_password_was_changed() {
    everywhere("", async |server, ada| {
        let mut thief = server.browser();
        assert_eq!(try_in(&mut thief, ADA, PASSWORD).await, 200);
        let link = server.issue_link(&LinkPurpose::ResetPassword(ada.id.clone())).await;
        let mut own = server.browser();
        let page = own.open(&link).await;
        assert_eq!(own.submit(&page, &[("password", NEW)]).await.status, 200);
        lock(server, ADA).await;
        assert_eq!(try_in(&mut thief, ADA, WRONG).await, 429, "counted like those of everybody else");
        assert_eq!(try_in(&mut own, ADA, NEW).await, 200, "the one that the password was chosen on is not");
    })
    .await;
}

#[tokio::test]
async fn by_signing_in_to_an_account_of_ones_own_in_between() {
    everywhere("throttle.address = 8", async |server, _| {
        for n in 0..8 {
            assert_eq!(try_password(server, &format!("name{n}"), WRONG).await, 422);
            if n < 7 {
                assert_eq!(try_password(server, BOB, PASSWORD).await, 200);
            }
        }
        assert_eq!(try_password(server, BOB, PASSWORD).await, 429);
    })
    .await;
}

#[tokio::test]
async fn by_coming_too_early_again_and_again() {
    everywhere("", async |server, _| {
        lock(server, ADA).await;
        for _ in 0..3 {
            assert_eq!(try_password(server, ADA, PASSWORD).await, 429);
            server.advance(TimeDelta::milliseconds(300));
        }
        server.advance(TimeDelta::milliseconds(100));
        assert_eq!(try_password(server, ADA, PASSWORD).await, 200, "a refused try makes nobody wait longer");
    })
    .await;
}

#[tokio::test]
async fn a_refused_try_is_not_looked_at() {
    everywhere("", async |server, _| {
        lock(server, ADA).await;
        let jam = server.jam_passwords().await;
        assert_eq!(try_password(server, ADA, PASSWORD).await, 429);
        assert_eq!(try_password(server, BOB, PASSWORD).await, 503);
        jam.clear().await;
    })
    .await;
}

#[tokio::test]
async fn on_purpose_from_elsewhere() {
    everywhere("", async |server, _| {
        let mut own = server.browser();
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 200);
        let question = own.open("/logout").await;
        own.submit(&question, &[("confirm", "1")]).await;
        lock_for_long(server, ADA).await;
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 200, "signed out, and on a device that is known");
        assert_eq!(try_password(server, ADA, PASSWORD).await, 429, "no other device came free by that");
    })
    .await;
}

#[tokio::test]
async fn on_purpose_from_the_same_address() {
    everywhere("throttle.address = 8", async |server, _| {
        let mut own = server.browser();
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 200);
        for n in 0..8 {
            assert_eq!(try_password(server, &format!("name{n}"), WRONG).await, 422);
        }
        assert_eq!(try_password(server, BOB, PASSWORD).await, 429);
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 200);
    })
    .await;
}

#[tokio::test]
async fn ones_own_device_waits_for_its_own_failures_alone() {
    everywhere("", async |server, _| {
        let mut own = server.browser();
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 200);
        let mut other = server.browser();
        assert_eq!(try_in(&mut other, ADA, PASSWORD).await, 200);
        for _ in 0..5 {
            assert_eq!(try_in(&mut own, ADA, WRONG).await, 422);
        }
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 429);
        assert_eq!(try_in(&mut own, BOB, PASSWORD).await, 200, "the device is Ada's, not Bob's");
        assert_eq!(try_in(&mut other, ADA, PASSWORD).await, 200);
        server.advance(TimeDelta::seconds(1));
        assert_eq!(try_in(&mut own, ADA, PASSWORD).await, 200);
    })
    .await;
}

#[tokio::test]
async fn an_owner_who_was_locked_out_gets_in_by_a_new_password() {
    everywhere("", async |server, ada| {
        lock_for_long(server, ADA).await;
        let link = server.issue_link(&LinkPurpose::ResetPassword(ada.id.clone())).await;
        let mut new_device = server.browser();
        let page = new_device.open(&link).await;
        assert_eq!(new_device.submit(&page, &[("password", NEW)]).await.status, 200);
        // Whoever keeps them out goes on.
        for n in 0..5 {
            assert_eq!(try_from(server, &format!("203.0.113.{n}"), ADA).await, 422, "all was forgotten");
        }
        assert_eq!(try_password(server, ADA, NEW).await, 429);
        assert_eq!(try_in(&mut new_device, ADA, NEW).await, 200);
    })
    .await;
}

#[tokio::test]
async fn a_busy_server_counts_no_failure() {
    everywhere("", async |server, _| {
        let jam = server.jam_passwords().await;
        for _ in 0..8 {
            assert_eq!(try_password(server, ADA, PASSWORD).await, 503);
        }
        jam.clear().await;
        for _ in 0..5 {
            assert_eq!(try_password(server, ADA, WRONG).await, 422);
        }
    })
    .await;
}

#[tokio::test]
async fn a_broken_database_counts_no_failure() {
    everywhere("", async |server, _| {
        server.database.execute("ALTER TABLE audit_event RENAME TO audit_event_away").await;
        for _ in 0..8 {
            assert_eq!(try_password(server, ADA, WRONG).await, 503);
        }
        server.database.execute("ALTER TABLE audit_event_away RENAME TO audit_event").await;
        for _ in 0..5 {
            assert_eq!(try_password(server, ADA, WRONG).await, 422);
        }
    })
    .await;
}

#[tokio::test]
async fn the_audit_trail_does_not_grow_with_refused_tries() {
    everywhere("", async |server, _| {
        for _ in 0..5 {
            assert_eq!(try_password(server, ADA, WRONG).await, 422);
        }
        for wait in [1, 2] {
            let before = server.count("audit_event WHERE kind = 'login.throttled'").await;
            for _ in 0..10 {
                assert_eq!(try_password(server, ADA, WRONG).await, 429);
            }
            assert_eq!(server.count("audit_event WHERE kind = 'login.throttled'").await, before + 1);
            server.advance(TimeDelta::seconds(wait));
            assert_eq!(try_password(server, ADA, WRONG).await, 422);
        }
    })
    .await;
}

/// A client whose secret a person chose.
async fn add_client_with_chosen_secret(server: &Server, id: &str) {
    let registered = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
    });
    let mut client = server.add_client(id, registered).await;
    let phc = server.app.passwords.hash(&Password::typed(SECRET.to_owned()).unwrap()).await.unwrap();
    client.secret = Some(StoredSecret::Argon2(phc));
    server.update_client(&client).await;
}

async fn prove(server: &Server, address: &str, path: &str, (client, secret): (&str, &str)) -> Reply {
    let form = encode(&[("grant_type", "client_credentials"), ("token", "none")]);
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", basic(client, secret));
    server.send_from(address.parse().unwrap(), request.body(Body::from(form)).unwrap()).await
}

#[tokio::test]
async fn guessing_a_clients_secret() {
    const HERE: &str = "198.51.100.1";
    everywhere("throttle.address = 6", async |server, _| {
        add_client_with_chosen_secret(server, "machine").await;
        add_client_with_chosen_secret(server, "other").await;
        for path in ["/token", "/introspect", "/revoke"].repeat(2) {
            prove(server, HERE, path, ("machine", "a guess")).await.assert_error(401, "invalid_client");
        }
        let jam = server.jam_passwords().await;
        for path in ["/token", "/introspect", "/revoke"] {
            let refused = prove(server, HERE, path, ("machine", SECRET)).await;
            refused.assert_error(429, "temporarily_unavailable");
            assert_eq!(refused.header("retry-after"), Some("2"));
        }
        jam.clear().await;
        assert_eq!(prove(server, "203.0.113.1", "/token", ("machine", SECRET)).await.status, 200, "from elsewhere");
        assert_eq!(prove(server, HERE, "/token", ("other", SECRET)).await.status, 200, "another client");
        assert_eq!(try_from(server, HERE, ADA).await, 422, "a person");
        server.advance(TimeDelta::seconds(1));
        for _ in 0..10 {
            assert_eq!(prove(server, HERE, "/token", ("machine", SECRET)).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_busy_server_counts_no_failure_of_a_client() {
    everywhere("throttle.address = 2", async |server, _| {
        add_client_with_chosen_secret(server, "machine").await;
        let jam = server.jam_passwords().await;
        for _ in 0..4 {
            let busy = prove(server, "198.51.100.1", "/token", ("machine", SECRET)).await;
            busy.assert_error(503, "temporarily_unavailable");
        }
        jam.clear().await;
        assert_eq!(prove(server, "198.51.100.1", "/token", ("machine", SECRET)).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn keeping_out_a_client_whose_secret_cannot_be_guessed() {
    everywhere("throttle.address = 2", async |server, _| {
        let registered = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
            client.grant_types = [GrantType::ClientCredentials].into();
        });
        server.add_client("machine", registered).await;
        for _ in 0..5 {
            prove(server, "198.51.100.1", "/token", ("machine", "a guess")).await.assert_error(401, "invalid_client");
        }
        assert_eq!(prove(server, "198.51.100.1", "/token", ("machine", SECRET)).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn the_audit_trail_does_not_grow_with_failures_of_clients() {
    everywhere("throttle.address = 3", async |server, _| {
        add_client_with_chosen_secret(server, "machine").await;
        let rows = async || server.count("audit_event WHERE kind = 'client.authentication_failed'").await;
        let fail = async |address: &str| {
            for _ in 0..10 {
                assert!(prove(server, address, "/token", ("machine", "a guess")).await.status > 400);
            }
        };
        fail("198.51.100.1").await;
        assert_eq!(rows().await, 2, "wrong, and wrong too often");
        fail("2001:db8::1").await;
        fail("2001:db8::2").await;
        assert_eq!(rows().await, 4, "one line is one address");
        server.advance(TimeDelta::minutes(15));
        fail("198.51.100.1").await;
        assert_eq!(rows().await, 6, "it goes on");
    })
    .await;
}
