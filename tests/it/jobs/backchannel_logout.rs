//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): whatever ends a session, the servers of its apps hear of it.

use chrono::TimeDelta;
use countersign::{
    domain::{
        client::{Client, SubjectType},
        user::User,
    },
    jobs,
    login::{self, session::end_everything},
    store::job::{self, JobKind},
};
use countersign_jose::{JwkSet, KeyManagement, Unverified, decrypt};
use countersign_types::{ClientAuthMethod, ClientId, GrantType, LogoutTokenClaims};
use serde_json::{Value, json};

use crate::harness::{
    Browser, EncryptionPair, ISSUER, Log, PASSWORD, RelyingParty, Server, claims, confidential, jose_header,
};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

/// A provider with two apps on one server, one that wants to hear of sign-outs and one that does not.
async fn start() -> (Server, RelyingParty) {
    let (server, party) = (Server::start().await, RelyingParty::start().await);
    add_app(&server, "app", &party.uri("/app")).await;
    server.add_client("silent", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    for person in [ADA, EVE] {
        server.add_user(person, None).await;
    }
    (server, party)
}

async fn add_app(server: &Server, id: &str, uri: &str) {
    let app = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
        app.backchannel_logout_uri = Some(uri.parse().unwrap());
    });
    server.add_client(id, app).await;
}

/// Signs in on this browser: the claims of the ID token.
async fn sign_in(server: &Server, browser: &mut Browser<'_>, client: &str, scope: &str) -> Value {
    let code = browser.code(client, ADA, scope).await;
    claims(server.exchange(client, &code).await.json()["id_token"].as_str().unwrap())
}

async fn sign_out(browser: &mut Browser<'_>) {
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await.assert_page(200);
}

/// Does what is due, and gives the claims of all logout tokens that came so far.
async fn heard(server: &Server, party: &RelyingParty) -> Vec<Value> {
    server.deliver_mails().await;
    party.posted().iter().map(|posted| claims(&posted.logout_token())).collect()
}

/// The sessions that apps have heard of.
async fn ended(server: &Server, party: &RelyingParty) -> Vec<Value> {
    heard(server, party).await.into_iter().map(|token| token["sid"].clone()).collect()
}

#[tokio::test]
async fn a_logout_token_says_who_was_signed_in_where_and_is_signed_like_an_id_token() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    let id_token = sign_in(&server, &mut browser, "app", "openid").await;
    server.advance(TimeDelta::minutes(5));
    sign_out(&mut browser).await;
    server.advance(TimeDelta::minutes(1));
    server.deliver_mails().await;

    let posted = party.posted().remove(0);
    assert_eq!((posted.method.as_str(), posted.content_type.as_str()), ("POST", "application/x-www-form-urlencoded"));
    let token = posted.logout_token();
    let header = jose_header(&token);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("logout+jwt"), &json!("RS256")));
    // At the time of sending, not that of the logout.
    let now = server.clock.now().timestamp();
    let said = claims(&token);
    assert_eq!(
        said,
        json!({
            "iss": ISSUER,
            "sub": id_token["sub"],
            "aud": "app",
            "iat": now,
            "exp": now + 120,
            "jti": said["jti"],
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            "sid": id_token["sid"],
        })
    );
    let jwks = JwkSet::parse(&server.get("/.well-known/jwks.json").await.json()).unwrap();
    let key = jwks.keys().iter().find(|key| key.kid() == header["kid"].as_str()).unwrap();
    let unverified = Unverified::parse(&token).unwrap();
    let verified: LogoutTokenClaims = unverified.verify(&key.verifier(unverified.algorithm()).unwrap()).unwrap();
    assert_eq!(verified.aud.single(), Some("app"));
}

#[tokio::test]
async fn a_logout_token_is_good_for_nothing_here() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, "app", "openid").await;
    sign_out(&mut browser).await;
    server.deliver_mails().await;
    let token = party.posted().remove(0).logout_token();

    assert_eq!(server.userinfo(&token).await.status, 401);
    assert_eq!(server.introspect("app", &token).await, json!({ "active": false }));
    server.get(&format!("/logout?id_token_hint={token}")).await.assert_page(400);
}

