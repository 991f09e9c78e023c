//! `/consent`: a person decides whether an app may have what it asks for.

use std::sync::Arc;

use askama::Template;
use askama_web::WebTemplate;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use url::Url;

use super::{Answer, resume, scope_words::in_plain_words, shown_client::ShownClient, unique};
use crate::{
    app::App,
    domain::{
        client::{Client, RedirectUri},
        event::{AuditEntry, Event},
        session::Session,
    },
    http::{
        csrf,
        error_page::ErrorPage,
        form::{Form, FormError, Parameters, Query},
        frame::Frame,
        headers::{CLIENT_FORM_POLICY, page},
        interaction::{self, Interaction},
        session,
        sign_in::ACCOUNTS,
        state::AppState,
        visitor::Visitor,
    },
    store::{account, audit, consent},
};

/// What a request to this page comes to.
enum Request {
    /// There is something to ask.
    Ask(Box<Question>),
    /// Nobody is signed in, or the person has refused already: what comes next is decided anew.
    Resume(String),
}

/// What is asked, and who is asked.
struct Question {
    sealed: String,
    interaction: Interaction,
    client: Arc<Client>,
    session: Session,
}

impl Request {
    async fn parse(
        app: &App,
        visitor: &Visitor,
        headers: &HeaderMap,
        query: Result<Parameters, FormError>,
    ) -> Result<Self, ErrorPage> {
        let sealed = unique(query)?.owned("i").ok_or_else(ErrorPage::expired)?;
        let interaction = Interaction::open(app, visitor, &sealed).await?;
        let client = app.store.client(&interaction.request.client_id).await?;
        let client = client.filter(|client| client.enabled).ok_or_else(ErrorPage::unregistered)?;
        match session::present(app, headers).await? {
            Some(session) if !interaction.denied => {
                Ok(Self::Ask(Box::new(Question { sealed, interaction, client, session })))
            }
            _ => Ok(Self::Resume(sealed)),
        }
    }
}

/// What the person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Approve,
    Deny,
    /// The form was shown to someone who was signed in here before.
    OfAnother,
}

impl Choice {
    fn parse(form: &Parameters, session: &Session) -> Option<Self> {
        if form.get("session") != Some(session.id.as_str()) {
            return Some(Self::OfAnother);
        }
        match (form.has("approve"), form.has("deny")) {
            (true, false) => Some(Self::Approve),
            (false, true) => Some(Self::Deny),
            (true, true) | (false, false) => None,
        }
    }
}

/// Where the person is sent afterwards.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    /// To the web site at this host.
    Site(String),
    /// To an app on their own device. Any app there could have asked (RFC 8252 §8.6).
    ThisDevice,
}

impl Destination {
    fn of(redirect_uri: &str) -> Self {
        let is_native = redirect_uri.parse::<RedirectUri>().is_ok_and(|uri| uri.is_native());
        match Url::parse(redirect_uri).ok().filter(|_| !is_native).as_ref().and_then(Url::host_str) {
            Some(host) => Self::Site(host.to_owned()),
            None => Self::ThisDevice,
        }
    }
}

/// The question.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "page/consent.html")]
struct ConsentPage {
    frame: Frame,
    /// Where the form goes.
    action: String,
    /// The form's token.
    csrf: String,
    /// Who is asked: the answer counts for nobody else.
    session: String,
    /// The app that asks.
    client: ShownClient,
    /// Whether nobody knows if what it says of itself is true.
    is_unchecked: bool,
    /// Who is signed in.
    person: String,
    /// Where another account can be chosen.
    switch_account: String,
    /// What the app may do afterwards.
    scopes: Vec<String>,
    /// Where the person is sent afterwards.
    destination: Destination,
}

/// `GET /consent?i=…`
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
    let question = match Request::parse(app, visitor, headers, query).await? {
        Request::Ask(question) => question,
        Request::Resume(sealed) => return Ok(resume(&sealed)),
    };
    let user = account::find(&mut app.store.read().await?, &question.session.user).await?;
    let request = &question.interaction.request;
    let form = ConsentPage {
        action: interaction::address("/consent", &question.sealed),
        csrf: csrf::token(app, visitor),
        session: question.session.id.to_string(),
        is_unchecked: question.client.is_self_registered(),
        client: ShownClient::new(&question.client, frame.language()),
        person: user.map(|user| user.display_name().to_owned()).unwrap_or_default(),
        switch_account: interaction::address(ACCOUNTS, &question.sealed),
        scopes: in_plain_words(&request.consent_scope(), &*app.store.apis().await?, &frame),
        destination: Destination::of(&request.redirect_uri),
        frame,
    };
    Ok((page(CLIENT_FORM_POLICY, &form.frame), form).into_response())
}

