//! vApps: in which order their machines start and stop, their copies, and the children that are linked to them.

use vimsim::types::enums::{
    SharesLevel, VirtualAppVAppState as State, VirtualDeviceConfigSpecOperation, VirtualMachinePowerState as Power,
};
use vimsim::types::method::{
    CloneVAppTask, CreateChildVMTask, CreateResourcePool, CreateVApp, DestroyTask, PowerOffVAppTask, PowerOnVAppTask,
    PowerOnVMTask, QueryEvents, RegisterChildVMTask, SuspendVAppTask, UnregisterVAppTask, UnregisterVM,
    UpdateLinkedChildren, UpdateVAppConfig,
};
use vimsim::types::views::{
    AlreadyExists, Datastore, DuplicateName, Event, EventFilterSpec, EventManager, InvalidArgument, InvalidState,
    KeyValue, MissingPowerOnConfiguration, Network, NoVmInVApp, NotUserConfigurableProperty, ResourceAllocationInfo,
    ResourceConfigSpec, ResourcePool, TaskInProgress, VAppCloneSpec, VAppCloneSpecNetworkMappingPair,
    VAppCloneSpecResourceMap, VAppConfigSpec, VAppEntityConfigInfo, VAppPropertySpec, VAppTaskInProgress, VirtualApp,
    VirtualAppLinkInfo, VirtualDeviceConfigSpec, VirtualE1000, VirtualEthernetCardNetworkBackingInfo, VirtualMachine,
    VirtualMachineConfigSpec,
};
use vimsim::types::{Moref, View};
use vimsim::{Client, Simulator};

use crate::{check_fault, create};

struct Lab {
    simulator: Simulator,
    client: Client,
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

impl Lab {
    async fn start() -> Self {
        let (simulator, client) = crate::start().await;
        Self { simulator, client }
    }

    fn named<V: View>(&self, name: &str) -> Moref {
        let snapshot = self.simulator.service().snapshot();
        let found = snapshot.objects().find(|object| {
            object.view::<V>().is_some()
                && object.view::<vimsim::types::views::ManagedEntity>().is_some_and(|entity| entity.name() == name)
        });
        found.unwrap_or_else(|| panic!("there is no {name}")).moref().clone()
    }

    fn see<V: View + Clone>(&self, moref: &Moref) -> V {
        self.simulator.service().snapshot().view::<V>(moref).unwrap_or_else(|| panic!("no {moref}")).clone()
    }

    fn is_there(&self, moref: &Moref) -> bool {
        self.simulator.service().snapshot().object(moref).is_some()
    }

    fn pool(&self) -> Moref {
        let cluster = self.named::<vimsim::types::views::ClusterComputeResource>("DC0_C0");
        self.see::<vimsim::types::views::ComputeResource>(&cluster).resource_pool().unwrap()
    }

    async fn app(&self, parent: &Moref, name: &str) -> Moref {
        let request = CreateVApp::with(|request| {
            request.set_name(name).set_config_spec(VAppConfigSpec::new()).set_res_spec(resources());
        });
        create(&self.client, parent, request).await
    }

    async fn machine(&self, app: &Moref, name: &str) -> Moref {
        let backing = VirtualEthernetCardNetworkBackingInfo::with(|backing| _ = backing.set_device_name("VM Network"));
        let card = VirtualE1000::with(|card| _ = card.set_key(-1).set_backing(backing));
        let add = VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Add).set_device(card);
        });
        let config = VirtualMachineConfigSpec::with(|config| {
            config.set_name(name).set_guest_id("otherGuest").set_num_cpus(1).set_memory_mb(64);
            config.files_mut().set_vm_path_name("[LocalDS_0]");
            config.push_device_change(add);
        });
        let request = CreateChildVMTask::with(|request| _ = request.set_config(config));
        self.client.run(app, request).await.unwrap().moref().unwrap()
    }

    async fn configure(&self, app: &Moref, entities: &[(&Moref, i32, &str, &str)]) {
        let entities = entities.iter().map(|(key, order, start, stop)| {
            VAppEntityConfigInfo::with(|entity| {
                entity.set_key((*key).clone()).set_start_order(*order).set_start_action(*start).set_stop_action(*stop);
            })
        });
        let spec = VAppConfigSpec::with(|spec| _ = spec.set_entity_config(entities));
        self.client.call(app, UpdateVAppConfig::with(|request| _ = request.set_spec(spec))).await.unwrap();
    }

    fn power(&self, machine: &Moref) -> Power {
        self.see::<VirtualMachine>(machine).runtime().power_state()
    }

    fn state(&self, app: &Moref) -> Option<State> {
        let app = self.see::<VirtualApp>(app);
        app.summary().downcast::<vimsim::types::views::VirtualAppSummary>().and_then(|summary| summary.v_app_state())
    }

    /// The machines in the order in which events of this kind came.
    async fn order(&self, kind: &str) -> Vec<Moref> {
        let filter = EventFilterSpec::with(|filter| _ = filter.set_event_type_id([kind]));
        let request = QueryEvents::with(|request| _ = request.set_filter(filter));
        let manager = Moref::of::<EventManager>("EventManager");
        let events = self.client.call(&manager, request).await.unwrap();
        let mut events: Vec<(i32, Moref)> = events
            .items()
            .iter()
            .filter_map(|event| Event::from_ref(event.object()?))
            .filter_map(|event| Some((event.key(), event.vm()?.vm())))
            .collect();
        events.sort_by_key(|(key, _)| *key);
        events.into_iter().map(|(_, machine)| machine).collect()
    }
}