#[tokio::test]
async fn every_app_of_the_session_is_told_once_and_no_other() {
    let (server, party) = start().await;
    add_app(&server, "second", &party.uri("/second")).await;
    add_app(&server, "elsewhere", &party.uri("/elsewhere")).await;
    let mut browser = server.browser();
    for client in ["app", "app", "second", "silent"] {
        sign_in(&server, &mut browser, client, "openid").await;
    }
    let mut other = server.browser();
    sign_in(&server, &mut other, "elsewhere", "openid").await;
    sign_out(&mut browser).await;

    let mut told: Vec<_> =
        heard(&server, &party).await.iter().map(|token| token["aud"].as_str().unwrap().to_owned()).collect();
    told.sort_unstable();
    assert_eq!(told, ["app", "second"]);
    let jtis: std::collections::BTreeSet<_> =
        heard(&server, &party).await.iter().map(|token| token["jti"].to_string()).collect();
    assert_eq!(jtis.len(), 2);
}

#[tokio::test]
async fn an_app_that_keeps_offline_access_is_told_too() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    sign_out(&mut browser).await;
    assert_eq!(ended(&server, &party).await, [claims(tokens["id_token"].as_str().unwrap())["sid"].clone()]);
    assert_eq!(server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn after_an_app_asked_for_the_logout() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid").await;
    let id_token = server.exchange("app", &code).await.json()["id_token"].as_str().unwrap().to_owned();
    let bye = format!("/logout?id_token_hint={id_token}&post_logout_redirect_uri=https://app.example/bye");
    assert_eq!(browser.get(&bye).await.location(), "https://app.example/bye");
    // The one that asked for it is an app of the session like any other.
    assert_eq!(ended(&server, &party).await, [claims(&id_token)["sid"].clone()]);
}

#[tokio::test]
async fn after_someone_else_signed_in_on_the_same_browser() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    let session = sign_in(&server, &mut browser, "app", "openid").await;
    let page = browser.open("/login").await;
    browser.log_in(&page, EVE).await;
    assert_eq!(ended(&server, &party).await, [session["sid"].clone()]);
}

#[tokio::test]
async fn after_the_session_expired() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    let session = sign_in(&server, &mut browser, "app", "openid").await;
    server.advance(TimeDelta::hours(24));
    server.keep_house().await;
    assert_eq!(ended(&server, &party).await, [session["sid"].clone()]);
}

/// An app without refresh tokens holds nothing after ten minutes, but goes on with a session of its own.
#[tokio::test]
async fn after_days_in_which_an_app_held_no_token() {
    let (server, party) = start().await;
    let without_refresh = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
        app.grant_types = [GrantType::AuthorizationCode].into();
        app.backchannel_logout_uri = Some(party.uri("/page").parse().unwrap());
    });
    server.add_client("page", without_refresh).await;
    let mut browser = server.browser();
    let mut session = Value::Null;
    for _ in 0..3 {
        session = sign_in(&server, &mut browser, "page", "openid").await;
    }
    assert_eq!(server.count("person_grant").await, 3);
    for _ in 0..5 {
        server.advance(TimeDelta::hours(20));
        server.keep_house().await;
        browser.open("/").await;
    }
    assert_eq!(server.count("person_grant").await, 1, "one is left, to know by");
    sign_out(&mut browser).await;
    assert_eq!(ended(&server, &party).await, [session["sid"].clone()]);
    server.keep_house().await;
    assert_eq!(server.count("person_grant").await, 0);
}

#[tokio::test]
async fn after_a_device_was_ended_from_another() {
    let (server, party) = start().await;
    let mut lost = server.browser();
    let session = sign_in(&server, &mut lost, "app", "openid offline_access").await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.log_in(&page, ADA).await;
    let page = browser.open("/account/sessions").await;
    browser.submit(&page, &[("end", session["sid"].as_str().unwrap())]).await.assert_page(200);
    assert_eq!(ended(&server, &party).await, [session["sid"].clone()]);
}

