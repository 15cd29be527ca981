//! Which storage policies virtual machines have: their homes, and each of their disks.

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::enums::VirtualDeviceConfigSpecOperation as Operation;
use vimsim_types::views::{
    VirtualDeviceConfigSpec, VirtualDisk, VirtualMachine, VirtualMachineDefinedProfileSpec, VirtualMachineProfileSpec,
    VirtualMachineRelocateSpec,
};
use vimsim_types::{ArcStr, Fault, Items, Moref, View};

use super::{Profiles, moref};

/// Stands for a machine's home where the key of a disk stands otherwise.
pub(crate) const HOME: i32 = -1;

/// A policy that something has, as it was when it was applied.
#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) profile: ArcStr,
    pub(crate) generation: i64,
}

/// What a specification says of a policy.
enum Wanted {
    /// To have this one.
    Policy(ArcStr),
    /// To have none.
    None,
}

/// `None` if it says nothing.
// Fidelity: that the policy exists is not checked. vcsim takes any, and clients written for it make some up.
fn wanted(profiles: Items<'_, VirtualMachineProfileSpec>) -> Option<Wanted> {
    let first = profiles.first()?;
    let defined = first.downcast::<VirtualMachineDefinedProfileSpec>().map(|spec| spec.profile_id());
    Some(defined.filter(|id| !id.is_empty()).map_or(Wanted::None, |id| Wanted::Policy(id.clone())))
}

/// The policies that a change of a machine asks for.
#[derive(Default)]
pub(crate) struct Changes(Vec<(i32, Wanted)>);

impl Changes {
    /// What is said of the machine's home.
    pub(crate) fn home(&mut self, profiles: Items<'_, VirtualMachineProfileSpec>) {
        self.0.extend(wanted(profiles).map(|wanted| (HOME, wanted)));
    }

    /// What changes of devices say of disks, which got these keys. A disk that is removed, or is new, has none before.
    pub(crate) fn devices(&mut self, changes: &[VirtualDeviceConfigSpec], keys: &[i32]) {
        for (change, key) in changes.iter().zip(keys) {
            if change.device().downcast::<VirtualDisk>().is_none() {
                continue;
            }
            if change.operation().is_some_and(|operation| operation != Operation::Edit) {
                self.0.push((*key, Wanted::None));
            }
            if change.operation() != Some(Operation::Remove) {
                self.0.extend(wanted(change.profile()).map(|wanted| (*key, wanted)));
            }
        }
    }

    /// What a move, or a copy, says of the home and of disks.
    pub(crate) fn location(&mut self, location: &VirtualMachineRelocateSpec) {
        self.home(location.profile());
        for disk in location.disk() {
            self.0.extend(wanted(disk.profile()).map(|wanted| (disk.disk_id(), wanted)));
        }
    }

    /// Gives the machine what it is to have.
    pub(crate) fn apply(self, transaction: &mut Transaction, machine: &Moref) -> Result<(), Fault> {
        let is_idle = |known: Option<&Profiles>| known.is_none_or(|known| known.of_machine(machine).next().is_none());
        let asks = self.0.iter().any(|(_, wanted)| matches!(wanted, Wanted::Policy(_)));
        let manager = moref();
        let Some(object) = transaction.object(&manager) else { return Ok(()) };
        if !asks && is_idle(object.private::<Profiles>()) {
            return Ok(());
        }
        let known = transaction.private::<Profiles>(&manager)?;
        for (key, wanted) in self.0 {
            let place = (machine.value().clone(), key);
            match wanted {
                Wanted::None => _ = known.assigned.remove_mut(&place),
                Wanted::Policy(profile) => {
                    let generation = known.generation(&profile);
                    known.assigned.insert_mut(place, Assignment { profile, generation });
                }
            }
        }
        Ok(())
    }
}

/// Forgets the policies of a machine that is gone.
pub(crate) fn forget(transaction: &mut Transaction, machine: &Moref) -> Result<(), Fault> {
    let manager = moref();
    let known = transaction.object(&manager).and_then(|object| object.private::<Profiles>());
    let keys: Vec<i32> = known.into_iter().flat_map(|known| known.of_machine(machine)).map(|(key, _)| key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let known = transaction.private::<Profiles>(&manager)?;
    keys.into_iter().for_each(|key| _ = known.assigned.remove_mut(&(machine.value().clone(), key)));
    Ok(())
}

impl Profiles {
    /// The policies of a machine: of its home ([`HOME`]) and its disks, by their keys.
    pub(crate) fn of_machine<'a>(&'a self, machine: &Moref) -> impl Iterator<Item = (i32, &'a Assignment)> {
        let value = machine.value().clone();
        let of = self.assigned.range((value.clone(), i32::MIN)..=(value, i32::MAX));
        of.map(|((_, key), assignment)| (*key, assignment))
    }

    /// Which generation of a policy there is now.
    pub(crate) fn generation(&self, profile: &str) -> i64 {
        let known = self.all.iter().find(|known| known.profile_id().unique_id() == profile);
        known.and_then(|known| known.generation_id()).unwrap_or_default()
    }

    /// The policies that machines have, with the place of each: the machine and the key of a disk, or [`HOME`].
    pub(crate) fn in_use<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = (Moref, i32, &'a Assignment)> {
        let exists = |moref: &Moref| snapshot.view::<VirtualMachine>(moref).is_some();
        let all = self.assigned.iter();
        let all = all.map(|((machine, key), it)| (Moref::of::<VirtualMachine>(machine.clone()), *key, it));
        all.filter(move |(machine, _, _)| exists(machine))
    }
}

/// The machine and the key of its disk that an entity of type `virtualDiskId` names: `vm-12:2000`.
pub(crate) fn disk_of(key: &str) -> Option<(Moref, i32)> {
    let (machine, disk) = key.rsplit_once(':')?;
    Some((Moref::of::<VirtualMachine>(machine), disk.parse().ok()?))
}
