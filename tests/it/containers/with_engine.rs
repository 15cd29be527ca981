//! A host over a real engine. Without one this says so and passes, except in CI, which has to have one.

use std::sync::Arc;
use std::time::Duration;

use vimsim::container::{Container, ContainerRuntime, Engine, ExecSpec, Instance, RuntimeError, Status};
use vimsim::types::enums::HostSystemConnectionState as Connection;
use vimsim::types::enums::{SharesLevel, VirtualMachinePowerState as Power};
use vimsim::types::method::{
    CreateVApp, DestroyTask, MoveIntoResourcePool, PowerOffVAppTask, PowerOffVMTask, PowerOnVAppTask, PowerOnVMTask,
    ReconnectHostTask, ResetVMTask, UpdateVAppConfig,
};
use vimsim::types::views::{HostSystem, ResourceAllocationInfo, TaskInProgress, VAppConfigSpec, VAppEntityConfigInfo};
use vimsim::types::{Moref, View};
use vimsim::{Client, Config, Simulator};

use super::{Lab, MemoryRuntime, adding};
use crate::check_fault;

/// The image, of this machine's busybox. It stays, so that the next run need not make it.
const IMAGE: &str = "vimsim-busybox:test";

async fn engine() -> Option<Engine> {
    let engine = Engine::from_environment(|name| std::env::var(name).ok());
    if let Err(error) = engine.version().await {
        assert!(std::env::var_os("CI").is_none(), "CI needs an engine: {error}");
        eprintln!("not run: {error}");
        return None;
    }
    // Tests run side by side, in processes of their own.
    let turn = std::fs::File::create(std::env::temp_dir().join("vimsim-test-image.lock")).unwrap();
    turn.lock().unwrap();
    if !engine.has_image(IMAGE).await.unwrap() {
        engine.import_busybox(IMAGE).await.unwrap();
    }
    turn.unlock().unwrap();
    Some(engine)
}

/// What a command in a container says; it must succeed.
async fn run(engine: &Engine, container: &str, command: &[&str]) -> String {
    let outcome = engine.exec(container, &ExecSpec::new(command.iter().copied())).await.unwrap();
    assert_eq!(outcome.exit_code, 0, "{command:?}: {}", String::from_utf8_lossy(&outcome.stderr));
    outcome.text()
}

/// The container behind a host.
async fn behind(engine: &Engine, host: &Moref, name: &str) -> Container {
    let mut containers = Vec::new();
    let all = [("vimsim.owner".to_owned(), host.to_string())].into();
    for known in engine.list_containers(&all).await.unwrap() {
        if known.name.contains(name) {
            containers.push(engine.inspect_container(&known.id).await.unwrap());
        }
    }
    assert_eq!(containers.len(), 1, "one container is behind {host}");
    containers.remove(0)
}

