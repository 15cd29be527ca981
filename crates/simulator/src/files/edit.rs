//! Changing what is on datastores, inside a transaction: checks first, changes after.

use std::sync::Arc;

use vimsim_registry::Transaction;
use vimsim_types::views::{
    Datastore, InaccessibleDatastore, InvalidArgument, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualMachine,
    VirtualMachineConfigInfo,
};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, View};

use super::content::Blob;
use super::disk::Disk;
use super::store::{Entry, Folder};
use super::{Content, File, Files, Item, Place, Volume, fault, machine, path};
use crate::call::{Call, Context};
use crate::objects::datastore;

/// Who changes files, and when.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) name: ArcStr,
    pub(crate) now: DateTime,
}

impl Author {
    pub(crate) fn of(context: &Context) -> Self {
        // Files belong to the host's administrator, whoever asked for them.
        Self { name: vimsim_types::literal!("root"), now: context.now }
    }
}

/// The files of a datastore, to read.
pub(crate) fn volume<'a>(transaction: &'a Transaction, datastore: &Moref) -> Result<Volume<'a, Transaction>, Fault> {
    Volume::of(transaction, datastore)
}

/// `InaccessibleDatastore` unless some host can reach the datastore.
pub(crate) fn expect_accessible(transaction: &Transaction, moref: &Moref) -> Result<(), Fault> {
    let datastore = transaction.get::<Datastore>(moref)?;
    if datastore.summary().accessible() {
        return Ok(());
    }
    let detail = InaccessibleDatastore::with(|fault| {
        fault.set_datastore(moref.clone()).set_name(datastore.name());
    });
    Err(Fault::new(detail, format!("no host can reach the datastore '{}'", datastore.name())))
}

/// Takes this many bytes of the datastore for a file, or gives them back if they are negative.
///
/// - `NoDiskSpace` if they are not there.
fn allocate(transaction: &mut Transaction, place: &Place, bytes: i64) -> Result<(), Fault> {
    if bytes > datastore::free_space(transaction, &place.datastore)? {
        let name = transaction.get::<Datastore>(&place.datastore)?.name().clone();
        return Err(fault::no_space(&place.text, &name));
    }
    datastore::reserve_in(transaction, &place.datastore, bytes)
}

/// Makes a folder; with `parents`, those that it is in as well.
///
/// - `FileAlreadyExists` if something is there; `FileNotFound` without the folder that it is to be in.
pub(crate) fn make_folder(
    transaction: &mut Transaction,
    author: &Author,
    place: &Place,
    parents: bool,
) -> Result<(), Fault> {
    let volume = volume(transaction, &place.datastore)?;
    if volume.get(&place.path).is_some() {
        return Err(fault::already_exists(&place.text));
    }
    match volume.get(place.parent()) {
        Some(Item::Folder(_)) => {}
        Some(Item::File(_)) => return Err(fault::cannot_create(&place.text, "its folder is a file")),
        None if parents => {}
        None => return Err(fault::not_found(&volume.name(place.parent()))),
    }
    make_all(transaction, author, &place.datastore, &place.path)
}

/// Makes a folder and those that it is in, as far as they are not there.
///
/// - `CannotCreateFile` if one of them is a file.
fn make_all(transaction: &mut Transaction, author: &Author, datastore: &Moref, folder: &str) -> Result<(), Fault> {
    let mut missing = Vec::new();
    let mut at = folder;
    while !at.is_empty() {
        let volume = volume(transaction, datastore)?;
        match volume.get(at) {
            Some(Item::File(_)) => return Err(fault::cannot_create(&volume.name(at), "a file has this name")),
            Some(Item::Folder(_)) => break,
            None => missing.push((at, None)),
        }
        at = path::split(at).0;
    }
    // A folder that is there for a machine is kept from now on, because something else will be in it.
    if let (false, Some(Item::Folder(known))) = (at.is_empty(), volume(transaction, datastore)?.get(at)) {
        missing.push((at, Some(known.id)));
    }
    let files = transaction.private::<Files>(datastore)?;
    for (path, id) in missing.into_iter().rev() {
        if matches!(files.get(path), Some(Entry::Is(_))) {
            continue;
        }
        files.made += 1;
        let id = id.unwrap_or_else(|| crate::uuid::named(&format!("{datastore}/{}/{path}", files.made)).into());
        let folder = Folder { modified: author.now, owner: author.name.clone(), id };
        files.set(path, Entry::Is(Item::Folder(folder)));
    }
    Ok(())
}

