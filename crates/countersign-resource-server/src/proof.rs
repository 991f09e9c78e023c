//! Tokens that are bound to a key, and the proof of it (RFC 9449 §7).

use countersign_jose::{Algorithm, PublicJwk, access_token_hash, verify_embedded};
use countersign_types::{
    AccessTokenClaims,
    dpop::{PROOF_TYPE, ProofClaims, ProofError, ProvenRequest},
};
use http::{HeaderMap, HeaderName, Method, Uri};
use url::Url;

use crate::{
    TokenError,
    bearer::{Presented, Scheme},
    replay::{FirstUse, ReplayGuard},
};

/// By what proofs may be signed, as challenges tell it.
pub(crate) const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];

const PROOF: HeaderName = HeaderName::from_static("dpop");

/// The key that a request proved, and the address that it has for its client. The layer puts it into the request, for what is signed by it.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "signatures"), allow(dead_code))]
pub(crate) struct ProvenKey {
    pub key: PublicJwk,
    pub address: String,
}

/// Where an API is for its clients: an origin, and what stands before the paths that it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(String);

impl Place {
    /// By an address of http or https; a path of it stands before every other.
    pub fn new(address: &Url) -> Option<Self> {
        let is_plain = address.query().is_none() && address.fragment().is_none();
        let is_anonymous = address.username().is_empty() && address.password().is_none();
        if !matches!(address.scheme(), "http" | "https") || !is_plain || !is_anonymous {
            return None;
        }
        let origin = address.origin().ascii_serialization();
        Some(Self(format!("{origin}{}", address.path().trim_end_matches('/'))))
    }

    /// The origin alone.
    pub fn origin(address: &Url) -> Option<Self> {
        let mut address = address.clone();
        address.set_path("");
        Self::new(&address)
    }

    /// The address of a request as its client wrote it, letter by letter. None for one that says another place than it is served at: what
    /// takes `..` out of a path takes it for another one than a router does, which looks at it as it stands.
    fn of(&self, uri: &Uri) -> Option<String> {
        let rest = uri.path_and_query()?.as_str();
        let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        let is_plain = uri.path().starts_with('/') && !uri.path().contains('\\') && !uri.path().split('/').any(dots);
        is_plain.then(|| format!("{}{rest}", self.0))
    }
}

/// What is sent beside a token.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    method: Method,
    uri: Uri,
    /// The header, or how often it is there instead of once.
    header: Result<String, TokenError>,
}

impl Proof {
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let mut proofs = headers.get_all(PROOF).iter();
        let header = match (proofs.next(), proofs.next()) {
            (None, _) => Err(TokenError::ProofMissing),
            (Some(proof), None) => proof.to_str().map(str::to_owned).map_err(|_| TokenError::ProofMalformed),
            (Some(_), Some(_)) => Err(TokenError::ProofMalformed),
        };
        Self { method: method.clone(), uri: uri.clone(), header }
    }
}

/// Whether a valid token is presented as it must be: one that is bound with a proof of its key, and no other with one.
///
pub(crate) async fn check(
    claims: &AccessTokenClaims,
    presented: &Presented,
    (proof, place): (&Proof, Option<&Place>),
    (guard, now): (&dyn ReplayGuard, i64),
) -> Result<Option<ProvenKey>, TokenError> {
    let bound = match (presented.scheme, &claims.cnf) {
        (Scheme::Bearer, None) => return Ok(None),
        (Scheme::Bearer, Some(confirmation)) if confirmation.jkt.is_none() => return Err(TokenError::CertificateBound),
        (Scheme::Bearer, Some(_)) => return Err(TokenError::SenderConstrained),
        (Scheme::Dpop, None) => return Err(TokenError::NotBound),
        // Bound to a certificate (RFC 8705), which nobody has looked at.
        (Scheme::Dpop, Some(confirmation)) if confirmation.x5t_s256.is_some() => {
            return Err(TokenError::CertificateBound);
        }
        (Scheme::Dpop, Some(confirmation)) => confirmation.jkt.as_deref().ok_or(TokenError::SenderConstrained)?,
    };
    let header = proof.header.as_deref().map_err(|error| *error)?;
    let (key, proven) =
        verify_embedded::<ProofClaims>(header, PROOF_TYPE, &ALGORITHMS).map_err(|_| TokenError::ProofMalformed)?;
    let Some(place) = place else {
        tracing::error!(
            "a proof came, and nobody knows for which address: the audience is none, so Builder::public_url must say it"
        );
        return Err(TokenError::NoAddress);
    };
    let address = place.of(&proof.uri).ok_or(TokenError::Proof(ProofError::Address))?;
    let uri = Url::parse(&address).map_err(|_| TokenError::Proof(ProofError::Address))?;
    let ath = access_token_hash(&presented.token);
    let request = ProvenRequest { method: proof.method.as_str(), uri: &uri, ath: Some(&ath), now };
    let lifespan = proven.judge(&request).map_err(TokenError::Proof)?;
    let thumbprint = key.thumbprint();
    if thumbprint != bound {
        return Err(TokenError::ProofOfAnotherKey);
    }
    match guard.first_use(format!("{thumbprint}/{}", proven.jti), lifespan, now).await {
        FirstUse::First => Ok(Some(ProvenKey { key, address })),
        FirstUse::Replayed => Err(TokenError::ProofReplayed),
        FirstUse::Unknown => Err(TokenError::ReplaysUnknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str) -> Option<Place> {
        Place::new(&Url::parse(address).unwrap())
    }

    #[test]
    fn the_address_of_a_request_is_what_its_client_wrote() {
        let of = |place: &Option<Place>, uri: &str| place.as_ref().unwrap().of(&uri.parse().unwrap());
        let (root, below) = (place("https://API.example:443/"), place("https://api.example:8443/v1/"));
        for uri in ["/", "/a/b", "/a?b=O'Neil&c", "/a?", "/a/{b}\"c", "/a%2Fb", "/...", "/.well-known/x", "//a"] {
            assert_eq!(of(&root, uri), Some(format!("https://api.example{uri}")));
            assert_eq!(of(&below, uri), Some(format!("https://api.example:8443/v1{uri}")));
        }
        for uri in ["/a/../b", "/./a", "/a/..", "/a/%2e%2e/b", "/a/.%2E/b", "/%2e", "/a\\b", "/..\\a"] {
            assert_eq!(of(&root, uri), None, "{uri}");
        }
        assert_eq!(of(&root, "/a?b=../c"), Some("https://api.example/a?b=../c".to_owned()));
    }

    #[test]
    fn a_place_is_an_address_of_http_alone() {
        for address in
            ["urn:journal", "api://journal", "ftp://api.example", "https://a@api.example", "https://api.example/#a"]
        {
            assert_eq!(place(address), None, "{address}");
        }
    }
}
