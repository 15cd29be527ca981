//! What machines are said to use, and that hosts, pools, clusters and the performance manager agree.

use std::sync::Arc;

use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{DateTime, Moref, Object, Value, View};
use vimsim::{Client, Config, ManualClock, Simulator};

use crate::create;

async fn start() -> (Simulator, Client, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(DateTime::from_micros(1_750_000_000_000_000)));
    let simulator = Simulator::start_with_clock(Config::default(), clock.clone()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    (simulator, client, clock)
}

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

/// One in a cluster.
fn clustered() -> Moref {
    Moref::of::<VirtualMachine>("vm-68")
}

async fn object(client: &Client, moref: &Moref, path: &str) -> Object {
    client.property(moref, path).await.unwrap().object().expect("is set").clone()
}

async fn stats(client: &Client, machine: &Moref) -> VirtualMachineQuickStats {
    VirtualMachineQuickStats::from_object(object(client, machine, "summary.quickStats").await).unwrap()
}

async fn refers(client: &Client, moref: &Moref, path: &str) -> Vec<Moref> {
    match client.property(moref, path).await.unwrap() {
        Value::List(list) => list.items().iter().filter_map(|item| item.clone().moref()).collect(),
        value => value.moref().into_iter().collect(),
    }
}

/// The sum of what the machines of a host or pool use: MHz and megabytes.
async fn sum(client: &Client, machines: &[Moref]) -> (i64, i64) {
    let mut sum = (0, 0);
    for machine in machines {
        let stats = stats(client, machine).await;
        sum.0 += i64::from(stats.overall_cpu_usage().unwrap());
        sum.1 += i64::from(stats.host_memory_usage().unwrap());
    }
    sum
}

/// What a host says that it uses, without what it needs for itself.
async fn of_host(client: &Client, host: &Moref) -> (i64, i64) {
    let stats = object(client, host, "summary.quickStats").await;
    let stats = HostListSummaryQuickStats::from_object(stats).unwrap();
    let (cpu, memory) = (stats.overall_cpu_usage().unwrap(), stats.overall_memory_usage().unwrap());
    (i64::from(cpu) - 67, i64::from(memory) - 1_404)
}

async fn check_sums(client: &Client) {
    let host = refers(client, &machine(), "runtime.host").await.remove(0);
    let machines = refers(client, &host, "vm").await;
    assert_eq!(of_host(client, &host).await, sum(client, &machines).await, "the host");
    let pool = refers(client, &machine(), "resourcePool").await.remove(0);
    let machines = refers(client, &pool, "vm").await;
    let (cpu, memory) = sum(client, &machines).await;
    let stats = ResourcePoolQuickStats::from_object(object(client, &pool, "summary.quickStats").await).unwrap();
    assert_eq!((stats.overall_cpu_usage(), stats.host_memory_usage()), (Some(cpu), Some(memory)), "the pool");
    let runtime = ResourcePoolRuntimeInfo::from_object(object(client, &pool, "runtime").await).unwrap();
    assert_eq!(runtime.cpu().overall_usage(), cpu);
    assert_eq!(runtime.memory().overall_usage(), memory << 20);
}

#[tokio::test]
async fn a_running_machine_says_what_it_uses_and_one_that_is_off_uses_nothing() {
    let (_simulator, client, clock) = start().await;
    clock.advance(105);
    let running = stats(&client, &machine()).await;
    assert!(running.overall_cpu_usage().unwrap() > 0 && running.guest_memory_usage().unwrap() > 0);
    assert!(running.overall_cpu_demand() >= running.overall_cpu_usage());
    assert!(running.host_memory_usage().unwrap() > running.guest_memory_usage().unwrap());
    assert_eq!(running.swapped_memory(), Some(0));
    assert_eq!(running.ballooned_memory(), Some(0));
    assert_eq!(running.uptime_seconds(), Some(100), "in whole steps of 20 seconds");
    check_sums(&client).await;
    client.run(&machine(), PowerOffVMTask::new()).await.unwrap();
    let off = stats(&client, &machine()).await;
    let zero = Some(0);
    assert_eq!((off.overall_cpu_usage(), off.overall_cpu_demand(), off.uptime_seconds()), (zero, zero, zero));
    assert_eq!((off.guest_memory_usage(), off.host_memory_usage(), off.private_memory()), (zero, zero, zero));
    check_sums(&client).await;
    client.run(&machine(), PowerOnVMTask::new()).await.unwrap();
    let again = stats(&client, &machine()).await;
    assert_eq!(again.overall_cpu_usage(), running.overall_cpu_usage());
    assert_eq!(again.uptime_seconds(), Some(0));
    check_sums(&client).await;
}

