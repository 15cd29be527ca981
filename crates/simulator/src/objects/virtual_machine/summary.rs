//! What follows from a machine's configuration and state. Only the storage that its files use is kept; its summary, the
//! layout of its files and its allocations are worked out when they are read, so that they are never wrong and take no room.

use vimsim_registry::Transaction;
use vimsim_types::views::{
    ResourceConfigSpec, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualEthernetCard,
    VirtualMachine, VirtualMachineConfigInfo, VirtualMachineConfigSummary, VirtualMachineFileLayout,
    VirtualMachineFileLayoutDiskLayout, VirtualMachineFileLayoutEx, VirtualMachineFileLayoutExDiskLayout,
    VirtualMachineFileLayoutExDiskUnit, VirtualMachineFileLayoutExFileInfo, VirtualMachineFileLayoutSnapshotLayout,
    VirtualMachineGuestSummary, VirtualMachineStorageInfo, VirtualMachineStorageSummary, VirtualMachineSummary,
    VirtualMachineUsageOnDatastore,
};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, Object, Value, View, literal};

use super::disk::{self, DatastorePath};
use super::{chain, layout, snapshot};
use crate::{files, usage};

/// `summary`: what `config`, `runtime`, `guest` and the rest say, in short.
pub(super) fn summary(moref: &Moref, machine: &Object, now: DateTime) -> Value {
    let Some(machine) = VirtualMachine::from_ref(machine) else { return Value::Unset };
    let summary = VirtualMachineSummary::with(|summary| {
        summary.set_vm(moref.clone());
        summary.set_runtime(machine.runtime().clone());
        summary.set_guest(guest_summary(machine));
        if let Some(config) = machine.config() {
            summary.set_config(config_summary(config));
        }
        if let Some(storage) = machine.storage() {
            summary.set_storage(storage_summary(storage));
        }
        summary.set_quick_stats(usage::of_machine(moref, machine, now));
        summary.set_overall_status(machine.overall_status());
        let custom = machine.custom_value();
        if !custom.is_empty() {
            summary.set_custom_value(custom.iter().cloned());
        }
    });
    Value::Object(summary.into())
}

fn storage_summary(storage: &VirtualMachineStorageInfo) -> VirtualMachineStorageSummary {
    let total = |of: fn(&VirtualMachineUsageOnDatastore) -> i64| {
        storage.per_datastore_usage().iter().map(of).fold(0_i64, i64::saturating_add)
    };
    VirtualMachineStorageSummary::with(|summary| {
        summary.set_committed(total(|usage| usage.committed()));
        summary.set_uncommitted(total(|usage| usage.uncommitted()));
        summary.set_unshared(total(|usage| usage.unshared()));
        summary.set_timestamp(storage.timestamp());
    })
}

fn config_summary(config: &VirtualMachineConfigInfo) -> VirtualMachineConfigSummary {
    let count = |kind: vimsim_types::TypeId| {
        let devices = config.hardware().device().iter();
        i32::try_from(devices.filter(|device| device.as_object().kind().is_a(kind)).count()).unwrap_or(i32::MAX)
    };
    let reservation = |allocation: Option<&vimsim_types::views::ResourceAllocationInfo>| {
        i32::try_from(allocation.and_then(|allocation| allocation.reservation()).unwrap_or_default())
            .unwrap_or(i32::MAX)
    };
    VirtualMachineConfigSummary::with(|summary| {
        summary.set_name(config.name());
        summary.set_template(config.template());
        summary.set_vm_path_name(config.files().vm_path_name());
        summary.set_memory_size_mb(config.hardware().memory_mb());
        summary.set_cpu_reservation(reservation(config.cpu_allocation()));
        summary.set_memory_reservation(reservation(config.memory_allocation()));
        summary.set_num_cpu(config.hardware().num_cpu());
        summary.set_num_ethernet_cards(count(VirtualEthernetCard::TYPE));
        summary.set_num_virtual_disks(count(VirtualDisk::TYPE));
        summary.set_uuid(config.uuid());
        summary.set_instance_uuid(config.instance_uuid());
        summary.set_guest_id(config.guest_id());
        summary.set_guest_full_name(config.guest_full_name());
        summary.set_annotation(config.annotation());
        summary.set_install_boot_required(false);
        summary.set_tpm_present(count(vimsim_types::views::VirtualTPM::TYPE) > 0);
        summary.set_num_vmiop_backings(0);
        summary.set_hw_version(config.version());
        if let Some(managed_by) = config.managed_by() {
            summary.set_managed_by(managed_by.clone());
        }
        let product = config.v_app_config().and_then(|config| config.product().first());
        if let Some(product) = product {
            summary.set_product(product.clone());
        }
    })
}

