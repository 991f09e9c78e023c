//! The files of texts, compiled in, and the bundle of each language.

use std::sync::LazyLock;

use fluent_bundle::{FluentResource, concurrent::FluentBundle};

use super::Language;

/// What is looked up and formatted by.
pub(super) type Bundle = FluentBundle<FluentResource>;

/// A file in each language.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// Its name, with which its keys begin.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the tests ask whose a key is"))]
    pub(super) name: &'static str,
    english: &'static str,
    german: &'static str,
}

impl File {
    /// What is in it.
    pub(super) fn source(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::German => self.german,
        }
    }
}

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(File {
            name: $name,
            english: include_str!(concat!("../../templates/text/en/", $name, ".ftl")),
            german: include_str!(concat!("../../templates/text/de/", $name, ".ftl")),
        }),+]
    };
}

/// All files.
pub(super) const FILES: &[File] = files![
    "account",
    "accounts",
    "activity",
    "apps",
    "client",
    "common",
    "consent",
    "data",
    "dev-mail",
    "email",
    "error",
    "form-post",
    "front-channel",
    "link",
    "login",
    "logout",
    "mail",
    "password",
    "profile",
    "recover",
    "second-factor",
    "sessions",
    "signed-out",
    "signup",
    "start",
];

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| build(Language::English));
static GERMAN: LazyLock<Bundle> = LazyLock::new(|| build(Language::German));

/// The texts of a language.
pub(super) fn bundle(language: Language) -> &'static Bundle {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    }
}

fn build(language: Language) -> Bundle {
    let mut bundle = Bundle::new_concurrent(vec![language.tag().parse().unwrap_or_default()]);
    // Values are isolated by whoever hands them over, in the way of the medium; ours need not be.
    bundle.set_use_isolating(false);
    for file in FILES {
        // What is wrong with a file is found by the tests, since it is compiled in.
        let resource =
            FluentResource::try_new(file.source(language).to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}
