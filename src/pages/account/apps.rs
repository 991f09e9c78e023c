//! `/account/apps`: what a person allowed to which apps, and the end of it.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use countersign_types::ClientId;

use super::{
    super::{
        Answer, go_to,
        own_apps::{Held, held, way_in},
        scope_words::in_plain_words,
        shown_client::ShownClient,
        unique,
    },
    Navigation,
};
use crate::{
    app::{App, Issuer},
    domain::user::User,
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        owner::{Owner, Place, fresh_owner, owner},
        state::AppState,
        visitor::Visitor,
    },
    login::consent::withdraw,
};

/// Where the page is again once something was withdrawn.
const WITHDRAWN: &str = "/account/apps?withdrawn=yes";

/// All apps that were allowed something, or hold tokens.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_apps.html")]
struct AppsPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The forms' token.
    csrf: String,
    /// The apps, by name.
    apps: Vec<ShownApp>,
    /// Whether one was withdrawn from just now.
    is_withdrawn: bool,
}

/// An app.
#[derive(Debug)]
struct ShownApp {
    client: ShownClient,
    /// Where a sign-in to it is started, if it can be.
    open: Option<String>,
    /// What it may do.
    scopes: Vec<String>,
    /// When it was last allowed so.
    since: DateTime<Utc>,
    /// When it last got tokens that are still good, if it holds any.
    used: Option<DateTime<Utc>>,
}

/// `GET /account/apps`
pub async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = show(&state, &visitor, frame, &headers, query).await;
    visitor.remember(&state.app, answer)
}

async fn show(
    AppState { app, issuer }: &AppState,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let is_withdrawn = unique(query)?.has("withdrawn");
    let owner = match owner(app, headers, Place::Apps).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    let shown = AppsPage {
        navigation: Navigation { here: Place::Apps },
        csrf: csrf::token_of_owner(app, visitor),
        apps: list(app, issuer, &owner.user, &frame).await?,
        is_withdrawn,
        frame,
    };
    Ok((page(PAGE_POLICY, &shown.frame), shown).into_response())
}

async fn list(app: &App, issuer: &Issuer, user: &User, frame: &Frame) -> Result<Vec<ShownApp>, ErrorPage> {
    let mut shown = Vec::new();
    let apis = app.store.apis().await?;
    for (client, held) in held(app, user).await? {
        if let Some(client) = app.store.client(&client).await? {
            let open = way_in(issuer, &client, user, Some(&held));
            let Held { scope, since, used } = held;
            let scopes = in_plain_words(&scope, &apis, frame);
            shown.push(ShownApp { client: ShownClient::new(&client, frame.language()), open, scopes, since, used });
        }
    }
    shown.sort_by_cached_key(|app| app.client.name.to_lowercase());
    Ok(shown)
}

/// `POST /account/apps`
pub async fn post(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let answer = take_back(&app, &visitor, &headers, form).await;
    visitor.remember(&app, answer)
}

async fn take_back(app: &App, visitor: &Visitor, headers: &HeaderMap, form: Result<Parameters, FormError>) -> Answer {
    let form = unique(form)?;
    if !csrf::is_of_owner(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let client = form.get("withdraw").ok_or_else(|| ErrorPage::bad_request("apps-no-choice"))?;
    let Owner { session, .. } = match fresh_owner(app, headers, Place::Apps).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    let mut tx = app.store.write().await?;
    withdraw(&mut tx, &session, &ClientId::new(client), &visitor.device, app.clock.now()).await?;
    tx.commit().await?;
    Ok(go_to(WITHDRAWN))
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let app = |is_used: bool| ShownApp {
        client: ShownClient::sample(text, is_used),
        open: is_used.then(own),
        scopes: vec![own(), own()],
        since: DateTime::UNIX_EPOCH,
        used: is_used.then_some(DateTime::UNIX_EPOCH),
    };
    [(Vec::new(), true), (vec![app(true), app(false)], false)]
        .map(|(apps, is_withdrawn)| AppsPage {
            frame: frame.clone(),
            navigation: Navigation { here: Place::Apps },
            csrf: own(),
            apps,
            is_withdrawn,
        })
        .map(|page| ("account_apps.html", page.render().unwrap()))
        .into()
}
