//! `HostImageConfigManager`: what is installed on a host, and who must vouch for it.

use vimsim_types::enums::HostImageAcceptanceLevel;
use vimsim_types::method::{
    FetchSoftwarePackages, HostImageConfigGetAcceptance, HostImageConfigGetProfile, InstallDate,
    UpdateHostImageAcceptanceLevel,
};
use vimsim_types::views::{
    HostConfigFault, HostImageConfigManager, HostImageProfileSummary, HostSystem, SoftwarePackage,
};
use vimsim_types::{ArcStr, DateTime, EnumView, Fault, View};

use super::host_managers::{edit_config, keep, kept, look_host};
use crate::call::{Call, Look};
use crate::esxcli;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostImageConfigManager> {
    Kind::new()
        .read(query_acceptance_level)
        .read(query_image_profile)
        .read(fetch_packages)
        .read(install_date)
        .write(update_acceptance_level)
}

struct Level(ArcStr);

/// Who must vouch for what is installed; at first VMware's partners.
fn query_acceptance_level(
    look: &Look<'_, HostImageConfigManager>,
    _: HostImageConfigGetAcceptance,
) -> Result<ArcStr, Fault> {
    look_host(look)?;
    let kept = kept::<Level>(look.snapshot(), look.moref());
    Ok(kept.map_or_else(|| HostImageAcceptanceLevel::Partner.name().into(), |level| level.0.clone()))
}

/// Changes who must vouch for what is installed. VMware has certified all of it, so any level will do.
///
/// - `HostConfigFault` for a level that there is not.
fn update_acceptance_level(
    call: &mut Call<'_, HostImageConfigManager>,
    request: UpdateHostImageAcceptanceLevel,
) -> Result<(), Fault> {
    edit_config(call)?;
    let level = request.new_acceptance_level();
    if HostImageAcceptanceLevel::from_name(level).is_none() {
        return Err(Fault::new(HostConfigFault::new(), format!("there is no acceptance level '{level}'")));
    }
    let this = call.moref();
    keep(call, &this, Level(level.clone()))
}

/// The image that the host was installed from.
fn query_image_profile(
    look: &Look<'_, HostImageConfigManager>,
    _: HostImageConfigGetProfile,
) -> Result<HostImageProfileSummary, Fault> {
    let host = look_host(look)?;
    let product = host.config().map(|config| config.product());
    let name = product.map(|product| format!("ESXi-{}-{}-standard", product.version(), product.build()));
    Ok(HostImageProfileSummary::with(|profile| _ = profile.set_name(name).set_vendor("VMware, Inc.")))
}

/// When the host was installed.
fn installed(host: &HostSystem) -> Option<DateTime> {
    host.hardware()?.bios_info()?.release_date()
}

/// What is installed: the same as `esxcli software vib list` says.
fn fetch_packages(
    look: &Look<'_, HostImageConfigManager>,
    _: FetchSoftwarePackages,
) -> Result<Vec<SoftwarePackage>, Fault> {
    let host = look_host(look)?;
    let package = |record: esxcli::Record| {
        let word = |name: &str| record.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value.as_str());
        SoftwarePackage::with(|package| {
            package.set_name(word("Name")).set_version(word("Version")).set_type(word("Type"));
            package.set_vendor(word("Vendor")).set_summary(word("Summary")).set_description(word("Summary"));
            package.set_acceptance_level(HostImageAcceptanceLevel::VmwareCertified.name());
            package.set_creation_date(installed(host)).set_maintenance_mode_required(true);
            package.set_hardware_platforms_required(["host"]).set_payload([word("Name")]);
            let capability = package.capability_mut();
            capability.set_live_install_allowed(false).set_live_remove_allowed(false);
            capability.set_stateless_ready(true).set_overlay(false);
        })
    };
    Ok(esxcli::packages(host).into_iter().map(package).collect())
}

/// When the host was installed.
fn install_date(look: &Look<'_, HostImageConfigManager>, _: InstallDate) -> Result<DateTime, Fault> {
    Ok(installed(look_host(look)?).unwrap_or(look.context().now))
}
