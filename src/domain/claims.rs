//! Which claims about a person a client gets: by scope (OpenID Connect Core §5.4), by name (§5.5), and by what the operator maps.

use std::collections::BTreeMap;

use countersign_types::{Scope, ScopeSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    api::STANDARD_SCOPES,
    user::{SETTABLE_CLAIMS, User},
};

/// The longest `claims` parameter, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// The most claims of a request, and the most values of one.
const MAX_MEMBERS: usize = 100;

/// What a client asks for by name (the `claims` parameter, and `claims_locales`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// In the ID token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: BTreeMap<String, Wanted>,
    /// At userinfo.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: BTreeMap<String, Wanted>,
    /// In which languages beside the one without a tag (§5.2), best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locales: Vec<String>,
}

/// How one claim is asked for (§5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The client does not work well without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    /// It is of use with one of these values alone; whatever it is where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl Wanted {
    fn parse(member: &Value) -> Result<Self, &'static str> {
        let Value::Object(member) = member else {
            return if member.is_null() { Ok(Self::default()) } else { Err("a claim of claims is null or an object") };
        };
        let essential = match member.get("essential") {
            None => false,
            Some(Value::Bool(essential)) => *essential,
            Some(_) => return Err("essential in claims is true or false"),
        };
        let values = match (member.get("value"), member.get("values")) {
            (None, None) => Vec::new(),
            (Some(value), None) => vec![value.clone()],
            (None, Some(Value::Array(values))) if !values.is_empty() && values.len() <= MAX_MEMBERS => values.clone(),
            (None, Some(_)) => return Err("values in claims is an array of up to 100 values"),
            (Some(_), Some(_)) => return Err("a claim of claims has value or values, not both"),
        };
        Ok(Self { essential, values })
    }

    /// Whether this value is of use.
    fn accepts(&self, value: &Value) -> bool {
        self.values.is_empty() || self.values.contains(value)
    }

    /// The values that are texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter_map(Value::as_str)
    }
}

impl ClaimsRequest {
    /// Reads the `claims` parameter.
    ///
    /// # Errors
    /// What is wrong with it, in words for the client's developer. Members that nobody knows are ignored (§5.5).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_BYTES {
            return Err("claims is longer than 8 KiB");
        }
        let Ok(Value::Object(members)) = countersign_jose::read_object(text.as_bytes()).map(Value::Object) else {
            return Err("claims is not a JSON object, or names a member twice");
        };
        // No database keeps it, and nobody has a claim with one.
        if text.contains("\\u0000") || text.contains('\0') {
            return Err("claims contains NUL");
        }
        let section = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(claims)) if claims.len() <= MAX_MEMBERS => {
                claims.iter().map(|(name, member)| Ok((name.clone(), Wanted::parse(member)?))).collect()
            }
            Some(_) => Err("id_token and userinfo in claims are objects with up to 100 members"),
        };
        Ok(Self { id_token: section("id_token")?, userinfo: section("userinfo")?, locales: Vec::new() })
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The scopes that would open what is asked for.
    pub fn opened_by(&self, map: &ClaimMap) -> ScopeSet {
        let names = self.id_token.keys().chain(self.userinfo.keys());
        names.filter_map(|name| map.scope_of(name)?.parse().ok()).collect()
    }

    /// Without the claims that nobody may give to this client: the scopes that open what is left.
    pub fn limit(&mut self, map: &ClaimMap, allowed: &ScopeSet) -> ScopeSet {
        let scope_of = |name: &str| map.scope_of(name).filter(|scope| allowed.contains(scope));
        for section in [&mut self.id_token, &mut self.userinfo] {
            section.retain(|name, _| scope_of(name).is_some());
        }
        self.opened_by(map)
    }
}

/// Where the value of a claim comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSource {
    /// The roles of the account.
    Roles,
    /// Its groups.
    Groups,
    /// One of its attributes.
    Attribute(String),
}

