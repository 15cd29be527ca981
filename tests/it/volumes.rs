//! Volumes of containers, as the drivers of container storage make, attach and snapshot them.

use vimsim::types::method::{
    CnsAttachVolume, CnsCreateSnapshots, CnsCreateVolume, CnsDeleteSnapshots, CnsDeleteVolume, CnsDetachVolume,
    CnsExtendVolume, CnsQueryAllVolume, CnsQuerySnapshots, CnsQueryVolume, CnsQueryVolumeInfo, CnsRelocateVolume,
    CnsUpdateVolumeMetadata,
};
use vimsim::types::views::{
    CnsAlreadyRegisteredFault, CnsBlockBackingDetails, CnsKubernetesEntityMetadata, CnsKubernetesQueryFilter,
    CnsQueryFilter, CnsQueryResult, CnsSnapshotCreateSpec, CnsSnapshotDeleteSpec, CnsSnapshotNotFoundFault,
    CnsSnapshotQuerySpec, CnsSnapshotVolumeSource, CnsVolumeAttachDetachSpec, CnsVolumeCreateSpec, CnsVolumeExtendSpec,
    CnsVolumeId, CnsVolumeManager, CnsVolumeMetadataUpdateSpec, CnsVolumeNotFoundFault, CnsVolumeOperationBatchResult,
    CnsVolumeOperationResult, CnsVolumeRelocateSpec, InvalidArgument, KeyValue, ManagedObjectNotFound, NotFound,
    ResourceInUse,
};
use vimsim::types::{MethodView, Moref, Value, View};
use vimsim::{Client, Config, Simulator};

use crate::inventory::found;
use crate::{check_fault, start};

fn manager() -> Moref {
    Moref::of::<CnsVolumeManager>("cns-volume-manager")
}

fn id(text: &str) -> CnsVolumeId {
    CnsVolumeId::with(|id| _ = id.set_id(text))
}

/// Runs an operation on one volume: what became of it.
async fn one<M: MethodView>(client: &Client, request: M) -> CnsVolumeOperationResult {
    let answer = client.run(&manager(), request).await.unwrap();
    let batch = CnsVolumeOperationBatchResult::from_ref(answer.object().unwrap()).unwrap().clone();
    assert_eq!(batch.volume_results().len(), 1);
    batch.volume_results().first().unwrap().clone()
}

#[track_caller]
fn failed<F: View>(result: &CnsVolumeOperationResult) {
    let fault = result.fault().expect("has failed").fault();
    assert!(fault.as_object().is::<F>(), "{:?}", fault.as_object().kind());
}

#[track_caller]
fn succeeded(result: &CnsVolumeOperationResult) {
    assert!(result.fault().is_none(), "{:?}", result.fault().map(|fault| fault.localized_message().cloned()));
}

fn spec(name: &str, datastore: Option<&Moref>, fill: impl FnOnce(&mut CnsBlockBackingDetails)) -> CnsVolumeCreateSpec {
    CnsVolumeCreateSpec::with(|spec| {
        spec.set_name(name).set_volume_type("BLOCK").set_datastores(datastore.cloned());
        let cluster = spec.metadata_mut().container_cluster_mut();
        cluster.set_cluster_type("KUBERNETES").set_cluster_id("c").set_v_sphere_user("u");
        spec.metadata_mut().push_entity_metadata(CnsKubernetesEntityMetadata::with(|entity| {
            entity.set_entity_type("PERSISTENT_VOLUME_CLAIM").set_namespace("ns");
            entity.set_entity_name(format!("claim-{name}"));
            entity.push_labels(KeyValue::with(|label| {
                label.set_key("app").set_value(name);
            }));
        }));
        spec.set_backing_object_details(CnsBlockBackingDetails::with(|details| {
            details.set_capacity_in_mb(10);
            fill(details);
        }));
    })
}

fn create(spec: CnsVolumeCreateSpec) -> CnsCreateVolume {
    CnsCreateVolume::with(|request| _ = request.set_create_specs([spec]))
}

async fn make(client: &Client, name: &str) -> String {
    let result = one(client, create(spec(name, None, |_| ()))).await;
    succeeded(&result);
    result.volume_id().unwrap().id().to_string()
}

async fn names(client: &Client, fill: impl FnOnce(&mut CnsQueryFilter)) -> Vec<String> {
    let mut filter = CnsQueryFilter::new();
    fill(&mut filter);
    let request = CnsQueryVolume::with(|request| _ = request.set_filter(filter));
    let answer = client.call(&manager(), request).await.unwrap();
    let answer = CnsQueryResult::from_ref(answer.object().unwrap()).unwrap().clone();
    let mut names: Vec<String> = answer.volumes().iter().filter_map(|it| it.name().map(|it| it.to_string())).collect();
    names.sort();
    names
}

