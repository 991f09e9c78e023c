//! Every template is rendered with what people and apps could put into it, and looked at.

use std::{collections::BTreeSet, sync::Arc};

use askama::Template;

use super::{account, accounts, consent, dev_mail, errand, link, login, second_factor, signed_out, start};
use crate::{
    config::Settings,
    http::{error_page, form_post, frame::Frame, front_channel},
    looks::Looks,
    text::Language,
};

/// A rendered page, under the name of its template.
pub(super) type Sample = (&'static str, String);

/// Every page in every state, with this text wherever text comes from elsewhere.
const PAGES: [fn(&Frame, &str) -> Vec<Sample>; 25] = [
    account::activity::samples,
    account::apps::samples,
    account::confirm::samples,
    account::recovery_codes::samples,
    account::second_factor::samples,
    account::samples,
    account::data::samples,
    account::email::samples,
    account::sessions::samples,
    account::password::samples,
    account::profile::samples,
    accounts::samples,
    consent::samples,
    dev_mail::samples,
    errand::samples,
    error_page::samples,
    form_post::samples,
    front_channel::samples,
    link::samples,
    login::samples,
    logout_samples,
    second_factor::code::samples,
    second_factor::enrol::samples,
    signed_out::samples,
    start::samples,
];

/// A page without the only scripts that there are; the policies of theirs know them by their hashes.
fn without_scripts(html: &str) -> String {
    html.replace("<script>document.forms[0].submit()</script>", "").replace(&front_channel::script(), "")
}

/// Markup, an attribute's end, an override of the writing direction, and no end.
fn hostile() -> String {
    format!("\"'><script>alert(1)</script>\u{202e}&amp;{}", "x".repeat(2_000))
}

/// The page that `oauth/end_session.rs` renders.
#[derive(Template)]
#[template(path = "page/logout.html")]
struct LogoutPage {
    frame: Frame,
    client_name: Option<String>,
    csrf: String,
    request: String,
    has_others: bool,
}

fn logout_samples(frame: &Frame, text: &str) -> Vec<Sample> {
    let own = || text.to_owned();
    [(None, false), (Some(own()), false), (None, true)]
        .map(|(client_name, has_others)| {
            let (frame, csrf, request) = (frame.clone(), own(), own());
            LogoutPage { frame, client_name, csrf, request, has_others }
        })
        .map(|page| ("logout.html", page.render().unwrap()))
        .into()
}

/// How pages look where an operator set everything.
fn looks() -> Arc<Looks> {
    let settings = "brand.name = 'House&Sons'\nbrand.logo_file = 'templates/asset/icon.svg'";
    Arc::new(Looks::open(&Settings::parse(settings, []).unwrap().brand).unwrap())
}

/// All samples in one language.
fn pages_in(language: Language, text: &str) -> Vec<Sample> {
    let frame = Frame::sample(language, &looks());
    PAGES.iter().flat_map(|samples| samples(&frame, text)).collect()
}

/// All samples in all languages.
fn every_page(text: &str) -> Vec<Sample> {
    Language::ALL.into_iter().flat_map(|language| pages_in(language, text)).collect()
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

#[test]
fn every_template_is_rendered_here() {
    let seen: BTreeSet<_> = every_page("text").into_iter().map(|(template, _)| template.to_owned()).collect();
    let there = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/page")).unwrap();
    let there: BTreeSet<_> = there.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(seen, there);
}

#[test]
fn no_text_becomes_markup() {
    let plain: Vec<_> = every_page("text");
    for ((template, html), (_, expected)) in every_page(&hostile()).iter().zip(&plain) {
        assert!(!without_scripts(html).contains("<script"), "{template}");
        let names = |html: &str| -> Vec<String> {
            tags(html).map(|tag| tag.split_whitespace().next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(names(html), names(expected), "{template}: other tags than with harmless text");
    }
}

#[test]
fn names_cannot_turn_the_text_around_them() {
    for (template, html) in every_page(&hostile()) {
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

#[test]
fn pages_have_what_readers_of_any_kind_need() {
    for (template, html) in every_page("text") {
        assert_eq!(html.matches("<h1>").count(), 1, "{template}: one headline");
        assert_eq!(html.matches("<main").count(), 1, "{template}: one main part");
        let title = html.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
        assert!(
            title.ends_with(" · House&#38;Sons") && !title.starts_with(' ') && !title.contains('\n'),
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
            let is_filled_in = !input.contains("type=\"checkbox\"");
            assert!(!is_filled_in || input.contains("autocomplete="), "{template}: what to fill in: <{input}>");
        }
        assert!(html.matches(" autofocus").count() <= 1, "{template}: one place to begin");
    }
}

#[test]
fn pages_obey_their_own_content_security_policy() {
    for (template, html) in every_page("text") {
        for tag in tags(&without_scripts(&html)) {
            assert!(!tag.starts_with("script") && !tag.starts_with("style"), "{template}: <{tag}>");
            assert!(!tag.contains(" style=") && !tag.contains(" on"), "{template}: <{tag}>");
        }
        // Those of frames are in the policy of their page.
        for source in attribute(&html.replace("<iframe hidden src", "<iframe"), " src") {
            assert!(source.starts_with('/'), "{template}: {source} is not ours");
        }
    }
}

#[test]
fn every_form_is_a_post_with_a_token() {
    for (template, html) in every_page("text") {
        // That one goes to an app, which has its `state`.
        for form in html.split("<form").skip(1).filter(|_| template != "form_post.html") {
            let form = form.split_once("</form>").unwrap().0;
            assert!(form.starts_with(" method=\"post\" action=\""), "{template}");
            assert!(form.contains("<input type=\"hidden\" name=\"csrf\" value=\"text\">"), "{template}");
        }
    }
}

#[test]
fn logos_come_from_our_own_origin() {
    let logo = "<img src=\"/client-logo/a%2Fb%3Fc%20%22\" alt=\"\"";
    assert!(
        login::samples(&Frame::sample(Language::English, &looks()), "a/b?c \"")
            .iter()
            .any(|(_, html)| html.contains(logo))
    );
}

/// What stands between the tags of a page, apart from code and what others wrote.
fn texts(html: &str) -> Vec<&str> {
    html.split('<')
        .filter_map(|rest| rest.split_once('>'))
        .filter(|(tag, _)| !matches!(*tag, "code" | "pre" | "bdi" | "script"))
        .map(|(_, text)| text.trim())
        .collect()
}

#[test]
fn pages_name_their_language_and_leave_no_text_in_another() {
    let [english, german] = Language::ALL.map(|language| pages_in(language, "text"));
    for ((template, english), (_, german)) in english.iter().zip(&german) {
        assert!(english.starts_with("<!doctype html>\n<html lang=\"en\">"), "{template}");
        assert!(german.starts_with("<!doctype html>\n<html lang=\"de\">"), "{template}");
        for (english, german) in texts(english).into_iter().zip(texts(german)) {
            // Single words may be the same in both; names of standards are.
            let is_translated = english != german || !english.contains(' ') || english == "Discovery (OpenID Connect)";
            assert!(is_translated, "{template}: {english:?} in both languages");
        }
    }
}