impl ClaimSource {
    /// As settings write it: `roles`, `groups` or `attributes.NAME`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "roles" => Some(Self::Roles),
            "groups" => Some(Self::Groups),
            _ => text
                .strip_prefix("attributes.")
                .filter(|name| is_attribute(name))
                .map(|name| Self::Attribute(name.to_owned())),
        }
    }

    /// As settings write it.
    pub fn describe(&self) -> String {
        match self {
            Self::Roles => "roles".to_owned(),
            Self::Groups => "groups".to_owned(),
            Self::Attribute(name) => format!("attributes.{name}"),
        }
    }

    fn of(&self, user: &User) -> Option<Value> {
        match self {
            Self::Roles => Some(user.roles.iter().cloned().collect::<Vec<_>>().into()),
            Self::Groups => Some(user.claims.get("groups").cloned().unwrap_or_else(|| Value::Array(Vec::new()))),
            Self::Attribute(name) => user.claims.get("attributes")?.get(name).cloned(),
        }
    }
}

/// Whether this can be the name of an attribute: up to 64 letters, digits, `_` and `-`.
pub fn is_attribute(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}

/// What a scope opens beside the standard claims, as the operator set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappedScope {
    /// The words in which people are asked for it; none for a standard scope, which has its own.
    pub text: Option<String>,
    /// Its claims, and where each comes from.
    pub claims: BTreeMap<String, ClaimSource>,
}

/// Why a scope cannot be mapped so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Nobody could be asked for it.
    #[error("the scope {0} needs a `text`: the words in which people are asked for it")]
    NoText(String),
    /// It has words of its own, in every language.
    #[error("the scope {0} has words of its own; leave `text` out")]
    OwnText(String),
    /// It would say something else than everybody thinks.
    #[error("{0} is a claim of OpenID Connect or of a token; give yours another name, such as a URL of your own")]
    Taken(String),
    /// Which of two is meant nobody could say.
    #[error("the claim {0} stands under two scopes")]
    Twice(String),
    /// Names that would break something.
    #[error("{0} cannot be the name of a claim: it has 1 to 128 printable characters, none of them #")]
    Name(String),
}

/// The claims of all scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimMap(BTreeMap<Scope, MappedScope>);

/// Claims that say something about the token itself.
const TOKEN_CLAIMS: [&str; 26] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "sid",
    "gid",
    "at_hash",
    "c_hash",
    "s_hash",
    "cnf",
    "scope",
    "client_id",
    "events",
    "act",
    "may_act",
    "active",
    "token_type",
    "updated_at",
];

impl ClaimMap {
    /// Of the scopes that the operator set.
    ///
    /// # Errors
    /// [`MapError`], the first that is found.
    pub fn new(scopes: BTreeMap<Scope, MappedScope>) -> Result<Self, MapError> {
        let mut seen = std::collections::BTreeSet::new();
        for (scope, mapped) in &scopes {
            let is_standard = STANDARD_SCOPES.iter().any(|(name, _)| *name == scope.as_str());
            match (is_standard, &mapped.text) {
                (false, None) => return Err(MapError::NoText(scope.to_string())),
                (true, Some(_)) => return Err(MapError::OwnText(scope.to_string())),
                (false, Some(_)) | (true, None) => {}
            }
            for name in mapped.claims.keys() {
                let is_name =
                    (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
                if !is_name {
                    return Err(MapError::Name(name.chars().take(60).collect()));
                }
                if TOKEN_CLAIMS.contains(&name.as_str()) || standard_scope_of(name).is_some() {
                    return Err(MapError::Taken(name.clone()));
                }
                if !seen.insert(name) {
                    return Err(MapError::Twice(name.clone()));
                }
            }
        }
        Ok(Self(scopes))
    }

    /// The scopes as the operator set them.
    pub fn iter(&self) -> impl Iterator<Item = (&Scope, &MappedScope)> {
        self.0.iter()
    }

    /// The scopes that are the operator's own, with the words in which people are asked for them.
    pub fn added(&self) -> impl Iterator<Item = (&Scope, &str)> {
        self.0.iter().filter_map(|(scope, mapped)| Some((scope, mapped.text.as_deref()?)))
    }

    /// The names of the claims that the operator mapped.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|mapped| mapped.claims.keys().map(String::as_str))
    }

    /// The claims that these scopes open, without `sub`, in the languages that were asked for.
    pub fn of(&self, user: &User, scope: &ScopeSet, locales: &[String]) -> Map<String, Value> {
        let mut claims = user.claims_for(scope);
        for locale in locales {
            let tagged: Vec<_> = claims.keys().filter_map(|name| user.in_language(name, locale)).collect();
            claims.extend(tagged.into_iter().map(|(name, value)| (name.to_owned(), value.clone())));
        }
        let opened = self.0.iter().filter(|(name, _)| scope.contains(name.as_str()));
        for (name, source) in opened.flat_map(|(_, mapped)| &mapped.claims) {
            if let Some(value) = source.of(user) {
                claims.insert(name.clone(), value);
            }
        }
        claims
    }

