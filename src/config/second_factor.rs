//! Settings of the second factor.

use std::{collections::BTreeSet, time::Duration};

use super::{reader::Reader, value::SecondFactorPolicy};
use crate::domain::second_factor::Policy;

/// A second factor beside the password.
#[derive(Clone, Debug)]
pub struct SecondFactorSettings {
    /// `second_factor.policy` and `second_factor.required_roles`: `required` of everybody, or `optional` for all but those who
    /// have one of these roles (`optional`, none).
    pub policy: Policy,
    /// `second_factor.remember`: for how long people may choose not to be asked on a device (30 d; 0 s: never).
    pub remember: Duration,
}

pub(super) fn read(r: &mut Reader) -> SecondFactorSettings {
    let policy = r.read("second_factor.policy", SecondFactorPolicy::Optional);
    let roles = r.read("second_factor.required_roles", BTreeSet::new());
    let policy = match policy {
        SecondFactorPolicy::Optional => Policy::Optional { roles },
        SecondFactorPolicy::Required => Policy::Required,
    };
    SecondFactorSettings { policy, remember: r.read("second_factor.remember", Duration::from_hours(30 * 24)) }
}
