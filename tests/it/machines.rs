//! Virtual machines: copies, moves, guests, and what is refused.

use std::sync::Arc;
use std::time::Duration;

use vimsim::types::enums::VirtualMachinePowerState as Power;
use vimsim::types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation};
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{MethodView, Moref, Value, View};
use vimsim::{Client, Config, ManualClock, Simulator};

use crate::{check_fault, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

fn cluster_pool() -> Moref {
    Moref::of::<ResourcePool>("resgroup-27")
}

fn folder() -> Moref {
    Moref::of::<Folder>("group-2")
}

fn host(value: &str) -> Moref {
    Moref::of::<HostSystem>(value)
}

async fn view<V: View>(client: &Client, moref: &Moref, path: &str) -> V {
    let value = client.property(moref, path).await.unwrap();
    V::from_object(value.object().expect("set").clone()).expect("of this type")
}

async fn text(client: &Client, moref: &Moref, path: &str) -> String {
    client.property(moref, path).await.unwrap().text().unwrap_or_default().into()
}

async fn refers(client: &Client, moref: &Moref, path: &str, to: &Moref) -> bool {
    let value = client.property(moref, path).await.unwrap();
    value.moref().into_iter().chain(value.items().iter().filter_map(Value::moref)).any(|found| found == *to)
}

async fn run<M: MethodView>(client: &Client, this: &Moref, request: M) -> Value {
    client.run(this, request).await.unwrap()
}

fn clone(name: &str, fill: impl FnOnce(&mut VirtualMachineCloneSpec)) -> CloneVMTask {
    CloneVMTask::with(|request| {
        request.set_folder(folder()).set_name(name);
        let spec = request.spec_mut();
        spec.set_template(false).set_power_on(false).set_location(VirtualMachineRelocateSpec::new());
        fill(spec);
    })
}

async fn copy(client: &Client, request: CloneVMTask) -> Moref {
    run(client, &machine(), request).await.moref().expect("the copy")
}

async fn disk(client: &Client, moref: &Moref) -> VirtualDiskFlatVer2BackingInfo {
    let config: VirtualMachineConfigInfo = view(client, moref, "config").await;
    let disk = config.hardware().device().iter().find_map(|device| device.downcast::<VirtualDisk>()).cloned();
    disk.expect("a disk").backing().expect("set").downcast::<VirtualDiskFlatVer2BackingInfo>().expect("flat").clone()
}

/// Every reference between a machine and what it is on goes both ways.
async fn check_references(client: &Client, moref: &Moref) {
    let one = |path: &'static str| async move { client.property(moref, path).await.unwrap() };
    for (path, back) in [("runtime.host", "vm"), ("resourcePool", "vm"), ("parent", "childEntity")] {
        let Some(to) = one(path).await.moref() else { continue };
        assert!(refers(client, &to, back, moref).await, "{to}.{back} has no {moref}");
    }
    for path in ["datastore", "network"] {
        for to in one(path).await.items().iter().filter_map(Value::moref) {
            assert!(refers(client, &to, "vm", moref).await, "{to}.vm has no {moref}");
        }
    }
}

#[tokio::test]
async fn a_full_copy_has_files_and_addresses_of_its_own() {
    let (_simulator, client) = start().await;
    let moref = copy(&client, clone("copy", |_| {})).await;
    let (source, own) = (disk(&client, &machine()).await, disk(&client, &moref).await);
    assert_eq!(own.file_name(), "[LocalDS_0] copy/copy.vmdk");
    assert!(own.parent().is_none() && own.uuid() != source.uuid());
    assert_ne!(text(&client, &moref, "config.uuid").await, text(&client, &machine(), "config.uuid").await);
    let card = "config.hardware.device[4000].macAddress";
    assert_ne!(text(&client, &moref, card).await, text(&client, &machine(), card).await);
    check_references(&client, &moref).await;
    check_fault::<DuplicateName>(client.run(&machine(), clone("copy", |_| {})).await);
}

#[tokio::test]
async fn a_linked_copy_has_its_source_s_snapshot_below_it() {
    let (_simulator, client) = start().await;
    let request = CreateSnapshotTask::with(|request| {
        request.set_name("base").set_memory(false).set_quiesce(false);
    });
    let snapshot = run(&client, &machine(), request).await.moref().expect("the snapshot");
    let linked = clone("linked", |spec| {
        spec.set_snapshot(snapshot.clone()).location_mut().set_disk_move_type("createNewChildDiskBacking");
    });
    let moref = copy(&client, linked).await;
    let own = disk(&client, &moref).await;
    let parent = own.parent().expect("a parent").file_name().to_string();
    assert_eq!(parent, "[LocalDS_0] DC0_H0_VM0/disk1.vmdk");
    run(&client, &moref, PromoteDisksTask::with(|request| _ = request.set_unlink(true))).await;
    assert!(disk(&client, &moref).await.parent().is_none());
    let foreign = CloneVMTask::with(|request| {
        *request = clone("other", |spec| _ = spec.set_snapshot(snapshot.clone()));
    });
    check_fault::<InvalidArgument>(client.run(&Moref::of::<VirtualMachine>("vm-65"), foreign).await);
}

#[tokio::test]
async fn a_template_is_copied_to_a_machine() {
    let (_simulator, client) = start().await;
    let template = copy(&client, clone("template", |spec| _ = spec.set_template(true))).await;
    assert_eq!(client.property(&template, "config.template").await.unwrap(), Value::Bool(true));
    assert!(client.property(&template, "resourcePool").await.unwrap().is_unset());
    check_fault::<InvalidArgument>(client.run(&template, clone("x", |_| {})).await);
    let request = clone("deployed", |spec| {
        spec.location_mut().set_pool(cluster_pool());
        spec.set_power_on(true);
        spec.config_mut().set_num_cpus(2).set_memory_mb(1024);
    });
    let moref = run(&client, &template, request).await.moref().expect("the machine");
    assert_eq!(client.property(&moref, "config.hardware.numCPU").await.unwrap(), Value::Int(2));
    let runtime: VirtualMachineRuntimeInfo = view(&client, &moref, "runtime").await;
    assert_eq!(runtime.power_state(), Power::PoweredOn);
    check_references(&client, &moref).await;
}

#[tokio::test]
async fn a_running_machine_can_be_forked() {
    let (_simulator, client) = start().await;
    let fork = |name: &str| {
        InstantCloneTask::with(|request| {
            request.spec_mut().set_name(name).set_location(VirtualMachineRelocateSpec::new());
        })
    };
    let moref = run(&client, &machine(), fork("fork")).await.moref().expect("the machine");
    assert!(disk(&client, &moref).await.parent().is_some());
    run(&client, &machine(), PowerOffVMTask::new()).await;
    check_fault::<InvalidPowerState>(client.run(&machine(), fork("other")).await);
}

#[tokio::test]
async fn a_move_leaves_nothing_behind() {
    let (_simulator, client) = start().await;
    let from = client.property(&machine(), "runtime.host").await.unwrap().moref().expect("a host");
    let old_pool = client.property(&machine(), "resourcePool").await.unwrap().moref().expect("a pool");
    let to = host("host-47");
    let request = RelocateVMTask::with(|request| {
        request.spec_mut().set_pool(cluster_pool()).set_host(to.clone());
    });
    run(&client, &machine(), request).await;
    assert!(refers(&client, &machine(), "runtime.host", &to).await);
    assert!(!refers(&client, &from, "vm", &machine()).await && !refers(&client, &old_pool, "vm", &machine()).await);
    assert!(refers(&client, &machine(), "environmentBrowser", &Moref::of::<EnvironmentBrowser>("envbrowser-26")).await);
    check_references(&client, &machine()).await;
    // The host of another pool, and none at all.
    let wrong = MigrateVMTask::with(|request| {
        request.set_pool(cluster_pool()).set_host(host("host-21"));
        request.set_priority(vimsim::types::enums::VirtualMachineMovePriority::DefaultPriority);
    });
    check_fault::<InvalidArgument>(client.run(&machine(), wrong).await);
}

#[tokio::test]
async fn files_move_with_their_snapshots() {
    let mut config = Config::default();
    config.model.datastore = 2;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let stores = client.property(&Moref::of::<Datacenter>("datacenter-1"), "datastore").await.unwrap();
    let stores: Vec<Moref> = stores.items().iter().filter_map(Value::moref).collect();
    let find = |name: &'static str| {
        let (client, stores) = (&client, &stores);
        async move {
            for store in stores {
                if text(client, store, "name").await == name {
                    return store.clone();
                }
            }
            panic!("no {name}");
        }
    };
    let (first, second) = (find("LocalDS_0").await, find("LocalDS_1").await);
    let machines = client.property(&folder(), "childEntity").await.unwrap();
    let moref = machines.items().first().and_then(Value::moref).expect("a machine");
    let request = CreateSnapshotTask::with(|request| {
        request.set_name("base").set_memory(false).set_quiesce(false);
    });
    let snapshot = run(&client, &moref, request).await.moref().expect("the snapshot");
    let request = RelocateVMTask::with(|request| _ = request.spec_mut().set_datastore(second.clone()));
    run(&client, &moref, request).await;
    let name = text(&client, &moref, "name").await;
    assert_eq!(text(&client, &moref, "config.files.vmPathName").await, format!("[LocalDS_1] {name}/{name}.vmx"));
    let own = disk(&client, &moref).await;
    assert_eq!(*own.file_name(), format!("[LocalDS_1] {name}/disk1-000001.vmdk"));
    let kept: VirtualMachineConfigInfo = view(&client, &snapshot, "config").await;
    let kept =
        kept.hardware().device().iter().find_map(|device| device.downcast::<VirtualDisk>()).expect("a disk").clone();
    let kept = kept.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>()).expect("a file");
    assert_eq!(*kept.file_name(), format!("[LocalDS_1] {name}/disk1.vmdk"));
    assert!(!refers(&client, &first, "vm", &moref).await);
    check_references(&client, &moref).await;
    let layout: VirtualMachineFileLayoutEx = view(&client, &moref, "layoutEx").await;
    assert!(layout.file().iter().all(|file| file.name().starts_with("[LocalDS_1]")));
}