/// What is done when there is a file already.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum IfThere {
    Fail,
    Replace,
}

/// Puts a file there, in folders that are made if need be.
///
/// - `FileAlreadyExists` for a folder, or a file that is not to be replaced; `CannotCreateFile` if a folder of the path is
///   a file; `NoDiskSpace`.
pub(crate) fn put(
    transaction: &mut Transaction,
    author: &Author,
    place: &Place,
    content: Content,
    if_there: IfThere,
) -> Result<(), Fault> {
    let volume = volume(transaction, &place.datastore)?;
    let old = match volume.get(&place.path) {
        Some(Item::Folder(_)) => return Err(fault::already_exists(&place.text)),
        Some(Item::File(_)) if if_there == IfThere::Fail => return Err(fault::already_exists(&place.text)),
        Some(Item::File(file)) => Some(file),
        None => None,
    };
    // What is written into a machine's disk is in what the disk takes.
    let allocated = if volume.is_counted(&place.path) { 0 } else { size(&content, place.name()) };
    allocate(transaction, place, allocated - old.as_ref().map_or(0, |file| file.allocated))?;
    make_all(transaction, author, &place.datastore, place.parent())?;
    let owner = old.map_or_else(|| author.name.clone(), |file| file.owner);
    let file = File { content, modified: author.now, owner, allocated };
    transaction.private::<Files>(&place.datastore)?.set(&place.path, Entry::Is(Item::File(file)));
    Ok(())
}

/// Puts a file there that takes nothing of its datastore beside what its machine takes.
pub(crate) fn put_owned(
    transaction: &mut Transaction,
    author: &Author,
    place: &Place,
    content: Content,
) -> Result<(), Fault> {
    make_all(transaction, author, &place.datastore, place.parent())?;
    discard(transaction, &place.datastore, &place.path)?;
    let file = File { content, modified: author.now, owner: author.name.clone(), allocated: 0 };
    transaction.private::<Files>(&place.datastore)?.set(&place.path, Entry::Is(Item::File(file)));
    Ok(())
}

/// The disk at a place as it was sent here, or the disk and its data, if it has some.
///
/// - what [`disk`] raises.
#[expect(clippy::type_complexity, reason = "either the one or the other")]
pub(crate) fn travelling(
    volume: &Volume<'_, impl crate::walk::Inventory>,
    place: &Place,
) -> Result<Result<Arc<Blob>, (Disk, Option<Arc<Blob>>)>, Fault> {
    let (_, disk) = disk(volume, place)?;
    if let Some(stream) = disk.stream {
        return Ok(Ok(stream));
    }
    let extent = place.sibling(&disk.extent(place.name()));
    let data = volume.file(&extent.path).and_then(|file| match file.content {
        Content::Bytes(blob) if !blob.is_zeros() => Some(blob),
        _ => None,
    });
    Ok(Err((disk, data)))
}

/// Has a file that a client filled go where the disk goes that it is of, or be copied there. What a machine alone says of
/// its files needs no carrying. Tells whether there was something to carry.
pub(crate) fn carry(
    transaction: &mut Transaction,
    from: (&Moref, &str),
    to: (&Moref, &str),
    is_move: bool,
) -> Result<bool, Fault> {
    let files = transaction.object(from.0).and_then(|object| object.private::<Files>());
    // A folder may have taken the place of a file that was deleted under its machine.
    let Some(Entry::Is(item @ Item::File(_))) = files.and_then(|files| files.get(from.1)).cloned() else {
        return Ok(false);
    };
    let bytes = allocated(&item);
    if is_move {
        transaction.private::<Files>(from.0)?.remove(from.1);
        datastore::reserve_in(transaction, from.0, -bytes)?;
    }
    // A descriptor that came without its data says what the machine says, in the names that it had.
    let is_said =
        matches!(&item, Item::File(file) if matches!(&file.content, Content::Disk(disk) if disk.stream.is_none()));
    if is_said {
        return Ok(false);
    }
    discard(transaction, to.0, to.1)?;
    datastore::reserve_in(transaction, to.0, bytes)?;
    transaction.private::<Files>(to.0)?.set(to.1, Entry::Is(item));
    Ok(true)
}