    /// What was asked for by name, of all that these scopes would open (§5.5): what there is not, is left out.
    pub fn pick(&self, user: &User, wanted: &BTreeMap<String, Wanted>, allowed: &ScopeSet) -> Map<String, Value> {
        let mut picked = Map::new();
        if wanted.is_empty() {
            return picked;
        }
        let available = self.of(user, allowed, &[]);
        for (name, wanted) in wanted {
            // §5.2: one in the language that was named, else the one without.
            let found = match name.split_once('#') {
                Some((plain, language)) if available.contains_key(plain) => {
                    let tagged = user.in_language(plain, language);
                    tagged.or_else(|| available.get_key_value(plain).map(|(name, value)| (name.as_str(), value)))
                }
                Some(_) => None,
                None => available.get_key_value(name).map(|(name, value)| (name.as_str(), value)),
            };
            if let Some((name, value)) = found.filter(|(_, value)| wanted.accepts(value)) {
                picked.insert(name.to_owned(), value.clone());
            }
        }
        picked
    }

    /// The scope that opens a claim, whatever language its name asks for.
    pub fn scope_of(&self, claim: &str) -> Option<&str> {
        let plain = claim.split('#').next().unwrap_or_default();
        standard_scope_of(plain).or_else(|| {
            let mapped = self.0.iter().find(|(_, mapped)| mapped.claims.contains_key(claim));
            mapped.map(|(scope, _)| scope.as_str())
        })
    }
}

