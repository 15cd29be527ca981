//! What a host is made of.

use vimsim_types::enums::{HostSystemConnectionState, HostSystemPowerState};
use vimsim_types::views::{HostHardwareSummary, HostSystem};
use vimsim_types::{Fault, Moref, View};

use crate::call::Context;

/// A new host of this name.
pub(crate) fn host(context: &Context, name: &str) -> HostSystem {
    HostSystem::with(|host| {
        let uuid = crate::uuid::named(name);
        host.hardware_mut().system_info_mut().set_uuid(&uuid);
        let runtime = host.runtime_mut();
        runtime.set_connection_state(HostSystemConnectionState::Connected);
        runtime.set_power_state(HostSystemPowerState::PoweredOn);
        runtime.set_in_maintenance_mode(false);
        runtime.set_boot_time(context.now);
        host.summary_mut().set_hardware(HostHardwareSummary::with(|hardware| {
            hardware.set_uuid(&uuid);
            hardware.set_cpu_mhz(2294);
            hardware.set_num_cpu_cores(2);
            hardware.set_num_cpu_threads(2);
            hardware.set_memory_size(4 << 30);
        }));
    })
}

/// Brings `summary` up to what the host's other properties say.
pub(crate) fn derive(transaction: &mut vimsim_registry::Transaction, moref: &Moref) -> Result<(), Fault> {
    let host = transaction.get::<HostSystem>(moref)?;
    let mut changed = host.clone();
    let summary = changed.summary_mut();
    summary.set_runtime(host.runtime().clone());
    summary.config_mut().set_name(host.name());
    summary.set_overall_status(host.overall_status());
    if changed.as_object() != host.as_object() {
        *transaction.edit::<HostSystem>(moref)? = changed;
    }
    Ok(())
}