fn off(force: bool) -> PowerOffVAppTask {
    PowerOffVAppTask::with(|request| _ = request.set_force(force))
}

#[tokio::test]
async fn machines_start_in_order_and_stop_in_reverse() {
    let lab = Lab::start().await;
    let app = lab.app(&lab.pool(), "app").await;
    check_fault::<NoVmInVApp>(lab.client.run(&app, PowerOnVAppTask::new()).await);
    let (a, b, c) = (lab.machine(&app, "a").await, lab.machine(&app, "b").await, lab.machine(&app, "c").await);
    let child = lab.app(&app, "child").await;
    let d = lab.machine(&child, "d").await;
    lab.configure(
        &app,
        &[
            (&a, 3, "powerOn", "powerOff"),
            (&b, 1, "powerOn", "guestShutdown"),
            (&c, 4, "none", "none"),
            (&child, 2, "powerOn", "powerOff"),
        ],
    )
    .await;
    let before = lab.order("VmPoweredOnEvent").await.len();
    lab.client.run(&app, PowerOnVAppTask::new()).await.unwrap();
    assert_eq!(lab.order("VmPoweredOnEvent").await[before..], [b.clone(), d.clone(), a.clone()]);
    assert_eq!(
        (lab.power(&c), lab.state(&app), lab.state(&child)),
        (Power::PoweredOff, Some(State::Started), Some(State::Started))
    );
    // The one that is left is not to be started.
    check_fault::<MissingPowerOnConfiguration>(lab.client.run(&app, PowerOnVAppTask::new()).await);

    lab.client.run(&c, PowerOnVMTask::new()).await.unwrap();
    let before = lab.order("VmPoweredOffEvent").await.len();
    lab.client.run(&app, off(false)).await.unwrap();
    assert_eq!(lab.order("VmPoweredOffEvent").await[before..], [a.clone(), d, b.clone()]);
    assert_eq!(lab.order("VmGuestShutdownEvent").await, [b]);
    assert_eq!((lab.power(&c), lab.state(&app)), (Power::PoweredOn, Some(State::Started)));
    lab.client.run(&app, off(true)).await.unwrap();
    assert_eq!((lab.power(&c), lab.state(&app)), (Power::PoweredOff, Some(State::Stopped)));
    check_fault::<InvalidState>(lab.client.run(&app, off(true)).await);

    lab.client.run(&app, PowerOnVAppTask::new()).await.unwrap();
    lab.client.run(&app, SuspendVAppTask::new()).await.unwrap();
    assert_eq!(lab.power(&a), Power::Suspended);
}

#[tokio::test]
async fn the_next_machine_waits_for_the_one_before() {
    let lab = Lab::start().await;
    let app = lab.app(&lab.pool(), "app").await;
    let (a, b) = (lab.machine(&app, "a").await, lab.machine(&app, "b").await);
    let entities = [(&a, 1, 1), (&b, 2, 60)].map(|(key, order, delay)| {
        VAppEntityConfigInfo::with(|entity| {
            entity.set_key(key.clone()).set_start_order(order).set_start_delay(delay).set_start_action("powerOn");
        })
    });
    let spec = VAppConfigSpec::with(|spec| _ = spec.set_entity_config(entities));
    lab.client.call(&app, UpdateVAppConfig::with(|request| _ = request.set_spec(spec))).await.unwrap();
    let task = lab.client.call(&app, PowerOnVAppTask::new()).await.unwrap().moref().unwrap();
    // Everything in it belongs to the task until it has ended.
    check_fault::<VAppTaskInProgress>(lab.client.run(&b, PowerOnVMTask::new()).await);
    check_fault::<TaskInProgress>(lab.client.run(&app, off(true)).await);
    check_fault::<TaskInProgress>(lab.client.run(&app, DestroyTask::new()).await);
    lab.client.wait_for_task(&task).await.unwrap();
    let booted = |machine: &Moref| lab.see::<VirtualMachine>(machine).runtime().boot_time().unwrap().micros();
    assert!(booted(&b) - booted(&a) >= 1_000_000, "{} after {}", booted(&b), booted(&a));
    assert_eq!(lab.state(&app), Some(State::Started));
    lab.client.run(&app, off(false)).await.unwrap();
}

