//! What a datacenter says of hosts that could be added to it, and of virtual hardware; and the hardware that new machines get.

use vimsim_types::method::{
    BatchQueryConnectInfo, QueryConnectionInfo, QueryConnectionInfoViaSpec, QueryDatacenterConfigOptionDescriptor,
    ReconfigureDatacenterTask,
};
use vimsim_types::views::{
    AlreadyConnected, Datacenter, DatacenterBasicConnectInfo, DatacenterConfigInfo, HostConnectInfo, HostConnectSpec,
    HostSystem, InvalidLogin, NoHost, VirtualMachineConfigOptionDescriptor,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use super::environment_browser;
use super::host_system;
use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::rules::host_key;
use crate::walk::descendants;

/// Adds the methods.
pub(super) fn add(kind: Kind<Datacenter>) -> Kind<Datacenter> {
    kind.read(query_connection_info)
        .read(query_connection_info_via_spec)
        .read(batch_query_connect_info)
        .read(query_config_option_descriptor)
        .write(reconfigure)
}

/// What adding this host would bring.
///
/// - `NoHost` without a name; `InvalidLogin` for a user without a name; `AlreadyConnected` for a host of the inventory.
// Fidelity: any other name is one of a new host, whose user may have any password.
fn connect_info(look: &Look<'_, Datacenter>, name: &str, user: Option<&ArcStr>) -> Result<HostConnectInfo, Fault> {
    look.this()?;
    if name.is_empty() {
        let detail = NoHost::with(|fault| _ = fault.set_name(name));
        return Err(Fault::new(detail, "the specification names no host"));
    }
    if user.is_none_or(|user| user.is_empty()) {
        return Err(Fault::new(InvalidLogin::new(), "the host has no user without a name"));
    }
    if look.snapshot().indexed(host_key(name)).any(|object| object.view::<HostSystem>().is_some()) {
        let detail = AlreadyConnected::with(|fault| _ = fault.set_name(name));
        return Err(Fault::new(detail, format!("vCenter manages the host '{name}' already")));
    }
    Ok(host_system::connect_info_of_new(look.context(), name))
}

/// What adding a host would bring; faults as [`connect_info`].
fn query_connection_info(look: &Look<'_, Datacenter>, request: QueryConnectionInfo) -> Result<HostConnectInfo, Fault> {
    connect_info(look, request.hostname(), Some(request.username()))
}

/// What adding a host would bring; faults as [`connect_info`].
fn query_connection_info_via_spec(
    look: &Look<'_, Datacenter>,
    request: QueryConnectionInfoViaSpec,
) -> Result<HostConnectInfo, Fault> {
    let spec = request.spec();
    connect_info(look, spec.host_name().map_or("", |name| name.as_str()), spec.user_name())
}

/// What adding hosts would bring, in short; of each that cannot be added, why.
fn batch_query_connect_info(
    look: &Look<'_, Datacenter>,
    request: BatchQueryConnectInfo,
) -> Result<Vec<DatacenterBasicConnectInfo>, Fault> {
    let answer = |spec: &HostConnectSpec| {
        let name = spec.host_name().map_or("", |name| name.as_str());
        let found = connect_info(look, name, spec.user_name());
        DatacenterBasicConnectInfo::with(|info| {
            info.set_hostname(name);
            match found {
                Err(fault) => _ = info.set_error(fault.localized()),
                Ok(found) => {
                    let hardware = found.host().hardware();
                    info.set_num_vm(0).set_num_powered_on_vm(0).set_server_ip(found.server_ip());
                    info.set_hardware_vendor(hardware.map(|hardware| hardware.vendor()));
                    info.set_hardware_model(hardware.map(|hardware| hardware.model()));
                    if let Some(product) = found.host().config().product() {
                        info.set_host_product_info(product.clone());
                    }
                }
            }
        })
    };
    Ok(request.host_specs().iter().map(answer).collect())
}

/// The versions of virtual hardware that the datacenter's hosts run.
fn query_config_option_descriptor(
    look: &Look<'_, Datacenter>,
    _: QueryDatacenterConfigOptionDescriptor,
) -> Result<Vec<VirtualMachineConfigOptionDescriptor>, Fault> {
    let folder = look.this()?.host_folder();
    let mut hosts: Vec<Moref> = Vec::new();
    descendants(look.snapshot(), &folder, true, &mut |moref| {
        if moref.is::<HostSystem>() {
            hosts.push(moref.clone());
        }
    });
    let wanted = look.this()?.configuration().default_hardware_version_key().cloned();
    Ok(environment_browser::descriptors_of(look.snapshot(), &hosts, wanted.as_ref()))
}

/// Says which hardware new machines have, and which is the newest that they may have; an empty key says nothing of it any more.
///
/// - `InvalidArgument` for a version that no host runs, and for a default that is newer than the newest.
fn reconfigure(call: &mut Call<'_, Datacenter>, request: ReconfigureDatacenterTask) -> Result<Moref, Fault> {
    let spec = request.spec();
    let number = |key: Option<&ArcStr>, property: &str| match key.filter(|key| !key.is_empty()) {
        None => Ok(None),
        Some(key) => match environment_browser::version_number(key) {
            Some(number) => Ok(Some(number)),
            None => Err(Fault::invalid_argument(property, format!("there is no hardware '{key}'"))),
        },
    };
    let default = number(spec.default_hardware_version_key(), "spec.defaultHardwareVersionKey")?;
    let newest = number(spec.maximum_hardware_version_key(), "spec.maximumHardwareVersionKey")?;
    if default.zip(newest).is_some_and(|(default, newest)| default > newest) {
        let why = "is newer than the newest that machines may have";
        return Err(Fault::invalid_argument("spec.defaultHardwareVersionKey", why));
    }
    let pairs = [
        (DatacenterConfigInfo::DEFAULT_HARDWARE_VERSION_KEY, spec.default_hardware_version_key().cloned()),
        (DatacenterConfigInfo::MAXIMUM_HARDWARE_VERSION_KEY, spec.maximum_hardware_version_key().cloned()),
    ];
    let keeps = request.modify();
    call.start_task(move |call| {
        let config = call.this_mut()?.configuration_mut().as_object_mut();
        for (slot, key) in pairs {
            match key {
                Some(key) if !key.is_empty() => config.set(slot, Value::String(key)),
                None if keeps => {}
                _ => config.set(slot, Value::Unset),
            }
        }
        Ok(())
    })
}