#[tokio::test]
async fn a_guest_comes_up_with_an_address_on_its_network() {
    let (_simulator, client) = start().await;
    // What the model started says nothing, as in vcsim.
    assert!(client.property(&machine(), "guest.ipAddress").await.unwrap().is_unset());
    run(&client, &machine(), PowerOffVMTask::new()).await;
    run(&client, &machine(), PowerOnVMTask::new()).await;
    let guest: GuestInfo = view(&client, &machine(), "guest").await;
    let address = guest.ip_address().expect("an address").to_string();
    assert!(address.starts_with("10.12."), "{address}");
    assert_eq!(
        guest.net().first().expect("an adapter").ip_address().first().map(|it| it.to_string()),
        Some(address.clone())
    );
    assert_eq!(text(&client, &machine(), "summary.guest.ipAddress").await, address);
    assert_eq!(guest.host_name().map(|name| name.as_str()), Some("dc0-h0-vm0"));
    // Its one disk has its one file system.
    let system = guest.disk().first().expect("a file system").clone();
    assert_eq!((system.disk_path().unwrap().as_str(), system.filesystem_type().unwrap().as_str()), ("/", "ext4"));
    assert_eq!(system.mappings().first().unwrap().key(), 204);
    assert!(system.free_space() > Some(0) && system.free_space() < system.capacity());
    let find = FindByIp::with(|request| _ = request.set_ip(&address).set_vm_search(true));
    let found = client.call(&Moref::of::<SearchIndex>("SearchIndex"), find).await.unwrap();
    assert_eq!(found.moref(), Some(machine()));
    client.call(&machine(), RebootGuest::new()).await.unwrap();
    run(&client, &machine(), PowerOffVMTask::new()).await;
    assert!(client.property(&machine(), "guest.ipAddress").await.unwrap().is_unset());
    assert!(view::<GuestInfo>(&client, &machine(), "guest").await.disk().is_empty());
}

