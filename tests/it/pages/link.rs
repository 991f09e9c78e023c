//! `/link`: the first administrator, and passwords that people choose themselves.

use chrono::TimeDelta;
use countersign::store::link::LinkPurpose;

use crate::harness::{CROWD, PASSWORD, Reply, Server, form_request, hidden_fields};

const EVE: &str = "eve@example.com";
const NEW_PASSWORD: &str = "a new battery staple";
const ADMINISTRATOR: [(&str, &str); 3] =
    [("email", "root@example.com"), ("username", "root"), ("password", NEW_PASSWORD)];

async fn signs_in(server: &Server, name: &str, password: &str) -> bool {
    let mut browser = server.browser();
    let page = browser.open("/login").await;
    browser.submit(&page, &[("username", name), ("password", password)]).await.text().contains("Signed in as")
}

fn assert_spent(reply: &Reply) {
    reply.assert_page(410);
    assert!(reply.text().contains("does not work any more"), "{}", reply.text());
}

#[tokio::test]
async fn the_first_administrator_is_made_by_a_link_that_works_once() {
    let server = Server::start().await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let done = browser.submit(&page, &ADMINISTRATOR).await;
    assert!(done.text().contains("You can sign in now"), "{}", done.text());
    assert!(signs_in(&server, "root", NEW_PASSWORD).await && signs_in(&server, "root@example.com", NEW_PASSWORD).await);
    assert_spent(&browser.open(&link).await);
    assert_spent(&browser.submit(&page, &[("email", EVE), ("password", NEW_PASSWORD)]).await);
    assert_eq!(server.count("account").await, 1);
}

#[tokio::test]
async fn opening_a_link_spends_nothing_and_neither_does_a_mistake() {
    let server = Server::start().await;
    server.add_user(EVE, Some("eve")).await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let mut browser = server.browser();
    for _ in 0..3 {
        assert_eq!(server.get(&link).await.status, 200);
    }
    let page = browser.open(&link).await;
    for (fields, words) in [
        ([("email", "root"), ("username", ""), ("password", NEW_PASSWORD)], "not a mail address"),
        ([("email", "root@example.com"), ("username", "a b"), ("password", NEW_PASSWORD)], "A user name has"),
        ([("email", "root@example.com"), ("username", ""), ("password", "1234567")], "too short"),
        ([("email", EVE), ("username", ""), ("password", NEW_PASSWORD)], "belongs to another account"),
        (
            [("email", "root@example.com"), ("username", "EVE"), ("password", NEW_PASSWORD)],
            "belongs to another account",
        ),
    ] {
        let again = browser.submit(&page, &fields).await;
        assert_eq!(again.status, 422, "{words}");
        let html = again.text();
        assert!(html.contains(words) && html.contains(&format!("value=\"{}\"", fields[0].1)), "{words}: {html}");
        assert!(!html.contains(fields[2].1), "the password stands in the page: {html}");
    }
    assert_eq!(browser.submit(&page, &ADMINISTRATOR).await.status, 200);
}

#[tokio::test]
async fn a_link_is_good_for_half_an_hour() {
    let server = Server::start().await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let mut browser = server.browser();
    server.advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
    let page = browser.open(&link).await;
    page.assert_page(200);
    server.advance(TimeDelta::seconds(1));
    assert_spent(&browser.open(&link).await);
    assert_spent(&browser.submit(&page, &ADMINISTRATOR).await);
    assert_eq!(server.count("account").await, 0);
}

#[tokio::test]
async fn a_newer_link_replaces_the_older_one_for_the_same_purpose_alone() {
    let server = Server::start().await;
    let [eve, bob] = [server.add_user(EVE, None).await, server.add_user("bob@example.com", None).await];
    let for_user = |user: &countersign::domain::user::User| LinkPurpose::ChoosePassword(user.id.clone());
    let purposes = [LinkPurpose::FirstAdministrator, for_user(&eve), for_user(&bob)];
    let mut links = Vec::new();
    for purpose in &purposes {
        links.push(server.issue_link(purpose).await);
    }
    let newer = server.issue_link(&purposes[1]).await;
    assert_spent(&server.get(&links[1]).await);
    for link in [&links[0], &links[2], &newer] {
        assert_eq!(server.get(link).await.status, 200);
    }
}

#[tokio::test]
async fn the_administrators_link_is_dead_once_there_is_one_by_other_means() {
    let server = Server::start().await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let mut eve = server.add_user(EVE, None).await;
    eve.roles = ["admin".to_owned()].into();
    server.update_user(&eve).await;
    assert_spent(&browser.open(&link).await);
    assert_spent(&browser.submit(&page, &ADMINISTRATOR).await);
    assert_eq!(server.count("account").await, 1);
}

#[tokio::test]
async fn a_chosen_password_replaces_the_old_one_and_ends_what_it_opened() {
    let server = Server::start().await;
    let eve = server.add_user(EVE, None).await;
    let mut signed_in = server.browser();
    let login = signed_in.open("/login").await;
    signed_in.log_in(&login, EVE).await;

    let link = server.issue_link(&LinkPurpose::ChoosePassword(eve.id)).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    assert!(page.text().contains(EVE) && !page.text().contains("name=\"email\""), "{}", page.text());
    assert_eq!(browser.submit(&page, &[("password", "1234567")]).await.status, 422);
    browser.submit(&page, &[("password", NEW_PASSWORD)]).await.assert_page(200);

    assert!(signs_in(&server, EVE, NEW_PASSWORD).await);
    assert!(!signs_in(&server, EVE, PASSWORD).await);
    assert!(!signed_in.open("/").await.text().contains("Signed in as"));
    assert_spent(&browser.open(&link).await);
}

#[tokio::test]
async fn a_link_is_dead_once_the_password_was_set_by_other_means_or_the_account_disabled() {
    let server = Server::start().await;
    let [eve, bob] = [server.add_user(EVE, None).await, server.add_user("bob@example.com", None).await];
    let mut links = Vec::new();
    for user in [&eve, &bob] {
        links.push(server.issue_link(&LinkPurpose::ChoosePassword(user.id.clone())).await);
    }
    server.change_password(&eve, NEW_PASSWORD).await;
    server.disable_user(&bob).await;
    for link in &links {
        assert_spent(&server.get(link).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_makes_the_administrator() {
    let server = Server::start().await;
    let link = server.issue_link(&LinkPurpose::FirstAdministrator).await;
    let mut browser = server.browser();
    let page = browser.open(&link).await;
    let (_, hidden) = hidden_fields(&page.text());
    let (name, value) = browser.cookies.first_key_value().unwrap();
    let cookie = format!("{name}={value}");
    let requests = (0..CROWD).map(|number| {
        let email = format!("root{number}@example.com");
        form_request(
            &link,
            &[("cookie", &cookie)],
            &[("csrf", &hidden[0].1), ("email", &email), ("password", NEW_PASSWORD)],
        )
    });
    let statuses: Vec<u16> = server.send_at_once(requests).await.into_iter().map(|reply| reply.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    // Some may find too many passwords being hashed; nobody else gets through.
    assert!(statuses.iter().all(|status| [303, 410, 503].contains(status)), "{statuses:?}");
    assert_eq!(server.count("account").await, 1);
}
