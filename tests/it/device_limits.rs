//! How large a machine is, how many devices it has, and which ports of a portgroup its network adapters are on.

use vimsim::types::enums::{VirtualDeviceConfigSpecOperation as Operation, VirtualSCSISharing};
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{MethodView, Moref, Value, View};
use vimsim::{Client, Error};

use crate::{check_fault, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

async fn run<M: MethodView>(client: &Client, this: &Moref, request: M) -> Value {
    client.run(this, request).await.unwrap()
}

async fn reconfigure(client: &Client, fill: impl FnOnce(&mut VirtualMachineConfigSpec)) -> Result<Value, Error> {
    client.run(&machine(), ReconfigVMTask::with(|request| fill(request.spec_mut()))).await
}

async fn config(client: &Client, moref: &Moref) -> VirtualMachineConfigInfo {
    let value = client.property(moref, "config").await.unwrap();
    VirtualMachineConfigInfo::from_object(value.object().expect("set").clone()).expect("a configuration")
}

fn change(operation: Operation, device: impl View) -> VirtualDeviceConfigSpec {
    VirtualDeviceConfigSpec::with(|spec| {
        let device = VirtualDevice::from_object(device.into()).expect("a device");
        spec.set_operation(operation).set_device(device);
    })
}

async fn add(client: &Client, device: impl View) -> Result<Value, Error> {
    reconfigure(client, |spec| _ = spec.set_device_change([change(Operation::Add, device)])).await
}

#[tokio::test]
async fn a_machine_has_no_size_that_none_can_have() {
    let (_simulator, client) = start().await;
    run(&client, &machine(), PowerOffVMTask::new()).await;
    for memory in [3, 1025, 1_000_000_000] {
        check_fault::<InvalidArgument>(reconfigure(&client, |spec| _ = spec.set_memory_mb(memory)).await);
    }
    check_fault::<InvalidArgument>(reconfigure(&client, |spec| _ = spec.set_num_cpus(10_000)).await);
    check_fault::<InvalidArgument>(reconfigure(&client, |spec| _ = spec.set_version("vmx-99")).await);
    check_fault::<InvalidArgument>(reconfigure(&client, |spec| _ = spec.set_firmware("zzz")).await);
    reconfigure(&client, |spec| _ = spec.set_memory_mb(1028).set_firmware("efi")).await.unwrap();
    let boot_from = |key: i32| {
        let disk = VirtualMachineBootOptionsBootableDiskDevice::with(|disk| _ = disk.set_device_key(key));
        VirtualMachineBootOptionsBootableDevice::from_object(disk.into()).expect("a device")
    };
    let unknown = reconfigure(&client, |spec| _ = spec.boot_options_mut().set_boot_order([boot_from(99)])).await;
    check_fault::<InvalidVmConfig>(unknown);
}

fn scsi(bus: i32) -> VirtualLsiLogicController {
    VirtualLsiLogicController::with(|controller| {
        controller.set_shared_bus(VirtualSCSISharing::NoSharing).set_bus_number(bus).set_key(-1);
    })
}

fn card(fill: impl FnOnce(&mut VirtualEthernetCard)) -> VirtualE1000 {
    VirtualE1000::with(|card| {
        card.set_key(-1).set_backing(VirtualEthernetCardNetworkBackingInfo::with(|backing| {
            backing.set_device_name("VM Network");
        }));
        fill(card);
    })
}

#[tokio::test]
async fn a_machine_has_no_more_devices_than_its_buses_take() {
    let (_simulator, client) = start().await;
    run(&client, &machine(), PowerOffVMTask::new()).await;
    // The machine has a controller on bus 0.
    for bus in [0, 4, -1] {
        check_fault::<InvalidDeviceSpec>(add(&client, scsi(bus)).await);
    }
    for bus in 1..4 {
        add(&client, scsi(bus)).await.unwrap();
    }
    check_fault::<TooManyDevices>(add(&client, scsi(4)).await);
    for _ in 1..10 {
        add(&client, card(|_| {})).await.unwrap();
    }
    check_fault::<TooManyDevices>(add(&client, card(|_| {})).await);
    let usb = || VirtualUSBXHCIController::with(|usb| _ = usb.set_bus_number(0).set_key(-1));
    add(&client, usb()).await.unwrap();
    check_fault::<TooManyDevices>(add(&client, usb()).await);
    let disk = |unit: i32, mode: &str| {
        let spec = change(
            Operation::Add,
            VirtualDisk::with(|disk| {
                disk.set_capacity_in_kb(1024).set_key(-1).set_controller_key(1001).set_unit_number(unit);
                disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                    backing.set_disk_mode(mode).set_file_name("");
                }));
            }),
        );
        let mut spec = spec;
        spec.set_file_operation(vimsim::types::enums::VirtualDeviceConfigSpecFileOperation::Create);
        spec
    };
    for unit in [7, 16] {
        let answer = reconfigure(&client, |spec| _ = spec.set_device_change([disk(unit, "persistent")])).await;
        check_fault::<InvalidDeviceSpec>(answer);
    }
    let answer = reconfigure(&client, |spec| _ = spec.set_device_change([disk(15, "xyz")])).await;
    check_fault::<InvalidDeviceBacking>(answer);
    reconfigure(&client, |spec| _ = spec.set_device_change([disk(15, "persistent")])).await.unwrap();
}

