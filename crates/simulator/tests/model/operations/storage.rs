//! What is done to datastores and their files.

use vimsim_types::method::*;
use vimsim_types::views::*;
use vimsim_types::{Moref, View};

use crate::chooser::{Chooser, Operation};

/// More datastores than this are not created.
const MOST: usize = 10;

fn datastore_system(chooser: &mut Chooser) -> Option<Moref> {
    let host = chooser.some_where::<HostSystem>(|_| true)?;
    chooser.seen::<HostSystem>(&host)?.config_manager().datastore_system()
}

pub(super) fn create_local(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<Datastore>() >= MOST {
        return destroy(chooser);
    }
    let (system, name) = (datastore_system(chooser)?, chooser.name("local"));
    let path = format!("/vmfs/{name}");
    Operation::new(system, CreateLocalDatastore::with(|request| _ = request.set_name(name).set_path(path)))
}

/// A share, or one that another host has already.
pub(super) fn create_nas(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<Datastore>() >= MOST {
        return destroy(chooser);
    }
    let system = datastore_system(chooser)?;
    let number = chooser.random.below(3);
    let request = CreateNasDatastore::with(|request| {
        let spec = request.spec_mut();
        spec.set_remote_host("nas").set_remote_path(format!("/share{number}")).set_local_path(format!("nas{number}"));
        spec.set_access_mode("readWrite").set_type("NFS");
    });
    Operation::new(system, request)
}

pub(super) fn destroy(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<Datastore>() < 3 {
        return None;
    }
    Operation::new(chooser.some::<Datastore>()?, DestroyDatastore::new())
}

pub(super) fn remove(chooser: &mut Chooser) -> Option<Operation> {
    let (system, datastore) = (datastore_system(chooser)?, chooser.some::<Datastore>()?);
    Operation::new(system, RemoveDatastore::with(|request| _ = request.set_datastore(datastore)))
}

pub(super) fn refresh(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.some::<Datastore>()?, RefreshDatastore::new())
}

/// The datacenter that the operation is about, or another.
fn some_datacenter(chooser: &mut Chooser) -> Option<Moref> {
    if chooser.random.once_in(10) { chooser.some::<Datacenter>() } else { chooser.home() }
}

/// One of few paths, so that files meet. Nothing but clients' own files is there: a machine's may be deleted under it.
pub(super) fn path(chooser: &mut Chooser, end: &str) -> String {
    let is_usual = |datastore: &Datastore| datastore.summary().capacity() > 1 << 40 && datastore.summary().accessible();
    let name = chooser.some_where::<Datastore>(is_usual);
    let name = name.and_then(|moref| Some(chooser.seen::<Datastore>(&moref)?.name().to_string())).unwrap_or_default();
    match chooser.random.below(30) {
        0 => format!("[nowhere] model/a{end}"),
        1 => format!("[{name}] ../a{end}"),
        2 => format!("[{name}] nothing/at/all{end}"),
        _ => format!("[{name}] model/{}{end}", chooser.random.of(&["a", "b", "c"])),
    }
}

fn end(chooser: &mut Chooser) -> &'static str {
    chooser.random.of(&["", ".vmdk", ".vmdk", ".vmdk"])
}

fn file_manager() -> Moref {
    Moref::of::<FileManager>("FileManager")
}

fn disk_manager() -> Moref {
    Moref::of::<VirtualDiskManager>("virtualDiskManager")
}

pub(super) fn make_directory(chooser: &mut Chooser) -> Option<Operation> {
    let path = path(chooser, "");
    let datacenter = some_datacenter(chooser);
    let request = MakeDirectory::with(|request| {
        request.set_name(path).set_datacenter(datacenter).set_create_parent_directories(true);
    });
    Operation::new(file_manager(), request)
}

pub(super) fn create_disk(chooser: &mut Chooser) -> Option<Operation> {
    let path = path(chooser, ".vmdk");
    let datacenter = some_datacenter(chooser);
    let kilobytes = chooser.random.of(&[1024, 1024, 1024, 8192, 8192, 8192, 8192, 1 << 22, 0, -1, i64::MAX]);
    let kind = chooser.random.of(&["thin", "thin", "preallocated", "preallocated", "eagerZeroedThick", "other"]);
    let request = CreateVirtualDiskTask::with(|request| {
        request.set_name(path).set_datacenter(datacenter).set_spec(FileBackedVirtualDiskSpec::with(|spec| {
            spec.set_capacity_kb(kilobytes).set_disk_type(kind).set_adapter_type("lsiLogic");
        }));
    });
    Operation::new(disk_manager(), request)
}

pub(super) fn copy(chooser: &mut Chooser) -> Option<Operation> {
    let (from_end, to_end) = (end(chooser), end(chooser));
    let (from, to) = (path(chooser, from_end), path(chooser, to_end));
    let (datacenter, other) = (some_datacenter(chooser), some_datacenter(chooser));
    let force = chooser.random.once_in(2);
    let request = CopyDatastoreFileTask::with(|request| {
        request.set_source_name(from).set_source_datacenter(datacenter);
        request.set_destination_name(to).set_destination_datacenter(other).set_force(force);
    });
    Operation::new(file_manager(), request)
}

pub(super) fn move_file(chooser: &mut Chooser) -> Option<Operation> {
    let (from_end, to_end) = (end(chooser), end(chooser));
    let (from, to) = (path(chooser, from_end), path(chooser, to_end));
    let (datacenter, other) = (some_datacenter(chooser), some_datacenter(chooser));
    let force = chooser.random.once_in(2);
    let request = MoveDatastoreFileTask::with(|request| {
        request.set_source_name(from).set_source_datacenter(datacenter);
        request.set_destination_name(to).set_destination_datacenter(other).set_force(force);
    });
    Operation::new(file_manager(), request)
}

pub(super) fn delete(chooser: &mut Chooser) -> Option<Operation> {
    let end = end(chooser);
    let (path, datacenter) = (path(chooser, end), some_datacenter(chooser));
    let request = DeleteDatastoreFileTask::with(|request| _ = request.set_name(path).set_datacenter(datacenter));
    Operation::new(file_manager(), request)
}

pub(super) fn copy_disk(chooser: &mut Chooser) -> Option<Operation> {
    let (from, to) = (path(chooser, ".vmdk"), path(chooser, ".vmdk"));
    let (datacenter, other) = (some_datacenter(chooser), some_datacenter(chooser));
    let force = chooser.random.once_in(2);
    if chooser.random.once_in(2) {
        let request = MoveVirtualDiskTask::with(|request| {
            request.set_source_name(from).set_source_datacenter(datacenter);
            request.set_dest_name(to).set_dest_datacenter(other).set_force(force);
        });
        return Operation::new(disk_manager(), request);
    }
    let request = CopyVirtualDiskTask::with(|request| {
        request.set_source_name(from).set_source_datacenter(datacenter);
        request.set_dest_name(to).set_dest_datacenter(other).set_force(force);
    });
    Operation::new(disk_manager(), request)
}

pub(super) fn delete_disk(chooser: &mut Chooser) -> Option<Operation> {
    let (path, datacenter) = (path(chooser, ".vmdk"), some_datacenter(chooser));
    let request = DeleteVirtualDiskTask::with(|request| _ = request.set_name(path).set_datacenter(datacenter));
    Operation::new(disk_manager(), request)
}