fn clone(name: &str, target: &Moref, location: &Moref, fill: impl FnOnce(&mut VAppCloneSpec)) -> CloneVAppTask {
    CloneVAppTask::with(|request| {
        request.set_name(name).set_target(target.clone());
        let spec = request.spec_mut();
        spec.set_location(location.clone());
        fill(spec);
    })
}

#[tokio::test]
async fn a_copy_of_a_vapp_has_everything_in_it() {
    let lab = Lab::start().await;
    let (pool, datastore) = (lab.pool(), lab.named::<Datastore>("LocalDS_0"));
    let app = lab.app(&pool, "app").await;
    let (a, b) = (lab.machine(&app, "a").await, lab.machine(&app, "b").await);
    let child = lab.app(&app, "child").await;
    let c = lab.machine(&child, "c").await;
    let request = CreateResourcePool::with(|request| _ = request.set_name("inner").set_spec(resources()));
    create(&lab.client, &app, request).await;
    lab.configure(&app, &[(&b, 1, "powerOn", "powerOff"), (&child, 2, "powerOn", "powerOff")]).await;
    let spec = VAppConfigSpec::with(|spec| {
        for (key, id, is_open) in [(1, "open", true), (2, "closed", false)] {
            spec.push_property(VAppPropertySpec::with(|property| {
                property.set_operation(vimsim::types::enums::ArrayUpdateOperation::Add);
                property.info_mut().set_key(key).set_id(id).set_type("string").set_user_configurable(is_open);
            }));
        }
    });
    lab.client.call(&app, UpdateVAppConfig::with(|request| _ = request.set_spec(spec))).await.unwrap();
    let cluster = lab.see::<ResourcePool>(&pool).owner();
    let host = lab.see::<vimsim::types::views::ComputeResource>(&cluster).host().first().unwrap();
    let (from, to) = (lab.named::<Network>("VM Network"), lab.named::<Network>("DC0_DVPG0"));
    let request = clone("copy", &pool, &datastore, |spec| {
        spec.set_host(host.clone()).set_provisioning("thin");
        spec.push_network_mapping(VAppCloneSpecNetworkMappingPair::with(|pair| {
            pair.set_source(from.clone()).set_destination(to.clone());
        }));
        spec.push_property(KeyValue::with(|pair| _ = pair.set_key("open").set_value("sesame")));
        spec.push_resource_mapping(VAppCloneSpecResourceMap::with(|map| {
            map.set_source(a.clone());
            let resources = ResourceConfigSpec::with(|spec| {
                spec.cpu_allocation_mut().set_limit(500);
                spec.memory_allocation_mut();
            });
            map.set_resource_spec(resources);
        }));
    });
    let copy = lab.client.run(&app, request).await.unwrap().moref().unwrap();
    let seen = lab.see::<VirtualApp>(&copy);
    assert_eq!(seen.parent(), Some(pool.clone()));
    assert!(lab.see::<ResourcePool>(&pool).resource_pool().contains(&copy));
    assert_eq!((seen.vm().iter().count(), seen.resource_pool().iter().count()), (2, 2));
    let config = seen.v_app_config().unwrap();
    let original = lab.see::<VirtualApp>(&app);
    assert_ne!(config.instance_uuid(), original.v_app_config().unwrap().instance_uuid());
    let value =
        |id: &str| config.property().iter().find(|it| it.id().is_some_and(|it| *it == id)).unwrap().value().cloned();
    assert_eq!(value("open").unwrap(), "sesame");
    let keys: Vec<Moref> = config.entity_config().iter().filter_map(|entity| entity.key()).collect();
    assert!(keys.iter().all(|key| seen.vm().contains(key) || seen.resource_pool().contains(key)));
    assert!(seen.vm().iter().all(|machine| keys.contains(&machine)));
    for (machine, source) in seen.vm().iter().zip([&a, &b]) {
        let view = lab.see::<VirtualMachine>(&machine);
        assert_eq!((view.parent_v_app(), view.resource_pool()), (Some(copy.clone()), Some(copy.clone())));
        assert_eq!(view.runtime().host(), Some(host.clone()));
        assert_eq!(view.network().iter().collect::<Vec<_>>(), [to.clone()]);
        assert!(lab.see::<Network>(&to).vm().contains(&machine));
        assert_ne!(view.config().unwrap().uuid(), lab.see::<VirtualMachine>(source).config().unwrap().uuid());
        let limit = view.config().unwrap().cpu_allocation().and_then(|allocation| allocation.limit());
        assert_eq!(limit == Some(500), *source == a);
    }
    let inner = seen.resource_pool().iter().find(|it| it.is::<VirtualApp>()).unwrap();
    assert_eq!(lab.see::<VirtualApp>(&inner).parent_v_app(), Some(copy.clone()));
    assert_eq!(lab.see::<VirtualApp>(&inner).vm().iter().count(), 1);
    assert!(lab.order("VmClonedEvent").await.len() == 3 && lab.is_there(&c));

    // What is wrong is refused, and nothing is left of it.
    let count = || lab.simulator.service().snapshot().objects().filter(|it| it.moref().is::<VirtualMachine>()).count();
    let before = count();
    let no_fill = |_: &mut VAppCloneSpec| {};
    check_fault::<DuplicateName>(lab.client.run(&app, clone("copy", &pool, &datastore, no_fill)).await);
    check_fault::<InvalidArgument>(lab.client.run(&app, clone("in", &child, &datastore, no_fill)).await);
    let closed = |spec: &mut VAppCloneSpec| {
        spec.push_property(KeyValue::with(|pair| _ = pair.set_key("closed").set_value("x")));
    };
    check_fault::<NotUserConfigurableProperty>(lab.client.run(&app, clone("no", &pool, &datastore, closed)).await);
    let odd = |spec: &mut VAppCloneSpec| _ = spec.set_provisioning("odd");
    check_fault::<InvalidArgument>(lab.client.run(&app, clone("no", &pool, &datastore, odd)).await);
    assert_eq!(count(), before);
    lab.client.run(&copy, DestroyTask::new()).await.unwrap();
    assert_eq!(count(), before - 3);
}

