//! A datastore with another name: what machines and descriptors say of files begins with it.

use vimsim_registry::Transaction;
use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::views::{
    Datastore, VirtualHardware, VirtualMachine, VirtualMachineConfigInfo, VirtualMachineFileInfo,
    VirtualMachineSnapshot,
};
use vimsim_types::{ArcStr, Fault, List, Moref, Object, Value, View};

use super::Files;

/// What becomes of a path; `None` if it stays.
type Change<'a> = &'a dyn Fn(&str) -> Option<ArcStr>;

/// Puts the new name in place of the old one in the paths of the machines on this datastore, and of their snapshots.
pub(crate) fn follow(transaction: &mut Transaction, datastore: &Moref, old: &str, new: &str) -> Result<(), Fault> {
    let machines: Vec<Moref> = transaction.get::<Datastore>(datastore)?.vm().iter().collect();
    for moref in machines {
        change(transaction, &moref, &|text| path(text, old, new))?;
    }
    let kept = transaction.object(datastore).and_then(|object| object.private::<Files>());
    if kept.is_some_and(|kept| !kept.is_empty()) {
        transaction.private::<Files>(datastore)?.rename(old, new);
    }
    Ok(())
}

/// Changes the paths of a machine and of its snapshots.
fn change(transaction: &mut Transaction, moref: &Moref, change: Change<'_>) -> Result<(), Fault> {
    let Some(machine) = transaction.view::<VirtualMachine>(moref) else { return Ok(()) };
    let mut snapshots: Vec<Moref> = machine.root_snapshot().iter().collect();
    // What the snapshots have beside, as it was written down.
    let kept = value(machine.as_object().get(VirtualMachine::LAYOUT_EX), change);
    if let Some(config) = machine.config().and_then(|config| changed(config, change)) {
        transaction.edit::<VirtualMachine>(moref)?.set_config(config);
    }
    if let Some(kept) = kept {
        transaction.edit::<VirtualMachine>(moref)?.as_object_mut().set(VirtualMachine::LAYOUT_EX, kept);
    }
    while let Some(moref) = snapshots.pop() {
        let Some(snapshot) = transaction.view::<VirtualMachineSnapshot>(&moref) else { continue };
        snapshots.extend(snapshot.child_snapshot().iter());
        if let Some(config) = changed(snapshot.config(), change) {
            transaction.edit::<VirtualMachineSnapshot>(&moref)?.set_config(config);
        }
    }
    Ok(())
}

/// Puts paths on datastores in place of those that begin with where these were mounted before, in the machines on this
/// datastore: the machines that have such a path and were changed, and those that run and stay as they are.
pub(crate) fn remount(
    transaction: &mut Transaction,
    datastore: &Moref,
    mounts: &[(ArcStr, ArcStr)],
) -> Result<(Vec<Moref>, Vec<Moref>), Fault> {
    let new = |text: &str| {
        // A file whose datastore is not known is at its mount path on none: `[] /vmfs/volumes/...`.
        let text = text.strip_prefix("[]").map_or(text, str::trim_start);
        mounts.iter().find_map(|(mount, name)| {
            let rest = text.strip_prefix(mount.trim_end_matches('/'))?.strip_prefix('/')?;
            Some(ArcStr::from(format!("[{name}] {rest}")))
        })
    };
    let machines: Vec<Moref> = transaction.get::<Datastore>(datastore)?.vm().iter().collect();
    let (mut moved, mut running) = (Vec::new(), Vec::new());
    for moref in machines {
        let Some(machine) = transaction.view::<VirtualMachine>(&moref) else { continue };
        let has_any = machine.config().is_some_and(|config| changed(config, &new).is_some());
        if machine.runtime().power_state() == VirtualMachinePowerState::PoweredOff {
            change(transaction, &moref, &new)?;
            moved.extend(has_any.then_some(moref));
        } else {
            running.extend(has_any.then_some(moref));
        }
    }
    Ok((moved, running))
}

/// The configuration with the new name; `None` if it does not have the old one.
pub(super) fn configuration(
    config: &VirtualMachineConfigInfo,
    old: &str,
    new: &str,
) -> Option<VirtualMachineConfigInfo> {
    changed(config, &|text| path(text, old, new))
}

fn changed(config: &VirtualMachineConfigInfo, change: Change<'_>) -> Option<VirtualMachineConfigInfo> {
    let mut config = config.clone();
    let files = object(config.files().as_object(), change);
    let hardware = object(config.hardware().as_object(), change);
    if files.is_none() && hardware.is_none() {
        return None;
    }
    if let Some(files) = files.and_then(VirtualMachineFileInfo::from_object) {
        config.set_files(files);
    }
    if let Some(hardware) = hardware.and_then(VirtualHardware::from_object) {
        config.set_hardware(hardware);
    }
    Some(config)
}

/// A path on the datastore with the new name; `None` for any other.
pub(super) fn path(text: &str, old: &str, new: &str) -> Option<ArcStr> {
    let rest = text.strip_prefix('[')?.strip_prefix(old)?.strip_prefix(']')?;
    Some(format!("[{new}]{rest}").into())
}

fn object(known: &Object, change: Change<'_>) -> Option<Object> {
    let mut changed: Option<Object> = None;
    for (slot, known_value) in known.slots().iter().enumerate() {
        if let Some(value) = value(known_value, change) {
            changed.get_or_insert_with(|| known.clone()).set(slot, value);
        }
    }
    changed
}

fn value(known: &Value, change: Change<'_>) -> Option<Value> {
    match known {
        Value::String(text) => change(text).map(Value::String),
        Value::Object(known) => object(known, change).map(Value::Object),
        Value::List(list) => {
            let items: Vec<Option<Value>> = list.items().iter().map(|item| value(item, change)).collect();
            if items.iter().all(Option::is_none) {
                return None;
            }
            let items = items.into_iter().zip(list.items()).map(|(new, old)| new.unwrap_or_else(|| old.clone()));
            Some(Value::List(List::new(list.element(), items.collect())))
        }
        _ => None,
    }
}
