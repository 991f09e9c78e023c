//! What people say of themselves: the claims that they may set, and what each must look like.
//!
//! Mail address and roles are not among them, nor whether anything was verified.

use super::{
    client::WebLink,
    user::{InvalidName, User, parse_username},
};

/// A claim that a person may set (OpenID Connect Core §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnClaim {
    /// What they are called in full.
    Name,
    /// Given names.
    GivenName,
    /// Middle names.
    MiddleName,
    /// Family names.
    FamilyName,
    /// What others call them.
    Nickname,
    /// Their gender, in words of their own.
    Gender,
    /// `YYYY-MM-DD`, `YYYY`, or `0000-MM-DD` without the year.
    Birthdate,
    /// The language that they read (BCP 47).
    Locale,
    /// Where they keep time, such as `Europe/Berlin`.
    Zoneinfo,
    /// A telephone number.
    PhoneNumber,
    /// A page about them.
    Profile,
    /// A picture of them.
    Picture,
    /// Their own page.
    Website,
    /// Street and number.
    Street,
    /// Postal code.
    PostalCode,
    /// City.
    Locality,
    /// State or region.
    Region,
    /// Country.
    Country,
}

impl OwnClaim {
    /// All of them, in the order in which they are asked for.
    pub const ALL: [Self; 18] = [
        Self::Name,
        Self::GivenName,
        Self::MiddleName,
        Self::FamilyName,
        Self::Nickname,
        Self::Gender,
        Self::Birthdate,
        Self::Locale,
        Self::Zoneinfo,
        Self::PhoneNumber,
        Self::Profile,
        Self::Picture,
        Self::Website,
        Self::Street,
        Self::PostalCode,
        Self::Locality,
        Self::Region,
        Self::Country,
    ];

    /// The name of the claim.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::GivenName => "given_name",
            Self::MiddleName => "middle_name",
            Self::FamilyName => "family_name",
            Self::Nickname => "nickname",
            Self::Gender => "gender",
            Self::Birthdate => "birthdate",
            Self::Locale => "locale",
            Self::Zoneinfo => "zoneinfo",
            Self::PhoneNumber => "phone_number",
            Self::Profile => "profile",
            Self::Picture => "picture",
            Self::Website => "website",
            Self::Street => "address.street_address",
            Self::PostalCode => "address.postal_code",
            Self::Locality => "address.locality",
            Self::Region => "address.region",
            Self::Country => "address.country",
        }
    }

    /// What a person has said so far.
    pub fn of(self, user: &User) -> &str {
        let value = match self.as_str().split_once('.') {
            Some((claim, member)) => user.claims.get(claim).and_then(|claim| claim.get(member)),
            None => user.claims.get(self.as_str()),
        };
        value.and_then(serde_json::Value::as_str).unwrap_or_default()
    }

    /// Whether a value can be said. Nothing at all always can.
    fn accepts(self, value: &str) -> bool {
        let of = |is_allowed: fn(char) -> bool, most: usize| {
            value.chars().count() <= most && value.chars().all(is_allowed) && value.starts_with(char::is_alphanumeric)
        };
        value.is_empty()
            || match self {
                Self::Name
                | Self::GivenName
                | Self::MiddleName
                | Self::FamilyName
                | Self::Nickname
                | Self::Gender
                | Self::Street
                | Self::PostalCode
                | Self::Locality
                | Self::Region
                | Self::Country => value.chars().count() <= MAX_CHARS && !value.chars().any(char::is_control),
                Self::Birthdate => is_birthdate(value),
                Self::Locale => of(|c| c.is_ascii_alphanumeric() || c == '-', 35),
                Self::Zoneinfo => of(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'), 64),
                Self::PhoneNumber => {
                    let is_allowed = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '(' | ')' | '.' | ' ');
                    value.len() <= 40 && value.chars().all(is_allowed) && value.contains(|c: char| c.is_ascii_digit())
                }
                Self::Profile | Self::Picture | Self::Website => {
                    value.len() <= MAX_LINK_BYTES && value.parse::<WebLink>().is_ok()
                }
            }
    }
}

/// The most characters of a name.
const MAX_CHARS: usize = 200;
/// The longest address of a page.
const MAX_LINK_BYTES: usize = 1_000;

/// OpenID Connect Core §5.1, birthdate: a date, a year, or a date without its year.
fn is_birthdate(value: &str) -> bool {
    let is_number = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_within =
        |text: &str, most: u32| is_number(text, 2) && text.parse().is_ok_and(|n: u32| (1..=most).contains(&n));
    match value.split('-').collect::<Vec<_>>().as_slice() {
        [year] => is_number(year, 4) && *year != "0000",
        [year, month, day] => is_number(year, 4) && is_within(month, 12) && is_within(day, 31),
        _ => false,
    }
}

/// What a person says of themselves, with nothing wrong in it.
#[derive(Clone)]
pub struct Profile {
    username: Option<String>,
    claims: Vec<(OwnClaim, String)>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What of it cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The user name.
    #[error(transparent)]
    Username(InvalidName),
    /// A claim.
    #[error("{} cannot be this", .0.as_str())]
    Claim(OwnClaim),
}

