//! `HostEsxAgentHostManager`: where the agents of a host that are virtual machines belong.

use vimsim_types::method::EsxAgentHostManagerUpdateConfig;
use vimsim_types::views::{HostConfigFault, HostEsxAgentHostManager, HostSystem};
use vimsim_types::{Fault, View};

use super::host_managers::{edit_config, host_of};
use crate::call::{Call, not_found};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostEsxAgentHostManager> {
    Kind::new().write(update_config)
}

/// Says on which datastore and network agents belong; nowhere in particular, if none is named.
///
/// - `HostConfigFault` for a datastore or a network that the host does not have.
fn update_config(
    call: &mut Call<'_, HostEsxAgentHostManager>,
    request: EsxAgentHostManagerUpdateConfig,
) -> Result<(), Fault> {
    edit_config(call)?;
    let this = call.moref();
    let moref = host_of(call, &this).ok_or_else(|| not_found(&this))?;
    let wanted = request.config_info();
    let (datastore, network) = (wanted.agent_vm_datastore(), wanted.agent_vm_network());
    let host = call.get::<HostSystem>(&moref)?;
    let has = [
        datastore.as_ref().is_none_or(|datastore| host.datastore().contains(datastore)),
        network.as_ref().is_none_or(|network| host.network().contains(network)),
    ];
    if has != [true, true] {
        let why = "the host does not have this datastore or network";
        return Err(Fault::new(HostConfigFault::new(), why));
    }
    let summary = call.edit::<HostSystem>(&moref)?.summary_mut().config_mut();
    summary.set_agent_vm_datastore(datastore).set_agent_vm_network(network);
    Ok(())
}

/// Forgets a datastore and a network that the host no longer has.
pub(crate) fn forget_absent(host: &mut HostSystem) {
    let (datastore, network) = {
        let config = host.summary().config();
        (config.agent_vm_datastore(), config.agent_vm_network())
    };
    if datastore.is_some_and(|datastore| !host.datastore().contains(&datastore)) {
        host.summary_mut().config_mut().set_agent_vm_datastore(None);
    }
    if network.is_some_and(|network| !host.network().contains(&network)) {
        host.summary_mut().config_mut().set_agent_vm_network(None);
    }
}
