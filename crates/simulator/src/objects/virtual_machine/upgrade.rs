//! Newer virtual hardware, and newer VMware Tools.

use vimsim_types::enums::{VirtualMachinePowerState as Power, VirtualMachineToolsStatus as Tools};
use vimsim_types::method::{MountToolsInstaller, UnmountToolsInstaller, UpgradeToolsTask, UpgradeVMTask};
use vimsim_types::views::{
    AlreadyUpgraded, HostSystem, InvalidState, NotSupported, ToolsUnavailable, VirtualMachine, VmUpgradeCompleteEvent,
    VmUpgradingEvent,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::{config, create, power};
use crate::call::Call;
use crate::objects::environment_browser::hardware;

/// Gives the machine newer virtual hardware: the version asked for, or the newest that its host runs.
///
/// - As faults of the task: `InvalidPowerState` unless the machine is off; `InvalidState` for a template or on a host that
///   does not work; `InvalidArgument` for what is no version; `NotSupported` for one that the host does not run;
///   `AlreadyUpgraded` if the machine has it, or a newer one.
pub(super) fn upgrade_vm(call: &mut Call<'_, VirtualMachine>, request: UpgradeVMTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let machine = call.this()?;
        power::check_no_template(machine)?;
        let existing = machine.runtime().power_state();
        if existing != Power::PoweredOff {
            return Err(power::invalid_power_state(Power::PoweredOff, existing));
        }
        let newest = newest_for(call, machine)?;
        let current = machine.config().map(|config| config.version().clone()).unwrap_or_default();
        let number = hardware::parse(&current).unwrap_or_default();
        let wanted = match request.version().filter(|version| !version.is_empty()) {
            None => newest,
            Some(version) => hardware::parse(version)
                .ok_or_else(|| Fault::invalid_argument("version", format!("'{version}' is no hardware version")))?,
        };
        if wanted > newest {
            let why = format!("the host does not run {}", hardware::key(wanted));
            return Err(Fault::new(NotSupported::new(), why));
        }
        // Fidelity: without a version, vcsim says that the state is wrong; govc takes AlreadyUpgraded for success.
        if wanted <= number && request.version().is_none_or(|version| version.is_empty()) {
            return Err(Fault::new(
                InvalidState::new(),
                format!("the virtual hardware is {current}, the newest there is"),
            ));
        }
        if wanted <= number {
            return Err(Fault::new(AlreadyUpgraded::new(), format!("the virtual hardware is {current}")));
        }
        let this = call.moref();
        let version: ArcStr = hardware::key(wanted).into();
        let upgrading = VmUpgradingEvent::with(|event| {
            event.set_template(false);
            event.set_version(&version);
        });
        call.post(&this, upgrading)?;
        let now = call.now();
        let config = call.this_mut()?.config_mut();
        config.set_version(&version);
        config::touch(config, now);
        let complete = VmUpgradeCompleteEvent::with(|event| {
            event.set_template(false);
            event.set_version(version);
        });
        call.post(&this, complete)
    })
}

/// The newest virtual hardware that the machine's host runs. `InvalidState` if the host does not work.
fn newest_for<T>(call: &Call<'_, T>, machine: &VirtualMachine) -> Result<i32, Fault> {
    let nowhere = || Fault::new(InvalidState::new(), "the virtual machine is on no host");
    let host = machine.runtime().host().ok_or_else(nowhere)?;
    let host = call.get::<HostSystem>(&host)?;
    create::check_host(host)?;
    let version = host.config().map(|config| config.product().version().clone()).unwrap_or_default();
    Ok(hardware::newest_for(&version))
}

/// `InvalidPowerState` unless the machine runs.
fn check_on(machine: &VirtualMachine) -> Result<(), Fault> {
    power::check_no_template(machine)?;
    match machine.runtime().power_state() {
        Power::PoweredOn => Ok(()),
        existing => Err(power::invalid_power_state(Power::PoweredOn, existing)),
    }
}

/// Upgrades the VMware Tools of the guest.
///
/// - As faults of the task: `InvalidPowerState` unless the machine runs; `ToolsUnavailable` if no Tools run in it.
pub(super) fn upgrade_tools(call: &mut Call<'_, VirtualMachine>, _: UpgradeToolsTask) -> Result<Moref, Fault> {
    call.start_task(|call| {
        let machine = call.this()?;
        check_on(machine)?;
        if machine
            .guest()
            .and_then(|guest| guest.tools_status())
            .is_none_or(|status| !matches!(status, Tools::ToolsOk | Tools::ToolsOld))
        {
            let message = format!("VMware Tools are not running in '{}'", machine.name());
            return Err(Fault::new(ToolsUnavailable::new(), message));
        }
        let guest = call.this_mut()?.guest_mut();
        guest.set_tools_status(Tools::ToolsOk);
        if guest.tools_version_status2().is_some_and(|status| *status != "guestToolsUnmanaged") {
            guest.set_tools_version_status("guestToolsCurrent").set_tools_version_status2("guestToolsCurrent");
        }
        Ok(())
    })
}

/// Puts the installer of VMware Tools into the machine's CD drive.
///
/// - `InvalidPowerState` unless the machine runs; `InvalidState` if it is there already.
pub(super) fn mount_tools_installer(call: &mut Call<'_, VirtualMachine>, _: MountToolsInstaller) -> Result<(), Fault> {
    check_on(call.this()?)?;
    if call.this()?.runtime().tools_installer_mounted() {
        return Err(Fault::new(InvalidState::new(), "the installer of VMware Tools is mounted"));
    }
    call.this_mut()?.runtime_mut().set_tools_installer_mounted(true);
    Ok(())
}

/// Takes the installer of VMware Tools out of the machine's CD drive.
///
/// - `InvalidPowerState` unless the machine runs; `InvalidState` if it is not there.
pub(super) fn unmount_tools_installer(
    call: &mut Call<'_, VirtualMachine>,
    _: UnmountToolsInstaller,
) -> Result<(), Fault> {
    check_on(call.this()?)?;
    if !call.this()?.runtime().tools_installer_mounted() {
        return Err(Fault::new(InvalidState::new(), "the installer of VMware Tools is not mounted"));
    }
    call.this_mut()?.runtime_mut().set_tools_installer_mounted(false);
    Ok(())
}
