//! Changes of a machine's devices: what one specification can do, what stays, and what is refused.

use vimsim::Client;
use vimsim::types::enums::{
    EventFilterSpecRecursionOption, VirtualDeviceConfigSpecFileOperation as FileOperation,
    VirtualDeviceConfigSpecOperation as Operation, VirtualMachineRelocateDiskMoveOptions as DiskMove,
    VirtualSCSISharing,
};
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{EnumView, MethodView, Moref, Value, View};

use crate::{check_fault, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

async fn run<M: MethodView>(client: &Client, this: &Moref, request: M) -> Value {
    client.run(this, request).await.unwrap()
}

/// The machine, switched off.
async fn off(client: &Client) -> Moref {
    run(client, &machine(), PowerOffVMTask::new()).await;
    machine()
}

async fn config(client: &Client, moref: &Moref) -> VirtualMachineConfigInfo {
    let value = client.property(moref, "config").await.unwrap();
    VirtualMachineConfigInfo::from_object(value.object().expect("set").clone()).expect("a configuration")
}

/// The devices of a type.
async fn devices<V: View>(client: &Client, moref: &Moref) -> Vec<V> {
    let config = config(client, moref).await;
    config.hardware().device().iter().filter_map(|device| device.downcast::<V>()).cloned().collect()
}

async fn last_disk(client: &Client, moref: &Moref) -> VirtualDisk {
    devices::<VirtualDisk>(client, moref).await.pop().expect("a disk")
}

fn flat(disk: &VirtualDisk) -> VirtualDiskFlatVer2BackingInfo {
    disk.backing().and_then(|backing| backing.downcast()).cloned().expect("a flat disk")
}

fn change(operation: Operation, device: impl View) -> VirtualDeviceConfigSpec {
    VirtualDeviceConfigSpec::with(|spec| {
        let device = VirtualDevice::from_object(device.into()).expect("a device");
        spec.set_operation(operation).set_device(device);
    })
}

fn reconfigure(changes: impl IntoIterator<Item = VirtualDeviceConfigSpec>) -> ReconfigVMTask {
    ReconfigVMTask::with(|request| _ = request.spec_mut().set_device_change(changes))
}

fn disk(controller: i32, unit: i32, fill: impl FnOnce(&mut VirtualDiskFlatVer2BackingInfo)) -> VirtualDisk {
    VirtualDisk::with(|disk| {
        disk.set_key(-100 - unit).set_controller_key(controller).set_unit_number(unit);
        disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
            backing.set_disk_mode("persistent").set_file_name("");
            fill(backing);
        }));
    })
}

fn new_disk(controller: i32, unit: i32) -> VirtualDeviceConfigSpec {
    let mut disk = disk(controller, unit, |backing| _ = backing.set_thin_provisioned(true));
    disk.set_capacity_in_kb(1024);
    let mut spec = change(Operation::Add, disk);
    spec.set_file_operation(FileOperation::Create);
    spec
}

fn controller<V: View>(key: i32, bus: i32) -> VirtualDeviceConfigSpec {
    let mut device = VirtualDevice::from_object(V::new().into()).expect("a device");
    device.set_key(key);
    let controller = device.downcast_mut::<VirtualSCSIController>().expect("a controller");
    controller.set_shared_bus(VirtualSCSISharing::NoSharing).set_bus_number(bus);
    change(Operation::Add, device)
}

/// A switched off machine with disks at the units 0 and 1 of the controller 1001, and that controller.
async fn with_disks(client: &Client) -> (Moref, VirtualLsiLogicController, Vec<VirtualDisk>) {
    let moref = off(client).await;
    let add = [controller::<VirtualLsiLogicController>(-1, 1), new_disk(-1, 0), new_disk(-1, 1)];
    run(client, &moref, reconfigure(add)).await;
    let controller = devices::<VirtualLsiLogicController>(client, &moref).await.pop().expect("the controller");
    assert_eq!(controller.key(), 1001);
    let disks: Vec<VirtualDisk> = devices(client, &moref).await;
    let disks: Vec<VirtualDisk> = disks.into_iter().filter(|disk| disk.controller_key() == Some(1001)).collect();
    assert_eq!(disks.len(), 2);
    (moref, controller, disks)
}

fn moved(disks: &[VirtualDisk], to: i32) -> Vec<VirtualDeviceConfigSpec> {
    let edit = |disk: &VirtualDisk| {
        let mut disk = disk.clone();
        disk.set_controller_key(to);
        change(Operation::Edit, disk)
    };
    disks.iter().map(edit).collect()
}

