//! Who is where, both ways.

use vimsim_registry::Snapshot;
use vimsim_types::views::*;
use vimsim_types::{Items, Moref, View};

use super::{Wrong, all};
use crate::chooser::datacenter;

fn contains(items: Items<'_, Moref>, moref: &Moref) -> bool {
    items.iter().filter(|known| known.value() == moref.value()).count() == 1
}

/// What an entity holds that has it as its parent.
fn children(snapshot: &Snapshot, moref: &Moref) -> Vec<Moref> {
    let mut found = Vec::new();
    if let Some(folder) = snapshot.view::<Folder>(moref) {
        found.extend(folder.child_entity().iter());
    } else if let Some(datacenter) = snapshot.view::<Datacenter>(moref) {
        found.push(datacenter.vm_folder());
        found.push(datacenter.host_folder());
        found.push(datacenter.datastore_folder());
        found.push(datacenter.network_folder());
    } else if let Some(compute) = snapshot.view::<ComputeResource>(moref) {
        found.extend(compute.host().iter());
        found.extend(compute.resource_pool());
    } else if let Some(pool) = snapshot.view::<ResourcePool>(moref) {
        found.extend(pool.resource_pool().iter());
    }
    found
}

pub(super) fn check(snapshot: &Snapshot, wrong: &mut Wrong) {
    for (moref, entity) in all::<ManagedEntity>(snapshot) {
        if let Some(parent) = entity.parent() {
            let count = children(snapshot, &parent).iter().filter(|child| *child == moref).count();
            wrong.unless(count == 1, || format!("{parent} holds {moref} {count} times"));
        }
        for child in children(snapshot, moref) {
            let parent = snapshot.view::<ManagedEntity>(&child).and_then(|child| child.parent());
            wrong.unless(parent.as_ref() == Some(moref), || {
                format!("{moref} holds {child}, whose parent is {parent:?}")
            });
        }
    }
    all::<VirtualMachine>(snapshot).for_each(|(moref, machine)| check_machine(snapshot, moref, machine, wrong));
    all::<HostSystem>(snapshot).for_each(|(moref, host)| check_host(snapshot, moref, host, wrong));
    all::<ResourcePool>(snapshot).for_each(|(moref, pool)| check_pool(snapshot, moref, pool, wrong));
    all::<ComputeResource>(snapshot).for_each(|(moref, compute)| check_compute(snapshot, moref, compute, wrong));
    for (moref, datastore) in all::<Datastore>(snapshot) {
        check_users::<VirtualMachine>(snapshot, moref, datastore.vm(), |vm| vm.datastore(), wrong);
        for mount in datastore.host() {
            let host = snapshot.view::<HostSystem>(&mount.key());
            wrong.unless(host.is_some_and(|host| contains(host.datastore(), moref)), || {
                format!("{moref} is mounted on {}, which does not have it", mount.key())
            });
        }
    }
    for (moref, network) in all::<Network>(snapshot) {
        check_users::<VirtualMachine>(snapshot, moref, network.vm(), |vm| vm.network(), wrong);
        check_users::<HostSystem>(snapshot, moref, network.host(), |host| host.network(), wrong);
        let home = datacenter(snapshot, moref);
        for host in network.host().iter().filter(|host| datacenter(snapshot, host) != home) {
            wrong.0.push(format!("{moref} of {home:?} is on {host} of {:?}", datacenter(snapshot, &host)));
        }
    }
}

/// Those that something lists as its users refer to it.
fn check_users<V: View>(
    snapshot: &Snapshot,
    moref: &Moref,
    users: Items<'_, Moref>,
    back: fn(&V) -> Items<'_, Moref>,
    wrong: &mut Wrong,
) {
    for user in users {
        let is_back = snapshot.view::<V>(&user).is_some_and(|user| contains(back(user), moref));
        wrong.unless(is_back && contains(users, &user), || format!("{moref} has {user}, which does not have it"));
    }
}

