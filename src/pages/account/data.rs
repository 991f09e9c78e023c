//! `/account/data`: a person takes all that is stored of them with them, or has it removed.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    super::{Answer, WRONG_INPUT, unique},
    Navigation,
};
use crate::{
    app::App,
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters},
        frame::Frame,
        front_channel::leave,
        headers::{PAGE_POLICY, page},
        owner::{Owner, Place, fresh_owner},
        session::Keep,
        state::AppState,
        visitor::Visitor,
    },
    login::{
        account::{DeleteError, delete},
        export::export,
        logout::frontchannel_uris,
    },
};

/// Where a person is when their account is gone.
const DELETED: &str = "/account/deleted";

/// The two things that can be done.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_data.html")]
struct DataPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The forms' token.
    csrf: String,
    /// Which account is meant.
    account: String,
    /// Why the account is still there.
    problem: Option<Problem>,
}

/// Why an account was not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// The person did not say that they are sure.
    NotSure,
    /// Nobody else administers the house.
    LastAdministrator,
}

/// Says that the account is gone.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_deleted.html")]
struct DeletedPage {
    frame: Frame,
}

/// What the person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// A copy of everything.
    Export,
    /// The end of the account, and whether they are sure.
    Delete {
        /// The box beside the button.
        is_sure: bool,
    },
}

impl Request {
    fn parse(form: &Parameters) -> Result<Self, ErrorPage> {
        match form.get("do") {
            Some("export") => Ok(Self::Export),
            Some("delete") => Ok(Self::Delete { is_sure: form.get("sure") == Some("yes") }),
            _ => Err(ErrorPage::bad_request("data-no-choice")),
        }
    }
}

fn show(app: &App, visitor: &Visitor, frame: Frame, owner: &Owner, problem: Option<Problem>) -> Response {
    let shown = DataPage {
        navigation: Navigation { here: Place::Data },
        csrf: csrf::token_of_owner(app, visitor),
        account: owner.user.email.clone(),
        problem,
        frame,
    };
    let status = if problem.is_some() { WRONG_INPUT } else { StatusCode::OK };
    (status, page(PAGE_POLICY, &shown.frame), shown).into_response()
}

/// `GET /account/data`
pub async fn get(
    State(AppState { app, .. }): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
) -> Response {
    let answer = match fresh_owner(&app, &headers, Place::Data).await {
        Ok(owner) => show(&app, &visitor, frame, &owner, None),
        Err(instead) => instead,
    };
    visitor.remember(&app, answer)
}

/// `POST /account/data`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let answer = take(&state, &visitor, frame, &headers, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
    AppState { app, issuer }: &AppState,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_of_owner(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let request = Request::parse(&form)?;
    let owner = match fresh_owner(app, headers, Place::Data).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    match request {
        Request::Export => {
            let data = export(app, &owner.session, &owner.user, &visitor.device, app.clock.now()).await?;
            Ok(file(serde_json::to_vec_pretty(&data).map_err(|error| ErrorPage::broken(&error))?))
        }
        Request::Delete { is_sure: false } => Ok(show(app, visitor, frame, &owner, Some(Problem::NotSure))),
        Request::Delete { is_sure: true } => {
            let mut tx = app.store.write().await?;
            let uris = frontchannel_uris(issuer, &mut tx, &owner.session.id).await?;
            match delete(app, &mut tx, &owner.user, app.clock.now()).await {
                Ok(()) => {}
                Err(DeleteError::LastAdministrator) => {
                    drop(tx);
                    return Ok(show(app, visitor, frame, &owner, Some(Problem::LastAdministrator)));
                }
                Err(DeleteError::Store(error)) => return Err(error.into()),
            }
            tx.commit().await?;
            Ok(leave(app, uris, DELETED, Some(Keep::Others)))
        }
    }
}

fn file(json: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, json).into_response()
}

/// `GET /account/deleted`
pub async fn deleted(frame: Frame) -> Response {
    (page(PAGE_POLICY, &frame), DeletedPage { frame }).into_response()
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<crate::pages::tests::Sample> {
    let own = || text.to_owned();
    let mut samples: Vec<_> = [None, Some(Problem::NotSure), Some(Problem::LastAdministrator)]
        .map(|problem| DataPage {
            frame: frame.clone(),
            navigation: Navigation { here: Place::Data },
            csrf: own(),
            account: own(),
            problem,
        })
        .map(|page| ("account_data.html", page.render().unwrap()))
        .into();
    samples.push(("account_deleted.html", DeletedPage { frame: frame.clone() }.render().unwrap()));
    samples
}
