//! Tags on first class disks. They are the tags that the Automation API keeps, by name.

use vimsim_registry::Transaction;
use vimsim_types::views::VslmTagEntry;
use vimsim_types::{ArcStr, Fault, View};

use super::id_of;
use crate::automation;
use crate::tagging::TaggedObject;

/// A disk as something that tags hang on.
fn tagged(id: &str) -> TaggedObject {
    TaggedObject { kind: "fcd".into(), id: id.into() }
}

/// Hangs a tag on a disk.
///
/// - `NotFound` if there is no such tag; `InvalidArgument` if it is none for disks.
pub(crate) fn attach(transaction: &mut Transaction, id: &str, category: &str, tag: &str) -> Result<(), Fault> {
    let tags = &mut automation::edit(transaction)?.tags;
    let found = tags.find(category, tag)?;
    tags.hang(&found, &tagged(id), true)
}

/// Takes a tag off a disk.
///
/// - `NotFound` if there is no such tag.
pub(crate) fn detach(transaction: &mut Transaction, id: &str, category: &str, tag: &str) -> Result<(), Fault> {
    let tags = &mut automation::edit(transaction)?.tags;
    let found = tags.find(category, tag)?;
    tags.unhang(&found, &tagged(id));
    Ok(())
}

/// Takes all tags off a disk that is no more.
pub(super) fn forget(transaction: &mut Transaction, id: &str) -> Result<(), Fault> {
    let object = tagged(id);
    let has = |transaction: &Transaction| -> Vec<ArcStr> {
        let kept = transaction.object(&crate::objects::service_instance::moref());
        let kept = kept.and_then(|object| object.private::<automation::Automation>());
        kept.map(|kept| kept.tags.of(&object)).unwrap_or_default()
    };
    for tag in has(transaction) {
        automation::edit(transaction)?.tags.unhang(&tag, &object);
    }
    Ok(())
}

/// The identifiers of the disks that a tag hangs on.
///
/// - `NotFound` if there is no such tag.
pub(crate) fn disks(
    snapshot: &vimsim_registry::Snapshot,
    category: &str,
    tag: &str,
) -> Result<Vec<vimsim_types::views::ID>, Fault> {
    let Some(kept) = automation::of(snapshot) else { return Err(super::unknown(tag)) };
    let objects = kept.tags.hangs_on(&kept.tags.find(category, tag)?);
    Ok(objects.into_iter().filter(|object| object.kind == "fcd").map(|object| id_of(&object.id)).collect())
}

/// The tags of a disk.
pub(crate) fn list(snapshot: &vimsim_registry::Snapshot, id: &str) -> Vec<VslmTagEntry> {
    let Some(kept) = automation::of(snapshot) else { return Vec::new() };
    let names = kept.tags.of(&tagged(id)).into_iter().filter_map(|tag| kept.tags.names(&tag));
    let entry = |(category, tag): (ArcStr, ArcStr)| {
        VslmTagEntry::with(|entry| {
            entry.set_parent_category_name(category).set_tag_name(tag);
        })
    };
    names.map(entry).collect()
}
