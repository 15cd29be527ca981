//! The paths that lead to LUNs: which may be used, and by which policy one is chosen.

use vimsim_types::method::{
    DisableMultipathPath, EnableMultipathPath, QueryPathSelectionPolicyOptions, QueryStorageArrayTypePolicyOptions,
    SetMultipathLunPolicy,
};
use vimsim_types::views::{
    ElementDescription, HostMultipathInfoFixedLogicalUnitPolicy, HostMultipathInfoLogicalUnitPolicy,
    HostMultipathInfoPath, HostPathSelectionPolicyOption, HostStorageArrayTypePolicyOption, HostStorageSystem,
    HostSystem,
};
use vimsim_types::{Fault, View};

use super::storage_system::{System, connected};
use super::{all, not_found, refused};
use crate::call::Look;
use crate::kind::Kind;
use crate::objects::host_managers::{edit_config, look_host};

/// Adds the methods.
pub(super) fn add(kind: Kind<HostStorageSystem>) -> Kind<HostStorageSystem> {
    kind.read(query_policies).read(query_array_policies).write(set_policy).write(enable).write(disable)
}

const FIXED: &str = "VMW_PSP_FIXED";

/// The policies that ESXi chooses a path by.
const POLICIES: [(&str, &str, &str); 3] = [
    ("VMW_PSP_MRU", "Most Recently Used (VMware)", "Uses the path that worked last"),
    ("VMW_PSP_RR", "Round Robin (VMware)", "Uses all working paths in turn"),
    (FIXED, "Fixed (VMware)", "Uses the preferred path while it works"),
];

/// The kinds of storage arrays that ESXi knows the ways of.
const ARRAYS: [(&str, &str); 13] = [
    ("VMW_SATP_MSA", "HP MSA arrays"),
    ("VMW_SATP_ALUA", "non-specific arrays with the ALUA protocol"),
    ("VMW_SATP_DEFAULT_AP", "non-specific active/passive arrays"),
    ("VMW_SATP_SVC", "IBM SVC"),
    ("VMW_SATP_EQL", "EqualLogic arrays"),
    ("VMW_SATP_INV", "EMC Invista and LSI arrays"),
    ("VMW_SATP_EVA", "HP EVA arrays"),
    ("VMW_SATP_ALUA_CX", "EMC CX arrays with the ALUA protocol"),
    ("VMW_SATP_SYMM", "EMC Symmetrix arrays"),
    ("VMW_SATP_CX", "EMC CX arrays without the ALUA protocol"),
    ("VMW_SATP_LSI", "LSI and other arrays of its kind"),
    ("VMW_SATP_DEFAULT_AA", "non-specific active/active arrays"),
    ("VMW_SATP_LOCAL", "devices that are attached directly"),
];

fn described(key: &str, label: &str, summary: &str) -> ElementDescription {
    ElementDescription::with(|description| {
        description.set_key(key).set_label(label).set_summary(summary);
    })
}

/// The policies that a path can be chosen by.
fn query_policies(
    look: &Look<'_, HostStorageSystem>,
    _: QueryPathSelectionPolicyOptions,
) -> Result<Vec<HostPathSelectionPolicyOption>, Fault> {
    look_host(look)?;
    let option = |(key, label, summary): (&str, &str, &str)| {
        HostPathSelectionPolicyOption::with(|option| _ = option.set_policy(described(key, label, summary)))
    };
    Ok(POLICIES.into_iter().map(option).collect())
}

/// The kinds of arrays that the host knows the ways of.
fn query_array_policies(
    look: &Look<'_, HostStorageSystem>,
    _: QueryStorageArrayTypePolicyOptions,
) -> Result<Vec<HostStorageArrayTypePolicyOption>, Fault> {
    look_host(look)?;
    let option = |(key, what): (&str, &str)| {
        HostStorageArrayTypePolicyOption::with(|option| {
            option.set_policy(described(key, &format!("Supports {what}"), &format!("Supports {what}")));
        })
    };
    Ok(ARRAYS.into_iter().map(option).collect())
}

