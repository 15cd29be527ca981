//! Finding volumes.

use vimsim_types::method::{CnsQueryAllVolume, CnsQueryAsync, CnsQueryVolume, CnsQueryVolumeInfo};
use vimsim_types::views::{
    CnsAsyncQueryResult, CnsBlockBackingDetails, CnsBlockVolumeInfo, CnsCursor, CnsKubernetesEntityMetadata,
    CnsKubernetesQueryFilter, CnsQueryFilter, CnsQueryResult, CnsQuerySelection, CnsQueryVolumeInfoResult, CnsVolume,
    CnsVolumeInfo, CnsVolumeOperationBatchResult, CnsVolumeOperationResult, Datastore,
};
use vimsim_types::{Fault, Moref, View};

use super::{Manager, Volume, batch, find, metadata, volume_id, volumes};
use crate::call::{Call, Look};
use crate::first_class::{self, FirstClassDisk, MEGABYTE};
use crate::walk::Inventory;

/// How many volumes are answered at most where the client does not say.
const PAGE: i64 = 100;

const COMPLIANT: &str = "compliant";
// Fidelity: vcsim says `green` of both; vCenter has words of its own for what can be reached.
const ACCESSIBLE: &str = "accessible";
const GREEN: &str = "green";

/// The volumes that the filter lets through, a page at a time.
///
/// - `InvalidArgument` for a cursor before the first volume, or one of less than no volumes.
pub(super) fn query_volume(look: &Look<'_, Manager>, request: CnsQueryVolume) -> Result<CnsQueryResult, Fault> {
    page(look.snapshot(), request.filter(), request.selection())
}

/// [`query_volume`], of all volumes at once.
pub(super) fn query_all_volume(look: &Look<'_, Manager>, request: CnsQueryAllVolume) -> Result<CnsQueryResult, Fault> {
    let mut filter = request.filter().clone();
    filter.set_cursor(CnsCursor::with(|cursor| {
        cursor.set_offset(0).set_limit(i64::MAX);
    }));
    page(look.snapshot(), &filter, Some(request.selection()))
}

/// [`query_volume`], as a task.
///
/// - As a fault of the task, `InvalidArgument` for a cursor that cannot be.
pub(super) fn query_async(call: &mut Call<'_, Manager>, request: CnsQueryAsync) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let found = page(&**call, request.filter(), request.selection())?;
        let result = CnsAsyncQueryResult::with(|result| _ = result.set_query_result(found));
        let result = CnsVolumeOperationResult::from_object_unchecked(result.into());
        Ok(CnsVolumeOperationBatchResult::with(|batch| _ = batch.set_volume_results([result])))
    })
}

/// The disks of volumes; the task's result is what was found of each.
///
/// - As a fault of a volume, `NotFound`.
pub(super) fn query_volume_info(call: &mut Call<'_, Manager>, request: CnsQueryVolumeInfo) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let ids: Vec<_> = request.volumes().iter().cloned().collect();
        let named = ids.iter().cloned().map(Some).collect();
        Ok(batch(call, named, &mut |call, at| {
            find(&**call, &ids[at])?;
            let disk = first_class::describe(&**call, first_class::find(&**call, ids[at].id(), None)?)?;
            let info = CnsBlockVolumeInfo::with(|info| _ = info.set_v_storage_object(disk));
            let info = CnsVolumeInfo::from_object_unchecked(info.into());
            let result = CnsQueryVolumeInfoResult::with(|result| _ = result.set_volume_info(info));
            Ok(CnsVolumeOperationResult::from_object_unchecked(result.into()))
        }))
    })
}

/// What a cursor asks for: the first, and how many.
///
/// - `InvalidArgument` for one that cannot be.
pub(super) fn window(cursor: Option<&CnsCursor>, property: &str) -> Result<(i64, i64), Fault> {
    let (offset, limit) = cursor.map_or((0, PAGE), |cursor| (cursor.offset(), cursor.limit()));
    if offset < 0 || limit < 0 {
        return Err(Fault::invalid_argument(property, "offset and limit must not be negative"));
    }
    Ok((offset, limit))
}

/// The cursor that leads on: behind what was answered.
pub(super) fn next(offset: i64, limit: i64, answered: usize, total: usize) -> CnsCursor {
    let as_number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    CnsCursor::with(|cursor| {
        cursor.set_offset(offset.saturating_add(as_number(answered))).set_limit(limit);
        cursor.set_total_records(as_number(total));
    })
}

fn page(
    inventory: &impl Inventory,
    filter: &CnsQueryFilter,
    selection: Option<&CnsQuerySelection>,
) -> Result<CnsQueryResult, Fault> {
    let (offset, limit) = window(filter.cursor(), "filter.cursor")?;
    let all = volumes(inventory).into_iter().flat_map(|volumes| volumes.0.iter());
    let known = all.filter_map(|(id, volume)| Some((volume, first_class::find(inventory, id, None).ok()?)));
    let found: Vec<_> = known.filter(|(volume, disk)| is_wanted(filter, volume, disk)).collect();
    let first = usize::try_from(offset).unwrap_or(usize::MAX);
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let answered = found.iter().skip(first).take(most);
    let answered: Vec<CnsVolume> =
        answered.map(|(volume, disk)| describe(inventory, volume, disk, selection)).collect();
    Ok(CnsQueryResult::with(|result| {
        result.set_cursor(next(offset, limit, answered.len(), found.len()));
        result.set_volumes(answered);
    }))
}

