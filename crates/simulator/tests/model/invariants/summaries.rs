//! Summaries say what they are summaries of.

use vimsim_registry::Snapshot;
use vimsim_types::enums::{HostSystemConnectionState, VirtualMachinePowerState};
use vimsim_types::views::*;
use vimsim_types::{Moref, View};

use super::{Wrong, all};

pub(super) fn check(snapshot: &Snapshot, wrong: &mut Wrong) {
    for (moref, compute) in all::<ComputeResource>(snapshot) {
        check_compute(snapshot, moref, compute, wrong);
    }
    for (moref, host) in all::<HostSystem>(snapshot) {
        let summary = host.summary();
        wrong.unless(summary.runtime().is_some_and(|it| it.as_object() == host.runtime().as_object()), || {
            format!("{moref}.summary.runtime is not its runtime")
        });
        wrong.unless(summary.config().name() == host.name(), || {
            format!("{moref} is '{}', and '{}' in its summary", host.name(), summary.config().name())
        });
    }
    for (moref, datastore) in all::<Datastore>(snapshot) {
        check_datastore(snapshot, moref, datastore, wrong);
    }
    for (moref, pool) in all::<ResourcePool>(snapshot) {
        check_pool(snapshot, moref, pool, wrong);
    }
    for (moref, network) in all::<Network>(snapshot) {
        let name = network.summary().name();
        wrong
            .unless(name == network.name(), || format!("{moref} is '{}', and '{name}' in its summary", network.name()));
    }
}

fn check_compute(snapshot: &Snapshot, moref: &Moref, compute: &ComputeResource, wrong: &mut Wrong) {
    let hosts: Vec<&HostSystem> = compute.host().iter().filter_map(|host| snapshot.view(&host)).collect();
    let works = |host: &&&HostSystem| {
        host.runtime().connection_state() == HostSystemConnectionState::Connected
            && !host.runtime().in_maintenance_mode()
    };
    let summary = compute.summary();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let found = [summary.num_hosts(), summary.num_effective_hosts()];
    let wanted = [count(hosts.len()), count(hosts.iter().filter(works).count())];
    wrong.unless(found == wanted, || format!("{moref} has {wanted:?} hosts (effective), and {found:?} in its summary"));
    let memory: i64 = hosts.iter().filter_map(|host| Some(host.hardware()?.memory_size())).sum();
    wrong.unless(summary.total_memory() == memory, || {
        format!("the hosts of {moref} have {memory} bytes, and its summary {}", summary.total_memory())
    });
    let cores: i32 = hosts.iter().filter_map(|host| Some(i32::from(host.hardware()?.cpu_info().num_cpu_cores()))).sum();
    wrong.unless(i32::from(summary.num_cpu_cores()) == cores, || {
        format!("the hosts of {moref} have {cores} cores, and its summary {}", summary.num_cpu_cores())
    });
}

/// What the registered machines' disks take is taken.
fn check_datastore(snapshot: &Snapshot, moref: &Moref, datastore: &Datastore, wrong: &mut Wrong) {
    let summary = datastore.summary();
    let name = datastore.name();
    wrong.unless(summary.name() == name && datastore.info().name() == name, || {
        format!("{moref} is '{name}', '{}' in its summary, '{}' in its info", summary.name(), datastore.info().name())
    });
    let mut taken: i64 = 0;
    for machine in datastore.vm().iter().filter_map(|machine| snapshot.view::<VirtualMachine>(&machine)) {
        let devices = machine.config().map(|config| config.hardware().device());
        for disk in devices.iter().flat_map(|it| it.iter()).filter_map(|device| device.downcast::<VirtualDisk>()) {
            let file = disk.backing().and_then(|it| it.downcast::<VirtualDeviceFileBackingInfo>());
            if file.and_then(|file| file.datastore()).as_ref() == Some(moref) {
                taken = taken.saturating_add(disk.capacity_in_bytes().unwrap_or_default());
            }
        }
        let usage = machine.storage().map(|storage| storage.per_datastore_usage());
        let usage = usage.iter().flat_map(|it| it.iter()).filter(|usage| usage.datastore() == *moref).count();
        wrong.unless(usage < 2, || format!("a machine tells twice of what it uses of {moref}"));
    }
    let (free, capacity) = (summary.free_space(), summary.capacity());
    let is_mounted = !datastore.host().is_empty();
    wrong.unless(!is_mounted || free >= 0 && free <= capacity, || {
        format!("{moref} has {free} free of {capacity} bytes")
    });
    // Thin disks may ask for more than there is.
    let most = (capacity - taken).max(0);
    wrong.unless(!is_mounted || free <= most, || {
        format!("{moref} has {free} free of {capacity} bytes, and its machines' disks take {taken}")
    });
    wrong.unless(datastore.info().free_space() == free, || format!("{moref} has two free spaces"));
}

/// What the running machines of a pool have reserved is reserved.
fn check_pool(snapshot: &Snapshot, moref: &Moref, pool: &ResourcePool, wrong: &mut Wrong) {
    let (mut cpu, mut memory) = (0_i64, 0_i64);
    for machine in pool.vm().iter().filter_map(|machine| snapshot.view::<VirtualMachine>(&machine)) {
        let Some(config) = machine.config() else { continue };
        if machine.runtime().power_state() == VirtualMachinePowerState::PoweredOn {
            cpu += config.cpu_allocation().and_then(|it| it.reservation()).unwrap_or_default();
            memory += config.memory_allocation().and_then(|it| it.reservation()).unwrap_or_default() << 20;
        }
    }
    let found = [pool.runtime().cpu().reservation_used_for_vm(), pool.runtime().memory().reservation_used_for_vm()];
    wrong.unless(found == [cpu, memory], || {
        format!("the machines in {moref} reserve {:?}, and it says {found:?}", [cpu, memory])
    });
    wrong.unless(pool.summary().name() == pool.name(), || format!("{moref} has another name in its summary"));
}
