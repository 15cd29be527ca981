//! `OvfManager`: what OVF descriptors mean for vSphere. `import` makes specifications of them, with the devices that
//! `hardware` makes of their parts; `export` writes them. [`vimsim_ovf`] knows their XML.

mod export;
mod guest;
mod hardware;
mod import;
mod product;

use vimsim_ovf::{Envelope, System};
use vimsim_types::method::{ParseDescriptor, ValidateHost};
use vimsim_types::views::{
    HostSystem, LocalizedMethodFault, OvfDeploymentOption, OvfInvalidValueConfiguration, OvfManager, OvfNetworkInfo,
    OvfNoSupportedHardwareFamily, OvfParseDescriptorResult, OvfValidateHostResult, OvfXmlFormat,
};
use vimsim_types::{Fault, View};

use super::host_managers::expect_connected;
use crate::call::Look;
use crate::kind::Kind;

pub(crate) use hardware::backing_on;

pub(crate) fn kind() -> Kind<OvfManager> {
    Kind::new()
        .read(parse_descriptor)
        .read(validate_host)
        .read(import::create_import_spec)
        .read(export::create_descriptor)
}

/// The newest hardware that our hosts run.
const NEWEST_HARDWARE: u32 = 21;

/// The ways in which disks can be laid out on our datastores.
const PROVISIONING: [&str; 7] =
    ["monolithicFlat", "flat", "thin", "thick", "eagerZeroedThick", "seSparse", "monolithicSparse"];

/// `OvfXmlFormat`, for a text that is no descriptor.
fn malformed(error: &vimsim_ovf::Error) -> LocalizedMethodFault {
    let detail = OvfXmlFormat::with(|fault| _ = fault.set_description(error.to_string()).set_line_number(0));
    Fault::new(detail, format!("The OVF descriptor cannot be parsed: {error}")).localized()
}

/// The deployment option that is meant: the one asked for, or the descriptor's own. The error says that there is none.
fn configuration(envelope: &Envelope, wanted: &str) -> Result<String, LocalizedMethodFault> {
    if wanted.is_empty() {
        return Ok(envelope.default_configuration().map(|it| it.id.clone()).unwrap_or_default());
    }
    if envelope.configurations.iter().any(|known| known.id == wanted) {
        return Ok(wanted.into());
    }
    let detail = OvfInvalidValueConfiguration::with(|fault| {
        fault.set_value(wanted).set_element_name("Configuration").set_attribute_name("id").set_line_number(0);
    });
    Err(Fault::new(detail, format!("The deployment option '{wanted}' is not in the descriptor")).localized())
}

/// What the files of a package take: as they travel, with all of the disks' size, and with what is used of it.
fn sizes(envelope: &Envelope) -> (i64, i64, i64) {
    let sum = |sizes: &mut dyn Iterator<Item = i64>| sizes.fold(0_i64, i64::saturating_add);
    let download = sum(&mut envelope.files.iter().filter_map(|file| file.size));
    let flat = sum(&mut envelope.disks.iter().map(|disk| disk.capacity));
    let used = |disk: &vimsim_ovf::Disk| {
        let sent = disk.file.as_deref().and_then(|id| envelope.file(id)?.size);
        disk.populated.or(sent).unwrap_or_default()
    };
    (download, flat, sum(&mut envelope.disks.iter().map(used)))
}

/// The machines of a system.
fn machines(system: &System) -> Vec<&System> {
    system.all().into_iter().filter(|part| part.children.is_none()).collect()
}

