//! References and sums that hold after operations in which they once did not; the model test finds such.

use vimsim_types::enums::{SharesLevel, VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation};
use vimsim_types::method::*;
use vimsim_types::views::*;
use vimsim_types::{Fault, MethodView, Moref, Value, View};

use crate::client::Client;

/// Calls a method, and returns what its task comes to if it starts one.
fn run<M: MethodView>(client: &Client, this: &Moref, request: M) -> Result<Value, Fault> {
    let answer = client.call(this, request)?;
    let Some(task) = answer.moref().filter(|moref| moref.is::<Task>()) else { return Ok(answer) };
    let snapshot = client.service.snapshot();
    let info = snapshot.view::<Task>(&task).expect("exists").info();
    match info.error() {
        Some(error) => Err(Fault::from_object(error.fault().as_object().clone(), "the task failed")),
        None => Ok(info.result().clone()),
    }
}

fn done<M: MethodView>(client: &Client, this: &Moref, request: M) -> Value {
    run(client, this, request).expect("succeeds")
}

fn check_fault<F: View>(answer: Result<Value, Fault>) {
    let fault = answer.expect_err("must be a fault");
    assert!(fault.is::<F>(), "{fault}");
}

/// A machine of the cluster, off.
fn machine(client: &Client) -> Moref {
    let machine = client.named::<VirtualMachine>("DC0_C0_RP0_VM0");
    done(client, &machine, PowerOffVMTask::new());
    machine
}

fn resources() -> ResourceConfigSpec {
    let allocation = || {
        ResourceAllocationInfo::with(|allocation| {
            allocation.set_reservation(0).set_limit(-1).set_expandable_reservation(true);
            allocation.shares_mut().set_shares(4000).set_level(SharesLevel::Normal);
        })
    };
    ResourceConfigSpec::with(|spec| _ = spec.set_cpu_allocation(allocation()).set_memory_allocation(allocation()))
}

fn app(client: &Client, pool: &Moref, folder: Option<Moref>) -> Moref {
    let request = CreateVApp::with(|request| {
        request.set_name("app").set_res_spec(resources()).set_config_spec(VAppConfigSpec::new()).set_vm_folder(folder);
    });
    client.create(pool, request)
}

fn pool(client: &Client, above: &Moref, name: &str) -> Moref {
    client.create(above, CreateResourcePool::with(|request| _ = request.set_name(name).set_spec(resources())))
}

fn root_pool(client: &Client) -> Moref {
    client.get(&client.named::<ClusterComputeResource>("DC0_C0"), "resourcePool").moref().expect("a pool")
}

fn move_into(client: &Client, pool: &Moref, what: &Moref) -> Result<Value, Fault> {
    run(client, pool, MoveIntoResourcePool::with(|request| _ = request.set_list([what.clone()])))
}

fn new_disk(kilobytes: i64, path: &str) -> ReconfigVMTask {
    ReconfigVMTask::with(|request| {
        request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Add);
            change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
            change.set_device(VirtualDisk::with(|disk| {
                disk.set_capacity_in_kb(kilobytes);
                disk.set_key(-1).set_controller_key(202).set_unit_number(3);
                disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                    backing.set_disk_mode("persistent").set_thin_provisioned(true).set_file_name(path);
                }));
            }));
        }));
    })
}

fn free_space(client: &Client) -> Value {
    client.get(&client.named::<Datastore>("LocalDS_0"), "summary.freeSpace")
}

#[test]
fn a_template_is_in_no_pool() {
    let client = Client::virtual_center();
    let (machine, root) = (machine(&client), root_pool(&client));
    done(&client, &machine, MarkAsTemplate::new());
    check_fault::<InvalidArgument>(move_into(&client, &root, &machine));
    done(&client, &machine, RelocateVMTask::with(|request| _ = request.spec_mut().set_pool(root.clone())));
    assert!(client.get(&machine, "resourcePool").is_unset());
    let app = app(&client, &root, None);
    done(&client, &machine, MarkAsVirtualMachine::with(|request| _ = request.set_pool(app.clone())));
    assert_eq!(client.get(&machine, "parentVApp").moref(), Some(app));
}

#[test]
fn a_machine_is_marked_only_on_a_host_that_has_its_datastore() {
    let client = Client::virtual_center();
    let machine = machine(&client);
    done(&client, &machine, MarkAsTemplate::new());
    let cluster = client.named::<ClusterComputeResource>("DC0_C0");
    let spec = HostConnectSpec::with(|spec| _ = spec.set_host_name("new").set_force(false));
    let request = AddHostTask::with(|request| _ = request.set_spec(spec).set_as_connected(true));
    let host = done(&client, &cluster, request).moref().expect("a host");
    let request = MarkAsVirtualMachine::with(|request| _ = request.set_pool(root_pool(&client)).set_host(host));
    check_fault::<InvalidDatastore>(run(&client, &machine, request));
}

