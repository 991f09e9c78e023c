//! Attack 19: several first administrators at once, and secrets where they do not belong.

use countersign::{
    domain::{credential::Password, token::Digest},
    login::link::{self, LinkError},
    store::link::LinkPurpose,
};
use countersign_types::ClientAuthMethod;

use crate::harness::{CROWD, Log, PASSWORD, SECRET, Server, VERIFIER, confidential};

const ADA: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_first_administrators_at_once_there_is_one() {
    let server = Server::start().await;
    let mut tx = server.app.store.write().await.unwrap();
    let secret = link::issue(&server.app, &mut tx, &LinkPurpose::FirstAdministrator, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();

    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CROWD {
        let (app, digest, now) = (server.app.clone(), Digest::of(secret.expose()), server.clock.now());
        tasks.spawn(async move {
            let password = Password::chosen(PASSWORD.to_owned()).unwrap();
            link::create_administrator(&app, &digest, (format!("{number}@example.com"), None), &password, now).await
        });
    }
    let outcomes = tasks.join_all().await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(LinkError::Spent))).count(), CROWD - 1);
    assert_eq!(server.count("account").await, 1);
}

#[tokio::test]
async fn no_secret_reaches_a_log() {
    let (log, _guard) = Log::capture();
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    server.add_user(ADA, None).await;
    let mut browser = server.browser();
    let code = browser.code("app", ADA, "openid offline_access").await;
    let tokens = server.exchange("app", &code).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    server.exchange("app", &code).await.assert_error(400, "invalid_grant");
    server.userinfo(&text("access_token")).await;
    server.refresh("app", &text("refresh_token")).await;
    server.post("/token", &[("authorization", "Basic bm9ib2R5OndoYXQgc2hlIHR5cGVk")], &[]).await;

    let log = log.text();
    let mut secrets = vec![PASSWORD.to_owned(), SECRET.to_owned(), VERIFIER.to_owned(), code];
    secrets.extend(["access_token", "refresh_token", "id_token"].map(text));
    secrets.extend(browser.cookies.into_values());
    secrets.push("what she typed".to_owned());
    for secret in secrets {
        assert!(secret.len() > 8 && !log.contains(&secret), "a secret of {} characters is logged", secret.len());
    }
}

#[tokio::test]
async fn no_secret_is_printed_by_debug() {
    let server = Server::start().await;
    server.add_client("app", confidential(ClientAuthMethod::ClientSecretBasic, |_| {})).await;
    let user = server.add_user(ADA, None).await;
    let secret = server.app.random.secret();
    let printed = format!(
        "{:?} {:?} {:?} {:?} {:?} {user:?}",
        server.app,
        secret,
        secret.digest(),
        Password::typed(PASSWORD.to_owned()),
        server.issuer,
    );
    let master = std::fs::read_to_string(server.app.settings.keys.dir.join("master.key")).unwrap();
    for hidden in [secret.expose(), PASSWORD, ADA, master.trim(), "\"d\":", "\"p\":", "\"q\":"] {
        assert!(!printed.contains(hidden), "{hidden}");
    }
}
