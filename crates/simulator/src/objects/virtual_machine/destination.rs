//! Where a virtual machine goes when it is cloned or moved: its pool, host, datastores and folder.

use std::cmp::Reverse;

use vimsim_types::views::{
    CannotAccessNetwork, ClusterConfigInfoEx, ComputeResource, Datacenter, Datastore, HostSystem, InvalidState,
    ManagedEntity, NotSupported, ResourcePool, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualMachine,
    VirtualMachineRelocateSpec,
};
use vimsim_types::{Fault, Moref, View};

use super::chain;
use super::create;
use super::device::Site;
use super::disk::invalid_datastore;
use super::ethernet;
use super::relocate;
use crate::call::Call;
use crate::objects::datastore::maintenance;
use crate::objects::{cluster_compute_resource, host_system};

/// The place that a specification asks for, complete.
pub(super) struct Destination {
    /// `None` only for a template that stays in no pool.
    pub(super) pool: Option<Moref>,
    pub(super) owner: Moref,
    pub(super) host: Moref,
    /// Where the configuration file goes, and every disk that is not asked to go elsewhere.
    pub(super) datastore: Moref,
    /// Disks that go to a datastore of their own, by their keys.
    pub(super) disks: Vec<(i32, Moref)>,
}

impl Destination {
    /// The datastore for a disk.
    pub(super) fn datastore_for(&self, disk: i32) -> &Moref {
        self.disks.iter().find(|(key, _)| *key == disk).map_or(&self.datastore, |(_, datastore)| datastore)
    }
}

/// Checks that what a specification names is there.
///
/// - `ManagedObjectNotFound` for what is not; `NotSupported` for another vCenter.
pub(crate) fn check_references<T>(call: &Call<'_, T>, spec: &VirtualMachineRelocateSpec) -> Result<(), Fault> {
    if spec.service().is_some() {
        return Err(Fault::new(NotSupported::new(), "there is no other vCenter to move to"));
    }
    spec.pool().map(|pool| call.get::<ResourcePool>(&pool).map(|_| ())).transpose()?;
    spec.host().map(|host| call.get::<HostSystem>(&host).map(|_| ())).transpose()?;
    spec.datastore().map(|datastore| call.get::<Datastore>(&datastore).map(|_| ())).transpose()?;
    spec.disk().iter().try_for_each(|disk| call.get::<Datastore>(&disk.datastore()).map(|_| ()))
}

/// Completes what a specification leaves open: the machine stays where it is as far as it can. `kept` are the datastores of
/// files that stay where they are.
///
/// - `InvalidArgument` for a pool that is needed and missing, a host of another compute resource than the pool's, or a disk
///   that the machine does not have;
/// - `InvalidState` for a host that takes no machines; `InvalidDatastoreState` for a datastore in maintenance;
///   `InvalidDatastore` for one that no host has.
pub(super) fn resolve<T>(
    call: &Call<'_, T>,
    moref: &Moref,
    machine: &VirtualMachine,
    spec: &VirtualMachineRelocateSpec,
    kept: &[Moref],
    as_template: bool,
) -> Result<Destination, Fault> {
    let old_host = machine.runtime().host();
    let host_owner = match spec.host() {
        Some(host) => Some(owner_of(call, &host)?),
        None => None,
    };
    let old_pool = machine.resource_pool();
    let pool = match (spec.pool(), &host_owner) {
        (Some(pool), _) => Some(pool),
        (None, None) => old_pool,
        // Fidelity: vCenter asks for a pool of the new host's compute resource. vcsim does without, and so do its clients.
        (None, Some(owner)) => match old_pool {
            Some(pool) if call.get::<ResourcePool>(&pool)?.owner() == *owner => Some(pool),
            Some(_) => call.get::<ComputeResource>(owner)?.resource_pool(),
            None => None,
        },
    };
    let pool = match pool {
        None if !as_template => {
            return Err(Fault::invalid_argument("spec.location.pool", "a pool is needed where the machine has none"));
        }
        pool => pool,
    };
    let owner = match (&pool, host_owner, &old_host) {
        (Some(pool), _, _) => call.get::<ResourcePool>(pool)?.owner(),
        (None, Some(owner), _) => owner,
        (None, None, Some(host)) => owner_of(call, host)?,
        (None, None, None) => return Err(Fault::new(InvalidState::new(), "the virtual machine is on no host")),
    };
    let home = machine.datastore().first();
    let datastore = spec.datastore().or(home).ok_or_else(|| Fault::invalid_argument("spec.datastore", "is missing"))?;
    let mut disks = Vec::new();
    for disk in spec.disk() {
        let devices = machine.config().map(|config| config.hardware().device());
        let mut known = devices.iter().flat_map(|devices| devices.iter());
        if !known.any(|device| device.key() == disk.disk_id() && device.downcast::<VirtualDisk>().is_some()) {
            let why = format!("the machine has no disk with the key {}", disk.disk_id());
            return Err(Fault::invalid_argument("spec.disk.diskId", why));
        }
        disks.push((disk.disk_id(), disk.datastore()));
    }
    let mut wanted: Vec<Moref> = vec![datastore.clone()];
    wanted.extend(disks.iter().map(|(_, datastore)| datastore.clone()));
    // What stays on a datastore that is about to be in maintenance may stay; `places` looks at what is new there.
    let mut added = wanted.iter().filter(|datastore| !machine.datastore().contains(datastore));
    added.try_for_each(|datastore| maintenance::expect_normal(call, datastore))?;
    wanted.extend(kept.iter().cloned());
    let host = match spec.host() {
        Some(host) => {
            if owner_of(call, &host)? != owner {
                return Err(Fault::invalid_argument(
                    "spec.host",
                    format!("{host} is not of the pool's compute resource"),
                ));
            }
            create::check_host(call.get::<HostSystem>(&host)?)?;
            check_mounts(call, &host, &wanted)?;
            host
        }
        None => choose_host(call, moref, machine, &owner, old_host.as_ref(), &wanted)?,
    };
    Ok(Destination { pool, owner, host, datastore, disks })
}

