//! Attack 16: text of others that becomes part of a page or an address.

use countersign::{
    domain::{
        client::ClientMetadata,
        mail::{Mail, MailedLink},
    },
    login::mail::{self, Recipient},
};
use countersign_types::ClientAuthMethod;

use crate::harness::{PASSWORD, REDIRECT_URI, Reply, Server, Smtp, authorize_path, confidential, encode};

const USER: &str = "grace@example.com";
const EVIL: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;{{1234*1000}}";

async fn server_with(change: impl FnOnce(&mut ClientMetadata)) -> Server {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, change)).await;
    let mut user = server.add_user(USER, None).await;
    user.set_claim("name", EVIL).unwrap();
    server.update_user(&user).await;
    server
}

#[track_caller]
fn assert_no_markup(page: &Reply) {
    let text = page.text();
    assert!(!text.contains("<script") && !text.contains("<img src=x") && !text.contains("\"'>"), "{text}");
    assert!(!text.contains("1234000"), "a template was evaluated: {text}");
}

#[tokio::test]
async fn the_name_of_a_client_and_of_a_person() {
    let server = server_with(|client| client.client_name = EVIL.to_owned()).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[]).await;
    let refused = browser.submit(&login, &[("username", EVIL), ("password", "wrong")]).await;
    let consent = browser.log_in(&login, USER).await;
    let start = browser.open("/").await;
    let logout = browser.open("/logout?client_id=app").await;
    for page in [login, refused, consent, start, logout] {
        assert_no_markup(&page);
        assert!(page.text().contains("&#60;script&#62;") || page.text().contains("&lt;script&gt;"), "{}", page.text());
    }
}

#[tokio::test]
async fn a_hint_of_who_signs_in() {
    let server = server_with(|_| {}).await;
    let login = server.browser().authorize("app", &[("login_hint", EVIL)]).await;
    assert_no_markup(&login);
}

#[tokio::test]
async fn links_of_a_client() {
    let server = server_with(|client| {
        client.logo_uri = Some("https://app.example/\"><script>alert(1)</script>".parse().unwrap());
        client.policy_uri = Some("https://app.example/\"onclick=\"alert(1)".parse().unwrap());
        client.tos_uri = Some("https://app.example/'><script>".parse().unwrap());
    })
    .await;
    let login = server.browser().authorize("app", &[]).await;
    assert_no_markup(&login);
    assert!(!login.text().contains("\"onclick=\""));
    // The logo comes from us, under the client's name.
    assert!(login.text().contains("src=\"/client-logo/app\""));
}

#[tokio::test]
async fn the_identifier_of_a_client_in_the_address_of_its_logo() {
    let server = Server::start().await;
    let id = "\"><script>x</script>/../..?a=b#c";
    let with_logo = confidential(ClientAuthMethod::ClientSecretBasic, |client| {
        client.logo_uri = Some("https://app.example/logo.png".parse().unwrap());
    });
    server.add_client(id, with_logo).await;
    let login = server.browser().authorize(id, &[]).await;
    assert_no_markup(&login);
    assert!(!login.text().contains("/../.."));
}

#[tokio::test]
async fn what_scopes_are_called() {
    let server = server_with(|client| client.scope = "openid <script>alert(1)</script>".parse().unwrap()).await;
    server.add_api("https://api.example", &["<script>alert(1)</script>"], &[], false).await;
    let mut browser = server.browser();
    let login = browser.authorize("app", &[("scope", "openid <script>alert(1)</script>")]).await;
    let consent = browser.log_in(&login, USER).await;
    assert!(consent.text().contains("name=\"approve\""));
    assert_no_markup(&consent);
}