#[tokio::test]
async fn pools_above_and_the_cluster_count_the_machines_of_the_pools_below() {
    let (_simulator, client, _) = start().await;
    let root = refers(&client, &clustered(), "resourcePool").await.remove(0);
    let cluster = refers(&client, &root, "owner").await.remove(0);
    let before = object(&client, &root, "summary.quickStats").await;
    let pool = async |above: &Moref, name: &str| {
        let request = CreateResourcePool::with(|request| {
            request.set_name(name);
            let allocation = ResourceAllocationInfo::with(|allocation| {
                allocation.set_reservation(0).set_limit(-1).set_expandable_reservation(true);
                allocation.shares_mut().set_level(vimsim::types::enums::SharesLevel::Normal);
            });
            request.spec_mut().set_cpu_allocation(allocation.clone()).set_memory_allocation(allocation);
        });
        create(&client, above, request).await
    };
    let (a, other) = (pool(&root, "a").await, pool(&root, "other").await);
    let b = pool(&a, "b").await;
    let into = MoveIntoResourcePool::with(|request| _ = request.set_list([clustered()]));
    client.call(&b, into).await.unwrap();
    let used = async |pool: &Moref| {
        let stats = ResourcePoolQuickStats::from_object(object(&client, pool, "summary.quickStats").await).unwrap();
        stats.overall_cpu_usage().unwrap()
    };
    let own = i64::from(stats(&client, &clustered()).await.overall_cpu_usage().unwrap());
    assert_eq!((used(&a).await, used(&b).await, used(&other).await), (own, own, 0));
    assert_eq!(object(&client, &root, "summary.quickStats").await, before);
    let into = MoveIntoResourcePool::with(|request| _ = request.set_list([b.clone()]));
    client.call(&other, into).await.unwrap();
    assert_eq!((used(&a).await, used(&b).await, used(&other).await), (0, own, own));
    let summary = object(&client, &cluster, "summary").await;
    let usage = |summary: &Object| {
        let usage = ClusterComputeResourceSummary::from_ref(summary).unwrap().usage_summary().expect("is set").clone();
        (usage.cpu_demand_mhz(), usage.total_vm_count(), usage.powered_off_vm_count())
    };
    let (demand, count, off) = usage(&summary);
    assert!(demand > 0 && count > 0 && off == 0);
    client.run(&clustered(), PowerOffVMTask::new()).await.unwrap();
    let (less, same, off) = usage(&object(&client, &cluster, "summary").await);
    assert!(less < demand && same == count && off == 1);
    assert_eq!(used(&other).await, 0);
}

#[tokio::test]
async fn samples_are_around_what_the_quick_stats_say() {
    let (_simulator, client, clock) = start().await;
    clock.advance(100);
    let host = refers(&client, &machine(), "runtime.host").await.remove(0);
    let manager = Moref::of::<PerformanceManager>("PerfMgr");
    let latest = async |entity: &Moref, counter: i32| {
        let request = QueryPerf::with(|request| {
            request.set_query_spec([PerfQuerySpec::with(|spec| {
                spec.set_entity(entity.clone()).set_max_sample(1).set_interval_id(20);
                spec.set_metric_id([PerfMetricId::with(|id| _ = id.set_counter_id(counter).set_instance(""))]);
            })]);
        });
        let Value::List(answer) = client.call(&manager, request).await.unwrap() else { panic!("a list") };
        let metric = PerfEntityMetric::from_ref(answer.items()[0].object().unwrap()).unwrap().clone();
        let series = metric.value().first().unwrap().downcast::<PerfMetricIntSeries>().unwrap().clone();
        series.value().iter().next().unwrap()
    };
    let near = |sample: i64, level: i64| assert!((sample - level).abs() * 5 <= level, "{sample} is not near {level}");
    let stats = stats(&client, &machine()).await;
    // cpu.usagemhz, mem.active and mem.consumed, the latter two in kilobytes.
    near(latest(&machine(), 6).await, stats.overall_cpu_usage().unwrap().into());
    near(latest(&machine(), 33).await, i64::from(stats.guest_memory_usage().unwrap()) << 10);
    near(latest(&machine(), 98).await, i64::from(stats.host_memory_usage().unwrap()) << 10);
    let (cpu, memory) = of_host(&client, &host).await;
    near(latest(&host, 6).await, cpu + 67);
    near(latest(&host, 98).await, (memory + 1_404) << 10);
}
