//! What every page is set in: the texts of its reader's language, and the looks of the house.

use std::sync::Arc;

use askama::filters::Safe;
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};

use super::{cookies::Cookie, form::Parameters, interaction::Interaction, visitor::Visitor};
use crate::{
    app::App,
    domain::token::Digest,
    looks::Looks,
    store::{StoreError, account, session},
    text::{Language, Texts, Value},
};

/// The frame of one page. Pages have it in a field `frame`, where their templates find it.
#[derive(Clone, Debug)]
pub struct Frame {
    texts: Texts,
    looks: Arc<Looks>,
}

impl Frame {
    fn new(language: Language, looks: Arc<Looks>) -> Self {
        Self { texts: Texts::for_page(language), looks }
    }

    /// The language of the page.
    pub fn language(&self) -> Language {
        self.texts.language()
    }

    /// How the page looks.
    pub fn looks(&self) -> &Looks {
        &self.looks
    }

    /// A text. All texts may name the brand.
    pub fn text(&self, key: &str) -> String {
        self.texts.plain(key, self.own().into_iter())
    }

    /// A text with values, as plain text: for elements, titles and attributes.
    pub fn with<'a, V: Into<Value<'a>> + Copy>(&'a self, key: &str, values: &[(&'static str, V)]) -> String {
        self.texts.plain(key, self.own().into_iter().chain(values.iter().map(|(name, value)| (*name, (*value).into()))))
    }

    /// A text with markup of its own, and each value that others wrote in an element of its own: for elements alone.
    pub fn html<'a, V: Into<Value<'a>> + Copy>(&'a self, key: &str, values: &[(&'static str, V)]) -> Safe<String> {
        let values = values.iter().map(|(name, value)| (*name, (*value).into()));
        Safe(self.texts.html(key, self.own().into_iter().chain(values)))
    }

    /// A text with markup of its own and no values.
    pub fn markup(&self, key: &str) -> Safe<String> {
        Safe(self.texts.html(key, self.own().into_iter()))
    }

    /// A device, from its label as it is stored.
    pub fn device(&self, label: &str) -> String {
        self.texts.device(label)
    }

    fn own(&self) -> [(&'static str, Value<'_>); 1] {
        [("brand", Value::Own(&self.looks.name))]
    }

    /// A frame for tests.
    #[cfg(test)]
    pub fn sample(language: Language, looks: &Arc<Looks>) -> Self {
        Self::new(language, looks.clone())
    }
}

impl<S> FromRequestParts<S> for Frame
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let app = Arc::<App>::from_ref(state);
        let Ok(visitor) = Visitor::from_request_parts(parts, state).await;
        Ok(Self::new(language(&app, &visitor, parts).await, app.looks.clone()))
    }
}

/// In which language a request is answered.
async fn language(app: &App, visitor: &Visitor, parts: &Parts) -> Language {
    let ui_locales = ui_locales(app, visitor, parts).await;
    // Whom the app has chosen for need not be looked up.
    let is_chosen = Language::first_of(ui_locales.iter().map(String::as_str)).is_some();
    let locale = if is_chosen { None } else { locale(app, parts).await };
    let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::negotiate(&ui_locales, locale.as_deref(), accepted)
}

/// What the app asks for, in this very request or in the one that is on its way through our pages.
async fn ui_locales(app: &App, visitor: &Visitor, parts: &Parts) -> Vec<String> {
    let query = Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    match (query.get("i"), query.get("ui_locales")) {
        (Some(sealed), _) => {
            Interaction::open(app, visitor, sealed).await.map(|found| found.request.ui_locales).unwrap_or_default()
        }
        (None, Some(asked)) => asked.split_whitespace().map(str::to_owned).collect(),
        (None, None) => Vec::new(),
    }
}

/// What the person who is signed in told us to use.
async fn locale(app: &App, parts: &Parts) -> Option<String> {
    let cookie = Cookie::Session.read(app, &parts.headers)?;
    match locale_of_session(app, &Digest::of(cookie)).await {
        Ok(locale) => locale,
        Err(error) => {
            tracing::warn!(%error, "the language of a person could not be looked up");
            None
        }
    }
}

async fn locale_of_session(app: &App, cookie: &Digest) -> Result<Option<String>, StoreError> {
    let mut tx = app.store.read().await?;
    let (lifetimes, now) = (app.session_lifetimes(), app.clock.now());
    let session = session::find_by_cookie(&mut tx, cookie).await?;
    let Some(session) = session.filter(|session| session.is_live(&lifetimes, now)) else { return Ok(None) };
    Ok(account::find(&mut tx, &session.user).await?.and_then(|user| user.claim("locale").map(str::to_owned)))
}
