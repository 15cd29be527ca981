//! Hosts with a container behind them, over the engine in memory.

mod adding;
mod busy;
mod failing;
mod life;
mod machines;
mod with_engine;

use std::sync::Arc;
use std::time::Duration;

use vimsim::container::{Container, ContainerRuntime, Labels, MemoryRuntime};
use vimsim::types::enums::TaskInfoState;
use vimsim::types::method::{FindByIp, QueryNetConfig, QueryOptions, UpdateOptions};
use vimsim::types::views::{
    HostNetworkInfo, HostSystem, HostVfatVolume, HostVirtualNicManager, HostVmfsVolume, InvalidArgument, InvalidName,
    OptionValue, PlatformConfigFault, SearchIndex, Task, VirtualNicManagerNetConfig,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Containers, Error, Product, Simulator};

use crate::check_fault;

/// A simulator, a client of it, and the engine behind it.
struct Lab {
    simulator: Simulator,
    client: Client,
    engine: MemoryRuntime,
}

impl Lab {
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(mut config: Config) -> Self {
        let engine = MemoryRuntime::new();
        config.containers.runtime = Some(Arc::new(engine.clone()));
        let simulator = Simulator::start(config).await.unwrap();
        let client = Client::login(&simulator).await.unwrap();
        Self { simulator, client, engine }
    }

    /// The host of this name.
    fn host(&self, name: &str) -> Moref {
        let snapshot = self.simulator.service().snapshot();
        let mut hosts = snapshot.objects().filter_map(|object| Some((object.moref(), object.view::<HostSystem>()?)));
        hosts.find(|(_, host)| host.name() == name).expect("there is such a host").0.clone()
    }

    /// The properties of a host, as they are now.
    fn seen(&self, host: &Moref) -> HostSystem {
        self.simulator.service().snapshot().view::<HostSystem>(host).expect("the host is there").clone()
    }

    fn network(&self, host: &Moref) -> HostNetworkInfo {
        self.seen(host).config().and_then(|config| config.network()).expect("it has a network").clone()
    }

    fn options(&self, host: &Moref) -> Moref {
        self.seen(host).config_manager().advanced_option().expect("it has options")
    }

    /// Sets options of a host, without waiting for what comes of it.
    async fn set(&self, host: &Moref, options: &[(&str, &str)]) -> Result<Value, Error> {
        let request = UpdateOptions::with(|request| {
            for (key, value) in options {
                request.push_changed_value(option(key, *value));
            }
        });
        self.client.call(&self.options(host), request).await
    }

    /// Sets options of a host, and waits for the task that comes of it.
    async fn back(&self, host: &Moref, options: &[(&str, &str)]) -> Result<Value, Error> {
        self.set(host, options).await?;
        self.client.wait_for_task(&self.task(host)).await
    }

    /// The newest task of a host.
    fn task(&self, host: &Moref) -> Moref {
        self.seen(host).recent_task().iter().last().expect("a task was started")
    }

    /// The value of an option of a host; `InvalidName` if it has none of this name.
    async fn option(&self, host: &Moref, key: &str) -> Result<Value, Error> {
        let request = QueryOptions::with(|request| _ = request.set_name(key));
        let answer = self.client.call(&self.options(host), request).await?;
        Ok(OptionValue::from_ref(answer.items()[0].object().unwrap()).unwrap().value().clone())
    }

    /// The one container.
    async fn container(&self) -> Container {
        let names = self.names().await;
        self.engine.inspect_container(&names[0]).await.unwrap()
    }

    /// The names of all containers.
    async fn names(&self) -> Vec<String> {
        let containers = self.engine.list_containers(&Labels::new()).await.unwrap();
        containers.into_iter().map(|container| container.name).collect()
    }

    /// Waits until the host is as wanted.
    async fn until(&self, host: &Moref, what: &str, is_so: impl Fn(&HostSystem) -> bool) {
        let waiting = async {
            while !is_so(&self.seen(host)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), waiting).await.is_err() {
            panic!("{what} has not come true");
        }
    }
}

/// Whether two objects are equal.
fn is_same<V: View>(a: Option<&V>, b: Option<&V>) -> bool {
    a.map(View::as_object) == b.map(View::as_object)
}

fn option(key: &str, value: impl Into<Value>) -> OptionValue {
    OptionValue::with(|option| _ = option.set_key(key).set_value(value))
}

