//! `OpaqueNetwork`: a network that something outside vSphere, such as NSX, manages.

use vimsim_types::method::DestroyNetwork;
use vimsim_types::views::{OpaqueNetwork, OpaqueNetworkSummary};
use vimsim_types::{Fault, Moref, View};

use super::{managed_entity, network};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<OpaqueNetwork> {
    managed_entity::kind().write(destroy_network).derive(network::derive).destroy(destroy)
}

/// Creates an opaque network in `folder`: the logical switch `id` of NSX.
pub(crate) fn create<T>(call: &mut Call<'_, T>, folder: &Moref, name: &str, id: &str) -> Result<Moref, Fault> {
    let moref = call.create_moref(OpaqueNetwork::TYPE);
    let opaque = OpaqueNetwork::with(|opaque| {
        opaque.set_summary(OpaqueNetworkSummary::with(|summary| {
            summary.set_opaque_network_id(id).set_opaque_network_type("nsx.LogicalSwitch");
        }));
        opaque.capability_mut().set_network_reservation_supported(false);
        opaque.set_extra_config(std::iter::empty::<vimsim_types::views::OptionValue>());
    });
    network::insert(call, moref.clone(), folder, name, opaque)?;
    Ok(moref)
}

/// [`destroy`], without a task.
fn destroy_network(call: &mut Call<'_, OpaqueNetwork>, _: DestroyNetwork) -> Result<(), Fault> {
    destroy(call)
}

/// Removes the network; hosts do not hold it, for they do not provide it.
///
/// - `ResourceInUse` while a virtual machine is connected to it.
fn destroy(call: &mut Call<'_, OpaqueNetwork>) -> Result<(), Fault> {
    let this = call.moref();
    network::expect_no_machine(call, &this)?;
    let hosts: Vec<Moref> = call.this()?.host().iter().collect();
    hosts.iter().try_for_each(|host| network::disconnect_host(call, &this, host))?;
    network::remove(call, &this)
}
