//! What files are, as a browser tells: their types, and the details that were asked for.

use std::collections::BTreeMap;

use vimsim_types::enums::VirtualDiskType;
use vimsim_types::views::{
    FileInfo, FileQuery, FileQueryFlags, FloppyImageFileInfo, FloppyImageFileQuery, FolderFileInfo, FolderFileQuery,
    HostDatastoreBrowserSearchSpec, IsoImageFileInfo, IsoImageFileQuery, TemplateConfigFileInfo,
    TemplateConfigFileQuery, VirtualBusLogicController, VirtualDiskFlatVer2BackingInfo, VirtualDiskSeSparseBackingInfo,
    VirtualDiskSparseVer2BackingInfo, VirtualIDEController, VirtualLsiLogicController, VmConfigFileInfo,
    VmConfigFileQuery, VmDiskFileInfo, VmDiskFileQuery, VmDiskFileQueryFilter, VmLogFileInfo, VmLogFileQuery,
    VmNvramFileInfo, VmNvramFileQuery, VmSnapshotFileInfo, VmSnapshotFileQuery,
};
use vimsim_types::{EnumView, Object, TypeId, View};

use crate::files::disk::Disk;
use crate::files::{Content, File, Item};

/// The version of a virtual machine's configuration file.
const CONFIG_VERSION: i32 = 8;

/// What a file is.
#[derive(Clone, Copy, PartialEq)]
enum Type {
    Folder,
    Floppy,
    Iso,
    Config,
    Template,
    Disk,
    Log,
    Nvram,
    Snapshot,
    Other,
}

fn type_of(name: &str, item: &Item) -> Type {
    let Item::File(_) = item else { return Type::Folder };
    let lower = name.to_ascii_lowercase();
    let Some((_, extension)) = lower.rsplit_once('.') else { return Type::Other };
    match extension {
        "flp" | "img" => Type::Floppy,
        "iso" => Type::Iso,
        "vmx" => Type::Config,
        "vmtx" => Type::Template,
        "vmdk" => Type::Disk,
        "log" => Type::Log,
        "nvram" => Type::Nvram,
        "vmsn" => Type::Snapshot,
        _ => Type::Other,
    }
}

impl Type {
    /// The type of what a browser tells of such a file.
    fn info(self) -> TypeId {
        match self {
            Self::Folder => FolderFileInfo::TYPE,
            Self::Floppy => FloppyImageFileInfo::TYPE,
            Self::Iso => IsoImageFileInfo::TYPE,
            Self::Config => VmConfigFileInfo::TYPE,
            Self::Template => TemplateConfigFileInfo::TYPE,
            Self::Disk => VmDiskFileInfo::TYPE,
            Self::Log => VmLogFileInfo::TYPE,
            Self::Nvram => VmNvramFileInfo::TYPE,
            Self::Snapshot => VmSnapshotFileInfo::TYPE,
            Self::Other => FileInfo::TYPE,
        }
    }

    /// The type of the query that asks for such files alone.
    fn query(self) -> TypeId {
        match self {
            Self::Folder => FolderFileQuery::TYPE,
            Self::Floppy => FloppyImageFileQuery::TYPE,
            Self::Iso => IsoImageFileQuery::TYPE,
            Self::Config => VmConfigFileQuery::TYPE,
            Self::Template => TemplateConfigFileQuery::TYPE,
            Self::Disk => VmDiskFileQuery::TYPE,
            Self::Log => VmLogFileQuery::TYPE,
            Self::Nvram => VmNvramFileQuery::TYPE,
            Self::Snapshot => VmSnapshotFileQuery::TYPE,
            Self::Other => FileQuery::TYPE,
        }
    }
}

/// The names that the data of disks have beside their descriptors.
const EXTENTS: &[&str] = &["-flat.vmdk", "-delta.vmdk", "-sesparse.vmdk", "-rdm.vmdk", "-rdmp.vmdk", "-ctk.vmdk"];