/// Forgets what was put into a file that its machine has no more.
pub(crate) fn discard(transaction: &mut Transaction, datastore: &Moref, path: &str) -> Result<(), Fault> {
    let files = transaction.object(datastore).and_then(|object| object.private::<Files>());
    if files.is_none_or(|files| files.get(path).is_none()) {
        return Ok(());
    }
    let known = transaction.private::<Files>(datastore)?.remove(path);
    let freed = if let Some(Entry::Is(item)) = &known { allocated(item) } else { 0 };
    datastore::reserve_in(transaction, datastore, -freed)
}

/// What a file takes of its datastore. The data of a disk is counted with the file that holds it, not the descriptor.
fn size(content: &Content, name: &str) -> i64 {
    match content {
        Content::Bytes(blob) => i64::try_from(blob.size()).unwrap_or(i64::MAX),
        Content::Disk(disk) if disk.stream.is_some() => i64::try_from(content.bytes(name).size()).unwrap_or(i64::MAX),
        Content::Disk(_) | Content::Machine(_) => 0,
    }
}

/// Removes a file, or a folder with all that is in it.
///
/// - `FileNotFound`; `FileLocked` if a running machine has it; `CannotDeleteFile` for the datastore's root.
pub(crate) fn remove(transaction: &mut Transaction, place: &Place) -> Result<(), Fault> {
    if place.path.is_empty() {
        return Err(fault::cannot_delete(&place.text, "it is the root of the datastore"));
    }
    let volume = volume(transaction, &place.datastore)?;
    let item = volume.get(&place.path).ok_or_else(|| fault::not_found(&place.text))?;
    if volume.is_locked(&place.path) {
        return Err(fault::locked(&place.text));
    }
    let mut all = volume.walk(&place.path);
    all.push((place.path.clone(), item));
    forget(transaction, &place.datastore, &all)
}

/// Removes these paths. A file that a machine has is remembered as gone.
fn forget(transaction: &mut Transaction, datastore: &Moref, all: &[(String, Item)]) -> Result<(), Fault> {
    let freed: i64 = all.iter().map(|(_, item)| allocated(item)).sum();
    let files = transaction.private::<Files>(datastore)?;
    for (path, _) in all {
        files.remove(path);
    }
    let volume = volume(transaction, datastore)?;
    let left: Vec<&String> = all.iter().map(|(path, _)| path).filter(|path| volume.file(path).is_some()).collect();
    let files = transaction.private::<Files>(datastore)?;
    for path in left {
        files.set(path, Entry::Gone);
    }
    datastore::reserve_in(transaction, datastore, -freed)
}

fn allocated(item: &Item) -> i64 {
    match item {
        Item::File(file) => file.allocated,
        Item::Folder(_) => 0,
    }
}

/// Copies a file or folder, perhaps to another datastore.
///
/// - `FileNotFound`, `FileAlreadyExists`, `NoDiskSpace`; `InvalidArgument` to copy a folder into itself;
/// - `FileNotFound` without the folder that the copy is to be in.
pub(crate) fn copy(
    transaction: &mut Transaction,
    author: &Author,
    from: &Place,
    to: &Place,
    if_there: IfThere,
) -> Result<(), Fault> {
    let source = volume(transaction, &from.datastore)?;
    let item = source.get(&from.path).filter(|_| !from.path.is_empty());
    let item = item.ok_or_else(|| fault::not_found(&from.text))?;
    let is_same_store = from.datastore == to.datastore;
    if is_same_store && (from.path == to.path || path::below(&to.path, &from.path).is_some()) {
        let detail = InvalidArgument::with(|fault| _ = fault.set_invalid_property("destinationName"));
        return Err(Fault::new(detail, format!("cannot copy or move {} into itself", from.text)));
    }
    let target = volume(transaction, &to.datastore)?;
    if !matches!(target.get(to.parent()), Some(Item::Folder(_))) {
        return Err(fault::not_found(&target.name(to.parent())));
    }
    if target.get(&to.path).is_some() && (if_there == IfThere::Fail || matches!(item, Item::Folder(_))) {
        return Err(fault::already_exists(&to.text));
    }
    match item {
        Item::File(file) => put(transaction, author, to, file.content, if_there),
        Item::Folder(_) => {
            let all = source.walk(&from.path);
            make_folder(transaction, author, to, false)?;
            for (path, item) in all {
                let Some(rest) = path::below(&path, &from.path) else { continue };
                let place = Place {
                    datastore: to.datastore.clone(),
                    path: path::join(&to.path, rest),
                    text: format!("{}/{rest}", to.text),
                };
                match item {
                    Item::Folder(_) => make_all(transaction, author, &place.datastore, &place.path)?,
                    Item::File(file) => put(transaction, author, &place, file.content, IfThere::Replace)?,
                }
            }
            Ok(())
        }
    }
}