#[tokio::test]
async fn volumes_are_found_by_what_is_known_of_them() {
    let (_simulator, client) = start().await;
    let first = make(&client, "a").await;
    make(&client, "b").await;
    assert_eq!(names(&client, |_| ()).await, ["a", "b"]);
    assert_eq!(names(&client, |filter| _ = filter.set_volume_ids([id(&first)])).await, ["a"]);
    assert_eq!(names(&client, |filter| _ = filter.set_names(["b"])).await, ["b"]);
    assert_eq!(names(&client, |filter| _ = filter.set_container_cluster_ids(["other"])).await, [""; 0]);
    let label = KeyValue::with(|label| {
        label.set_key("app").set_value("b");
    });
    assert_eq!(names(&client, |filter| _ = filter.set_labels([label])).await, ["b"]);
    assert_eq!(names(&client, |filter| _ = filter.set_health_status("red")).await, [""; 0]);
    let by_claim = |filter: &mut CnsQueryFilter| {
        let wanted = CnsKubernetesQueryFilter::with(|filter| {
            filter.set_pvc_names(["claim-a"]).set_namespaces(["ns"]);
        });
        *filter = CnsQueryFilter::from_object(wanted.into()).unwrap();
    };
    assert_eq!(names(&client, by_claim).await, ["a"]);
    let page = |filter: &mut CnsQueryFilter| {
        filter.cursor_mut().set_offset(1).set_limit(1);
    };
    assert_eq!(names(&client, page).await.len(), 1);
    let all = CnsQueryAllVolume::with(|request| {
        request.set_filter(CnsQueryFilter::new()).selection_mut().set_names(["VOLUME_NAME"]);
    });
    let all = client.call(&manager(), all).await.unwrap();
    let all = CnsQueryResult::from_ref(all.object().unwrap()).unwrap().clone();
    assert!(all.volumes().iter().all(|volume| volume.name().is_some() && volume.volume_type().is_none()));
    let info = CnsQueryVolumeInfo::with(|request| _ = request.set_volumes([id(&first)]));
    let info = one(&client, info).await;
    let object =
        info.as_object().field("volumeInfo").object().unwrap().field("vStorageObject").object().unwrap().clone();
    assert_eq!(object.field("config").object().unwrap().field("name").text(), Some("a"));
}

#[tokio::test]
async fn a_volume_is_made_of_a_disk_or_a_snapshot() {
    let (_simulator, client) = start().await;
    let volume = make(&client, "v").await;
    let of_disk = create(spec("again", None, |details| _ = details.set_backing_disk_id(&volume)));
    failed::<CnsAlreadyRegisteredFault>(&one(&client, of_disk).await);
    let unknown = create(spec("x", None, |details| _ = details.set_backing_disk_id("none")));
    check_fault::<InvalidArgument>(client.run(&manager(), unknown).await);
    let none = CnsCreateVolume::new();
    check_fault::<InvalidArgument>(client.run(&manager(), none).await);
    let keep = |is_deleted: bool| {
        CnsDeleteVolume::with(|request| {
            request.set_volume_ids([id(&volume)]).set_delete_disk(is_deleted);
        })
    };
    succeeded(&one(&client, keep(false)).await);
    failed::<NotFound>(&one(&client, keep(false)).await);
    let of_disk = create(spec("again", None, |details| _ = details.set_backing_disk_id(&volume)));
    succeeded(&one(&client, of_disk).await);
    let snap = |text: &str| {
        CnsCreateSnapshots::with(|request| {
            request.push_snapshot_specs(CnsSnapshotCreateSpec::with(|spec| {
                spec.set_volume_id(id(text)).set_description("s");
            }));
        })
    };
    failed::<CnsVolumeNotFoundFault>(&one(&client, snap("none")).await);
    let made = one(&client, snap(&volume)).await;
    succeeded(&made);
    let snapshot = made.as_object().field("snapshot").object().unwrap().field("snapshotId").clone();
    let snapshot = snapshot.object().unwrap().field("id").text().unwrap().to_owned();
    let mut wanted = spec("copy", None, |_| ());
    wanted.set_volume_source(CnsSnapshotVolumeSource::with(|source| {
        source.set_volume_id(id(&volume)).snapshot_id_mut().set_id(&snapshot);
    }));
    succeeded(&one(&client, create(wanted)).await);
    let entries = async |volume: &str| {
        let request = CnsQuerySnapshots::with(|request| {
            let filter = request.snapshot_query_filter_mut();
            filter.push_snapshot_query_specs(CnsSnapshotQuerySpec::with(|spec| _ = spec.set_volume_id(id(volume))));
        });
        client.run(&manager(), request).await.unwrap().object().unwrap().field("entries").items().to_vec()
    };
    assert_eq!(entries(&volume).await.len(), 1);
    assert!(!entries("none").await[0].object().unwrap().field("error").is_unset());
    let delete = CnsDeleteSnapshots::with(|request| {
        request.push_snapshot_delete_specs(CnsSnapshotDeleteSpec::with(|spec| {
            spec.set_volume_id(id(&volume)).snapshot_id_mut().set_id(&snapshot);
        }));
    });
    succeeded(&one(&client, delete.clone()).await);
    failed::<CnsSnapshotNotFoundFault>(&one(&client, delete).await);
}

