//! `HostVirtualNicManager`: what a host's VMkernel interfaces are for.

use vimsim_types::enums::HostVirtualNicManagerNicType;
use vimsim_types::method::{DeselectVnicForNicType, QueryNetConfig, SelectVnicForNicType};
use vimsim_types::views::{HostVirtualNicManager, VirtualNicManagerNetConfig};
use vimsim_types::{ArcStr, EnumView, Fault};

use super::host_managers::{edit_config, look_host};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostVirtualNicManager> {
    Kind::new().read(query_net_config).write(select_vnic_for_nic_type).write(deselect_vnic_for_nic_type)
}

fn expect_nic_type(nic_type: &str) -> Result<(), Fault> {
    match HostVirtualNicManagerNicType::from_name(nic_type) {
        Some(_) => Ok(()),
        None => Err(Fault::invalid_argument("nicType", format!("there is no use '{nic_type}' of an interface"))),
    }
}

/// The interfaces that can be, and that are, selected for a use.
///
/// - `InvalidArgument` if there is no such use.
fn query_net_config(
    look: &Look<'_, HostVirtualNicManager>,
    request: QueryNetConfig,
) -> Result<Option<VirtualNicManagerNetConfig>, Fault> {
    expect_nic_type(request.nic_type())?;
    look_host(look)?;
    Ok(look.this()?.info().net_config().iter().find(|config| config.nic_type() == request.nic_type()).cloned())
}

/// Changes the configuration of a use, given the key of the candidate that is this device.
///
/// - `InvalidArgument` if there is no such use, or no such candidate.
fn change<T>(
    call: &mut Call<'_, T>,
    nic_type: &str,
    device: &str,
    change: fn(&mut VirtualNicManagerNetConfig, ArcStr),
) -> Result<(), Fault> {
    expect_nic_type(nic_type)?;
    let config = edit_config(call)?;
    let mut uses = config.virtual_nic_manager_info_mut().net_config_mut();
    let Some(selection) = uses.iter_mut().find(|config| config.nic_type() == nic_type) else {
        return Err(Fault::invalid_argument("nicType", "no interface can be selected for this"));
    };
    let key = selection.candidate_vnic().iter().find(|nic| nic.device() == device).map(|nic| nic.key().clone());
    let key = key.ok_or_else(|| Fault::invalid_argument("device", format!("there is no interface '{device}'")))?;
    change(selection, key);
    if nic_type == "vmotion" {
        // The older property says the same.
        let selected = selection.selected_vnic().first().map(|key| format!("VMotionConfig.{key}"));
        config.vmotion_mut().net_config_mut().set_selected_vnic(selected);
    }
    Ok(())
}

/// Has an interface used for something; instead of the one before, where there can be only one.
///
/// - `InvalidArgument` if there is no such use, or no such interface.
fn select_vnic_for_nic_type(
    call: &mut Call<'_, HostVirtualNicManager>,
    request: SelectVnicForNicType,
) -> Result<(), Fault> {
    change(call, request.nic_type(), request.device(), |config, key| {
        if !config.multi_select_allowed() {
            config.set_selected_vnic([key]);
        } else if !config.selected_vnic().contains(&key) {
            config.push_selected_vnic(key);
        }
    })
}

/// Has this interface, and no other, used for vMotion; none without one. The way of clients older than this manager.
///
/// - `InvalidArgument` if there is no such interface that could be.
pub(crate) fn select_for_vmotion<T>(call: &mut Call<'_, T>, device: Option<&str>) -> Result<(), Fault> {
    if let Some(device) = device {
        return change(call, "vmotion", device, |config, key| _ = config.set_selected_vnic([key]));
    }
    let config = edit_config(call)?;
    for selection in config.virtual_nic_manager_info_mut().net_config_mut().iter_mut() {
        if selection.nic_type() == "vmotion" {
            selection.set_selected_vnic(std::iter::empty::<ArcStr>());
        }
    }
    config.vmotion_mut().net_config_mut().set_selected_vnic(None::<ArcStr>);
    Ok(())
}

/// Has an interface no longer used for something.
///
/// - `InvalidArgument` if there is no such use, or no such interface.
fn deselect_vnic_for_nic_type(
    call: &mut Call<'_, HostVirtualNicManager>,
    request: DeselectVnicForNicType,
) -> Result<(), Fault> {
    change(call, request.nic_type(), request.device(), |config, key| {
        config.selected_vnic_mut().retain(|known| *known != key);
    })
}
