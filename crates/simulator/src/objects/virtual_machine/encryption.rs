//! Encrypting virtual machines: what `crypto` asks for, of a machine or of one of its disks.

use vimsim_types::enums::{VirtualDeviceConfigSpecOperation, VirtualMachinePowerState as Power};
use vimsim_types::method::CryptoUnlockTask;
use vimsim_types::views::{
    CryptoKeyId, CryptoSpec, CryptoSpecDecrypt, CryptoSpecDeepRecrypt, CryptoSpecEncrypt, CryptoSpecShallowRecrypt,
    InvalidState, NotSupported, VirtualDeviceConfigSpec, VirtualMachine, VirtualMachineConfigInfo,
    VirtualMachineSnapshotTree, VirtualTPM,
};
use vimsim_types::{Fault, Items, Moref, Value, View};

use super::power::invalid_power_state;
use crate::call::Call;
use crate::objects::{crypto_manager_kmip, host_system};

fn invalid_state(why: impl Into<vimsim_types::ArcStr>) -> Fault {
    Fault::new(InvalidState::new(), why)
}

/// Encrypts the machine, decrypts it, or gives it another key.
///
/// A machine that is encrypted or decrypted, or whose data gets another key, is off and has no snapshots; for another key to
/// its keys alone, its snapshots are a chain (Web Services API, `CryptoSpec` and what is derived from it).
///
/// - `InvalidPowerState` for a running machine, `InvalidState` for one with snapshots, one that is encrypted already, or one
///   that is not; what [`crypto_manager_kmip::key_for`] says of the key.
pub(super) fn apply<T>(
    call: &mut Call<'_, T>,
    host: Option<&Moref>,
    machine: &mut VirtualMachine,
    spec: Option<&CryptoSpec>,
) -> Result<(), Fault> {
    let Some(spec) = spec else { return Ok(()) };
    let is_encrypted = machine.config().is_some_and(|config| config.key_id().is_some());
    if let Some(spec) = spec.downcast::<CryptoSpecEncrypt>() {
        expect_at_rest(machine)?;
        if is_encrypted {
            return Err(invalid_state("the virtual machine is encrypted already"));
        }
        return encrypt(call, host, machine, spec.crypto_key_id());
    }
    let is_decrypt = spec.downcast::<CryptoSpecDecrypt>().is_some();
    let deep = spec.downcast::<CryptoSpecDeepRecrypt>().map(|spec| spec.new_key_id());
    let shallow = spec.downcast::<CryptoSpecShallowRecrypt>().map(|spec| spec.new_key_id());
    if !is_decrypt && deep.is_none() && shallow.is_none() {
        return Ok(());
    }
    if shallow.is_none() {
        expect_at_rest(machine)?;
    } else if machine.snapshot().is_some_and(|info| !is_chain(info.root_snapshot_list())) {
        return Err(invalid_state("the snapshots of the virtual machine are no chain"));
    }
    if !is_encrypted {
        return Err(invalid_state("the virtual machine is not encrypted"));
    }
    if let Some(key) = deep.or(shallow) {
        return encrypt(call, host, machine, key);
    }
    let hardware = machine
        .config()
        .map(|config| config.hardware().clone())
        .unwrap_or_else(vimsim_types::views::VirtualHardware::new);
    if hardware.device().iter().any(|device| device.downcast::<VirtualTPM>().is_some() || has_key(device.backing())) {
        return Err(invalid_state("a virtual TPM or an encrypted disk needs an encrypted virtual machine"));
    }
    machine.config_mut().as_object_mut().set(VirtualMachineConfigInfo::KEY_ID, Value::Unset);
    Ok(())
}

fn encrypt<T>(
    call: &mut Call<'_, T>,
    host: Option<&Moref>,
    machine: &mut VirtualMachine,
    key: &CryptoKeyId,
) -> Result<(), Fault> {
    let host = host.ok_or_else(|| invalid_state("the virtual machine is on no host"))?;
    let key = crypto_manager_kmip::key_for(call, host, key, "configSpec.crypto")?;
    host_system::make_safe(call, host)?;
    machine.config_mut().set_key_id(key);
    Ok(())
}

fn has_key(backing: Option<&vimsim_types::views::VirtualDeviceBackingInfo>) -> bool {
    backing.is_some_and(|backing| {
        backing.as_object().kind().info().slot("keyId").is_some_and(|slot| !backing.as_object().get(slot).is_unset())
    })
}