/// `POST /consent?i=…`
pub async fn post(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(query): Query,
    Form(form): Form,
) -> Response {
    let answer = take(&state.app, &visitor, &headers, query, form).await;
    visitor.remember(&state.app, answer)
}

async fn take(
    app: &App,
    visitor: &Visitor,
    headers: &HeaderMap,
    query: Result<Parameters, FormError>,
    form: Result<Parameters, FormError>,
) -> Answer {
    let form = unique(form)?;
    if !csrf::is_valid(app, visitor, &form) {
        return Err(ErrorPage::forged_form());
    }
    let question = match Request::parse(app, visitor, headers, query).await? {
        Request::Ask(question) => *question,
        Request::Resume(sealed) => return Ok(resume(&sealed)),
    };
    match Choice::parse(&form, &question.session) {
        Some(Choice::Approve) => question.approve(app, visitor).await,
        Some(Choice::Deny) => question.deny(app, visitor).await,
        Some(Choice::OfAnother) => Ok(resume(&question.sealed)),
        None => Err(ErrorPage::bad_request("consent-undecided")),
    }
}

impl Question {
    async fn approve(self, app: &App, visitor: &Visitor) -> Answer {
        let (now, scope) = (app.clock.now(), &self.interaction.request.consent_scope());
        let entry = self.entry(visitor, Event::ConsentGranted { scope: scope.clone() });
        let mut tx = app.store.write().await?;
        consent::grant(&mut tx, &self.session.user, &self.client.id, scope, now).await?;
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(resume(&self.sealed))
    }

    async fn deny(self, app: &App, visitor: &Visitor) -> Answer {
        let scope = self.interaction.request.consent_scope();
        let entry = self.entry(visitor, Event::ConsentDenied { scope });
        let mut tx = app.store.write().await?;
        audit::record(&mut tx, &entry, app.clock.now()).await?;
        tx.commit().await?;
        Ok(resume(&self.interaction.deny().seal(app, visitor).await?))
    }

    fn entry(&self, visitor: &Visitor, event: Event) -> AuditEntry {
        AuditEntry::new(event)
            .user(&self.session.user)
            .client(&self.client.id)
            .session(&self.session.id)
            .personal(visitor.device.personal())
    }
}

#[cfg(test)]
pub(super) fn samples(frame: &Frame, text: &str) -> Vec<super::tests::Sample> {
    let own = || text.to_owned();
    [(Destination::Site(own()), false), (Destination::Site(own()), true), (Destination::ThisDevice, true)]
        .map(|(destination, is_unchecked)| ConsentPage {
            is_unchecked,
            frame: frame.clone(),
            action: own(),
            csrf: own(),
            session: own(),
            client: ShownClient::sample(text, destination == Destination::ThisDevice),
            person: own(),
            switch_account: own(),
            scopes: vec![own(), own()],
            destination,
        })
        .map(|page| ("consent.html", page.render().unwrap()))
        .into()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use countersign_types::{SessionId, UserId};

    use super::*;

    fn choice(form: &str) -> Option<Choice> {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let session = Session {
            id: SessionId::new("mine"),
            user: UserId::new("u"),
            auth_time: at,
            acr: String::new(),
            amr: Vec::new(),
            label: String::new(),
            device: None,
            address: String::new(),
            created_at: at,
            last_seen: at,
        };
        Choice::parse(&Parameters::parse(form.as_bytes()).unwrap(), &session)
    }

    #[test]
    fn one_button_is_a_choice_and_two_are_none() {
        assert_eq!(choice("session=mine&approve=1"), Some(Choice::Approve));
        assert_eq!(choice("session=mine&deny="), Some(Choice::Deny));
        assert_eq!(choice("session=mine&approve=1&deny=1"), None);
        assert_eq!(choice("session=mine"), None);
    }

    #[test]
    fn a_choice_counts_only_for_whoever_was_asked() {
        assert_eq!(choice("session=other&approve=1"), Some(Choice::OfAnother));
        assert_eq!(choice("approve=1"), Some(Choice::OfAnother));
    }

    #[test]
    fn people_see_the_host_that_they_are_sent_to() {
        assert_eq!(Destination::of("https://app.example:8443/cb?x=1"), Destination::Site("app.example".to_owned()));
        for native in ["http://127.0.0.1:9/cb", "http://localhost/cb", "com.example.app:/cb"] {
            assert_eq!(Destination::of(native), Destination::ThisDevice, "{native}");
        }
    }
}