#[tokio::test]
async fn an_option_makes_a_host_a_container() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    let uuid = lab.seen(&host).hardware().unwrap().system_info().uuid().clone();
    lab.back(&host, &[("RUN.container", "")]).await.unwrap();
    let container = lab.container().await;
    assert_eq!(container.name, format!("vcsim-DC0_H0-{uuid}"));
    assert_eq!((container.image.as_str(), container.hostname.as_str()), ("alpine:3.20.3", "DC0_H0"));
    assert_eq!(container.labels["vimsim.owner"], host.to_string());
    assert_eq!(lab.option(&host, "RUN.container").await.unwrap(), Value::from(""));
    let task = lab.simulator.service().snapshot().view::<Task>(&lab.task(&host)).unwrap().clone();
    assert_eq!((task.info().name().unwrap().as_str(), task.info().entity()), ("UpdateOptions", Some(host.clone())));
    assert!(task.info().progress().is_some());
    // Another host knows nothing of it.
    check_fault::<InvalidName>(lab.option(&lab.host("DC0_C0_H0"), "RUN.container").await);

    lab.back(&host, &[("RUN.container", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
    check_fault::<InvalidName>(lab.option(&host, "RUN.container").await);
    let after = lab.network(&host);
    assert_eq!(after.vnic().first().unwrap().spec().ip().unwrap().ip_address().unwrap(), "127.0.0.1");
}

#[tokio::test]
async fn a_host_is_as_before_when_its_container_is_removed() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    let before = lab.seen(&host);
    lab.back(&host, &[("RUN.underlay.vmnic1", "blue"), ("RUN.container", "nginx")]).await.unwrap();
    assert!(!is_same(lab.seen(&host).config(), before.config()));
    lab.back(&host, &[("RUN.underlay.vmnic1", ""), ("RUN.container", "")]).await.unwrap();
    assert!(is_same(lab.seen(&host).config(), before.config()));
    assert!(is_same(Some(lab.seen(&host).summary()), Some(before.summary())));
}

#[tokio::test]
async fn values_name_an_image_and_a_command() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    for (value, image) in [("nginx:1 -g 'daemon off;'", "nginx:1"), (r#"["busybox", "sleep", "1000"]"#, "busybox")] {
        lab.back(&host, &[("RUN.container", value)]).await.unwrap();
        assert_eq!(lab.container().await.image, image);
    }
    for value in ["[1]", "busybox 'sleep"] {
        check_fault::<InvalidArgument>(lab.set(&host, &[("RUN.container", value)]).await);
    }
    assert_eq!(lab.container().await.image, "busybox");
}

#[tokio::test]
async fn the_first_image_is_the_configured_one() {
    let mut config = Config::default();
    let image = vimsim::container::ImageValue::parse("mine:1 /bin/run").unwrap();
    config.containers = Containers { default_image: Some(image), ..Containers::default() };
    let lab = Lab::with(config).await;
    lab.back(&lab.host("DC0_H0"), &[("RUN.container", "true")]).await.unwrap();
    assert_eq!(lab.container().await.image, "mine:1");
}

#[tokio::test]
async fn file_systems_are_volumes() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.back(&host, &[("RUN.container", "true")]).await.unwrap();
    let container = lab.container().await;
    let config = lab.seen(&host).config().unwrap().clone();
    let mounts: Vec<_> = config.file_system_volume().unwrap().mount_info().iter().cloned().collect();
    assert_eq!(mounts.len(), 4);
    let names: Vec<_> = mounts.iter().map(|mount| mount.volume().name().to_string()).collect();
    let mut partitions = Vec::new();
    for mount in &mounts {
        let (info, volume) = (mount.mount_info(), mount.volume());
        let path = info.path().unwrap().as_str();
        let point = container.mounts.iter().find(|point| point.target == path).expect("it is mounted");
        let id = point.volume.clone().expect("a volume");
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        let digits: String = path.strip_prefix("/vmfs/volumes/").unwrap().chars().filter(|c| *c != '-').collect();
        assert_eq!(digits, id[..32]);
        assert_eq!(point.read_only, info.access_mode() == "readOnly");
        assert_eq!((info.mounted(), info.accessible()), (Some(true), Some(true)));
        assert_eq!(mount.v_storage_support().unwrap(), "vStorageUnsupported");
        let link = lab.engine.link(&container.name, &format!("/vmfs/volumes/{}", volume.name()));
        assert_eq!(link.as_deref(), Some(path));
        let labels = lab.engine.inspect_volume(&id).await.unwrap().labels;
        assert_eq!(labels["vimsim.owner"], host.to_string());
        assert_eq!(labels["vimsim.volume.capacity"], volume.capacity().to_string());
        if let Some(vmfs) = volume.downcast::<HostVmfsVolume>() {
            assert_eq!((vmfs.version().as_str(), vmfs.ssd(), vmfs.local()), ("6.82", Some(true), Some(true)));
            assert_eq!(format!("/vmfs/volumes/{}", vmfs.uuid()), path);
            partitions.extend(vmfs.extent().iter().map(|extent| extent.partition()));
        } else {
            assert!(volume.downcast::<HostVfatVolume>().is_some() && volume.capacity() == 4 << 30);
            assert_eq!(info.access_mode(), "readOnly");
        }
    }
    assert_eq!(partitions, [8, 7]);
    assert_eq!(names[0], "datastore1");
    assert!(names[1].starts_with("OSDATA-"));
    assert_eq!(names[2..], ["BOOTBANK1", "BOOTBANK2"]);
    let data = lab.engine.link(&container.name, "/var/lib/vmware/osdata");
    assert_eq!(data.as_deref(), mounts[1].mount_info().path().map(|path| path.as_str()));
}

