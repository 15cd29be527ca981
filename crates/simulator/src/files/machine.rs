//! The files that virtual machines have. They are not kept: they follow from each machine's configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use vimsim_registry::Transaction;
use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::views::{
    Datastore, ParaVirtualSCSIController, VirtualBusLogicController, VirtualController, VirtualDevice,
    VirtualDeviceFileBackingInfo, VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualEthernetCard,
    VirtualIDEController, VirtualMachine, VirtualMachineConfigInfo, VirtualMachineFileLayoutEx,
    VirtualMachineSnapshotTree,
};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, Object, View};

use super::content::Blob;
use super::disk::Disk;
use super::store::{Content, File};
use super::{Files, Volume, path};
use crate::objects::virtual_machine;
use crate::walk::Inventory;

/// The size of a machine's `.nvram` file.
pub(crate) const NVRAM: i64 = 8_684;

/// A file that a machine has on a datastore.
pub(super) struct Own {
    /// Where on the datastore.
    pub(super) path: String,
    pub(super) file: File,
    /// Whether it is a disk's data that take no space before they are written.
    pub(super) is_thin: bool,
}

/// The path of a file on the datastore of this name.
fn on<'a>(file: &'a str, datastore: &str) -> Option<&'a str> {
    let path = file.strip_prefix('[')?.strip_prefix(datastore)?.strip_prefix(']')?;
    Some(path.strip_prefix(' ').unwrap_or(path)).filter(|path| !path.is_empty())
}

/// The disks of a machine that are files.
pub(crate) fn disks(config: &VirtualMachineConfigInfo) -> impl Iterator<Item = (&VirtualDisk, &ArcStr)> {
    let devices = config.hardware().device().iter().filter_map(|device| device.downcast::<VirtualDisk>());
    devices.filter_map(|disk| {
        let backing = disk.backing()?.downcast::<VirtualDeviceFileBackingInfo>()?;
        Some((disk, backing.file_name())).filter(|(_, file)| !file.is_empty())
    })
}

/// The paths of a machine's `.vmx` file and disks on the datastore of this name, and of what its snapshots have there: no
/// other file of the machine is in a folder that none of these is in.
pub(super) fn each_path(machine: &VirtualMachine, datastore: &str, visit: &mut dyn FnMut(&str)) {
    let Some(config) = machine.config() else { return };
    if let Some(path) = config.files().vm_path_name().and_then(|file| on(file, datastore)) {
        visit(path);
    }
    for (_, file) in disks(config) {
        if let Some(path) = on(file, datastore) {
            visit(path);
        }
    }
    // A disk that the machine has no more may be in a folder of its own.
    let kept = machine.layout_ex().filter(|kept| !kept.snapshot().is_empty());
    for file in kept.into_iter().flat_map(|kept| kept.file().iter()) {
        if let Some(path) = on(file.name(), datastore) {
            visit(path);
        }
    }
}

/// Whether a machine's file holds the data of a disk, or a snapshot's state or memory: what counts in the datastore's space.
pub(super) fn is_data(path: &str) -> bool {
    [".vmdk", ".vmsn", ".vmem"].iter().any(|end| path.ends_with(end))
}

/// The files of a machine on this datastore.
pub(super) fn files(moref: &Moref, machine: &VirtualMachine, datastore: &Datastore) -> Vec<Own> {
    files_on(moref, machine, datastore.name(), false)
}

