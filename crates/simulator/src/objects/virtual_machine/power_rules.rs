//! What a machine takes only while it is off.
//!
//! The API reference says so of some properties of `VirtualMachineConfigSpec`. Of the others its clients know: Terraform's
//! provider and Ansible's modules switch a machine off before they change these.

use vimsim_types::enums::{VirtualDeviceConfigSpecOperation as Operation, VirtualMachinePowerState as Power};
use vimsim_types::views::{
    CpuHotPlugNotSupported, MemoryHotPlugNotSupported, VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualHardware,
    VirtualMachine, VirtualMachineConfigInfo as Info, VirtualMachineConfigSpec as Spec,
    VirtualMachineFlagInfo as Flags,
};
use vimsim_types::{Fault, Object, Value, View};

use super::power::invalid_power_state;

/// The settings that matter when a machine starts: in a specification, and in the configuration.
const SETTINGS: [(usize, usize); 10] = [
    (Spec::VERSION, Info::VERSION),
    (Spec::UUID, Info::UUID),
    (Spec::GUEST_ID, Info::GUEST_ID),
    (Spec::FIRMWARE, Info::FIRMWARE),
    (Spec::NESTED_HV_ENABLED, Info::NESTED_HV_ENABLED),
    (Spec::V_PMC_ENABLED, Info::V_PMC_ENABLED),
    (Spec::CPU_HOT_ADD_ENABLED, Info::CPU_HOT_ADD_ENABLED),
    (Spec::CPU_HOT_REMOVE_ENABLED, Info::CPU_HOT_REMOVE_ENABLED),
    (Spec::MEMORY_HOT_ADD_ENABLED, Info::MEMORY_HOT_ADD_ENABLED),
    (Spec::SEV_ENABLED, Info::SEV_ENABLED),
];

/// The flags of that kind.
const FLAGS: [usize; 5] = [
    Flags::DISK_UUID_ENABLED,
    Flags::VIRTUAL_MMU_USAGE,
    Flags::VIRTUAL_EXEC_USAGE,
    Flags::VVTD_ENABLED,
    Flags::VBS_ENABLED,
];

/// Whether a machine takes this as it is. What says what is so already changes nothing, and is taken.
///
/// - `CpuHotPlugNotSupported`, `MemoryHotPlugNotSupported` for processors and memory of a running machine where this is not
///   enabled;
/// - `InvalidPowerState` for anything else that it takes only while it is off.
pub(super) fn check(machine: &VirtualMachine, current: &Info, spec: &Spec) -> Result<(), Fault> {
    let state = machine.runtime().power_state();
    let hardware = current.hardware();
    let refused = match state {
        Power::PoweredOff => false,
        Power::PoweredOn => takes_away(current, spec)?,
        Power::Suspended => {
            differs(spec, Spec::NUM_CPUS, hardware.as_object(), VirtualHardware::NUM_CPU)
                || spec.memory_mb().is_some_and(|wanted| wanted > 0 && wanted != i64::from(hardware.memory_mb()))
        }
    };
    let is_set = || {
        SETTINGS.iter().any(|(wanted, known)| differs(spec, *wanted, current.as_object(), *known))
            || differs(spec, Spec::NUM_CORES_PER_SOCKET, hardware.as_object(), VirtualHardware::NUM_CORES_PER_SOCKET)
            || spec
                .flags()
                .is_some_and(|flags| FLAGS.iter().any(|flag| differs(flags, *flag, current.flags().as_object(), *flag)))
            || spec.device_change().iter().any(|change| {
                let disk = change.device().downcast::<VirtualDisk>();
                change.operation() == Some(Operation::Edit) && disk.is_some_and(|disk| moves(hardware, disk))
            })
    };
    if refused || state != Power::PoweredOff && is_set() {
        return Err(invalid_power_state(Power::PoweredOff, state));
    }
    Ok(())
}

/// Whether a value is given that is another than the known one, of which unset is false.
fn differs(spec: &impl View, wanted: usize, known: &Object, slot: usize) -> bool {
    match (spec.as_object().get(wanted), known.get(slot)) {
        (Value::Unset | Value::Int(0), _) => false,
        (Value::Bool(wanted), Value::Unset) => *wanted,
        (wanted, _) if wanted.text() == Some("") => false,
        (wanted, known) => wanted != known,
    }
}

/// Processors and memory of a running machine can be added to only where that is enabled. Whether more than that is asked.
fn takes_away(current: &Info, spec: &Spec) -> Result<bool, Fault> {
    let hardware = current.hardware();
    let is_on = |wanted: Option<bool>| wanted.unwrap_or_default();
    let processors = spec.num_cpus().filter(|wanted| *wanted > 0 && *wanted != hardware.num_cpu());
    let memory = spec.memory_mb().filter(|wanted| *wanted > 0 && *wanted != i64::from(hardware.memory_mb()));
    let less_processors = processors.is_some_and(|wanted| wanted < hardware.num_cpu());
    let (adds, removes) = (is_on(current.cpu_hot_add_enabled()), is_on(current.cpu_hot_remove_enabled()));
    if processors.is_some() && !adds && !(less_processors && removes) {
        let why = "CPU hot plug is not supported for this virtual machine.";
        return Err(Fault::new(CpuHotPlugNotSupported::new(), why));
    }
    if memory.is_some() && !is_on(current.memory_hot_add_enabled()) {
        let why = "Memory hot plug is not supported for this virtual machine.";
        return Err(Fault::new(MemoryHotPlugNotSupported::new(), why));
    }
    let less_memory = memory.is_some_and(|wanted| wanted < i64::from(hardware.memory_mb()));
    Ok(less_memory || less_processors && !removes)
}

/// Whether a disk gets another mode or place, which it keeps while the machine runs.
fn moves(hardware: &VirtualHardware, wanted: &VirtualDisk) -> bool {
    let known = hardware.device().iter().filter_map(|device| device.downcast::<VirtualDisk>());
    let Some(known) = known.into_iter().find(|known| known.key() == wanted.key()) else { return false };
    let mode = |disk: &VirtualDisk| {
        let backing = disk.backing()?.downcast::<VirtualDiskFlatVer2BackingInfo>()?;
        Some(backing.disk_mode().clone()).filter(|mode| !mode.is_empty())
    };
    let (new_mode, old_mode) = (mode(wanted), mode(known));
    let is_plugged_elsewhere = wanted.controller_key().is_some_and(|key| Some(key) != known.controller_key())
        || wanted.unit_number().is_some_and(|unit| Some(unit) != known.unit_number());
    new_mode.is_some_and(|mode| old_mode != Some(mode)) || is_plugged_elsewhere
}