#[tokio::test]
async fn addresses_are_the_engine_s_everywhere() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.back(&host, &[("RUN.container", "true"), ("RUN.underlay.vmnic1", "blue")]).await.unwrap();
    let container = lab.container().await;
    let (first, second) = (container.endpoint("vcsim-underlay").unwrap(), container.endpoint("blue").unwrap());
    let (address, mac) = (first.address.unwrap().to_string(), first.mac_address.clone().unwrap());
    let network = lab.network(&host);
    for (adapter, endpoint) in network.pnic().iter().zip([first, second]) {
        assert_eq!(adapter.mac(), endpoint.mac_address.as_deref().unwrap());
        assert_eq!(adapter.spec().ip().unwrap().ip_address().unwrap(), &*endpoint.address.unwrap().to_string());
    }
    let vnic = network.vnic().first().unwrap();
    let ip = vnic.spec().ip().unwrap();
    assert_eq!((ip.ip_address().unwrap().as_str(), vnic.spec().mac().unwrap().as_str()), (&*address, &*mac));
    assert_eq!(ip.subnet_mask().unwrap(), "255.255.0.0");

    let config = lab.seen(&host).config().unwrap().clone();
    for selection in config.virtual_nic_manager_info().unwrap().net_config() {
        for candidate in selection.candidate_vnic() {
            assert!(is_same(Some(candidate.spec()), Some(vnic.spec())));
        }
    }
    let manager = lab.seen(&host).config_manager().virtual_nic_manager().unwrap();
    let shown = lab.client.property(&manager, "info").await.unwrap();
    assert_eq!(shown.object(), Some(config.virtual_nic_manager_info().unwrap().as_object()));
    let request = QueryNetConfig::with(|request| _ = request.set_nic_type("management"));
    let answer = lab.client.call(&Moref::of::<HostVirtualNicManager>(manager.value()), request).await.unwrap();
    let management = VirtualNicManagerNetConfig::from_ref(answer.object().unwrap()).unwrap();
    assert!(is_same(Some(management.candidate_vnic().first().unwrap().spec()), Some(vnic.spec())));
    assert_eq!(management.selected_vnic().len(), 1);

    let request = FindByIp::with(|request| _ = request.set_ip(&address).set_vm_search(false));
    let index = Moref::of::<SearchIndex>("SearchIndex");
    assert_eq!(lab.client.call(&index, request).await.unwrap().moref(), Some(host.clone()));
    let everything = format!("{:?}", lab.seen(&host).as_object());
    assert!(!everything.contains("127.0.0"), "an address of the template is left");
}

#[tokio::test]
async fn two_adapters_on_one_underlay_are_a_fault() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    let options = [("RUN.container", "true"), ("RUN.underlay.vmnic0", "a"), ("RUN.underlay.vmnic1", "a")];
    let fault = lab.set(&host, &options).await.expect_err("is refused");
    let message = fault.to_string();
    assert!(message.contains("vmnic0") && message.contains("vmnic1"), "{message}");
    check_fault::<InvalidName>(lab.option(&host, "RUN.container").await);
    check_fault::<InvalidName>(lab.option(&host, "RUN.underlay.vmnic0").await);
    assert!(lab.engine.left().is_empty());
}

