//! `/account/second-factor`: a person sets up a second factor, gets new recovery codes, or goes back to the password alone.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};

use super::{
    super::{
        Answer, WRONG_INPUT, go_to,
        second_factor::offer::{Offer, ShownOffer, Taken},
        unique,
    },
    Navigation,
    recovery_codes::{self, CODES},
};
use crate::{
    app::App,
    domain::{event::Remover, totp::Step},
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{PAGE_POLICY, page},
        owner::{self, Owner, Place, fresh_owner},
        sign_in::go_on,
        state::AppState,
        visitor::Visitor,
    },
    login::second_factor::{
        EnrolError, Enrolled, First, complete_enrolment, distrust_devices, remove, renew_recovery_codes, replace,
    },
    store::{
        credential::{self, StoredTotp},
        device, recovery_code,
    },
};

/// Says how it stands, where there is one.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_second_factor.html")]
struct StatusPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The forms' token.
    csrf: String,
    /// Since when there is one.
    since: DateTime<Utc>,
    /// How many recovery codes are left.
    codes_left: u32,
    /// On how many devices it is not asked for.
    trusted_devices: u32,
    /// Whether the person may go back to the password alone.
    may_remove: bool,
}

/// Offers a secret to an authenticator app.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/account_set_up.html")]
struct SetUpPage {
    frame: Frame,
    /// The way to the other pages.
    navigation: Navigation,
    /// The form's token.
    csrf: String,
    /// The secret.
    offer: ShownOffer,
    /// Whether another app has one already.
    is_replacement: bool,
    /// Whether the last code was wrong.
    is_wrong: bool,
}

/// What the person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// An authenticator app, in place of the one that they have.
    SetUp,
    /// New recovery codes.
    RenewCodes,
    /// To be asked for a code on every device again.
    DistrustDevices,
    /// The password alone.
    Remove,
}

impl Request {
    fn parse(form: &Parameters) -> Result<Self, ErrorPage> {
        match form.get("do") {
            Some("set_up") => Ok(Self::SetUp),
            Some("renew_codes") => Ok(Self::RenewCodes),
            Some("distrust_devices") => Ok(Self::DistrustDevices),
            Some("remove") => Ok(Self::Remove),
            _ => Err(ErrorPage::bad_request("second-factor-no-choice")),
        }
    }
}

const NAVIGATION: Navigation = Navigation { here: Place::SecondFactor };

/// `GET /account/second-factor`
pub async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = show(&state.app, &visitor, frame, &headers, query).await;
    visitor.remember(&state.app, answer)
}

async fn show(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let wants_another = unique(query)?.has("replace");
    let owner = match fresh_owner(app, headers, Place::SecondFactor).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    match credential::find_totp(&mut app.store.read().await?, &owner.user.id).await? {
        Some(totp) if !wants_another => status(app, visitor, frame, &owner, &totp).await,
        present => {
            let offered = Offer::fresh(app, visitor, &owner.user.id);
            Ok(offer(
                app,
                visitor,
                frame,
                &owner,
                &Offered { offer: &offered, is_replacement: present.is_some(), is_wrong: false },
            ))
        }
    }
}

async fn status(app: &App, visitor: &Visitor, frame: Frame, owner: &Owner, totp: &StoredTotp) -> Answer {
    let mut tx = app.store.read().await?;
    let status = StatusPage {
        frame,
        navigation: NAVIGATION,
        csrf: csrf::token_of_owner(app, visitor),
        since: totp.created_at,
        codes_left: recovery_code::count_unused(&mut tx, &owner.user.id).await?,
        trusted_devices: device::count_trusted(&mut tx, &owner.user.id, app.clock.now()).await?,
        may_remove: !app.settings.second_factor.policy.demands(&owner.user),
    };
    Ok((page(PAGE_POLICY, &status.frame), status).into_response())
}

/// A secret, and why it is offered.
struct Offered<'a> {
    offer: &'a Offer,
    is_replacement: bool,
    is_wrong: bool,
}

fn offer(app: &App, visitor: &Visitor, frame: Frame, owner: &Owner, offered: &Offered<'_>) -> Response {
    let form = SetUpPage {
        navigation: NAVIGATION,
        csrf: csrf::token_of_owner(app, visitor),
        offer: offered.offer.show(&owner.user, frame.looks()),
        is_replacement: offered.is_replacement,
        is_wrong: offered.is_wrong,
        frame,
    };
    let status = if offered.is_wrong { WRONG_INPUT } else { StatusCode::OK };
    (status, page(PAGE_POLICY, &form.frame), form).into_response()
}

