//! Attack 15: other sites that act through a person's browser: forged forms, planted cookies, frames, the back button.

use chrono::TimeDelta;
use countersign::{http::owner::Place, login::link, store::link::LinkPurpose};
use countersign_types::ClientAuthMethod;

use crate::harness::{Browser, PASSWORD, Reply, Server, authorize_path, confidential, hidden_fields, query_of};

const USER: &str = "grace@example.com";

async fn prepare(server: Server) -> Server {
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(USER, None).await;
    server.add_user("eve@example.com", None).await;
    server
}

async fn server() -> Server {
    prepare(Server::start().await).await
}

async fn make_link(server: &Server) -> String {
    let mut tx = server.app.store.write().await.unwrap();
    let secret = link::issue(&server.app, &mut tx, &LinkPurpose::FirstAdministrator, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    format!("/link?t={}", secret.expose())
}

fn csrf_token(page: &Reply) -> String {
    let (_, hidden) = hidden_fields(&page.text());
    hidden.into_iter().find(|(name, _)| name == "csrf").unwrap().1
}

/// Sends a page's form in every way in which another site could.
async fn assert_forgeries_refused(server: &Server, browser: &mut Browser<'_>, page: &Reply, fields: &[(&str, &str)]) {
    let (action, hidden) = hidden_fields(&page.text());
    let own = csrf_token(page);
    let others = csrf_token(&server.browser().open("/login").await);
    let form = |token: Option<&str>| -> Vec<(String, String)> {
        let kept = hidden.iter().filter(|(name, _)| name != "csrf").cloned();
        let token = token.map(|token| ("csrf".to_owned(), token.to_owned()));
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        kept.chain(fields).chain(token).collect()
    };
    let cut = own[1..].to_owned();
    for token in [None, Some(""), Some("a"), Some(&*others), Some(&*cut), Some(&*own.to_lowercase())] {
        let form = form(token);
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post(&action, &form).await.assert_page(403);
    }
    // From another site a POST comes without Lax cookies.
    let form = form(Some(&own));
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    server.post(&action, &[], &form).await.assert_page(403);
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/").await.text().contains(USER)
}

#[tokio::test]
async fn a_forged_sign_in() {
    let server = server().await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    let fields = [("username", USER), ("password", PASSWORD)];
    assert_forgeries_refused(&server, &mut browser, &page, &fields).await;
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_forged_wish_for_a_mail() {
    let server = prepare(Server::with_settings("signup.mode = 'open'").await).await;
    for (path, field) in [("/signup", "email"), ("/recover", "username")] {
        let mut browser = server.browser();
        let page = browser.open(path).await;
        assert_forgeries_refused(&server, &mut browser, &page, &[(field, USER)]).await;
    }
    assert_eq!(server.count("job").await, 0);
}

#[tokio::test]
async fn a_forged_change_of_an_account() {
    let server = server().await;
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.log_in(&page, USER).await.assert_page(200);
    browser.code("app", USER, "openid").await;
    let password = [("password", PASSWORD), ("new_password", "a new battery staple")];
    for (path, fields) in [
        ("/account/profile", &[("name", "Eve")] as &[(&str, &str)]),
        ("/account/email", &[("email", "thief@example.com")]),
        ("/account/password", &password),
        ("/account/sessions", &[("end_others", "yes")]),
        ("/account/apps", &[("withdraw", "app")]),
        ("/account/data", &[("do", "export")]),
        ("/account/data", &[("do", "delete"), ("sure", "yes")]),
    ] {
        let page = browser.open(path).await;
        assert_forgeries_refused(&server, &mut browser, &page, fields).await;
    }
    assert_eq!((server.count("job").await, server.user(USER).await.claim("name")), (0, None));
}

#[tokio::test]
async fn a_forged_sign_up() {
    let server = Server::with_settings("signup.mode = 'open'").await;
    let link = server.issue_link(&LinkPurpose::SignUp("eve@example.com".to_owned())).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    assert_forgeries_refused(&server, &mut browser, &page, &[("password", PASSWORD)]).await;
    assert_eq!(server.count("account").await, 0);
}

/// Login CSRF: the thief signs the victim in as himself, with a form that was shown to him.
#[tokio::test]
async fn a_sign_in_with_the_form_of_another_browser() {
    let server = server().await;
    let mut thief = server.browser();
    let form = thief.open("/login").await;
    let mut victim = server.browser();
    victim.open("/login").await;
    victim.submit(&form, &[("username", "eve@example.com"), ("password", PASSWORD)]).await.assert_page(403);
    assert!(!victim.cookies.contains_key("countersign_session"));
}

#[tokio::test]
async fn a_forged_consent() {
    let server = server().await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let consent = browser.log_in(&login, USER).await;
    for button in ["approve", "deny"] {
        assert_forgeries_refused(&server, &mut browser, &consent, &[(button, "1")]).await;
    }
    let silent = browser.get(&authorize_path("app", &[("prompt", "none")])).await;
    assert_eq!(silent.redirect_query()["error"], "consent_required");
}

/// The thief has an account too, and a consent page of his own.
#[tokio::test]
async fn a_consent_with_the_page_of_another_person() {
    let server = server().await;
    let mut thief = server.browser();
    let login = thief.authorize("app", &[("scope", "openid email")]).await;
    let consent = thief.log_in(&login, "eve@example.com").await;
    let mut victim = server.browser();
    victim.code("app", USER, "openid").await;
    victim.submit(&consent, &[("approve", "1")]).await.assert_page(403);
    let silent = victim.get(&authorize_path("app", &[("scope", "openid email"), ("prompt", "none")])).await;
    assert_eq!(silent.redirect_query()["error"], "consent_required");
}

#[tokio::test]
async fn a_consent_that_was_shown_to_who_was_signed_in_before() {
    let server = server().await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let consent = browser.log_in(&login, "eve@example.com").await;
    let page = browser.open("/login").await;
    browser.log_in(&page, USER).await;

    // The answer was Eve's; Grace is asked herself.
    let asked = browser.submit(&consent, &[("approve", "1")]).await;
    assert!(asked.text().contains("name=\"approve\"") && asked.text().contains(USER));
}

#[tokio::test]
async fn a_forged_link() {
    let server = server().await;
    let path = make_link(&server).await;
    let mut browser = server.browser();
    let page = browser.open(&path).await;
    let fields = [("email", "eve@evil.example"), ("password", PASSWORD)];
    assert_forgeries_refused(&server, &mut browser, &page, &fields).await;
    // Nothing was spent.
    browser.submit(&page, &fields).await.assert_page(200);
    assert_eq!(browser.get(&path).await.status, 410);
}

#[tokio::test]
async fn a_forged_logout() {
    let server = server().await;
    let mut browser = server.browser();
    browser.code("app", USER, "openid").await;
    let question = browser.open("/logout").await;
    assert_forgeries_refused(&server, &mut browser, &question, &[("confirm", "1")]).await;
    assert!(is_signed_in(&mut browser).await);
    // An app, or whoever says so, can only make us ask.
    for query in ["", "?client_id=app", "?client_id=app&post_logout_redirect_uri=https://app.example/bye"] {
        let asked = browser.open(&format!("/logout{query}")).await;
        assert!(asked.text().contains("name=\"confirm\""), "{query}");
    }
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_request_of_another_browser() {
    let server = server().await;
    let started = server.browser().get(&authorize_path("app", &[])).await.location().to_owned();
    let mut other = server.browser();
    other.open("/login").await;
    other.get(&started).await.assert_page(400);
    other.get(&started.replace("/login", "/consent")).await.assert_page(400);
    other.get(&started.replace("/login", "/authorize/resume")).await.assert_page(400);
}

#[tokio::test]
async fn a_request_that_was_left_lying() {
    let server = server().await;
    let mut browser = server.browser();
    let started = browser.get(&authorize_path("app", &[])).await.location().to_owned();
    server.advance(chrono::TimeDelta::minutes(30));
    browser.get(&started).await.assert_page(400);
}

#[tokio::test]
async fn a_changed_request() {
    let server = server().await;
    let mut browser = server.browser();
    let started = browser.get(&authorize_path("app", &[])).await.location().to_owned();
    for at in ["/login?i=".len(), 40, 90, started.len() - 1] {
        let mut changed = started.clone();
        let other = if started.as_bytes()[at] == b'A' { "B" } else { "A" };
        changed.replace_range(at..=at, other);
        browser.get(&changed).await.assert_page(400);
    }
    browser.get(&started[..started.len() - 4]).await.assert_page(400);
}

#[tokio::test]
async fn a_planted_session() {
    let server = server().await;
    let mut thief = server.browser();
    let page = thief.open("/login").await;
    thief.log_in(&page, "eve@example.com").await;

    for planted in [thief.cookies["countersign_session"].clone(), "planted".to_owned(), "a".repeat(43)] {
        let mut victim = server.browser();
        victim.cookies.insert("countersign_session".to_owned(), planted.clone());
        let page = victim.open("/login").await;
        victim.log_in(&page, USER).await;
        assert!(is_signed_in(&mut victim).await);
        assert_ne!(victim.cookies["countersign_session"], planted);
        thief.cookies.insert("countersign_session".to_owned(), planted);
        assert!(!is_signed_in(&mut thief).await);
    }
}

#[tokio::test]
async fn a_planted_browser_cookie_is_no_session() {
    let server = server().await;
    for planted in ["", "short", &"a".repeat(43), &"a".repeat(4_000)] {
        let mut victim = server.browser();
        victim.cookies.insert("countersign_browser".to_owned(), planted.to_owned());
        let page = victim.open("/login").await;
        victim.log_in(&page, USER).await;
        assert!(is_signed_in(&mut victim).await);
        let mut thief = server.browser();
        thief.cookies.insert("countersign_browser".to_owned(), planted.to_owned());
        assert!(!is_signed_in(&mut thief).await);
    }
}

#[tokio::test]
async fn every_sign_in_makes_a_new_cookie() {
    let server = server().await;
    let mut browser = server.browser();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let page = browser.open("/login").await;
        browser.log_in(&page, USER).await;
        assert!(seen.insert(browser.cookies["countersign_session"].clone()));
    }
    let last = browser.cookies["countersign_session"].clone();
    for old in seen.iter().filter(|cookie| **cookie != last) {
        let mut thief = server.browser();
        thief.cookies.insert("countersign_session".to_owned(), old.clone());
        assert!(!is_signed_in(&mut thief).await);
    }
}

/// One of each page, and of each way in which one fails.
async fn all_pages(server: &Server) -> Vec<Reply> {
    let link = make_link(server).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let refused = browser.submit(&login, &[("username", USER), ("password", "wrong")]).await;
    let consent = browser.log_in(&login, USER).await;
    let mut pages = vec![login, refused, consent];
    for path in
        ["/", "/login", "/signed-out", "/logout", "/link/done", "/nothing", "/consent", "/authorize", &link, "/link"]
    {
        pages.push(browser.get(path).await);
    }
    for place in Place::ALL {
        let page = browser.get(place.path()).await;
        page.assert_page(200);
        pages.push(page);
    }
    pages.push(server.post("/login", &[], &[]).await);
    pages.push(server.post("/", &[], &[]).await);
    pages
}

#[tokio::test]
async fn no_page_can_be_framed() {
    let server = server().await;
    for page in all_pages(&server).await {
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("script-src"), "{policy}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
    }
}

#[tokio::test]
async fn no_page_has_a_script_or_a_style_of_its_own() {
    let server = server().await;
    for page in all_pages(&server).await {
        let text = page.text().to_lowercase();
        assert!(!text.contains("<script") && !text.contains("<style") && !text.contains(" style="), "{text}");
        assert!(!text.contains(" onclick") && !text.contains("javascript:"), "{text}");
    }
}

/// The back button shows nothing after logout.
#[tokio::test]
async fn no_page_is_kept() {
    let server = server().await;
    for page in all_pages(&server).await {
        assert_eq!(page.header("cache-control"), Some("no-store"), "{}", page.text());
    }
    let mut browser = server.browser();
    browser.code("app", USER, "openid").await;
    let question = browser.open("/logout").await;
    browser.submit(&question, &[("confirm", "1")]).await;
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn pages_say_little_to_others() {
    let server = prepare(Server::production().await).await;
    for page in all_pages(&server).await {
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"));
    }
}

/// The cookies that a sign-in sets, each with its attributes.
async fn cookies_of_a_sign_in(server: &Server) -> Vec<String> {
    let mut browser = server.browser();
    let page = browser.get("/login").await;
    let signed_in = browser.submit_only(&page, &[("username", USER), ("password", PASSWORD)]).await;
    let both = [page, signed_in];
    let headers = both.iter().flat_map(|reply| reply.headers.get_all("set-cookie"));
    headers.map(|header| header.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn cookies_under_https() {
    let server = prepare(Server::production().await).await;
    let cookies = cookies_of_a_sign_in(&server).await;
    assert_eq!(cookies.len(), 6);
    for (cookie, name) in cookies.iter().zip(["browser", "session", "state", "beside", "device", "waiting"]) {
        let name_and_value = format!("__Host-countersign_{name}=");
        assert!(cookie.starts_with(&name_and_value), "{cookie}");
        for attribute in ["; Path=/;", "; Secure"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        // The one that a script reads in the frames of apps.
        let is_state = name == "state";
        assert_eq!(cookie.contains("; HttpOnly"), !is_state, "{cookie}");
        assert!(cookie.contains(if is_state { "; SameSite=None" } else { "; SameSite=Lax" }), "{cookie}");
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[tokio::test]
async fn cookies_of_a_development_start() {
    let server = server().await;
    let cookies = cookies_of_a_sign_in(&server).await;
    for (cookie, name) in cookies.iter().zip(["browser", "session", "state", "beside", "device", "waiting"]) {
        assert!(cookie.starts_with(&format!("countersign_{name}=")) && !cookie.contains("Secure"), "{cookie}");
        assert!(cookie.contains("; SameSite=Lax"), "{cookie}");
        assert_eq!(cookie.contains("; HttpOnly"), name != "state", "{cookie}");
    }
}

#[tokio::test]
async fn other_origins_read_nothing_with_cookies() {
    let server = server().await;
    for path in ["/", "/login", "/userinfo", "/token", "/.well-known/openid-configuration"] {
        let request = http::Request::get(path).header("origin", "https://evil.example");
        let reply = server.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert!(reply.headers.get("access-control-allow-credentials").is_none(), "{path}");
        let allowed = reply.header("access-control-allow-origin");
        assert!(allowed.is_none() || (allowed == Some("*") && path.starts_with("/.well-known")), "{path}");
    }
}

#[tokio::test]
async fn a_request_that_was_sealed_before_a_consent_elsewhere() {
    let server = Server::start().await;
    server.add_client("native", crate::harness::native()).await;
    server.add_user("ada@example.com", None).await;
    // Anybody can have a request sealed, and keep it.
    let query = authorize_path("native", &[("redirect_uri", "http://127.0.0.1:1/cb"), ("state", "planted")]);
    let form: Vec<(String, String)> = query_of(&query).into_iter().collect();
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let planted = server.post("/authorize", &[], &form).await.location().to_owned();

    server.advance(TimeDelta::seconds(5));
    let mut browser = server.browser();
    browser.answer("native", "ada@example.com", &[("redirect_uri", "http://127.0.0.1:2/cb")]).await.location();
    server.advance(TimeDelta::seconds(5));

    let asked = browser.open(&planted).await;
    asked.assert_page(200);
    assert!(asked.text().contains("name=\"approve\""), "the person is asked for this request, too");
}