#[tokio::test]
async fn a_changed_option_replaces_the_container() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.back(&host, &[("RUN.container", "one")]).await.unwrap();
    let before = lab.container().await;
    lab.back(&host, &[("RUN.container", "two")]).await.unwrap();
    let after = lab.container().await;
    assert_eq!((after.image.as_str(), after.name.as_str()), ("two", before.name.as_str()));
    assert_ne!(after.id, before.id);
    lab.back(&host, &[("RUN.underlay.vmnic0", "green")]).await.unwrap();
    let green = lab.container().await;
    assert!(green.endpoint("green").is_some());
    // The same again changes nothing.
    lab.set(&host, &[("RUN.container", "two")]).await.unwrap();
    assert_eq!(lab.container().await.id, green.id);
    assert_eq!(lab.names().await.len(), 1);
}

#[tokio::test]
async fn without_an_engine_the_fault_says_what_is_missing() {
    for engine in [None, Some(MemoryRuntime::new())] {
        if let Some(engine) = &engine {
            engine.lose();
        }
        let mut config = Config::default();
        config.containers.runtime = engine.map(|engine| Arc::new(engine) as Arc<dyn ContainerRuntime>);
        let simulator = Simulator::start(config).await.unwrap();
        let client = Client::login(&simulator).await.unwrap();
        let lab = Lab { simulator, client, engine: MemoryRuntime::new() };
        let host = lab.host("DC0_H0");
        let error = lab.set(&host, &[("RUN.container", "true")]).await.expect_err("there is no engine");
        assert!(error.fault().is_some_and(|fault| fault.is::<PlatformConfigFault>()), "{error}");
        let message = error.to_string();
        assert!(message.contains("no container engine answers") && message.contains("DOCKER_HOST"), "{message}");
        check_fault::<InvalidName>(lab.option(&host, "RUN.container").await);
        // Other options are none of the engine's business.
        lab.set(&host, &[("My.option", "yes")]).await.unwrap();
    }
}

#[tokio::test]
async fn an_esxi_host_is_a_container_too() {
    let lab = Lab::with(Config { product: Product::EsxHost, ..Config::default() }).await;
    let host = lab.host("localhost.localdomain");
    lab.back(&host, &[("RUN.container", "true")]).await.unwrap();
    let address = lab.container().await.endpoint("vcsim-underlay").unwrap().address.unwrap().to_string();
    let network = lab.network(&host);
    assert_eq!(network.vnic().first().unwrap().spec().ip().unwrap().ip_address().unwrap(), &*address);
    lab.back(&host, &[("RUN.container", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty());
}

#[tokio::test]
async fn hosts_share_an_underlay_and_have_their_own_addresses() {
    let lab = Lab::start().await;
    let hosts = ["DC0_H0", "DC0_C0_H0", "DC0_C0_H1"].map(|name| lab.host(name));
    for host in &hosts {
        lab.set(host, &[("RUN.container", "true")]).await.unwrap();
    }
    for host in &hosts {
        lab.client.wait_for_task(&lab.task(host)).await.unwrap();
    }
    let address = |host| lab.network(host).vnic().first().unwrap().spec().ip().unwrap().ip_address().cloned();
    let mut addresses: Vec<_> = hosts.iter().map(address).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
    let underlays = |left: Vec<String>| left.into_iter().filter(|name| name.starts_with("network")).count();
    assert_eq!(underlays(lab.engine.left()), 1);
    for host in &hosts[1..] {
        lab.back(host, &[("RUN.container", "")]).await.unwrap();
    }
    assert_eq!(underlays(lab.engine.left()), 1);
    lab.back(&hosts[0], &[("RUN.container", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty());
}

#[tokio::test]
async fn a_pull_can_be_cancelled() {
    use vimsim::types::method::CancelTask;
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.engine.delay(vimsim::container::Step::PullImage, Duration::from_secs(600));
    lab.set(&host, &[("RUN.container", "slow")]).await.unwrap();
    let task = lab.task(&host);
    let state = |lab: &Lab| lab.simulator.service().snapshot().view::<Task>(&task).unwrap().info().state();
    lab.until(&host, "the pull", |_| state(&lab) == TaskInfoState::Running).await;
    lab.client.call(&task, CancelTask::new()).await.unwrap();
    check_fault::<vimsim::types::views::RequestCanceled>(lab.client.wait_for_task(&task).await);
    check_fault::<InvalidName>(lab.option(&host, "RUN.container").await);
    assert!(lab.engine.left().is_empty());
}