/// The datastores of the files that stay where they are when a machine moves as the specification says: disks that are not
/// asked to go elsewhere, the files that disks are linked to, and images.
pub(super) fn staying(machine: &VirtualMachine, spec: &VirtualMachineRelocateSpec) -> Vec<Moref> {
    let moves_home = spec.datastore().is_some_and(|datastore| machine.datastore().first() != Some(datastore));
    let mut kept: Vec<Moref> = Vec::new();
    for device in machine.config().iter().flat_map(|config| config.hardware().device().iter()) {
        let file = device.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>());
        let moves = moves_home || spec.disk().iter().any(|disk| disk.disk_id() == device.key());
        match chain::backing(device) {
            Some(backing) if moves => {
                let below = chain::files(backing).into_iter().skip(1);
                let below = below.filter(|_| !relocate::moves_parents(spec, device.key()));
                kept.extend(below.filter_map(|file| file.datastore()));
            }
            Some(backing) => kept.extend(chain::files(backing).into_iter().filter_map(|file| file.datastore())),
            None => kept.extend(file.and_then(|file| file.datastore())),
        }
    }
    kept.sort();
    kept.dedup();
    kept
}

fn owner_of<T>(call: &Call<'_, T>, host: &Moref) -> Result<Moref, Fault> {
    let parent = call.get::<HostSystem>(host)?.parent();
    parent.ok_or_else(|| Fault::invalid_argument("host", format!("{host} is in no compute resource")))
}

fn name_of<T>(call: &Call<'_, T>, moref: &Moref) -> String {
    call.view::<ManagedEntity>(moref).map(|entity| entity.name().to_string()).unwrap_or_default()
}

/// `InvalidDatastore` if the host does not have one of the datastores.
pub(super) fn check_mounts<T>(call: &Call<'_, T>, host: &Moref, datastores: &[Moref]) -> Result<(), Fault> {
    let mounted = call.get::<HostSystem>(host)?.datastore();
    match datastores.iter().find(|datastore| !mounted.contains(datastore)) {
        Some(missing) => {
            Err(invalid_datastore(&name_of(call, missing), Some(missing.clone()), "the host does not have it"))
        }
        None => Ok(()),
    }
}

