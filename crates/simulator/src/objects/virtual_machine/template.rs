//! What every virtual machine begins with. There is one object for all of them, shared until one differs in it.

use std::sync::LazyLock;

use vimsim_types::enums::{
    LatencySensitivitySensitivityLevel, ManagedEntityStatus, SharesLevel, VirtualMachineConnectionState,
    VirtualMachineFaultToleranceState, VirtualMachinePowerState, VirtualMachineRecordReplayState,
    VirtualMachineToolsStatus,
};
use vimsim_types::views::{
    Description, GuestInfo, ResourceAllocationInfo, SharesInfo, ToolsConfigInfo, VirtualController, VirtualDevice,
    VirtualIDEController, VirtualKeyboard, VirtualMachine, VirtualMachineBootOptions, VirtualMachineCapability,
    VirtualMachineConfigInfo, VirtualMachineDefaultPowerOpInfo, VirtualMachineFlagInfo, VirtualMachineRuntimeInfo,
    VirtualMachineVMCIDevice, VirtualMachineVideoCard, VirtualPCIController, VirtualPS2Controller,
    VirtualPointingDevice, VirtualPointingDeviceDeviceBackingInfo, VirtualSIOController,
};
use vimsim_types::{Moref, Value, View, literal};

static MACHINE: LazyLock<VirtualMachine> = LazyLock::new(|| {
    VirtualMachine::with(|machine| {
        super::super::managed_entity::initialize(machine, "", &Moref::of::<VirtualMachine>(""));
        machine.set_capability(capability());
        machine.set_config(config());
        machine.set_runtime(runtime());
        machine.set_guest(guest());
        machine.set_guest_heartbeat_status(ManagedEntityStatus::Gray);
        machine.set_root_snapshot(std::iter::empty::<Moref>());
    })
});

/// A machine with everything that does not depend on its specification.
pub(super) fn machine() -> VirtualMachine {
    MACHINE.clone()
}

/// What an ESXi 8 host supports.
pub(crate) fn capability() -> VirtualMachineCapability {
    let mut capability = VirtualMachineCapability::new();
    // Everything that is required is supported, but for these. What is optional came with later hardware.
    let unsupported = ["recordReplaySupported", "vmNpivWwnUpdateSupported", "guestAutoLockSupported"];
    let optional = [
        ("secureBootSupported", true),
        ("perVmEvcSupported", false),
        ("virtualMmuUsageIgnored", true),
        ("virtualExecUsageIgnored", true),
        ("diskOnlySnapshotOnSuspendedVMSupported", true),
        ("suspendToMemorySupported", true),
        ("toolsSyncTimeAllowSupported", true),
        ("sevSupported", false),
        ("pmemFailoverSupported", false),
        ("requireSgxAttestationSupported", false),
        ("changeModeDisksSupported", false),
        ("vendorDeviceGroupSupported", true),
    ];
    let fields = VirtualMachineCapability::TYPE.info().fields();
    for (slot, field) in fields.iter().enumerate() {
        let value = match optional.iter().find(|(name, _)| *name == field.name) {
            Some((_, supported)) => Value::Bool(*supported),
            None if field.is_optional() => continue,
            None => Value::Bool(!unsupported.contains(&field.name)),
        };
        capability.as_object_mut().set(slot, value);
    }
    capability
}

fn config() -> VirtualMachineConfigInfo {
    VirtualMachineConfigInfo::with(|config| {
        config.set_guest_id(literal!("otherGuest"));
        config.set_guest_full_name(literal!("otherGuest"));
        config.set_alternate_guest_name(literal!(""));
        // Fidelity: vCenter 8 would choose vmx-21. Scripts written for vcsim see its vmx-13, which ESXi 8 runs, too.
        config.set_version(literal!("vmx-13"));
        config.set_template(false);
        config.set_firmware(literal!("bios"));
        config.set_tools(tools());
        config.set_flags(flags());
        config.set_default_power_ops(power_operations());
        config.set_cpu_allocation(allocation());
        config.set_memory_allocation(allocation());
        config.latency_sensitivity_mut().set_level(LatencySensitivitySensitivityLevel::Normal);
        config.set_boot_options(boot_options());
        config.set_memory_hot_add_enabled(false);
        config.set_cpu_hot_add_enabled(false);
        config.set_cpu_hot_remove_enabled(false);
        config.set_swap_placement(literal!("inherit"));
        config.set_v_asserts_enabled(false);
        config.set_change_tracking_enabled(false);
        config.set_hardware(vimsim_types::views::VirtualHardware::with(|hardware| {
            hardware.set_num_cpu(1);
            hardware.set_num_cores_per_socket(1);
            hardware.set_auto_cores_per_socket(false);
            hardware.set_memory_mb(32);
            hardware.set_virtual_ich7_m_present(false);
            hardware.set_virtual_smc_present(false);
            hardware.set_motherboard_layout(literal!("i440bxHostBridge"));
            hardware.set_simultaneous_threads(1);
        }));
    })
}

