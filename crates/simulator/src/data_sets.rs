//! Data sets of virtual machines: words that a guest and the outside tell each other, `vcenter/vm/{vm}/data-sets`.
//!
//! No managed object shows them. They go where their machine goes: into its snapshots, back out of these, and into its
//! copies, but for those that want to be left out.

use rpds::RedBlackTreeMapSync as Map;
use vimsim_registry::Transaction;
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::{
    AlreadyExists, InvalidPowerState, NoPermission, NotFound, NotSupported, ResourceInUse, VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::automation;
use crate::service::Service;

/// The oldest hardware that has data sets: `vmx-20`.
const OLDEST_HARDWARE: u32 = 20;
/// The longest key, in bytes.
const LONGEST_KEY: usize = 4096;
/// The longest value, in bytes.
const LONGEST_VALUE: usize = 1 << 20;

/// What the guest, or the outside, may do with the entries of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataSetAccess {
    /// Nothing.
    None,
    /// Read them.
    ReadOnly,
    /// Read and write them.
    ReadWrite,
}

/// A data set.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What it is for.
    pub description: ArcStr,
    /// What the outside may do.
    pub host: DataSetAccess,
    /// What the guest may do.
    pub guest: DataSetAccess,
    /// Whether snapshots and copies of the machine go without it.
    pub omitted: bool,
    entries: Map<ArcStr, ArcStr>,
}

impl DataSet {
    /// How many bytes its keys and values take.
    pub fn used(&self) -> usize {
        self.entries.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
}

/// What a data set is to be. What is `None` stays as it is, or is as usual in a new one.
#[derive(Clone, Debug, Default)]
pub struct DataSetSpec {
    /// What it is for.
    pub description: Option<String>,
    /// What the outside may do.
    pub host: Option<DataSetAccess>,
    /// What the guest may do.
    pub guest: Option<DataSetAccess>,
    /// Whether snapshots and copies of the machine go without it.
    pub omitted: Option<bool>,
}

type Sets = Map<ArcStr, DataSet>;

/// The data sets of every machine and snapshot that has some.
#[derive(Clone, Default)]
pub(crate) struct DataSets(Map<ArcStr, Sets>);

impl Service {
    /// The data sets of a machine, by name.
    ///
    /// - `NotSupported` for a machine whose hardware is too old; `ManagedObjectNotFound` for none.
    pub fn data_sets(&self, machine: &Moref) -> Result<Vec<(ArcStr, DataSet)>, Fault> {
        let snapshot = self.snapshot();
        check_hardware(snapshot.view(machine), machine)?;
        let sets = automation::of(&snapshot).and_then(|kept| kept.data_sets.0.get(machine.value()));
        Ok(sets.into_iter().flatten().map(|(name, set)| (name.clone(), set.clone())).collect())
    }

