//! `/`: what is running here, and who is signed in.

use askama::Template;
use askama_web::WebTemplate;
use axum::{extract::State, http::HeaderMap, response::IntoResponse};

use super::{
    Answer,
    own_apps::{Startable, startable},
};
use crate::{
    http::{
        frame::Frame,
        headers::{PAGE_POLICY, page},
        session,
        state::AppState,
    },
    store::account,
};

/// The start page.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/start.html")]
struct StartPage {
    frame: Frame,
    /// Where this provider is to be found.
    issuer: String,
    /// Who is signed in.
    person: Option<String>,
    /// Whether somebody else is signed in on this browser who could be chosen.
    has_others: bool,
    /// The apps that they can start.
    apps: Vec<Startable>,
    /// The version, on a development start. Elsewhere it is nobody's business.
    development: Option<&'static str>,
    /// Whether mails are kept here, to be looked at.
    keeps_mails: bool,
}

/// `GET /`
pub async fn get(State(AppState { app, issuer }): State<AppState>, frame: Frame, headers: HeaderMap) -> Answer {
    let accounts = session::accounts(&app, &headers).await?;
    let user = match &accounts.present {
        Some(session) => account::find(&mut app.store.read().await?, &session.user).await?,
        None => None,
    };
    let apps = match &user {
        Some(user) => startable(&app, &issuer, user, frame.language()).await?,
        None => Vec::new(),
    };
    let start = StartPage {
        frame,
        issuer: issuer.url.clone(),
        person: user.map(|user| user.display_name().to_owned()),
        apps,
        has_others: !accounts.beside.is_empty(),
        development: app.is_development().then_some(env!("CARGO_PKG_VERSION")),
        keeps_mails: app.mailer.folder().is_some(),
    };
    Ok((page(PAGE_POLICY, &start.frame), start).into_response())
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    use super::shown_client::ShownClient;

    let own = || text.to_owned();
    [(None, Some("1.2.3")), (Some(own()), Some("1.2.3")), (None, None), (Some(own()), None)]
        .map(|(person, development)| StartPage {
            apps: person
                .iter()
                .flat_map(|_| [true, false])
                .map(|has_logo| Startable { client: ShownClient::sample(text, has_logo), open: own() })
                .collect(),
            has_others: person.is_none() && development.is_none(),
            frame: frame.clone(),
            issuer: own(),
            person,
            development,
            keeps_mails: development.is_some(),
        })
        .map(|page| ("start.html", page.render().unwrap()))
        .into()
}
