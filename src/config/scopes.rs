//! The settings of scopes: which claims the operator maps to which.

use std::collections::BTreeMap;

use countersign_types::Scope;
use serde_json::{Value as Json, json};
use toml::{Table, Value as Toml};

use super::value::{Setting, mismatch};
use crate::domain::claims::{ClaimMap, ClaimSource, MappedScope};

/// In a variable as the value would stand in the file: `{ employee = { text = "…", claims = { department = "attributes.department" } } }`.
impl Setting for ClaimMap {
    const EXPECTED: &'static str = "a table of scopes, each with `text` (unless it is a standard one) and `claims` from roles, groups or attributes.NAME";

    fn from_text(text: &str) -> Result<Self, String> {
        let table = format!("scopes = {text}").parse::<Table>().map_err(|_| format!("expected {}", Self::EXPECTED))?;
        table.get("scopes").map_or_else(|| Ok(Self::default()), Self::from_toml)
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Toml::Table(scopes) = value else { return Err(mismatch(Self::EXPECTED, value)) };
        let scopes = scopes.iter().map(|(name, mapped)| {
            let scope: Scope = name.parse().map_err(|_| format!("{name:?} cannot be the name of a scope"))?;
            Ok((scope, mapped_scope(name, mapped)?))
        });
        let scopes: BTreeMap<_, _> = scopes.collect::<Result<_, String>>()?;
        Self::new(scopes).map_err(|error| error.to_string())
    }

    fn show(&self) -> Json {
        let scopes = self.iter().map(|(scope, mapped)| {
            let claims: BTreeMap<_, _> =
                mapped.claims.iter().map(|(name, source)| (name.clone(), source.describe())).collect();
            (scope.to_string(), json!({ "text": mapped.text, "claims": claims }))
        });
        Json::Object(scopes.collect())
    }
}

fn mapped_scope(scope: &str, value: &Toml) -> Result<MappedScope, String> {
    let refused = |what: &str| Err(format!("{scope}: {what}"));
    let Toml::Table(table) = value else { return refused("expected a table with `text` and `claims`") };
    if let Some(unknown) = table.keys().find(|key| !matches!(key.as_str(), "text" | "claims")) {
        return refused(&format!("{unknown} is not known; there are `text` and `claims`"));
    }
    let text = match table.get("text") {
        None => None,
        Some(Toml::String(text)) if is_text(text) => Some(text.clone()),
        Some(_) => return refused("`text` must be 1 to 200 characters, none of them a control character"),
    };
    let claims = match table.get("claims") {
        None => BTreeMap::new(),
        Some(Toml::Table(claims)) => {
            let claims = claims.iter().map(|(name, source)| {
                let source = source.as_str().and_then(ClaimSource::parse);
                let source =
                    source.ok_or_else(|| format!("{scope}: {name} must come from roles, groups or attributes.NAME"))?;
                Ok((name.clone(), source))
            });
            claims.collect::<Result<_, String>>()?
        }
        Some(_) => return refused("`claims` must be a table of claims, each with where it comes from"),
    };
    Ok(MappedScope { text, claims })
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::parse(text, environment).map_err(|errors| errors.to_string())
    }

    #[test]
    fn scopes_come_from_the_file_or_from_a_variable() {
        let file =
            "scopes.employee = { text = 'See where you work', claims = { department = 'attributes.department' } }";
        let variable =
            "{ employee = { text = 'See where you work', claims = { department = 'attributes.department' } } }";
        let from_file = load(file, &[]).unwrap();
        assert_eq!(from_file.scopes, load("", &[("COUNTERSIGN_SCOPES", variable)]).unwrap().scopes);
        assert_eq!(from_file.scopes.names().collect::<Vec<_>>(), ["department"]);
        let shown = from_file.effective().iter().find(|setting| setting.key == "scopes").unwrap();
        assert_eq!(shown.value["employee"]["claims"]["department"], "attributes.department");
    }

    #[test]
    fn a_scope_that_could_not_work_is_refused_in_words() {
        for (text, reason) in [
            ("scopes = 'x'", "expected a table of scopes"),
            ("scopes.employee = 'x'", "employee: expected a table with `text` and `claims`"),
            ("scopes.employee = { text = 'x', claim = {} }", "employee: claim is not known"),
            ("scopes.employee = { text = '' }", "`text` must be 1 to 200 characters"),
            (
                "scopes.employee = { text = 'x', claims = { a = 'password' } }",
                "a must come from roles, groups or attributes.NAME",
            ),
            ("scopes.employee = { claims = { a = 'roles' } }", "the scope employee needs a `text`"),
            ("scopes.email = { text = 'x' }", "the scope email has words of its own"),
            ("scopes.email = { claims = { sub = 'roles' } }", "sub is a claim of OpenID Connect"),
            ("scopes.'a b' = { text = 'x' }", "cannot be the name of a scope"),
        ] {
            let refused = load(text, &[]).unwrap_err();
            assert!(refused.starts_with("scopes") && refused.contains(reason), "{text}: {refused}");
        }
    }
}
