//! The files that a machine has beside what its configuration says, written down where clients do not see it: those of its
//! snapshots, and what was written into its disks. `summary::layout_ex` shows them with the others.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::{
    Datastore, VirtualDisk, VirtualMachine, VirtualMachineFileLayoutEx, VirtualMachineFileLayoutExDiskLayout,
    VirtualMachineFileLayoutExDiskUnit, VirtualMachineFileLayoutExFileInfo, VirtualMachineFileLayoutExSnapshotLayout,
    VirtualMachineSnapshot,
};
use vimsim_types::{Moref, Value, View};

use super::disk::DatastorePath;
use super::{chain, disk, snapshot, summary};
use crate::call::Call;

/// The size of the file with the state of a machine's devices, without its memory.
const STATE: i64 = 28_672;

/// Writes down the files that the snapshots of a machine in this datacenter have, for `summary::layout_ex`.
pub(super) fn keep_layout<T>(call: &Call<'_, T>, datacenter: Option<&Moref>, machine: &mut VirtualMachine) {
    let directory = machine.config().and_then(|config| config.files().snapshot_directory());
    let directory = directory.and_then(|path| DatastorePath::parse(path));
    let home = machine.config().and_then(|config| config.files().vm_path_name());
    let home = home.and_then(|path| DatastorePath::parse(path));
    let stem = home.as_ref().map(|path| path.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".vmx"));
    let stem = stem.unwrap_or_default().to_string();
    let nodes = snapshot::of(machine);
    let was_written: Vec<_> = written(machine).cloned().collect();
    let Some(directory) = directory.or(home.map(|path| path.parent())).filter(|_| !nodes.is_empty()) else {
        machine.as_object_mut().set(VirtualMachine::LAYOUT_EX, Value::Unset);
        if !was_written.is_empty() {
            machine.layout_ex_mut().set_file(was_written);
        }
        return;
    };
    let of_states = datacenter.and_then(|datacenter| disk::datastore_by_name(call, datacenter, &directory.datastore));
    let mut layout = VirtualMachineFileLayoutEx::new();
    let mut files: Vec<(String, &'static str, i64, bool, Option<Moref>)> = Vec::new();
    let mut add = |path: String, kind: &'static str, size: i64, is_thin: bool, datastore: Option<Moref>| {
        let at = files.iter().position(|(known, ..)| *known == path).unwrap_or_else(|| {
            files.push((path, kind, size, is_thin, datastore));
            files.len() - 1
        });
        i32::try_from(at).unwrap_or(i32::MAX)
    };
    add(directory.join(&format!("{stem}.vmsd")).to_string(), "snapshotList", 0, false, None);
    for node in nodes {
        let name = format!("{stem}-Snapshot{}", node.id());
        let Some(snapshot) = call.view::<VirtualMachineSnapshot>(&node.snapshot()) else { continue };
        let hardware = snapshot.config().hardware();
        let data = directory.join(&format!("{name}.vmsn")).to_string();
        let data = add(data, "snapshotData", STATE, false, of_states.clone());
        let memory = match node.state() {
            Power::PoweredOn => {
                let size = i64::from(hardware.memory_mb()).saturating_mul(1 << 20);
                let path = directory.join(&format!("{name}.vmem")).to_string();
                add(path, "snapshotMemory", size, false, of_states.clone())
            }
            _ => -1,
        };
        let devices = hardware.device();
        let disks =
            devices.iter().filter_map(|device| Some((device.downcast::<VirtualDisk>()?, chain::backing(device)?)));
        let disks: Vec<_> = disks
            .map(|(disk, backing)| {
                let capacity = disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024));
                VirtualMachineFileLayoutExDiskLayout::with(|layout| {
                    layout.set_key(disk.key());
                    for file in chain::files(backing).into_iter().rev() {
                        // `files::machine` reads this again.
                        let is_thin = file.parent().is_none() && file.thin_provisioned() == Some(true);
                        let keys = summary::disk_files(file).map(|(path, kind)| {
                            let size = if kind == "diskExtent" && file.parent().is_none() { capacity } else { 0 };
                            let datastore = file.datastore().filter(|_| kind == "diskExtent");
                            add(path.to_string(), kind, size, is_thin, datastore)
                        });
                        layout.push_chain(VirtualMachineFileLayoutExDiskUnit::with(|unit| _ = unit.set_file_key(keys)));
                    }
                })
            })
            .collect();
        layout.push_snapshot(VirtualMachineFileLayoutExSnapshotLayout::with(|layout| {
            layout.set_key(node.snapshot()).set_data_key(data).set_memory_key(memory).set_disk(disks);
        }));
    }
    layout.set_file(files.iter().enumerate().map(|(at, (path, kind, size, is_thin, datastore))| {
        VirtualMachineFileLayoutExFileInfo::with(|info| {
            info.set_key(i32::try_from(at).unwrap_or(i32::MAX)).set_name(path).set_type(*kind).set_size(*size);
            info.set_unique_size(if *is_thin { 0 } else { *size });
            info.set_backing_object_id(datastore.as_ref().map(|datastore| datastore.value()));
        })
    }));
    was_written.into_iter().for_each(|file| _ = layout.push_file(file));
    machine.set_layout_ex(layout);
}

/// What was written into the machine's disks that grow with use, as [`keep_written`] wrote it down.
pub(crate) fn written(machine: &VirtualMachine) -> impl Iterator<Item = &VirtualMachineFileLayoutExFileInfo> {
    machine.layout_ex().into_iter().flat_map(|kept| kept.file().iter()).filter(|file| file.key() < 0)
}

/// Writes down what was written into the machine's disks that grow with use, beside the files of its snapshots: their keys are
/// below -1, which is no key. Whether that is something else than before.
pub(super) fn keep_written(machine: &mut VirtualMachine, found: Vec<(Moref, String, i64)>) -> bool {
    let is_same = written(machine)
        .map(|file| (file.name().as_str(), file.size()))
        .eq(found.iter().map(|(_, path, bytes)| (path.as_str(), *bytes)));
    if is_same {
        return false;
    }
    let layout = machine.layout_ex_mut();
    layout.file_mut().retain(|file| file.key() >= 0);
    for (datastore, path, bytes) in found {
        layout.push_file(VirtualMachineFileLayoutExFileInfo::with(|info| {
            info.set_key(-2).set_name(path).set_type("diskExtent").set_size(bytes);
            info.set_backing_object_id(datastore.value());
        }));
    }
    if layout.file().is_empty() {
        machine.as_object_mut().set(VirtualMachine::LAYOUT_EX, Value::Unset);
    }
    true
}

/// The datastore of the data of a disk or of a snapshot's state, as [`keep_layout`] wrote it down where clients do not see it.
pub(super) fn datastore_of(file: &VirtualMachineFileLayoutExFileInfo) -> Option<Moref> {
    file.backing_object_id().map(|value| Moref::of::<Datastore>(value.as_str()))
}

/// The datastores of the disks and states of the machine's snapshots.
pub(super) fn datastores(machine: &VirtualMachine) -> impl Iterator<Item = Moref> {
    let kept = machine.layout_ex().filter(|kept| !kept.snapshot().is_empty());
    kept.into_iter().flat_map(|kept| kept.file().iter()).filter_map(datastore_of)
}