#[test]
fn a_vapp_takes_all_that_is_in_it_along() {
    let client = Client::virtual_center();
    let machine = machine(&client);
    let app = app(&client, &root_pool(&client), None);
    let outer = pool(&client, &app, "outer");
    let inner = pool(&client, &outer, "inner");
    move_into(&client, &inner, &machine).expect("moves");
    done(&client, &app, DestroyTask::new());
    let snapshot = client.service.snapshot();
    assert!([machine, outer, inner, app].iter().all(|moref| snapshot.object(moref).is_none()));
}

#[test]
fn a_folder_takes_its_vapps_along() {
    let client = Client::virtual_center();
    let above = client.get(&client.named::<Datacenter>("DC0"), "vmFolder").moref().expect("a folder");
    let folder = client.create(&above, CreateFolder::with(|request| _ = request.set_name("apps")));
    let app = app(&client, &root_pool(&client), Some(folder.clone()));
    check_fault::<NotSupported>(run(&client, &folder, UnregisterAndDestroyTask::new()));
    done(&client, &folder, DestroyTask::new());
    assert!(client.service.snapshot().object(&app).is_none());
}

#[test]
fn an_unregistered_machine_keeps_its_space_and_its_snapshots() {
    let client = Client::virtual_center();
    let (machine, before) = (machine(&client), free_space(&client));
    let request = CreateSnapshotTask::with(|request| _ = request.set_name("s").set_memory(false).set_quiesce(false));
    done(&client, &machine, request);
    // The snapshot's state takes a bit.
    let free = free_space(&client);
    let path = client.get(&machine, "config.files.vmPathName");
    let folder = client.get(&machine, "parent").moref().expect("a folder");
    done(&client, &machine, UnregisterVM::new());
    assert_eq!(free_space(&client), free);
    let request = RegisterVMTask::with(|request| {
        request.set_path(path.text().expect("a path")).set_as_template(false).set_pool(root_pool(&client));
    });
    let machine = done(&client, &folder, request).moref().expect("the machine");
    assert_eq!(free_space(&client), free);
    assert_eq!(client.get(&machine, "rootSnapshot").items().len(), 1);
    done(&client, &machine, DestroyTask::new());
    let (Value::Long(before), Value::Long(after)) = (before, free_space(&client)) else { panic!("numbers") };
    assert_eq!(after - before, 10 << 30);
}

#[test]
fn a_disk_is_no_larger_than_vsphere_has_them() {
    let client = Client::virtual_center();
    let (machine, free) = (machine(&client), free_space(&client));
    check_fault::<InvalidDeviceSpec>(run(&client, &machine, new_disk(i64::MAX, "")));
    check_fault::<InvalidDeviceSpec>(run(&client, &machine, new_disk(-5, "")));
    assert_eq!(free_space(&client), free);
}

#[test]
fn a_disk_is_only_where_its_host_reaches() {
    let client = Client::virtual_center();
    let machine = machine(&client);
    let host = client.get(&client.named::<HostSystem>("DC0_H0"), "configManager.datastoreSystem");
    let request = CreateLocalDatastore::with(|request| _ = request.set_name("elsewhere").set_path("/elsewhere"));
    client.create(&host.moref().expect("named"), request);
    check_fault::<InvalidDatastore>(run(&client, &machine, new_disk(1024, "[elsewhere]")));
}

#[test]
fn a_host_that_joins_a_cluster_brings_its_machines() {
    let client = Client::virtual_center();
    let (host, cluster) = (client.named::<HostSystem>("DC0_H0"), client.named::<ClusterComputeResource>("DC0_C0"));
    let (machine, template) =
        (client.named::<VirtualMachine>("DC0_H0_VM0"), client.named::<VirtualMachine>("DC0_H0_VM1"));
    done(&client, &template, PowerOffVMTask::new());
    done(&client, &template, MarkAsTemplate::new());
    done(&client, &cluster, MoveHostIntoTask::with(|request| _ = request.set_host(host)));
    for moref in [&machine, &template] {
        assert_eq!(client.get(moref, "environmentBrowser"), client.get(&cluster, "environmentBrowser"));
    }
    assert_eq!(client.get(&machine, "resourcePool").moref(), Some(root_pool(&client)));
    assert!(client.get(&template, "resourcePool").is_unset());
}

