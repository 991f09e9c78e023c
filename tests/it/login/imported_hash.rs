//! Passwords that were hashed elsewhere, or with other settings: good for one sign-in, which replaces the hash.

use countersign::{
    domain::{
        credential::{CredentialVersion, PasswordCredential},
        user::User,
    },
    store::credential,
};

use crate::harness::{PASSWORD, Reply, Server};

const ADA: &str = "ada@example.com";
/// [`PASSWORD`], by libxcrypt.
const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";
/// "password", by the reference implementation of Argon2.
const ARGON2I: &str = "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8";

async fn with_hash(hash: &str) -> (Server, User) {
    let server = Server::start().await;
    let user = server.add_user(ADA, None).await;
    store(&server, &user, hash).await;
    (server, user)
}

async fn store(server: &Server, user: &User, hash: &str) {
    let mut tx = server.app.store.write().await.unwrap();
    let password = PasswordCredential { user: user.id.clone(), phc: hash.to_owned() };
    credential::set_password(&mut tx, &password, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn stored(server: &Server, user: &User) -> (String, CredentialVersion) {
    let mut tx = server.app.store.read().await.unwrap();
    let (found, version) = credential::find_password(&mut tx, &user.id).await.unwrap().unwrap();
    (found.phc, version)
}

async fn sign_in(server: &Server, name: &str, password: &str) -> Reply {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", name), ("password", password)]).await
}

#[tokio::test]
async fn an_imported_hash_is_good_once_and_then_replaced_by_one_of_ours() {
    for (hash, password) in [(BCRYPT, PASSWORD), (ARGON2I, "password")] {
        let (server, user) = with_hash(hash).await;
        let (_, version) = stored(&server, &user).await;
        assert_eq!(sign_in(&server, ADA, "wrong battery staple").await.status, 422);
        assert_eq!(stored(&server, &user).await.0, hash, "a wrong password replaces nothing");

        assert!(sign_in(&server, ADA, password).await.text().contains("Signed in as"), "{hash}");
        let (replaced, same) = stored(&server, &user).await;
        assert!(replaced.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{replaced}");
        assert_eq!(same, version, "it is the same password");
        assert!(sign_in(&server, ADA, password).await.text().contains("Signed in as"), "{hash}");
        assert_eq!(stored(&server, &user).await.0, replaced, "once is enough");
    }
}

#[tokio::test]
async fn a_hash_of_other_settings_is_replaced_at_the_next_sign_in() {
    let server = Server::start().await;
    let user = server.add_user(ADA, None).await;
    let (before, _) = stored(&server, &user).await;
    let server = server.restart_with("password.parallelism = 2").await;
    sign_in(&server, ADA, PASSWORD).await.assert_page(200);
    let (after, _) = stored(&server, &user).await;
    assert!(before.contains(",p=1$") && after.contains(",p=2$"), "{after}");
}

#[tokio::test]
async fn a_disabled_person_gets_no_new_hash() {
    let (server, user) = with_hash(BCRYPT).await;
    server.disable_user(&user).await;
    assert_eq!(sign_in(&server, ADA, PASSWORD).await.status, 422);
    assert_eq!(stored(&server, &user).await.0, BCRYPT);
}

#[tokio::test]
async fn a_password_that_was_changed_meanwhile_is_not_put_back() {
    let (server, user) = with_hash(BCRYPT).await;
    let (_, version) = stored(&server, &user).await;
    store(&server, &user, ARGON2I).await;
    let mut tx = server.app.store.write().await.unwrap();
    let late = PasswordCredential { user: user.id.clone(), phc: "late".to_owned() };
    credential::replace_hash(&mut tx, &late, version, server.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&server, &user).await.0, ARGON2I);
}

/// What a try is compared with cannot be seen, but when it cannot be compared, that can.
#[tokio::test]
async fn a_name_that_nobody_has_costs_what_somebody_costs() {
    let (server, _) = with_hash(BCRYPT).await;
    for name in ["eve@example.com", "eve", "nobody", ""] {
        assert_eq!(sign_in(&server, name, PASSWORD).await.status, 422, "{name}: the hash of another opens nothing");
    }
    let (server, _) = with_hash("$2y$04$broken").await;
    for name in [ADA, "eve@example.com", "nobody", ""] {
        assert_eq!(sign_in(&server, name, PASSWORD).await.status, 500, "{name}");
    }
}

#[tokio::test]
async fn whose_hash_stands_in_is_spread_over_all_and_stays_the_same() {
    let server = Server::start().await;
    let none = async |place| credential::stand_in(&mut server.app.store.read().await.unwrap(), place).await.unwrap();
    assert_eq!(none("m").await, None);
    for (id, hash) in [("b", "first"), ("m", "second"), ("z", "third")] {
        let user = server.add_user(&format!("{id}@example.com"), None).await;
        server.database.execute(&format!("DELETE FROM credential WHERE user_id = '{}'", user.id)).await;
        server.database.execute(&format!("UPDATE account SET id = '{id}' WHERE id = '{}'", user.id)).await;
        store(&server, &User { id: countersign_types::UserId::new(id), ..user }, hash).await;
    }
    for (place, hash) in [("a", "first"), ("b", "first"), ("c", "second"), ("n", "third"), ("zz", "first")] {
        assert_eq!(none(place).await.as_deref(), Some(hash), "{place}");
    }
}
