//! The words by which a client chooses: where it runs, by what names it knows people, how it signs its requests.

use std::{fmt, str::FromStr};

use countersign_jose::{Algorithm, UnknownAlgorithm};
use serde::{Deserialize, Serialize};

/// Where a client runs (OpenID Connect Registration §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// On a web server, or in a page from one.
    #[default]
    Web,
    /// On the person's own machine.
    Native,
}

impl ApplicationType {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Web, Self::Native];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
        }
    }
}

impl FromStr for ApplicationType {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.as_str() == name).ok_or("an application type is web or native")
    }
}

/// By what `sub` a client knows people (OpenID Connect Core §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// By the same as all other clients.
    #[default]
    Public,
    /// By one that clients of other sectors do not know.
    Pairwise,
}

impl SubjectType {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Public, Self::Pairwise];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Pairwise => "pairwise",
        }
    }
}

impl FromStr for SubjectType {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.as_str() == name).ok_or("a subject type is public or pairwise")
    }
}

/// How a client signs its request objects (OpenID Connect Registration §2, `request_object_signing_alg`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RequestObjectAlgorithm {
    /// Not at all.
    None,
    /// By this algorithm alone.
    Signed(Algorithm),
}

impl RequestObjectAlgorithm {
    /// The algorithm, if there is one.
    pub fn signature(self) -> Option<Algorithm> {
        match self {
            Self::None => None,
            Self::Signed(algorithm) => Some(algorithm),
        }
    }
}

impl FromStr for RequestObjectAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "none" { Ok(Self::None) } else { name.parse().map(Self::Signed) }
    }
}

impl TryFrom<String> for RequestObjectAlgorithm {
    type Error = UnknownAlgorithm;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<RequestObjectAlgorithm> for String {
    fn from(algorithm: RequestObjectAlgorithm) -> Self {
        algorithm.to_string()
    }
}

impl fmt::Display for RequestObjectAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Signed(algorithm) => algorithm.fmt(f),
        }
    }
}
