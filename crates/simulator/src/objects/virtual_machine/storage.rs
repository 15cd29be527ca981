//! What is asked about a machine's disks and files beside their configuration.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{
    DefragmentAllDisks, FetchVmGroupForMultiwriterDisks, QueryChangedDiskAreas, QueryUnownedFiles,
    ReloadVirtualMachineFromPathTask, RepairVmDiskChainsTask, TerminateVM,
};
use vimsim_types::views::{
    AlreadyExists, Datastore, DiskChangeExtent, DiskChangeInfo, FileFault, InvalidDatastore, NotFound,
    SharedDiskVmGroupInfo, SharedDiskVmGroupInfoSharedDiskVmInfo, VirtualDisk, VirtualDiskId, VirtualMachine,
    VirtualMachineConfigInfo, VirtualMachineSnapshot,
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

/// The file of a disk that several machines may write.
fn shared_file(disk: &VirtualDisk) -> Option<&str> {
    let backing = disk.backing()?.as_object();
    let is_shared = backing.field("sharing").text() == Some("sharingMultiWriter");
    backing.field("fileName").text().filter(|_| is_shared)
}

/// The machine's disks that others may write, too: the keys and files of all, or those that are asked for.
fn shared_disks(machine: &VirtualMachine) -> Vec<(i32, &str)> {
    let devices = machine.config().into_iter().flat_map(|config| config.hardware().device());
    let disks = devices.filter_map(|device| device.downcast::<VirtualDisk>());
    disks.filter_map(|disk| Some((disk.key(), shared_file(disk)?))).collect()
}

/// Which other machines share the disks of this one that several may write.
///
/// - `InvalidArgument` for a disk that is not such a one.
pub(super) fn fetch_vm_group_for_multiwriter_disks(
    look: &Look<'_, VirtualMachine>,
    request: FetchVmGroupForMultiwriterDisks,
) -> Result<SharedDiskVmGroupInfo, Fault> {
    let mut own = shared_disks(look.this()?);
    let wanted: Vec<i32> = request.disk_ids().into_iter().flat_map(|ids| ids.int().iter()).collect();
    if let Some(key) = wanted.iter().find(|key| !own.iter().any(|(known, _)| known == *key)) {
        return Err(Fault::invalid_argument("diskIds", format!("{key} is no disk that several machines may write")));
    }
    own.retain(|(key, _)| wanted.is_empty() || wanted.contains(key));
    let datastores = look.this()?.datastore();
    let mut others: Vec<Moref> =
        datastores.iter().filter_map(|it| look.snapshot().view::<Datastore>(&it)).flat_map(|it| it.vm()).collect();
    others.sort_by(|a, b| a.value().cmp(b.value()));
    others.dedup();
    let sharing = |file: &str| {
        let of = |moref: &Moref| look.snapshot().view::<VirtualMachine>(moref).map(shared_disks).unwrap_or_default();
        let foreign = others.iter().filter(|moref| *moref != look.moref());
        let all = foreign.flat_map(|moref| of(moref).into_iter().map(move |(key, its)| (moref, key, its)));
        let same = all.filter(|(_, _, its)| *its == file);
        same.map(|(moref, key, _)| VirtualDiskId::with(|id| _ = id.set_vm(moref.clone()).set_disk_id(key))).collect()
    };
    let info = |(key, file): &(i32, &str)| {
        let peers: Vec<VirtualDiskId> = sharing(file);
        SharedDiskVmGroupInfoSharedDiskVmInfo::with(|info| {
            info.set_disk_key(*key);
            if !peers.is_empty() {
                info.set_virtual_disk_id(peers);
            }
        })
    };
    Ok(SharedDiskVmGroupInfo::with(|group| {
        if !own.is_empty() {
            group.set_shared_disk_vm_info(own.iter().map(info));
        }
    }))
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

/// Puts right what is wrong with the chains of the disks' files. They are whole.
///
/// - `InvalidPowerState` unless the machine is off.
pub(super) fn repair_vm_disk_chains(
    call: &mut Call<'_, VirtualMachine>,
    _: RepairVmDiskChainsTask,
) -> Result<Moref, Fault> {
    match call.this()?.runtime().power_state() {
        Power::PoweredOff => call.start_task(|_| Ok(())),
        existing => Err(power::invalid_power_state(Power::PoweredOff, existing)),
    }
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
