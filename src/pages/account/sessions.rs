//! `/account/sessions`: where a person is signed in, and the end of it.

use std::collections::BTreeSet;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use countersign_types::SessionId;

use super::{
    super::{Answer, go_to, unique},
    Navigation,
};
use crate::{
    app::App,
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        front_channel::leave,
        headers::{PAGE_POLICY, page},
        owner::{Owner, Place, fresh_owner, owner},
        session::Keep,
        state::AppState,
        visitor::Visitor,
    },
    login::{
        logout::frontchannel_uris,
        session::{Ended, end_devices},
    },
    store::{person_grant, session},
};

/// Where the page is again once something has ended.
const ENDED: &str = "/account/sessions?ended=yes";

/// All sign-ins.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_sessions.html")]
struct SessionsPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The forms' token.
    csrf: String,
    /// The sign-ins, the present one first.
    sessions: Vec<ShownSession>,
    /// Whether one was ended just now.
    is_ended: bool,
}

/// A sign-in.
#[derive(Debug)]
struct ShownSession {
    /// Names it in the form.
    id: String,
    /// What the device is called.
    device: String,
    /// From which network address it was last proved.
    address: String,
    /// When it began.
    since: DateTime<Utc>,
    /// When it was last seen.
    seen: DateTime<Utc>,
    /// The names of the apps that hold tokens of it.
    apps: Vec<String>,
    /// Whether it is the one that the person looks from.
    is_present: bool,
}

/// What the person wants.
#[derive(Debug)]
enum Request {
    /// The end of this one.
    End(SessionId),
    /// The end of all but the present one.
    EndOthers,
}

impl Request {
    fn parse(form: &Parameters) -> Result<Self, ErrorPage> {
        match (form.get("end"), form.has("end_others")) {
            (Some(id), false) => Ok(Self::End(SessionId::new(id))),
            (None, true) => Ok(Self::EndOthers),
            (Some(_), true) | (None, false) => Err(ErrorPage::bad_request("sessions-no-choice")),
        }
    }
}

/// `GET /account/sessions`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = show(&app, &visitor, frame, &headers, query).await;
    visitor.remember(&app, answer)
}

async fn show(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let is_ended = unique(query)?.has("ended");
    let owner = match owner(app, headers, Place::Sessions).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    let shown = SessionsPage {
        navigation: Navigation { here: Place::Sessions },
        csrf: csrf::token_of_owner(app, visitor),
        sessions: list(app, &owner, &frame).await?,
        is_ended,
        frame,
    };
    Ok((page(PAGE_POLICY, &shown.frame), shown).into_response())
}

async fn list(app: &App, owner: &Owner, frame: &Frame) -> Result<Vec<ShownSession>, ErrorPage> {
    let (lifetimes, now) = (app.session_lifetimes(), app.clock.now());
    let mut tx = app.store.read().await?;
    let mut live = session::of_user(&mut tx, &owner.user.id).await?;
    let held = person_grant::held_of_user(&mut tx, &owner.user.id, &lifetimes, now).await?;
    drop(tx);

    live.retain(|session| session.is_live(&lifetimes, now));
    live.sort_by_key(|session| (session.id != owner.session.id, std::cmp::Reverse(session.last_seen)));
    let mut shown = Vec::with_capacity(live.len());
    for session in live {
        let clients: BTreeSet<_> =
            held.iter().filter(|held| held.person.session == session.id).map(|held| &held.grant.client).collect();
        let mut apps = Vec::with_capacity(clients.len());
        for client in clients {
            apps.extend(app.store.client(client).await?.map(|client| client.metadata.client_name.clone()));
        }
        shown.push(ShownSession {
            is_present: session.id == owner.session.id,
            id: session.id.to_string(),
            device: frame.device(&session.label),
            address: session.address,
            since: session.created_at,
            seen: session.last_seen,
            apps,
        });
    }
    Ok(shown)
}

/// `POST /account/sessions`
pub async fn post(State(state): State<AppState>, visitor: Visitor, headers: HeaderMap, Form(form): Form) -> Response {
    let answer = end(&state, &visitor, &headers, form).await;
    visitor.remember(&state.app, answer)
}

async fn end(
    AppState { app, issuer }: &AppState,
    visitor: &Visitor,
    headers: &HeaderMap,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_of_owner(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let request = Request::parse(&form)?;
    let Owner { session, .. } = match fresh_owner(app, headers, Place::Sessions).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    let ended = match &request {
        Request::End(id) => Ended::One(id),
        Request::EndOthers => Ended::Others,
    };
    let mut tx = app.store.write().await?;
    let uris = frontchannel_uris(issuer, &mut tx, &session.id).await?;
    if !end_devices(app, &mut tx, ended, &session, &visitor.device, app.clock.now()).await? {
        // This sign-in was ended from elsewhere a moment ago.
        return Ok(go_to(Place::Sessions.path()));
    }
    tx.commit().await?;
    Ok(match request {
        Request::End(id) if id == session.id => leave(app, uris, "/signed-out", Some(Keep::Others)),
        Request::End(_) | Request::EndOthers => go_to(ENDED),
    })
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let session = |is_present| ShownSession {
        id: own(),
        device: frame.device("Firefox on Linux"),
        address: own(),
        since: DateTime::UNIX_EPOCH,
        seen: DateTime::UNIX_EPOCH,
        apps: if is_present { Vec::new() } else { vec![own(), own()] },
        is_present,
    };
    [(1, true), (3, false)]
        .map(|(count, is_ended)| SessionsPage {
            frame: frame.clone(),
            navigation: Navigation { here: Place::Sessions },
            csrf: own(),
            sessions: (0..count).map(|place| session(place == 0)).collect(),
            is_ended,
        })
        .map(|page| ("account_sessions.html", page.render().unwrap()))
        .into()
}