/// The host that the machine is on, if it can be there; or the one with the fewest machines, and of these the one with the
/// most memory, among those that work, have the datastores and networks, and that no mandatory rule forbids.
pub(super) fn choose_host<T>(
    call: &Call<'_, T>,
    moref: &Moref,
    machine: &VirtualMachine,
    owner: &Moref,
    current: Option<&Moref>,
    datastores: &[Moref],
) -> Result<Moref, Fault> {
    let hosts = call.get::<ComputeResource>(owner)?.host();
    let config = call.get::<ComputeResource>(owner)?.configuration_ex().downcast::<ClusterConfigInfoEx>();
    let is_allowed = |host: &Moref| config.is_none_or(|it| cluster_compute_resource::may_run_on(it, moref, host));
    let usable = hosts.iter().filter_map(|host| {
        let view = call.view::<HostSystem>(&host)?;
        (host_system::is_effective(view) && is_allowed(&host)).then_some((host, view))
    });
    let usable: Vec<(Moref, &HostSystem)> = usable.collect();
    if usable.is_empty() {
        return Err(Fault::new(InvalidState::new(), "the pool's compute resource has no host that takes machines"));
    }
    let has_all = |host: &HostSystem| datastores.iter().all(|datastore| host.datastore().contains(datastore));
    let mounting: Vec<_> = usable.into_iter().filter(|(_, host)| has_all(host)).collect();
    if let Some((host, _)) = mounting.iter().find(|(host, _)| Some(host) == current) {
        return Ok(host.clone());
    }
    let networks: Vec<Moref> = machine.network().iter().collect();
    let missing = |host: &HostSystem| networks.iter().filter(|network| !host.network().contains(network)).count();
    let memory = |host: &HostSystem| host.hardware().map_or(0, |hardware| hardware.memory_size());
    let best = mounting.iter().min_by_key(|(_, host)| (missing(host), host.vm().len(), Reverse(memory(host))));
    best.map(|(host, _)| host.clone()).ok_or_else(|| {
        let missing = datastores.first().cloned();
        let name = missing.as_ref().map(|datastore| name_of(call, datastore)).unwrap_or_default();
        invalid_datastore(&name, missing, "no host of the pool has it")
    })
}

/// `CannotAccessNetwork` if the machine has an adapter on a network that its host-to-be is not on.
pub(super) fn check_networks<T>(call: &Call<'_, T>, site: &Site<'_>, machine: &VirtualMachine) -> Result<(), Fault> {
    let Some(config) = machine.config() else { return Ok(()) };
    let host = call.get::<HostSystem>(site.host)?;
    for device in config.hardware().device() {
        let Some(network) = ethernet::network_of(call, site, device) else { continue };
        if host.network().contains(&network) {
            continue;
        }
        let name = name_of(call, &network);
        let label = device.device_info().map(|info| info.label().clone()).unwrap_or_default();
        let detail = CannotAccessNetwork::with(|fault| {
            fault.set_network(network);
            fault.set_device(&label).set_backing(&name).set_connected(true);
        });
        let why = format!("the network adapter '{label}' is on '{name}', which the host '{}' is not on", host.name());
        return Err(Fault::new(detail, why));
    }
    Ok(())
}

/// What would be refused of a move: nothing is changed.
///
/// - What [`resolve`] and [`check_networks`] raise.
pub(crate) fn check_relocation<T>(
    call: &Call<'_, T>,
    moref: &Moref,
    spec: &VirtualMachineRelocateSpec,
) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let is_template = machine.config().is_some_and(|config| config.template());
    let kept = staying(machine, spec);
    let target = resolve(call, moref, machine, spec, &kept, is_template)?;
    let datacenter = datacenter(call, moref)?;
    let site = Site { uuid: "", datacenter: &datacenter, host: &target.host, is_on: false, is_new: false };
    // Adapters that the move changes are checked when they are.
    if spec.device_change().is_empty() { check_networks(call, &site, machine) } else { Ok(()) }
}

/// Why a machine could not run on a host; nothing if it could.
pub(crate) fn problems_on<T>(call: &Call<'_, T>, moref: &Moref, host: &Moref) -> Result<Vec<Fault>, Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let datacenter = datacenter(call, moref)?;
    let site = Site { uuid: "", datacenter: &datacenter, host, is_on: false, is_new: false };
    let datastores: Vec<Moref> = machine.datastore().iter().collect();
    let checks = [
        create::check_host(call.get::<HostSystem>(host)?),
        check_mounts(call, host, &datastores),
        check_networks(call, &site, machine),
    ];
    Ok(checks.into_iter().filter_map(Result::err).collect())
}

/// The datacenter that a folder or entity is in.
///
/// - `InvalidArgument` if it is in none.
pub(super) fn datacenter<T>(call: &Call<'_, T>, moref: &Moref) -> Result<Moref, Fault> {
    let found = call.datacenter_of(moref).filter(|datacenter| call.view::<Datacenter>(datacenter).is_some());
    found.ok_or_else(|| Fault::invalid_argument("folder", format!("{moref} is in no datacenter")))
}