    /// A data set of a machine; `NotFound` if it has none of this name.
    pub fn data_set(&self, machine: &Moref, name: &str) -> Result<DataSet, Fault> {
        let found = self.data_sets(machine)?.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, set)| set).ok_or_else(|| not_found(name))
    }

    /// Creates a data set.
    ///
    /// - As [`Self::data_sets`]; `AlreadyExists` if the machine has one of this name; `InvalidPowerState` while it is
    ///   suspended; `InvalidArgument` without a name, or if it is not said who may do what.
    pub fn create_data_set(&self, machine: &Moref, name: &str, spec: DataSetSpec) -> Result<(), Fault> {
        self.change_data_sets(machine, |sets| {
            if name.is_empty() || name.len() > LONGEST_KEY {
                return Err(Fault::invalid_argument("name", "it must have 1 to 4096 bytes"));
            }
            if sets.contains_key(name) {
                let detail = AlreadyExists::with(|fault| _ = fault.set_name(name));
                return Err(Fault::new(detail, format!("there is a data set '{name}' already")));
            }
            let (Some(host), Some(guest)) = (spec.host, spec.guest) else {
                return Err(Fault::invalid_argument("host", "the access of host and guest must be given"));
            };
            let description = spec.description.unwrap_or_default().into();
            let omitted = spec.omitted.unwrap_or_default();
            sets.insert_mut(name.into(), DataSet { description, host, guest, omitted, entries: Map::default() });
            Ok(())
        })
    }

    /// Changes a data set.
    ///
    /// - As [`Self::data_set`]; `InvalidPowerState` while the machine is suspended.
    pub fn update_data_set(&self, machine: &Moref, name: &str, spec: DataSetSpec) -> Result<(), Fault> {
        self.change_data_set(machine, name, |set| {
            if let Some(description) = spec.description {
                set.description = description.into();
            }
            set.host = spec.host.unwrap_or(set.host);
            set.guest = spec.guest.unwrap_or(set.guest);
            set.omitted = spec.omitted.unwrap_or(set.omitted);
            Ok(())
        })
    }

    /// Deletes a data set.
    ///
    /// - As [`Self::data_set`]; `InvalidPowerState` while the machine is suspended; `ResourceInUse` if it has entries, unless
    ///   forced.
    pub fn delete_data_set(&self, machine: &Moref, name: &str, force: bool) -> Result<(), Fault> {
        self.change_data_sets(machine, |sets| {
            let set = sets.get(name).ok_or_else(|| not_found(name))?;
            if !set.entries.is_empty() && !force {
                return Err(Fault::new(ResourceInUse::new(), format!("the data set '{name}' has entries")));
            }
            sets.remove_mut(name);
            Ok(())
        })
    }

    /// The keys of a data set.
    ///
    /// - As [`Self::data_set`]; `NoPermission` if the outside may not read them.
    pub fn data_set_keys(&self, machine: &Moref, name: &str) -> Result<Vec<ArcStr>, Fault> {
        let set = self.data_set(machine, name)?;
        expect(set.host != DataSetAccess::None, name)?;
        Ok(set.entries.keys().cloned().collect())
    }

    /// A value of a data set; `NotFound` without one of this key.
    ///
    /// - As [`Self::data_set_keys`].
    pub fn data_set_entry(&self, machine: &Moref, name: &str, key: &str) -> Result<ArcStr, Fault> {
        let set = self.data_set(machine, name)?;
        expect(set.host != DataSetAccess::None, name)?;
        set.entries.get(key).cloned().ok_or_else(|| not_found(key))
    }

    /// Sets a value of a data set, or removes it.
    ///
    /// - As [`Self::update_data_set`]; `NoPermission` if the outside may not write; `NotFound` for a key to remove that there
    ///   is not; `InvalidArgument` for a key beyond 4 KiB or a value beyond 1 MiB.
    pub fn set_data_set_entry(&self, machine: &Moref, name: &str, key: &str, value: Option<&str>) -> Result<(), Fault> {
        self.change_data_set(machine, name, |set| {
            expect(set.host == DataSetAccess::ReadWrite, name)?;
            let Some(value) = value else {
                return if set.entries.remove_mut(key) { Ok(()) } else { Err(not_found(key)) };
            };
            if key.len() > LONGEST_KEY || value.len() > LONGEST_VALUE {
                return Err(Fault::invalid_argument("key", "the key or its value is too long"));
            }
            set.entries.insert_mut(key.into(), value.into());
            Ok(())
        })
    }

    fn change_data_set(
        &self,
        machine: &Moref,
        name: &str,
        change: impl FnOnce(&mut DataSet) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.change_data_sets(machine, |sets| {
            let mut set = sets.get(name).cloned().ok_or_else(|| not_found(name))?;
            change(&mut set)?;
            sets.insert_mut(name.into(), set);
            Ok(())
        })
    }

    fn change_data_sets(
        &self,
        machine: &Moref,
        change: impl FnOnce(&mut Sets) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.registry().write(|transaction| {
            let view: Option<&VirtualMachine> = transaction.view(machine);
            check_hardware(view, machine)?;
            let state = view.map(|machine| machine.runtime().power_state());
            let mut sets = of(transaction, machine).unwrap_or_default();
            // What is not there is not there, whatever the machine does.
            let state = state.filter(|state| *state == Power::Suspended);
            change(&mut sets)?;
            if let Some(state) = state {
                let detail = InvalidPowerState::with(|fault| _ = fault.set_existing_state(state));
                return Err(Fault::new(detail, "the virtual machine is suspended"));
            }
            put(transaction, machine, sets)
        })
    }
}

fn of(transaction: &Transaction, owner: &Moref) -> Option<Sets> {
    automation::written(transaction)?.data_sets.0.get(owner.value()).cloned()
}

/// Writes the data sets of a machine or snapshot, and forgets those of what is gone.
fn put(transaction: &mut Transaction, owner: &Moref, sets: Sets) -> Result<(), Fault> {
    let known = automation::written(transaction).map(|kept| kept.data_sets.0.clone()).unwrap_or_default();
    let is_gone = |value: &&ArcStr| transaction.object_by_value(value).is_none();
    let mut all = known.keys().filter(is_gone).fold(known.clone(), |all, value| all.remove(value));
    match sets.is_empty() {
        true => _ = all.remove_mut(owner.value()),
        false => all.insert_mut(owner.value().clone(), sets),
    }
    automation::edit(transaction)?.data_sets = DataSets(all);
    Ok(())
}

/// Gives a new snapshot or copy the data sets of what it was made of, but for those that want to be left out.
pub(crate) fn copy(transaction: &mut Transaction, from: &Moref, to: &Moref) -> Result<(), Fault> {
    let Some(sets) = of(transaction, from) else { return Ok(()) };
    let omitted = sets.iter().filter(|(_, set)| set.omitted);
    let sets = omitted.fold(sets.clone(), |sets, (name, _)| sets.remove(name));
    put(transaction, to, sets)
}

/// Gives a machine the data sets that a snapshot of it has kept, and no others.
pub(crate) fn restore(transaction: &mut Transaction, snapshot: &Moref, machine: &Moref) -> Result<(), Fault> {
    let sets = of(transaction, snapshot).unwrap_or_default();
    if sets.is_empty() && of(transaction, machine).is_none() {
        return Ok(());
    }
    put(transaction, machine, sets)
}

fn check_hardware(machine: Option<&VirtualMachine>, moref: &Moref) -> Result<(), Fault> {
    let machine = machine.ok_or_else(|| crate::call::not_found(moref))?;
    let version = machine.config().and_then(|config| config.version().strip_prefix("vmx-")?.parse::<u32>().ok());
    if version.is_some_and(|version| version >= OLDEST_HARDWARE) {
        return Ok(());
    }
    Err(Fault::new(NotSupported::new(), format!("data sets need hardware vmx-{OLDEST_HARDWARE}")))
}

/// `NoPermission` unless the data set lets the outside do this.
fn expect(may: bool, name: &str) -> Result<(), Fault> {
    match may {
        true => Ok(()),
        false => Err(Fault::new(NoPermission::new(), format!("the data set '{name}' does not let the host do this"))),
    }
}

fn not_found(name: &str) -> Fault {
    Fault::new(NotFound::new(), format!("there is no '{name}'"))
}
