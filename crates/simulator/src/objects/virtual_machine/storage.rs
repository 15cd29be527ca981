//! What is asked about a machine's disks and files beside their configuration.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{
    DefragmentAllDisks, QueryChangedDiskAreas, QueryUnownedFiles, ReloadVirtualMachineFromPathTask, TerminateVM,
};
use vimsim_types::views::{
    AlreadyExists, DiskChangeExtent, DiskChangeInfo, FileFault, InvalidDatastore, NotFound, VirtualDisk,
    VirtualMachine, VirtualMachineConfigInfo, VirtualMachineSnapshot,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::disk::{DatastorePath, datastore_by_name, invalid_path};
use super::{chain, config, power};
use crate::call::{Call, Look};
use crate::rules::path_key;

/// Sorts the parts of the machine's sparse disks. They are whole.
///
/// - `InvalidPowerState` unless the machine is off.
pub(super) fn defragment_all_disks(look: &Look<'_, VirtualMachine>, _: DefragmentAllDisks) -> Result<(), Fault> {
    match look.this()?.runtime().power_state() {
        Power::PoweredOff => Ok(()),
        existing => Err(power::invalid_power_state(Power::PoweredOff, existing)),
    }
}

/// The machine's files that its owner cannot reach: none.
pub(super) fn query_unowned_files(look: &Look<'_, VirtualMachine>, _: QueryUnownedFiles) -> Result<Vec<ArcStr>, Fault> {
    look.this().map(|_| Vec::new())
}

/// The parts of a disk that have changed since a change identifier; `*` asks for all that are in use. What cannot be known
/// counts as changed: all of a disk since an identifier that is not its newest.
///
/// - `InvalidArgument` for a disk or an offset that there is not; `FileFault` for an identifier that is none, or where
///   changes are not tracked; `NotFound` for a snapshot of another machine.
pub(super) fn query_changed_disk_areas(
    look: &Look<'_, VirtualMachine>,
    request: QueryChangedDiskAreas,
) -> Result<DiskChangeInfo, Fault> {
    let snapshot = request.snapshot();
    let config: Option<&VirtualMachineConfigInfo> = match &snapshot {
        Some(moref) => {
            let snapshot = look.get::<VirtualMachineSnapshot>(moref)?;
            if snapshot.vm() != *look.moref() {
                return Err(Fault::new(NotFound::new(), format!("{moref} is no snapshot of this machine")));
            }
            Some(snapshot.config())
        }
        None => look.this()?.config(),
    };
    let devices = config.map(|config| config.hardware().device());
    let device = devices.iter().flat_map(|devices| devices.iter()).find(|device| device.key() == request.device_key());
    let disk = device.and_then(|device| device.downcast::<VirtualDisk>());
    let disk = disk.ok_or_else(|| {
        Fault::invalid_argument("deviceKey", format!("the machine has no disk with the key {}", request.device_key()))
    })?;
    let size = disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024));
    let start = request.start_offset();
    if start < 0 || start > size {
        return Err(Fault::invalid_argument("startOffset", format!("{start} is not in a disk of {size} bytes")));
    }
    let backing = device.and_then(chain::backing);
    let newest = backing.and_then(|backing| backing.change_id());
    let file = backing.map(|backing| backing.file_name().clone()).unwrap_or_default();
    let is_known = |id: &str| id == "*" || id.split_once('/').is_some_and(|(_, number)| number.parse::<u64>().is_ok());
    let is_tracked = config.is_some_and(|config| config.change_tracking_enabled().unwrap_or_default());
    if !is_tracked || !is_known(request.change_id()) {
        let detail = FileFault::with(|fault| _ = fault.set_file(&file));
        return Err(Fault::new(
            detail,
            format!("the changes of '{file}' since '{}' are not known", request.change_id()),
        ));
    }
    let is_newest = newest.is_some_and(|newest| newest == request.change_id());
    Ok(DiskChangeInfo::with(|info| {
        info.set_start_offset(start).set_length(size - start);
        if !is_newest && size > start {
            info.push_changed_area(DiskChangeExtent::with(|area| {
                area.set_start(start).set_length(size - start);
            }));
        }
    }))
}

/// Reads the machine's configuration from another file.
///
/// - As faults of the task: `InvalidPowerState` unless the machine is off; `InvalidDatastorePath`, `InvalidDatastore` for a
///   path that leads nowhere; `AlreadyExists` if another machine has the file.
pub(super) fn reload_virtual_machine_from_path(
    call: &mut Call<'_, VirtualMachine>,
    request: ReloadVirtualMachineFromPathTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let existing = call.this()?.runtime().power_state();
        if existing != Power::PoweredOff {
            return Err(power::invalid_power_state(Power::PoweredOff, existing));
        }
        let this = call.moref();
        let text = request.configuration_path().clone();
        let path = DatastorePath::parse(&text).filter(|path| path.path.ends_with(".vmx"));
        let path = path.ok_or_else(|| invalid_path(&text))?;
        let datacenter = call.datacenter_of(&this);
        if datacenter.and_then(|datacenter| datastore_by_name(call, &datacenter, &path.datastore)).is_none() {
            let detail = InvalidDatastore::with(|fault| _ = fault.set_name(&path.datastore));
            return Err(Fault::new(detail, format!("the datacenter has no datastore '{}'", path.datastore)));
        }
        let text = path.to_string();
        if call.indexed(path_key(&text)).any(|object| *object.moref() != this) {
            let detail = AlreadyExists::with(|fault| _ = fault.set_name(&text));
            return Err(Fault::new(detail, format!("the file '{text}' belongs to another virtual machine")));
        }
        let now = call.now();
        let config = call.this_mut()?.config_mut();
        config.files_mut().set_vm_path_name(text);
        config::touch(config, now);
        Ok(())
    })
}

/// Ends the machine as a power cut does: nothing is asked, and nobody is told before.
///
/// - `InvalidPowerState` if it is off.
pub(super) fn terminate_vm(call: &mut Call<'_, VirtualMachine>, _: TerminateVM) -> Result<(), Fault> {
    let this = call.moref();
    power::stop(call, &this)?;
    call.this_mut()?.runtime_mut().set_clean_power_off(false);
    Ok(())
}