/// Moves a file or folder: [`copy`], then [`remove`], whose faults it raises.
pub(crate) fn rename(
    transaction: &mut Transaction,
    author: &Author,
    from: &Place,
    to: &Place,
    if_there: IfThere,
) -> Result<(), Fault> {
    if volume(transaction, &from.datastore)?.is_locked(&from.path) {
        return Err(fault::locked(&from.text));
    }
    // What moves needs no room beside itself: it is taken away before it is put.
    let free = if from.datastore == to.datastore { moved(transaction, from)? } else { 0 };
    datastore::reserve_in(transaction, &from.datastore, -free)?;
    copy(transaction, author, from, to, if_there)?;
    datastore::reserve_in(transaction, &from.datastore, free)?;
    remove(transaction, from)
}

fn moved(transaction: &Transaction, from: &Place) -> Result<i64, Fault> {
    let volume = volume(transaction, &from.datastore)?;
    let below: i64 = volume.walk(&from.path).iter().map(|(_, item)| allocated(item)).sum();
    Ok(below + volume.get(&from.path).as_ref().map_or(0, allocated))
}

/// Gives a file another owner.
///
/// - `FileNotFound`.
pub(crate) fn set_owner(transaction: &mut Transaction, place: &Place, owner: &str) -> Result<(), Fault> {
    let item = volume(transaction, &place.datastore)?.get(&place.path).filter(|_| !place.path.is_empty());
    let mut item = item.ok_or_else(|| fault::not_found(&place.text))?;
    match &mut item {
        Item::File(file) => file.owner = owner.into(),
        Item::Folder(folder) => folder.owner = owner.into(),
    }
    transaction.private::<Files>(&place.datastore)?.set(&place.path, Entry::Is(item));
    Ok(())
}

/// The virtual disk at a place. One that was uploaded is read from its first bytes.
///
/// - `FileNotFound`; `FileFault` for a file that is no disk.
pub(crate) fn disk(volume: &Volume<'_, impl crate::walk::Inventory>, place: &Place) -> Result<(File, Disk), Fault> {
    let file = match volume.get(&place.path) {
        Some(Item::File(file)) => file,
        Some(Item::Folder(_)) => return Err(fault::general(&place.text, "it is a folder")),
        None => return Err(fault::not_found(&place.text)),
    };
    let disk = match &file.content {
        Content::Disk(disk) => Some(Disk::clone(disk)),
        Content::Bytes(blob) => {
            let head = blob.head(64 << 10).map_err(|error| fault::cannot_access(&place.text, &error.to_string()))?;
            Disk::parse(&head).map(|disk| Disk { stream: Some(blob.clone()), ..disk })
        }
        Content::Machine(_) => None,
    };
    let disk = disk.ok_or_else(|| fault::general(&place.text, "it is not a virtual disk"))?;
    Ok((file, disk))
}

/// Puts a virtual disk there: its descriptor, and the file of its data unless `data` is there already.
///
/// - what [`put`] raises.
pub(crate) fn put_disk(
    transaction: &mut Transaction,
    author: &Author,
    place: &Place,
    disk: Disk,
    data: Option<Arc<Blob>>,
    if_there: IfThere,
) -> Result<(), Fault> {
    let extent = place.sibling(&disk.extent(place.name()));
    let bytes = if disk.is_thin() { 0 } else { disk.capacity };
    let size = u64::try_from(disk.capacity).unwrap_or_default();
    put(transaction, author, place, Content::Disk(Arc::new(disk)), if_there)?;
    let old = volume(transaction, &extent.datastore)?.file(&extent.path).map_or(0, |file| file.allocated);
    allocate(transaction, &extent, bytes - old)?;
    let content = Content::Bytes(data.unwrap_or_else(|| Blob::zeros(size)));
    let file = File { content, modified: author.now, owner: author.name.clone(), allocated: bytes };
    transaction.private::<Files>(&extent.datastore)?.set(&extent.path, Entry::Is(Item::File(file)));
    Ok(())
}

