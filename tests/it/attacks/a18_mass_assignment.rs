//! Attack 18: fields that a form does not have.

use countersign::{
    login::link,
    store::{account, link::LinkPurpose},
};

use crate::harness::{PASSWORD, Server};

#[tokio::test]
async fn extra_fields_of_a_form_change_nothing() {
    let server = Server::start().await;
    let ada = server.add_user("ada@example.com", None).await;
    let eve = server.add_user("eve@example.com", None).await;
    let mut tx = server.app.store.write().await.unwrap();
    let purpose = LinkPurpose::ChoosePassword(eve.id.clone());
    let secret = link::issue(&server.app, &mut tx, &purpose, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();

    let mut browser = server.browser();
    let page = browser.get(&format!("/link?t={}", secret.expose())).await;
    let new_password = "another good long password";
    let fields = [
        ("password", new_password),
        ("roles", "admin"),
        ("email_verified", "true"),
        ("email", "ada@example.com"),
        ("sub", ada.id.as_str()),
        ("user_id", ada.id.as_str()),
        ("enabled", "false"),
    ];
    let done = browser.submit(&page, &fields).await;
    assert_eq!(done.status, 200, "{}", done.text());

    let mut tx = server.app.store.read().await.unwrap();
    for before in [&ada, &eve] {
        let after = account::find(&mut tx, &before.id).await.unwrap().unwrap();
        assert_eq!((&after.email, &after.roles, after.enabled), (&before.email, &before.roles, true));
    }
    drop(tx);
    for (name, password) in [("ada@example.com", PASSWORD), ("eve@example.com", new_password)] {
        let mut browser = server.browser();
        let form = browser.open("/login").await;
        let extra = [("username", name), ("password", password), ("roles", "admin"), ("sub", ada.id.as_str())];
        assert_eq!(browser.submit_only(&form, &extra).await.status, 303, "{name}");
    }
}