#[tokio::test]
async fn after_the_password_was_changed_everywhere_else() {
    let (server, party) = start().await;
    let mut elsewhere = server.browser();
    let session = sign_in(&server, &mut elsewhere, "app", "openid").await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, "app", "openid").await;
    let page = browser.open("/account/password").await;
    let changed = [("password", PASSWORD), ("new_password", "quite another battery staple")];
    browser.submit(&page, &changed).await.assert_page(200);
    assert_eq!(ended(&server, &party).await, [session["sid"].clone()]);
}

#[tokio::test]
async fn after_the_person_was_disabled() {
    let (server, party) = start().await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(sign_in(&server, &mut server.browser(), "app", "openid").await["sid"].clone());
    }
    server.disable_user(&server.user(ADA).await).await;
    let mut heard = ended(&server, &party).await;
    let by_text = |one: &Value| one.to_string();
    heard.sort_by_key(by_text);
    sessions.sort_by_key(by_text);
    assert_eq!(heard, sessions);
}

/// The notices are there when nothing of the person is.
#[tokio::test]
async fn after_the_account_was_deleted() {
    let (server, party) = start().await;
    let session = sign_in(&server, &mut server.browser(), "app", "openid").await;
    let user: User = server.user(ADA).await;
    let mut tx = server.app.store.write().await.unwrap();
    login::account::delete(&server.app, &mut tx, &user, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let heard = heard(&server, &party).await;
    assert_eq!((&heard[0]["sid"], &heard[0]["sub"]), (&session["sid"], &session["sub"]));
}

#[tokio::test]
async fn after_everything_was_ended() {
    let (server, party) = start().await;
    party.answer(503);
    let mut browser = server.browser();
    let first = sign_in(&server, &mut browser, "app", "openid").await;
    sign_out(&mut browser).await;
    server.deliver_mails().await;
    // What waits is not forgotten with the mails that do.
    let second = sign_in(&server, &mut browser, "app", "openid").await;
    let mut tx = server.app.store.write().await.unwrap();
    end_everything(&mut tx, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    party.answer(200);
    server.advance(TimeDelta::minutes(1));
    assert_eq!(ended(&server, &party).await[1..], [first["sid"].clone(), second["sid"].clone()]);
}

#[tokio::test]
async fn a_notice_is_queued_if_and_only_if_the_session_ended() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, "app", "openid").await;
    let question = browser.open("/logout").await;
    server.database.execute("ALTER TABLE job RENAME TO job_elsewhere").await;
    assert_eq!(browser.submit(&question, &[("confirm", "1")]).await.status, 503);
    server.database.execute("ALTER TABLE job_elsewhere RENAME TO job").await;
    assert!(browser.get("/").await.text().contains("Signed in as"), "nobody was signed out");
    assert_eq!(heard(&server, &party).await.len(), 0);
    sign_out(&mut browser).await;
    assert_eq!(heard(&server, &party).await.len(), 1);
}

#[tokio::test]
async fn an_app_that_is_away_is_told_when_it_is_back_by_a_fresh_token() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    sign_in(&server, &mut browser, "app", "openid").await;
    party.answer(503);
    sign_out(&mut browser).await;
    assert_eq!(heard(&server, &party).await.len(), 1);
    // Not before its time: 5 s after the first try, then 10 s.
    for (seconds, tries) in [(4, 1), (1, 2), (9, 2), (1, 3)] {
        server.advance(TimeDelta::seconds(seconds));
        assert_eq!(heard(&server, &party).await.len(), tries);
    }
    party.answer(204);
    server.advance(TimeDelta::seconds(20));
    let tokens = heard(&server, &party).await;
    assert_eq!((tokens.len(), server.count("job").await), (4, 0));
    assert_ne!(tokens[0]["jti"], tokens[3]["jti"]);
    assert_eq!(tokens[3]["iat"], json!(server.clock.now().timestamp()));
    let counted = server.app.metrics.text();
    for line in [
        "countersign_job_tries_total{job=\"backchannel_logout\",outcome=\"done\"} 1",
        "countersign_job_tries_total{job=\"backchannel_logout\",outcome=\"failed\"} 3",
    ] {
        assert!(counted.lines().any(|told| told == line), "{line}: {counted}");
    }
}