/// `POST /account/second-factor`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Form(form): Form,
) -> Response {
    let answer = take(&state.app, &visitor, frame, &headers, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
    app: &App,
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
    let owner = match fresh_owner(app, headers, Place::SecondFactor).await {
        Ok(owner) => owner,
        Err(instead) => return Ok(instead),
    };
    match request {
        Request::SetUp => set_up(app, visitor, frame, owner, &form).await,
        Request::RenewCodes => renew_codes(app, visitor, &owner).await,
        Request::DistrustDevices => {
            let mut tx = app.store.write().await?;
            distrust_devices(&mut tx, &owner.user, app.clock.now()).await?;
            tx.commit().await?;
            Ok(go_to(Place::SecondFactor.path()))
        }
        Request::Remove => {
            // The button is not there for whoever must have one.
            if !app.settings.second_factor.policy.demands(&owner.user) {
                let mut tx = app.store.write().await?;
                remove(app, &mut tx, &owner.user, Remover::Owner, app.clock.now()).await?;
                tx.commit().await?;
            }
            Ok(go_to(Place::SecondFactor.path()))
        }
    }
}

async fn set_up(app: &App, visitor: &Visitor, frame: Frame, owner: Owner, form: &Parameters) -> Answer {
    let is_replacement = owner.session.has_second_factor();
    match Offer::take(app, visitor, &owner.user.id, form) {
        Taken::Proven(offered, step) => enrol(app, visitor, owner, &offered, step).await,
        Taken::Wrong(tried) => {
            let offered = Offered { offer: &tried, is_replacement, is_wrong: true };
            Ok(offer(app, visitor, frame, &owner, &offered))
        }
        Taken::Void => {
            let another = Offer::fresh(app, visitor, &owner.user.id);
            let offered = Offered { offer: &another, is_replacement, is_wrong: false };
            Ok(offer(app, visitor, frame, &owner, &offered))
        }
    }
}

async fn enrol(app: &App, visitor: &Visitor, Owner { session, user }: Owner, offered: &Offer, step: Step) -> Answer {
    let (proven, now) = ((&offered.secret, step), app.clock.now());
    let codes_page = owner::address(CODES, Place::SecondFactor);
    let (mut response, codes) = if session.has_second_factor() {
        let mut tx = app.store.write().await?;
        let codes = replace(app, &mut tx, &user, proven, now).await?;
        tx.commit().await?;
        (go_to(&codes_page), codes)
    } else {
        match complete_enrolment(app, First::OfSession(session), proven, &visitor.device, now).await {
            Ok(Enrolled { signed_in, codes }) => (go_on(app, &signed_in, &codes_page), codes),
            // Both are seen anew, and lead to where it can be proved who is there.
            Err(EnrolError::AlreadyEnrolled | EnrolError::Void) => return Ok(go_to(Place::SecondFactor.path())),
            Err(EnrolError::Store(error)) => return Err(error.into()),
        }
    };
    let cookie = recovery_codes::cookie(app, visitor, &user.id, &codes);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn renew_codes(app: &App, visitor: &Visitor, owner: &Owner) -> Answer {
    let (user, now) = (&owner.user, app.clock.now());
    let mut tx = app.store.write().await?;
    // Without a second factor there is nothing that they could stand in for.
    if credential::find_totp(&mut tx, &user.id).await?.is_none() {
        return Ok(go_to(Place::SecondFactor.path()));
    }
    let codes = renew_recovery_codes(app, &mut tx, user, now).await?;
    tx.commit().await?;
    let mut response = go_to(&owner::address(CODES, Place::SecondFactor));
    let cookie = recovery_codes::cookie(app, visitor, &user.id, &codes);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<super::super::tests::Sample> {
    let own = || text.to_owned();
    let mut samples = Vec::new();
    for (count, may_remove) in [(0, false), (1, true), (2, true)] {
        let (codes_left, trusted_devices, since) = (count, count, DateTime::UNIX_EPOCH);
        let (frame, navigation, csrf) = (frame.clone(), NAVIGATION, own());
        let page = StatusPage { frame, navigation, csrf, since, codes_left, trusted_devices, may_remove };
        samples.push(("account_second_factor.html", page.render().unwrap()));
    }
    for is_wrong in [false, true] {
        let (frame, navigation, csrf) = (frame.clone(), NAVIGATION, own());
        let offer = ShownOffer::sample(text, is_wrong);
        let page = SetUpPage { frame, navigation, csrf, offer, is_replacement: is_wrong, is_wrong };
        samples.push(("account_set_up.html", page.render().unwrap()));
    }
    samples
}
