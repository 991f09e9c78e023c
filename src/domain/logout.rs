//! The end of a session, as apps hear of it.

use std::collections::BTreeSet;

use countersign_types::{ClientId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded::Serializer};

use super::client::ClientMetadata;

/// What the server of an app is to be told (Back-Channel Logout 1.0). It waits in the queue, and is put into a token for the app when
/// it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackchannelLogout {
    /// Which app.
    pub client: ClientId,
    /// Who was signed in.
    pub user: UserId,
    /// The session that is over.
    pub session: SessionId,
}

/// What a browser is to load for an app when somebody signed out in it (Front-Channel Logout 1.0 §2), if the app wants that: with `iss`
/// and `sid` for one that wants to know whose session it was.
pub fn frontchannel_uri(metadata: &ClientMetadata, issuer: &str, session: &SessionId) -> Option<String> {
    let uri = metadata.frontchannel_logout_uri.as_ref()?.as_str();
    Some(if metadata.frontchannel_logout_session_required {
        with_query(uri, &[("iss", issuer), ("sid", session.as_str())])
    } else {
        uri.to_owned()
    })
}

/// A registered URI with further parameters, otherwise to the letter as the client wrote it.
pub fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{}", Serializer::new(String::new()).extend_pairs(parameters).finish())
}

/// The web origins of these URIs, each once, as a content security policy can name them: a host may hold `;` and `,` (URL Standard,
/// "forbidden host code point"), which would end a directive there, or all of them.
pub fn origins(uris: &[String]) -> BTreeSet<String> {
    let parsed = uris.iter().filter_map(|uri| Url::parse(uri).ok());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/[]".contains(&byte);
    parsed.map(|url| url.origin().ascii_serialization()).filter(|origin| origin.bytes().all(is_plain)).collect()
}

#[cfg(test)]
mod tests {
    use countersign_types::ClientAuthMethod;

    use super::*;

    fn app(uri: &str, session_required: bool) -> ClientMetadata {
        ClientMetadata {
            frontchannel_logout_uri: Some(uri.parse().unwrap()),
            frontchannel_logout_session_required: session_required,
            ..ClientMetadata::new("App".to_owned(), ClientAuthMethod::None)
        }
    }

    #[test]
    fn an_app_that_wants_to_know_the_session_is_told_it_behind_whatever_query_it_has() {
        let loaded = |uri, session_required| {
            frontchannel_uri(&app(uri, session_required), "https://op.example", &SessionId::new("s&1")).unwrap()
        };
        assert_eq!(loaded("https://a.example/out", false), "https://a.example/out");
        assert_eq!(
            loaded("https://a.example/out", true),
            "https://a.example/out?iss=https%3A%2F%2Fop.example&sid=s%261"
        );
        assert_eq!(
            loaded("https://a.example/out?x=%20", true),
            "https://a.example/out?x=%20&iss=https%3A%2F%2Fop.example&sid=s%261"
        );
        let silent = ClientMetadata::new("App".to_owned(), ClientAuthMethod::None);
        assert_eq!(frontchannel_uri(&silent, "https://op.example", &SessionId::new("s")), None);
    }

    #[test]
    fn origins_have_neither_path_nor_default_port() {
        let uris = [
            "https://b.example:443/x",
            "https://a.example:8443/out?y",
            "https://b.example/",
            "http://[::1]:1/",
            "https://evil.example;sandbox/",
            "https://a,b/",
        ];
        let origins: Vec<_> = origins(&uris.map(str::to_owned)).into_iter().collect();
        assert_eq!(origins, ["http://[::1]:1", "https://a.example:8443", "https://b.example"]);
    }
}