/// What the files measure that a machine has or is linked to, by their paths with the datastore: of a disk that grows with
/// use, and of one that has the differences to another, what was written.
pub(crate) fn sizes(moref: &Moref, machine: &VirtualMachine) -> BTreeMap<String, i64> {
    let mut datastores: Vec<&str> = Vec::new();
    let config = machine.config();
    let home = config.and_then(|config| config.files().vm_path_name());
    let disks = config.into_iter().flat_map(disks).filter_map(|(disk, _)| disk.backing()?.downcast());
    let chain =
        |flat| std::iter::successors(Some(flat), |flat: &&VirtualDiskFlatVer2BackingInfo| flat.parent()).take(1_000);
    let disks = disks.flat_map(chain).map(|flat| flat.file_name());
    let kept = machine.layout_ex().filter(|kept| !kept.snapshot().is_empty());
    let kept = kept.into_iter().flat_map(|kept| kept.file().iter().map(|file| file.name()));
    for file in home.into_iter().chain(disks).chain(kept) {
        let datastore = file.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
        datastores.extend(datastore.filter(|name| !datastores.contains(name)));
    }
    let mut sizes = BTreeMap::new();
    let written: BTreeMap<&str, i64> =
        virtual_machine::written(machine).map(|file| (file.name().as_str(), file.size())).collect();
    for name in datastores {
        for own in files_on(moref, machine, name, true) {
            let size = match &own.file.content {
                Content::Bytes(blob) => blob.size(),
                other => other.bytes(path::split(&own.path).1).size(),
            };
            let path = format!("[{name}] {}", own.path);
            let size = match own.is_thin {
                true => written.get(path.as_str()).copied().unwrap_or_default(),
                false => i64::try_from(size).unwrap_or(i64::MAX),
            };
            sizes.insert(path, size);
        }
    }
    sizes
}

/// The disks of a machine on the datastore of this name, by the paths of their descriptors: those that it has, those of its
/// own that these have their differences to, and those that its snapshots have.
fn chains(machine: &VirtualMachine, name: &str) -> Vec<(String, Disk)> {
    let Some(config) = machine.config() else { return Vec::new() };
    let mut found = Vec::new();
    for (disk, file) in disks(config) {
        let described = describe(config, disk);
        found.extend(parents(disk, name, &described, false));
        found.extend(on(file, name).map(|path| (path.to_string(), described)));
    }
    let kept = machine.layout_ex().filter(|kept| !kept.snapshot().is_empty());
    found.extend(kept.into_iter().flat_map(|kept| kept_disks(kept, name)));
    found
}

/// What was written into the machine's disks that grow with use: the datastore and the path of each extent that something was
/// written to, with how many bytes, and when the last was.
pub(crate) fn written(
    inventory: &impl Inventory,
    machine: &VirtualMachine,
) -> (Vec<(Moref, String, i64)>, Option<DateTime>) {
    let (mut found, mut last): (Vec<(Moref, String, i64)>, _) = (Vec::new(), None);
    for moref in machine.datastore() {
        let files = inventory.find(&moref).and_then(|object| object.private::<Files>());
        let Some(files) = files.filter(|files| !files.is_empty()) else { continue };
        let Some(datastore) = inventory.seen::<Datastore>(&moref) else { continue };
        for (path, disk) in chains(machine, datastore.name()).into_iter().filter(|(_, disk)| disk.is_thin()) {
            let (folder, name) = path::split(&path);
            let extent = path::join(folder, &disk.extent(name));
            let Some((bytes, modified)) = files.written(&path, &extent) else { continue };
            let text = format!("[{}] {extent}", datastore.name());
            if found.iter().all(|(_, known, _)| *known != text) {
                found.push((moref.clone(), text, bytes));
                last = last.max(Some(modified));
            }
        }
    }
    (found, last)
}

/// Brings the machines whose disks were written to up to date: what their files are measures, and what they use.
pub(crate) fn tell(transaction: &mut Transaction, datastore: &Moref) -> Result<(), Fault> {
    let files = transaction.object(datastore).and_then(|object| object.private::<Files>());
    if !files.is_some_and(Files::has_changed) {
        return Ok(());
    }
    let changed = transaction.private::<Files>(datastore)?.take_changed();
    let machines = Volume::of(transaction, datastore)?.machines_beside(&changed);
    machines.iter().try_for_each(|machine| virtual_machine::count_written(transaction, machine))
}

