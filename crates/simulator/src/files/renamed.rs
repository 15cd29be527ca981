//! A datastore with another name: what machines say of their files begins with it.

use vimsim_registry::Transaction;
use vimsim_types::views::{
    Datastore, VirtualHardware, VirtualMachine, VirtualMachineConfigInfo, VirtualMachineFileInfo,
    VirtualMachineSnapshot,
};
use vimsim_types::{Fault, List, Moref, Object, Value, View};

/// Puts the new name in place of the old one in the paths of the machines on this datastore, and of their snapshots.
pub(crate) fn follow(transaction: &mut Transaction, datastore: &Moref, old: &str, new: &str) -> Result<(), Fault> {
    let machines: Vec<Moref> = transaction.get::<Datastore>(datastore)?.vm().iter().collect();
    for moref in machines {
        let Some(machine) = transaction.view::<VirtualMachine>(&moref) else { continue };
        let mut snapshots: Vec<Moref> = machine.root_snapshot().iter().collect();
        if let Some(config) = machine.config().and_then(|config| renamed(config, old, new)) {
            transaction.edit::<VirtualMachine>(&moref)?.set_config(config);
        }
        while let Some(moref) = snapshots.pop() {
            let Some(snapshot) = transaction.view::<VirtualMachineSnapshot>(&moref) else { continue };
            snapshots.extend(snapshot.child_snapshot().iter());
            if let Some(config) = renamed(snapshot.config(), old, new) {
                transaction.edit::<VirtualMachineSnapshot>(&moref)?.set_config(config);
            }
        }
    }
    Ok(())
}

/// The configuration with the new name; `None` if it does not have the old one.
fn renamed(config: &VirtualMachineConfigInfo, old: &str, new: &str) -> Option<VirtualMachineConfigInfo> {
    let mut config = config.clone();
    let files = object(config.files().as_object(), old, new);
    let hardware = object(config.hardware().as_object(), old, new);
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

fn object(known: &Object, old: &str, new: &str) -> Option<Object> {
    let mut changed: Option<Object> = None;
    for (slot, known_value) in known.slots().iter().enumerate() {
        if let Some(value) = value(known_value, old, new) {
            changed.get_or_insert_with(|| known.clone()).set(slot, value);
        }
    }
    changed
}

fn value(known: &Value, old: &str, new: &str) -> Option<Value> {
    match known {
        Value::String(text) => {
            let rest = text.strip_prefix('[')?.strip_prefix(old)?.strip_prefix(']')?;
            Some(Value::String(format!("[{new}]{rest}").into()))
        }
        Value::Object(known) => object(known, old, new).map(Value::Object),
        Value::List(list) => {
            let items: Vec<Option<Value>> = list.items().iter().map(|item| value(item, old, new)).collect();
            if items.iter().all(Option::is_none) {
                return None;
            }
            let items = items.into_iter().zip(list.items()).map(|(new, old)| new.unwrap_or_else(|| old.clone()));
            Some(Value::List(List::new(list.element(), items.collect())))
        }
        _ => None,
    }
}