#[tokio::test]
async fn one_specification_puts_a_controller_of_another_type_in_the_place_of_one_with_disks() {
    for is_first in [true, false] {
        let (_simulator, client) = start().await;
        let (moref, old, disks) = with_disks(&client).await;
        let remove = change(Operation::Remove, old);
        let mut changes = vec![controller::<ParaVirtualSCSIController>(-200, 1)];
        changes.extend(moved(&disks, -200));
        changes.insert(if is_first { 0 } else { changes.len() }, remove);
        run(&client, &moref, reconfigure(changes)).await;
        assert!(devices::<VirtualLsiLogicController>(&client, &moref).await.is_empty());
        let new: Vec<ParaVirtualSCSIController> = devices(&client, &moref).await;
        let new = new.iter().find(|controller| controller.bus_number() == 1).expect("the new controller");
        assert_eq!((new.key(), new.device().len()), (1001, 2));
        let found: Vec<VirtualDisk> = devices(&client, &moref).await;
        let found: Vec<_> =
            found.iter().filter(|disk| disk.controller_key() == Some(1001)).map(|it| it.key()).collect();
        assert_eq!(found, disks.iter().map(|disk| disk.key()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_controller_is_not_taken_from_under_a_disk() {
    let (_simulator, client) = start().await;
    let (moref, old, disks) = with_disks(&client).await;
    let remove = || change(Operation::Remove, old.clone());
    check_fault::<InvalidDeviceSpec>(client.run(&moref, reconfigure([remove()])).await);
    // One of the two disks is left.
    let mut changes = vec![remove(), controller::<ParaVirtualSCSIController>(-200, 1)];
    changes.extend(moved(&disks[..1], -200));
    check_fault::<InvalidDeviceSpec>(client.run(&moref, reconfigure(changes)).await);
    let all = disks.iter().map(|disk| change(Operation::Remove, disk.clone()));
    run(&client, &moref, reconfigure(std::iter::once(remove()).chain(all))).await;
    assert!(devices::<VirtualLsiLogicController>(&client, &moref).await.is_empty());
}

#[tokio::test]
async fn a_disk_that_is_attached_is_as_large_and_as_thin_as_its_file() {
    let (_simulator, client) = start().await;
    let moref = off(&client).await;
    let create = CreateVirtualDiskTask::with(|request| {
        request.set_name("[LocalDS_0] t.vmdk").set_datacenter(Moref::of::<Datacenter>("datacenter-1"));
        request.set_spec(FileBackedVirtualDiskSpec::with(|spec| {
            spec.set_capacity_kb(20480).set_disk_type("thin").set_adapter_type("lsiLogic");
        }));
    });
    run(&client, &Moref::of::<VirtualDiskManager>("virtualDiskManager"), create).await;
    for claimed in [0, 99_999] {
        let mut disk = disk(202, 4, |backing| _ = backing.set_file_name("[LocalDS_0] t.vmdk"));
        disk.set_capacity_in_kb(claimed);
        run(&client, &moref, reconfigure([change(Operation::Add, disk)])).await;
        let found = last_disk(&client, &moref).await;
        assert_eq!((found.capacity_in_kb(), found.capacity_in_bytes()), (20480, Some(20480 << 10)));
        assert_eq!(found.device_info().map(|info| info.summary().to_string()).as_deref(), Some("20,480 KB"));
        assert_eq!(flat(&found).thin_provisioned(), Some(true));
        run(&client, &moref, reconfigure([change(Operation::Remove, found)])).await;
    }
}

#[tokio::test]
async fn what_an_edit_leaves_unset_of_a_disk_stays() {
    let (_simulator, client) = start().await;
    let moref = off(&client).await;
    run(&client, &moref, reconfigure([new_disk(202, 3)])).await;
    let before = last_disk(&client, &moref).await;
    let edit = VirtualDisk::with(|disk| {
        disk.set_capacity_in_kb(2048).set_key(before.key());
        disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
            backing.set_disk_mode("persistent").set_file_name("");
        }));
    });
    run(&client, &moref, reconfigure([change(Operation::Edit, edit)])).await;
    let after = last_disk(&client, &moref).await;
    assert_eq!(after.capacity_in_kb(), 2048);
    assert_eq!(flat(&after).as_object(), flat(&before).as_object());
}

fn clone(name: &str, fill: impl FnOnce(&mut VirtualMachineCloneSpec)) -> CloneVMTask {
    CloneVMTask::with(|request| {
        request.set_folder(Moref::of::<Folder>("group-2")).set_name(name);
        let spec = request.spec_mut();
        spec.set_template(false).set_power_on(false).set_location(VirtualMachineRelocateSpec::new());
        fill(spec);
    })
}

#[tokio::test]
async fn a_copy_s_disk_grows_where_the_client_describes_the_source_s() {
    let (_simulator, client) = start().await;
    let moref = off(&client).await;
    let mut described = last_disk(&client, &moref).await;
    let own = flat(&described);
    described.set_capacity_in_kb(described.capacity_in_kb() * 2).set_capacity_in_bytes(None::<i64>);
    let request =
        clone("copy", |spec| _ = spec.config_mut().set_device_change([change(Operation::Edit, described.clone())]));
    let copy = run(&client, &moref, request).await.moref().expect("the copy");
    let disk = last_disk(&client, &copy).await;
    assert_eq!(disk.capacity_in_kb(), described.capacity_in_kb());
    assert_eq!(flat(&disk).file_name(), "[LocalDS_0] copy/copy.vmdk");
    assert_eq!(flat(&disk).thin_provisioned(), own.thin_provisioned());
    assert_ne!(flat(&disk).uuid(), own.uuid());
}

async fn snapshot(client: &Client, moref: &Moref) -> Moref {
    let request = CreateSnapshotTask::with(|request| _ = request.set_name("s").set_memory(false).set_quiesce(false));
    run(client, moref, request).await.moref().expect("the snapshot")
}

#[tokio::test]
async fn a_linked_clone_is_one_of_a_snapshot() {
    let (_simulator, client) = start().await;
    let moref = off(&client).await;
    let link = |name: &str, snapshot: Option<&Moref>| {
        clone(name, |spec| {
            spec.set_snapshot(snapshot.cloned());
            spec.location_mut().set_disk_move_type(DiskMove::CreateNewChildDiskBacking.name());
        })
    };
    check_fault::<InvalidArgument>(client.run(&moref, link("a", None)).await);
    let snapshot = snapshot(&client, &moref).await;
    check_fault::<InvalidArgument>(client.run(&moref, link("a", None)).await);
    run(&client, &moref, link("a", Some(&snapshot))).await;
}

#[tokio::test]
async fn a_disk_with_a_snapshot_does_not_grow() {
    let (_simulator, client) = start().await;
    let moref = off(&client).await;
    let snapshot = snapshot(&client, &moref).await;
    let grown = || async {
        let mut disk = last_disk(&client, &moref).await;
        disk.set_capacity_in_kb(disk.capacity_in_kb() * 2).set_capacity_in_bytes(None::<i64>);
        client.run(&moref, reconfigure([change(Operation::Edit, disk)])).await
    };
    check_fault::<InvalidDeviceOperation>(grown().await);
    run(&client, &snapshot, RemoveSnapshotTask::with(|request| _ = request.set_remove_children(false))).await;
    grown().await.unwrap();
}

#[tokio::test]
async fn an_affinity_and_a_boot_order_can_be_cleared() {
    let (_simulator, client) = start().await;
    let moref = off(&client).await;
    let set = ReconfigVMTask::with(|request| {
        let spec = request.spec_mut();
        spec.set_cpu_affinity(VirtualMachineAffinityInfo::with(|affinity| _ = affinity.set_affinity_set([0, 1])));
        let cd = VirtualMachineBootOptionsBootableCdromDevice::new();
        let cd = VirtualMachineBootOptionsBootableDevice::from_object(cd.into()).expect("a device");
        spec.boot_options_mut().set_boot_delay(5).set_boot_order([cd]);
    });
    run(&client, &moref, set).await;
    let found = config(&client, &moref).await;
    assert_eq!(found.cpu_affinity().map(|affinity| affinity.affinity_set().len()), Some(2));
    assert_eq!(found.boot_options().map(|options| options.boot_order().len()), Some(1));
    let clear = ReconfigVMTask::with(|request| {
        let spec = request.spec_mut();
        spec.set_cpu_affinity(VirtualMachineAffinityInfo::new());
        spec.boot_options_mut().set_boot_order([VirtualMachineBootOptionsBootableDevice::new()]);
    });
    run(&client, &moref, clear).await;
    let found = config(&client, &moref).await;
    assert!(found.cpu_affinity().is_none());
    assert_eq!(found.boot_options().map(|it| (it.boot_order().len(), it.boot_delay())), Some((0, Some(5))));
}

/// The other machine of the host, switched off, with the disk of the first one.
async fn with_disk_of_another(client: &Client, sharing: Option<&str>) -> Moref {
    let moref = Moref::of::<VirtualMachine>("vm-65");
    run(client, &moref, PowerOffVMTask::new()).await;
    let file = flat(&last_disk(client, &machine()).await).file_name().clone();
    let shared = disk(202, 3, |backing| {
        backing.set_sharing(sharing).set_file_name(&file);
    });
    run(client, &moref, reconfigure([change(Operation::Add, shared)])).await;
    moref
}

/// The kinds of the machine's last event.
async fn has_event(client: &Client, moref: &Moref, kind: &str) -> bool {
    let query = QueryEvents::with(|request| {
        let filter = request.filter_mut();
        filter.set_event_type_id([kind]);
        filter.entity_mut().set_entity(moref.clone()).set_recursion(EventFilterSpecRecursionOption::Self_);
    });
    let events = client.call(&Moref::of::<EventManager>("EventManager"), query).await.unwrap();
    !events.items().is_empty()
}

#[tokio::test]
async fn a_machine_does_not_start_with_the_disk_of_a_running_one() {
    let (_simulator, client) = start().await;
    let other = with_disk_of_another(&client, None).await;
    check_fault::<FileLocked>(client.run(&other, PowerOnVMTask::new()).await);
    off(&client).await;
    run(&client, &other, PowerOnVMTask::new()).await;
    check_fault::<FileLocked>(client.run(&machine(), PowerOnVMTask::new()).await);
}

#[tokio::test]
async fn machines_share_a_disk_that_several_may_write_to() {
    let (_simulator, client) = start().await;
    let other = with_disk_of_another(&client, Some("sharingMultiWriter")).await;
    run(&client, &other, PowerOnVMTask::new()).await;
}

#[tokio::test]
async fn a_machine_does_not_start_without_its_disk() {
    let (_simulator, client) = start().await;
    let moref = off(&client).await;
    let file = flat(&last_disk(&client, &moref).await).file_name().clone();
    let delete = DeleteDatastoreFileTask::with(|request| {
        request.set_name(file).set_datacenter(Moref::of::<Datacenter>("datacenter-1"));
    });
    run(&client, &Moref::of::<FileManager>("FileManager"), delete).await;
    check_fault::<FileNotFound>(client.run(&moref, PowerOnVMTask::new()).await);
}

#[tokio::test]
async fn network_adapters_get_addresses_that_the_vcenter_assigns() {
    let (_simulator, client) = start().await;
    let card = |fill: fn(&mut VirtualEthernetCard)| {
        let card = VirtualE1000::with(|card| {
            card.set_key(-1).set_backing(VirtualEthernetCardNetworkBackingInfo::with(|backing| {
                backing.set_device_name("VM Network");
            }));
            fill(card);
        });
        reconfigure([change(Operation::Add, card)])
    };
    let moref = machine();
    run(&client, &moref, card(|_| {})).await;
    run(&client, &moref, card(|card| _ = card.set_address_type("generated"))).await;
    run(&client, &moref, card(|card| _ = card.set_mac_address("00:50:56:00:11:22"))).await;
    let cards: Vec<VirtualEthernetCard> = devices(&client, &moref).await;
    let shown = |card: &VirtualEthernetCard| {
        let address = card.mac_address().cloned().unwrap_or_default();
        (address.to_string(), card.address_type().map(|kind| kind.to_string()).unwrap_or_default())
    };
    let shown: Vec<(String, String)> = cards.iter().map(shown).collect();
    // The first is of the model.
    assert!(shown[0].0.starts_with("00:0c:29:") && shown[0].1 == "generated");
    for (address, kind) in &shown[1..3] {
        assert!(("00:50:56:80".."00:50:56:c0").contains(&address.as_str()) && kind == "assigned", "{address} {kind}");
    }
    assert_ne!(shown[1].0, shown[2].0);
    assert_eq!(shown[3], ("00:50:56:00:11:22".into(), "manual".into()));
    assert!(has_event(&client, &moref, "VmMacAssignedEvent").await);
    // An edit that says the same changes nothing.
    let edit = cards.iter().map(|card| change(Operation::Edit, card.clone()));
    run(&client, &moref, reconfigure(edit)).await;
    let again: Vec<VirtualEthernetCard> = devices(&client, &moref).await;
    assert!(again.iter().map(|card| card.mac_address()).eq(cards.iter().map(|card| card.mac_address())));
}
