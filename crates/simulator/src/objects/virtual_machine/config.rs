//! What a `VirtualMachineConfigSpec` sets in a machine's `config`, devices apart.

use std::sync::LazyLock;

use vimsim_types::enums::{SharesLevel, VirtualMachineGuestOsIdentifier};
use vimsim_types::views::{
    InvalidVmConfig, NotSupported, OptionValue, ResourceAllocationInfo, ScheduledHardwareUpgradeInfo, VirtualMachine,
    VirtualMachineBootOptions, VirtualMachineBootOptionsBootableDevice, VirtualMachineConfigInfo,
    VirtualMachineConfigSpec,
};
use vimsim_types::{DateTime, EnumView, Fault, Object, Value, View};

use crate::containers::machine::check_option;
use crate::objects::environment_browser::guest_os;
use crate::objects::virtual_app;

/// The fields that a specification and a configuration have in common: their slots in both. A field that is a data object
/// is laid over what is there; any other replaces it.
static COMMON: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    /// The fields that are looked after one by one.
    const SPECIAL: [&str; 10] = [
        "name",
        "uuid",
        "instanceUuid",
        "changeVersion",
        "files",
        "guestId",
        "extraConfig",
        "vAppConfig",
        "cpuFeatureMask",
        "repConfig",
    ];
    let (spec, config) = (VirtualMachineConfigSpec::TYPE.info(), VirtualMachineConfigInfo::TYPE.info());
    let mut common = Vec::new();
    for (from, field) in spec.fields().iter().enumerate() {
        let name = if field.name == "powerOpInfo" { "defaultPowerOps" } else { field.name };
        if let Some(to) = config.slot(name).filter(|to| config.fields()[*to].ty == field.ty && !SPECIAL.contains(&name))
        {
            common.push((from, to));
        }
    }
    common
});

/// `InvalidVmConfig` for a property of the specification.
pub(super) fn invalid(property: &str, why: impl std::fmt::Display) -> Fault {
    let detail = InvalidVmConfig::with(|fault| {
        fault.set_property(property);
    });
    Fault::new(detail, format!("Invalid virtual machine configuration: {property}: {why}"))
}

/// Checks what can be said of a specification by itself.
///
/// - `InvalidArgument` for a guest that is not known, a size that is none, an allocation that contradicts itself, or a key
///   that asks for a container which cannot be;
/// - `InvalidVmConfig` for secure boot without EFI; `NotSupported` for fault tolerance.
pub(super) fn check(spec: &VirtualMachineConfigSpec, current: Option<&VirtualMachineConfigInfo>) -> Result<(), Fault> {
    if spec.ft_info().is_some() {
        return Err(Fault::new(NotSupported::new(), "configSpec.ftInfo: fault tolerance is not simulated"));
    }
    if let Some(guest) = spec.guest_id().filter(|guest| !guest.is_empty())
        && VirtualMachineGuestOsIdentifier::from_name(guest).is_none()
    {
        return Err(Fault::invalid_argument("configSpec.guestId", format!("'{guest}' is no guest operating system")));
    }
    spec.extra_config().iter().try_for_each(check_option)?;
    let positive = [
        ("configSpec.numCPUs", spec.num_cpus().map(i64::from)),
        ("configSpec.numCoresPerSocket", spec.num_cores_per_socket().map(i64::from)),
        ("configSpec.memoryMB", spec.memory_mb()),
    ];
    for (property, value) in positive {
        if let Some(value) = value.filter(|value| *value < 0 || *value > i64::from(i32::MAX)) {
            return Err(Fault::invalid_argument(property, format!("{value} is out of bounds")));
        }
    }
    check_cores(spec, current)?;
    check_allocation("configSpec.cpuAllocation", spec.cpu_allocation())?;
    check_allocation("configSpec.memoryAllocation", spec.memory_allocation())?;
    let firmware = spec.firmware().or(current.and_then(|current| current.firmware()));
    let secure = spec.boot_options().and_then(|options| options.efi_secure_boot_enabled()).unwrap_or_default();
    if secure && firmware.is_none_or(|firmware| *firmware != "efi") {
        return Err(invalid("msg.hostd.configSpec.efi", "secure boot needs the firmware 'efi'"));
    }
    Ok(())
}

