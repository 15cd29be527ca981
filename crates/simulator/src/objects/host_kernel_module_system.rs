//! `HostKernelModuleSystem`: the modules of a host's kernel, and what they are loaded with.

use std::collections::BTreeMap;

use vimsim_types::method::{QueryConfiguredModuleOptionString, QueryModules, UpdateModuleOptionString};
use vimsim_types::views::{HostKernelModuleSystem, KernelModuleInfo, KernelModuleSectionInfo};
use vimsim_types::{ArcStr, Fault, View};

use super::host_managers::{edit_config, keep, kept, look_host, no_such};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostKernelModuleSystem> {
    Kind::new().read(query_modules).read(query_options).write(update_options)
}

/// The modules: name, whether it is loaded, and how many use it.
const MODULES: [(&str, bool, i32); 24] = [
    ("vmkernel", true, 0),
    ("chardevs", true, 0),
    ("user", true, 0),
    ("procfs", true, 0),
    ("vsanapi", true, 4),
    ("etherswitch", true, 10),
    ("netsched_hclk", true, 2),
    ("tcpip4", true, 12),
    ("dvsdev", true, 3),
    ("dvfilter", true, 2),
    ("vmkata", true, 1),
    ("pvscsi", true, 1),
    ("vmw_ahci", false, 0),
    ("nvme_pcie", false, 0),
    ("nvmxnet3", true, 2),
    ("ixgben", false, 0),
    ("i40en", false, 0),
    ("nmlx5_core", false, 0),
    ("iscsi_vmk", true, 0),
    ("iscsi_trans", true, 1),
    ("vmfs3", true, 2),
    ("nfsclient", true, 1),
    ("nfs41client", true, 0),
    ("vmotion", true, 0),
];

/// What modules are loaded with, by name, where somebody has said it.
type Options = BTreeMap<ArcStr, ArcStr>;

fn expect_module(name: &str) -> Result<(), Fault> {
    let is_known = MODULES.iter().any(|(known, ..)| *known == name);
    if is_known { Ok(()) } else { Err(no_such("kernel module", name)) }
}

/// A part of a module that is not loaded, or at a place of its own.
fn section(at: i64, length: i32) -> KernelModuleSectionInfo {
    KernelModuleSectionInfo::with(|section| {
        section.set_address(at);
        if at != 0 {
            section.set_length(length);
        }
    })
}

/// The modules that the host has.
fn query_modules(look: &Look<'_, HostKernelModuleSystem>, _: QueryModules) -> Result<Vec<KernelModuleInfo>, Fault> {
    let version = look_host(look)?.config().map(|config| config.product());
    let version = version.map(|product| format!("{}-{}", product.version(), product.build())).unwrap_or_default();
    let options = kept::<Options>(look.snapshot(), look.moref());
    let module = |(number, (name, is_loaded, uses)): (i32, (&str, bool, i32))| {
        let base = if is_loaded { 0x4180_0000_0000 + i64::from(number) * 0x40_0000 } else { 0 };
        let part = |offset: i64, length| section(if is_loaded { base + offset } else { 0 }, length);
        KernelModuleInfo::with(|info| {
            info.set_id(number + 1).set_name(name).set_version(&version);
            info.set_filename(format!("/usr/lib/vmware/vmkmod/{name}"));
            info.set_option_string(options.and_then(|options| options.get(name)).map_or("", |text| text.as_str()));
            info.set_loaded(is_loaded).set_enabled(true).set_use_count(uses);
            info.set_text_section(part(0, 0x8_0000)).set_read_only_section(part(0x10_0000, 0x2_0000));
            info.set_writable_section(part(0x20_0000, 0x1_0000)).set_data_section(part(0x28_0000, 0x1_0000));
            info.set_bss_section(part(0x30_0000, 0x8000));
        })
    };
    Ok((0..).zip(MODULES).map(module).collect())
}

/// What a module is loaded with.
///
/// - `NotFound`.
fn query_options(
    look: &Look<'_, HostKernelModuleSystem>,
    request: QueryConfiguredModuleOptionString,
) -> Result<ArcStr, Fault> {
    look_host(look)?;
    expect_module(request.name())?;
    let options = kept::<Options>(look.snapshot(), look.moref());
    Ok(options.and_then(|options| options.get(request.name())).cloned().unwrap_or_default())
}

/// Says what a module is loaded with from the next start on.
///
/// - `NotFound`.
fn update_options(call: &mut Call<'_, HostKernelModuleSystem>, request: UpdateModuleOptionString) -> Result<(), Fault> {
    edit_config(call)?;
    expect_module(request.name())?;
    let this = call.moref();
    let mut options = kept::<Options>(&**call, &this).cloned().unwrap_or_default();
    options.insert(request.name().clone(), request.options().clone());
    keep(call, &this, options)
}
