//! What clients do.

pub(crate) mod arbitrary;
mod device;
mod host;
mod inventory;
mod machine;
mod network;
mod pool;
mod snapshot;
mod storage;

use crate::chooser::{Chooser, Operation};

/// A way to make an operation; `None` if there is nothing to do it to.
type Make = fn(&mut Chooser) -> Option<Operation>;

/// The kinds of operations: a name, how often it is chosen, and how it is made.
pub(crate) const KINDS: &[(&str, usize, Make)] = &[
    ("create a machine", 12, machine::create),
    ("register a machine", 5, machine::register),
    ("unregister a machine", 3, machine::unregister),
    ("destroy a machine", 3, machine::destroy),
    ("power on", 14, machine::power_on),
    ("power off", 12, machine::power_off),
    ("suspend", 4, machine::suspend),
    ("reset", 3, machine::reset),
    ("power on many", 1, machine::power_on_many),
    ("reconfigure hardware", 8, machine::reconfigure),
    ("rename a machine", 4, machine::rename),
    ("clone", 5, machine::clone),
    ("clone linked", 4, machine::clone_linked),
    ("instant clone", 2, machine::instant_clone),
    ("relocate", 8, machine::relocate),
    ("migrate", 4, machine::migrate),
    ("mark as template", 2, machine::mark_as_template),
    ("mark as machine", 3, machine::mark_as_machine),
    ("promote disks", 1, machine::promote),
    ("add a disk", 6, device::add_disk),
    ("add an adapter", 5, device::add_adapter),
    ("add a controller", 2, device::add_controller),
    ("change a device", 5, device::edit),
    ("remove a device", 5, device::remove),
    ("create a snapshot", 7, snapshot::create),
    ("revert to a snapshot", 4, snapshot::revert),
    ("revert to the current snapshot", 2, snapshot::revert_current),
    ("remove a snapshot", 4, snapshot::remove),
    ("remove all snapshots", 2, snapshot::remove_all),
    ("rename a snapshot", 1, snapshot::rename),
    ("create a pool", 3, pool::create),
    ("change a pool", 2, pool::update),
    ("destroy a pool", 3, pool::destroy),
    ("destroy the children of a pool", 1, pool::destroy_children),
    ("move into a pool", 3, pool::move_into),
    ("create a vApp", 3, pool::create_app),
    ("create a machine in a vApp", 2, pool::create_child),
    ("power on a vApp", 2, pool::power_on_app),
    ("power off a vApp", 2, pool::power_off_app),
    ("suspend a vApp", 1, pool::suspend_app),
    ("destroy a vApp", 1, pool::destroy_app),
    ("create a folder", 3, inventory::create_folder),
    ("move into a folder", 4, inventory::move_into_folder),
    ("destroy a folder", 2, inventory::destroy_folder),
    ("rename an entity", 4, inventory::rename),
    ("create a cluster", 1, inventory::create_cluster),
    ("destroy a cluster", 1, inventory::destroy_cluster),
    ("enter maintenance", 2, host::enter_maintenance),
    ("exit maintenance", 8, host::exit_maintenance),
    ("disconnect a host", 1, host::disconnect),
    ("reconnect a host", 6, host::reconnect),
    ("add a host to a cluster", 2, host::add),
    ("add a standalone host", 1, host::add_standalone),
    ("destroy a host", 2, host::destroy),
    ("move a host", 2, host::move_host),
    ("create a datastore", 2, storage::create_local),
    ("mount a share", 2, storage::create_nas),
    ("destroy a datastore", 2, storage::destroy),
    ("unmount a datastore", 2, storage::remove),
    ("make a directory", 4, storage::make_directory),
    ("create a disk file", 5, storage::create_disk),
    ("copy a file", 2, storage::copy),
    ("move a file", 2, storage::move_file),
    ("delete a file", 2, storage::delete),
    ("copy a disk file", 2, storage::copy_disk),
    ("delete a disk file", 2, storage::delete_disk),
    ("refresh a datastore", 1, storage::refresh),
    ("add a portgroup", 2, network::add_portgroup),
    ("change a portgroup", 1, network::update_portgroup),
    ("remove a portgroup", 2, network::remove_portgroup),
    ("create a distributed portgroup", 2, network::create),
    ("change a distributed portgroup", 1, network::reconfigure),
    ("destroy a distributed portgroup", 2, network::destroy),
    ("any method with any arguments", 20, arbitrary::any),
];

/// Chooses a kind of operation and makes one.
pub(crate) fn choose(chooser: &mut Chooser) -> (usize, Operation) {
    let total: usize = KINDS.iter().map(|(_, weight, _)| weight).sum();
    loop {
        chooser.begin();
        let mut at = chooser.random.below(total);
        for (index, (_, weight, make)) in KINDS.iter().enumerate() {
            if at < *weight {
                if let Some(operation) = make(chooser) {
                    return (index, operation);
                }
                break;
            }
            at -= weight;
        }
    }
}
