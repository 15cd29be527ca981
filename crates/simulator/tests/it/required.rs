//! Data objects that are set have all that is required of them, and references lead somewhere.

use std::collections::BTreeSet;

use vimsim_simulator::{Config, Product, Service};
use vimsim_types::views::HostSystem;
use vimsim_types::{Moref, Object, TypeId, Value};

/// Whether the property or field is set, as far as it has to be.
fn missing(object: &Object, path: &str, found: &mut BTreeSet<String>) {
    for (field, value) in object.kind().info().fields().iter().zip(object.slots()) {
        let path = format!("{path}.{}", field.name);
        if value.is_unset() {
            // An empty list travels as one that is not there.
            if !field.is_optional() && !field.is_list() {
                found.insert(path);
            }
            continue;
        }
        nested(value, &path, found);
    }
}

fn nested(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(object) = value.object() {
        missing(object, &format!("{path}({})", object.kind().name()), found);
    }
    value.items().iter().for_each(|item| nested(item, path, found));
}

/// Whether this is a host, or one of its managers or its stores of users.
fn is_of_hosts(kind: TypeId) -> bool {
    kind.name().starts_with("Host")
}

/// What is missing in the hosts of the model, in their managers, and in what they refer to.
fn check(product: Product) {
    let service = Service::start(Config { product, ..Config::default() }).expect("starts");
    let snapshot = service.snapshot();
    let hosts = snapshot.objects().filter(|object| object.view::<HostSystem>().is_some());
    let mut references: Vec<Moref> = hosts.map(|host| host.moref().clone()).collect();
    assert!(!references.is_empty());
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    while let Some(moref) = references.pop() {
        let Some(object) = snapshot.object(&moref) else {
            found.insert(format!("{moref} does not exist"));
            continue;
        };
        if seen.insert(moref.value().clone()) && is_of_hosts(object.moref().kind()) {
            missing(object.properties(), object.moref().kind().name(), &mut found);
            object.properties().morefs(&mut references);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn hosts_and_their_managers_have_all_that_is_required() {
    check(Product::VirtualCenter);
    check(Product::EsxHost);
}

#[test]
fn networks_and_datastores_have_all_that_is_required() {
    let mut config = Config::default();
    (config.model.pod, config.model.opaque_network, config.model.portgroup_nsx) = (1, 1, 1);
    let service = Service::start(config).expect("starts");
    let snapshot = service.snapshot();
    let kinds = [
        "Network",
        "OpaqueNetwork",
        "DistributedVirtualPortgroup",
        "DistributedVirtualSwitch",
        "Datastore",
        "StoragePod",
    ];
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for object in snapshot.objects().filter(|object| kinds.contains(&object.moref().kind().name())) {
        seen.insert(object.moref().kind().name());
        missing(object.properties(), object.moref().kind().name(), &mut found);
        let mut references = Vec::new();
        object.properties().morefs(&mut references);
        let dangling = references.iter().filter(|moref| snapshot.object(moref).is_none());
        found.extend(dangling.map(|moref| format!("{moref} does not exist")));
    }
    assert_eq!(seen.len(), kinds.len());
    assert!(found.is_empty(), "{found:#?}");
}
