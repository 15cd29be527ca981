//! Whether a machine can have its disks when it starts: their files are there, and no running machine has them.

use vimsim_types::enums::VirtualSCSISharing;
use vimsim_types::views::{
    Datastore, VirtualDevice, VirtualDiskFlatVer2BackingInfo, VirtualMachine, VirtualMachineConfigInfo,
    VirtualSCSIController,
};
use vimsim_types::{Fault, Moref, View};

use super::chain;
use super::disk::DatastorePath;
use crate::call::Call;
use crate::config::Fidelity;
use crate::files::{Files, fault, machine};
use crate::rules::disk_key;

/// The datastore and the path of the file that a disk writes to.
fn file(backing: &VirtualDiskFlatVer2BackingInfo) -> Option<(Moref, DatastorePath)> {
    Some((backing.datastore()?, DatastorePath::parse(backing.file_name())?))
}

/// Whether the machine's disk is in the folder of its configuration, as those are that were made for it.
fn is_at_home(config: &VirtualMachineConfigInfo, backing: &VirtualDiskFlatVer2BackingInfo) -> bool {
    let folder = |path: &str| path.rsplit_once('/').map_or(0, |(folder, _)| folder.len());
    let home = config.files().vm_path_name().map_or("", |path| path);
    let length = folder(home);
    length > 0 && length == folder(backing.file_name()) && home.get(..length) == backing.file_name().get(..length)
}

/// The datastores and paths of the disks that a machine has elsewhere: those that another machine may have, too.
pub(crate) fn foreign_disks(config: &VirtualMachineConfigInfo) -> impl Iterator<Item = (Moref, DatastorePath)> {
    chain::backings(config).filter(move |backing| !is_at_home(config, backing)).filter_map(file)
}

/// Whether a disk may be written to by several machines: by itself, or all on its controller's bus.
fn is_shared(config: &VirtualMachineConfigInfo, device: &VirtualDevice) -> bool {
    let multi_writer = chain::backing(device).and_then(|backing| backing.sharing());
    let mut devices = config.hardware().device().iter();
    let controller = devices.find(|controller| Some(controller.key()) == device.controller_key());
    let bus = controller.and_then(|it| it.downcast::<VirtualSCSIController>()).map(|it| it.shared_bus());
    multi_writer.is_some_and(|sharing| *sharing == "sharingMultiWriter")
        || bus.is_some_and(|bus| bus != VirtualSCSISharing::NoSharing)
}

/// Checks the disks of a machine that is to start.
///
/// - `FileNotFound` for a disk whose file was deleted; `FileLocked` for one that another running machine writes to.
// Fidelity: vcsim starts any machine.
pub(super) fn check<T>(call: &Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    if call.context().at_once || call.context().fidelity() == Fidelity::Vcsim {
        return Ok(());
    }
    let Some(config) = call.get::<VirtualMachine>(moref)?.config() else { return Ok(()) };
    for device in config.hardware().device() {
        let Some(backing) = chain::backing(device) else { continue };
        for (datastore, path) in chain::files(backing).into_iter().filter_map(file) {
            let kept = call.object(&datastore).and_then(|object| object.private::<Files>());
            if kept.is_some_and(|kept| kept.is_gone(&path.path)) {
                return Err(fault::not_found(&path.to_string()));
            }
        }
        if !is_shared(config, device) && is_in_use(call, moref, config, backing) {
            return Err(fault::locked(backing.file_name()));
        }
    }
    Ok(())
}

/// Whether another running machine has the disk.
fn is_in_use<T>(
    call: &Call<'_, T>,
    moref: &Moref,
    config: &VirtualMachineConfigInfo,
    backing: &VirtualDiskFlatVer2BackingInfo,
) -> bool {
    let Some((datastore, path)) = file(backing) else { return false };
    let runs = |other: &Moref| {
        let machine = call.view::<VirtualMachine>(other).filter(|_| other != moref);
        machine.filter(|machine| machine::is_running(machine))
    };
    if call.indexed(disk_key(&datastore, &path.path)).any(|other| runs(other.moref()).is_some()) {
        return true;
    }
    if is_at_home(config, backing) {
        return false;
    }
    let Some(store) = call.view::<Datastore>(&datastore) else { return false };
    let has_it = |other: &VirtualMachine| {
        let mut disks = other.config().into_iter().flat_map(chain::backings);
        disks.any(|disk| disk.file_name() == backing.file_name() && disk.datastore().as_ref() == Some(&datastore))
    };
    store.vm().iter().any(|other| runs(&other).is_some_and(has_it))
}
