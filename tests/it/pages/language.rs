//! In which language pages answer: as the app asks, else as the person told us, else as the browser says.

use countersign::store::account;

use super::{ADA, start};
use crate::harness::{Reply, Server};

#[track_caller]
fn assert_language(page: &Reply, tag: &str, words: &str) {
    assert!(page.text().starts_with(&format!("<!doctype html>\n<html lang=\"{tag}\">")), "{}", page.text());
    assert_eq!(page.header("content-language"), Some(tag));
    assert_eq!(page.header("vary"), Some("Accept-Language, Cookie"));
    assert!(page.text().contains(words), "{words}: {}", page.text());
}

async fn set_locale(server: &Server, locale: &str) {
    let mut tx = server.app.store.write().await.unwrap();
    let mut user = account::find_by_name(&mut tx, ADA).await.unwrap().unwrap();
    user.set_claim("locale", locale).unwrap();
    account::update(&mut tx, &user).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn pages_speak_the_language_of_the_browser() {
    let server = start().await;
    let mut browser = server.browser();
    browser.reads = Some("de-AT,de;q=0.9,en;q=0.8");
    assert_language(&browser.open("/").await, "de", "Countersign läuft");
    let login = browser.open("/login").await;
    assert_language(&login, "de", "mit Ihrem Konto bei Countersign");
    assert_language(&browser.submit(&login, &[("username", ADA), ("password", "wrong")]).await, "de", "stimmt nicht");
    assert_language(&browser.open("/signed-out").await, "de", "Sie sind abgemeldet");
    assert_language(&browser.open("/link?t=none").await, "de", "Dieser Link gilt nicht mehr");

    browser.reads = Some("fr-FR, fr;q=0.9");
    assert_language(&browser.open("/login").await, "en", "with your Countersign account");
}

#[tokio::test]
async fn errors_are_told_in_the_language_of_the_reader_too() {
    let server = start().await;
    let mut browser = server.browser();
    browser.reads = Some("de");
    for (path, status, words) in [
        ("/nothing", 404, "Seite nicht gefunden"),
        ("/login?i=none", 400, "Diese Anfrage ist abgelaufen"),
        ("/login?a=1&a=2", 400, "ein Parameter kam mehr als einmal vor"),
        ("/authorize?client_id=nobody", 400, "ihre client_id ist unbekannt"),
        ("/logout?id_token_hint=none", 400, "das nicht von hier stammt (id_token_hint)"),
        ("/authorize?client_id=%ff", 400, "formularkodiertes UTF-8"),
    ] {
        let page = browser.get(path).await;
        page.assert_page(status);
        assert_language(&page, "de", words);
    }
    let forged = browser.post("/login", &[("username", ADA)]).await;
    forged.assert_page(403);
    assert_language(&forged, "de", "Dieses Formular ist abgelaufen");
    let method = browser.post("/signed-out", &[]).await;
    method.assert_page(405);
    assert_language(&method, "de", "So lässt sich diese Seite nicht verwenden");
}

#[tokio::test]
async fn what_the_app_asks_for_holds_on_every_page_of_the_sign_in() {
    let server = start().await;
    set_locale(&server, "en-GB").await;
    let mut browser = server.browser();
    browser.reads = Some("en");
    let login = browser.authorize("app", &[("ui_locales", "fr-CA de en")]).await;
    assert_language(&login, "de", "Bei <bdi>The App</bdi> anmelden");
    let again = browser.submit(&login, &[("username", ADA), ("password", "wrong")]).await;
    assert_language(&again, "de", "Prüfen Sie beides");
    let consent = browser.log_in(&again, ADA).await;
    assert_language(&consent, "de", "Wissen, wer Sie sind");
    assert_language(&browser.submit(&consent, &[]).await, "de", "Es ist keine Entscheidung angekommen");

    let wrong = browser.get("/authorize?client_id=nobody&ui_locales=de").await;
    assert_language(&wrong, "de", "Diese App ist hier nicht eingetragen");
}

#[tokio::test]
async fn what_the_app_asks_for_at_a_logout_holds_there() {
    let server = start().await;
    let mut browser = server.browser();
    let login = browser.open("/login").await;
    browser.log_in(&login, ADA).await;
    assert_language(&browser.open("/logout?client_id=app&ui_locales=de").await, "de", "möchte Sie abmelden");
    // From another site, by POST.
    let reply = browser.post("/logout", &[("client_id", "app"), ("ui_locales", "de")]).await;
    assert_language(&browser.follow(reply).await, "de", "möchte Sie abmelden");
}

#[tokio::test]
async fn whoever_is_signed_in_reads_what_they_told_us_to_use() {
    let server = start().await;
    set_locale(&server, "de-CH").await;
    let mut browser = server.browser();
    browser.reads = Some("en");
    let login = browser.open("/login").await;
    assert_language(&login, "en", "Sign in");
    assert_language(&browser.log_in(&login, ADA).await, "de", "Angemeldet als");
    assert_language(&browser.get("/nothing").await, "de", "Seite nicht gefunden");
    let asked = browser.authorize("app", &[("ui_locales", "en")]).await;
    assert_language(&asked, "en", "Know who you are");

    set_locale(&server, "fr").await;
    assert_language(&browser.open("/").await, "en", "Signed in as");
}
