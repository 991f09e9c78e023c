//! The authorization endpoint (OpenID Connect Core §3.1.2), step by step: `request_object` unpacks, `request` reads, the domain decides,
//! `resume` and `issue` act, `respond` answers the client.

mod issue;
mod request;
mod request_object;
mod respond;
mod resume;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};

pub(in crate::oauth) use request_object::ALGORITHMS as REQUEST_OBJECT_ALGORITHMS;
pub use resume::get as resume;

use self::request::Refused;
use crate::http::{
    error_page::{ErrorPage, Sender},
    form::{Form, FormError, Parameters, Query},
    interaction::{Interaction, RESUME, address},
    state::AppState,
    visitor::Visitor,
};

/// `GET /authorize`
pub async fn get(State(state): State<AppState>, visitor: Visitor, headers: HeaderMap, Query(query): Query) -> Response {
    let response = match read(&state, query).await {
        Ok(interaction) => resume::go_on(&state, &visitor, &headers, interaction).await,
        Err(response) => response,
    };
    visitor.remember(&state.app, response)
}

/// `POST /authorize`: it comes from another site, so without our cookies. It is sealed, and goes on as a GET of our own.
pub async fn post(State(state): State<AppState>, visitor: Visitor, Form(form): Form) -> Response {
    let interaction = match read(&state, form).await {
        Ok(interaction) => interaction,
        Err(response) => return response,
    };
    match interaction.seal_for_any_browser(&state.app, &visitor).await {
        Ok(sealed) => Redirect::to(&address(RESUME, &sealed)).into_response(),
        Err(error) => ErrorPage::from(error).into_response(),
    }
}

/// The request that the parameters make, or the answer that tells what is wrong with them.
async fn read(state: &AppState, parameters: Result<Parameters, FormError>) -> Result<Interaction, Response> {
    let parameters = parameters.map_err(|error| ErrorPage::unreadable(Sender::App, error).into_response())?;
    match request::parse(&state.app, &state.issuer, parameters).await {
        Ok(request) => Ok(Interaction::new(request, state.app.clock.now())),
        Err(Refused::Page(message)) => Err(ErrorPage::bad_request(message).into_response()),
        Err(Refused::Answer(answer)) => Err(answer.send(&state.issuer)),
        Err(Refused::Store(error)) => Err(ErrorPage::from(error).into_response()),
    }
}