#[tokio::test]
async fn error_pages_repeat_nothing() {
    let server = server_with(|_| {}).await;
    let query = encode(&[("client_id", EVIL), ("redirect_uri", EVIL), ("state", EVIL), ("error_description", EVIL)]);
    for path in ["/authorize", "/authorize/resume", "/logout", "/consent", "/link"] {
        let reply = server.get(&format!("{path}?{query}")).await;
        if reply.status != 303 {
            assert_no_markup(&reply);
            assert!(!reply.text().contains("alert("), "{path}");
        }
    }
    let missing = server.get("/nothing/%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(!missing.text().contains("alert("));
    for name in ["i", "t", "l", EVIL] {
        for path in ["/authorize/resume", "/logout", "/consent", "/link", "/login"] {
            let reply = server.get(&format!("{path}?{}", encode(&[(name, EVIL)]))).await;
            assert!(!reply.text().contains("alert("), "{path}");
        }
    }
}

#[tokio::test]
async fn error_descriptions_repeat_nothing() {
    let server = server_with(|_| {}).await;
    for form in [[("grant_type", EVIL), ("scope", EVIL)], [("grant_type", "refresh_token"), ("refresh_token", EVIL)]] {
        let reply = server.token("app", &form).await;
        assert!(reply.status == 400 && !reply.text().contains("alert("), "{}", reply.text());
    }
    let reply = server.userinfo("<script>alert(1)</script>").await;
    assert!(!reply.text().contains("alert(") && !format!("{:?}", reply.headers).contains("alert("));
    for (name, value) in [("prompt", EVIL), ("scope", EVIL), ("response_type", EVIL), ("claims", EVIL)] {
        let reply = server.get(&authorize_path("app", &[(name, value)])).await;
        assert!(!reply.location().contains("alert(") || name == "claims", "{name}");
    }
}

#[tokio::test]
async fn a_state_stays_inside_its_parameter() {
    let server = server_with(|_| {}).await;
    let state = "a&code=stolen#fragment\r\nlocation: https://evil.example\r\n\r\n<script>";
    let reply = server.get(&authorize_path("app", &[("state", state), ("prompt", "none")])).await;
    let query = reply.redirect_query();
    assert_eq!((query["state"].as_str(), query.contains_key("code")), (state, false));
    assert!(!reply.location().contains(['#', '<', '\r', '\n']));
}

#[tokio::test]
async fn open_redirect_after_sign_in() {
    let server = server_with(|_| {}).await;
    for name in
        ["to", "return_to", "return_url", "next", "redirect", "redirect_uri", "continue", "url", "target", "goto"]
    {
        for address in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
            let mut browser = server.browser();
            let page = browser.open(&format!("/login?{}", encode(&[(name, address)]))).await;
            let fields = [("username", USER), ("password", PASSWORD), (name, address)];
            let reply = browser.submit_only(&page, &fields).await;
            assert_eq!(reply.location(), "/");
        }
    }
}

#[tokio::test]
async fn open_redirect_by_post_logout_redirect_uri() {
    let server = server_with(|_| {}).await;
    for address in [
        "https://evil.example/",
        "https://app.example/bye/",
        "https://app.example/bye?next=evil",
        "https://app.example/bye#evil",
        "https://app.example@evil.example/bye",
        "https://app.example/BYE",
        "https://app.example/bye/../evil",
        "https://app.example\\@evil.example/bye",
        "//app.example/bye",
        "/bye",
        "javascript:alert(1)",
        REDIRECT_URI,
    ] {
        let parameters = [("post_logout_redirect_uri", address), ("client_id", "app")];
        server.get(&format!("/logout?{}", encode(&parameters))).await.assert_page(400);
        server.post("/logout", &[], &parameters).await.assert_page(400);
    }
    let parameters = [("post_logout_redirect_uri", "https://app.example/bye")];
    server.get(&format!("/logout?{}", encode(&parameters))).await.assert_page(400);
    let of_nobody = [parameters[0], ("client_id", "nobody")];
    server.get(&format!("/logout?{}", encode(&of_nobody))).await.assert_page(400);
}

#[tokio::test]
async fn open_redirect_by_an_error() {
    let server = server_with(|_| {}).await;
    let evil = "https://evil.example/cb";
    for wrong in [
        ("response_type", "wrong"),
        ("scope", "wrong"),
        ("prompt", "none"),
        ("request", "a.b.c"),
        ("client_id", "nobody"),
    ] {
        server.get(&authorize_path("app", &[wrong, ("redirect_uri", evil)])).await.assert_page(400);
    }
    for path in ["//evil.example", "//evil.example/%2e%2e", "/\\evil.example", "/https://evil.example"] {
        let reply = server.get(path).await;
        assert!(reply.status == 404 && reply.headers.get("location").is_none(), "{path}");
    }
}

#[tokio::test]
async fn what_mails_are_made_of() {
    let smtp = Smtp::start().await;
    let server = Server::with_settings(&smtp.settings()).await;
    let mut user = server.add_user(USER, None).await;
    let lines = "x\r\nBcc: eve@example.com\r\n\r\n.\r\nRCPT TO:<eve@example.com>\r\n";
    user.set_claim("locale", lines).unwrap();
    user.set_claim("name", &format!("{EVIL}{lines}")).unwrap();
    let now = server.clock.now();
    let text = format!("{EVIL}{lines}");
    let link = MailedLink {
        address: format!("http://localhost:8080/link?t={EVIL}"),
        until: now + chrono::TimeDelta::hours(1),
    };
    let mut tx = server.app.store.write().await.unwrap();
    let owner = Recipient::of(&mut tx, &user).await.unwrap().reading(lines);
    for mail in [Mail::NewDevice { label: text.clone(), address: text, at: now }, Mail::ResetPassword { link }] {
        mail::queue(&server.app, &mut tx, &owner, &mail, now).await.unwrap();
    }
    for address in [format!("{USER}{lines}"), format!("{USER}, eve@example.com"), format!("{USER}>{lines}")] {
        mail::queue(&server.app, &mut tx, &Recipient::at(&address), &Mail::PasswordChanged, now).await.unwrap();
    }
    tx.commit().await.unwrap();
    server.deliver_mails().await;

    let taken = smtp.taken();
    assert_eq!((taken.len(), smtp.recipients(), server.count("job").await), (2, 2, 0));
    for mail in taken {
        assert_eq!((mail.recipient.as_str(), mail.header("To").as_str()), (USER, USER));
        let head = mail.data.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("eve@") && !head.contains("script"), "{head}");
        let text = mail.readable();
        assert!(!text.contains("\nBcc:") && !text.contains("\nRCPT"), "{text}");
        let (_, html) = text.split_once("<!doctype html>").unwrap();
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("1234000"), "{html}");
    }
}
