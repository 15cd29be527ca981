//! What a machine's guest is told of itself: its OVF environment. And what of the host's processor it sees.

use vimsim_ovf::Environment;
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{ApplyEvcModeVMTask, ExtractOvfEnvironment};
use vimsim_types::views::{HostSystem, VAppPropertyInfo, VirtualEthernetCard, VirtualMachine};
use vimsim_types::{Fault, Moref, Value, View};

use super::power;
use crate::call::{Call, Look};

/// The environment as a document.
///
/// - `InvalidPowerState` unless the machine runs: it is made when it starts.
pub(super) fn extract(look: &Look<'_, VirtualMachine>, _: ExtractOvfEnvironment) -> Result<String, Fault> {
    let machine = look.this()?;
    let existing = machine.runtime().power_state();
    if existing != Power::PoweredOn {
        return Err(power::invalid_power_state(Power::PoweredOn, existing));
    }
    let host = machine.runtime().host();
    let host = host.as_ref().and_then(|host| look.get::<HostSystem>(host).ok());
    let version = host.and_then(|host| host.summary().config().product()).map(|product| product.version().to_string());
    let config = machine.config();
    let properties = config.and_then(|config| config.v_app_config()).map(|config| config.property());
    let properties = properties.into_iter().flat_map(|all| all.iter()).map(|it| (property_key(it), property_value(it)));
    let cards = config.map(|config| config.hardware().device());
    let cards = cards.into_iter().flat_map(|all| all.iter()).filter_map(|it| it.downcast::<VirtualEthernetCard>());
    let networks = machine.guest().map(|guest| guest.net());
    let adapter = |card: &VirtualEthernetCard| {
        let known = networks.iter().flat_map(|net| net.iter()).find(|net| net.device_config_id() == card.key());
        let network = known.and_then(|net| net.network()).map(ToString::to_string).unwrap_or_default();
        let address = card.mac_address().map(ToString::to_string).unwrap_or_default();
        (address, network, card.unit_number().unwrap_or_default())
    };
    let environment = Environment {
        id: look.moref().value().to_string(),
        platform: ("VMware ESXi".into(), version.unwrap_or_default()),
        properties: properties.collect(),
        adapters: cards.map(adapter).collect(),
    };
    Ok(environment.write())
}

/// `class.id.instance`, as far as a property has a class and an instance.
fn property_key(property: &VAppPropertyInfo) -> String {
    let parts = [property.class_id(), property.id(), property.instance_id()];
    let given: Vec<&str> =
        parts.into_iter().flatten().map(|part| part.as_str()).filter(|part| !part.is_empty()).collect();
    given.join(".")
}

fn property_value(property: &VAppPropertyInfo) -> String {
    let value = property.value().filter(|value| !value.is_empty()).or(property.default_value());
    value.map(ToString::to_string).unwrap_or_default()
}

/// Has the machine see only these features of its host's processor.
///
/// - `InvalidPowerState` unless it is off, as a fault of the task.
pub(super) fn apply_evc_mode(call: &mut Call<'_, VirtualMachine>, request: ApplyEvcModeVMTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let existing = call.this()?.runtime().power_state();
        if existing != Power::PoweredOff {
            return Err(power::invalid_power_state(Power::PoweredOff, existing));
        }
        let runtime = call.this_mut()?.runtime_mut();
        if request.mask().is_empty() {
            runtime.as_object_mut().set(vimsim_types::views::VirtualMachineRuntimeInfo::FEATURE_MASK, Value::Unset);
        } else {
            runtime.set_feature_mask(request.mask().iter().cloned());
        }
        Ok(())
    })
}