#[test]
fn a_switch_s_uplinks_are_a_portgroup_of_its_uplinks() {
    let client = Client::virtual_center();
    let switch = client.named::<DistributedVirtualSwitch>("DVS0");
    let request = CreateDVPortgroupTask::with(|request| {
        request.spec_mut().set_name("uplinks").set_num_ports(1).set_type("earlyBinding");
    });
    let portgroup = done(&client, &switch, request).moref().expect("a portgroup");
    let version = client.get(&switch, "config.configVersion");
    let request = ReconfigureDvsTask::with(|request| {
        let spec = request.spec_mut();
        spec.set_config_version(version.text().expect("set")).push_uplink_portgroup(portgroup);
    });
    let before = client.get(&switch, "config.uplinkPortgroup");
    check_fault::<InvalidArgument>(run(&client, &switch, request));
    assert_eq!(client.get(&switch, "config.uplinkPortgroup"), before);
}

#[test]
fn the_root_folder_has_a_name() {
    let client = Client::virtual_center();
    let root = client.content.root_folder();
    check_fault::<InvalidName>(run(&client, &root, RenameTask::with(|request| _ = request.set_new_name(""))));
    done(&client, &root, RenameTask::with(|request| _ = request.set_new_name("All")));
    assert_eq!(client.get(&root, "name").text(), Some("All"));
}

#[test]
fn a_new_disk_is_none_that_a_snapshot_has() {
    let client = Client::virtual_center();
    let machine = machine(&client);
    let snapshot = || CreateSnapshotTask::with(|it| _ = it.set_name("s").set_memory(false).set_quiesce(false));
    done(&client, &machine, new_disk(1024, ""));
    done(&client, &machine, snapshot());
    let mut second = new_disk(1024, "");
    second.spec_mut().device_change_mut().iter_mut().for_each(|it| _ = it.device_mut().set_unit_number(4));
    done(&client, &machine, second);
    done(&client, &machine, RemoveAllSnapshotsTask::new());
    let config = client.get(&machine, "config");
    let config = config.object().and_then(VirtualMachineConfigInfo::from_ref).expect("set");
    let disks = config.hardware().device().iter().filter_map(|device| device.downcast::<VirtualDisk>());
    let files =
        disks.filter_map(|it| Some(it.backing()?.downcast::<VirtualDeviceFileBackingInfo>()?.file_name().clone()));
    let mut files: Vec<_> = files.collect();
    files.sort();
    let count = files.len();
    files.dedup();
    assert_eq!((count, files.len()), (3, 3));
}

#[test]
fn overhead_is_asked_for_any_size() {
    let client = Client::virtual_center();
    let host = client.named::<HostSystem>("DC0_H0");
    done(&client, &host, QueryMemoryOverhead::with(|request| _ = request.set_memory_size(i64::MAX).set_num_vcpus(1)));
}

#[test]
fn a_folder_that_only_a_snapshot_has_is_listed() {
    // Only vcsim makes the folder with the disk.
    let fidelity = vimsim_simulator::Fidelity::Vcsim;
    let client = Client::configured(vimsim_simulator::Config { fidelity, ..vimsim_simulator::Config::default() });
    let machine = machine(&client);
    done(&client, &machine, new_disk(1024, "[LocalDS_0] apart/disk.vmdk"));
    let request = CreateSnapshotTask::with(|it| _ = it.set_name("s").set_memory(false).set_quiesce(false));
    done(&client, &machine, request);
    let config = client.get(&machine, "config");
    let config = config.object().and_then(VirtualMachineConfigInfo::from_ref).expect("set");
    let disks = config.hardware().device().iter().filter_map(|device| device.downcast::<VirtualDisk>());
    let disk = disks.last().expect("the new disk").clone();
    let remove = ReconfigVMTask::with(|request| {
        request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Remove);
            change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Destroy).set_device(disk);
        }));
    });
    done(&client, &machine, remove);
    let browser = client.get(&client.named::<Datastore>("LocalDS_0"), "browser").moref().expect("a browser");
    let search = SearchDatastoreSubFoldersTask::with(|request| _ = request.set_datastore_path("[LocalDS_0]"));
    let found = done(&client, &browser, search);
    let folders = found.items().iter().filter_map(|it| HostDatastoreBrowserSearchResults::from_ref(it.object()?));
    let mut folders = folders.filter(|it| it.folder_path().is_some_and(|path| path.contains("apart")));
    let files = folders.next().map(|it| it.file().iter().map(|it| it.path().to_string()).collect::<Vec<_>>());
    assert_eq!(files.unwrap_or_default(), ["disk-flat.vmdk", "disk.vmdk"]);
}

