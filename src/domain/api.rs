//! Resource servers: which API owns which scope, and so whom an access token is for.

use std::collections::{BTreeMap, BTreeSet};

use countersign_types::{Audience, ClientId, Scope, ScopeSet};
use serde::{Deserialize, Serialize};

/// Asks for an ID token (OpenID Connect Core §3.1.2.1).
pub const OPENID: &str = "openid";
/// Asks for access that outlives the sign-in (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that belong to us, each with the words in which people are asked for it.
pub const STANDARD_SCOPES: [(&str, &str); 6] = [
    (OPENID, "Know who you are"),
    ("profile", "See your name and profile"),
    ("email", "See your mail address"),
    ("address", "See your postal address"),
    ("phone", "See your phone number"),
    (OFFLINE_ACCESS, "Keep access while you are away"),
];

/// A registered API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Its identifier, the value in `aud`.
    pub uri: String,
    /// Its scopes, each with the words in which people are asked for it.
    pub scopes: BTreeMap<Scope, String>,
    /// Whether its tokens carry the person's roles (RFC 9068 §2.2.3.1).
    pub roles: bool,
    /// The clients that may introspect tokens meant for it.
    pub clients: BTreeSet<ClientId>,
}

/// All registered APIs, and the scopes that the operator added to ours.
#[derive(Clone, Debug, Default)]
pub struct Apis {
    apis: Vec<Api>,
    added: BTreeMap<Scope, String>,
}

impl Apis {
    /// Of the rows as stored. No two own the same scope: the database sees to that.
    pub fn new(apis: Vec<Api>) -> Self {
        Self { apis, added: BTreeMap::new() }
    }

    /// With the scopes of the settings, each with the words in which people are asked for it. They are ours, whatever APIs say.
    #[must_use]
    pub fn with_added(self, added: BTreeMap<Scope, String>) -> Self {
        Self { added, ..self }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Api> {
        self.apis.iter()
    }

    /// The words in which people are asked for a scope; `None` for a scope that nobody owns.
    pub fn text(&self, scope: &Scope) -> Option<&str> {
        let standard = STANDARD_SCOPES.iter().find(|(name, _)| *name == scope.as_str()).map(|(_, text)| *text);
        let ours = standard.or_else(|| self.added.get(scope).map(String::as_str));
        ours.or_else(|| self.owner(scope)?.scopes.get(scope).map(String::as_str))
    }

    /// Whether the scope is one of ours or of an API.
    pub fn knows(&self, scope: &Scope) -> bool {
        self.text(scope).is_some()
    }

    /// Whether the scope is one of ours: about a person, and no API's.
    pub fn is_ours(&self, scope: &Scope) -> bool {
        STANDARD_SCOPES.iter().any(|(name, _)| *name == scope.as_str()) || self.added.contains_key(scope)
    }

    /// Every scope that can be asked for, ours first.
    pub fn all_scopes(&self) -> impl Iterator<Item = &str> {
        let standard = STANDARD_SCOPES.iter().map(|(name, _)| *name);
        let of_apis =
            self.apis.iter().flat_map(|api| api.scopes.keys()).filter(|scope| !self.added.contains_key(*scope));
        standard.chain(self.added.keys().chain(of_apis).map(Scope::as_str))
    }

    fn owner(&self, scope: &Scope) -> Option<&Api> {
        self.apis.iter().find(|api| api.scopes.contains_key(scope))
    }

    /// Whom a token with these scopes is for: the APIs that own one, and the issuer for `openid`; the issuer when none.
    pub fn audience(&self, scope: &ScopeSet, issuer: &str) -> Audience {
        let mut audience: Vec<String> = self.owners(scope).map(|api| api.uri.clone()).collect();
        if audience.is_empty() || scope.contains(OPENID) {
            audience.push(issuer.to_owned());
        }
        audience.into_iter().collect()
    }

    /// Whether an API that these scopes reach was registered to see the person's roles.
    pub fn wants_roles(&self, scope: &ScopeSet) -> bool {
        self.owners(scope).any(|api| api.roles)
    }

    /// Whether the client speaks for an API in this audience, and so may introspect its tokens (RFC 7662 §2.1).
    pub fn speaks_for(&self, client: &ClientId, audience: &Audience) -> bool {
        self.apis.iter().any(|api| audience.contains(&api.uri) && api.clients.contains(client))
    }

    fn owners<'a>(&'a self, scope: &'a ScopeSet) -> impl Iterator<Item = &'a Api> {
        let owns = |owned: &Scope| scope.contains(owned.as_str()) && !self.added.contains_key(owned);
        self.apis.iter().filter(move |api| api.scopes.keys().any(owns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://op.example";

    fn journal() -> Apis {
        let scope = ("journal.read".parse().unwrap(), "Read your journal".to_owned());
        Apis::new(vec![Api {
            uri: "https://journal.example".to_owned(),
            scopes: BTreeMap::from([scope]),
            roles: false,
            clients: BTreeSet::from([ClientId::new("journal")]),
        }])
    }

    fn audience(scope: &str) -> Vec<String> {
        journal().audience(&scope.parse().unwrap(), ISSUER).iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_token_is_for_the_apis_that_own_its_scopes() {
        assert_eq!(audience("journal.read"), ["https://journal.example"]);
        assert_eq!(audience("openid journal.read"), ["https://journal.example", ISSUER]);
        assert_eq!(audience("openid"), [ISSUER]);
        assert_eq!(audience(""), [ISSUER]);
    }

    #[test]
    fn only_clients_of_an_api_in_the_audience_may_introspect() {
        let apis = journal();
        let own: Audience = ["https://journal.example".to_owned()].into_iter().collect();
        let foreign: Audience = [ISSUER.to_owned()].into_iter().collect();
        assert!(apis.speaks_for(&ClientId::new("journal"), &own));
        assert!(!apis.speaks_for(&ClientId::new("journal"), &foreign));
        assert!(!apis.speaks_for(&ClientId::new("other"), &own));
    }
}