/// The files on the datastore of this name, with those of another machine that its disks are linked to, or without.
fn files_on(moref: &Moref, machine: &VirtualMachine, name: &str, with_linked: bool) -> Vec<Own> {
    let Some(config) = machine.config() else { return Vec::new() };
    let mut files = Vec::new();
    let modified = config.modified();
    let mut add = |path: String, content: Content, is_thin: bool, modified: DateTime| {
        let file = File { content, modified, owner: vimsim_types::literal!("root"), allocated: 0 };
        files.push(Own { path, file, is_thin });
    };
    if let Some(vmx) = config.files().vm_path_name().and_then(|file| on(file, name)) {
        let stem = vmx.strip_suffix(".vmx").unwrap_or(vmx);
        let created = config.create_date().unwrap_or(modified);
        add(vmx.into(), Content::Machine(config.clone()), false, modified);
        add(format!("{stem}.nvram"), Content::Bytes(Blob::zeros(NVRAM.unsigned_abs())), false, created);
        let log = path::join(path::split(vmx).0, "vmware.log");
        add(log, Content::Bytes(Blob::new(log_text(moref, machine, config).into_bytes())), false, modified);
    }
    for (disk, file) in disks(config) {
        let described = describe(config, disk);
        let below = parents(disk, name, &described, with_linked);
        let own = on(file, name).map(|path| (path.to_string(), described));
        for (path, disk) in own.into_iter().chain(below) {
            let extent = path::join(path::split(&path).0, &disk.extent(path::split(&path).1));
            let size = if disk.parent.is_some() { 0 } else { disk.capacity };
            let is_thin = disk.is_thin();
            add(path, Content::Disk(Arc::new(disk)), false, modified);
            add(extent, Content::Bytes(Blob::zeros(u64::try_from(size).unwrap_or_default())), is_thin, modified);
        }
    }
    // What its snapshots have beside: the disks of other branches, their memory and state.
    let kept = machine.layout_ex().filter(|kept| !kept.snapshot().is_empty());
    for (path, disk) in kept.into_iter().flat_map(|kept| kept_disks(kept, name)) {
        let extent = path::join(path::split(&path).0, &disk.extent(path::split(&path).1));
        let size = if disk.parent.is_some() { 0 } else { u64::try_from(disk.capacity).unwrap_or_default() };
        let is_thin = disk.is_thin();
        add(path, Content::Disk(Arc::new(disk)), false, modified);
        add(extent, Content::Bytes(Blob::zeros(size)), is_thin, modified);
    }
    for file in kept.into_iter().flat_map(|kept| kept.file().iter()) {
        let Some(path) = on(file.name(), name).filter(|path| !path.ends_with(".vmdk")) else { continue };
        let content = if path.ends_with(".vmsd") {
            Blob::new(snapshot_list(machine, path).into_bytes())
        } else {
            Blob::zeros(u64::try_from(file.size()).unwrap_or_default())
        };
        add(path.into(), Content::Bytes(content), false, modified);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    files
}

/// The disks below one that has its differences to another. Those in another folder belong to the machine that a linked
/// clone was made of.
pub(super) fn parents(disk: &VirtualDisk, datastore: &str, top: &Disk, with_linked: bool) -> Vec<(String, Disk)> {
    let flat = disk.backing().and_then(|backing| backing.downcast::<VirtualDiskFlatVer2BackingInfo>());
    let home = flat.map(|flat| path::split(flat.file_name()).0);
    let chain = std::iter::successors(flat.and_then(|flat| flat.parent()), |flat| flat.parent()).take(1_000);
    let described = chain.filter_map(|flat| {
        if !with_linked && Some(path::split(flat.file_name()).0) != home {
            return None;
        }
        let own = on(flat.file_name(), datastore)?;
        let parent = flat.parent().map(|parent| parent.file_name().clone());
        let kind = match &parent {
            Some(_) => "delta",
            None if flat.thin_provisioned() == Some(true) => "thin",
            None => "preallocated",
        };
        let uuid = flat.uuid().cloned().unwrap_or_default();
        Some((own.to_string(), Disk { kind: kind.into(), uuid, parent, stream: None, ..top.clone() }))
    });
    described.collect()
}

/// The disks that a machine's snapshots end in or stand on, as `layout::keep_layout` wrote them down: the first file of
/// each has the disk's capacity for its size, and nothing that is its own if the disk grows with use.
fn kept_disks(kept: &VirtualMachineFileLayoutEx, datastore: &str) -> Vec<(String, Disk)> {
    let file = |key: i32, kind: &str| kept.file().iter().find(|file| file.key() == key && *file.type_() == kind);
    let mut found: Vec<(String, Disk)> = Vec::new();
    for layout in kept.snapshot().iter().flat_map(|snapshot| snapshot.disk().iter()) {
        let (mut parent, mut capacity, mut is_thin) = (None, 0, false);
        for unit in layout.chain().iter() {
            let find = |kind: &str| unit.file_key().iter().find_map(|key| file(key, kind));
            let Some(name) = find("diskDescriptor").map(|file| file.name()) else { continue };
            if let (None, Some(extent)) = (&parent, find("diskExtent")) {
                (capacity, is_thin) = (extent.size(), extent.unique_size() == Some(0));
            }
            let kind = match &parent {
                Some(_) => "delta",
                None if is_thin => "thin",
                None => "preallocated",
            };
            let disk = Disk {
                capacity,
                kind: kind.into(),
                adapter: "lsiLogic".into(),
                uuid: crate::uuid::named(name).into(),
                parent: parent.replace(name.clone()),
                stream: None,
            };
            if let Some(path) = on(name, datastore).filter(|path| found.iter().all(|(known, _)| known != path)) {
                found.push((path.into(), disk));
            }
        }
    }
    found
}

/// Whether the machine runs, so that its files are locked.
pub(crate) fn is_running(machine: &VirtualMachine) -> bool {
    machine.runtime().power_state() == VirtualMachinePowerState::PoweredOn
}

/// What the descriptor of a machine's disk says.
pub(crate) fn describe(config: &VirtualMachineConfigInfo, disk: &VirtualDisk) -> Disk {
    let flat = disk.backing().and_then(|backing| backing.downcast::<VirtualDiskFlatVer2BackingInfo>());
    let parent = flat.and_then(|flat| flat.parent()).map(|parent| parent.file_name().clone());
    let kind = match flat {
        _ if parent.is_some() => "delta",
        Some(flat) if flat.thin_provisioned() == Some(true) => "thin",
        Some(flat) if flat.eagerly_scrub() == Some(true) => "eagerZeroedThick",
        _ => "preallocated",
    };
    let controller = disk.controller_key().and_then(|key| {
        let mut controllers = config.hardware().device().iter().filter_map(|it| it.downcast::<VirtualController>());
        controllers.find(|controller| controller.key() == key)
    });
    let is = |kind: vimsim_types::TypeId| controller.is_some_and(|it| it.as_object().kind().is_a(kind));
    let adapter = if is(VirtualIDEController::TYPE) {
        "ide"
    } else if is(VirtualBusLogicController::TYPE) {
        "busLogic"
    } else {
        "lsiLogic"
    };
    Disk {
        capacity: disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024)),
        kind: kind.into(),
        adapter: adapter.into(),
        uuid: flat.and_then(|flat| flat.uuid()).cloned().unwrap_or_default(),
        parent,
        stream: None,
    }
}