fn check_machine(snapshot: &Snapshot, moref: &Moref, machine: &VirtualMachine, wrong: &mut Wrong) {
    let Some(host) = machine.runtime().host() else {
        wrong.0.push(format!("{moref} is on no host"));
        return;
    };
    let Some(on) = snapshot.view::<HostSystem>(&host) else { return };
    wrong.unless(contains(on.vm(), moref), || format!("{moref} is on {host}, which does not have it"));
    let is_template = machine.config().is_some_and(|config| config.template());
    wrong.unless(is_template == machine.resource_pool().is_none(), || {
        format!("{moref} is in the pool {:?}, and a template: {is_template}", machine.resource_pool())
    });
    if let Some(pool) = machine.resource_pool()
        && let Some(within) = snapshot.view::<ResourcePool>(&pool)
    {
        wrong.unless(contains(within.vm(), moref), || format!("{moref} is in {pool}, which does not have it"));
        wrong.unless(on.parent().as_ref() == Some(&within.owner()), || {
            format!("{moref} is on {host} of {:?}, and in {pool} of {}", on.parent(), within.owner())
        });
        let app = pool.is::<VirtualApp>().then_some(pool);
        wrong.unless(machine.parent_v_app() == app, || {
            format!("{moref} has the vApp {:?}, and is in {app:?}", machine.parent_v_app())
        });
    }
    for datastore in machine.datastore() {
        let known = snapshot.view::<Datastore>(&datastore);
        wrong.unless(known.is_some_and(|it| contains(it.vm(), moref)), || {
            format!("{moref} is on {datastore}, which does not have it")
        });
        wrong.unless(contains(on.datastore(), &datastore), || {
            format!("{moref} is on {datastore}, which its host {host} does not have")
        });
    }
    wrong.unless(!machine.datastore().is_empty(), || format!("{moref} is on no datastore"));
    for network in machine.network() {
        let known = snapshot.view::<Network>(&network);
        wrong.unless(known.is_some_and(|it| contains(it.vm(), moref)), || {
            format!("{moref} is on {network}, which does not have it")
        });
    }
    wrong.unless(machine.parent().is_some() || machine.parent_v_app().is_some(), || format!("{moref} is nowhere"));
}

fn check_host(snapshot: &Snapshot, moref: &Moref, host: &HostSystem, wrong: &mut Wrong) {
    for machine in host.vm() {
        let on = snapshot.view::<VirtualMachine>(&machine).and_then(|machine| machine.runtime().host());
        wrong.unless(on.as_ref() == Some(moref) && contains(host.vm(), &machine), || {
            format!("{moref} has {machine}, which is on {on:?}")
        });
    }
    for datastore in host.datastore() {
        let known = snapshot.view::<Datastore>(&datastore);
        let is_mounted = known.is_some_and(|known| known.host().iter().any(|mount| mount.key() == *moref));
        wrong.unless(is_mounted && contains(host.datastore(), &datastore), || {
            format!("{moref} has {datastore}, which is not mounted on it")
        });
    }
    check_users::<Network>(snapshot, moref, host.network(), |network| network.host(), wrong);
}

fn check_pool(snapshot: &Snapshot, moref: &Moref, pool: &ResourcePool, wrong: &mut Wrong) {
    check_users_of_pool(snapshot, moref, pool, wrong);
    let owner = match pool.parent() {
        Some(parent) => match snapshot.view::<ResourcePool>(&parent) {
            Some(above) => above.owner(),
            None => parent,
        },
        None => return wrong.0.push(format!("{moref} has no parent")),
    };
    wrong.unless(owner == pool.owner(), || format!("{moref} is owned by {}, and in {owner}", pool.owner()));
}

fn check_users_of_pool(snapshot: &Snapshot, moref: &Moref, pool: &ResourcePool, wrong: &mut Wrong) {
    for machine in pool.vm() {
        let within = snapshot.view::<VirtualMachine>(&machine).and_then(|machine| machine.resource_pool());
        wrong.unless(within.as_ref() == Some(moref) && contains(pool.vm(), &machine), || {
            format!("{moref} has {machine}, which is in {within:?}")
        });
    }
}

/// A compute resource has what its hosts have.
fn check_compute(snapshot: &Snapshot, moref: &Moref, compute: &ComputeResource, wrong: &mut Wrong) {
    let hosts: Vec<&HostSystem> = compute.host().iter().filter_map(|host| snapshot.view(&host)).collect();
    let sorted = |mut items: Vec<Moref>| {
        items.sort_by(|a, b| a.value().cmp(b.value()));
        items.dedup();
        items
    };
    let datastores = sorted(hosts.iter().flat_map(|host| host.datastore().iter()).collect());
    let networks = sorted(hosts.iter().flat_map(|host| host.network().iter()).collect());
    wrong.unless(sorted(compute.datastore().iter().collect()) == datastores, || {
        format!("{moref} has not the datastores of its hosts")
    });
    wrong.unless(sorted(compute.network().iter().collect()) == networks, || {
        format!("{moref} has not the networks of its hosts")
    });
}
