//! The account area.

mod activity;
mod apps;
mod changes;
mod confirm;
mod data;
mod sessions;

use super::{ADA, start};

#[tokio::test]
async fn whoever_is_not_signed_in_signs_in_first_and_comes_back() {
    let server = start().await;
    let mut browser = server.browser();
    let to_login = browser.get("/account").await;
    assert_eq!((to_login.location(), to_login.header("cache-control")), ("/login?to=account", Some("no-store")));
    let login = browser.follow(to_login).await;
    let wrong = browser.submit(&login, &[("username", ADA), ("password", "wrong")]).await;
    assert_eq!(wrong.status, 422);
    let page = browser.log_in(&wrong, ADA).await;
    page.assert_page(200);
    assert!(page.text().contains("<h1>Your account</h1>") && page.text().contains(ADA), "{}", page.text());
}

#[tokio::test]
async fn the_start_page_leads_there() {
    let server = start().await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    let start = browser.log_in(&login, "ada").await;
    assert!(start.text().contains("href=\"/account\""), "{}", start.text());
    let page = browser.get("/account").await;
    assert!(page.text().contains("aria-current=\"page\""), "{}", page.text());
}