#[tokio::test]
async fn a_guest_takes_its_time_to_come_up() {
    let clock = Arc::new(ManualClock::new(vimsim::types::DateTime::from_micros(1_800_000_000_000_000)));
    let config = Config { guest_delay: Duration::from_secs(90), ..Config::default() };
    let simulator = Simulator::start_with_clock(config, clock.clone()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let this = machine();
    let tools = || text(&client, &this, "guest.toolsRunningStatus");
    run(&client, &machine(), PowerOffVMTask::new()).await;
    run(&client, &machine(), PowerOnVMTask::new()).await;
    clock.advance(89);
    // Whoever waits for that long gets an answer: the guest is looked for several times a second.
    tokio::time::timeout(Duration::from_millis(200), std::future::pending::<()>()).await.unwrap_err();
    assert!(client.property(&machine(), "guest.ipAddress").await.unwrap().is_unset());
    clock.advance(1);
    while client.property(&machine(), "guest.ipAddress").await.unwrap().is_unset() {
        tokio::task::yield_now().await;
    }
    assert_eq!(tools().await, "guestToolsRunning");
    // One that is started anew begins to wait anew, and what was to come of the first start does not.
    run(&client, &machine(), PowerOffVMTask::new()).await;
    assert!(client.property(&machine(), "guest.ipAddress").await.unwrap().is_unset());
    run(&client, &machine(), PowerOnVMTask::new()).await;
    clock.advance(90);
    while tools().await != "guestToolsRunning" {
        tokio::task::yield_now().await;
    }
}

fn add(device: impl View) -> VirtualDeviceConfigSpec {
    VirtualDeviceConfigSpec::with(|spec| {
        spec.set_operation(VirtualDeviceConfigSpecOperation::Add);
        spec.as_object_mut().set(VirtualDeviceConfigSpec::DEVICE, device.as_object().clone().into());
    })
}

fn reconfigure(change: VirtualDeviceConfigSpec) -> ReconfigVMTask {
    ReconfigVMTask::with(|request| _ = request.spec_mut().push_device_change(change))
}

fn new_disk(unit: i32, size: i64) -> VirtualDeviceConfigSpec {
    let mut spec = add(VirtualDisk::with(|disk| {
        disk.set_capacity_in_kb(size);
        disk.set_key(-1).set_controller_key(202).set_unit_number(unit);
        disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
            backing.set_disk_mode("persistent");
            backing.set_file_name("");
        }));
    }));
    spec.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
    spec
}

