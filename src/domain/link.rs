//! Single-use links: what each lets its holder do, and for how long.

use std::fmt;

use countersign_types::UserId;

/// What a link lets its holder do.
#[derive(Clone, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Make the first administrator.
    FirstAdministrator,
    /// Choose the password of this account. An operator made the link.
    ChoosePassword(UserId),
    /// Choose the password of this account. Who says to have forgotten it asked for the link, and only its owner gets it.
    ResetPassword(UserId),
    /// Make an account with this mail address, which the link was sent to.
    SignUp(String),
    /// The same, where an operator asked for it.
    Invitation(String),
    /// Prove that this address of the account, which the link was sent to, is its owner's.
    VerifyEmail(UserId, String),
    /// Give the account this address, which the link was sent to.
    ChangeEmail(UserId, String),
}

impl LinkPurpose {
    /// As it stands in the database and the audit trail.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::FirstAdministrator => "first_administrator",
            Self::ChoosePassword(_) => "choose_password",
            Self::ResetPassword(_) => "reset_password",
            Self::SignUp(_) => "sign_up",
            Self::Invitation(_) => "invitation",
            Self::VerifyEmail(..) => "verify_email",
            Self::ChangeEmail(..) => "change_email",
        }
    }

    /// The purpose that was stored so; `None` if none ever was.
    pub fn restore(name: &str, user: Option<UserId>, email: Option<String>) -> Option<Self> {
        match (name, user, email) {
            ("first_administrator", None, None) => Some(Self::FirstAdministrator),
            ("choose_password", Some(user), None) => Some(Self::ChoosePassword(user)),
            ("reset_password", Some(user), None) => Some(Self::ResetPassword(user)),
            ("sign_up", None, Some(email)) => Some(Self::SignUp(email)),
            ("invitation", None, Some(email)) => Some(Self::Invitation(email)),
            ("verify_email", Some(user), Some(email)) => Some(Self::VerifyEmail(user, email)),
            ("change_email", Some(user), Some(email)) => Some(Self::ChangeEmail(user, email)),
            _ => None,
        }
    }

    /// Whose account it is about, if there is one yet.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::FirstAdministrator | Self::SignUp(_) | Self::Invitation(_) => None,
            Self::ChoosePassword(user)
            | Self::ResetPassword(user)
            | Self::VerifyEmail(user, _)
            | Self::ChangeEmail(user, _) => Some(user),
        }
    }

    /// Which mail address it was sent to, where that is what the link proves.
    pub fn email(&self) -> Option<&str> {
        match self {
            Self::FirstAdministrator | Self::ChoosePassword(_) | Self::ResetPassword(_) => None,
            Self::SignUp(email)
            | Self::Invitation(email)
            | Self::VerifyEmail(_, email)
            | Self::ChangeEmail(_, email) => Some(email),
        }
    }
}

impl fmt::Debug for LinkPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_is_restored_as_it_was_stored() {
        let (user, email) = (UserId::new("u"), "ada@example.com".to_owned());
        for purpose in [
            LinkPurpose::FirstAdministrator,
            LinkPurpose::ChoosePassword(user.clone()),
            LinkPurpose::ResetPassword(user.clone()),
            LinkPurpose::SignUp(email.clone()),
            LinkPurpose::Invitation(email.clone()),
            LinkPurpose::VerifyEmail(user.clone(), email.clone()),
            LinkPurpose::ChangeEmail(user.clone(), email.clone()),
        ] {
            let (user, email) = (purpose.user().cloned(), purpose.email().map(str::to_owned));
            assert_eq!(LinkPurpose::restore(purpose.as_str(), user, email), Some(purpose.clone()));
            assert_eq!(format!("{purpose:?}"), purpose.as_str(), "no address is printed");
        }
        assert_eq!(LinkPurpose::restore("choose_password", None, None), None);
        assert_eq!(LinkPurpose::restore("sign_up", Some(user), None), None);
    }
}
