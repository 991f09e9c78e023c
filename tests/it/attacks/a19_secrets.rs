//! Attack 19: several first administrators at once, and secrets where they do not belong. That links work once, for as long as
//! stated, and not beside a newer one, is in `pages/link.rs`.

use countersign::{
    app::App,
    clock::Clock,
    config::Settings,
    domain::{credential::Password, token::Digest},
    http::form::Parameters,
    login::link::{self, LinkError},
    random::Random,
    store::{code, credential, link::LinkPurpose, refresh_token, signing_key},
};
use countersign_jose::{Algorithm, Signer};
use countersign_types::{ClientAuthMethod, GrantType};
use serde_json::json;

use crate::harness::{
    Browser, CROWD, ISSUER, Log, PASSWORD, Reply, SECRET, Server, VERIFIER, authorize_path, confidential, form_request,
    hidden_fields, query_of,
};

const ADA: &str = "ada@example.com";
const TYPED: &str = "what somebody typed by mistake";

/// Uses links at once: the outcomes.
async fn make_administrators(server: &Server, links: Vec<Digest>) -> Vec<Result<(), LinkError>> {
    let mut tasks = tokio::task::JoinSet::new();
    for (number, digest) in links.into_iter().enumerate() {
        let (app, now) = (server.app.clone(), server.clock.now());
        tasks.spawn(async move {
            let password = Password::chosen(PASSWORD.to_owned()).unwrap();
            let name = (format!("{number}@example.com"), None);
            link::create_administrator(&app, &digest, name, &password, now).await.map(drop)
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_first_administrators_at_once_there_is_one() {
    let server = Server::start().await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let digest = Digest::of(&query_of(&link)["t"]);

    let outcomes = make_administrators(&server, vec![digest; CROWD]).await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(LinkError::Spent))).count(), CROWD - 1);
    assert_eq!(server.count("account").await, 1);
}

/// Several nodes start at once, and each prints a link.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_first_administrators_by_many_links_there_is_one() {
    let server = Server::start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        let (app, now) = (server.app.clone(), server.clock.now());
        tasks.spawn(async move {
            let mut tx = app.store.write().await.unwrap();
            let secret = link::issue(&app, &mut tx, &LinkPurpose::FirstAdministrator, now).await.unwrap();
            tx.commit().await.unwrap();
            secret.digest()
        });
    }
    let links = tasks.join_all().await;

    let outcomes = make_administrators(&server, links).await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(server.count("account").await, 1);
}

/// Everything that was secret while people signed in, well and badly, and all that was answered.
struct Story {
    secrets: Vec<String>,
    errors: Vec<Reply>,
}

fn keep_cookies_and_tokens(browser: &Browser<'_>, page: &Reply, secrets: &mut Vec<String>) {
    secrets.extend(browser.cookies.values().cloned());
    secrets.extend(hidden_fields(&page.text()).1.into_iter().map(|(_, value)| value));
}