#[tokio::test]
async fn an_app_that_stays_away_for_a_day_is_given_up() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    let session = sign_in(&server, &mut browser, "app", "openid").await;
    party.answer(500);
    sign_out(&mut browser).await;
    for _ in 0..24 * 60 {
        server.deliver_mails().await;
        server.advance(TimeDelta::minutes(1));
    }
    let tries = party.posted().len();
    assert!((25..40).contains(&tries), "{tries}");
    assert_eq!(server.count("job").await, 0);
    let event = server.audit(1).await.remove(0);
    assert_eq!(event.kind, "backchannel_logout.given_up");
    assert_eq!((event.client.as_deref(), event.session.as_deref()), (Some("app"), session["sid"].as_str()));
    assert_eq!(event.detail, json!({ "tries": tries }).to_string());
    assert!(countersign::domain::event::is_failure(&event.kind));
}

#[tokio::test]
async fn an_app_that_refuses_is_given_up_at_once() {
    let (server, party) = start().await;
    for (status, tries) in [(400, 1), (404, 1), (429, 2), (408, 2)] {
        let before = party.posted().len();
        let mut browser = server.browser();
        sign_in(&server, &mut browser, "app", "openid").await;
        party.answer(status);
        sign_out(&mut browser).await;
        server.deliver_mails().await;
        let newest = server.audit(1).await.remove(0).kind;
        assert_eq!(newest == "backchannel_logout.given_up", tries == 1, "{status}: {newest}");
        party.answer(200);
        server.advance(TimeDelta::minutes(1));
        server.deliver_mails().await;
        assert_eq!((party.posted().len() - before, server.count("job").await), (tries, 0), "{status}");
    }
    let counted = server.app.metrics.text();
    let line = "countersign_job_tries_total{job=\"backchannel_logout\",outcome=\"given_up\"} 2";
    assert!(counted.lines().any(|told| told == line), "{counted}");
    assert!(counted.contains("countersign_events_total{event=\"backchannel_logout.given_up\"} 2"), "{counted}");
}

#[tokio::test]
async fn an_app_that_was_removed_or_wants_nothing_any_more_is_not_told() {
    let (server, party) = start().await;
    add_app(&server, "second", &party.uri("/second")).await;
    let mut browser = server.browser();
    for client in ["app", "second"] {
        sign_in(&server, &mut browser, client, "openid").await;
    }
    sign_out(&mut browser).await;
    server.remove_client("app").await;
    let second = server.app.store.client(&ClientId::new("second")).await.unwrap().unwrap();
    let mut second = Client::clone(&second);
    second.metadata.backchannel_logout_uri = None;
    server.update_client(&second).await;
    assert_eq!((heard(&server, &party).await.len(), server.count("job").await), (0, 0));
    assert_ne!(server.audit(1).await[0].kind, "backchannel_logout.given_up");
}

