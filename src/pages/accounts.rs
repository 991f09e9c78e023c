//! `/accounts`: a person chooses among the accounts that are signed in on their browser, or signs in to another beside them.
//!
//! With `i` the choice is for an app, and goes on at `/authorize/resume`; with `to`, for a page of the account area.

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use countersign_types::SessionId;

use super::{
    Answer, go_to,
    purpose::Purpose,
    resume,
    shown_client::{ShownClient, initial},
    unique,
};
use crate::{
    app::{App, Issuer},
    domain::{
        accounts::{Accounts, MOST},
        client::Client,
        session::Session,
        user::User,
    },
    http::{
        beside, csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        front_channel::leave,
        headers::page,
        interaction,
        session::{self, Keep},
        sign_in::{ACCOUNTS, Onward},
        state::AppState,
        visitor::Visitor,
        waiting,
    },
    login::{
        logout::frontchannel_uris_of_all,
        session::{Switched, end_together, switch},
    },
    store::account,
};

/// The choice.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/accounts.html")]
struct AccountsPage {
    frame: Frame,
    /// Where the form goes.
    action: String,
    /// The form's token.
    csrf: String,
    /// The app that the choice is for.
    client: Option<ShownClient>,
    /// The accounts, in the order in which they are likely to be meant.
    accounts: Vec<ShownAccount>,
    /// Whether another one would take the place of one of them.
    is_full: bool,
}

/// An account, as its person knows it.
#[derive(Debug)]
struct ShownAccount {
    /// Names it in the form.
    id: String,
    /// What its person is called.
    name: String,
    /// Its mail address, unless that is all that there is to say.
    email: Option<String>,
    /// Stands for a picture.
    initial: String,
    /// How it stands.
    standing: Standing,
    /// Whether the app named it.
    is_expected: bool,
}

/// How an account stands on this browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is the one that counts.
    Present,
    /// It is signed in beside that.
    Beside,
    /// It was, and its time is over.
    SignedOut,
}

impl ShownAccount {
    fn new(session: &Session, user: &User, standing: Standing, is_expected: bool) -> Self {
        let name = user.display_name().to_owned();
        Self {
            id: session.id.to_string(),
            initial: initial(&name),
            email: (name != user.email).then(|| user.email.clone()),
            name,
            standing,
            is_expected,
        }
    }
}

/// Whom the app expects, as far as it said so.
#[derive(Clone, Copy, Debug)]
enum Expected<'a> {
    /// By the `sub` that it knows them by.
    Sub(&'a str, &'a Client),
    /// As they would type it.
    Name(&'a str),
    /// It did not.
    Anybody,
}

impl<'a> Expected<'a> {
    fn by(purpose: &'a Purpose) -> Self {
        let Purpose::App { interaction, client, .. } = purpose else { return Self::Anybody };
        match (&interaction.request.expected_sub, &interaction.request.login_hint) {
            // What an ID token says counts for more than what somebody would type.
            (Some(sub), _) => Self::Sub(sub, client),
            (None, Some(name)) => Self::Name(name),
            (None, None) => Self::Anybody,
        }
    }

    fn is(self, issuer: &Issuer, user: &User) -> bool {
        match self {
            Self::Sub(sub, client) => issuer.sub(client, &user.id) == sub,
            Self::Name(name) => user.answers_to(name),
            Self::Anybody => false,
        }
    }
}

/// All that is listed, the expected one first.
async fn list(
    AppState { app, issuer }: &AppState,
    accounts: &Accounts,
    expected: Expected<'_>,
) -> Result<Vec<ShownAccount>, ErrorPage> {
    let present = accounts.present.iter().map(|session| (session, Standing::Present));
    let beside = accounts.beside.iter().map(|session| (session, Standing::Beside));
    let expired = accounts.expired.iter().map(|session| (session, Standing::SignedOut));
    let mut tx = app.store.read().await?;
    let mut shown = Vec::new();
    for (session, standing) in present.chain(beside).chain(expired) {
        if let Some(user) = account::find(&mut tx, &session.user).await? {
            shown.push(ShownAccount::new(session, &user, standing, expected.is(issuer, &user)));
        }
    }
    shown.sort_by_key(|account| !account.is_expected);
    Ok(shown)
}

/// `GET /accounts`
pub async fn get(
    State(state): State<AppState>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    Query(query): Query,
) -> Response {
    let answer = ask(&state, &visitor, frame, &headers, query).await;
    visitor.remember(&state.app, answer)
}

async fn ask(
    state: &AppState,
    visitor: &Visitor,
    frame: Frame,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
) -> Answer {
    let app = &state.app;
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let accounts = session::accounts(app, headers).await?;
    if accounts.live().next().is_none() {
        return Ok(go_to(&purpose.onward().by("/login")));
    }
    let shown = AccountsPage {
        action: purpose.onward().by(ACCOUNTS),
        csrf: csrf::token(app, visitor),
        client: purpose.client(frame.language()),
        accounts: list(state, &accounts, Expected::by(&purpose)).await?,
        is_full: accounts.live().count() >= MOST,
        frame,
    };
    Ok((page(purpose.policy(), &shown.frame), shown).into_response())
}