/// One of everything that handles a secret.
async fn live_through(server: &Server) -> Story {
    let mut secrets: Vec<String> = [PASSWORD, SECRET, VERIFIER, TYPED].map(str::to_owned).to_vec();
    let mut errors = Vec::new();
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let by_assertion = confidential(ClientAuthMethod::ClientSecretJwt, |client| {
        client.grant_types = [GrantType::ClientCredentials].into();
        client.logo_uri = Some("https://127.0.0.1/logo.png".parse().unwrap());
    });
    server.add_client("service", by_assertion).await;
    server.add_user(ADA, None).await;

    // Sign-in and consent, with mistakes.
    let mut browser = server.browser();
    secrets.push(query_of(browser.get(&authorize_path("app", &[])).await.location())["i"].clone());
    let login = browser.authorize("app", &[("scope", "openid offline_access")]).await;
    keep_cookies_and_tokens(&browser, &login, &mut secrets);
    errors.push(browser.submit(&login, &[("username", ADA), ("password", TYPED)]).await);
    errors.push(server.post("/login", &[], &[("username", TYPED), ("password", TYPED), ("csrf", TYPED)]).await);
    errors.push(browser.submit(&login, &[("username", TYPED), ("password", PASSWORD)]).await);
    let consent = browser.log_in(&login, ADA).await;
    keep_cookies_and_tokens(&browser, &consent, &mut secrets);
    let code = browser.submit(&consent, &[("approve", "1")]).await.redirect_query()["code"].clone();

    // Tokens, with mistakes.
    errors.push(server.token("app", &[("grant_type", "authorization_code"), ("code", &code)]).await);
    let tokens = server.exchange("app", &code).await.json();
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh) = (token("access_token"), token("refresh_token"));
    let refreshed = server.refresh("app", &refresh).await.json();
    secrets
        .extend(["access_token", "refresh_token", "id_token"].map(|name| refreshed[name].as_str().unwrap().to_owned()));
    assert_eq!(server.userinfo(&access).await.status, 200);
    server.introspect("app", &refresh).await;
    errors.push(server.exchange("app", &code).await);
    errors.push(server.refresh("app", &refresh).await);
    errors.push(server.userinfo(&access).await);
    errors.push(server.userinfo(TYPED).await);
    errors.push(server.get(&format!("/userinfo?access_token={access}")).await);
    server.revoke("app", &access).await;
    let wrong = crate::harness::basic("app", TYPED);
    errors.push(server.post("/token", &[("authorization", &wrong)], &[("grant_type", "refresh_token")]).await);
    errors.push(server.post("/token", &[("authorization", TYPED)], &[("grant_type", TYPED)]).await);
    secrets.extend([code, access, refresh, token("id_token"), wrong]);

    // An assertion, used twice.
    let now = server.clock.now().timestamp();
    let claims = json!({ "iss": "service", "sub": "service", "aud": ISSUER, "jti": "a", "exp": now + 60 });
    let assertion = Signer::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap().sign("JWT", &claims).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
    ];
    let issued = server.post("/token", &[], &form).await.json()["access_token"].as_str().unwrap().to_owned();
    errors.push(server.post("/token", &[], &form).await);
    secrets.extend([assertion.clone(), issued]);

    // A link, used twice; a logo that is out of reach; the way out.
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    secrets.push(query_of(&link)["t"].clone());
    let page = browser.open(&link).await;
    let fields = [("email", "root@example.com"), ("password", PASSWORD)];
    browser.submit(&page, &fields).await.assert_page(200);
    errors.push(browser.submit(&page, &fields).await);
    errors.push(browser.get(&link).await);
    server.get("/client-logo/service").await;
    let hint = token("id_token");
    errors.push(
        browser.get(&format!("/logout?id_token_hint={hint}&post_logout_redirect_uri=https://evil.example/")).await,
    );
    browser.get(&format!("/logout?id_token_hint={hint}")).await;
    secrets.extend(keys_of(server).await);
    Story { secrets, errors }
}

/// What the process itself must keep to itself.
async fn keys_of(server: &Server) -> Vec<String> {
    let master = std::fs::read_to_string(server.app.settings.keys.dir.join("master.key")).unwrap();
    let stored = signing_key::all(&mut server.app.store.read().await.unwrap()).await.unwrap();
    let jwk: serde_json::Value = serde_json::from_slice(&stored[0].private_jwk).unwrap();
    let parts = ["d", "p", "q", "dp", "dq", "qi"].map(|name| jwk[name].as_str().unwrap().to_owned());
    parts.into_iter().chain([master.trim().to_owned()]).collect()
}

#[track_caller]
fn assert_hidden(text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(secret.len() > 8, "{secret} is too short to be looked for");
        assert!(!text.contains(secret), "{secret} stands in {text}");
    }
}

#[tokio::test]
async fn no_secret_reaches_a_log() {
    let (log, _guard) = Log::capture();
    let server = Server::start().await;
    let story = live_through(&server).await;
    let log = log.text();
    assert!(log.contains("the logo of a client cannot be fetched"), "nothing was captured: {log}");
    assert_hidden(&log, &story.secrets);
}

