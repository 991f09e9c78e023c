//! Which new passwords are refused: those that somebody who wants in would try first.
//!
//! There are no rules of composition. A password is refused when it is common, when it holds a word of the person or of the
//! house, or when few guesses find it; the first two are decided here.

use std::{collections::HashSet, sync::LazyLock};

use super::{
    credential::{Password, PasswordError},
    user::{User, fold},
};

/// The passwords that people choose most often (OWASP ASVS 6.2.4 asks for 3,000).
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect());

/// The fewest characters of a word that is looked for anywhere in a password. A shorter one must stand alone: "eve" is part
/// of "never" by chance.
const WORD_CHARS: usize = 4;
/// Shorter ones say nothing.
const PART_CHARS: usize = 3;
/// The most words that are looked for, since names are of any length.
const MAX_WORDS: usize = 64;

/// Words that lie near: names of the person, and of the house. Never printed.
#[derive(Clone, Default)]
pub struct NearWords(Vec<String>);

impl std::fmt::Debug for NearWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl NearWords {
    /// The words of these texts, whole and in parts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = Vec::new();
        for folded in texts.into_iter().map(fold) {
            let parts = folded.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
            words.extend(std::iter::once(folded).chain(parts));
        }
        words.retain(|word| word.chars().count() >= PART_CHARS);
        words.sort_unstable();
        words.dedup();
        words.truncate(MAX_WORDS);
        Self(words)
    }

    /// Further words.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The words of a person: mail address, without what everybody at that host shares, user name and name.
    pub fn of_person(user: &User) -> Self {
        let name = ["name", "given_name", "family_name", "nickname"].into_iter().filter_map(|claim| user.claim(claim));
        Self::of(std::iter::once(mail_name(&user.email)).chain(user.username.as_deref()).chain(name))
    }

    /// Each word, folded.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What stands before the `@`.
pub fn mail_name(email: &str) -> &str {
    email.rsplit_once('@').map_or(email, |(name, _)| name)
}

/// Refuses a password that is common or holds one of these words. Letter case and compatibility forms make no difference.
pub fn check(password: &Password, near: &NearWords) -> Result<(), PasswordError> {
    let folded = fold(password.as_str());
    if COMMON.contains(folded.as_str()) {
        return Err(PasswordError::Common);
    }
    if near.iter().any(|word| holds(&folded, word)) {
        return Err(PasswordError::NearWord);
    }
    Ok(())
}

fn holds(password: &str, word: &str) -> bool {
    let is_long = word.chars().count() >= WORD_CHARS;
    password.match_indices(word).any(|(at, _)| {
        let before = password.get(..at).and_then(|text| text.chars().next_back());
        let after = password.get(at + word.len()..).and_then(|text| text.chars().next());
        is_long || ![before, after].into_iter().flatten().any(char::is_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(password: &str, near: &[&str]) -> Option<PasswordError> {
        let password = Password::chosen(password.to_owned()).unwrap();
        check(&password, &NearWords::of(near.iter().copied())).err()
    }

    #[test]
    fn the_list_is_long_enough_and_each_entry_could_be_chosen() {
        assert!(COMMON.len() >= 3_000, "{}", COMMON.len());
        for common in COMMON.iter() {
            assert!(common.chars().count() >= 8 && fold(common) == **common, "{common}");
        }
    }

    #[test]
    fn every_common_password_is_refused_however_it_is_written() {
        for common in COMMON.iter() {
            assert_eq!(refused(common, &[]), Some(PasswordError::Common));
            assert_eq!(refused(&common.to_uppercase(), &[]), Some(PasswordError::Common), "{common}");
        }
        assert_eq!(refused("ｐａｓｓｗｏｒｄ", &[]), Some(PasswordError::Common));
        assert_eq!(refused("correct horse battery staple", &[]), None);
    }

    #[test]
    fn words_of_the_person_and_of_the_house_are_refused_anywhere() {
        let near = ["Countersign", "ada.lovelace"];
        for password in ["xx COUNTERSIGN xx", "myLovelace1843", "ada.lovelace!", "ｃｏｕｎｔｅｒｓｉｇｎ…"]
        {
            assert_eq!(refused(password, &near), Some(PasswordError::NearWord), "{password}");
        }
        assert_eq!(refused("counter and sign", &near), None);
    }

    #[test]
    fn a_short_name_counts_where_it_stands_alone() {
        for password in ["eve and adam", "my-eve-2024", "1843eve1843", "EVE!!!!!"] {
            assert_eq!(refused(password, &["eve"]), Some(PasswordError::NearWord), "{password}");
        }
        for password in ["whatever it is", "never say never"] {
            assert_eq!(refused(password, &["eve"]), None, "{password}");
        }
        assert_eq!(refused("x marks the spot", &["x", "to"]), None);
    }

    #[test]
    fn the_host_of_an_address_is_nobodys_name() {
        assert_eq!(mail_name("ada@example.com"), "ada");
        assert_eq!(mail_name("no address"), "no address");
    }
}