/// The number of processors is a multiple of the cores of each socket.
fn check_cores(spec: &VirtualMachineConfigSpec, current: Option<&VirtualMachineConfigInfo>) -> Result<(), Fault> {
    let now = current.map(|current| current.hardware());
    let processors = spec.num_cpus().filter(|n| *n > 0).or(now.map(|now| now.num_cpu())).unwrap_or(1);
    match spec.num_cores_per_socket() {
        Some(cores) if cores > 0 && processors % cores != 0 => {
            let why = format!("{processors} processors do not fill sockets of {cores} cores");
            Err(Fault::invalid_argument("configSpec.numCoresPerSocket", why))
        }
        _ => Ok(()),
    }
}

/// A reservation is not negative and no more than the limit; -1 is no limit.
pub(crate) fn check_allocation(property: &str, allocation: Option<&ResourceAllocationInfo>) -> Result<(), Fault> {
    let Some(allocation) = allocation else { return Ok(()) };
    let (reservation, limit) = (allocation.reservation(), allocation.limit());
    if reservation.is_some_and(|reservation| reservation < 0) || limit.is_some_and(|limit| limit < -1) {
        return Err(Fault::invalid_argument(property, "a reservation or limit is negative"));
    }
    match (reservation, limit) {
        (Some(reservation), Some(limit)) if limit >= 0 && reservation > limit => {
            Err(Fault::invalid_argument(property, format!("the reservation {reservation} is above the limit {limit}")))
        }
        _ => Ok(()),
    }
}

/// `base` with every field replaced that `wanted` sets, data objects in it likewise.
pub(crate) fn overlay(base: &mut Object, wanted: &Object) {
    for (slot, value) in wanted.slots().iter().enumerate() {
        let is_same_kind = |base: &Object, wanted: &Object| base.kind() == wanted.kind();
        match (value, base.get(slot)) {
            (Value::Unset, _) => {}
            (Value::Object(wanted), Value::Object(old)) if is_same_kind(old, wanted) => {
                let mut new = old.clone();
                overlay(&mut new, wanted);
                base.set(slot, new.into());
            }
            _ => base.set(slot, value.clone()),
        }
    }
}

/// Writes into `config` what `spec` sets, names and devices apart.
pub(super) fn apply(config: &mut VirtualMachineConfigInfo, spec: &VirtualMachineConfigSpec) {
    let before = config.scheduled_hardware_upgrade_info().cloned();
    for (from, to) in COMMON.iter() {
        match (spec.as_object().get(*from), config.as_object().get(*to)) {
            (Value::Unset, _) => {}
            (Value::Object(wanted), Value::Object(old)) if wanted.kind() == old.kind() => {
                let mut new = old.clone();
                overlay(&mut new, wanted);
                config.as_object_mut().set(*to, new.into());
            }
            (value, _) => config.as_object_mut().set(*to, value.clone()),
        }
    }
    if spec.scheduled_hardware_upgrade_info().is_some() {
        // How the last upgrade went is the service's to say.
        let upgrade = config.scheduled_hardware_upgrade_info_mut().as_object_mut();
        for slot in
            [ScheduledHardwareUpgradeInfo::SCHEDULED_HARDWARE_UPGRADE_STATUS, ScheduledHardwareUpgradeInfo::FAULT]
        {
            upgrade.set(slot, before.as_ref().map_or(Value::Unset, |before| before.as_object().get(slot).clone()));
        }
    }
    if spec.managed_by().is_some_and(|owner| owner.extension_key().is_empty()) {
        config.as_object_mut().set(VirtualMachineConfigInfo::MANAGED_BY, Value::Unset);
    }
    clear(config, spec);
    if let Some(guest) = spec.guest_id().filter(|guest| !guest.is_empty()) {
        config.set_guest_id(guest);
        match spec.alternate_guest_name().filter(|name| !name.is_empty()) {
            Some(name) => config.set_guest_full_name(name),
            // Fidelity: what vcsim calls its own machines, the default inventory among them.
            None if *guest == "otherGuest" => config.set_guest_full_name(guest),
            None => config.set_guest_full_name(guest_os::full_name(guest)),
        };
    }
    if let Some(version) = spec.version().filter(|version| !version.is_empty()) {
        config.set_version(version);
    }
    let files = spec.files().cloned();
    if let Some(wanted) = files {
        overlay(config.files_mut().as_object_mut(), wanted.as_object());
    }
    apply_size(config, spec);
    if !spec.extra_config().is_empty() {
        apply_extra_config(config, spec);
    }
    apply_shares(config);
    // "Memory resource reservation for this virtual machine will always be equal to the virtual machine's memory size"
    // (API reference, VirtualMachineConfigSpec).
    if config.memory_reservation_locked_to_max() == Some(true) {
        let all = i64::from(config.hardware().memory_mb());
        config.memory_allocation_mut().set_reservation(all);
    }
}