#[tokio::test]
async fn a_network_adapter_has_an_address_of_its_own() {
    let (_simulator, client) = start().await;
    for address in ["zz", "01:00:00:00:00:00"] {
        let answer = add(&client, card(|card| _ = card.set_mac_address(address).set_address_type("manual"))).await;
        check_fault::<InvalidDeviceSpec>(answer);
    }
}

#[tokio::test]
async fn a_new_disk_is_in_a_folder_that_is_there() {
    let (_simulator, client) = start().await;
    let mut spec = change(
        Operation::Add,
        VirtualDisk::with(|disk| {
            disk.set_capacity_in_kb(1024).set_key(-1).set_controller_key(202).set_unit_number(3);
            disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_file_name("[LocalDS_0] nowhere/disk.vmdk");
            }));
        }),
    );
    spec.set_file_operation(vimsim::types::enums::VirtualDeviceConfigSpecFileOperation::Create);
    check_fault::<FileNotFound>(reconfigure(&client, |change| _ = change.set_device_change([spec])).await);
}

#[tokio::test]
async fn an_instance_uuid_is_one_machine_s() {
    let (_simulator, client) = start().await;
    let taken = config(&client, &Moref::of::<VirtualMachine>("vm-65")).await.instance_uuid().cloned().expect("set");
    reconfigure(&client, |spec| _ = spec.set_instance_uuid(&taken)).await.unwrap();
    let found = config(&client, &machine()).await.instance_uuid().cloned().expect("set");
    assert_ne!(found, taken);
    let free = "50000000-0000-4000-8000-000000000001";
    reconfigure(&client, |spec| _ = spec.set_instance_uuid(free)).await.unwrap();
    assert_eq!(config(&client, &machine()).await.instance_uuid().map(|uuid| uuid.to_string()).as_deref(), Some(free));
}

/// The ports that the machine's adapters on this portgroup are on.
async fn ports(client: &Client, portgroup: &Moref) -> Vec<DistributedVirtualSwitchPortConnection> {
    let config = config(client, &machine()).await;
    let cards =
        config.hardware().device().iter().filter_map(|device| device.downcast::<VirtualEthernetCard>()?.backing());
    let ports = cards.filter_map(|it| it.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>());
    let ports = ports.map(|backing| backing.port().clone());
    ports.filter(|port| port.portgroup_key().is_some_and(|key| key == portgroup.value())).collect()
}

#[tokio::test]
async fn a_network_adapter_on_a_distributed_portgroup_has_a_port_of_it() {
    let (_simulator, client) = start().await;
    let found = |path: &'static str| {
        let client = &client;
        async move {
            let request = FindByInventoryPath::with(|request| _ = request.set_inventory_path(path));
            client.call(&Moref::of::<SearchIndex>("SearchIndex"), request).await.unwrap().moref().expect(path)
        }
    };
    let switch = found("/DC0/network/DVS0").await;
    let create = AddDVPortgroupTask::with(|request| {
        request.push_spec(DVPortgroupConfigSpec::with(|spec| {
            spec.set_name("small").set_type("earlyBinding").set_num_ports(1).set_auto_expand(false);
        }));
    });
    run(&client, &switch, create).await;
    let portgroup = found("/DC0/network/small").await;
    let uuid = client.property(&switch, "uuid").await.unwrap().text().expect("set").to_string();
    let on = |portgroup: &Moref, port: &str| {
        card(|card| {
            card.set_backing(VirtualEthernetCardDistributedVirtualPortBackingInfo::with(|backing| {
                let connection = backing.port_mut();
                connection.set_switch_uuid(&uuid).set_portgroup_key(portgroup.value());
                if !port.is_empty() {
                    connection.set_port_key(port);
                }
            }));
        })
    };
    check_fault::<InvalidDeviceBacking>(add(&client, on(&portgroup, "9999")).await);
    let uplinks = client.property(&switch, "config.uplinkPortgroup").await.unwrap();
    let uplinks = uplinks.items().first().and_then(Value::moref).expect("the uplinks");
    check_fault::<InvalidDeviceBacking>(add(&client, on(&uplinks, "")).await);
    add(&client, on(&portgroup, "")).await.unwrap();
    let own = ports(&client, &portgroup).await;
    let port = own.first().and_then(|port| port.port_key()).cloned().expect("a port");
    let fetch = FetchDVPorts::with(|request| _ = request.criteria_mut().set_port_key([&port]));
    let shown = client.call(&switch, fetch).await.unwrap();
    let shown = shown.items().first().and_then(|item| DistributedVirtualPort::from_ref(item.object()?)).cloned();
    let shown = shown.expect("the port");
    assert_eq!(shown.connectee().and_then(|it| it.connected_entity()), Some(machine()));
    assert_eq!(shown.connection_cookie(), own[0].connection_cookie());
    assert!(shown.connection_cookie().is_some_and(|cookie| cookie != 0));
    check_fault::<ResourceNotAvailable>(add(&client, on(&portgroup, "")).await);
    let other = Moref::of::<VirtualMachine>("vm-65");
    let request = ReconfigVMTask::with(|request| {
        request.spec_mut().set_device_change([change(Operation::Add, on(&portgroup, &port))]);
    });
    check_fault::<ResourceInUse>(client.run(&other, request).await);
    // One that grows does, and the adapters that were there have ports, too.
    let growing = found("/DC0/network/DC0_DVPG0").await;
    for _ in 0..3 {
        add(&client, on(&growing, "")).await.unwrap();
    }
    let mut keys: Vec<_> = ports(&client, &growing).await.iter().filter_map(|port| port.port_key().cloned()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}