/// The text of a machine's `.vmx` file.
pub(crate) fn configuration_text(config: &Object) -> String {
    let Some(config) = VirtualMachineConfigInfo::from_ref(config) else { return String::new() };
    let mut lines = vec![(".encoding".to_string(), "UTF-8".to_string())];
    let mut add = |key: &str, value: &str| lines.push((key.into(), escaped(value)));
    let version = config.version().strip_prefix("vmx-").unwrap_or(config.version());
    add("config.version", "8");
    add("virtualHW.version", version.trim_start_matches('0'));
    add("displayName", config.name());
    add("guestOS", &guest_os(config.guest_id()));
    add("uuid.bios", &spaced(config.uuid()));
    if let Some(uuid) = config.instance_uuid() {
        add("vc.uuid", &spaced(uuid));
    }
    let hardware = config.hardware();
    add("numvcpus", &hardware.num_cpu().to_string());
    if let Some(cores) = hardware.num_cores_per_socket().filter(|cores| *cores > 0) {
        add("cpuid.coresPerSocket", &cores.to_string());
    }
    add("memSize", &hardware.memory_mb().to_string());
    if let Some(firmware) = config.firmware() {
        add("firmware", firmware);
    }
    if let Some(annotation) = config.annotation().filter(|text| !text.is_empty()) {
        add("annotation", annotation);
    }
    for device in hardware.device().iter() {
        device_lines(config, device, &mut add);
    }
    for option in config.extra_config().iter() {
        if let Some(value) = option.value().text() {
            add(option.key(), value);
        }
    }
    lines.into_iter().map(|(key, value)| format!("{key} = \"{value}\"\n")).collect()
}