#[tokio::test]
async fn a_volume_is_a_disk_of_its_machine() {
    let (_simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let volume = make(&client, "v").await;
    let at = |volume: &str, machine: &Moref| {
        CnsVolumeAttachDetachSpec::with(|spec| {
            spec.set_volume_id(id(volume)).set_vm(machine.clone());
        })
    };
    let attach = |volume: &str, machine: &Moref| {
        CnsAttachVolume::with(|request| _ = request.set_attach_specs([at(volume, machine)]))
    };
    let attached = one(&client, attach(&volume, &machine)).await;
    let uuid = attached.as_object().field("diskUUID").text().unwrap().to_owned();
    let devices = client.property(&machine, "config.hardware.device").await.unwrap();
    let backing = devices.items().iter().find_map(|device| {
        let device = device.object()?;
        device.field("vDiskId").object()?;
        Some(device.field("backing").object()?.field("uuid").text()?.replace('-', ""))
    });
    assert_eq!(backing, Some(uuid));
    failed::<ResourceInUse>(&one(&client, attach(&volume, &machine)).await);
    failed::<NotFound>(&one(&client, attach("none", &machine)).await);
    let nobody = Moref::of::<vimsim::types::views::VirtualMachine>("vm-0");
    check_fault::<ManagedObjectNotFound>(client.run(&manager(), attach(&volume, &nobody)).await);
    let delete = CnsDeleteVolume::with(|request| {
        request.set_volume_ids([id(&volume)]).set_delete_disk(true);
    });
    failed::<ResourceInUse>(&one(&client, delete.clone()).await);
    let extend = CnsExtendVolume::with(|request| {
        request.push_extend_specs(CnsVolumeExtendSpec::with(|spec| {
            spec.set_volume_id(id(&volume)).set_capacity_in_mb(20);
        }));
    });
    succeeded(&one(&client, extend).await);
    let detach = CnsDetachVolume::with(|request| _ = request.set_detach_specs([at(&volume, &machine)]));
    succeeded(&one(&client, detach.clone()).await);
    failed::<NotFound>(&one(&client, detach).await);
    succeeded(&one(&client, delete).await);
    assert_eq!(names(&client, |_| ()).await, [""; 0]);
}

#[tokio::test]
async fn entities_of_a_volume_come_and_go() {
    let mut config = Config::default();
    config.model.datastore = 2;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let (store, other) =
        (found(&client, "DC0/datastore/LocalDS_0").await, found(&client, "DC0/datastore/LocalDS_1").await);
    let made = one(&client, create(spec("v", Some(&store), |_| ()))).await;
    let volume = made.volume_id().unwrap().id().to_string();
    let update = |kind: &str, name: &str, is_gone: bool| {
        CnsUpdateVolumeMetadata::with(|request| {
            request.push_update_specs(CnsVolumeMetadataUpdateSpec::with(|spec| {
                spec.set_volume_id(id(&volume));
                spec.metadata_mut().container_cluster_mut().set_cluster_type("KUBERNETES").set_cluster_id("c");
                spec.metadata_mut().container_cluster_mut().set_v_sphere_user("u");
                spec.metadata_mut().push_entity_metadata(CnsKubernetesEntityMetadata::with(|entity| {
                    entity.set_entity_type(kind).set_namespace("ns");
                    entity.set_entity_name(name).set_delete(is_gone);
                }));
            }));
        })
    };
    let pods = async || {
        let by_pod = |filter: &mut CnsQueryFilter| {
            let wanted = CnsKubernetesQueryFilter::with(|filter| _ = filter.set_pod_names(["p"]));
            *filter = CnsQueryFilter::from_object(wanted.into()).unwrap();
        };
        names(&client, by_pod).await.len()
    };
    succeeded(&one(&client, update("POD", "p", false)).await);
    assert_eq!(pods().await, 1);
    succeeded(&one(&client, update("POD", "p", true)).await);
    assert_eq!(pods().await, 0);
    let relocate = CnsRelocateVolume::with(|request| {
        request.push_relocate_specs(CnsVolumeRelocateSpec::with(|spec| {
            spec.set_volume_id(id(&volume)).set_datastore(other.clone());
        }));
    });
    succeeded(&one(&client, relocate.clone()).await);
    assert!(one(&client, relocate).await.fault().is_some());
    assert_eq!(names(&client, |filter| _ = filter.set_datastores([other])).await, ["v"]);
    let nothing: Value = client.run(&manager(), CnsUpdateVolumeMetadata::new()).await.unwrap_or_default();
    assert!(nothing.is_unset());
}