impl Profile {
    /// Reads what was said. White space around a value is not meant.
    pub fn parse<'a>(username: Option<&str>, said: impl Fn(OwnClaim) -> Option<&'a str>) -> Result<Self, ProfileError> {
        let username = username.filter(|name| !name.trim().is_empty()).map(parse_username).transpose();
        let claim = |claim: OwnClaim| {
            let value = said(claim).unwrap_or_default().trim();
            if claim.accepts(value) { Ok((claim, value.to_owned())) } else { Err(ProfileError::Claim(claim)) }
        };
        Ok(Self {
            username: username.map_err(ProfileError::Username)?,
            claims: OwnClaim::ALL.into_iter().map(claim).collect::<Result<_, _>>()?,
        })
    }

    /// Makes it what is known of the person: the names of all that changed.
    pub fn apply(&self, user: &mut User) -> Vec<String> {
        let mut changed = Vec::new();
        if self.username != user.username {
            user.username.clone_from(&self.username);
            changed.push("username".to_owned());
        }
        for (claim, value) in &self.claims {
            if claim.of(user) == value || user.set_claim(claim.as_str(), value).is_err() {
                continue;
            }
            if *claim == OwnClaim::PhoneNumber {
                // Whoever verified the old one said nothing of this.
                user.claims.remove("phone_number_verified");
            }
            changed.push(claim.as_str().to_owned());
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use chrono::DateTime;
    use countersign_types::UserId;
    use serde_json::{Map, json};

    use super::*;

    fn ada() -> User {
        let mut user = User {
            id: UserId::new("u"),
            email: "ada@example.com".to_owned(),
            email_verified: true,
            username: Some("ada".to_owned()),
            claims: Map::new(),
            roles: BTreeSet::new(),
            enabled: true,
            second_factor_required: false,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        user.claims.insert("phone_number".to_owned(), json!("+44 1"));
        user.claims.insert("phone_number_verified".to_owned(), json!(true));
        user.claims.insert("preferred_username".to_owned(), json!("countess"));
        user
    }

    fn parse(username: &str, said: &[(&str, &str)]) -> Result<Profile, ProfileError> {
        let said: BTreeMap<_, _> = said.iter().copied().collect();
        Profile::parse(Some(username), |claim| said.get(claim.as_str()).copied())
    }

    #[test]
    fn what_is_said_replaces_what_was_known_and_names_what_changed() {
        let mut user = ada();
        let said = [("name", " Ada Lovelace "), ("phone_number", "+44 1"), ("address.locality", "London")];
        let changed = parse("ada", &said).unwrap().apply(&mut user);
        assert_eq!(changed, ["name", "address.locality"]);
        assert_eq!(user.claims["name"], "Ada Lovelace");
        assert_eq!(user.claims["address"], json!({ "locality": "London" }));
        assert_eq!(parse("", &[]).unwrap().apply(&mut user), ["username", "name", "phone_number", "address.locality"]);
        assert_eq!((user.username, user.claims), (None, ada_without_phone()));
    }

    /// What a person cannot take away.
    fn ada_without_phone() -> Map<String, serde_json::Value> {
        Map::from_iter([("preferred_username".to_owned(), json!("countess"))])
    }

    #[test]
    fn another_number_was_not_verified() {
        let mut user = ada();
        parse("ada", &[("phone_number", "+44 1")]).unwrap().apply(&mut user);
        assert_eq!(user.claims["phone_number_verified"], true);
        parse("ada", &[("phone_number", "+44 2")]).unwrap().apply(&mut user);
        assert!(!user.claims.contains_key("phone_number_verified"));
    }

    #[test]
    fn values_look_like_what_they_are() {
        let long = "x".repeat(201);
        for (claim, good, bad) in [
            (OwnClaim::Name, &["Ada", "Ада 🔑", "O'Neil"] as &[&str], &["a\nb", "a\u{7}b", long.as_str()] as &[&str]),
            (
                OwnClaim::Birthdate,
                &["1815-12-10", "1815", "0000-12-10"],
                &["10.12.1815", "1815-13-10", "1815-00-10", "0000", "1815-12", "+815-12-10"],
            ),
            (OwnClaim::Locale, &["de", "en-GB", "zh-Hant-TW"], &["de_DE", "-", "d e"]),
            (OwnClaim::Zoneinfo, &["Europe/Berlin", "Etc/GMT+1", "UTC"], &["/etc/passwd", "Europe Berlin"]),
            (OwnClaim::PhoneNumber, &["+44 (20) 7946-0018"], &["call me", "+", "()"]),
            (OwnClaim::Picture, &["https://ada.example/a.png"], &["javascript:alert(1)", "data:,x", "ada.png"]),
        ] {
            for value in good {
                assert!(parse("", &[(claim.as_str(), value)]).is_ok(), "{claim:?} {value}");
            }
            for value in bad {
                let refused = parse("", &[(claim.as_str(), value)]).unwrap_err();
                assert_eq!(refused, ProfileError::Claim(claim), "{value}");
            }
        }
        assert!(matches!(parse("a@b", &[]), Err(ProfileError::Username(_))));
    }

    #[test]
    fn every_claim_can_be_set_and_is_found_again() {
        for claim in OwnClaim::ALL {
            let mut user = ada();
            let value = if matches!(claim, OwnClaim::Birthdate) { "1815" } else { "https://ada.example/" };
            if user.set_claim(claim.as_str(), value).is_ok() {
                assert_eq!(claim.of(&user), value);
            } else {
                panic!("{claim:?} is not settable");
            }
        }
    }
}
