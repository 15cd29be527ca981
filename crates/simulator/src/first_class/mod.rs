//! First class disks: virtual disks with an identity of their own, beside virtual machines and longer lived than these.
//!
//! The catalog is kept beside the properties of the manager that `ServiceContent.vStorageObjectManager` names. What a disk
//! is lies in its file: the size and the format are read there, and a disk whose file somebody deleted is `NotFound` until
//! its datastore is reconciled. Which machine has a disk follows from the machines.

pub(crate) mod attach;
pub(crate) mod change;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod forward;
pub(crate) mod query;
pub(crate) mod snapshot;
pub(crate) mod tags;

use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use vimsim_registry::Transaction;
use vimsim_types::views::{
    BaseConfigInfoDiskFileBackingInfo, Datastore, ID, KeyValue, NotFound, VStorageObject, VcenterVStorageObjectManager,
    VirtualDisk, VirtualMachine, VsanDatastoreInfo,
};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, View, literal};

use crate::call::{Call, not_found};
use crate::files::disk::Disk;
use crate::files::edit::{self, Author};
use crate::files::{Place, Volume, machine};
use crate::walk::Inventory;

/// The manager of a vCenter. A host's has the same methods under other names, and is handled as this.
pub(crate) type Manager = VcenterVStorageObjectManager;

/// The bytes of a megabyte.
pub(crate) const MEGABYTE: i64 = 1 << 20;

/// A disk, as far as its file does not say.
#[derive(Clone)]
pub(crate) struct FirstClassDisk {
    pub(crate) id: ArcStr,
    pub(crate) name: ArcStr,
    pub(crate) created: DateTime,
    pub(crate) datastore: Moref,
    /// On the datastore.
    pub(crate) path: String,
    /// Whether the disk outlives the machine that has it.
    pub(crate) keeps: bool,
    /// Whether the disk must stay on its datastore.
    pub(crate) is_fixed: bool,
    /// Whether it is told which blocks change.
    pub(crate) is_tracked: bool,
    pub(crate) metadata: Vec<(ArcStr, ArcStr)>,
    /// The storage policy, if one was asked for.
    pub(crate) profile: Option<ArcStr>,
    /// Oldest first.
    pub(crate) snapshots: Vec<Snapshot>,
    /// How many snapshots it ever had.
    pub(crate) snapped: u32,
    /// How often it has changed.
    pub(crate) clock: i64,
}

/// What a disk was at a time.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) id: ArcStr,
    pub(crate) description: ArcStr,
    pub(crate) created: DateTime,
    /// On the disk's datastore.
    pub(crate) path: String,
    pub(crate) metadata: Vec<(ArcStr, ArcStr)>,
    /// Which of the disk's snapshots it is.
    pub(crate) number: u32,
}

/// All disks. Cloning it shares everything.
#[derive(Clone, Default)]
pub(crate) struct Catalog {
    disks: Map<ArcStr, Arc<FirstClassDisk>>,
    /// The storage policies of the catalogs that vSAN datastores keep.
    pub(crate) policies: Map<Moref, ArcStr>,
    /// How many identifiers were ever given.
    made: u64,
    /// The clock of all.
    pub(crate) clock: i64,
}

impl Catalog {
    /// All disks, by their identifiers.
    pub(crate) fn disks(&self) -> impl Iterator<Item = &FirstClassDisk> {
        self.disks.values().map(|disk| &**disk)
    }

    /// The disk of this identifier.
    pub(crate) fn get(&self, id: &str) -> Option<&FirstClassDisk> {
        self.disks.get(id).map(|disk| &**disk)
    }

    /// Writes a disk down as it is now, which makes the clocks go on.
    pub(crate) fn set(&mut self, mut disk: FirstClassDisk) {
        self.clock += 1;
        disk.clock = self.clock;
        self.disks.insert_mut(disk.id.clone(), Arc::new(disk));
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.clock += 1;
        self.disks.remove_mut(id);
    }

    /// An identifier that nothing else has.
    pub(crate) fn new_id(&mut self, what: &str) -> ArcStr {
        self.made += 1;
        crate::uuid::named(&format!("{what}/{}", self.made)).into()
    }
}

/// The manager that there is: of a vCenter, or of a host.
pub(crate) fn manager(inventory: &impl Inventory) -> Result<Moref, Fault> {
    let known = ["VStorageObjectManager", "ha-vstorage-object-manager"];
    let found = known.into_iter().find_map(|value| inventory.find_value(value));
    found.map(|object| object.moref().clone()).ok_or_else(|| not_found(&Moref::of::<Manager>(known[0])))
}

/// All disks, if there ever were any.
pub(crate) fn catalog(inventory: &impl Inventory) -> Option<&Catalog> {
    let known = ["VStorageObjectManager", "ha-vstorage-object-manager"];
    known.into_iter().find_map(|value| inventory.find_value(value))?.private()
}

/// All disks, to change.
pub(crate) fn edit_catalog(transaction: &mut Transaction) -> Result<&mut Catalog, Fault> {
    let manager = manager(transaction)?;
    transaction.private(&manager)
}

