//! Every template is rendered with what people and apps could put into it, and looked at.

use std::collections::BTreeSet;

use askama::Template;
use axum::{body::to_bytes, response::IntoResponse};

use super::{
    account::{Navigation, OverviewPage, confirm::ConfirmPage},
    consent::{ConsentPage, Destination},
    link::{DonePage, LinkPage, Problem},
    login::{LoginPage, Refusal, Wait},
    shown_client::ShownClient,
    signed_out::SignedOutPage,
    start::StartPage,
};
use crate::{
    domain::{credential::PasswordError, user::InvalidName},
    http::{error_page::ErrorPage, owner::Place},
};

/// Markup, an attribute's end, an override of the writing direction, and no end.
fn hostile() -> String {
    format!("\"'><script>alert(1)</script>\u{202e}&amp;{}", "x".repeat(2_000))
}

fn client(text: &str, has_logo: bool) -> ShownClient {
    ShownClient {
        id: text.to_owned(),
        name: text.to_owned(),
        initial: text.chars().take(1).collect(),
        has_logo,
        policy_uri: has_logo.then(|| text.to_owned()),
        tos_uri: has_logo.then(|| text.to_owned()),
    }
}

/// The page that `oauth/end_session.rs` renders.
#[derive(Template)]
#[template(path = "page/logout.html")]
struct LogoutPage {
    client_name: Option<String>,
    csrf: String,
    request: String,
}

/// Every page in every state, with this text wherever text comes from elsewhere, under the name of its template.
async fn every_page(text: &str) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let mut pages = Vec::new();

    let refusals = [Refusal::Mismatch, Refusal::Throttled(Wait(8)), Refusal::Busy].map(Some);
    for refusal in [None].into_iter().chain(refusals) {
        for client in [None, Some(client(text, true)), Some(client(text, false))] {
            let page = LoginPage { action: own(), csrf: own(), client, username: own(), refusal };
            pages.push(("login.html", page.render().unwrap()));
        }
    }
    for destination in [Destination::Site(own()), Destination::ThisDevice] {
        let page = ConsentPage {
            action: own(),
            csrf: own(),
            session: own(),
            client: client(text, destination == Destination::ThisDevice),
            person: own(),
            switch_account: own(),
            scopes: vec![own(), own()],
            destination,
        };
        pages.push(("consent.html", page.render().unwrap()));
    }
    for problem in [
        None,
        Some(Problem::Email(InvalidName::Email)),
        Some(Problem::Username(InvalidName::Username)),
        Some(Problem::Password(PasswordError::TooShort)),
        Some(Problem::Password(PasswordError::TooLong)),
        Some(Problem::Password(PasswordError::Common)),
        Some(Problem::Password(PasswordError::NearWord)),
        Some(Problem::Password(PasswordError::Weak)),
        Some(Problem::Password(PasswordError::Breached)),
        Some(Problem::Taken),
        Some(Problem::Busy),
    ] {
        for account in [None, Some(own())] {
            let page = LinkPage { token: own(), csrf: own(), account, email: own(), username: own(), problem };
            pages.push(("link.html", page.render().unwrap()));
        }
    }
    for (person, development) in
        [(None, Some("1.2.3")), (Some(own()), Some("1.2.3")), (None, None), (Some(own()), None)]
    {
        pages.push(("start.html", StartPage { issuer: own(), person, development }.render().unwrap()));
    }
    for username in [None, Some(own())] {
        let navigation = Navigation { here: Place::Overview };
        let email_verified = username.is_none();
        let page = OverviewPage { navigation, name: own(), email: own(), email_verified, username };
        pages.push(("account.html", page.render().unwrap()));
    }
    for refusal in [None].into_iter().chain(refusals) {
        let page = ConfirmPage { action: own(), csrf: own(), account: own(), back: "/account", refusal };
        pages.push(("account_confirm.html", page.render().unwrap()));
    }
    for client_name in [None, Some(own())] {
        pages.push(("logout.html", LogoutPage { client_name, csrf: own(), request: own() }.render().unwrap()));
    }
    let error = to_bytes(ErrorPage::bad_request(text).into_response().into_body(), usize::MAX).await.unwrap();
    pages.push(("error.html", String::from_utf8(error.to_vec()).unwrap()));
    pages.push(("signed_out.html", SignedOutPage.render().unwrap()));
    pages.push(("link_done.html", DonePage.render().unwrap()));
    pages
}

