//! `SsoAdminPasswordPolicyService`: what passwords must be like.

use vimsim_types::method::{SsoGetLocalPasswordPolicy, SsoUpdateLocalPasswordPolicy};
use vimsim_types::views::{SsoAdminPasswordPolicy, SsoAdminPasswordPolicyService};
use vimsim_types::{Fault, View};

use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoAdminPasswordPolicyService> {
    Kind::new().read(get).write(update)
}

/// The policy, if somebody changed it.
#[derive(Clone, Default)]
struct Changed(Option<SsoAdminPasswordPolicy>);

/// The policy: vCenter's own at first.
// Fidelity: it is kept, and passwords are not held against it: tests create users with simple ones.
fn get(
    look: &Look<'_, SsoAdminPasswordPolicyService>,
    _: SsoGetLocalPasswordPolicy,
) -> Result<SsoAdminPasswordPolicy, Fault> {
    let changed = look.snapshot().object(look.moref()).and_then(|object| object.private::<Changed>());
    Ok(changed.and_then(|changed| changed.0.clone()).unwrap_or_else(usual))
}

fn usual() -> SsoAdminPasswordPolicy {
    SsoAdminPasswordPolicy::with(|policy| {
        policy.set_description("").set_prohibited_previous_passwords_count(5).set_password_lifetime_days(90);
        let format = policy.password_format_mut();
        format.length_restriction_mut().set_min_length(8).set_max_length(20);
        let letters = format.alphabetic_restriction_mut();
        letters.set_min_alphabetic_count(2).set_min_uppercase_count(1).set_min_lowercase_count(1);
        format.set_min_numeric_count(1).set_min_special_char_count(1).set_max_identical_adjacent_characters(3);
    })
}

/// Sets the policy.
fn update(
    call: &mut Call<'_, SsoAdminPasswordPolicyService>,
    request: SsoUpdateLocalPasswordPolicy,
) -> Result<(), Fault> {
    let this = call.moref();
    call.private::<Changed>(&this)?.0 = Some(request.policy().clone());
    Ok(())
}
