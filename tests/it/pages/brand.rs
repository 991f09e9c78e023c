//! What the operator calls this provider, and how it looks then.

use crate::harness::Server;

const SETTINGS: &str =
    "brand.name = 'House & Sons'\nbrand.accent = '#7a0c0c'\nbrand.logo_file = 'templates/asset/no_logo.svg'";

/// The first address of ours on a page that has this stem.
fn asset(html: &str, stem: &str) -> String {
    let start = format!("/assets/{stem}-");
    let rest = html.split(&start).nth(1).unwrap_or_else(|| panic!("no {stem} in {html}"));
    format!("{start}{}", rest.split('"').next().unwrap())
}

#[tokio::test]
async fn pages_bear_the_name_the_logo_and_the_colours_of_the_house() {
    let server = Server::with_settings(SETTINGS).await;
    let page = server.get("/login").await.text();
    assert!(page.contains("<title>Sign in · House &#38; Sons</title>"), "{page}");
    assert!(page.contains("with your House &#38; Sons account"), "{page}");
    assert!(!page.contains("Countersign"), "{page}");

    let logo = server.get(&asset(&page, "logo")).await;
    assert_eq!((logo.status, logo.header("content-type")), (200, Some("image/svg+xml")));
    // Whoever opens it by itself runs nothing in it.
    assert_eq!(logo.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'; sandbox"));
    assert_eq!(logo.text(), include_str!("../../../templates/asset/no_logo.svg"));

    let style = server.get(&asset(&page, "style")).await.text();
    assert!(style.contains("--accent: #7a0c0c;"), "{style}");
    // Never inline: the policy would not let it.
    assert!(!page.contains("#7a0c0c") && !page.contains("style="), "{page}");
}

#[tokio::test]
async fn other_looks_lie_under_other_addresses() {
    let ours = Server::start().await.get("/").await.text();
    let theirs = Server::with_settings(SETTINGS).await.get("/").await.text();
    assert_ne!(asset(&ours, "style"), asset(&theirs, "style"));
    assert!(ours.contains("/assets/mark-") && !theirs.contains("/assets/mark-"), "{theirs}");
}

#[tokio::test]
async fn the_name_of_the_house_is_no_part_of_a_password() {
    let server = Server::with_settings("brand.name = 'Zwiebelkuchen'").await;
    let mut browser = server.browser();
    let link = browser.open(&server.issue_link(&countersign::store::link::LinkPurpose::FirstAdministrator).await).await;
    let form = [("email", "eve@example.com"), ("password", "zwiebelkuchen-7391-qx")];
    let page = browser.submit(&link, &form).await;
    page.assert_page(422);
    assert!(page.text().contains("the name of this place"), "{}", page.text());
}