#[tokio::test]
async fn no_token_and_no_person_stands_in_the_queue_or_in_the_log() {
    let (log, _guard) = Log::capture();
    let (server, party) = start().await;
    let mut browser = server.browser();
    let session = sign_in(&server, &mut browser, "app", "openid").await;
    party.answer(503);
    sign_out(&mut browser).await;
    let rows = server.database.rows_as_text("job").await.join("\n");
    assert!(rows.contains("backchannel_logout") && !rows.contains(session["sid"].as_str().unwrap()), "{rows}");
    server.deliver_mails().await;
    let told = log.text();
    assert!(told.contains("an app was not told of a logout"), "{told}");
    for posted in party.posted() {
        let token = posted.logout_token();
        assert!(!told.contains(&token) && !told.contains(token.rsplit('.').next().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_send_it_once() {
    let (server, party) = start().await;
    let other = server.beside().await;
    for _ in 0..4 {
        let mut browser = server.browser();
        sign_in(&server, &mut browser, "app", "openid").await;
        sign_out(&mut browser).await;
    }
    let nodes = [&server, &other].map(|node| {
        let (app, issuer) = (node.app.clone(), node.issuer.clone());
        tokio::spawn(async move { jobs::queue::run_due(&app, &issuer).await.unwrap() })
    });
    for node in nodes {
        node.await.unwrap();
    }
    assert_eq!((party.posted().len(), server.count("job").await), (4, 0));
}

/// Killed between the commit and the sending, or with the job in its hands: the row is there.
#[tokio::test]
async fn a_node_that_died_leaves_it_to_the_next() {
    let (server, party) = start().await;
    let mut browser = server.browser();
    let session = sign_in(&server, &mut browser, "app", "openid").await;
    sign_out(&mut browser).await;
    let now = server.clock.now();
    let mut tx = server.app.store.write().await.unwrap();
    let taken = job::claim(&mut tx, JobKind::BackchannelLogout, now, now + TimeDelta::minutes(10), 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(taken.len(), 1);

    let server = server.restart().await;
    assert_eq!(heard(&server, &party).await.len(), 0);
    server.advance(TimeDelta::minutes(10));
    assert_eq!(ended(&server, &party).await, [session["sid"].clone()]);
}

/// By the names in its ID token, which nobody else knows.
#[tokio::test]
async fn an_app_with_names_of_its_own_hears_those() {
    let (server, party) = start().await;
    let pairwise = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
        app.subject_type = SubjectType::Pairwise;
        app.backchannel_logout_uri = Some(party.uri("/pairwise").parse().unwrap());
    });
    server.add_client("pairwise", pairwise).await;
    let mut browser = server.browser();
    let own = sign_in(&server, &mut browser, "pairwise", "openid").await;
    let common = sign_in(&server, &mut browser, "app", "openid").await;
    sign_out(&mut browser).await;
    let heard = heard(&server, &party).await;
    let to = |client: &str| heard.iter().find(|token| token["aud"] == client).unwrap();
    for (client, id_token) in [("pairwise", &own), ("app", &common)] {
        assert_eq!((&to(client)["sub"], &to(client)["sid"]), (&id_token["sub"], &id_token["sid"]), "{client}");
    }
    assert_ne!(own["sid"], common["sid"]);
}

#[tokio::test]
async fn an_app_whose_id_tokens_are_encrypted_gets_its_logout_token_so_too() {
    let (server, party) = start().await;
    let pair = EncryptionPair::for_algorithm(KeyManagement::EcdhEs);
    let app = confidential(ClientAuthMethod::ClientSecretBasic, |app| {
        app.backchannel_logout_uri = Some(party.uri("/sealed").parse().unwrap());
        app.jwks = Some(pair.jwks());
        app.id_token_encrypted_response_alg = Some(KeyManagement::EcdhEs);
        app.complete();
    });
    server.add_client("sealed", app).await;
    let mut browser = server.browser();
    let code = browser.code("sealed", ADA, "openid").await;
    assert_eq!(server.exchange("sealed", &code).await.status, 200);
    sign_out(&mut browser).await;
    server.deliver_mails().await;
    let token = party.posted().remove(0).logout_token();
    assert_eq!(jose_header(&token)["cty"], "JWT");
    let signed = String::from_utf8(decrypt(&token, &pair.decryption_key()).unwrap()).unwrap();
    assert_eq!(
        (jose_header(&signed)["typ"].as_str(), claims(&signed)["aud"].as_str()),
        (Some("logout+jwt"), Some("sealed"))
    );
}
