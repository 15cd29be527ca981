//! Machines made as copies of a finished one. A model of thousands is made of these: they cost a tenth of a machine that is
//! created by method calls, and differ from one only in what was written down of its making (no events, no tasks).

use vimsim_types::views::{
    Datastore, Folder, HostSystem, Network, ResourcePool, VirtualDisk, VirtualDiskFlatVer2BackingInfo,
    VirtualEthernetCard, VirtualMachine, VirtualMachineConfigInfo,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::device::Site;
use super::disk::{self, DatastorePath};
use super::ethernet;
use crate::call::Call;

/// What copies are made of: a machine, which has no reservations and no more than one folder for its files.
pub(crate) struct Original {
    machine: VirtualMachine,
    datacenter: Moref,
    host: Moref,
}

/// The copies that were made, in their order, each with the place of its original.
#[derive(Default)]
pub(crate) struct Copies(Vec<(usize, Moref)>);

impl Original {
    /// The machine as something to copy.
    ///
    /// - `ManagedObjectNotFound` if there is no such machine, `InvalidArgument` if it is on no host.
    pub(crate) fn new<T>(call: &Call<'_, T>, moref: &Moref) -> Result<Self, Fault> {
        let mut machine = call.get::<VirtualMachine>(moref)?.clone();
        machine.set_recent_task(std::iter::empty::<Moref>());
        machine.as_object_mut().compact();
        let place = call.datacenter_of(moref).zip(machine.runtime().host());
        let (datacenter, host) = place.ok_or_else(|| Fault::invalid_argument("this", "is on no host"))?;
        Ok(Self { machine, datacenter, host })
    }

    /// A copy of this name: its own files, identifiers and addresses, everything else the original's.
    fn copy<T>(&self, call: &mut Call<'_, T>, name: &ArcStr) -> Result<VirtualMachine, Fault> {
        let mut machine = self.machine.clone();
        let old = machine.name().clone();
        let renamed = |path: &str| match DatastorePath::parse(path) {
            Some(path) => {
                let path = DatastorePath { path: path.path.replace(old.as_str(), name), ..path };
                path.to_string()
            }
            None => path.to_owned(),
        };
        machine.set_name(name);
        if let Some(config) = self.machine.config() {
            identify(machine.config_mut(), config, name, renamed);
        }
        let uuid = machine.config().map(|config| config.uuid().clone()).unwrap_or_default();
        let site = Site { uuid: &uuid, datacenter: &self.datacenter, host: &self.host, is_on: false, is_new: true };
        let mut addresses: Vec<(i32, ArcStr)> = Vec::new();
        for device in machine.config_mut().hardware_mut().device_mut().iter_mut() {
            // Only what differs is touched: the rest stays shared.
            if device.downcast::<VirtualDisk>().is_some() {
                let Some(disk) = device.downcast_mut::<VirtualDisk>() else { continue };
                if let Some(backing) = disk.backing_mut().downcast_mut::<VirtualDiskFlatVer2BackingInfo>() {
                    let file: ArcStr = renamed(backing.file_name()).into();
                    backing.set_uuid(disk::uuid(&self.datacenter, &file));
                    backing.set_file_name(file);
                }
            } else if let Some(card) = device.downcast_mut::<VirtualEthernetCard>() {
                let unit = card.unit_number().unwrap_or_default();
                let address: ArcStr = ethernet::generate_address(call, &site, unit)?.into();
                card.set_mac_address(&address);
                addresses.push((card.key(), address));
            }
        }
        for adapter in machine.guest_mut().net_mut().iter_mut() {
            let address = addresses.iter().find(|(key, _)| *key == adapter.device_config_id());
            if let Some((_, address)) = address {
                adapter.set_mac_address(address);
            }
        }
        Ok(machine)
    }
}

/// Gives the configuration its own name, files, and the identifiers that follow from them.
fn identify(
    config: &mut VirtualMachineConfigInfo,
    original: &VirtualMachineConfigInfo,
    name: &ArcStr,
    renamed: impl Fn(&str) -> String,
) {
    config.set_name(name);
    let old = original.files();
    let file = renamed(old.vm_path_name().map_or("", |path| path));
    config.set_uuid(crate::uuid::named(&file));
    config.set_instance_uuid(crate::uuid::named(&file.to_uppercase()));
    let folder: ArcStr = renamed(old.snapshot_directory().map_or("", |path| path)).into();
    let files = config.files_mut();
    files.set_vm_path_name(file);
    files.set_snapshot_directory(&folder).set_suspend_directory(&folder).set_log_directory(folder);
}

impl Copies {
    /// Adds the machine `moref`, a copy of one of the originals. Where it is, is written down by [`Copies::finish`].
    pub(crate) fn add<T>(
        &mut self,
        call: &mut Call<'_, T>,
        (at, original): (usize, &Original),
        moref: Moref,
        name: &str,
    ) -> Result<(), Fault> {
        let machine = original.copy(call, &name.into())?;
        call.insert(moref.clone(), machine);
        self.0.push((at, moref));
        Ok(())
    }

    /// Lists the copies where their originals are: in the folder, the pool, the host, the datastores and networks.
    pub(crate) fn finish<T>(self, call: &mut Call<'_, T>, originals: &[Original]) -> Result<(), Fault> {
        let of = |at: usize| self.0.iter().filter(move |(original, _)| *original == at).map(|(_, moref)| moref.into());
        let Some(first) = originals.first().filter(|_| !self.0.is_empty()) else { return Ok(()) };
        let all = || self.0.iter().map(|(_, moref)| moref.into());
        // All originals are in one folder and pool, and use the same datastores and networks.
        if let Some(folder) = first.machine.parent() {
            call.edit::<Folder>(&folder)?.child_entity_mut().values().extend(all());
        }
        if let Some(pool) = first.machine.resource_pool() {
            call.edit::<ResourcePool>(&pool)?.vm_mut().values().extend(all());
        }
        for datastore in first.machine.datastore().iter() {
            call.edit::<Datastore>(&datastore)?.vm_mut().values().extend(all());
        }
        for network in first.machine.network().iter() {
            call.edit::<Network>(&network)?.vm_mut().values().extend(all());
        }
        let count = i64::try_from(self.0.len()).unwrap_or(i64::MAX);
        for (datastore, size, _) in disk::usage(&first.machine) {
            crate::objects::datastore::reserve(call, &datastore, size.saturating_mul(count))?;
        }
        for (at, original) in originals.iter().enumerate() {
            call.edit::<HostSystem>(&original.host)?.vm_mut().values().extend(of(at));
        }
        Ok(())
    }
}