#[tokio::test]
async fn a_vapp_is_unregistered_and_its_machines_registered() {
    let lab = Lab::start().await;
    let pool = lab.pool();
    let app = lab.app(&pool, "app").await;
    let a = lab.machine(&app, "a").await;
    let path = lab.see::<VirtualMachine>(&a).config().unwrap().files().vm_path_name().unwrap().clone();
    let register = |path: &str| RegisterChildVMTask::with(|request| _ = request.set_path(path).set_name("again"));
    check_fault::<AlreadyExists>(lab.client.run(&app, register(&path)).await);
    check_fault::<InvalidState>(lab.client.call(&pool, register(&path)).await);
    lab.client.call(&a, UnregisterVM::new()).await.unwrap();
    let again = lab.client.run(&app, register(&path)).await.unwrap().moref().unwrap();
    assert_eq!(lab.see::<VirtualMachine>(&again).parent_v_app(), Some(app.clone()));
    assert!(lab.see::<VirtualApp>(&app).vm().contains(&again));

    let child = lab.app(&app, "child").await;
    lab.machine(&child, "b").await;
    lab.client.run(&again, PowerOnVMTask::new()).await.unwrap();
    check_fault::<InvalidState>(lab.client.run(&app, UnregisterVAppTask::new()).await);
    assert!(lab.is_there(&child));
    lab.client.run(&app, off(true)).await.unwrap();
    lab.client.run(&app, UnregisterVAppTask::new()).await.unwrap();
    assert!(!lab.is_there(&app) && !lab.is_there(&child) && !lab.is_there(&again));
    assert!(!lab.see::<ResourcePool>(&pool).resource_pool().contains(&app));
    // The files are there.
    let other = lab.app(&pool, "other").await;
    lab.client.run(&other, register(&path)).await.unwrap();
}