/// What the person wants.
#[derive(Debug)]
enum Request {
    /// To go on with this one.
    Choose(SessionId),
    /// To sign in to one that is not there.
    Another,
    /// To sign out of all.
    SignOut,
}

impl Request {
    fn parse(form: &Parameters) -> Result<Self, ErrorPage> {
        match (form.get("account"), form.has("another"), form.has("sign_out")) {
            (Some(id), false, false) => Ok(Self::Choose(SessionId::new(id))),
            (None, true, false) => Ok(Self::Another),
            (None, false, true) => Ok(Self::SignOut),
            _ => Err(ErrorPage::bad_request("accounts-no-choice")),
        }
    }
}

/// `POST /accounts`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = take(&state, &visitor, &headers, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
    state: &AppState,
    visitor: &Visitor,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
    form: Result<Parameters, FormError>,
) -> Answer {
    let app = &state.app;
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let purpose = Purpose::open(app, visitor, &unique(query)?).await?;
    let request = Request::parse(&form)?;
    let accounts = session::accounts(app, headers).await?;
    match request {
        Request::Choose(id) => choose(app, visitor, purpose, (accounts, &id)).await,
        Request::Another => another(state, visitor, purpose, &accounts).await,
        Request::SignOut => sign_out(state, visitor, &accounts).await,
    }
}

/// Goes on with an account of this browser. One whose time is over signs in anew first, and one that is none of the browser's is
/// not chosen.
async fn choose(app: &App, visitor: &Visitor, purpose: Purpose, (accounts, id): (Accounts, &SessionId)) -> Answer {
    let known = accounts.live().chain(&accounts.expired).find(|session| session.id == *id);
    let user = match known {
        Some(session) => account::find(&mut app.store.read().await?, &session.user).await?,
        None => None,
    };
    let Some(user) = user else { return Ok(go_to(&purpose.onward().by(ACCOUNTS))) };
    let mut tx = app.store.write().await?;
    let Some(Switched { cookie, beside }) =
        switch(app, &mut tx, (accounts, id), &visitor.device, app.clock.now()).await?
    else {
        drop(tx);
        return sign_in_beside(app, visitor, purpose, Some(user.email)).await;
    };
    tx.commit().await?;
    let mut response = match purpose {
        Purpose::App { interaction, .. } => {
            resume(&interaction.choose(id.clone(), user.email).seal(app, visitor).await?)
        }
        Purpose::Account(_) | Purpose::Beside { .. } | Purpose::Plain => go_to(&purpose.onward().path()),
    };
    let headers = response.headers_mut();
    session::keep(app, headers, Keep::All(&cookie, id, &beside));
    // A sign-in that somebody left waiting is not what was chosen.
    headers.append(header::SET_COOKIE, waiting::clear_cookie(app));
    Ok(response)
}

/// To the sign-in, as somebody who is not listed.
async fn another(state: &AppState, visitor: &Visitor, purpose: Purpose, accounts: &Accounts) -> Answer {
    let expected = Expected::by(&purpose);
    // Whom the app expects the person just passed over, if they stood there.
    let is_listed = list(state, accounts, expected).await?.iter().any(|account| account.is_expected);
    let login_hint = (!is_listed && !purpose.login_hint().is_empty()).then(|| purpose.login_hint().to_owned());
    sign_in_beside(&state.app, visitor, purpose, login_hint).await
}

/// To the sign-in, beside whoever is signed in already.
async fn sign_in_beside(app: &App, visitor: &Visitor, purpose: Purpose, login_hint: Option<String>) -> Answer {
    let to = match purpose {
        Purpose::App { interaction, .. } => {
            interaction::address("/login", &interaction.beside(login_hint).seal(app, visitor).await?)
        }
        Purpose::Account(_) | Purpose::Beside { .. } | Purpose::Plain => {
            Onward::Beside(beside::seal(app, visitor, login_hint)).by("/login")
        }
    };
    Ok(go_to(&to))
}

async fn sign_out(AppState { app, issuer }: &AppState, visitor: &Visitor, accounts: &Accounts) -> Answer {
    let mut tx = app.store.write().await?;
    let uris = frontchannel_uris_of_all(issuer, &mut tx, accounts).await?;
    end_together(app, &mut tx, accounts, &visitor.device, app.clock.now()).await?;
    tx.commit().await?;
    Ok(leave(app, uris, "/signed-out", Some(Keep::Nothing)))
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let own = || text.to_owned();
    let account = |standing, is_expected: bool| ShownAccount {
        id: own(),
        name: own(),
        email: is_expected.then(own),
        initial: initial(text),
        standing,
        is_expected,
    };
    [None, Some(ShownClient::sample(text, true)), Some(ShownClient::sample(text, false))]
        .map(|client| AccountsPage {
            frame: frame.clone(),
            action: own(),
            csrf: own(),
            accounts: vec![
                account(Standing::Beside, client.is_some()),
                account(Standing::Present, false),
                account(Standing::SignedOut, false),
            ],
            is_full: client.is_none(),
            client,
        })
        .map(|page| ("accounts.html", page.render().unwrap()))
        .into()
}
