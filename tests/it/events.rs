//! Events: that each operation tells of itself, what it says, and what failures leave behind.

use vimsim::Client;
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{List, Moref, Value, View};

use crate::{check_fault, create, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

async fn events(client: &Client, of: Option<&Moref>) -> Vec<Event> {
    let request = QueryEvents::with(|request| {
        let filter = request.filter_mut();
        if let Some(entity) = of {
            filter.set_entity(EventFilterSpecByEntity::with(|by| {
                by.set_entity(entity.clone());
                by.set_recursion(vimsim::types::enums::EventFilterSpecRecursionOption::Self_);
            }));
        }
    });
    let manager = Moref::of::<EventManager>("EventManager");
    let list: List = match client.call(&manager, request).await.unwrap() {
        Value::List(list) => list,
        _ => return Vec::new(),
    };
    list.items().iter().filter_map(|item| Event::from_object(item.object()?.clone())).collect()
}

fn last(events: &[Event], count: usize) -> Vec<&'static str> {
    events[events.len() - count..].iter().map(|event| event.as_object().kind().name()).collect()
}

/// The newest event of a type, and what it says.
fn newest<V: View + Clone>(events: &[Event]) -> (V, String) {
    let found = events.iter().rev().find_map(|event| Some((event.downcast::<V>()?.clone(), event)));
    let (event, base) = found.unwrap_or_else(|| panic!("no {:?}", V::TYPE));
    (event, base.full_formatted_message().map(ToString::to_string).unwrap_or_default())
}

async fn reference(client: &Client, moref: &Moref, path: &str) -> Moref {
    client.property(moref, path).await.unwrap().moref().unwrap()
}

async fn clone_to(
    client: &Client,
    source: &Moref,
    name: &str,
    fill: impl FnOnce(&mut VirtualMachineCloneSpec),
) -> Result<Value, vimsim::Error> {
    let folder = reference(client, &machine(), "parent").await;
    let request = CloneVMTask::with(|request| {
        request.set_folder(folder).set_name(name);
        let spec = request.spec_mut();
        spec.set_power_on(false).set_template(false);
        spec.location_mut();
        fill(spec);
    });
    client.run(source, request).await
}

#[tokio::test]
async fn a_machine_that_does_not_start_says_why() {
    let (_simulator, client) = start().await;
    check_fault::<InvalidPowerState>(client.run(&machine(), PowerOnVMTask::new()).await);
    let events = events(&client, Some(&machine())).await;
    assert_eq!(last(&events, 1), ["VmFailedToPowerOnEvent"]);
    let (event, text) = newest::<VmFailedToPowerOnEvent>(&events);
    assert!(event.reason().fault().as_object().is::<InvalidPowerState>());
    assert!(text.starts_with("Cannot power On DC0_H0_VM0 on DC0_H0 in DC0: ") && !text.ends_with(": "), "{text}");
}

#[tokio::test]
async fn a_suspended_machine_resumes() {
    let (_simulator, client) = start().await;
    client.run(&machine(), SuspendVMTask::new()).await.unwrap();
    client.run(&machine(), PowerOnVMTask::new()).await.unwrap();
    assert_eq!(last(&events(&client, Some(&machine())).await, 2), ["VmResumingEvent", "VmPoweredOnEvent"]);
}

#[tokio::test]
async fn a_template_is_deployed_and_not_cloned() {
    let (_simulator, client) = start().await;
    let pool = reference(&client, &machine(), "resourcePool").await;
    clone_to(&client, &machine(), "form", |spec| _ = spec.set_template(true)).await.unwrap();
    let made = events(&client, None).await;
    let (cloned, _) = newest::<VmClonedEvent>(&made);
    assert_eq!(cloned.source_vm().vm(), machine());
    let form = made.iter().rev().find_map(|event| event.downcast::<VmClonedEvent>()?.vm()).unwrap().vm();
    let copy = clone_to(&client, &form, "copy", |spec| _ = spec.location_mut().set_pool(pool)).await;
    let copy = copy.unwrap().moref().unwrap();
    let events = events(&client, Some(&copy)).await;
    let told = last(&events, events.len());
    assert!(told.contains(&"VmBeingDeployedEvent") && !told.contains(&"VmClonedEvent"), "{told:?}");
    assert_eq!(last(&events, 1), ["VmDeployedEvent"]);
    assert_eq!(newest::<VmDeployedEvent>(&events).0.src_template().vm(), form);
    let (_, text) = newest::<VmBeingDeployedEvent>(&events);
    assert_eq!(text, "Deploying copy on host DC0_H0 in DC0 from template form");
}

