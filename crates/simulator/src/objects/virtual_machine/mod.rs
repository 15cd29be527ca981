//! `VirtualMachine`: a computer of software.
//!
//! `create` makes one and `lifecycle` ends it, `power` starts and stops it, `reconfigure` changes it with the help of
//! `config`, `device`, `disk` and `ethernet`. `snapshot` keeps what it was, over the `chain`s of its disks' files. `summary` is what follows from the rest; `places` keeps the references
//! between machines and what they are on. `template` is what all have in common, and `share` keeps it common.

mod chain;
mod config;
mod copies;
mod create;
mod device;
pub(crate) mod disk;
mod ethernet;
mod lifecycle;
mod places;
mod power;
mod reconfigure;
mod set_property;
mod share;
mod snapshot;
mod summary;
mod template;

use vimsim_types::views::VirtualMachine;

use super::managed_entity;
use crate::kind::Kind;

pub(crate) use config::check_allocation;
pub(crate) use copies::{Copies, Original};
pub(crate) use create::{create, create_vm};
pub(crate) use lifecycle::unregister;
pub(crate) use power::{count_reservation, pause, start, stop};
pub(crate) use reconfigure::set_allocations;
pub(crate) use snapshot::{remove as remove_snapshot, rename as rename_snapshot, revert};
pub(crate) use summary::resource_config;
pub(crate) use template::{capability, devices as default_devices};

pub(crate) fn kind() -> Kind<VirtualMachine> {
    managed_entity::kind()
        .write(power::power_on)
        .write(power::power_off)
        .write(power::suspend)
        .write(power::reset)
        .write(power::shutdown_guest)
        .write(power::standby_guest)
        .write(power::reboot_guest)
        .write(reconfigure::reconfig_vm)
        .write(reconfigure::rename)
        .write(lifecycle::unregister_vm)
        .write(super::http_nfc_lease::export_vm)
        .write(lifecycle::mark_as_template)
        .write(lifecycle::mark_as_virtual_machine)
        .write(lifecycle::refresh_storage_info)
        .write(snapshot::create_snapshot)
        .write(snapshot::create_snapshot_ex)
        .write(snapshot::revert_to_current_snapshot)
        .write(snapshot::remove_all_snapshots)
        .write(snapshot::consolidate_vm_disks)
        .write(snapshot::estimate_storage_for_consolidate_snapshots)
        .follows(VirtualMachine::SUMMARY, summary::summary)
        .follows(VirtualMachine::LAYOUT, summary::layout)
        .follows(VirtualMachine::LAYOUT_EX, summary::layout_ex)
        .follows(VirtualMachine::RESOURCE_CONFIG, summary::resource_config)
        .destroy(lifecycle::destroy)
}