#[tokio::test]
async fn no_secret_reaches_an_error() {
    let server = Server::start().await;
    let story = live_through(&server).await;
    for reply in story.errors {
        assert!((400..500).contains(&reply.status), "{}", reply.text());
        // A form that is shown again has its own token and its own request in it.
        let own = if reply.text().contains("<form") { hidden_fields(&reply.text()) } else { Default::default() };
        let of_the_form = |secret: &String| own.0.contains(secret) || own.1.iter().any(|(_, value)| value == secret);
        let typed_as_name = |secret: &String| secret == TYPED && reply.text().contains("name=\"username\"");
        let secrets: Vec<_> =
            story.secrets.iter().filter(|secret| !of_the_form(secret) && !typed_as_name(secret)).cloned().collect();
        assert_hidden(&format!("{:?} {}", reply.headers, reply.text()), &secrets);
    }
}

/// Who asks while the database is gone learns that, and nothing of it.
#[tokio::test]
async fn a_broken_database_is_not_described() {
    let (log, _guard) = Log::capture();
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    let tokens = server.sign_in("app", ADA, "openid").await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    server.app.store.close().await;

    let api = [
        server.refresh("app", tokens["refresh_token"].as_str().unwrap()).await,
        server.exchange("app", "a code").await,
        server.userinfo(tokens["access_token"].as_str().unwrap()).await,
    ];
    let pages = [
        browser.log_in(&login, ADA).await,
        browser.get(&authorize_path("app", &[])).await,
        browser.get("/link?t=a").await,
    ];
    for reply in &api {
        reply.assert_error(503, "temporarily_unavailable");
    }
    for reply in api.iter().chain(&pages) {
        let text = reply.text().to_lowercase();
        for word in ["sql", "postgres", "pool", "countersign.db", "select", "panicked", "src/", ".rs"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
    assert_hidden(&log.text(), &[PASSWORD.to_owned(), SECRET.to_owned()]);
}

#[tokio::test]
async fn no_secret_is_printed_by_debug() {
    let server = Server::start().await;
    let client = server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let shared = server.add_client("shared", confidential(ClientAuthMethod::ClientSecretJwt, |_| {})).await;
    let user = server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let code_text = browser.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code_text).await.json();
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let secret = server.app.random.secret();
    let form = Parameters::parse(format!("password={PASSWORD}&code={code_text}").as_bytes()).unwrap();

    let mut tx = server.app.store.read().await.unwrap();
    let mut printed = format!("{:?} {:?} {client:?} {shared:?} {user:?} {form:?}", server.app, server.issuer);
    let add = |text: String| printed.push_str(&text);
    [
        format!("{:?}", code::find(&mut tx, &Digest::of(&code_text)).await.unwrap().unwrap()),
        format!("{:?}", refresh_token::find(&mut tx, &Digest::of(&refresh)).await.unwrap().unwrap()),
        format!("{:?}", credential::find_password(&mut tx, &user.id).await.unwrap().unwrap()),
        format!("{:?}", signing_key::all(&mut tx).await.unwrap()),
        format!("{secret:?} {:?} {:?}", secret.digest(), Password::typed(PASSWORD.to_owned())),
    ]
    .into_iter()
    .for_each(add);

    let mut secrets = keys_of(&server).await;
    let hash = credential::find_password(&mut tx, &user.id).await.unwrap().unwrap().0.phc;
    secrets.extend([secret.expose(), PASSWORD, SECRET, ADA, &code_text, &refresh, &hash].map(str::to_owned));
    assert_hidden(&printed, &secrets);
    // Nor as numbers.
    let digest = format!("{:?}", Digest::of(&refresh).as_bytes());
    assert!(!printed.contains(digest.trim_matches(['[', ']'])));
}

#[tokio::test]
async fn the_password_of_the_database_is_not_printed_by_debug() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "database.url = 'postgres://user:hunter2-hunter2@127.0.0.1:1/nothing'\nredis.url = 'redis://:hunter3-hunter3@127.0.0.1:1'\nkeys.dir = '{}'",
        folder.path().display()
    );
    let settings = Settings::parse(&settings, []).unwrap();
    let app = App::new(settings, Clock::system(), Random::system()).unwrap();
    let printed = format!("{app:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("hunter3"), "{printed}");
}