/// The lines of one device: controllers, disks, drives and adapters.
fn device_lines(config: &VirtualMachineConfigInfo, device: &VirtualDevice, add: &mut dyn FnMut(&str, &str)) {
    let kind = device.as_object().kind();
    if let Some(controller) = device.downcast::<VirtualController>() {
        if let Some((bus, model)) = bus(controller) {
            let name = format!("{bus}{}", controller.bus_number());
            if bus != "ide" {
                add(&format!("{name}.present"), "TRUE");
            }
            if let Some(model) = model {
                add(&format!("{name}.virtualDev"), model);
            }
        }
    } else if let Some(card) = device.downcast::<VirtualEthernetCard>() {
        let name = format!("ethernet{}", (device.key() - 4_000).max(0));
        add(&format!("{name}.present"), "TRUE");
        let model = kind.name().trim_start_matches("Virtual").to_ascii_lowercase();
        add(&format!("{name}.virtualDev"), &model);
        if let Some(address) = card.mac_address() {
            add(&format!("{name}.addressType"), card.address_type().map_or("generated", |kind| kind));
            add(&format!("{name}.address"), address);
        }
    } else if let Some(file) = device.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>()) {
        let mut controllers = config.hardware().device().iter().filter_map(|it| it.downcast::<VirtualController>());
        let Some(controller) = controllers.find(|it| Some(it.key()) == device.controller_key()) else { return };
        let Some((bus, _)) = bus(controller) else { return };
        let name = format!("{bus}{}:{}", controller.bus_number(), device.unit_number().unwrap_or_default());
        add(&format!("{name}.present"), "TRUE");
        let kind = if device.downcast::<VirtualDisk>().is_some() { "disk" } else { "cdrom-image" };
        add(&format!("{name}.deviceType"), kind);
        add(&format!("{name}.fileName"), path::split(file.file_name()).1);
    }
}

/// The name of a controller's bus in a `.vmx` file, and of the controller's model.
fn bus(controller: &VirtualController) -> Option<(&'static str, Option<&'static str>)> {
    let kind = controller.as_object().kind();
    let is = |base: vimsim_types::TypeId| kind.is_a(base);
    if is(ParaVirtualSCSIController::TYPE) {
        return Some(("scsi", Some("pvscsi")));
    } else if is(VirtualBusLogicController::TYPE) {
        return Some(("scsi", Some("buslogic")));
    }
    match kind.name() {
        "VirtualLsiLogicController" => Some(("scsi", Some("lsilogic"))),
        "VirtualLsiLogicSASController" => Some(("scsi", Some("lsisas1068"))),
        "VirtualIDEController" => Some(("ide", None)),
        "VirtualNVMEController" => Some(("nvme", None)),
        "VirtualAHCIController" => Some(("sata", None)),
        _ => None,
    }
}

/// `otherLinux64Guest` is `other-linux-64` in a file written by hand, but servers take and write `otherlinux-64`.
fn guest_os(id: &str) -> String {
    let stem = id.strip_suffix("Guest").unwrap_or(id);
    match stem.strip_suffix("_64").or(stem.strip_suffix("64")) {
        Some(stem) => format!("{}-64", stem.to_ascii_lowercase()),
        None => stem.to_ascii_lowercase(),
    }
}