/// Unsets what a specification clears: an affinity to nothing ("any existing affinity is removed"), and a boot order of
/// devices of no type (API reference, `VirtualMachineAffinityInfo`, `VirtualMachineBootOptionsBootableDevice`).
fn clear(config: &mut VirtualMachineConfigInfo, spec: &VirtualMachineConfigSpec) {
    let affinities = [
        (spec.cpu_affinity(), VirtualMachineConfigInfo::CPU_AFFINITY),
        (spec.memory_affinity(), VirtualMachineConfigInfo::MEMORY_AFFINITY),
    ];
    for (wanted, slot) in affinities {
        if wanted.is_some_and(|affinity| affinity.affinity_set().is_empty()) {
            config.as_object_mut().set(slot, Value::Unset);
        }
    }
    let is_none = |device: &VirtualMachineBootOptionsBootableDevice| {
        device.as_object().kind() == VirtualMachineBootOptionsBootableDevice::TYPE
    };
    if spec.boot_options().is_some_and(|options| options.boot_order().iter().any(is_none)) {
        let order: Vec<_> =
            config.boot_options().into_iter().flat_map(|options| options.boot_order().iter()).cloned().collect();
        let order: Vec<_> = order.into_iter().filter(|device| !is_none(device)).collect();
        let options = config.boot_options_mut();
        match order.is_empty() {
            true => options.as_object_mut().set(VirtualMachineBootOptions::BOOT_ORDER, Value::Unset),
            false => _ = options.set_boot_order(order),
        }
    }
}

/// Writes what the specification says of the machine as a virtual appliance: products, properties, sections.
///
/// - `InvalidArgument` for a property that is added twice, or changed or removed where there is none.
pub(super) fn apply_v_app(config: &mut VirtualMachineConfigInfo, spec: &VirtualMachineConfigSpec) -> Result<(), Fault> {
    if spec.v_app_config_removed().unwrap_or_default() {
        config.as_object_mut().set(VirtualMachineConfigInfo::V_APP_CONFIG, Value::Unset);
    }
    let Some(wanted) = spec.v_app_config() else { return Ok(()) };
    let is_new = config.v_app_config().is_none();
    let own = config.v_app_config_mut();
    if is_new {
        virtual_app::initialize_config(own);
    }
    virtual_app::apply_config(own, wanted)
}

fn apply_size(config: &mut VirtualMachineConfigInfo, spec: &VirtualMachineConfigSpec) {
    if let Some(processors) = spec.num_cpus().filter(|processors| *processors > 0) {
        config.hardware_mut().set_num_cpu(processors);
        let cores = config.hardware().num_cores_per_socket().unwrap_or(1).max(1);
        if spec.num_cores_per_socket().is_none() && processors % cores != 0 {
            config.hardware_mut().set_num_cores_per_socket(1);
        }
    }
    if let Some(cores) = spec.num_cores_per_socket().filter(|cores| *cores > 0) {
        config.hardware_mut().set_num_cores_per_socket(cores);
    }
    if let Some(memory) = spec.memory_mb().filter(|memory| *memory > 0) {
        config.hardware_mut().set_memory_mb(i32::try_from(memory).unwrap_or(i32::MAX));
    }
    if let Some(present) = spec.virtual_ich7_m_present() {
        config.hardware_mut().set_virtual_ich7_m_present(present);
    }
    if let Some(present) = spec.virtual_smc_present() {
        config.hardware_mut().set_virtual_smc_present(present);
    }
    if let Some(layout) = spec.motherboard_layout() {
        config.hardware_mut().set_motherboard_layout(layout);
    }
    if let Some(threads) = spec.simultaneous_threads() {
        config.hardware_mut().set_simultaneous_threads(threads);
    }
}