fn expect_at_rest(machine: &VirtualMachine) -> Result<(), Fault> {
    let power = machine.runtime().power_state();
    if power != Power::PoweredOff {
        return Err(invalid_power_state(Power::PoweredOff, power));
    }
    match machine.snapshot() {
        Some(_) => Err(invalid_state("the virtual machine has snapshots")),
        None => Ok(()),
    }
}

fn is_chain(level: Items<'_, VirtualMachineSnapshotTree>) -> bool {
    level.len() < 2 && level.iter().all(|node| is_chain(node.child_snapshot_list()))
}

/// The changes of devices, with the keys that disks are to be encrypted with.
///
/// - `InvalidState` for a disk of a machine that is not encrypted; what [`crypto_manager_kmip::key_for`] says of the key.
pub(super) fn with_keys<T>(
    call: &mut Call<'_, T>,
    host: &Moref,
    machine: &VirtualMachine,
    changes: &mut [VirtualDeviceConfigSpec],
) -> Result<(), Fault> {
    for change in changes {
        let Some(spec) = change.backing().and_then(|backing| backing.crypto()).cloned() else { continue };
        let key = spec.downcast::<CryptoSpecEncrypt>().map(|spec| spec.crypto_key_id());
        let key = key.or_else(|| spec.downcast::<CryptoSpecDeepRecrypt>().map(|spec| spec.new_key_id()));
        let key = key.or_else(|| spec.downcast::<CryptoSpecShallowRecrypt>().map(|spec| spec.new_key_id()));
        let is_decrypt = spec.downcast::<CryptoSpecDecrypt>().is_some();
        if (key.is_none() && !is_decrypt) || change.operation() == Some(VirtualDeviceConfigSpecOperation::Remove) {
            continue;
        }
        if machine.config().is_none_or(|config| config.key_id().is_none()) {
            return Err(invalid_state("only disks of an encrypted virtual machine can be encrypted"));
        }
        let key = match key {
            Some(key) => {
                Value::Object(crypto_manager_kmip::key_for(call, host, key, "deviceChange.backing.crypto")?.into())
            }
            None => Value::Unset,
        };
        let backing = change.device().backing().cloned();
        let Some(mut backing) = backing else { continue };
        if let Some(slot) = backing.as_object().kind().info().slot("keyId") {
            backing.as_object_mut().set(slot, key);
            change.device_mut().set_backing(backing);
        }
    }
    Ok(())
}

/// A machine that has got a virtual TPM is encrypted with the default key provider, unless it is already.
///
/// - What [`crypto_manager_kmip::key_for`] says without a default one, `InvalidPowerState`, `InvalidState`.
pub(super) fn follow_tpm<T>(
    call: &mut Call<'_, T>,
    host: Option<&Moref>,
    machine: &mut VirtualMachine,
) -> Result<(), Fault> {
    let has_tpm = machine.config().is_some_and(|config| {
        config.key_id().is_none()
            && config.hardware().device().iter().any(|device| device.downcast::<VirtualTPM>().is_some())
    });
    if !has_tpm {
        return Ok(());
    }
    expect_at_rest(machine)?;
    encrypt(call, host, machine, &CryptoKeyId::with(|key| _ = key.set_key_id("")))
}

/// Says that an encrypted machine is unlocked: its key is at hand, since its host has got it.
pub(super) fn show(machine: &mut VirtualMachine) {
    let is_encrypted = machine.config().is_some_and(|config| config.key_id().is_some());
    if is_encrypted != machine.runtime().crypto_state().is_some() {
        machine.runtime_mut().set_crypto_state(is_encrypted.then(|| vimsim_types::literal!("unlocked")));
    }
}

/// Unlocks an encrypted machine. None is ever locked: hosts do not lose their keys.
///
/// - `NotSupported` for a machine that is not encrypted.
pub(super) fn crypto_unlock(call: &mut Call<'_, VirtualMachine>, _: CryptoUnlockTask) -> Result<Moref, Fault> {
    if call.this()?.config().is_none_or(|config| config.key_id().is_none()) {
        return Err(Fault::new(NotSupported::new(), "the virtual machine is not encrypted"));
    }
    call.start_task(|_| Ok(()))
}
