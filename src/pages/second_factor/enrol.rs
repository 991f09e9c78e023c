//! `/login/second-factor`: a person sets up their first second factor during a sign-in, since they must, or since an app wishes
//! for one.
//!
//! Who must has no session yet: their sign-in waits. Who is asked for an app's sake is signed in, since a moment ago.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    super::{
        Answer, WRONG_INPUT,
        account::recovery_codes::{self, CODES},
        go_to,
        purpose::Purpose,
        resume,
        shown_client::ShownClient,
        unique,
    },
    offer::{Offer, ShownOffer, Taken},
};
use crate::{
    app::App,
    domain::{session::Session, user::User},
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::page,
        session,
        sign_in::{CODE, ENROL, go_on},
        state::AppState,
        visitor::Visitor,
        waiting,
    },
    login::{
        Proof,
        second_factor::{EnrolError, Enrolled, First, complete_enrolment, is_enrolled},
    },
    store::account,
};

/// Who sets up a second factor.
struct Candidate {
    user: User,
    how: How,
    /// Whether they may go on without.
    may_decline: bool,
}

/// What they have proved.
enum How {
    /// The password. Nothing begins before they have a second factor.
    Waiting(Proof),
    /// Enough to be signed in.
    SignedIn(Session),
}

impl Candidate {
    /// Nobody, if nobody has proved a moment ago who they are.
    async fn find(app: &App, visitor: &Visitor, headers: &HeaderMap) -> Result<Option<Self>, ErrorPage> {
        if let Some(proof) = waiting::find(app, visitor, headers).await? {
            return Ok(Some(Self { user: proof.user.clone(), how: How::Waiting(proof), may_decline: false }));
        }
        let session = session::present(app, headers).await?;
        let Some(session) = session.filter(|session| session.is_fresh(app.clock.now())) else { return Ok(None) };
        let user = account::find(&mut app.store.read().await?, &session.user).await?;
        Ok(user.map(|user| {
            let may_decline = !app.settings.second_factor.policy.demands(&user);
            Self { user, how: How::SignedIn(session), may_decline }
        }))
    }
}

/// The form with a new secret.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/enrol.html")]
struct EnrolPage {
    frame: Frame,
    /// Where the form goes.
    action: String,
    /// The form's token.
    csrf: String,
    /// The app that the sign-in is for.
    client: Option<ShownClient>,
    /// The secret.
    offer: ShownOffer,
    /// Whether the person may go on without.
    may_decline: bool,
    /// Whether the last code was wrong.
    is_wrong: bool,
}

/// To whom a secret is offered and what for; and the one that the last code was wrong for.
struct Question<'a> {
    purpose: &'a Purpose,
    candidate: &'a Candidate,
    tried: Option<Offer>,
}

fn show(app: &App, visitor: &Visitor, frame: Frame, question: Question<'_>) -> Response {
    let Question { purpose, candidate, tried } = question;
    let is_wrong = tried.is_some();
    let offer = tried.unwrap_or_else(|| Offer::fresh(app, visitor, &candidate.user.id));
    let form = EnrolPage {
        action: purpose.onward().by(ENROL),
        csrf: csrf::token(app, visitor),
        client: purpose.client(frame.language()),
        offer: offer.show(&candidate.user, frame.looks()),
        may_decline: candidate.may_decline,
        is_wrong,
        frame,
    };
    let status = if is_wrong { WRONG_INPUT } else { StatusCode::OK };
    (status, page(purpose.policy(), &form.frame), form).into_response()
}

/// `GET /login/second-factor`
pub async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = ask(&state.app, &visitor, frame, &headers, query).await;
    visitor.remember(&state.app, answer)
}

async fn ask(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    Ok(match Candidate::find(app, visitor, headers).await? {
        Some(candidate) if is_enrolled(app, &candidate.user.id).await? => go_to(&purpose.onward().by(CODE)),
        Some(candidate) => {
            show(app, visitor, frame, Question { purpose: &purpose, candidate: &candidate, tried: None })
        }
        None => go_to(&purpose.onward().by("/login")),
    })
}

/// `POST /login/second-factor`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = take(&state.app, &visitor, frame, &headers, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let Some(candidate) = Candidate::find(app, visitor, headers).await? else {
        return Ok(go_to(&purpose.onward().by("/login")));
    };
    if form.has("decline") && candidate.may_decline {
        return decline(app, visitor, purpose).await;
    }
    let now = app.clock.now();
    let (offer, step) = match Offer::take(app, visitor, &candidate.user.id, &form) {
        Taken::Proven(offer, step) => (offer, step),
        Taken::Wrong(offer) => {
            let tried = Some(offer);
            return Ok(show(app, visitor, frame, Question { purpose: &purpose, candidate: &candidate, tried }));
        }
        Taken::Void => {
            return Ok(show(app, visitor, frame, Question { purpose: &purpose, candidate: &candidate, tried: None }));
        }
    };
    let first = match candidate.how {
        How::Waiting(proof) => {
            let there = (session::accounts(app, headers).await?, purpose.onward().manner());
            First::OfSignIn { proof: Box::new(proof), there }
        }
        How::SignedIn(session) => First::OfSession(session),
    };
    match complete_enrolment(app, first, (&offer.secret, step), &visitor.device, now).await {
        Ok(Enrolled { signed_in, codes }) => {
            let mut response = go_on(app, &signed_in, &purpose.onward().by(CODES));
            let cookie = recovery_codes::cookie(app, visitor, &candidate.user.id, &codes);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
        // By another page that was open, or by somebody else: then a code of that one is asked for.
        Err(EnrolError::AlreadyEnrolled) => Ok(go_to(&purpose.onward().by(CODE))),
        Err(EnrolError::Void) => Ok(go_to(&purpose.onward().by("/login"))),
        Err(EnrolError::Store(error)) => Err(error.into()),
    }
}

/// Goes on without a second factor.
async fn decline(app: &App, visitor: &Visitor, purpose: Purpose) -> Answer {
    match purpose {
        Purpose::App { interaction, .. } => Ok(resume(&interaction.without_second_factor().seal(app, visitor).await?)),
        Purpose::Account(_) | Purpose::Beside { .. } | Purpose::Plain => Ok(go_to(&purpose.onward().path())),
    }
}

#[cfg(test)]
pub(in crate::pages) fn samples(frame: &Frame, text: &str) -> Vec<super::super::tests::Sample> {
    let own = || text.to_owned();
    [(false, None), (true, None), (true, Some(ShownClient::sample(text, true)))]
        .map(|(is_wrong, client)| EnrolPage {
            frame: frame.clone(),
            action: own(),
            csrf: own(),
            client,
            offer: ShownOffer::sample(text, is_wrong),
            may_decline: is_wrong,
            is_wrong,
        })
        .map(|page| ("enrol.html", page.render().unwrap()))
        .into()
}
