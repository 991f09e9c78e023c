//! What a person signs in for. Every page of a sign-in has it in its address.

use std::sync::Arc;

use super::shown_client::ShownClient;
use crate::{
    app::App,
    domain::{client::Client, second_factor::Shown},
    http::{
        beside,
        error_page::ErrorPage,
        form::Parameters,
        headers::{CLIENT_FORM_POLICY, PAGE_POLICY},
        interaction::Interaction,
        owner::Place,
        sign_in::Onward,
        visitor::Visitor,
    },
    text::Language,
};

/// What a person signs in for.
pub(super) enum Purpose {
    /// For an app, whose request goes on afterwards.
    App {
        /// The request as it stands in the address.
        sealed: String,
        /// The request.
        interaction: Box<Interaction>,
        /// The app.
        client: Arc<Client>,
    },
    /// For a page of the account area.
    Account(Place),
    /// For being signed in beside whoever is already, as the person chose.
    Beside {
        /// The choice as it stands in the address.
        sealed: String,
        /// As whom, if that is known.
        login_hint: String,
    },
    /// For nothing but being signed in.
    Plain,
}

impl Purpose {
    /// Opens the request in the address, if there is one. A place that is none of ours is as good as none.
    pub(super) async fn open(app: &App, visitor: &Visitor, query: &Parameters) -> Result<Self, ErrorPage> {
        let Some(sealed) = query.owned("i") else {
            let beside = query.owned("beside").and_then(|sealed| Some((beside::open(app, visitor, &sealed)?, sealed)));
            return Ok(match (beside, query.get("to").and_then(Place::named)) {
                (Some((login_hint, sealed)), _) => Self::Beside { sealed, login_hint },
                (None, Some(place)) => Self::Account(place),
                (None, None) => Self::Plain,
            });
        };
        let interaction = Box::new(Interaction::open(app, visitor, &sealed).await?);
        let client = app.store.client(&interaction.request.client_id).await?;
        let client = client.filter(|client| client.enabled).ok_or_else(ErrorPage::unregistered)?;
        Ok(Self::App { sealed, interaction, client })
    }

    /// Where the person goes once they are signed in.
    pub(super) fn onward(&self) -> Onward {
        match self {
            Self::App { sealed, interaction, .. } => Onward::App { sealed: sealed.clone(), manner: interaction.manner },
            Self::Account(place) => Onward::Account(*place),
            Self::Beside { sealed, .. } => Onward::Beside(sealed.clone()),
            Self::Plain => Onward::Start,
        }
    }

    /// The app that the sign-in is for, for readers of a language.
    pub(super) fn client(&self, language: Language) -> Option<ShownClient> {
        match self {
            Self::App { client, .. } => Some(ShownClient::new(client, language)),
            Self::Account(_) | Self::Beside { .. } | Self::Plain => None,
        }
    }

    /// Whom the app expects, as they would type it.
    pub(super) fn login_hint(&self) -> &str {
        match self {
            Self::App { interaction, .. } => interaction.request.login_hint.as_deref().unwrap_or_default(),
            Self::Beside { login_hint, .. } => login_hint,
            Self::Account(_) | Self::Plain => "",
        }
    }

    /// What the right password alone has shown of the second factor.
    pub(super) fn shown(&self) -> Shown {
        match self {
            Self::App { interaction, .. } if interaction.request.wants_every_factor() => Shown::NothingYet,
            Self::App { .. } | Self::Account(_) | Self::Beside { .. } | Self::Plain => Shown::Nothing,
        }
    }

    /// What the page may do. An app that needs no consent gets its answer at the end of the form's redirects.
    pub(super) fn policy(&self) -> &'static str {
        match self {
            Self::App { .. } => CLIENT_FORM_POLICY,
            Self::Account(_) | Self::Beside { .. } | Self::Plain => PAGE_POLICY,
        }
    }
}