#[tokio::test]
async fn a_copy_that_fails_is_told_of() {
    let (_simulator, client) = start().await;
    let too_large = |spec: &mut VirtualMachineCloneSpec| {
        let disk = VirtualDisk::with(|disk| {
            disk.set_capacity_in_kb(1 << 50).set_key(-1).set_controller_key(202).set_unit_number(1);
            disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_thin_provisioned(false).set_file_name("");
            }));
        });
        spec.config_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(vimsim::types::enums::VirtualDeviceConfigSpecOperation::Add);
            change.set_file_operation(vimsim::types::enums::VirtualDeviceConfigSpecFileOperation::Create);
            change.set_device(disk);
        }));
    };
    clone_to(&client, &machine(), "large", too_large).await.expect_err("there is no room for it");
    let events = events(&client, Some(&machine())).await;
    assert_eq!(last(&events, 2), ["VmBeingClonedEvent", "VmCloneFailedEvent"]);
    let (event, text) = newest::<VmCloneFailedEvent>(&events);
    assert_eq!((event.dest_name().as_str(), event.dest_host().name().as_str()), ("large", "DC0_H0"));
    assert_eq!(text, "Failed to clone DC0_H0_VM0 on DC0_H0, LocalDS_0 in DC0 to large on DC0_H0");
}

#[tokio::test]
async fn reverting_tells_of_the_power_and_of_the_snapshot() {
    let (_simulator, client) = start().await;
    let request = CreateSnapshotTask::with(|it| _ = it.set_name("before").set_memory(false).set_quiesce(false));
    let snapshot = client.run(&machine(), request).await.unwrap().moref().unwrap();
    client.run(&snapshot, RevertToSnapshotTask::new()).await.unwrap();
    let events = events(&client, Some(&machine())).await;
    assert_eq!(last(&events, 2), ["VmPoweredOffEvent", "EventEx"]);
    let (event, text) = newest::<EventEx>(&events);
    assert_eq!(event.event_type_id(), "com.vmware.vc.vm.VmStateRevertedToSnapshot");
    assert!(text.contains("DC0_H0_VM0 on host DC0_H0") && text.contains("snapshot before, with ID 1"), "{text}");
}

#[tokio::test]
async fn new_identifiers_are_told_of() {
    let (_simulator, client) = start().await;
    client.run(&machine(), PowerOffVMTask::new()).await.unwrap();
    let (uuid, instance) = ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b");
    let request = ReconfigVMTask::with(|request| _ = request.spec_mut().set_uuid(uuid).set_instance_uuid(instance));
    client.run(&machine(), request).await.unwrap();
    let events = events(&client, Some(&machine())).await;
    let (changed, _) = newest::<VmUuidChangedEvent>(&events);
    assert!(changed.new_uuid() == uuid && changed.old_uuid() != uuid);
    assert_eq!(newest::<VmInstanceUuidChangedEvent>(&events).0.new_instance_uuid(), instance);
}

#[tokio::test]
async fn pools_and_moves_are_told_of_without_holes() {
    let (_simulator, client) = start().await;
    let pool = reference(&client, &machine(), "resourcePool").await;
    let request = CreateResourcePool::with(|request| {
        request.set_name("inner");
        let allocation = ResourceAllocationInfo::with(|allocation| {
            allocation.set_reservation(0).set_limit(-1).set_expandable_reservation(true);
            allocation.shares_mut().set_level(vimsim::types::enums::SharesLevel::Normal);
        });
        request.spec_mut().set_cpu_allocation(allocation.clone()).set_memory_allocation(allocation);
    });
    let inner = create(&client, &pool, request).await;
    client.call(&inner, UpdateConfig::with(|request| _ = request.set_name("other"))).await.unwrap();
    client.run(&inner, DestroyTask::new()).await.unwrap();
    let told = events(&client, None).await;
    let (created, text) = newest::<ResourcePoolCreatedEvent>(&told);
    assert_eq!(
        (created.resource_pool().resource_pool(), text.as_str()),
        (inner.clone(), "Created resource pool inner in compute-resource DC0_H0 in DC0")
    );
    let (_, text) = newest::<ResourcePoolReconfiguredEvent>(&told);
    assert_eq!(text, "Updated configuration for other in compute-resource DC0_H0 in DC0");
    let (_, text) = newest::<ResourcePoolDestroyedEvent>(&told);
    assert_eq!(text, "Removed resource pool other on DC0_H0 in DC0");
    let clustered = Moref::of::<VirtualMachine>("vm-68");
    client.run(&clustered, PowerOffVMTask::new()).await.unwrap();
    let pool = reference(&client, &clustered, "resourcePool").await;
    let request = RelocateVMTask::with(|request| _ = request.spec_mut().set_pool(pool.clone()));
    client.run(&machine(), request).await.unwrap();
    let (_, text) = newest::<VmBeingHotMigratedEvent>(&events(&client, Some(&machine())).await);
    assert!(text.starts_with("Migrating DC0_H0_VM0 from DC0_H0, LocalDS_0 in DC0 to DC0_C0_H"), "{text}");
}