fn tools() -> ToolsConfigInfo {
    ToolsConfigInfo::with(|tools| {
        tools.set_tools_version(0);
        tools.set_after_power_on(true);
        tools.set_after_resume(true);
        tools.set_before_guest_standby(true);
        tools.set_before_guest_shutdown(true);
        tools.set_before_guest_reboot(false);
        tools.set_tools_upgrade_policy(literal!("manual"));
        tools.set_sync_time_with_host_allowed(true);
        tools.set_sync_time_with_host(false);
        tools.last_install_info_mut().set_counter(0);
    })
}

fn flags() -> VirtualMachineFlagInfo {
    VirtualMachineFlagInfo::with(|flags| {
        flags.set_disable_acceleration(false);
        flags.set_enable_logging(true);
        flags.set_use_toe(false);
        flags.set_run_with_debug_info(false);
        flags.set_monitor_type(literal!("release"));
        flags.set_ht_sharing(literal!("any"));
        flags.set_snapshot_disabled(false);
        flags.set_snapshot_locked(false);
        flags.set_disk_uuid_enabled(false);
        flags.set_virtual_mmu_usage(literal!("automatic"));
        flags.set_virtual_exec_usage(literal!("hvAuto"));
        flags.set_snapshot_power_off_behavior(literal!("powerOff"));
        flags.set_record_replay_enabled(false);
        flags.set_fault_tolerance_type(literal!("unset"));
        flags.set_cbrc_cache_enabled(false);
        flags.set_vvtd_enabled(false);
        flags.set_vbs_enabled(false);
    })
}

fn power_operations() -> VirtualMachineDefaultPowerOpInfo {
    VirtualMachineDefaultPowerOpInfo::with(|operations| {
        operations.set_power_off_type(literal!("soft"));
        operations.set_suspend_type(literal!("hard"));
        operations.set_reset_type(literal!("soft"));
        operations.set_default_power_off_type(literal!("soft"));
        operations.set_default_suspend_type(literal!("hard"));
        operations.set_default_reset_type(literal!("soft"));
        operations.set_standby_action(literal!("checkpoint"));
    })
}

/// No limit and no reservation. The number of shares follows from the machine's size, see [`super::config`].
fn allocation() -> ResourceAllocationInfo {
    ResourceAllocationInfo::with(|allocation| {
        allocation.set_reservation(0);
        allocation.set_expandable_reservation(false);
        allocation.set_limit(-1);
        allocation.set_shares(SharesInfo::with(|shares| {
            shares.set_shares(0);
            shares.set_level(SharesLevel::Normal);
        }));
    })
}

fn boot_options() -> VirtualMachineBootOptions {
    VirtualMachineBootOptions::with(|options| {
        options.set_boot_delay(0);
        options.set_enter_bios_setup(false);
        options.set_efi_secure_boot_enabled(false);
        options.set_boot_retry_enabled(false);
        options.set_boot_retry_delay(10_000);
        options.set_network_boot_protocol(literal!("ipv4"));
    })
}

fn runtime() -> VirtualMachineRuntimeInfo {
    VirtualMachineRuntimeInfo::with(|runtime| {
        runtime.set_connection_state(VirtualMachineConnectionState::Connected);
        runtime.set_power_state(VirtualMachinePowerState::PoweredOff);
        runtime.set_fault_tolerance_state(VirtualMachineFaultToleranceState::NotConfigured);
        runtime.set_record_replay_state(VirtualMachineRecordReplayState::Inactive);
        runtime.set_vm_failover_in_progress(false);
        runtime.set_tools_installer_mounted(false);
        runtime.set_num_mks_connections(0);
        runtime.set_online_standby(false);
        runtime.set_consolidation_needed(false);
        runtime.set_suspend_interval(0);
        runtime.set_memory_overhead(0);
        runtime.set_clean_power_off(false);
        runtime.set_paused(false);
        runtime.set_snapshot_in_background(false);
        runtime.set_quiesced_fork_parent(false);
        runtime.set_instant_clone_frozen(false);
    })
}