/// A server with a person who forgot their password, and the link that they were sent.
async fn reset_link() -> (Server, String) {
    let server = Server::start().await;
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let page = browser.open("/recover").await;
    browser.submit(&page, &[("username", ADA)]).await.assert_page(200);
    let link = server.mailed_link(ADA).await;
    (server, link)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_link_used_by_many_at_once() {
    let (server, link) = reset_link().await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let (_, hidden) = hidden_fields(&page.text());
    let (name, value) = browser.cookies.first_key_value().unwrap();
    let cookie = format!("{name}={value}");
    let requests = (0..CROWD).map(|number| {
        let password = format!("battery staple number {number}");
        form_request(&link, &[("cookie", &cookie)], &[("csrf", &hidden[0].1), ("password", &password)])
    });
    let statuses: Vec<u16> = server.send_at_once(requests).await.into_iter().map(|reply| reply.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 410, 503].contains(status)), "{statuses:?}");
    let changed = server.audit(100).await.into_iter().filter(|row| row.kind == "password.changed").count();
    assert_eq!(changed, 1);
}

/// Each would be a chance of its own for whoever reads one of the mails.
#[tokio::test(flavor = "multi_thread")]
async fn many_links_asked_for_at_once_leave_one_that_works() {
    let server = Server::start().await;
    let ada = server.add_user(ADA, None).await;
    for purpose in [LinkPurpose::ResetPassword(ada.id), LinkPurpose::SignUp("eve@example.com".to_owned())] {
        let before = server.count("link").await;
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (app, purpose, now) = (server.app.clone(), purpose.clone(), server.clock.now());
            asked.spawn(async move {
                let mut tx = app.store.write().await.unwrap();
                let secret = link::issue(&app, &mut tx, &purpose, now).await.unwrap();
                tx.commit().await.unwrap();
                secret
            });
        }
        let mut working = 0;
        for secret in asked.join_all().await {
            let page = server.browser().open(&format!("/link?t={}", secret.expose())).await;
            working += usize::from(page.status == 200);
        }
        assert_eq!(server.count("link").await, before + 1, "{purpose:?}");
        // Accounts are closed here, so that nobody makes one by the other link.
        assert_eq!(working, usize::from(purpose.user().is_some()), "{purpose:?}");
    }
}

#[tokio::test]
async fn a_reset_link_used_twice_or_late_or_after_a_newer_one() {
    let (server, link) = reset_link().await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    browser.submit(&page, &[("password", "a new battery staple")]).await.assert_page(200);
    assert_eq!(browser.submit(&page, &[("password", "another battery staple")]).await.status, 410);

    let (server, link) = reset_link().await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    server.advance(chrono::TimeDelta::minutes(30));
    assert_eq!(browser.submit(&page, &[("password", "a new battery staple")]).await.status, 410);

    let (server, older) = reset_link().await;
    let mut browser = server.browser();
    let opened = browser.open(&older).await;
    let ask = browser.open("/recover").await;
    browser.submit(&ask, &[("username", ADA)]).await;
    server.deliver_mails().await;
    assert_eq!(browser.submit(&opened, &[("password", "a new battery staple")]).await.status, 410);
}

#[tokio::test]
async fn a_mailed_link_reaches_no_log_and_no_other_page() {
    let (log, _guard) = Log::capture();
    let (server, link) = reset_link().await;
    let token = query_of(&link)["t"].clone();
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    // It stands in the form's own address alone, and goes to nobody as a referrer.
    assert_eq!(page.text().matches(&token).count(), 1);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let done = browser.submit(&page, &[("password", "a new battery staple")]).await;
    assert!(!done.text().contains(&token));
    assert_hidden(&log.text(), &[token.clone(), ADA.to_owned()]);
    assert!(!server.database.contains(&token).await);
}