/// The disk of this identifier, on this datastore if one is named.
///
/// - `NotFound`; `ManagedObjectNotFound` for a datastore that does not exist.
pub(crate) fn find<'a>(
    inventory: &'a impl Inventory,
    id: &str,
    datastore: Option<&Moref>,
) -> Result<&'a FirstClassDisk, Fault> {
    if let Some(datastore) = datastore {
        inventory.seen::<Datastore>(datastore).ok_or_else(|| crate::call::not_found(datastore))?;
    }
    let known = catalog(inventory).and_then(|catalog| catalog.get(id));
    known.filter(|disk| datastore.is_none_or(|it| *it == disk.datastore)).ok_or_else(|| unknown(id))
}

/// `NotFound` for a disk.
pub(crate) fn unknown(id: &str) -> Fault {
    Fault::new(NotFound::new(), format!("The object or item referred to could not be found: disk '{id}'"))
}

/// The file of a disk.
///
/// - `ManagedObjectNotFound` if its datastore is gone.
pub(crate) fn place(inventory: &impl Inventory, disk: &FirstClassDisk) -> Result<Place, Fault> {
    let datastore = inventory.seen::<Datastore>(&disk.datastore).ok_or_else(|| not_found(&disk.datastore))?;
    Place::new(&disk.datastore, datastore, &disk.path, &disk.path)
}

/// The file of a disk, and what is in it.
///
/// - `NotFound` if the file is gone.
pub(crate) fn stored(inventory: &impl Inventory, disk: &FirstClassDisk) -> Result<(Place, Disk), Fault> {
    let place = place(inventory, disk)?;
    let volume = Volume::of(inventory, &place.datastore)?;
    if volume.file(&place.path).is_none() {
        let why = format!("The object or item referred to could not be found: the file {} is gone", place.text);
        return Err(Fault::new(NotFound::new(), why));
    }
    let (_, stored) = edit::disk(&volume, &place)?;
    Ok((place, stored))
}

/// The machine that has a disk, and the key of its device.
pub(crate) fn holder(inventory: &impl Inventory, disk: &FirstClassDisk) -> Option<(Moref, i32)> {
    let datastore = inventory.seen::<Datastore>(&disk.datastore)?;
    let text = format!("[{}] {}", datastore.name(), disk.path);
    let mut machines =
        datastore.vm().iter().filter_map(|moref| Some((inventory.seen::<VirtualMachine>(&moref)?, moref)));
    machines.find_map(|(machine, moref)| {
        let mut disks = machine::disks(machine.config()?);
        disks.find(|(device, file)| is_device(device, disk) || *file == text.as_str()).map(|(it, _)| (moref, it.key()))
    })
}

/// Whether a machine's device is this disk.
fn is_device(device: &VirtualDisk, disk: &FirstClassDisk) -> bool {
    device.v_disk_id().is_some_and(|id| *id.id() == disk.id)
}

/// What clients see of a disk.
///
/// - what [`stored`] raises.
pub(crate) fn describe(inventory: &impl Inventory, disk: &FirstClassDisk) -> Result<VStorageObject, Fault> {
    let (place, stored) = stored(inventory, disk)?;
    let datastore = inventory.seen::<Datastore>(&disk.datastore).ok_or_else(|| not_found(&disk.datastore))?;
    let consumer = holder(inventory, disk).and_then(|(moref, _)| {
        let uuid = inventory.seen::<VirtualMachine>(&moref)?.config()?.uuid().clone();
        Some(id_of(&uuid))
    });
    let backing = BaseConfigInfoDiskFileBackingInfo::with(|backing| {
        backing.set_datastore(disk.datastore.clone());
        backing.set_file_path(place.text);
        backing.set_provisioning_type(provisioning(&stored));
        backing.set_delta_size_in_mb(0);
        if datastore.info().as_object().is::<VsanDatastoreInfo>() {
            backing.set_backing_object_id(crate::uuid::named(&format!("{}/{}", disk.datastore, disk.path)));
        }
    });
    Ok(VStorageObject::with(|object| {
        let config = object.config_mut();
        config.set_id(id_of(&disk.id)).set_name(&disk.name).set_create_time(disk.created);
        config.set_keep_after_delete_vm(disk.keeps).set_relocation_disabled(disk.is_fixed);
        config.set_native_snapshot_supported(false).set_changed_block_tracking_enabled(disk.is_tracked);
        config.set_backing(backing);
        if !disk.metadata.is_empty() {
            config.set_metadata(pairs(&disk.metadata));
        }
        config.vclock_mut().set_v_clock_time(disk.clock);
        config.set_capacity_in_mb(stored.capacity / MEGABYTE).set_consumption_type(["disk"]);
        if let Some(consumer) = consumer {
            config.set_consumer_id([consumer]);
        }
    }))
}

/// One of `BaseConfigInfoDiskFileBackingInfoProvisioningType`.
fn provisioning(disk: &Disk) -> ArcStr {
    match disk.kind.as_str() {
        "eagerZeroedThick" => literal!("eagerZeroedThick"),
        _ if disk.is_thin() => literal!("thin"),
        _ => literal!("lazyZeroedThick"),
    }
}

pub(crate) fn id_of(id: &str) -> ID {
    ID::with(|it| _ = it.set_id(id))
}

/// Metadata as clients see it.
pub(crate) fn pairs(metadata: &[(ArcStr, ArcStr)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(ArcStr, ArcStr)| {
        KeyValue::with(|pair| {
            pair.set_key(key).set_value(value);
        })
    };
    metadata.iter().map(pair).collect()
}

/// Who makes files for a call.
fn author<T>(call: &Call<'_, T>) -> Author {
    Author::of(call.context())
}
