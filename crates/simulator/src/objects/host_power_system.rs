//! `HostPowerSystem`: how a host saves power.

use vimsim_types::Fault;
use vimsim_types::method::ConfigurePowerPolicy;
use vimsim_types::views::HostPowerSystem;

use super::host_managers::edit_config;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostPowerSystem> {
    Kind::new().write(configure_power_policy)
}

/// Chooses one of the policies of `capability.availablePolicy`.
///
/// - `InvalidArgument` if there is none of this key.
fn configure_power_policy(call: &mut Call<'_, HostPowerSystem>, request: ConfigurePowerPolicy) -> Result<(), Fault> {
    let available = call.this()?.capability().available_policy();
    let policy = available.iter().find(|policy| policy.key() == request.key()).cloned();
    let policy = policy.ok_or_else(|| Fault::invalid_argument("key", "is the key of no available policy"))?;
    edit_config(call)?.power_system_info_mut().set_current_policy(policy);
    Ok(())
}
