//! How many processors and how much memory a machine has: what a running one can be given, and with how much it starts.

use vimsim::Client;
use vimsim::types::enums::VirtualDeviceConfigSpecOperation;
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{MethodView, Moref, Value, View};

use crate::{check_fault, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

async fn run<M: MethodView>(client: &Client, this: &Moref, request: M) {
    client.run(this, request).await.unwrap();
}

#[tokio::test]
async fn a_running_machine_gets_processors_and_memory_only_where_that_is_enabled() {
    let (_simulator, client) = start().await;
    let change = |change: fn(&mut VirtualMachineConfigSpec)| {
        let request = ReconfigVMTask::with(|request| change(request.spec_mut()));
        let client = &client;
        async move { client.run(&machine(), request).await }
    };
    check_fault::<CpuHotPlugNotSupported>(change(|spec| _ = spec.set_num_cpus(2)).await);
    check_fault::<MemoryHotPlugNotSupported>(change(|spec| _ = spec.set_memory_mb(64)).await);
    let enable =
        |spec: &mut VirtualMachineConfigSpec| _ = spec.set_cpu_hot_add_enabled(true).set_memory_hot_add_enabled(true);
    check_fault::<InvalidPowerState>(change(enable).await);
    run(&client, &machine(), PowerOffVMTask::new()).await;
    change(enable).await.unwrap();
    run(&client, &machine(), PowerOnVMTask::new()).await;
    change(|spec| _ = spec.set_num_cpus(2).set_memory_mb(64)).await.unwrap();
    check_fault::<InvalidPowerState>(change(|spec| _ = spec.set_num_cpus(1)).await);
    check_fault::<InvalidPowerState>(change(|spec| _ = spec.set_memory_mb(32)).await);
    // What is as it was is no change.
    change(|spec| _ = spec.set_num_cpus(2).set_memory_mb(64).set_cpu_hot_add_enabled(true)).await.unwrap();
}

#[tokio::test]
async fn a_machine_with_more_processors_than_a_host_lets_it_have_does_not_start() {
    let (_simulator, client) = start().await;
    run(&client, &machine(), PowerOffVMTask::new()).await;
    let processors = |number: i32| ReconfigVMTask::with(|request| _ = request.spec_mut().set_num_cpus(number));
    run(&client, &machine(), processors(769)).await;
    let fault = client.run(&machine(), PowerOnVMTask::new()).await;
    check_fault::<NumVirtualCpusNotSupported>(fault);
    run(&client, &machine(), processors(768)).await;
    run(&client, &machine(), PowerOnVMTask::new()).await;
}

#[tokio::test]
async fn a_machine_that_reserves_more_than_there_is_does_not_start() {
    let (_simulator, client) = start().await;
    run(&client, &machine(), PowerOffVMTask::new()).await;
    let reserve = |processors: i64, memory: i64| {
        ReconfigVMTask::with(|request| {
            let spec = request.spec_mut();
            spec.set_cpu_allocation(ResourceAllocationInfo::with(|it| _ = it.set_reservation(processors)));
            spec.set_memory_allocation(ResourceAllocationInfo::with(|it| _ = it.set_reservation(memory)));
        })
    };
    run(&client, &machine(), reserve(1_000_000, 0)).await;
    check_fault::<InsufficientCpuResourcesFault>(client.run(&machine(), PowerOnVMTask::new()).await);
    run(&client, &machine(), reserve(0, 1_000_000)).await;
    check_fault::<InsufficientMemoryResourcesFault>(client.run(&machine(), PowerOnVMTask::new()).await);
    run(&client, &machine(), reserve(100, 100)).await;
    run(&client, &machine(), PowerOnVMTask::new()).await;
    // Nor does one that runs get it.
    check_fault::<InsufficientCpuResourcesFault>(client.run(&machine(), reserve(1_000_000, 100)).await);
    check_fault::<InsufficientMemoryResourcesFault>(client.run(&machine(), reserve(100, 1_000_000)).await);
    run(&client, &machine(), reserve(200, 50)).await;
}

#[tokio::test]
async fn a_machine_that_reserves_all_of_its_memory_goes_on_to_do_so() {
    let (_simulator, client) = start().await;
    run(&client, &machine(), PowerOffVMTask::new()).await;
    let reserved = async || client.property(&machine(), "config.memoryAllocation.reservation").await.unwrap();
    let lock =
        |spec: &mut VirtualMachineConfigSpec| _ = spec.set_memory_mb(64).set_memory_reservation_locked_to_max(true);
    run(&client, &machine(), ReconfigVMTask::with(|request| lock(request.spec_mut()))).await;
    assert_eq!(reserved().await, Value::Long(64));
    run(&client, &machine(), ReconfigVMTask::with(|request| _ = request.spec_mut().set_memory_mb(128))).await;
    assert_eq!(reserved().await, Value::Long(128));
}

#[tokio::test]
async fn what_matters_at_the_start_changes_only_while_the_machine_is_off() {
    let (_simulator, client) = start().await;
    let changes: [fn(&mut VirtualMachineConfigSpec); 7] = [
        |spec| _ = spec.set_guest_id("ubuntu64Guest"),
        |spec| _ = spec.set_firmware("efi"),
        |spec| _ = spec.set_version("vmx-19"),
        |spec| _ = spec.set_uuid("11111111-2222-3333-4444-555555555555"),
        |spec| _ = spec.set_nested_hv_enabled(true),
        |spec| _ = spec.flags_mut().set_disk_uuid_enabled(true),
        |spec| _ = spec.set_num_cores_per_socket(2).set_num_cpus(2),
    ];
    let before = client.property(&machine(), "config").await.unwrap();
    for change in &changes[..6] {
        let request = ReconfigVMTask::with(|request| change(request.spec_mut()));
        check_fault::<InvalidPowerState>(client.run(&machine(), request).await);
    }
    let edited = |change: fn(&mut VirtualDisk)| {
        let devices = before.object().and_then(VirtualMachineConfigInfo::from_ref).unwrap().hardware().device();
        let mut disk = devices.iter().find_map(|device| device.downcast::<VirtualDisk>()).unwrap().clone();
        change(&mut disk);
        let edit = VirtualDeviceConfigSpec::with(|edit| {
            edit.set_operation(VirtualDeviceConfigSpecOperation::Edit).set_device(disk);
        });
        ReconfigVMTask::with(|request| _ = request.spec_mut().push_device_change(edit))
    };
    check_fault::<InvalidPowerState>(client.run(&machine(), edited(|disk| _ = disk.set_unit_number(5))).await);
    assert_eq!(client.property(&machine(), "config").await.unwrap(), before);

    // What says what is so is no change.
    let same = ReconfigVMTask::with(|request| {
        let config = before.object().and_then(VirtualMachineConfigInfo::from_ref).unwrap();
        let spec = request.spec_mut();
        spec.set_guest_id(config.guest_id()).set_version(config.version()).set_uuid(config.uuid());
        spec.set_nested_hv_enabled(false).flags_mut().set_disk_uuid_enabled(false);
    });
    run(&client, &machine(), same).await;
    run(&client, &machine(), edited(|_| ())).await;

    run(&client, &machine(), SuspendVMTask::new()).await;
    let more = ReconfigVMTask::with(|request| _ = request.spec_mut().set_num_cpus(2));
    check_fault::<InvalidPowerState>(client.run(&machine(), more).await);
    run(&client, &machine(), PowerOffVMTask::new()).await;
    for change in changes {
        run(&client, &machine(), ReconfigVMTask::with(|request| change(request.spec_mut()))).await;
    }
}