/// Changes by which policy a path to a LUN is chosen.
///
/// - `NotFound` for a LUN that there is not; `HostConfigFault` for a policy that there is not, and for a preferred path that
///   does not lead to the LUN.
fn set_policy(call: &mut System<'_>, request: SetMultipathLunPolicy) -> Result<(), Fault> {
    let (id, wanted) = (request.lun_id(), request.policy());
    let device = edit_config(call)?.storage_device_mut();
    let mut luns = device.multipath_info_mut().lun_mut();
    let lun = luns.iter_mut().find(|lun| lun.id() == id).ok_or_else(|| not_found("LUN", id))?;
    if !POLICIES.iter().any(|(key, ..)| key == wanted.policy()) {
        return Err(refused(format!("there is no policy '{}'", wanted.policy())));
    }
    if *wanted.policy() != FIXED {
        // Only the fixed policy says more than its name.
        let policy = HostMultipathInfoLogicalUnitPolicy::with(|policy| _ = policy.set_policy(wanted.policy()));
        lun.set_policy(policy);
        return Ok(());
    }
    let preferred = wanted.downcast::<HostMultipathInfoFixedLogicalUnitPolicy>().map(|policy| policy.prefer().clone());
    let preferred = preferred.filter(|path| !path.is_empty());
    let path = match preferred {
        None => lun.path().first().map(|path| path.name().clone()),
        Some(name) if lun.path().iter().any(|path| *path.name() == name) => Some(name),
        Some(name) => return Err(refused(format!("the path '{name}' does not lead to the LUN"))),
    };
    lun.set_policy(HostMultipathInfoFixedLogicalUnitPolicy::with(|policy| {
        policy.set_prefer(path).set_policy(FIXED);
    }));
    Ok(())
}

/// Has the host use a path again.
///
/// - `NotFound` for a path that there is not.
fn enable(call: &mut System<'_>, request: EnableMultipathPath) -> Result<(), Fault> {
    set_enabled(call, request.path_name(), true)
}

/// Has the host use a path no more.
///
/// - `NotFound` for a path that there is not; `HostConfigFault` for the last one to a LUN that is in use.
fn disable(call: &mut System<'_>, request: DisableMultipathPath) -> Result<(), Fault> {
    set_enabled(call, request.path_name(), false)
}

fn set_enabled(call: &mut System<'_>, name: &str, is_enabled: bool) -> Result<(), Fault> {
    let host = connected(call)?;
    let device = call.get::<HostSystem>(&host)?.config().and_then(|config| config.storage_device());
    let mut luns = device.into_iter().filter_map(|device| device.multipath_info()).flat_map(|info| info.lun());
    let lun = luns.find(|lun| lun.path().iter().any(|path| path.name() == name));
    let id = lun.map(|lun| lun.id().clone()).ok_or_else(|| not_found("path", name))?;
    let works = |path: &HostMultipathInfoPath| *path.path_state() == "active";
    let others = lun.is_some_and(|lun| lun.path().iter().any(|path| path.name() != name && works(path)));
    let seen = all(call, &host).into_iter().find(|lun| *lun.disk.uuid() == id.as_str());
    if !is_enabled && !others && seen.is_some_and(|lun| lun.is_in_use(call)) {
        return Err(refused(format!("'{name}' is the last path to a LUN that is in use")));
    }
    let state = if is_enabled { "active" } else { "disabled" };
    let config = edit_config(call)?;
    for lun in config.storage_device_mut().multipath_info_mut().lun_mut().iter_mut().filter(|lun| *lun.id() == id) {
        for path in lun.path_mut().iter_mut().filter(|path| path.name() == name) {
            path.set_path_state(state).set_state(state).set_is_working_path(is_enabled);
        }
    }
    for path in config.multipath_state_mut().path_mut().iter_mut().filter(|path| path.name() == name) {
        path.set_path_state(state);
    }
    // A LUN that no path leads to does not answer.
    for lun in config.storage_device_mut().scsi_lun_mut().iter_mut().filter(|lun| *lun.uuid() == id) {
        let was = lun.operational_state().first().cloned().unwrap_or_default();
        match (is_enabled || others, was.as_str()) {
            (false, "ok") => _ = lun.set_operational_state(["lostCommunication"]),
            (true, "lostCommunication") => _ = lun.set_operational_state(["ok"]),
            _ => {}
        }
    }
    Ok(())
}