/// The tags of a page, without their angle brackets.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap())
}

/// The values of an attribute, wherever it stands.
fn attribute<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("{name}=\"");
    tags(html).filter_map(|tag| tag.split_once(&start)?.1.split('"').next()).collect()
}

#[tokio::test]
async fn every_template_is_rendered_here() {
    let seen: BTreeSet<_> = every_page("text").await.into_iter().map(|(template, _)| template.to_owned()).collect();
    let there = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/page")).unwrap();
    let there: BTreeSet<_> = there.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(seen, there);
}

#[tokio::test]
async fn no_text_becomes_markup() {
    let plain: Vec<_> = every_page("text").await;
    for ((template, html), (_, expected)) in every_page(&hostile()).await.iter().zip(&plain) {
        assert!(!html.contains("<script"), "{template}");
        let names = |html: &str| -> Vec<String> {
            tags(html).map(|tag| tag.split_whitespace().next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(names(html), names(expected), "{template}: other tags than with harmless text");
    }
}

#[tokio::test]
async fn names_cannot_turn_the_text_around_them() {
    for (template, html) in every_page(&hostile()).await {
        for line in html.lines().filter(|line| line.contains('\u{202e}') && !line.contains("<title>")) {
            // Between tags; what stands in an attribute is not laid out.
            let bare = tags(line).zip(line.split('<').skip(1)).all(|(tag, rest)| {
                let text = &rest[tag.len()..];
                !text.contains('\u{202e}')
                    || ["bdi", "li", "p", "div", "h1", "code", "strong"].contains(&tag.split(' ').next().unwrap())
            });
            assert!(bare, "{template}: {}", &line[..line.len().min(200)]);
        }
    }
}

#[tokio::test]
async fn pages_have_what_readers_of_any_kind_need() {
    for (template, html) in every_page("text").await {
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{template}: document type and language");
        assert_eq!(html.matches("<h1>").count(), 1, "{template}: one headline");
        assert_eq!(html.matches("<main").count(), 1, "{template}: one main part");
        let title = html.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
        assert!(
            title.ends_with(" · Countersign") && !title.starts_with(' ') && !title.contains('\n'),
            "{template}: {title:?}"
        );

        let ids = attribute(&html, " id");
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{template}: ids are unique");
        for label in attribute(&html, " for") {
            assert!(ids.contains(&label), "{template}: a label for {label}");
        }
        for described in attribute(&html, "aria-describedby").iter().flat_map(|ids| ids.split(' ')) {
            assert!(ids.contains(&described), "{template}: described by {described}");
        }
        for input in tags(&html).filter(|tag| tag.starts_with("input") && !tag.contains("hidden")) {
            let id = attribute(&format!("<{input}>"), " id").first().copied().unwrap_or_default().to_owned();
            assert!(html.contains(&format!("<label for=\"{id}\"")), "{template}: a label for <{input}>");
            assert!(input.contains("autocomplete="), "{template}: what to fill in: <{input}>");
        }
        assert!(html.matches(" autofocus").count() <= 1, "{template}: one place to begin");
    }
}

#[tokio::test]
async fn pages_obey_their_own_content_security_policy() {
    for (template, html) in every_page("text").await {
        for tag in tags(&html) {
            assert!(!tag.starts_with("script") && !tag.starts_with("style"), "{template}: <{tag}>");
            assert!(!tag.contains(" style=") && !tag.contains(" on"), "{template}: <{tag}>");
        }
        for source in attribute(&html, " src") {
            assert!(source.starts_with('/'), "{template}: {source} is not ours");
        }
    }
}

#[tokio::test]
async fn every_form_is_a_post_with_a_token() {
    for (template, html) in every_page("text").await {
        for form in html.split("<form").skip(1) {
            let form = form.split_once("</form>").unwrap().0;
            assert!(form.starts_with(" method=\"post\" action=\""), "{template}");
            assert!(form.contains("<input type=\"hidden\" name=\"csrf\" value=\"text\">"), "{template}");
        }
    }
}

#[tokio::test]
async fn logos_come_from_our_own_origin() {
    let html = LoginPage {
        action: String::new(),
        csrf: String::new(),
        client: Some(client("a/b?c \"", true)),
        username: String::new(),
        refusal: None,
    };
    assert!(html.render().unwrap().contains("<img src=\"/client-logo/a%2Fb%3Fc%20%22\" alt=\"\""));
}
