//! What is done by mail for somebody who has not proven who they are: to sign up, to come back in, to take another address.
//!
//! It is left for later, whoever asks and whatever they name, and only then it is looked up whether there is an account. So the
//! request itself cannot tell, neither by its answer nor by its work.

use std::fmt;

use countersign_types::UserId;
use serde::{Deserialize, Serialize};

use super::event::Personal;

/// An errand.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// What is asked for.
    pub wish: Wish,
    /// The tag of the language that the asking page was in.
    pub locale: String,
    /// The sealed request of the app that the person was on their way to.
    pub request: Option<String>,
    /// From where it was asked, for the audit trail.
    pub from: Personal,
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// An account with this mail address.
    SignUp(String),
    /// Another password for whoever has this user name or mail address.
    Recover(String),
    /// Proof that the mail address of this account is its owner's.
    VerifyEmail(UserId),
    /// This mail address for the account.
    ChangeEmail(UserId, String),
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand").field("wish", &self.wish).finish_non_exhaustive()
    }
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignUp(_) => "SignUp",
            Self::Recover(_) => "Recover",
            Self::VerifyEmail(_) => "VerifyEmail",
            Self::ChangeEmail(..) => "ChangeEmail",
        })
    }
}
