//! `VirtualMachine`: a computer of software.
//!
//! `create` makes one, `clone` copies it, and `lifecycle` ends it; `power` starts and stops it, `guest` is what then runs in
//! it, `customize` names that. `reconfigure` changes it with the help of `config`, `device`, `disk` and `ethernet`.
//! `snapshot` keeps what it was, over the `chain`s of its disks' files. `relocate` moves it to a `destination`, `register`
//! brings it back into the inventory. `summary` is what follows from the rest; `places` keeps the references between
//! machines and what they are on. `template` is what all have in common, and `share` keeps it common.

mod chain;
mod clone;
mod config;
mod console;
mod consolidate;
mod copies;
mod create;
mod customize;
mod destination;
mod device;
mod device_identity;
pub(crate) mod disk;
mod disk_file;
mod disk_lock;
mod encryption;
mod ethernet;
mod fault_tolerance;
mod first_class;
mod guest;
mod guest_disk;
mod layout;
mod lifecycle;
mod limits;
mod ovf_environment;
mod places;
mod ports;
mod power;
mod power_rules;
mod question;
mod reconfigure;
mod register;
mod relocate;
mod set_property;
mod share;
mod snapshot;
mod storage;
mod summary;
mod template;
mod upgrade;

use vimsim_types::views::VirtualMachine;

use super::managed_entity;
use crate::containers;
use crate::kind::Kind;

pub(crate) use clone::copy_to;
pub(crate) use config::check_allocation;
pub(crate) use copies::{Copies, Original};
pub(crate) use create::{create, create_vm};
pub(crate) use customize::{check_guest, customize_now};
pub(crate) use destination::{check_references as check_location, check_relocation, problems_on};
pub(crate) use disk_lock::foreign_disks;
pub(crate) use ethernet::cards;
pub(crate) use guest::{forget_addresses, tools_run};
pub(crate) use layout::written;
pub(crate) use lifecycle::unregister;
pub(crate) use ports::ports_of;
pub(crate) use power::{
    booted, count_reservation, expect_cpu, expect_memory, invalid_power_state, pause, reset_now, start, start_as_task,
    start_outside, stop,
};
pub(crate) use reconfigure::{reconfigure, set_allocations};
pub(crate) use register::{register, register_vm};
pub(crate) use relocate::evacuate;
pub(crate) use snapshot::{remove as remove_snapshot, rename as rename_snapshot, revert};
pub(crate) use summary::{count_written, resource_config};
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
        .write(encryption::crypto_unlock)
        .write(reconfigure::rename)
        .wait(containers::machine::unregister)
        .write(super::http_nfc_lease::export_vm)
        .write(lifecycle::mark_as_template)
        .write(lifecycle::mark_as_virtual_machine)
        .write(lifecycle::refresh_storage_info)
        .read(ovf_environment::extract)
        .write(ovf_environment::apply_evc_mode)
        .write(upgrade::upgrade_vm)
        .write(upgrade::upgrade_tools)
        .write(upgrade::mount_tools_installer)
        .write(upgrade::unmount_tools_installer)
        .write(console::acquire_mks_ticket)
        .write(console::acquire_ticket)
        .read(console::query_connections)
        .read(console::drop_connections)
        .write(console::set_screen_resolution)
        .write(console::set_display_topology)
        .read(console::put_usb_scan_codes)
        .write(console::create_screenshot)
        .read(console::send_nmi)
        .read(storage::defragment_all_disks)
        .read(storage::query_unowned_files)
        .read(storage::query_changed_disk_areas)
        .read(storage::fetch_vm_group_for_multiwriter_disks)
        .write(storage::reload_virtual_machine_from_path)
        .write(storage::terminate_vm)
        .write(storage::repair_vm_disk_chains)
        .write(question::answer_vm)
        .write(clone::clone_vm)
        .write(clone::instant_clone)
        .write(relocate::relocate_vm)
        .write(relocate::migrate_vm)
        .write(relocate::promote_disks)
        .write(first_class::attach_disk)
        .write(first_class::detach_disk)
        .write(customize::customize_vm)
        .write(customize::check_customization_spec)
        .write(guest::reset_guest_information)
        .write(snapshot::create_snapshot)
        .write(snapshot::create_snapshot_ex)
        .write(snapshot::revert_to_current_snapshot)
        .write(snapshot::remove_all_snapshots)
        .write(consolidate::consolidate_vm_disks)
        .read(fault_tolerance::query_fault_tolerance_compatibility)
        .read(fault_tolerance::query_fault_tolerance_compatibility_ex)
        .write(fault_tolerance::create_secondary)
        .write(fault_tolerance::create_secondary_ex)
        .write(fault_tolerance::turn_off)
        .write(fault_tolerance::make_primary)
        .write(fault_tolerance::terminate)
        .write(fault_tolerance::disable)
        .write(fault_tolerance::enable)
        .write(fault_tolerance::start_recording)
        .write(fault_tolerance::start_replaying)
        .write(fault_tolerance::stop_recording)
        .write(fault_tolerance::stop_replaying)
        .write(consolidate::estimate_storage_for_consolidate_snapshots)
        .follows(VirtualMachine::SUMMARY, summary::summary)
        .follows(VirtualMachine::LAYOUT, |moref, machine, _| summary::layout(moref, machine))
        .follows(VirtualMachine::LAYOUT_EX, |moref, machine, _| summary::layout_ex(moref, machine))
        .follows(VirtualMachine::RESOURCE_CONFIG, |moref, machine, _| summary::resource_config(moref, machine))
        .destroy(lifecycle::destroy)
}