/// A UUID in pairs of digits, as in `.vmx` files.
fn spaced(uuid: &str) -> String {
    let digits: Vec<char> = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    match pairs.split_at_checked(8) {
        Some((first, second)) => format!("{}-{}", first.join(" "), second.join(" ")),
        None => uuid.into(),
    }
}

/// A value between quotation marks: what would end it, or the line, is written as `|` and two digits.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '"' | '|' | '\n' | '\r' => out.push_str(&format!("|{:02X}", u32::from(letter))),
            other => out.push(other),
        }
    }
    out
}

/// The text of a machine's list of snapshots, its `.vmsd` file.
fn snapshot_list(machine: &VirtualMachine, path: &str) -> String {
    let Some(info) = machine.snapshot() else { return String::new() };
    let stem = path::split(path).1.strip_suffix(".vmsd").unwrap_or_default();
    // Each with the number of the one above it.
    let mut pending: Vec<(&VirtualMachineSnapshotTree, i32)> =
        info.root_snapshot_list().iter().map(|root| (root, 0)).collect();
    let mut nodes = Vec::new();
    while let Some((node, parent)) = pending.pop() {
        pending.extend(node.child_snapshot_list().iter().map(|child| (child, node.id())));
        nodes.push((node, parent));
    }
    nodes.sort_by_key(|(node, _)| node.id());
    let mut list = String::from(".encoding = \"UTF-8\"\n");
    let mut add = |key: &str, value: &str| list.push_str(&format!("snapshot{key} = \"{}\"\n", escaped(value)));
    let current = nodes.iter().find(|(node, _)| Some(node.snapshot()) == info.current_snapshot());
    add(".lastUID", &nodes.last().map_or(0, |(node, _)| node.id()).to_string());
    add(".current", &current.map_or(0, |(node, _)| node.id()).to_string());
    add(".numSnapshots", &nodes.len().to_string());
    for (at, (node, parent)) in nodes.iter().enumerate() {
        add(&format!("{at}.uid"), &node.id().to_string());
        add(&format!("{at}.filename"), &format!("{stem}-Snapshot{}.vmsn", node.id()));
        if *parent != 0 {
            add(&format!("{at}.parent"), &parent.to_string());
        }
        add(&format!("{at}.displayName"), node.name());
        add(&format!("{at}.description"), node.description());
    }
    list
}

/// What a machine's log tells of it.
fn log_text(moref: &Moref, machine: &VirtualMachine, config: &VirtualMachineConfigInfo) -> String {
    let path = config.files().vm_path_name().map_or("", |path| path);
    let line = |time: DateTime, text: String| format!("{time} In(05) vmx - {text}\n");
    let created = config.create_date().unwrap_or(config.modified());
    let mut log = line(created, format!("Log for VMware ESX vm={} config={path}", moref.value()));
    log += &line(created, format!("DICT displayName = \"{}\"", config.name()));
    log += &line(created, format!("DICT uuid.bios = \"{}\"", spaced(config.uuid())));
    log += &line(created, format!("DICT memSize = \"{}\"", config.hardware().memory_mb()));
    log += &line(created, format!("DICT numvcpus = \"{}\"", config.hardware().num_cpu()));
    for (disk, file) in disks(config) {
        log += &line(created, format!("DISKLIB-LIB : Opened '{file}' ({} KB)", disk.capacity_in_kb()));
    }
    if let Some(booted) = machine.runtime().boot_time() {
        log += &line(booted, "VMX: powered on".into());
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_line() {
        assert_eq!(escaped("a\"b\n|"), "a|22b|0A|7C");
        assert_eq!(guest_os("otherLinux64Guest"), "otherlinux-64");
        assert_eq!(spaced("b95003e9-7241-514a-9ba0-82a06c0d235a"), "b9 50 03 e9 72 41 51 4a-9b a0 82 a0 6c 0d 23 5a");
    }

    #[test]
    fn paths_are_those_on_the_datastore() {
        assert_eq!(on("[a] b/c.vmx", "a"), Some("b/c.vmx"));
        assert_eq!((on("[ab] b/c.vmx", "a"), on("[a]", "a")), (None, None));
    }
}
