//! What a scope means, in words for people.

use countersign_types::{Scope, ScopeSet};

use crate::{domain::api::Apis, http::frame::Frame};

/// What each scope means: ours first and in the reader's language, those of APIs in the words that were registered.
pub(super) fn in_plain_words(scope: &ScopeSet, apis: &Apis, frame: &Frame) -> Vec<String> {
    let known = apis.all_scopes().filter(|name| scope.contains(name));
    // Of an API that was removed meanwhile the names alone are left.
    let forgotten = scope.iter().filter(|scope| !apis.knows(scope)).map(Scope::as_str);
    let words = |name: &str| match of_ours(name) {
        Some(key) => frame.text(key),
        None => name.parse().ok().and_then(|scope| apis.text(&scope)).unwrap_or(name).to_owned(),
    };
    known.chain(forgotten).map(words).collect()
}

/// The text of a scope that belongs to us.
fn of_ours(name: &str) -> Option<&'static str> {
    match name {
        "openid" => Some("consent-scope-openid"),
        "profile" => Some("consent-scope-profile"),
        "email" => Some("consent-scope-email"),
        "address" => Some("consent-scope-address"),
        "phone" => Some("consent-scope-phone"),
        "offline_access" => Some("consent-scope-offline-access"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::Arc,
    };

    use super::*;
    use crate::{
        config::Settings,
        domain::api::{Api, STANDARD_SCOPES},
        looks::Looks,
        text::Language,
    };

    fn words(scope: &str, language: Language) -> Vec<String> {
        let api = Api {
            uri: "https://journal.example/".to_owned(),
            scopes: BTreeMap::from([("a.read".parse().unwrap(), "Read your journal".to_owned())]),
            roles: false,
            clients: BTreeSet::new(),
        };
        let looks = Arc::new(Looks::open(&Settings::parse("", []).unwrap().brand).unwrap());
        in_plain_words(&scope.parse().unwrap(), &Apis::new(vec![api]), &Frame::sample(language, &looks))
    }

    #[test]
    fn scopes_are_told_in_the_registered_words_with_openid_first() {
        assert_eq!(
            words("a.read email gone openid", Language::English),
            ["Know who you are", "See your mail address", "Read your journal", "gone"]
        );
    }

    #[test]
    fn our_own_are_told_in_the_language_of_the_reader() {
        assert_eq!(words("a.read openid", Language::German), ["Wissen, wer Sie sind", "Read your journal"]);
        for (name, _) in STANDARD_SCOPES {
            assert!(of_ours(name).is_some(), "{name}");
        }
    }
}
