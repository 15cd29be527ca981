//! `HostPciPassthruSystem`: the devices that a host leaves to its virtual machines.
// Fidelity: a network card that is left to virtual machines stays among the host's `pnic`.

use vimsim_types::method::{Refresh, UpdatePassthruConfig};
use vimsim_types::views::{
    HostConfigFault, HostConfigInfo, HostNetworkInfo, HostPciPassthruSystem, HostSriovConfig, HostSystem,
};
use vimsim_types::{Fault, View};

use super::host_managers::{edit_config, refreshed};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostPciPassthruSystem> {
    Kind::new().read(refreshed::<HostPciPassthruSystem, Refresh>).write(update_config)
}

fn refused(why: String) -> Fault {
    Fault::new(HostConfigFault::new(), why)
}

/// Whether a switch of the host uses the network card at this address.
fn is_linked(network: &HostNetworkInfo, address: &str) -> bool {
    let mut cards = network.pnic().iter().filter(|nic| *nic.pci() == address);
    cards.any(|nic| {
        let Some(key) = nic.key() else { return false };
        network.vswitch().iter().any(|switch| switch.pnic().iter().any(|known| known == key))
            || network.proxy_switch().iter().any(|switch| switch.pnic().iter().any(|known| known == key))
    })
}

/// Says which devices the host leaves to virtual machines: at once where that is wanted, or from its next start on.
///
/// - `HostConfigFault` for a device that there is not, that cannot be left to them, that a switch uses, or that has no virtual
///   functions where these are wanted.
fn update_config(call: &mut Call<'_, HostPciPassthruSystem>, request: UpdatePassthruConfig) -> Result<(), Fault> {
    let config = edit_config(call)?;
    for wanted in request.config() {
        let id = wanted.id();
        let known = config.pci_passthru_info().iter().find(|info| info.id() == id);
        let known = known.ok_or_else(|| refused(format!("the host has no device '{id}'")))?;
        if wanted.downcast::<HostSriovConfig>().is_some_and(|sriov| sriov.sriov_enabled()) {
            return Err(refused(format!("the device '{id}' has no virtual functions")));
        }
        if wanted.passthru_enabled() && !known.passthru_capable() {
            return Err(refused(format!("the device '{id}' cannot be left to virtual machines")));
        }
        if wanted.passthru_enabled() && config.network().is_some_and(|network| is_linked(network, id)) {
            return Err(refused(format!("a switch uses the device '{id}'")));
        }
        for info in config.pci_passthru_info_mut().iter_mut().filter(|info| info.id() == id) {
            info.set_passthru_enabled(wanted.passthru_enabled());
            if wanted.apply_now() == Some(true) {
                info.set_passthru_active(wanted.passthru_enabled());
            }
            if let Some(label) = wanted.hardware_label() {
                info.set_hardware_label(Some(label).filter(|label| !label.is_empty()));
            }
        }
    }
    Ok(())
}

/// What a start of the host brings into force.
pub(crate) fn booted(host: &mut HostSystem) {
    let is_stale = |config: &HostConfigInfo| {
        config.pci_passthru_info().iter().any(|info| info.passthru_active() != info.passthru_enabled())
    };
    if !host.config().is_some_and(is_stale) {
        return;
    }
    for info in host.config_mut().pci_passthru_info_mut().iter_mut() {
        let is_enabled = info.passthru_enabled();
        info.set_passthru_active(is_enabled);
    }
}