#[tokio::test]
async fn children_are_linked_to_vapps() {
    let lab = Lab::start().await;
    let pool = lab.pool();
    let (app, other) = (lab.app(&pool, "app").await, lab.app(&pool, "other").await);
    let inside = lab.machine(&app, "inside").await;
    let machine = lab.named::<VirtualMachine>("DC0_C0_RP0_VM0");
    let add = |child: &Moref, goes_along: bool| {
        let info = VirtualAppLinkInfo::with(|info| _ = info.set_key(child.clone()).set_destroy_with_parent(goes_along));
        UpdateLinkedChildren::with(|request| _ = request.set_add_change_set([info]))
    };
    lab.client.call(&app, add(&machine, false)).await.unwrap();
    lab.client.call(&app, add(&other, true)).await.unwrap();
    for child in [&inside, &app, &pool] {
        check_fault::<InvalidArgument>(lab.client.call(&app, add(child, false)).await);
    }
    check_fault::<InvalidArgument>(lab.client.call(&other, add(&app, false)).await);
    check_fault::<InvalidArgument>(lab.client.call(&other, add(&machine, false)).await);
    // They stop with it, and can be said how to.
    lab.configure(&app, &[(&machine, 1, "powerOn", "powerOff")]).await;
    assert_eq!(lab.power(&machine), Power::PoweredOn);
    lab.client.run(&app, off(false)).await.unwrap();
    assert_eq!(lab.power(&machine), Power::PoweredOff);

    let remove = UpdateLinkedChildren::with(|request| _ = request.set_remove_set([machine.clone()]));
    lab.client.call(&app, remove.clone()).await.unwrap();
    let config = lab.see::<VirtualApp>(&app).v_app_config().cloned().unwrap();
    assert!(config.entity_config().iter().all(|entity| entity.key() != Some(machine.clone())));
    check_fault::<InvalidArgument>(lab.client.call(&app, remove).await);
    lab.client.call(&app, add(&machine, false)).await.unwrap();
    lab.client.run(&machine, DestroyTask::new()).await.unwrap();
    assert_eq!(lab.see::<VirtualApp>(&app).child_link().iter().count(), 1);
    lab.client.run(&app, DestroyTask::new()).await.unwrap();
    assert!(!lab.is_there(&other), "what goes with it is still there");
}

#[tokio::test]
async fn a_vapp_shows_what_its_machines_use() {
    let lab = Lab::start().await;
    let pool = lab.pool();
    let (app, other) = (lab.app(&pool, "app").await, lab.app(&pool, "other").await);
    let inner = lab.app(&app, "inner").await;
    let shown = async |app: &Moref, path: &str| {
        let value = lab.client.property(app, path).await.unwrap();
        value.items().iter().filter_map(vimsim::types::Value::moref).collect::<Vec<_>>()
    };
    assert!(shown(&app, "datastore").await.is_empty());
    lab.machine(&inner, "inside").await;
    let (datastore, network) = (lab.named::<Datastore>("LocalDS_0"), lab.named::<Network>("VM Network"));
    for app in [&app, &inner] {
        assert_eq!(shown(app, "datastore").await, [datastore.clone()]);
        assert_eq!(shown(app, "network").await, [network.clone()]);
    }
    assert!(shown(&other, "network").await.is_empty());
    // A vApp that is linked to another says so, wherever its pool is.
    let add = VirtualAppLinkInfo::with(|info| _ = info.set_key(app.clone()));
    let add = UpdateLinkedChildren::with(|request| _ = request.set_add_change_set([add]));
    lab.client.call(&other, add).await.unwrap();
    assert_eq!(lab.see::<VirtualApp>(&app).parent_v_app(), Some(other.clone()));
    assert_eq!(lab.see::<VirtualApp>(&app).parent(), Some(pool));
    assert_eq!(shown(&other, "network").await, [network]);
    let remove = UpdateLinkedChildren::with(|request| _ = request.set_remove_set([app.clone()]));
    lab.client.call(&other, remove).await.unwrap();
    assert_eq!(lab.see::<VirtualApp>(&app).parent_v_app(), None);
    assert_eq!(lab.see::<VirtualApp>(&inner).parent_v_app(), Some(app));
}

#[tokio::test]
async fn what_is_in_a_vapp_has_a_configuration_there() {
    let lab = Lab::start().await;
    let app = lab.app(&lab.pool(), "own").await;
    let (a, b) = (lab.machine(&app, "a").await, lab.machine(&app, "b").await);
    let entities = || {
        let app = lab.see::<VirtualApp>(&app);
        let entities = app.v_app_config().unwrap().entity_config().iter().cloned().collect::<Vec<_>>();
        entities.iter().map(|it| (it.key().unwrap(), it.start_order().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(entities(), [(a.clone(), 1), (b.clone(), 2)]);
    lab.client.run(&a, DestroyTask::new()).await.unwrap();
    assert_eq!(entities(), [(b, 2)]);
}
