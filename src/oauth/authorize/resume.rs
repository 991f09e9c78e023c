//! What happens next with a request: the decision, and what follows from it.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use countersign_types::ErrorCode;

use super::{
    issue::{Asked, Unissued},
    request::allowed_response_type,
    respond::Answer,
};
use crate::{
    app::App,
    domain::{
        authorization::{AuthorizationRequest, Circumstances, Decision, decide},
        client::Client,
        second_factor::Standing,
        session::Session,
    },
    http::{
        browser_state,
        error_page::ErrorPage,
        form::Query,
        interaction::{Interaction, InteractionError, address},
        session,
        sign_in::{ACCOUNTS, CODE, ENROL},
        state::AppState,
        visitor::Visitor,
        waiting,
    },
    login::second_factor,
    store::{StoreError, Tx, account, consent},
};

/// `GET /authorize/resume?i=…`: every page ends here.
pub async fn get(State(state): State<AppState>, visitor: Visitor, headers: HeaderMap, Query(query): Query) -> Response {
    let sealed = query.ok().and_then(|query| query.owned("i")).unwrap_or_default();
    let response = match Interaction::open(&state.app, &visitor, &sealed).await {
        Ok(interaction) => go_on(&state, &visitor, &headers, interaction).await,
        Err(error) => ErrorPage::from(error).into_response(),
    };
    visitor.remember(&state.app, response)
}

/// Decides what happens next with a request, and does it.
pub(super) async fn go_on(
    state: &AppState,
    visitor: &Visitor,
    headers: &HeaderMap,
    interaction: Interaction,
) -> Response {
    match try_to_go_on(state, visitor, headers, interaction).await {
        Ok(response) => response,
        Err(error) => ErrorPage::from(error).into_response(),
    }
}

async fn try_to_go_on(
    state: &AppState,
    visitor: &Visitor,
    headers: &HeaderMap,
    interaction: Interaction,
) -> Result<Response, InteractionError> {
    let (app, request) = (&*state.app, &interaction.request);
    let client = app.store.client(&request.client_id).await?;
    // Meanwhile the registration may have changed.
    let still_allows = |client: &Client| client.enabled && client.allows_redirect(&request.redirect_uri);
    let Some(client) = client.filter(|client| still_allows(client)) else {
        return Ok(ErrorPage::unregistered().into_response());
    };
    if let Err((code, description)) = allowed_response_type(&client, request.response_type) {
        return Ok(refuse(request, code, description).send(&state.issuer));
    }
    if !request.scope.is_subset(&client.metadata.scope) {
        let description = "the client may not ask for this scope any more";
        return Ok(refuse(request, ErrorCode::InvalidScope, description).send(&state.issuer));
    }
    let accounts = session::accounts(app, headers).await?;
    let session = accounts.present;
    let (consent, second_factor) = match &session {
        Some(session) => {
            let mut tx = app.store.read().await?;
            let consent = consent::find(&mut tx, &session.user, &client.id).await?;
            (consent, standing(app, &mut tx, session, visitor).await?)
        }
        None => (None, Standing::Without { demanded: false }),
    };
    let sub = |session: &Session| state.issuer.sub(&client, &session.user);
    let beside: Vec<_> = accounts.beside.iter().map(sub).collect();
    let sub = session.as_ref().map(sub);
    let circumstances = Circumstances {
        client: &client,
        session: session.as_ref(),
        sub: sub.as_deref(),
        beside: &beside,
        chosen: interaction.chosen.as_ref(),
        consent: consent.as_ref(),
        asked_at: interaction.asked_at,
        denied: interaction.denied,
        second_factor,
        without_second_factor: interaction.without_second_factor,
        now: app.clock.now(),
    };

    // A session that ended on our side: whoever asks by `check_session_iframe` shall see it, too.
    let has_ended = session.is_none() && visitor.browser_state().is_some();
    let mut response = match (decide(request, &circumstances), session) {
        (Decision::Refuse(code, description), _) => Ok(refuse(request, code, description).send(&state.issuer)),
        (Decision::Login, _) => to_page("/login", app, visitor, &interaction).await,
        (Decision::SelectAccount, _) => to_page(ACCOUNTS, app, visitor, &interaction).await,
        (Decision::SignUp, _) => to_page("/signup", app, visitor, &interaction).await,
        (Decision::SecondFactor, Some(_)) => strengthen(CODE, app, visitor, &interaction).await,
        (Decision::Enrol, Some(_)) => strengthen(ENROL, app, visitor, &interaction).await,
        (Decision::Consent, Some(_)) => to_page("/consent", app, visitor, &interaction).await,
        (Decision::Issue, Some(session)) => {
            let asked = Asked { request, client: &client, session: &session };
            match asked.issue(state, visitor).await {
                Ok(Some(granted)) => {
                    let session_state = browser_state::session_state(app, request, &session.id);
                    let answer = Answer::granted(request, granted).with_session_state(session_state);
                    let mut response = answer.send(&state.issuer);
                    if let Some(cookie) = browser_state::missing_cookie(app, headers, &session.id) {
                        response.headers_mut().append(header::SET_COOKIE, cookie);
                    }
                    Ok(response)
                }
                // The session ended a moment ago: as if there had been none.
                Ok(None) => Box::pin(try_to_go_on(state, visitor, headers, interaction)).await,
                Err(Unissued::Store(error)) => Err(error.into()),
                Err(Unissued::Token(error)) => Ok(refuse(request, error.code, error.description).send(&state.issuer)),
            }
        }
        // These are decided for a session alone.
        (Decision::SecondFactor | Decision::Enrol | Decision::Consent | Decision::Issue, None) => {
            to_page("/login", app, visitor, &interaction).await
        }
    }?;
    if has_ended {
        response.headers_mut().append(header::SET_COOKIE, browser_state::clear_cookie(app));
    }
    Ok(response)
}

fn refuse(request: &AuthorizationRequest, code: ErrorCode, description: &'static str) -> Answer {
    Answer::error(request.redirect_uri.clone(), request.response_mode, request.state.clone(), code, description)
}

/// How the person who is signed in stands with the second factor.
async fn standing(app: &App, tx: &mut Tx, session: &Session, visitor: &Visitor) -> Result<Standing, StoreError> {
    match account::find(tx, &session.user).await? {
        Some(user) => second_factor::standing(app, tx, &user, &visitor.device, app.clock.now()).await,
        None => Ok(Standing::Without { demanded: false }),
    }
}

/// To a page where whoever is signed in makes that stronger. A sign-in that somebody left waiting is not what it is about.
async fn strengthen(
    path: &str,
    app: &App,
    visitor: &Visitor,
    interaction: &Interaction,
) -> Result<Response, InteractionError> {
    let mut response = to_page(path, app, visitor, interaction).await?;
    response.headers_mut().append(header::SET_COOKIE, waiting::clear_cookie(app));
    Ok(response)
}

async fn to_page(
    path: &str,
    app: &App,
    visitor: &Visitor,
    interaction: &Interaction,
) -> Result<Response, InteractionError> {
    let sealed = interaction.seal(app, visitor).await?;
    Ok(Redirect::to(&address(path, &sealed)).into_response())
}