/// Says of which family the guest is that the machine is configured for.
// Fidelity: vCenter learns it from the guest. vcsim has it from the configuration, and clients wait for it.
pub(super) fn set_guest_family(machine: &mut VirtualMachine) {
    let Some(id) = machine.config().map(|config| config.guest_id()) else { return };
    let family = guest_os::family(id).name();
    if machine.guest().and_then(|guest| guest.guest_family()).is_none_or(|known| known != family) {
        machine.guest_mut().set_guest_family(family);
    }
}

/// Replaces the options of known keys, adds new ones at the end, and removes those with an empty value.
fn apply_extra_config(config: &mut VirtualMachineConfigInfo, spec: &VirtualMachineConfigSpec) {
    if config.extra_config().is_empty() {
        let is_given = |value: &&Value| value.object().is_some_and(|option| !is_empty(option.field("value")));
        let options: Vec<Value> = spec.extra_config().values().iter().filter(is_given).cloned().collect();
        let all = options.len() == spec.extra_config().len();
        if all && !has_repetition(spec) {
            // The specification's own list, so that machines made from one share it.
            let slot = VirtualMachineConfigSpec::TYPE.info().slot("extraConfig").expect("a field of the type");
            let list = spec.as_object().get(slot).clone();
            config.as_object_mut().set(VirtualMachineConfigInfo::EXTRA_CONFIG, list);
            return;
        }
    }
    let mut options: Vec<OptionValue> = config.extra_config().iter().cloned().collect();
    for wanted in spec.extra_config() {
        let known = options.iter().position(|option| option.key() == wanted.key());
        match (known, is_empty(wanted.value())) {
            (Some(at), true) => _ = options.remove(at),
            (Some(at), false) => options[at] = wanted.clone(),
            (None, true) => {}
            (None, false) => options.push(wanted.clone()),
        }
    }
    config.set_extra_config(options);
}

fn has_repetition(spec: &VirtualMachineConfigSpec) -> bool {
    let options = spec.extra_config();
    (1..options.len()).any(|at| {
        let key = options.get(at).map(|option| option.key());
        (0..at).any(|before| options.get(before).map(|option| option.key()) == key)
    })
}

fn is_empty(value: &Value) -> bool {
    value.is_unset() || value.text() == Some("")
}

/// The shares that a level stands for follow from the machine's size: 500, 1000 or 2000 for each processor, and 5, 10 or
/// 20 for each megabyte (API reference, `SharesInfo.level`).
fn apply_shares(config: &mut VirtualMachineConfigInfo) {
    let processors = config.hardware().num_cpu();
    let memory = config.hardware().memory_mb();
    let weigh = |allocation: Option<&ResourceAllocationInfo>, unit: i32, size: i32| {
        let shares = allocation?.shares()?;
        let number = match shares.level() {
            SharesLevel::Low => unit / 2,
            SharesLevel::Normal => unit,
            SharesLevel::High => unit * 2,
            SharesLevel::Custom => return None,
        };
        let number = number.saturating_mul(size);
        (number != shares.shares()).then_some(number)
    };
    if let Some(shares) = weigh(config.cpu_allocation(), 1000, processors) {
        config.cpu_allocation_mut().shares_mut().set_shares(shares);
    }
    if let Some(shares) = weigh(config.memory_allocation(), 10, memory) {
        config.memory_allocation_mut().shares_mut().set_shares(shares);
    }
}

/// Notes that the configuration changed now.
pub(super) fn touch(config: &mut VirtualMachineConfigInfo, now: DateTime) {
    config.set_modified(now);
    config.set_change_version(now.micros().to_string());
}
