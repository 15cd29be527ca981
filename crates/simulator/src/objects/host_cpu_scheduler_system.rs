//! `HostCpuSchedulerSystem`: whether a host uses its processors' hyperthreads.

use vimsim_types::method::{DisableHyperThreading, EnableHyperThreading};
use vimsim_types::views::{HostCpuSchedulerSystem, HostSystem, NotSupported};
use vimsim_types::{Fault, View};

use super::host_managers::edit_config;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostCpuSchedulerSystem> {
    Kind::new()
        .write(|call: &mut Call<'_, HostCpuSchedulerSystem>, _: EnableHyperThreading| set(call, true))
        .write(|call: &mut Call<'_, HostCpuSchedulerSystem>, _: DisableHyperThreading| set(call, false))
}

/// Says whether the host uses hyperthreads from its next start on.
///
/// - `NotSupported` if its processors have none.
fn set(call: &mut Call<'_, HostCpuSchedulerSystem>, is_wanted: bool) -> Result<(), Fault> {
    let info = edit_config(call)?.hyper_thread_mut();
    if !info.available() {
        return Err(Fault::new(NotSupported::new(), "the host's processors have no hyperthreads"));
    }
    info.set_config(is_wanted);
    Ok(())
}

/// What a start of the host brings into force.
pub(crate) fn booted(host: &mut HostSystem) {
    let info = host.config().and_then(|config| config.hyper_thread());
    if let Some((active, wanted)) = info.map(|info| (info.active(), info.available() && info.config()))
        && active != wanted
    {
        host.config_mut().hyper_thread_mut().set_active(wanted);
    }
}