fn create_on(path: &str) -> CreateVMTask {
    CreateVMTask::with(|request| {
        request.set_pool(cluster_pool());
        request.config_mut().set_name("new").files_mut().set_vm_path_name(path);
    })
}

/// What kills vcsim, or hangs it for ever, with one request: each gets a fault, and the service goes on.
#[tokio::test]
async fn no_request_that_kills_vcsim_does_so_here() {
    let (_simulator, client) = start().await;
    // 1. A datastore that is not there.
    check_fault::<InvalidDatastore>(client.run(&folder(), create_on("[nowhere]")).await);
    // 2. An adapter on a network that is not there.
    let card = VirtualE1000::with(|card| {
        card.set_key(-1).set_backing(VirtualEthernetCardNetworkBackingInfo::with(|backing| {
            backing.set_device_name("nowhere");
        }));
    });
    check_fault::<InvalidDeviceBacking>(client.run(&machine(), reconfigure(add(card))).await);
    // 4. A switch that is in use cannot go; a question about targets is answered after that, too.
    let _ = client.run(&Moref::of::<DistributedVirtualSwitch>("dvs-8"), DestroyTask::new()).await;
    client.call(&Moref::of::<EnvironmentBrowser>("envbrowser-26"), QueryConfigTarget::new()).await.unwrap();
    // 5. A host that is not there.
    let nowhere = clone("x", |spec| _ = spec.location_mut().set_host(host("host-9999")));
    check_fault::<ManagedObjectNotFound>(client.call(&machine(), nowhere).await);
    client.property(&machine(), "summary").await.unwrap();
    // 6. A vApp as the pool to move to.
    let allocation = || {
        ResourceAllocationInfo::with(|allocation| {
            allocation.set_reservation(0).set_limit(-1).set_expandable_reservation(true);
            allocation.shares_mut().set_shares(4000).set_level(vimsim::types::enums::SharesLevel::Normal);
        })
    };
    let app = CreateVApp::with(|request| {
        request.set_name("app").set_config_spec(VAppConfigSpec::new());
        request.set_res_spec(ResourceConfigSpec::with(|spec| {
            spec.set_cpu_allocation(allocation()).set_memory_allocation(allocation());
        }));
    });
    let app = crate::create(&client, &cluster_pool(), app).await;
    let request = RelocateVMTask::with(|request| _ = request.spec_mut().set_pool(app.clone()));
    run(&client, &machine(), request).await;
    assert!(refers(&client, &machine(), "parentVApp", &app).await);
    check_references(&client, &machine()).await;
    // 7. A datastore that not all hosts have: the cluster keeps its hosts.
    let cluster = Moref::of::<ClusterComputeResource>("domain-c28");
    let hosts = client.property(&cluster, "host").await.unwrap();
    client.run(&folder(), create_on("[LocalDS_0]")).await.unwrap();
    assert_eq!(client.property(&cluster, "host").await.unwrap(), hosts);
}

