//! `HostVMotionSystem`: which interface of a host is for vMotion. `HostVirtualNicManager` says it with all other uses.

use vimsim_types::Fault;
use vimsim_types::method::{DeselectVnic, SelectVnic};
use vimsim_types::views::HostVMotionSystem;

use super::host_virtual_nic_manager;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostVMotionSystem> {
    Kind::new().write(select_vnic).write(deselect_vnic)
}

/// Has an interface used for vMotion, instead of those before.
///
/// - `InvalidArgument` if there is no such interface, or it is on a stack that is for something else.
fn select_vnic(call: &mut Call<'_, HostVMotionSystem>, request: SelectVnic) -> Result<(), Fault> {
    host_virtual_nic_manager::select_for_vmotion(call, Some(request.device()))
}

/// Has no interface used for vMotion.
fn deselect_vnic(call: &mut Call<'_, HostVMotionSystem>, _: DeselectVnic) -> Result<(), Fault> {
    host_virtual_nic_manager::select_for_vmotion(call, None)
}