/// Keeps the files of a machine that leaves the inventory without them: from now on they are files like others.
pub(crate) fn keep_machine<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?.clone();
    for datastore in machine.datastore() {
        let Some(view) = call.view::<Datastore>(&datastore) else { continue };
        let own = machine::files(moref, &machine, view);
        let files = call.private::<Files>(&datastore)?;
        let mut taken: i64 = 0;
        for mut own in own {
            // What the machine's disks and snapshots took is from now on taken by the files that hold their data.
            if let Content::Bytes(blob) = &own.file.content
                && machine::is_data(&own.path)
            {
                own.file.allocated = i64::try_from(blob.size()).unwrap_or(i64::MAX);
            }
            let mut folder = path::split(&own.path).0;
            while !folder.is_empty() {
                if !matches!(files.get(folder), Some(Entry::Is(_))) {
                    let id = crate::uuid::named(&format!("{moref}/{folder}")).into();
                    let kept = Folder { modified: own.file.modified, owner: own.file.owner.clone(), id };
                    files.set(folder, Entry::Is(Item::Folder(kept)));
                }
                folder = path::split(folder).0;
            }
            let file = match files.get(&own.path) {
                Some(Entry::Gone) => {
                    files.remove(&own.path);
                    continue;
                }
                Some(Entry::Is(Item::Folder(_))) => continue,
                Some(Entry::Is(Item::File(kept))) => {
                    let allocated = kept.allocated.max(own.file.allocated);
                    taken = taken.saturating_add(allocated - kept.allocated);
                    File { allocated, ..kept.clone() }
                }
                None => {
                    taken = taken.saturating_add(own.file.allocated);
                    own.file
                }
            };
            files.set(&own.path, Entry::Is(Item::File(file)));
        }
        datastore::reserve(call, &datastore, taken)?;
    }
    Ok(())
}

/// Forgets what was kept of a file that a machine has again.
pub(crate) fn give_to_machine(transaction: &mut Transaction, place: &Place) -> Result<(), Fault> {
    discard(transaction, &place.datastore, &place.path)
}

/// Removes what was kept for the files of a machine that is deleted, and its folder if nothing else is in it.
pub(crate) fn forget_machine<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?.clone();
    for datastore in machine.datastore() {
        let Some(view) = call.view::<Datastore>(&datastore) else { continue };
        let has_files = call.object(&datastore).and_then(|object| object.private::<Files>());
        if has_files.is_none_or(Files::is_empty) {
            continue;
        }
        let own = machine::files(moref, &machine, view);
        let files = call.private::<Files>(&datastore)?;
        let mut freed = 0;
        for own in &own {
            if let Some(Entry::Is(item)) = files.remove(&own.path) {
                freed += allocated(&item);
            }
        }
        for own in &own {
            let mut folder = path::split(&own.path).0;
            while !folder.is_empty() && files.get(folder).is_some() && files.below(folder).next().is_none() {
                files.remove(folder);
                folder = path::split(folder).0;
            }
        }
        datastore::reserve(call, &datastore, -freed)?;
    }
    Ok(())
}

/// The disks that a machine has now and had not before are its own, if they were files before: what they take of their
/// datastores is from now on counted with the machine.
pub(crate) fn adopt_disks(
    transaction: &mut Transaction,
    before: Option<&VirtualMachineConfigInfo>,
    after: &VirtualMachineConfigInfo,
) -> Result<(), Fault> {
    for (disk, file) in machine::disks(after) {
        let backing = disk.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>());
        let Some(datastore) = backing.and_then(|backing| backing.datastore()) else { continue };
        let kept = transaction.object(&datastore).and_then(|object| object.private::<Files>());
        let Some(kept) = kept.filter(|kept| !kept.is_empty()) else { continue };
        let Some(path) = file.split_once(']').map(|(_, path)| path.trim()) else { continue };
        if let Some(grown) = grown(kept, path, disk) {
            transaction.private::<Files>(&datastore)?.set(path, Entry::Is(Item::File(grown)));
        }
        if before.is_some_and(|before| machine::disks(before).any(|(_, known)| known == file)) {
            continue;
        }
        let kept = transaction.object(&datastore).and_then(|object| object.private::<Files>());
        let Some(kept) = kept else { continue };
        let Some(name) = transaction.view::<Datastore>(&datastore).map(|it| it.name().clone()) else { continue };
        let top = machine::describe(after, disk);
        // With the disks below, as far as they are the machine's.
        let mut chain = machine::parents(disk, &name, &top, false);
        chain.push((path.to_string(), top));
        let parts = chain.into_iter().flat_map(|(path, disk)| {
            let extent = path::join(path::split(&path).0, &disk.extent(path::split(&path).1));
            [path, extent]
        });
        let mut freed = 0;
        let found: Vec<(String, File)> = parts
            .filter_map(|path| match kept.get(&path) {
                Some(Entry::Is(Item::File(file))) => Some((path, file.clone())),
                _ => None,
            })
            .collect();
        for (path, mut file) in found {
            freed += std::mem::take(&mut file.allocated);
            transaction.private::<Files>(&datastore)?.set(&path, Entry::Is(Item::File(file)));
        }
        datastore::reserve_in(transaction, &datastore, -freed)?;
    }
    Ok(())
}

