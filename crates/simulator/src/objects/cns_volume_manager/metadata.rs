//! What clusters of containers call their volumes.

use vimsim_types::method::CnsUpdateVolumeMetadata;
use vimsim_types::views::{
    CnsContainerCluster, CnsEntityMetadata, CnsKubernetesEntityMetadata, CnsVolumeMetadata, CnsVolumeOperationResult,
    KeyValue,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::{Manager, batch, disks, edit, expect_some, find};
use crate::call::Call;
use crate::first_class;

/// The keys under which the disk itself says what cluster it is for.
const CLUSTER: [&str; 4] = [
    "cns.containerCluster.clusterDistribution",
    "cns.containerCluster.clusterFlavor",
    "cns.containerCluster.clusterId",
    "cns.containerCluster.vSphereUser",
];

/// Writes into the metadata of a volume's disk what cluster it is for.
pub(super) fn write_to_disk(call: &mut Call<'_, Manager>, id: &str, metadata: &CnsVolumeMetadata) -> Result<(), Fault> {
    let cluster = metadata.container_cluster();
    let values = [
        cluster.cluster_distribution().cloned(),
        cluster.cluster_flavor().cloned(),
        Some(cluster.cluster_id().clone()),
        Some(cluster.v_sphere_user().clone()),
    ];
    let known = CLUSTER.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?)));
    let known: Vec<(&str, ArcStr)> = known.filter(|(_, value)| !value.is_empty()).collect();
    first_class::change::change(&mut disks(call)?, id, None, &mut |disk| {
        disk.metadata.retain(|(key, _)| !CLUSTER.contains(&key.as_str()));
        disk.metadata.extend(known.iter().map(|(key, value)| (ArcStr::from(*key), value.clone())));
        Ok(())
    })
    .map(|_| ())
}

/// Takes it out again, of a disk that is no volume any more.
pub(super) fn remove_from_disk(call: &mut Call<'_, Manager>, id: &str) -> Result<(), Fault> {
    first_class::change::change(&mut disks(call)?, id, None, &mut |disk| {
        disk.metadata.retain(|(key, _)| !CLUSTER.contains(&key.as_str()));
        Ok(())
    })
    .map(|_| ())
}

/// Changes what is known of volumes: entities are put beside those that are there, or in their place, or taken away. The
/// task's result is what became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as a fault of a volume, `NotFound`.
pub(super) fn update(call: &mut Call<'_, Manager>, request: CnsUpdateVolumeMetadata) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.update_specs().iter().cloned().collect();
        expect_some(specs.len(), "CnsUpdateVolumeMetadataSpec")?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let spec = &specs[at];
            let mut volume = find(&**call, spec.volume_id())?.clone();
            merge(&mut volume.metadata, spec.metadata());
            write_to_disk(call, spec.volume_id().id(), &volume.metadata)?;
            edit(call)?.0.insert_mut(spec.volume_id().id().clone(), volume);
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// What stands for an entity: it is replaced by another with the same.
fn key(entity: &CnsEntityMetadata) -> (ArcStr, Option<ArcStr>, Option<ArcStr>, Option<ArcStr>) {
    let own = entity.downcast::<CnsKubernetesEntityMetadata>();
    (
        entity.entity_name().clone(),
        entity.cluster_id().cloned(),
        own.map(|own| own.entity_type().clone()),
        own.and_then(|own| own.namespace()).cloned(),
    )
}

fn merge(known: &mut CnsVolumeMetadata, wanted: &CnsVolumeMetadata) {
    for entity in wanted.entity_metadata() {
        known.entity_metadata_mut().retain(|old| key(old) != key(entity));
        if entity.delete() != Some(true) {
            known.push_entity_metadata(entity.clone());
        }
    }
    let clusters = wanted.container_cluster_array().iter().chain([wanted.container_cluster()]);
    for cluster in clusters.filter(|cluster| !cluster.cluster_id().is_empty()) {
        if known.container_cluster().cluster_id() == cluster.cluster_id() {
            if cluster.delete() != Some(true) {
                known.set_container_cluster(cluster.clone());
            }
            continue;
        }
        known.container_cluster_array_mut().retain(|old| old.cluster_id() != cluster.cluster_id());
        if cluster.delete() != Some(true) {
            known.push_container_cluster_array(cluster.clone());
        }
    }
}

/// Whether a volume is for one of these clusters.
pub(super) fn is_for(metadata: &CnsVolumeMetadata, is_wanted: impl Fn(&str) -> bool) -> bool {
    let all = metadata.container_cluster_array().iter().chain([metadata.container_cluster()]);
    all.map(CnsContainerCluster::cluster_id).any(|id| is_wanted(id))
}

/// Whether an entity of a volume has one of these labels.
pub(super) fn has_label(metadata: &CnsVolumeMetadata, is_wanted: impl Fn(&KeyValue) -> bool) -> bool {
    metadata.entity_metadata().iter().flat_map(|entity| entity.labels()).any(is_wanted)
}