/// Whether an optional text is nothing, or this.
fn is_none_or(wanted: Option<&vimsim_types::ArcStr>, is: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.is_empty() || wanted == is)
}

fn is_wanted(filter: &CnsQueryFilter, volume: &Volume, disk: &FirstClassDisk) -> bool {
    let ids = filter.volume_ids();
    let clusters = filter.container_cluster_ids();
    let labels = filter.labels();
    let has_label = |label: &vimsim_types::views::KeyValue| {
        labels.iter().any(|wanted| wanted.key() == label.key() && wanted.value() == label.value())
    };
    (ids.is_empty() || ids.iter().any(|id| *id.id() == disk.id))
        && (filter.names().is_empty() || filter.names().contains(&volume.name))
        && (filter.datastores().is_empty() || filter.datastores().contains(&disk.datastore))
        && (clusters.is_empty() || metadata::is_for(&volume.metadata, |id| clusters.contains(id)))
        && (labels.is_empty() || metadata::has_label(&volume.metadata, has_label))
        && is_none_or(filter.storage_policy_id(), disk.profile.as_ref().map_or("", |profile| profile))
        && is_none_or(filter.compliance_status(), COMPLIANT)
        && is_none_or(filter.datastore_accessibility_status(), ACCESSIBLE)
        && is_none_or(filter.health_status(), GREEN)
        && filter.downcast::<CnsKubernetesQueryFilter>().is_none_or(|filter| is_named(filter, volume))
}

/// Whether Kubernetes calls a volume so.
fn is_named(filter: &CnsKubernetesQueryFilter, volume: &Volume) -> bool {
    let entities = || {
        let all = volume.metadata.entity_metadata().iter();
        all.filter_map(|entity| entity.downcast::<CnsKubernetesEntityMetadata>())
    };
    let names = [
        ("POD", filter.pod_names()),
        ("PERSISTENT_VOLUME_CLAIM", filter.pvc_names()),
        ("PERSISTENT_VOLUME", filter.pv_names()),
    ];
    let namespaces = filter.namespaces();
    let is_in = |entity: &CnsKubernetesEntityMetadata| entity.namespace().is_some_and(|own| namespaces.contains(own));
    (namespaces.is_empty() || entities().any(is_in))
        && names.into_iter().all(|(kind, names)| {
            names.is_empty()
                || entities().any(|entity| entity.entity_type() == kind && names.contains(entity.entity_name()))
        })
}

/// What clients see of a volume, or what they have selected of it.
fn describe(
    inventory: &impl Inventory,
    volume: &Volume,
    disk: &FirstClassDisk,
    selection: Option<&CnsQuerySelection>,
) -> CnsVolume {
    let names = selection.map(|selection| selection.names()).filter(|names| !names.is_empty());
    let wants = |name: &str| names.is_none_or(|names| names.contains(name));
    let stored = first_class::stored(inventory, disk);
    CnsVolume::with(|it| {
        it.set_volume_id(volume_id(&disk.id));
        if wants("VOLUME_NAME") {
            it.set_name(&volume.name);
        }
        if wants("VOLUME_TYPE") {
            it.set_volume_type(&volume.kind);
        }
        if wants("DATASTORE_URL") {
            let url = inventory.seen::<Datastore>(&disk.datastore).map(|store| store.summary().url().clone());
            it.set_datastore_url(url);
        }
        if wants("POLICY_ID") {
            it.set_storage_policy_id(disk.profile.as_ref());
        }
        if wants("COMPLIANCE_STATUS") {
            it.set_compliance_status(COMPLIANT);
        }
        if wants("DATASTORE_ACCESSIBILITY_STATUS") {
            it.set_datastore_accessibility_status(if stored.is_ok() { ACCESSIBLE } else { "notAccessible" });
        }
        if wants("HEALTH_STATUS") {
            it.set_health_status(if stored.is_ok() { GREEN } else { "red" });
        }
        if names.is_none() {
            it.set_metadata(volume.metadata.clone());
        }
        if let (true, Ok((place, file))) = (wants("BACKING_OBJECT_DETAILS"), &stored) {
            it.set_backing_object_details(CnsBlockBackingDetails::with(|details| {
                details.set_backing_disk_id(&disk.id).set_backing_disk_path(&place.text);
                let used = if file.is_thin() { 0 } else { file.capacity };
                details.set_used_capacity_in_mb(used / MEGABYTE);
                details.set_capacity_in_mb(file.capacity / MEGABYTE);
            }));
        }
    })
}
