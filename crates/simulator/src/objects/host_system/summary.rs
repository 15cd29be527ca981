//! The properties of a host that follow from others: its summary, and what its managers show of it.

use vimsim_registry::Transaction;
use vimsim_types::views::{
    HostConfigSummary, HostHardwareInfo, HostHardwareSummary, HostListSummary, HostSystem, ManagedEntity,
};
use vimsim_types::{Fault, Moref, Object, Value, View};

use crate::containers;
use crate::objects::{cluster_evc_manager, host_auto_start_manager, host_esx_agent_host_manager};
use crate::usage;

/// Brings `summary`, and the managers' properties, up to what the host's other properties say.
pub(crate) fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let host = transaction.get::<HostSystem>(moref)?;
    let before = transaction.before();
    // Each start of a machine changes what its host uses, and nothing else of it.
    let is_known = before.object(moref).and_then(|old| old.view()).is_some_and(|old| uses_at_most(old, host));
    let mut changed = host.clone();
    if !is_known {
        host_auto_start_manager::forget_absent(&mut changed);
        host_esx_agent_host_manager::forget_absent(&mut changed);
        update(&mut changed);
    }
    let usage = transaction.object(moref).map(|object| containers::usage(object)).unwrap_or_default();
    let mut summary = changed.summary().clone();
    usage::set_host(&mut summary, &usage);
    put(changed.as_object_mut(), HostSystem::SUMMARY, Value::Object(summary.into()));
    if !changed.as_object().same(host.as_object()) {
        if is_known {
            transaction.settle(moref, changed)?;
        } else {
            *transaction.edit::<HostSystem>(moref)? = changed;
        }
    }
    cluster_evc_manager::follow(transaction, moref)?;
    if is_known { Ok(()) } else { super::super::host_managers::derive(transaction, moref) }
}

/// Whether what the machines of a host use is all that differs.
fn uses_at_most(old: &HostSystem, new: &HostSystem) -> bool {
    let alike = |old: &Object, new: &Object, but: usize| {
        old.slots().len() == new.slots().len()
            && old.slots().iter().zip(new.slots()).enumerate().all(|(slot, (old, new))| slot == but || old.same(new))
    };
    alike(old.as_object(), new.as_object(), HostSystem::SUMMARY)
        && alike(old.summary().as_object(), new.summary().as_object(), HostListSummary::QUICK_STATS)
}

/// Sets a slot, and leaves the object as it is if it holds an equal value.
pub(crate) fn put(object: &mut Object, slot: usize, value: Value) {
    if *object.get(slot) != value {
        object.set(slot, value);
    }
}

/// Works the summary out. Leaves the host as it is, and shared, if nothing changes.
pub(super) fn update(host: &mut HostSystem) {
    let mut summary = host.summary().clone();
    let object = summary.as_object_mut();
    put(object, HostListSummary::RUNTIME, host.as_object().get(HostSystem::RUNTIME).clone());
    put(object, HostListSummary::OVERALL_STATUS, host.as_object().get(ManagedEntity::OVERALL_STATUS).clone());
    put(object, HostListSummary::CUSTOM_VALUE, host.as_object().get(ManagedEntity::CUSTOM_VALUE).clone());
    let config = config(host, summary.config());
    put(summary.as_object_mut(), HostListSummary::CONFIG, Value::Object(config.into()));
    if let Some(hardware) = host.hardware() {
        let known = summary.hardware().cloned().unwrap_or_else(View::new);
        let hardware = self::hardware(host, hardware, known);
        put(summary.as_object_mut(), HostListSummary::HARDWARE, Value::Object(hardware.into()));
    }
    put(host.as_object_mut(), HostSystem::SUMMARY, Value::Object(summary.into()));
}

fn hardware(host: &HostSystem, hardware: &HostHardwareInfo, known: HostHardwareSummary) -> HostHardwareSummary {
    use HostHardwareSummary as Summary;
    let (system, cpu) = (hardware.system_info(), hardware.cpu_info());
    let model = hardware.cpu_pkg().first().map(|package| package.description().clone());
    let (mut nics, mut adapters) = (0, 0);
    if let Some(config) = host.config() {
        nics = config.network().map_or(0, |network| network.pnic().len());
        adapters = config.storage_device().map_or(0, |storage| storage.host_bus_adapter().len());
    }
    let count = |count: usize| Value::Int(i32::try_from(count).unwrap_or(i32::MAX));
    let mut summary = known;
    let object = summary.as_object_mut();
    put(object, Summary::VENDOR, Value::String(system.vendor().clone()));
    put(object, Summary::MODEL, Value::String(system.model().clone()));
    put(object, Summary::UUID, Value::String(system.uuid().clone()));
    let identifiers = system.as_object().field("otherIdentifyingInfo").clone();
    put(object, Summary::OTHER_IDENTIFYING_INFO, identifiers);
    put(object, Summary::MEMORY_SIZE, Value::Long(hardware.memory_size()));
    put(object, Summary::CPU_MODEL, model.map_or(Value::Unset, Value::String));
    put(object, Summary::CPU_MHZ, Value::Int(i32::try_from(cpu.hz() / 1_000_000).unwrap_or(i32::MAX)));
    put(object, Summary::NUM_CPU_PKGS, Value::Short(cpu.num_cpu_packages()));
    put(object, Summary::NUM_CPU_CORES, Value::Short(cpu.num_cpu_cores()));
    put(object, Summary::NUM_CPU_THREADS, Value::Short(cpu.num_cpu_threads()));
    put(object, Summary::NUM_NICS, count(nics));
    put(object, Summary::NUM_HB_AS, count(adapters));
    summary
}

fn config(host: &HostSystem, known: &HostConfigSummary) -> HostConfigSummary {
    let mut summary = known.clone();
    let object = summary.as_object_mut();
    put(object, HostConfigSummary::NAME, Value::String(host.name().clone()));
    if let Some(config) = host.config() {
        let selected = |nic_type: &str| {
            let nics = config.virtual_nic_manager_info().into_iter().flat_map(|info| info.net_config());
            nics.filter(|nic| nic.nic_type() == nic_type).any(|nic| !nic.selected_vnic().is_empty())
        };
        put(object, HostConfigSummary::PRODUCT, config.as_object().field("product").clone());
        put(object, HostConfigSummary::VMOTION_ENABLED, Value::Bool(selected("vmotion")));
        put(object, HostConfigSummary::FAULT_TOLERANCE_ENABLED, Value::Bool(selected("faultToleranceLogging")));
    }
    summary
}