/// What a specification has to know of a file; `None` if it does not select it.
pub(super) fn info(
    name: &str,
    item: &Item,
    beside: &BTreeMap<String, Item>,
    spec: &HostDatastoreBrowserSearchSpec,
) -> Option<FileInfo> {
    let kind = type_of(name, item);
    let queries = spec.query();
    let disk = || match item {
        Item::File(file) => disk_of(file),
        Item::Folder(_) => None,
    };
    let query = match queries.is_empty() {
        true => None,
        false => Some(queries.iter().find(|query| selects(query, name, kind, &disk))?.clone()),
    };
    let flags = spec.details().cloned().unwrap_or_else(FileQueryFlags::new);
    // Who asks for a type is told it, and folders are always told from files.
    let is_told = flags.file_type() || kind == Type::Folder || query.as_ref().is_some_and(is_typed);
    let mut object = Object::new(if is_told { kind.info() } else { FileInfo::TYPE });
    if let Some(info) = FileInfo::from_mut(&mut object) {
        tell(info, name, item, &flags);
        if let (true, Item::File(file)) = (flags.file_size(), item) {
            let is_disk = query.as_ref().is_some_and(|query| query.downcast::<VmDiskFileQuery>().is_some());
            info.set_file_size(size_of(name, file, beside, is_disk));
        }
    }
    if let Some(info) = VmDiskFileInfo::from_mut(&mut object)
        && let Some(disk) = disk()
    {
        tell_disk(info, &disk, name, query.as_ref().and_then(|query| query.downcast::<VmDiskFileQuery>()));
    }
    if let Some(info) = VmConfigFileInfo::from_mut(&mut object) {
        let query = query.as_ref().and_then(|query| query.downcast::<VmConfigFileQuery>());
        if query.and_then(|query| query.details()).is_some_and(|details| details.config_version()) {
            info.set_config_version(CONFIG_VERSION);
        }
    }
    FileInfo::from_object(object)
}

fn is_typed(query: &FileQuery) -> bool {
    query.as_object().kind() != FileQuery::TYPE
}

/// Whether a query selects a file, by its type and what the query's filter says.
fn selects(query: &FileQuery, name: &str, kind: Type, disk: &dyn Fn() -> Option<Disk>) -> bool {
    if !is_typed(query) {
        return true;
    }
    let wanted = query.as_object().kind();
    // A query for configurations selects those of templates as well, whose query is a special case of it.
    if !kind.query().is_a(wanted) || kind == Type::Other {
        return false;
    }
    if let Some(query) = query.downcast::<VmDiskFileQuery>() {
        // The data of a disk is found through its descriptor.
        let is_data = EXTENTS.iter().any(|extent| name.ends_with(extent));
        return !is_data && query.filter().is_none_or(|filter| disk().is_some_and(|disk| passes(filter, &disk)));
    }
    if let Some(query) = query.downcast::<VmConfigFileQuery>()
        && let Some(filter) = query.filter()
    {
        let versions: Vec<i32> = filter.match_config_version().iter().collect();
        let is_encrypted = filter.encrypted() == Some(true);
        return (versions.is_empty() || versions.contains(&CONFIG_VERSION)) && !is_encrypted;
    }
    true
}

fn passes(filter: &VmDiskFileQueryFilter, disk: &Disk) -> bool {
    let any = |wanted: &[&str], own: &str| wanted.is_empty() || wanted.contains(&own);
    let kinds: Vec<&str> = filter.disk_type().iter().map(|name| name.as_str()).collect();
    let controllers: Vec<&str> = filter.controller_type().iter().map(|name| name.as_str()).collect();
    let versions: Vec<i32> = filter.match_hardware_version().iter().collect();
    any(&kinds, backing_of(disk).name())
        && any(&controllers, controller_of(disk).name())
        && (versions.is_empty() || versions.contains(&HARDWARE_VERSION))
        && filter.thin().is_none_or(|thin| thin == disk.is_thin())
        && filter.encrypted() != Some(true)
}

