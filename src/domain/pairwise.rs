//! Names of people and sessions that differ from client to client (OpenID Connect Core §8.1), so that two apps cannot find out by
//! them that they have the same person. Here is told from what a name is made; the issuer authenticates that with a salt of its own.

use countersign_types::{SessionId, UserId};
use url::Url;

use super::client::{Client, SubjectType};

/// From what the `sub` of a person is made; `None` for a client that knows people by their account's id.
pub fn sub(client: &Client, user: &UserId) -> Option<String> {
    match client.metadata.subject_type {
        SubjectType::Public => None,
        SubjectType::Pairwise => Some(text("sub", &sector(client), user.as_str())),
    }
}

/// From what the `sid` of a session is made. Clients of one sector have their own each: they need not know that it is one browser.
pub fn sid(client: &Client, session: &SessionId) -> Option<String> {
    match client.metadata.subject_type {
        SubjectType::Public => None,
        SubjectType::Pairwise => Some(text("sid", client.id.as_str(), session.as_str())),
    }
}

/// Whether people keep their names when a registration changes so.
pub fn keeps_names(before: &Client, after: &Client) -> bool {
    let basis = |client: &Client| (client.metadata.subject_type == SubjectType::Pairwise).then(|| sector(client));
    basis(before) == basis(after)
}

/// None of these can hold a line break.
fn text(kind: &str, of: &str, what: &str) -> String {
    format!("{kind}\n{of}\n{what}")
}

/// The sector of a client: the host of its `sector_identifier_uri`, or that of all its redirect URIs. A client on the person's own
/// machine has no host of its own, and so a sector for itself.
fn sector(client: &Client) -> String {
    let host = |uri: &str| Url::parse(uri).ok()?.host_str().map(str::to_owned);
    if let Some(host) = client.metadata.sector_identifier_uri.as_ref().and_then(|uri| host(uri.as_str())) {
        return host;
    }
    let mut hosts =
        client.metadata.redirect_uris.iter().map(|uri| if uri.is_native() { None } else { host(uri.as_str()) });
    match hosts.next().flatten() {
        Some(first) if hosts.all(|other| other.as_deref() == Some(&*first)) => first,
        // A space keeps it apart from every host.
        _ => format!("client {}", client.id),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use countersign_types::{ClientAuthMethod, ClientId};

    use super::*;
    use crate::domain::client::ClientMetadata;

    fn client(id: &str, redirect_uris: &[&str], sector: Option<&str>) -> Client {
        let metadata = ClientMetadata {
            subject_type: SubjectType::Pairwise,
            redirect_uris: redirect_uris.iter().map(|uri| uri.parse().unwrap()).collect(),
            sector_identifier_uri: sector.map(|uri| uri.parse().unwrap()),
            ..ClientMetadata::new("App".to_owned(), ClientAuthMethod::None)
        };
        Client {
            id: ClientId::new(id),
            metadata,
            secret: None,
            enabled: true,
            created_at: DateTime::UNIX_EPOCH,
            registered_by: crate::domain::client::Registrar::Operator,
        }
    }

    fn sub_of(client: &Client) -> String {
        sub(client, &UserId::new("ada")).unwrap()
    }

    #[test]
    fn clients_of_one_sector_know_a_person_by_one_name_and_others_by_another() {
        let one = client("one", &["https://a.example/cb"], None);
        let other = client("other", &["https://a.example/x", "https://a.example/y"], None);
        let stranger = client("stranger", &["https://b.example/cb"], None);
        let listed =
            client("listed", &["https://b.example/cb", "https://c.example/cb"], Some("https://a.example/list"));
        assert_eq!(sub_of(&one), sub_of(&other));
        assert_eq!(sub_of(&one), sub_of(&listed));
        assert_ne!(sub_of(&one), sub_of(&stranger));
        assert_ne!(sub(&one, &UserId::new("eve")).unwrap(), sub_of(&one));
    }

    #[test]
    fn apps_on_a_persons_own_machine_share_nothing() {
        for uri in ["http://127.0.0.1/cb", "http://localhost:3000/cb", "com.example.app:/cb"] {
            assert_ne!(sub_of(&client("one", &[uri], None)), sub_of(&client("other", &[uri], None)), "{uri}");
        }
        let native = client("a.example", &["com.example.app:/cb"], None);
        assert_ne!(sub_of(&native), sub_of(&client("x", &["https://a.example/cb"], None)));
    }

    #[test]
    fn each_pairwise_client_knows_a_session_by_a_name_of_its_own() {
        let session = SessionId::new("s");
        let (one, other) =
            (client("one", &["https://a.example/cb"], None), client("other", &["https://a.example/cb"], None));
        assert_ne!(sid(&one, &session), sid(&other, &session));
        let mut public = one.clone();
        public.metadata.subject_type = SubjectType::Public;
        assert_eq!((sid(&public, &session), sub(&public, &UserId::new("ada"))), (None, None));
    }
}