#[test]
fn a_folder_of_networks_stays_in_its_datacenter() {
    let model = vimsim_simulator::Model { datacenter: 2, ..vimsim_simulator::Model::virtual_center() };
    let client = Client::configured(vimsim_simulator::Config { model, ..vimsim_simulator::Config::default() });
    let networks = |name| client.get(&client.named::<Datacenter>(name), "networkFolder").moref().expect("a folder");
    let folder = client.create(&networks("DC0"), CreateFolder::with(|request| _ = request.set_name("apart")));
    let into = |target: &Moref| {
        run(&client, target, MoveIntoFolderTask::with(|request| _ = request.set_list([folder.clone()])))
    };
    check_fault::<NotSupported>(into(&networks("DC1")));
}

#[test]
fn a_vapp_says_nothing_of_what_is_not_in_it() {
    let client = Client::virtual_center();
    let (machine, root) = (machine(&client), root_pool(&client));
    let app = app(&client, &root, client.get(&machine, "parent").moref());
    let update = |key: &Moref| {
        let request = UpdateVAppConfig::with(|request| {
            request.spec_mut().push_entity_config(VAppEntityConfigInfo::with(|entity| _ = entity.set_key(key.clone())));
        });
        run(&client, &app, request)
    };
    check_fault::<InvalidArgument>(update(&machine));
    move_into(&client, &app, &machine).expect("succeeds");
    update(&machine).expect("succeeds");
    let count = || client.get(&app, "vAppConfig.entityConfig").items().len();
    assert_eq!(count(), 1);
    move_into(&client, &root, &machine).expect("succeeds");
    assert_eq!(count(), 0);
}

#[test]
fn a_machine_that_is_gone_starts_with_no_host() {
    let client = Client::virtual_center();
    let machine = client.named::<VirtualMachine>("DC0_H0_VM0");
    let host = client.get(&machine, "runtime.host").moref().expect("a host");
    let manager = client.get(&host, "configManager.autoStartManager").moref().expect("a manager");
    let request = ReconfigureAutostart::with(|request| {
        request.spec_mut().push_power_info(AutoStartPowerInfo::with(|info| {
            info.set_key(machine.clone()).set_start_order(1).set_start_delay(-1).set_stop_delay(-1);
            info.set_wait_for_heartbeat(vimsim_types::enums::AutoStartWaitHeartbeatSetting::SystemDefault);
            info.set_start_action("powerOn").set_stop_action("powerOff");
        }));
    });
    client.call(&manager, request).expect("answers");
    assert_eq!(client.get(&host, "config.autoStart.powerInfo").items().len(), 1);
    done(&client, &machine, PowerOffVMTask::new());
    done(&client, &machine, DestroyTask::new());
    assert!(client.get(&host, "config.autoStart.powerInfo").items().is_empty());
    assert!(client.get(&manager, "config.powerInfo").items().is_empty());
}

#[test]
fn a_datastore_takes_no_other_s_name_in_its_datacenter() {
    let client = Client::virtual_center();
    let datastore = client.named::<Datastore>("LocalDS_0");
    let host = client.named::<HostSystem>("DC0_H0");
    let system = client.get(&host, "configManager.datastoreSystem").moref().expect("a datastore system");
    let request = CreateLocalDatastore::with(|request| _ = request.set_name("other").set_path("/other"));
    let other = client.call(&system, request).expect("a datastore").moref().expect("a datastore");
    let parent = client.get(&other, "parent").moref().expect("a folder");
    let folder = client.call(&parent, CreateFolder::with(|request| _ = request.set_name("apart"))).expect("a folder");
    let folder = folder.moref().expect("a folder");
    done(&client, &folder, MoveIntoFolderTask::with(|request| _ = request.set_list([other.clone()])));
    let rename = RenameTask::with(|request| _ = request.set_new_name("LocalDS_0"));
    check_fault::<DuplicateName>(run(&client, &other, rename));
    assert_eq!(client.get(&other, "name").text(), Some("other"));
    assert_eq!(client.get(&datastore, "name").text(), Some("LocalDS_0"));
}

#[test]
fn only_what_comes_goes_or_moves_makes_views_look_again() {
    let client = Client::virtual_center();
    let machine = machine(&client);
    let topology = || client.service.snapshot().topology();
    let before = topology();
    let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.set_annotation("changed"));
    done(&client, &machine, ReconfigVMTask::with(|request| _ = request.set_spec(spec)));
    done(&client, &machine, PowerOnVMTask::new());
    done(&client, &machine, PowerOffVMTask::new());
    done(&client, &machine, RenameTask::with(|request| _ = request.set_new_name("renamed")));
    assert_eq!(topology(), before, "a task, or what it changed, was taken for a move");
    done(&client, &machine, DestroyTask::new());
    assert!(topology() > before);
}