/// A guest in which no VMware Tools are installed.
fn guest() -> GuestInfo {
    GuestInfo::with(|guest| {
        guest.set_tools_status(VirtualMachineToolsStatus::ToolsNotInstalled);
        guest.set_tools_version_status(literal!("guestToolsNotInstalled"));
        guest.set_tools_version_status2(literal!("guestToolsNotInstalled"));
        guest.set_tools_running_status(literal!("guestToolsNotRunning"));
        guest.set_tools_version(literal!("0"));
        guest.set_guest_family(literal!("otherGuestFamily"));
        guest.set_guest_state(literal!("notRunning"));
        guest.set_app_heartbeat_status(literal!("appStatusGray"));
        guest.set_app_state(literal!("none"));
        guest.set_guest_operations_ready(false);
        guest.set_guest_kernel_crashed(false);
    })
}

static DEVICES: LazyLock<Vec<VirtualDevice>> = LazyLock::new(|| {
    fn device<D: View>(key: i32, label: &str, summary: &str, fill: impl FnOnce(&mut D)) -> VirtualDevice {
        let mut object = D::with(fill).into();
        if let Some(device) = VirtualDevice::from_mut(&mut object) {
            device.set_key(key);
            device.set_device_info(Description::with(|info| {
                info.set_label(label).set_summary(summary);
            }));
        }
        VirtualDevice::from_object_unchecked(object)
    }
    let vmci = "Device on the virtual machine PCI bus that provides support for the virtual machine communication \
                interface";
    vec![
        device(100, "PCI controller 0", "PCI controller 0", |pci: &mut VirtualPCIController| {
            pci.set_bus_number(0);
            pci.set_device([500, 12000]);
        }),
        device(200, "IDE 0", "IDE 0", |ide: &mut VirtualIDEController| _ = ide.set_bus_number(0)),
        device(201, "IDE 1", "IDE 1", |ide: &mut VirtualIDEController| _ = ide.set_bus_number(1)),
        device(300, "PS2 controller 0", "PS2 controller 0", |ps2: &mut VirtualPS2Controller| {
            ps2.set_bus_number(0);
            ps2.set_device([600, 700]);
        }),
        device(400, "SIO controller 0", "SIO controller 0", |sio: &mut VirtualSIOController| {
            sio.set_bus_number(0);
        }),
        // The space after the labels is vCenter's.
        device(600, "Keyboard ", "Keyboard", |keyboard: &mut VirtualKeyboard| {
            keyboard.set_controller_key(300);
            keyboard.set_unit_number(0);
        }),
        device(700, "Pointing device", "Pointing device; Device", |pointing: &mut VirtualPointingDevice| {
            pointing.set_controller_key(300);
            pointing.set_unit_number(1);
            pointing.set_backing(VirtualPointingDeviceDeviceBackingInfo::with(|backing| {
                backing.set_device_name("");
                backing.set_use_auto_detect(false);
                backing.set_host_pointing_device("autodetect");
            }));
        }),
        device(500, "Video card ", "Video card", |video: &mut VirtualMachineVideoCard| {
            video.set_controller_key(100);
            video.set_unit_number(0);
            video.set_video_ram_size_in_kb(4096);
            video.set_num_displays(1);
            video.set_use_auto_detect(false);
            video.set_enable3_d_support(false);
            video.set_use3d_renderer("automatic");
            video.set_graphics_memory_size_in_kb(262_144);
        }),
        device(12000, "VMCI device", vmci, |device: &mut VirtualMachineVMCIDevice| {
            device.set_controller_key(100);
            device.set_unit_number(17);
            device.set_id(-1);
            device.set_allow_unrestricted_communication(false);
            device.set_filter_enable(true);
        }),
    ]
});

/// The devices that every machine has.
pub(crate) fn devices() -> &'static [VirtualDevice] {
    &DEVICES
}

/// The default device that takes the place of one that a specification adds: every machine has just one of its kind
/// (or, for IDE controllers, of its bus).
pub(super) fn default_for(device: &VirtualDevice) -> Option<&'static VirtualDevice> {
    let kind = device.as_object().kind();
    let bus = |device: &VirtualDevice| device.downcast::<VirtualController>().map(|controller| controller.bus_number());
    devices().iter().find(|default| {
        default.as_object().kind() == kind && (kind != VirtualIDEController::TYPE || bus(default) == bus(device))
    })
}