fn address(host: &HostSystem) -> String {
    let network = host.config().and_then(|config| config.network()).unwrap();
    network.vnic().first().unwrap().spec().ip().unwrap().ip_address().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_a_container() {
    let Some(engine) = engine().await else { return };
    let mut config = Config::default();
    config.containers.runtime = Some(Arc::new(engine.clone()));
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    // The engine in memory has no part in this.
    let lab = Lab { simulator, client, engine: MemoryRuntime::new() };
    // Names that no other service on this engine has.
    let unique = Instance::new(Arc::new(engine.clone())).id().to_owned();
    let (first, second) = (format!("one-{unique}"), format!("two-{unique}"));
    let (blue, green) = (format!("vimsim-test-blue-{unique}"), format!("vimsim-test-green-{unique}"));
    let value = format!("{IMAGE} sleep 100000");
    for name in [&first, &second] {
        let options = [("RUN.container", &*value), ("RUN.underlay.vmnic0", &*blue), ("RUN.underlay.vmnic1", &*green)];
        adding::add(&lab, name, &options).await.unwrap();
    }
    let (one, two) = (lab.host(&first), lab.host(&second));
    let container = behind(&engine, &one, &first).await;
    assert!(container.name.starts_with(&format!("vcsim-{first}-")), "{}", container.name);

    // What the container is seen to have is what the API says.
    assert_eq!(address(&lab.seen(&one)), container.endpoint(&blue).unwrap().address.unwrap().to_string());
    assert!(container.endpoint(&green).is_some());
    assert_ne!(address(&lab.seen(&one)), address(&lab.seen(&two)));
    // Not every engine lets its containers ping.
    let other = behind(&engine, &two, &second).await;
    let listen = "busybox nc -l -p 8080 </dev/null >/dev/null 2>&1 &";
    run(&engine, &other.id, &["sh", "-c", listen]).await;
    let reach = format!("until busybox nc -w 5 {} 8080 </dev/null; do sleep 0.1; done", address(&lab.seen(&two)));
    run(&engine, &container.id, &["busybox", "timeout", "10", "sh", "-c", &reach]).await;
    run(&engine, &container.id, &["touch", "/vmfs/volumes/datastore1/file", "/var/lib/vmware/osdata/file"]).await;
    let written = engine.exec(&container.id, &ExecSpec::new(["touch", "/vmfs/volumes/BOOTBANK1/file"])).await.unwrap();
    assert_ne!(written.exit_code, 0, "a boot bank can be written");

    // What happens to it happens to the host.
    let state = |wanted: Connection| move |host: &HostSystem| host.runtime().connection_state() == wanted;
    engine.kill_container(&container.id, "SIGKILL").await.unwrap();
    lab.until(&one, "not responding", state(Connection::NotResponding)).await;
    lab.client.run(&one, ReconnectHostTask::new()).await.unwrap();
    engine.pause_container(&container.id).await.unwrap();
    lab.until(&one, "not responding", state(Connection::NotResponding)).await;
    engine.unpause_container(&container.id).await.unwrap();
    lab.until(&one, "connected", state(Connection::Connected)).await;
    engine.remove_container(&container.id, vimsim::container::Removal::ALL).await.unwrap();
    lab.until(&one, "not responding", state(Connection::NotResponding)).await;
    lab.client.run(&one, ReconnectHostTask::new()).await.unwrap();
    let again = behind(&engine, &one, &first).await;
    assert_ne!(again.id, container.id);
    run(&engine, &again.id, &["ls", "/vmfs/volumes/datastore1/file"]).await;

    // It goes with the host, and the networks with the last.
    lab.client.run(&one, DestroyTask::new()).await.unwrap();
    assert!(matches!(engine.inspect_container(&again.id).await, Err(RuntimeError::NotFound { .. })));
    engine.inspect_network(&blue).await.unwrap();
    lab.client.run(&two, DestroyTask::new()).await.unwrap();
    for network in [&blue, &green] {
        assert!(matches!(engine.inspect_network(network).await, Err(RuntimeError::NotFound { .. })), "{network}");
    }
    for mount in again.mounts.iter().filter_map(|mount| mount.volume.as_deref()) {
        assert!(matches!(engine.inspect_volume(mount).await, Err(RuntimeError::NotFound { .. })), "{mount}");
    }
    tokio::time::timeout(Duration::from_secs(15), lab.simulator.stop()).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_machine_is_a_container() {
    let Some(engine) = engine().await else { return };
    let mut config = Config::default();
    config.model.autostart = false;
    config.containers.runtime = Some(Arc::new(engine.clone()));
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let lab = Lab { simulator, client, engine: MemoryRuntime::new() };
    let machine = lab.machine("DC0_H0_VM0");
    let value = format!("--tmpfs /tmp {IMAGE} sleep 100000");
    lab.keys(&machine, &[("RUN.container", &value), ("RUN.env.A", "b c"), ("guestinfo.d.e", "f;g")]).await.unwrap();
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    let container = mine(&engine, &lab, &machine).await;
    let uuid = lab.vm(&machine).config().unwrap().uuid().clone();
    assert!(container.name.starts_with(&format!("vcsim-DC0_H0_VM0-{uuid}")), "{}", container.name);
    let address = container.endpoints[0].address.unwrap().to_string();
    assert_eq!(lab.vm(&machine).guest().unwrap().ip_address().unwrap(), &*address);
    let said = run(&engine, &container.id, &["sh", "-c", r#"echo "$A $VMX_GUESTINFO_D_E""#]).await;
    assert_eq!(said, "b c f;g");
    let serial = run(&engine, &container.id, &["cat", "/sys/class/dmi/id/product_serial"]).await;
    assert!(serial.starts_with(&format!("VMware-{} ", &uuid[..2])), "{serial}");
    run(&engine, &container.id, &["ls", "/sys/class/net/eth0"]).await;

    engine.kill_container(&container.id, "SIGKILL").await.unwrap();
    lab.until_machine(&machine, "off", |machine| machine.runtime().power_state() == Power::PoweredOff).await;
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    assert_eq!(mine(&engine, &lab, &machine).await.id, container.id);
    // What has come to its end at once is a machine that was on for a moment.
    let brief = lab.machine("DC0_H0_VM1");
    lab.keys(&brief, &[("RUN.container", &format!("{IMAGE} true"))]).await.unwrap();
    lab.client.run(&brief, PowerOnVMTask::new()).await.unwrap();
    lab.until_machine(&brief, "off", |machine| machine.runtime().power_state() == Power::PoweredOff).await;
    tokio::time::timeout(Duration::from_secs(15), lab.simulator.stop()).await.expect("it stops");
    assert!(matches!(engine.inspect_container(&container.id).await, Err(RuntimeError::NotFound { .. })));
    for volume in container.mounts.iter().filter_map(|mount| mount.volume.as_deref()) {
        assert!(matches!(engine.inspect_volume(volume).await, Err(RuntimeError::NotFound { .. })), "{volume}");
    }
}

/// The running container behind a machine of this service: that with its address.
async fn mine(engine: &Engine, lab: &Lab, machine: &Moref) -> Container {
    let address = lab.vm(machine).guest().and_then(|guest| guest.ip_address()).map(ToString::to_string);
    let all = [("vimsim.owner".to_owned(), machine.to_string())].into();
    for known in engine.list_containers(&all).await.unwrap() {
        let seen = engine.inspect_container(&known.id).await.unwrap();
        let own = seen.endpoints.first().and_then(|endpoint| endpoint.address).map(|address| address.to_string());
        if own.is_some() && own == address {
            return seen;
        }
    }
    panic!("no container is behind {machine}");
}

/// A vApp in the pool of `DC0_H0`, with two machines that have containers in it, the second of which comes first.
async fn app_of_two(lab: &Lab) -> (Moref, Moref, Moref) {
    let (first, second) = (lab.machine("DC0_H0_VM0"), lab.machine("DC0_H0_VM1"));
    let value = format!("--tmpfs /tmp {IMAGE} sleep 100000");
    for machine in [&first, &second] {
        lab.keys(machine, &[("RUN.container", &value)]).await.unwrap();
    }
    let pool = lab.vm(&first).resource_pool().unwrap();
    let allocation = || {
        ResourceAllocationInfo::with(|allocation| {
            allocation.set_reservation(0).set_limit(-1).set_expandable_reservation(true);
            allocation.shares_mut().set_shares(4000).set_level(SharesLevel::Normal);
        })
    };
    let request = CreateVApp::with(|request| {
        request.set_name("app").set_config_spec(VAppConfigSpec::new());
        request.res_spec_mut().set_cpu_allocation(allocation()).set_memory_allocation(allocation());
    });
    let app = lab.client.call(&pool, request).await.unwrap().moref().unwrap();
    let request = MoveIntoResourcePool::with(|request| _ = request.set_list([first.clone(), second.clone()]));
    lab.client.call(&app, request).await.unwrap();
    let entities = [(&first, 2), (&second, 1)].map(|(machine, order)| {
        VAppEntityConfigInfo::with(|entity| {
            entity.set_key(machine.clone()).set_start_order(order);
            entity.set_start_action("powerOn").set_stop_action("guestShutdown");
        })
    });
    let spec = VAppConfigSpec::with(|spec| _ = spec.set_entity_config(entities));
    lab.client.call(&app, UpdateVAppConfig::with(|request| _ = request.set_spec(spec))).await.unwrap();
    (app, first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vapp_has_its_containers_run_in_order() {
    let Some(engine) = engine().await else { return };
    let mut config = Config::default();
    config.model.autostart = false;
    config.containers.runtime = Some(Arc::new(engine.clone()));
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let lab = Lab { simulator, client, engine: MemoryRuntime::new() };
    let (app, first, second) = app_of_two(&lab).await;
    let task = lab.client.call(&app, PowerOnVAppTask::new()).await.unwrap().moref().unwrap();
    check_fault::<TaskInProgress>(lab.client.run(&first, PowerOnVMTask::new()).await);
    check_fault::<TaskInProgress>(lab.client.run(&app, PowerOnVAppTask::new()).await);
    lab.client.wait_for_task(&task).await.unwrap();
    let booted = |machine: &Moref| lab.vm(machine).runtime().boot_time().unwrap().micros();
    assert!(booted(&second) < booted(&first));
    let containers = [mine(&engine, &lab, &first).await, mine(&engine, &lab, &second).await];
    assert!(containers.iter().all(|container| container.state.status == Status::Running));

    // Two who want the same: one gets it, the other is told who did.
    let (one, two) =
        tokio::join!(lab.client.call(&first, ResetVMTask::new()), lab.client.call(&first, PowerOffVMTask::new()));
    let (one, two) = (one.unwrap().moref().unwrap(), two.unwrap().moref().unwrap());
    let outcomes = [lab.client.wait_for_task(&one).await, lab.client.wait_for_task(&two).await];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    let failed = outcomes.into_iter().find(Result::is_err).unwrap();
    check_fault::<TaskInProgress>(failed);
    if lab.vm(&first).runtime().power_state() == Power::PoweredOff {
        lab.client.run(&first, PowerOnVMTask::new()).await.unwrap();
    }

    let stop = PowerOffVAppTask::with(|request| _ = request.set_force(true));
    let task = lab.client.call(&app, stop).await.unwrap().moref().unwrap();
    check_fault::<TaskInProgress>(lab.client.run(&second, DestroyTask::new()).await);
    lab.client.wait_for_task(&task).await.unwrap();
    for container in &containers {
        assert_eq!(engine.inspect_container(&container.id).await.unwrap().state.status, Status::Exited);
    }
    lab.client.run(&app, DestroyTask::new()).await.unwrap();
    for container in &containers {
        let seen = engine.inspect_container(&container.id).await;
        assert!(matches!(seen, Err(RuntimeError::NotFound { .. })), "{}", container.name);
    }
    tokio::time::timeout(Duration::from_secs(15), lab.simulator.stop()).await.expect("it stops");
}
