//! `VmwareDistributedVirtualSwitch`: a distributed switch of VMware's own, as every one is that clients create.

use vimsim_types::views::VmwareDistributedVirtualSwitch;

use super::distributed_virtual_switch as switch;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<VmwareDistributedVirtualSwitch> {
    switch::kind().subtype().write(switch::update_lacp_groups)
}
