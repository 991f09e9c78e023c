//! What pages show of the app that a person is signing in to.

use crate::{
    domain::client::{Client, WebLink},
    text::Language,
};

/// An app, as people see it.
#[derive(Debug)]
pub(super) struct ShownClient {
    /// Names it in the address of its logo.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// Stands for a logo where there is none.
    pub(super) initial: String,
    /// Whether it registered a logo.
    pub(super) has_logo: bool,
    /// Its privacy policy.
    pub(super) policy_uri: Option<String>,
    /// Its terms of service.
    pub(super) tos_uri: Option<String>,
}

impl ShownClient {
    /// An app, for readers of a language: in words of that language where it registered some (OpenID Connect Registration §2.1).
    pub(super) fn new(client: &Client, language: Language) -> Self {
        let metadata = &client.metadata;
        let translated = |name| metadata.translated(name, language.tag()).map(str::to_owned);
        let name = translated("client_name").unwrap_or_else(|| metadata.client_name.clone());
        let link = |name, untagged: &Option<WebLink>| translated(name).or_else(|| Some(untagged.as_ref()?.to_string()));
        Self {
            id: client.id.to_string(),
            initial: initial(&name),
            name,
            has_logo: metadata.logo_uri.is_some(),
            policy_uri: link("policy_uri", &metadata.policy_uri),
            tos_uri: link("tos_uri", &metadata.tos_uri),
        }
    }
}

#[cfg(test)]
impl ShownClient {
    /// An app with this text wherever it could write one.
    pub(super) fn sample(text: &str, has_logo: bool) -> Self {
        let link = || has_logo.then(|| text.to_owned());
        Self {
            id: text.to_owned(),
            name: text.to_owned(),
            initial: text.chars().take(1).collect(),
            has_logo,
            policy_uri: link(),
            tos_uri: link(),
        }
    }
}

/// The first letter or digit of a name.
pub(super) fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "·".to_owned(), |first| first.to_uppercase().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_is_a_letter_or_digit_and_never_an_invisible_mark() {
        assert_eq!(initial("journal"), "J");
        assert_eq!(initial("\u{202e}<écrin>"), "É");
        assert_eq!(initial("—"), "·");
    }
}