/// What a descriptor asks of who deploys it. What is wrong with it is in the answer.
fn parse_descriptor(look: &Look<'_, OvfManager>, request: ParseDescriptor) -> Result<OvfParseDescriptorResult, Fault> {
    look.this()?;
    let mut result = OvfParseDescriptorResult::with(|result| {
        result.set_annotation("").set_default_entity_name("").set_virtual_app(false);
        result.set_default_deployment_option("");
    });
    let envelope = match Envelope::parse(request.ovf_descriptor()) {
        Ok(envelope) => envelope,
        Err(error) => {
            result.push_error(malformed(&error));
            return Ok(result);
        }
    };
    let chosen = configuration(&envelope, request.pdp().deployment_option()).unwrap_or_else(|error| {
        result.push_error(error);
        String::new()
    });
    let system = &envelope.system;
    let (download, flat, sparse) = sizes(&envelope);
    result.set_approximate_download_size(download).set_approximate_flat_deployment_size(flat);
    result.set_approximate_sparse_deployment_size(sparse);
    result.set_default_entity_name(system.title()).set_virtual_app(system.children.is_some());
    result.set_annotation(system.annotation.as_deref().unwrap_or_default());
    result.set_default_deployment_option(envelope.default_configuration().map_or("", |it| &it.id));
    let all = system.all();
    result.set_eula(all.iter().flat_map(|part| part.eula.iter().map(String::as_str)));
    result.set_network(envelope.networks.iter().map(|(name, description)| {
        OvfNetworkInfo::with(|network| _ = network.set_name(name).set_description(description))
    }));
    result.set_deployment_option(envelope.configurations.iter().map(|it| {
        OvfDeploymentOption::with(|option| {
            option.set_key(&it.id).set_label(&it.label).set_description(&it.description);
        })
    }));
    let products: Vec<_> = all.iter().flat_map(|part| &part.products).collect();
    result.set_property(product::properties(products.iter().copied(), &chosen, &[]));
    if let Some(first) = products.first() {
        result.set_product_info(product::info(0, first));
    }
    result.set_ip_allocation_scheme(["ovfenv"]).set_ip_protocols(["IPv4"]);
    let names = machines(system).into_iter().filter(|_| system.children.is_some());
    result
        .set_entity_name(names.map(|part| {
            vimsim_types::views::KeyValue::with(|pair| _ = pair.set_key(&part.id).set_value(part.title()))
        }));
    Ok(result)
}

/// Whether a host can run what a descriptor describes, and what it takes. What speaks against it is in the answer.
///
/// - `ManagedObjectNotFound`, `HostNotConnected`.
fn validate_host(look: &Look<'_, OvfManager>, request: ValidateHost) -> Result<OvfValidateHostResult, Fault> {
    let host: &HostSystem = look.get(&request.host())?;
    expect_connected(host)?;
    let mut result = OvfValidateHostResult::new();
    let envelope = match Envelope::parse(request.ovf_descriptor()) {
        Ok(envelope) => envelope,
        Err(error) => {
            result.push_error(malformed(&error));
            return Ok(result);
        }
    };
    if let Err(error) = configuration(&envelope, request.vhp().deployment_option()) {
        result.push_error(error);
    }
    let (download, flat, sparse) = sizes(&envelope);
    result.set_download_size(download).set_flat_deployment_size(flat).set_sparse_deployment_size(sparse);
    result.set_supported_disk_provisioning(PROVISIONING.into_iter().filter(|name| *name != "monolithicSparse"));
    for machine in machines(&envelope.system) {
        if let Err(error) = hardware_version(machine) {
            result.push_error(error);
        }
    }
    Ok(result)
}

/// The newest of the versions of hardware that a machine names and our hosts run. The error says that there is none.
fn hardware_version(machine: &System) -> Result<Option<String>, LocalizedMethodFault> {
    let types = &machine.hardware.system_types;
    let number = |name: &String| name.strip_prefix("vmx-")?.parse::<u32>().ok();
    let known = types.iter().filter_map(|name| Some((number(name)?, name)));
    match known.filter(|(number, _)| (3..=NEWEST_HARDWARE).contains(number)).max() {
        Some((_, name)) => Ok(Some(name.clone())),
        None if types.is_empty() => Ok(None),
        None => {
            let version = types.join(", ");
            let detail = OvfNoSupportedHardwareFamily::with(|fault| {
                fault.set_version(&version).set_line_number(0);
            });
            Err(Fault::new(detail, format!("No supported hardware versions among {version}")).localized())
        }
    }
}