/// The version of the hardware that a new disk is made for.
const HARDWARE_VERSION: i32 = 21;

fn backing_of(disk: &Disk) -> TypeId {
    match VirtualDiskType::from_name(&disk.kind) {
        Some(VirtualDiskType::SeSparse) => VirtualDiskSeSparseBackingInfo::TYPE,
        Some(VirtualDiskType::SparseMonolithic | VirtualDiskType::Sparse2Gb) => VirtualDiskSparseVer2BackingInfo::TYPE,
        _ => VirtualDiskFlatVer2BackingInfo::TYPE,
    }
}

fn controller_of(disk: &Disk) -> TypeId {
    match disk.adapter.as_str() {
        "ide" => VirtualIDEController::TYPE,
        "busLogic" => VirtualBusLogicController::TYPE,
        _ => VirtualLsiLogicController::TYPE,
    }
}

/// The disk that a file describes.
fn disk_of(file: &File) -> Option<Disk> {
    match &file.content {
        Content::Disk(disk) => Some(Disk::clone(disk)),
        Content::Bytes(blob) if !blob.is_zeros() => Disk::parse(&blob.head(64 << 10).ok()?),
        _ => None,
    }
}

/// What every file has.
fn tell(info: &mut FileInfo, name: &str, item: &Item, flags: &FileQueryFlags) {
    info.set_path(name);
    let (modified, owner) = match item {
        Item::Folder(folder) => (folder.modified, &folder.owner),
        Item::File(file) => (file.modified, &file.owner),
    };
    if flags.file_size() {
        info.set_file_size(0);
    }
    if flags.modification() {
        info.set_modification(modified);
    }
    if flags.file_owner() {
        info.set_owner(owner);
    }
}

/// What a file takes. The data of a disk that grows with use take what was written; who asks for disks, and so sees only
/// descriptors, is told what the data take.
fn size_of(name: &str, file: &File, beside: &BTreeMap<String, Item>, is_disk: bool) -> i64 {
    let own = || match &file.content {
        Content::Disk(disk) => i64::try_from(disk.descriptor(name).len()).unwrap_or(i64::MAX),
        content => i64::try_from(content.bytes(name).size()).unwrap_or(i64::MAX),
    };
    let find = |name: &str| match beside.get(name) {
        Some(Item::File(file)) => Some(file),
        _ => None,
    };
    if let (true, Some(disk)) = (is_disk, disk_of(file)) {
        let extent = disk.extent(name);
        let data = find(&extent).map(|data| size_of(&extent, data, beside, false));
        return data.or(file.data_of_descriptor()).unwrap_or_else(own);
    }
    let stem = EXTENTS.iter().find_map(|extent| name.strip_suffix(extent));
    let descriptor = stem.and_then(|stem| find(&format!("{stem}.vmdk")));
    match descriptor.and_then(disk_of).filter(Disk::is_thin) {
        Some(_) => file.data_of_extent().or(descriptor.and_then(File::data_of_descriptor)).unwrap_or_default(),
        None => own(),
    }
}

/// What a query asked of a disk.
fn tell_disk(info: &mut VmDiskFileInfo, disk: &Disk, name: &str, query: Option<&VmDiskFileQuery>) {
    let Some(details) = query.and_then(|query| query.details()) else { return };
    if details.disk_type() {
        info.set_disk_type(backing_of(disk).name());
    }
    if details.capacity_kb() {
        info.set_capacity_kb(disk.capacity / 1024);
    }
    if details.hardware_version() {
        info.set_hardware_version(HARDWARE_VERSION);
    }
    if details.controller_type() == Some(true) {
        info.set_controller_type(controller_of(disk).name());
    }
    if details.disk_extents() == Some(true) {
        info.set_disk_extents([disk.extent(name)]);
    }
    if details.thin() == Some(true) {
        info.set_thin(disk.is_thin());
    }
}
