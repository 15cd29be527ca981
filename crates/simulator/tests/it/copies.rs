//! Models of many machines are made of copies.

use vimsim_simulator::{Config, ManualClock, Service};
use vimsim_types::views::{
    Datastore, DistributedVirtualPortgroup, Folder, HostSystem, ManagedEntity, ResourcePool, VirtualApp, VirtualMachine,
};
use vimsim_types::{DateTime, Moref, View};

/// Everything that clients see of machines and what they are on, by reference; without the tasks that made them.
fn inventory(created: usize) -> Vec<(Moref, vimsim_types::Object)> {
    let mut config = Config::default();
    (config.model.machine, config.model.pool, config.model.app) = (7, 1, 1);
    config.model.created = created;
    let clock = ManualClock::new(DateTime::from_micros(1_700_000_000_000_000));
    let service = Service::start_with_clock(config, std::sync::Arc::new(clock)).expect("starts");
    let snapshot = service.snapshot();
    let kinds = [
        VirtualMachine::TYPE,
        HostSystem::TYPE,
        Folder::TYPE,
        ResourcePool::TYPE,
        VirtualApp::TYPE,
        Datastore::TYPE,
        DistributedVirtualPortgroup::TYPE,
    ];
    let objects = snapshot.objects().filter(|object| kinds.contains(&object.moref().kind()));
    let mut found: Vec<_> = objects
        .map(|object| {
            let mut properties = object.properties().clone();
            if let Some(entity) = ManagedEntity::from_mut(&mut properties) {
                entity.set_recent_task(std::iter::empty::<Moref>());
            }
            (object.moref().clone(), properties)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn a_copied_machine_is_what_a_created_one_would_be() {
    let (created, copied) = (inventory(usize::MAX), inventory(1));
    assert_eq!(created.len(), copied.len());
    assert_eq!(created.iter().filter(|(moref, _)| moref.is::<VirtualMachine>()).count(), 21);
    for ((moref, wanted), (other, found)) in created.iter().zip(&copied) {
        assert_eq!(moref, other);
        for (slot, field) in wanted.kind().info().fields().iter().enumerate() {
            assert_eq!(wanted.get(slot), found.get(slot), "{moref} {}", field.name);
        }
    }
}