fn guest_summary(machine: &VirtualMachine) -> VirtualMachineGuestSummary {
    VirtualMachineGuestSummary::with(|summary| {
        let guest = machine.guest();
        let config = machine.config();
        // What the guest does not say of itself is what it was configured as.
        summary.set_guest_id(guest.and_then(|guest| guest.guest_id()).or(config.map(|config| config.guest_id())));
        let name = guest.and_then(|guest| guest.guest_full_name());
        summary.set_guest_full_name(name.or(config.map(|config| config.guest_full_name())));
        let Some(guest) = guest else { return };
        summary.set_tools_status(guest.tools_status());
        summary.set_tools_version_status(guest.tools_version_status());
        summary.set_tools_version_status2(guest.tools_version_status2());
        summary.set_tools_running_status(guest.tools_running_status());
        summary.set_host_name(guest.host_name());
        summary.set_ip_address(guest.ip_address());
        summary.set_hw_version(guest.hw_version());
    })
}

/// The files of a machine: what each is, its path, and for the files of a disk the disk's key.
struct File {
    path: ArcStr,
    kind: ArcStr,
    disk: Option<i32>,
}

/// The files of a machine, by their paths.
fn files(machine: &VirtualMachine) -> Vec<File> {
    let Some(config) = machine.config() else { return Vec::new() };
    let mut files = Vec::new();
    let mut add = |path: ArcStr, kind: ArcStr, disk: Option<i32>| files.push(File { path, kind, disk });
    if let Some(vmx) = config.files().vm_path_name() {
        let stem = vmx.strip_suffix(".vmx").unwrap_or(vmx);
        add(format!("{stem}.nvram").into(), literal!("nvram"), None);
        add(vmx.clone(), literal!("config"), None);
        if let Some(path) = DatastorePath::parse(vmx) {
            add(path.parent().join("vmware.log").to_string().into(), literal!("log"), None);
        }
    }
    for disk in config.hardware().device().iter().filter_map(|device| device.downcast::<VirtualDisk>()) {
        let Some(backing) = disk.backing().and_then(|it| it.downcast::<VirtualDeviceFileBackingInfo>()) else {
            continue;
        };
        match backing.downcast::<VirtualDiskFlatVer2BackingInfo>().filter(|flat| flat.parent().is_some()) {
            Some(flat) => {
                for (path, kind) in chain::files(flat).into_iter().rev().flat_map(disk_files) {
                    add(path, kind.into(), Some(disk.key()));
                }
            }
            None => {
                let file = backing.file_name();
                let stem = file.strip_suffix(".vmdk").unwrap_or(file);
                add(format!("{stem}-flat.vmdk").into(), literal!("diskExtent"), Some(disk.key()));
                add(file.clone(), literal!("diskDescriptor"), Some(disk.key()));
            }
        }
    }
    if let Some(kept) = machine.layout_ex() {
        let kept = snapshot_files(kept);
        let new =
            kept.into_iter().filter(|file| !files.iter().any(|known| known.path == *file.name())).collect::<Vec<_>>();
        files.extend(new.into_iter().map(|file| File {
            path: file.name().clone(),
            kind: file.type_().clone(),
            disk: None,
        }));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The files of one link of a disk's chain: what holds its data, and what describes it.
pub(super) fn disk_files(backing: &VirtualDiskFlatVer2BackingInfo) -> [(ArcStr, &'static str); 2] {
    let file = backing.file_name();
    let stem = file.strip_suffix(".vmdk").unwrap_or(file);
    let extent = if backing.parent().is_some() { "delta" } else { "flat" };
    [(format!("{stem}-{extent}.vmdk").into(), "diskExtent"), (file.clone(), "diskDescriptor")]
}

/// The files that the machine's snapshots have, as `layout::keep_layout` wrote them down.
fn snapshot_files(kept: &VirtualMachineFileLayoutEx) -> Vec<&VirtualMachineFileLayoutExFileInfo> {
    if kept.snapshot().is_empty() { Vec::new() } else { kept.file().iter().filter(|file| file.key() >= 0).collect() }
}

/// Writes `storage`: what the machine's files use of their datastores. Not all of them: those that change with each word
/// of the configuration are left out.
pub(super) fn count_storage(machine: &mut VirtualMachine, now: DateTime) {
    let home = machine.datastore().first();
    let mut usage: Vec<(Moref, i64, i64)> = home.into_iter().map(|home| (home, files::machine::NVRAM, 0)).collect();
    for (datastore, size, is_thin) in disk::usage(machine) {
        let (committed, uncommitted) = if is_thin { (0, size) } else { (size, 0) };
        match usage.iter_mut().find(|(known, ..)| *known == datastore) {
            Some(known) => {
                known.1 = known.1.saturating_add(committed);
                known.2 = known.2.saturating_add(uncommitted);
            }
            None => usage.push((datastore, committed, uncommitted)),
        }
    }
    for file in layout::written(machine) {
        let datastore = layout::datastore_of(file);
        if let Some(known) = usage.iter_mut().find(|(known, ..)| Some(known) == datastore.as_ref()) {
            known.1 = known.1.saturating_add(file.size());
            known.2 = (known.2 - file.size()).max(0);
        }
    }
    machine.set_storage(VirtualMachineStorageInfo::with(|storage| {
        storage.set_timestamp(now);
        storage.set_per_datastore_usage(usage.into_iter().map(|(datastore, committed, uncommitted)| {
            VirtualMachineUsageOnDatastore::with(|usage| {
                usage.set_datastore(datastore);
                usage.set_committed(committed).set_uncommitted(uncommitted).set_unshared(committed);
            })
        }));
    }));
}

/// Counts anew what was written into the machine's disks that grow with use.
pub(crate) fn count_written(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let mut machine = transaction.get::<VirtualMachine>(moref)?.clone();
    let (found, last) = files::machine::written(transaction, &machine);
    if layout::keep_written(&mut machine, found) {
        let before = machine.storage().map(|storage| storage.timestamp());
        count_storage(&mut machine, last.max(before).unwrap_or(DateTime::from_micros(0)));
        *transaction.edit::<VirtualMachine>(moref)? = machine;
    }
    Ok(())
}

/// A file's path from a directory; the whole path of one that is elsewhere.
fn relative(file: &str, directory: Option<&str>) -> String {
    let directory = directory.map(|directory| directory.trim_end_matches('/'));
    let inside = directory.and_then(|directory| file.strip_prefix(directory)).and_then(|rest| {
        // The directory may be a datastore's root, which ends in a bracket.
        rest.strip_prefix('/').or_else(|| rest.strip_prefix(' '))
    });
    inside.unwrap_or(file).to_owned()
}

/// `layout`: the files of a machine: those of its configuration, its log and its snapshots as paths from the directories for
/// these (`config.files`), its disks as whole ones, as `VirtualMachineFileLayout` says.
pub(super) fn layout(_: &Moref, machine: &Object) -> Value {
    let Some(machine) = VirtualMachine::from_ref(machine) else { return Value::Unset };
    let files = files(machine);
    let directories = machine.config().map(|config| config.files());
    let home =
        directories.and_then(|it| DatastorePath::parse(it.vm_path_name()?)).map(|path| path.parent().to_string());
    let logs = directories.and_then(|it| it.log_directory()).map(ToString::to_string).or_else(|| home.clone());
    let snapshots =
        directories.and_then(|it| it.snapshot_directory()).map(ToString::to_string).or_else(|| home.clone());
    let of = |kind: &'static str| files.iter().filter(move |file| file.kind == kind);
    let layout = VirtualMachineFileLayout::with(|layout| {
        layout.set_config_file(of("nvram").map(|file| relative(&file.path, home.as_deref())));
        layout.set_log_file(of("log").map(|file| relative(&file.path, logs.as_deref())));
        layout.set_disk(disk_keys(&files).into_iter().map(|key| {
            VirtualMachineFileLayoutDiskLayout::with(|disk| {
                let own = of("diskDescriptor").filter(|file| file.disk == Some(key)).map(|file| &file.path);
                disk.set_key(key).set_disk_file(own);
            })
        }));
        for node in snapshot::of(machine) {
            let Some(kept) = machine.layout_ex() else { continue };
            let Some(known) = kept.snapshot().iter().find(|known| known.key() == node.snapshot()) else { continue };
            let data =
                kept.file().iter().filter(|file| file.key() == known.data_key() || file.key() == known.memory_key());
            layout.push_snapshot(VirtualMachineFileLayoutSnapshotLayout::with(|layout| {
                layout
                    .set_key(node.snapshot())
                    .set_snapshot_file(data.map(|file| relative(file.name(), snapshots.as_deref())));
            }));
        }
    });
    Value::Object(layout.into())
}

/// `layoutEx`: the files of a machine, with their sizes. Those that its disks are linked to are another machine's, and so
/// nothing of them is its own alone.
pub(super) fn layout_ex(moref: &Moref, machine: &Object) -> Value {
    let Some(machine) = VirtualMachine::from_ref(machine) else { return Value::Unset };
    let sizes = files::machine::sizes(moref, machine);
    let files = files(machine);
    let folder = |file: &str| DatastorePath::parse(file).map(|path| path.parent());
    let linked = snapshot::linked_files(machine);
    let linked: Vec<_> = linked.iter().map(|file| folder(file)).collect();
    let key = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    let disks = disk_keys(&files);
    let layout = VirtualMachineFileLayoutEx::with(|layout| {
        layout.set_timestamp(machine.storage().map(|storage| storage.timestamp()));
        layout.set_file(files.iter().enumerate().map(|(at, file)| {
            VirtualMachineFileLayoutExFileInfo::with(|info| {
                let size = sizes.get(file.path.as_str()).copied().unwrap_or_default();
                info.set_key(key(at)).set_name(&file.path).set_type(&file.kind).set_size(size);
                let is_own = linked.is_empty() || !linked.contains(&folder(&file.path));
                info.set_unique_size(if is_own { size } else { 0 }).set_accessible(true);
            })
        }));
        layout.set_disk(disks.into_iter().map(|disk| disk_layout(machine, &files, disk)));
        let Some(kept) = machine.layout_ex().filter(|kept| !kept.snapshot().is_empty()) else { return };
        // The files have other numbers here than where they were written down.
        let renumber = |old: i32| {
            let path = kept.file().iter().find(|file| file.key() == old)?.name();
            files.iter().position(|file| file.path == *path).map(key)
        };
        layout.set_snapshot(kept.snapshot().iter().cloned().map(|mut snapshot| {
            let (data, memory) = (renumber(snapshot.data_key()), renumber(snapshot.memory_key()));
            snapshot.set_data_key(data.unwrap_or(-1)).set_memory_key(memory.unwrap_or(-1));
            for disk in snapshot.disk_mut().iter_mut() {
                for unit in disk.chain_mut().iter_mut() {
                    let keys: Vec<i32> = unit.file_key().iter().filter_map(renumber).collect();
                    unit.set_file_key(keys);
                }
            }
            snapshot
        }));
    });
    Value::Object(layout.into())
}

/// The disks that have files, in the order of these.
fn disk_keys(files: &[File]) -> Vec<i32> {
    let mut keys = Vec::new();
    for key in files.iter().filter(|file| file.kind == "diskDescriptor").filter_map(|file| file.disk) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The files of a disk: one unit for each link of its chain, from the first to the one that is written to.
fn disk_layout(machine: &VirtualMachine, files: &[File], disk: i32) -> VirtualMachineFileLayoutExDiskLayout {
    let key = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    let device = machine.config().and_then(|config| config.hardware().device().iter().find(|it| it.key() == disk));
    let links = device.and_then(chain::backing).map(chain::files).unwrap_or_default();
    VirtualMachineFileLayoutExDiskLayout::with(|layout| {
        layout.set_key(disk);
        if links.len() < 2 {
            let own = files.iter().enumerate().filter(|(_, file)| file.disk == Some(disk));
            layout.set_chain([VirtualMachineFileLayoutExDiskUnit::with(|unit| {
                unit.set_file_key(own.map(|(at, _)| key(at)));
            })]);
            return;
        }
        layout.set_chain(links.into_iter().rev().map(|link| {
            let paths = disk_files(link);
            let own = files.iter().enumerate().filter(|(_, file)| paths.iter().any(|(path, _)| *path == file.path));
            VirtualMachineFileLayoutExDiskUnit::with(|unit| _ = unit.set_file_key(own.map(|(at, _)| key(at))))
        }));
    })
}

/// `resourceConfig`: the machine's allocations, as the pool that it is in has them.
pub(crate) fn resource_config(moref: &Moref, machine: &Object) -> Value {
    let Some(machine) = VirtualMachine::from_ref(machine) else { return Value::Unset };
    let Some(config) = machine.config() else { return Value::Unset };
    let resources = ResourceConfigSpec::with(|resources| {
        resources.set_entity(moref.clone());
        resources.set_change_version(config.change_version());
        if let (Some(cpu), Some(memory)) = (config.cpu_allocation(), config.memory_allocation()) {
            resources.set_cpu_allocation(cpu.clone()).set_memory_allocation(memory.clone());
        }
    });
    Value::Object(resources.into())
}
