//! The second factor: of whom it is demanded, what comes next at a sign-in, and what a sign-in is worth with it and without.

use std::collections::BTreeSet;

use countersign_types::vocabulary::{ACR_PASSWORD, ACR_SECOND_FACTOR};

use super::{recovery_code::RecoveryCode, totp::TotpCode, user::User};

/// Of whom a second factor is demanded. Whoever an operator named is beside the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Of those who have one of these roles; all others may have one.
    Optional {
        /// The roles.
        roles: BTreeSet<String>,
    },
    /// Of everybody.
    Required,
}

impl Policy {
    /// Whether this person must have a second factor.
    pub fn demands(&self, user: &User) -> bool {
        user.second_factor_required
            || match self {
                Self::Optional { roles } => !roles.is_disjoint(&user.roles),
                Self::Required => true,
            }
    }
}

/// What a second factor can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// A code of the person's authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

/// A code that could be one of either kind, as somebody typed it.
#[derive(Debug)]
pub enum TypedCode {
    /// Six digits.
    Totp(TotpCode),
    /// A recovery code.
    Recovery(RecoveryCode),
}

impl TypedCode {
    /// Reads it. The two cannot be taken for each other.
    pub fn read(text: &str) -> Option<Self> {
        TotpCode::typed(text).map(Self::Totp).or_else(|| RecoveryCode::typed(text).map(Self::Recovery))
    }
}

/// What a person has shown of their second factor, when their password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing yet. A device that they trust may stand in for it.
    Nothing,
    /// Nothing yet, and no device stands in for it: someone asked for more than an everyday sign-in.
    NothingYet,
    /// This, a moment ago.
    Factor(Factor),
}

/// How a person stands with the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They have none.
    Without {
        /// Whether they must.
        demanded: bool,
    },
    /// They have one.
    Enrolled {
        /// Whether they chose to trust this device, and that is not long ago.
        trusted_device: bool,
    },
}

/// How strong a sign-in was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// By password alone, or on a trusted device.
    Password,
    /// By password and second factor.
    SecondFactor(Factor),
}

impl Strength {
    /// Its `acr`.
    pub fn acr(self) -> &'static str {
        match self {
            Self::Password => ACR_PASSWORD,
            Self::SecondFactor(_) => ACR_SECOND_FACTOR,
        }
    }

    /// Its `amr` (RFC 8176 §2), which has no word for recovery codes.
    pub fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["pwd"],
            Self::SecondFactor(Factor::Totp) => &["pwd", "otp", "mfa"],
            Self::SecondFactor(Factor::RecoveryCode) => &["pwd", "mfa"],
        }
    }
}

/// What comes next at a sign-in, when the password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The session begins.
    Begin(Strength),
    /// The person must give a code first.
    AskCode,
    /// The person must set up a second factor first.
    Enrol,
}

/// Decides what comes next at a sign-in.
pub fn next(shown: Shown, standing: Standing) -> Next {
    match (standing, shown) {
        // Also of who is just setting one up.
        (_, Shown::Factor(factor)) => Next::Begin(Strength::SecondFactor(factor)),
        (Standing::Enrolled { trusted_device: true }, Shown::Nothing) => Next::Begin(Strength::Password),
        (Standing::Enrolled { .. }, Shown::Nothing | Shown::NothingYet) => Next::AskCode,
        (Standing::Without { demanded: true }, Shown::Nothing | Shown::NothingYet) => Next::Enrol,
        // What nobody has, nobody can show.
        (Standing::Without { demanded: false }, Shown::Nothing | Shown::NothingYet) => Next::Begin(Strength::Password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::tests::ada;

    const TOTP: Strength = Strength::SecondFactor(Factor::Totp);

    #[test]
    fn the_policy_demands_it_of_everybody_or_of_roles_and_an_operator_of_anybody() {
        let with_roles = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect::<BTreeSet<_>>();
        let optional = |roles: &[&str]| Policy::Optional { roles: with_roles(roles) };
        let mut user = ada();
        user.roles = with_roles(&["editor", "reader"]);
        assert!(!optional(&[]).demands(&user) && !optional(&["admin"]).demands(&user));
        assert!(optional(&["admin", "editor"]).demands(&user));
        assert!(Policy::Required.demands(&user));
        user.second_factor_required = true;
        assert!(optional(&[]).demands(&user));
    }

    #[test]
    fn who_has_one_is_asked_for_it_unless_the_device_is_trusted_and_no_more_is_wanted() {
        let enrolled = |trusted_device| Standing::Enrolled { trusted_device };
        assert_eq!(next(Shown::Nothing, enrolled(false)), Next::AskCode);
        assert_eq!(next(Shown::Nothing, enrolled(true)), Next::Begin(Strength::Password));
        assert_eq!(next(Shown::NothingYet, enrolled(true)), Next::AskCode);
        assert_eq!(next(Shown::Factor(Factor::Totp), enrolled(false)), Next::Begin(TOTP));
    }

    #[test]
    fn who_must_have_one_and_has_none_sets_it_up_first() {
        let without = |demanded| Standing::Without { demanded };
        for shown in [Shown::Nothing, Shown::NothingYet] {
            assert_eq!(next(shown, without(true)), Next::Enrol);
            assert_eq!(next(shown, without(false)), Next::Begin(Strength::Password));
        }
        assert_eq!(next(Shown::Factor(Factor::Totp), without(true)), Next::Begin(TOTP));
    }

    #[test]
    fn a_code_alone_says_which_kind_it_is() {
        assert!(matches!(TypedCode::read("123 456"), Some(TypedCode::Totp(_))));
        assert!(matches!(TypedCode::read(&"a".repeat(24)), Some(TypedCode::Recovery(_))));
        assert!(TypedCode::read("1234567").is_none());
    }
}