/// OpenID Connect Core §5.4.
fn standard_scope_of(claim: &str) -> Option<&'static str> {
    match claim {
        "email" | "email_verified" => Some("email"),
        "address" => Some("address"),
        "phone_number" | "phone_number_verified" => Some("phone"),
        "updated_at" => Some("profile"),
        _ => SETTABLE_CLAIMS.iter().any(|(name, _)| *name == claim && !name.contains('.')).then_some("profile"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::user::tests::ada;

    fn map() -> ClaimMap {
        let source = |text| ClaimSource::parse(text).unwrap();
        let employee = MappedScope {
            text: Some("See where you work".to_owned()),
            claims: BTreeMap::from([
                ("department".to_owned(), source("attributes.department")),
                ("groups".to_owned(), source("groups")),
            ]),
        };
        let profile = MappedScope {
            text: None,
            claims: BTreeMap::from([("https://op.example/roles".to_owned(), source("roles"))]),
        };
        ClaimMap::new(
            [("employee", employee), ("profile", profile)].map(|(name, mapped)| (name.parse().unwrap(), mapped)).into(),
        )
        .unwrap()
    }

    fn person() -> User {
        let mut ada = ada();
        for (claim, value) in [
            ("name", "Ada"),
            ("name#de-CH", "Ada von Lovelace"),
            ("groups", "staff,poets"),
            ("attributes.department", "Engines"),
        ] {
            ada.set_claim(claim, value).unwrap();
        }
        ada.roles.insert("reader".to_owned());
        ada
    }

    fn scope(text: &str) -> ScopeSet {
        text.parse().unwrap()
    }

    #[test]
    fn a_scope_of_the_operators_opens_what_they_mapped_and_no_other_does() {
        let opened = |text| Value::Object(map().of(&person(), &scope(text), &[]));
        assert_eq!(opened("employee"), json!({ "department": "Engines", "groups": ["poets", "staff"] }));
        assert_eq!(opened("email"), json!({ "email": "ada@example.com", "email_verified": true }));
        let profile = opened("profile");
        assert_eq!(profile["https://op.example/roles"], json!(["reader"]));
        for hidden in ["groups", "attributes", "department", "name#de-CH"] {
            assert!(profile.get(hidden).is_none(), "{hidden}");
        }
        let stranger = Value::Object(map().of(&ada(), &scope("employee"), &[]));
        assert_eq!(stranger, json!({ "groups": [] }));
    }

    #[test]
    fn claims_come_in_the_languages_that_are_asked_for() {
        let told = |locales: &[&str]| {
            let locales: Vec<_> = locales.iter().map(|locale| (*locale).to_owned()).collect();
            map().of(&person(), &scope("profile"), &locales)
        };
        assert!(!told(&["fr"]).keys().any(|name| name.contains('#')));
        for locale in ["de", "de-ch", "DE"] {
            assert_eq!(told(&[locale])["name#de-CH"], "Ada von Lovelace", "{locale}");
        }
        assert!(!told(&["d"]).contains_key("name#de-CH"));
    }

    #[test]
    fn a_claim_is_picked_by_name_language_and_value() {
        let pick = |text: &str| {
            let request = ClaimsRequest::parse(&format!("{{\"userinfo\":{text}}}")).unwrap();
            Value::Object(map().pick(&person(), &request.userinfo, &scope("profile email employee")))
        };
        assert_eq!(
            pick(r#"{"email":null,"name":{"essential":true}}"#),
            json!({"email": "ada@example.com", "name": "Ada"})
        );
        assert_eq!(pick(r#"{"name#de":null}"#), json!({"name#de-CH": "Ada von Lovelace"}));
        assert_eq!(pick(r#"{"name#fr":null}"#), json!({"name": "Ada"}));
        assert_eq!(
            pick(r#"{"name":{"value":"Eve"},"department":{"values":["Looms","Engines"]}}"#),
            json!({"department": "Engines"})
        );
        assert_eq!(pick(r#"{"phone_number":null,"shoe_size":null}"#), json!({}));
    }

    #[test]
    fn a_client_is_told_nothing_by_name_that_its_scopes_would_not_open() {
        let text =
            r#"{"id_token":{"email":null,"department":null},"userinfo":{"phone_number":null,"name#de":null,"x":null}}"#;
        let mut request = ClaimsRequest::parse(text).unwrap();
        let opened = request.limit(&map(), &scope("openid profile employee"));
        assert_eq!(opened.to_string(), "employee profile");
        assert_eq!(request.id_token.keys().collect::<Vec<_>>(), ["department"]);
        assert_eq!(request.userinfo.keys().collect::<Vec<_>>(), ["name#de"]);
    }

    #[test]
    fn what_is_no_claims_parameter_is_refused() {
        for text in [
            "",
            "[]",
            "null",
            "{",
            "{\"id_token\":[]}",
            "{\"id_token\":{\"acr\":1}}",
            "{\"userinfo\":{\"a\":{\"essential\":1}}}",
            "{\"userinfo\":{\"a\":{\"values\":1}}}",
            "{\"userinfo\":{\"a\":{\"value\":1,\"values\":[1]}}}",
            "{\"id_token\":{},\"id_token\":{}}",
            "{\"userinfo\":{\"email\":{\"value\":\"\\u0000\"}}}",
        ] {
            assert!(ClaimsRequest::parse(text).is_err(), "{text}");
        }
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(100), "]".repeat(100));
        assert!(ClaimsRequest::parse(&deep).is_err());
        assert!(ClaimsRequest::parse(&format!("{{\"x\":\"{}\"}}", "x".repeat(9_000))).is_err());
        assert!(ClaimsRequest::parse("{\"unknown\":1,\"userinfo\":null}").unwrap().is_empty());
    }

    #[test]
    fn a_map_must_not_say_what_tokens_or_the_standard_say() {
        let with = |scope: &str, text: Option<&str>, claim: &str| {
            let claims = BTreeMap::from([(claim.to_owned(), ClaimSource::Roles)]);
            ClaimMap::new([(scope.parse().unwrap(), MappedScope { text: text.map(str::to_owned), claims })].into())
        };
        assert!(with("employee", Some("x"), "roles").is_ok());
        for claim in ["sub", "email_verified", "aud", "name", "updated_at"] {
            assert_eq!(with("employee", Some("x"), claim), Err(MapError::Taken(claim.to_owned())));
        }
        assert!(matches!(with("employee", None, "roles"), Err(MapError::NoText(_))));
        assert!(matches!(with("email", Some("x"), "roles"), Err(MapError::OwnText(_))));
        assert!(matches!(with("employee", Some("x"), "a#b"), Err(MapError::Name(_))));
        assert!(ClaimSource::parse("attributes.").is_none() && ClaimSource::parse("password").is_none());
    }
}
