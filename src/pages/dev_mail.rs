//! `/dev/mail`: the mails that a development start did not send, but keeps for whoever develops.
//!
//! Where mails are sent there is no such page, and so under no https issuer. What stands in a mail is shown as text; its HTML
//! stands alone on a page that may do nothing.

use std::{path::Path as FilePath, sync::Arc};

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    Router,
    extract::{FromRef, Path, State},
    http::{HeaderValue, header},
    response::{Html, IntoResponse},
    routing::get,
};

use super::Answer;
use crate::{
    app::App,
    http::{
        error_page::ErrorPage,
        frame::Frame,
        headers::{PAGE_POLICY, page},
        near::Near,
        state::AppState,
    },
    mailer::{Message, folder::Folder},
    text::Value,
};

/// For the HTML of a mail: its own styles, and nothing else.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// All mails, the newest first.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/dev_mails.html")]
struct MailsPage {
    frame: Frame,
    folder: String,
    mails: Vec<Message>,
}

/// One mail.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/dev_mail.html")]
struct MailPage {
    frame: Frame,
    issuer: String,
    mail: Message,
}

impl MailsPage {
    fn new(frame: Frame, folder: &FilePath, mails: Vec<Message>) -> Self {
        Self { folder: folder.display().to_string(), mails, frame }
    }
}

impl MailPage {
    /// The paragraphs of the text, by lines.
    fn paragraphs(&self) -> impl Iterator<Item = Vec<&str>> {
        self.mail.text.split("\n\n").map(|paragraph| paragraph.lines().collect())
    }

    /// Whether a line is the address of a page of ours.
    fn is_link(&self, line: &str) -> bool {
        line.strip_prefix(&self.issuer).is_some_and(|path| path.starts_with('/') && !path.contains(char::is_whitespace))
    }
}

/// To whom a mail goes, and since when.
fn envelope(frame: &Frame, mail: &Message) -> String {
    frame.with("dev-mail-to", &[("to", Value::Foreign(&mail.to)), ("at", Value::Moment(mail.at))])
}

/// The routes, where mails are kept.
pub fn routes<S>(app: &App) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    AppState: FromRef<S>,
    Arc<App>: FromRef<S>,
{
    if app.mailer.folder().is_none() {
        return Router::new();
    }
    Router::new()
        .route("/dev/mail", get(list))
        .route("/dev/mail/{id}", get(one))
        .route("/dev/mail/{id}/html", get(html))
}

/// `GET /dev/mail`
async fn list(_: Near, State(AppState { app, .. }): State<AppState>, frame: Frame) -> Answer {
    let folder = folder(&app)?;
    let mails = folder.list().await.map_err(|error| ErrorPage::broken(&error))?;
    let mails = MailsPage::new(frame, folder.path(), mails);
    Ok((page(PAGE_POLICY, &mails.frame), mails).into_response())
}

/// `GET /dev/mail/{id}`
async fn one(
    _: Near,
    State(AppState { app, issuer }): State<AppState>,
    Path(id): Path<String>,
    frame: Frame,
) -> Answer {
    let mail = find(&app, &id).await?;
    let mail = MailPage { frame, issuer: issuer.url.clone(), mail };
    Ok((page(PAGE_POLICY, &mail.frame), mail).into_response())
}

/// `GET /dev/mail/{id}/html`
async fn html(_: Near, State(AppState { app, .. }): State<AppState>, Path(id): Path<String>) -> Answer {
    let mail = find(&app, &id).await?;
    Ok(([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MAIL_POLICY))], Html(mail.html)).into_response())
}

async fn find(app: &App, id: &str) -> Result<Message, ErrorPage> {
    let found = folder(app)?.find(id).await.map_err(|error| ErrorPage::broken(&error))?;
    found.ok_or_else(ErrorPage::not_found)
}

fn folder(app: &App) -> Result<&Folder, ErrorPage> {
    app.mailer.folder().ok_or_else(ErrorPage::not_found)
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let own = || text.to_owned();
    let mail = Message {
        id: own(),
        to: own(),
        subject: own(),
        text: format!("{text}\n\nhttps://op.example/link\n{text}"),
        html: own(),
        at: chrono::DateTime::UNIX_EPOCH,
    };
    let lists = [vec![], vec![mail.clone()]]
        .map(|mails| MailsPage::new(frame.clone(), FilePath::new(text), mails))
        .map(|page| ("dev_mails.html", page.render().unwrap()));
    let one = MailPage { frame: frame.clone(), issuer: "https://op.example".to_owned(), mail };
    lists.into_iter().chain([("dev_mail.html", one.render().unwrap())]).collect()
}