#[tokio::test]
async fn a_host_that_enters_maintenance_is_left() {
    let (_simulator, client) = start().await;
    let host = host("host-37");
    let count = || async { client.property(&host, "vm").await.unwrap().items().len() };
    assert!(count().await > 0);
    let machines = client.property(&host, "vm").await.unwrap();
    let request = EnterMaintenanceModeTask::with(|request| _ = request.set_timeout(0));
    run(&client, &host, request).await;
    assert_eq!(count().await, 0);
    for moref in machines.items().iter().filter_map(Value::moref) {
        check_references(&client, &moref).await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let (_simulator, client) = start().await;
    let before = client.property(&machine(), "config").await.unwrap();
    check_fault::<InvalidPowerState>(client.run(&machine(), PowerOnVMTask::new()).await);
    check_fault::<InvalidPowerState>(client.run(&machine(), DestroyTask::new()).await);
    check_fault::<InvalidDeviceSpec>(client.run(&machine(), reconfigure(new_disk(0, 1024))).await);
    check_fault::<InvalidDeviceSpec>(client.run(&machine(), reconfigure(new_disk(1, 0))).await);
    check_fault::<InvalidDatastorePath>(client.run(&folder(), create_on("nowhere")).await);
    check_fault::<InvalidVmConfig>(client.run(&folder(), create_on("")).await);
    let sparse = add(VirtualDisk::with(|disk| {
        disk.set_capacity_in_kb(1024);
        disk.set_key(-1).set_controller_key(202).set_unit_number(3);
        disk.set_backing(VirtualDiskSparseVer2BackingInfo::with(|backing| {
            backing.set_disk_mode("persistent");
            backing.set_file_name("");
        }));
    }));
    check_fault::<DeviceUnsupportedForVmPlatform>(client.run(&machine(), reconfigure(sparse)).await);
    let customize = CustomizeVMTask::with(|request| {
        request.spec_mut().set_identity(CustomizationLinuxPrep::new());
        request.spec_mut().set_global_ip_settings(CustomizationGlobalIPSettings::new());
    });
    check_fault::<InvalidPowerState>(client.run(&machine(), customize).await);
    assert_eq!(client.property(&machine(), "config").await.unwrap(), before);
}

#[tokio::test]
async fn some_devices_cannot_be_plugged_into_a_running_machine() {
    let (_simulator, client) = start().await;
    let tpm = || {
        ReconfigVMTask::with(|request| {
            request.spec_mut().push_device_change(add(VirtualTPM::with(|device| _ = device.set_key(-1))));
        })
    };
    check_fault::<DeviceHotPlugNotSupported>(client.run(&machine(), tpm()).await);
    run(&client, &machine(), PowerOffVMTask::new()).await;
    crate::encryption::add_provider(&client).await;
    run(&client, &machine(), tpm()).await;
    run(&client, &machine(), PowerOnVMTask::new()).await;
}

#[tokio::test]
async fn a_fixed_address_is_there_again_after_a_restart() {
    let (_simulator, client) = start().await;
    run(&client, &machine(), PowerOffVMTask::new()).await;
    let request = CustomizeVMTask::with(|request| {
        let spec = request.spec_mut();
        spec.set_global_ip_settings(CustomizationGlobalIPSettings::with(|it| _ = it.push_dns_server_list("10.7.0.2")));
        spec.set_identity(CustomizationLinuxPrep::with(|prep| {
            prep.set_domain("example.com");
            prep.set_host_name(CustomizationFixedName::with(|name| _ = name.set_name("web")));
        }));
        spec.push_nic_setting_map(CustomizationAdapterMapping::with(|mapping| {
            let adapter = mapping.adapter_mut();
            adapter.set_ip(CustomizationFixedIp::with(|ip| _ = ip.set_ip_address("10.7.0.5")));
            adapter.set_subnet_mask("255.255.255.0").push_gateway("10.7.0.1").push_dns_server_list("10.7.0.2");
        }));
    });
    run(&client, &machine(), request).await;
    for _ in 0..2 {
        run(&client, &machine(), PowerOnVMTask::new()).await;
        assert_eq!(text(&client, &machine(), "guest.ipAddress").await, "10.7.0.5");
        let guest: GuestInfo = view(&client, &machine(), "guest").await;
        let dns = guest.ip_stack().first().and_then(|stack| stack.dns_config()).expect("name servers");
        assert_eq!(dns.ip_address().iter().map(|it| it.to_string()).collect::<Vec<_>>(), ["10.7.0.2"]);
        run(&client, &machine(), PowerOffVMTask::new()).await;
        assert!(client.property(&machine(), "guest.ipAddress").await.unwrap().is_unset());
    }
}

#[tokio::test]
async fn a_machine_can_be_managed_by_nobody_again() {
    let (_simulator, client) = start().await;
    let managed = |key: &str| {
        let owner = ManagedByInfo::with(|owner| _ = owner.set_extension_key(key).set_type("VirtualMachine"));
        ReconfigVMTask::with(|request| _ = request.spec_mut().set_managed_by(owner))
    };
    run(&client, &machine(), managed("com.vmware.govmomi.simulator")).await;
    assert!(!client.property(&machine(), "config.managedBy").await.unwrap().is_unset());
    run(&client, &machine(), managed("")).await;
    assert!(client.property(&machine(), "config.managedBy").await.unwrap().is_unset());
}

#[tokio::test]
async fn a_running_machine_tells_its_guest_of_its_properties() {
    let (_simulator, client) = start().await;
    let describe = ReconfigVMTask::with(|request| {
        let spec = request.spec_mut();
        spec.v_app_config_mut().push_property(VAppPropertySpec::with(|property| {
            property.set_operation(vimsim::types::enums::ArrayUpdateOperation::Add);
            let info = property.info_mut();
            info.set_key(1).set_class_id("app").set_id("name").set_value("a<b").set_user_configurable(true);
        }));
    });
    run(&client, &machine(), describe).await;
    let text = client.call(&machine(), ExtractOvfEnvironment::new()).await.unwrap();
    let text = text.text().expect("a document");
    assert!(text.contains("oe:key=\"app.name\" oe:value=\"a&lt;b\""), "{text}");
    assert!(text.contains("ve:vCenterId=\"vm-62\"") && text.contains("ve:network="), "{text}");
    run(&client, &machine(), PowerOffVMTask::new()).await;
    check_fault::<InvalidPowerState>(client.call(&machine(), ExtractOvfEnvironment::new()).await);
    let mask = HostFeatureMask::with(|mask| {
        mask.set_key("cpuid.AES").set_feature_name("cpuid.AES").set_value("Val:0");
    });
    run(&client, &machine(), ApplyEvcModeVMTask::with(|request| _ = request.set_mask([mask]))).await;
    let runtime: VirtualMachineRuntimeInfo = view(&client, &machine(), "runtime").await;
    assert_eq!(runtime.feature_mask().len(), 1);
}

/// The device of this label.
async fn labelled(client: &Client, label: &str) -> VirtualDevice {
    let hardware: VirtualHardware = view(client, &machine(), "config.hardware").await;
    let is_it = |device: &&VirtualDevice| device.device_info().is_some_and(|info| info.label() == label);
    hardware.device().iter().find(is_it).cloned().unwrap_or_else(|| panic!("no {label}"))
}

#[tokio::test]
async fn devices_have_the_labels_and_keys_that_vcenter_gives_them() {
    let (_simulator, client) = start().await;
    for label in ["SCSI controller 0", "Hard disk 1", "CD/DVD drive 1"] {
        labelled(&client, label).await;
    }
    run(&client, &machine(), reconfigure(new_disk(3, 1024))).await;
    run(&client, &machine(), reconfigure(new_disk(4, 1024))).await;
    assert_eq!(labelled(&client, "Hard disk 2").await.key(), 2003);
    assert_eq!(labelled(&client, "Hard disk 3").await.key(), 2004);
    let card = VirtualE1000::with(|card| {
        card.set_key(-1).set_backing(VirtualEthernetCardNetworkBackingInfo::with(|backing| {
            backing.set_device_name("VM Network");
        }));
    });
    run(&client, &machine(), reconfigure(add(card))).await;
    assert_eq!(labelled(&client, "Network adapter 2").await.key(), 4001);
    // A number that is free again is given to the next.
    let second = labelled(&client, "Hard disk 2").await;
    let remove = VirtualDeviceConfigSpec::with(|spec| {
        spec.set_operation(VirtualDeviceConfigSpecOperation::Remove).set_device(second);
    });
    run(&client, &machine(), reconfigure(remove)).await;
    run(&client, &machine(), reconfigure(new_disk(5, 1024))).await;
    assert_eq!(labelled(&client, "Hard disk 2").await.key(), 2005);
    // What a client writes over the label is not kept.
    let mut edited = labelled(&client, "Hard disk 3").await;
    edited.device_info_mut().set_label("mine");
    let edit = VirtualDeviceConfigSpec::with(|spec| {
        spec.set_operation(VirtualDeviceConfigSpecOperation::Edit).set_device(edited);
    });
    run(&client, &machine(), reconfigure(edit)).await;
    assert_eq!(labelled(&client, "Hard disk 3").await.key(), 2004);
}

#[tokio::test]
async fn a_raw_device_mapping_is_as_large_as_the_disk_that_it_maps() {
    let (_simulator, client) = start().await;
    let mapping = |name: &str| {
        let mut spec = add(VirtualDisk::with(|disk| {
            disk.set_key(-1).set_controller_key(202).set_unit_number(3);
            disk.set_backing(VirtualDiskRawDiskMappingVer1BackingInfo::with(|backing| {
                backing.set_device_name(name).set_compatibility_mode("physicalMode").set_file_name("");
            }));
        }));
        spec.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
        reconfigure(spec)
    };
    check_fault::<InvalidDeviceBacking>(client.run(&machine(), mapping("/vmfs/devices/disks/none")).await);
    run(&client, &machine(), mapping("/vmfs/devices/disks/mpx.vmhba0:C0:T0:L0")).await;
    let device = labelled(&client, "Hard disk 2").await;
    let disk = device.downcast::<VirtualDisk>().expect("a disk");
    assert!(disk.capacity_in_bytes().is_some_and(|bytes| bytes > 0));
    let backing = disk.backing().and_then(|backing| backing.downcast::<VirtualDiskRawDiskMappingVer1BackingInfo>());
    assert!(backing.is_some_and(|backing| backing.lun_uuid().is_some()));
}

#[tokio::test]
async fn an_event_of_a_move_tells_the_datastore() {
    let (_simulator, client) = start().await;
    let by_name = |name: &str| {
        FindByInventoryPath::with(|request| _ = request.set_inventory_path(format!("/DC0/host/DC0_C0/{name}")))
    };
    let search = Moref::of::<SearchIndex>("SearchIndex");
    let here = client.property(&machine(), "runtime.host").await.unwrap().moref();
    let mut hosts = Vec::new();
    for name in ["DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2"] {
        hosts.extend(client.call(&search, by_name(name)).await.unwrap().moref());
    }
    assert_eq!(hosts.len(), 3);
    let elsewhere = hosts.into_iter().find(|host| Some(host) != here.as_ref());
    let request = RelocateVMTask::with(|request| _ = request.spec_mut().set_pool(cluster_pool()).set_host(elsewhere));
    run(&client, &machine(), request).await;
    let query = QueryEvents::with(|request| {
        request.filter_mut().set_event_type_id(["VmMigratedEvent"]);
    });
    let events = client.call(&Moref::of::<EventManager>("EventManager"), query).await.unwrap();
    let event = events.items().first().and_then(|event| Event::from_ref(event.object()?)).expect("one event");
    assert_eq!(event.ds().map(|ds| ds.name().to_string()).as_deref(), Some("LocalDS_0"));
}