/// The file at this path is a machine's from now on, if it was one by itself: what it takes is counted with the machine.
pub(crate) fn adopt(transaction: &mut Transaction, datastore: &Moref, file: &str) -> Result<(), Fault> {
    let Some(path) = file.split_once(']').map(|(_, path)| path.trim()) else { return Ok(()) };
    let kept = transaction.object(datastore).and_then(|object| object.private::<Files>());
    let Some(Entry::Is(Item::File(file))) = kept.and_then(|kept| kept.get(path)).cloned() else { return Ok(()) };
    let freed = file.allocated;
    if freed == 0 {
        return Ok(());
    }
    transaction.private::<Files>(datastore)?.set(path, Entry::Is(Item::File(File { allocated: 0, ..file })));
    datastore::reserve_in(transaction, datastore, -freed)
}

/// The descriptor that is kept of a machine's disk, with the size that the disk has now, if it has another.
fn grown(kept: &Files, path: &str, disk: &VirtualDisk) -> Option<File> {
    let Some(Entry::Is(Item::File(file))) = kept.get(path) else { return None };
    let Content::Disk(known) = &file.content else { return None };
    let capacity = disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024));
    let is_other = capacity > 0 && capacity != known.capacity;
    is_other.then(|| File { content: Content::Disk(Arc::new(Disk { capacity, ..Disk::clone(known) })), ..file.clone() })
}

/// Settles what becomes of the disks that a machine had and has no more: those with these keys are deleted, the others are
/// from now on files like any.
pub(crate) fn release_disks(
    transaction: &mut Transaction,
    before: &VirtualMachineConfigInfo,
    after: &VirtualMachineConfigInfo,
    deleted: &[i32],
) -> Result<(), Fault> {
    for (disk, file) in machine::disks(before) {
        if machine::disks(after).any(|(known, name)| known.key() == disk.key() || name == file) {
            continue;
        }
        let backing = disk.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>());
        let Some(datastore) = backing.and_then(|backing| backing.datastore()) else { continue };
        let Some(path) = file.split_once(']').map(|(_, path)| path.trim()) else { continue };
        let described = machine::describe(before, disk);
        let extent = path::join(path::split(path).0, &described.extent(path::split(path).1));
        // What is below stays with the snapshots.
        let size = if described.parent.is_some() { 0 } else { described.capacity };
        let modified = before.modified();
        let is_deleted = deleted.contains(&disk.key());
        let files = transaction.private::<Files>(&datastore)?;
        if is_deleted {
            let gone = [files.remove(path), files.remove(&extent)];
            let freed: i64 =
                gone.iter().flatten().map(|entry| if let Entry::Is(item) = entry { allocated(item) } else { 0 }).sum();
            datastore::reserve_in(transaction, &datastore, -freed)?;
            continue;
        }
        let author = Author { name: vimsim_types::literal!("root"), now: modified };
        let owner = author.name.clone();
        let data = Blob::zeros(u64::try_from(size).unwrap_or_default());
        let parts = [(path.to_string(), Content::Disk(Arc::new(described)), 0), (extent, Content::Bytes(data), size)];
        make_all(transaction, &author, &datastore, path::split(path).0)?;
        for (path, content, allocated) in parts {
            let files = transaction.private::<Files>(&datastore)?;
            let (kept, before) = match files.get(&path) {
                Some(Entry::Is(Item::File(kept))) => (File { allocated, ..kept.clone() }, kept.allocated),
                _ => (File { content, modified, owner: owner.clone(), allocated }, 0),
            };
            files.set(&path, Entry::Is(Item::File(kept)));
            datastore::reserve_in(transaction, &datastore, allocated - before)?;
        }
    }
    Ok(())
}
