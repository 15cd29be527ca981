//! Software iSCSI: the adapter that comes and goes, its targets, and how these are talked to.
//!
//! What a target does not have of its own it inherits from the adapter; [`inherit`] keeps it so.
// Fidelity: behind no address is there a target that answers, so that no LUN comes of the ones that are configured, and
// dynamic discovery adds no static targets. Secrets are taken and, as in vCenter, never shown.

use vimsim_types::enums::{HostInternetScsiHbaChapAuthenticationType as Chap, HostInternetScsiHbaDigestType as Digest};
use vimsim_types::method::{
    AddInternetScsiSendTargets, AddInternetScsiStaticTargets, RemoveInternetScsiSendTargets,
    RemoveInternetScsiStaticTargets, UpdateInternetScsiAdvancedOptions, UpdateInternetScsiAlias,
    UpdateInternetScsiAuthenticationProperties, UpdateInternetScsiDigestProperties,
    UpdateInternetScsiDiscoveryProperties, UpdateInternetScsiIPProperties, UpdateInternetScsiName,
    UpdateSoftwareInternetScsiEnabled,
};
use vimsim_types::views::{
    HostHostBusAdapter, HostInternetScsiHba, HostInternetScsiHbaAuthenticationProperties as Authentication,
    HostInternetScsiHbaDigestProperties as Digests, HostInternetScsiHbaParamValue, HostInternetScsiHbaSendTarget,
    HostInternetScsiHbaStaticTarget, HostInternetScsiHbaTargetSet, HostPlugStoreTopologyAdapter,
    HostScsiTopologyInterface, HostStorageDeviceInfo, HostStorageSystem, HostSystem, OptionValue,
};
use vimsim_types::{ArcStr, EnumView, Fault, Object, Value, View};

use super::iscsi_adapter::{self, DEVICE, KEY};
use super::storage_system::{System, connected};
use super::{not_found, refused};
use crate::kind::Kind;
use crate::objects::{host_managers, iscsi_manager};

/// Adds the methods.
pub(super) fn add(kind: Kind<HostStorageSystem>) -> Kind<HostStorageSystem> {
    kind.write(set_enabled)
        .write(set_discovery)
        .write(set_authentication)
        .write(set_digest)
        .write(set_options)
        .write(set_addresses)
        .write(set_name)
        .write(set_alias)
        .write(add_send_targets)
        .write(remove_send_targets)
        .write(add_static_targets)
        .write(remove_static_targets)
}

const PORT: i32 = 3_260;
const INTERFACE: &str = "key-vim.host.ScsiTopology.Interface-vmhba65";
const PLUG_STORE: &str = "key-vim.host.PlugStoreTopology.Adapter-vmhba65";

/// Turns software iSCSI on or off: its adapter comes, or goes with all that was configured of it.
fn set_enabled(call: &mut System<'_>, request: UpdateSoftwareInternetScsiEnabled) -> Result<(), Fault> {
    let host = connected(call)?;
    let is_wanted = request.enabled();
    let seen = call.get::<HostSystem>(&host)?;
    let is_enabled = seen.config().and_then(|config| config.storage_device());
    if is_enabled.is_some_and(|device| device.software_internet_scsi_enabled()) == is_wanted {
        return Ok(());
    }
    let manager = seen.config_manager().iscsi_manager();
    let name = first_name(seen);
    let device = host_managers::edit_config(call)?.storage_device_mut();
    device.set_software_internet_scsi_enabled(is_wanted);
    match is_wanted {
        true => insert(device, &name),
        false => remove(device),
    }
    match manager {
        Some(manager) if !is_wanted => iscsi_manager::unbind_all(call, &manager, DEVICE),
        _ => Ok(()),
    }
}

/// The name that an adapter begins with: the host's, and what makes it the only one.
fn first_name(host: &HostSystem) -> String {
    let dns = host.config().and_then(|config| config.network()?.dns_config()).map(|dns| dns.host_name().as_str());
    let name: String = dns.unwrap_or("localhost").to_ascii_lowercase().replace('_', "-");
    let uuid = host.hardware().map_or("", |hardware| hardware.system_info().uuid().as_str());
    let number = crate::uuid::named(&format!("{uuid} iscsi"));
    format!("iqn.1998-01.com.vmware:{name}-{}", number.get(..8).unwrap_or("00000000"))
}

fn insert(device: &mut HostStorageDeviceInfo, name: &str) {
    device.push_host_bus_adapter(iscsi_adapter::adapter(name));
    device.scsi_topology_mut().push_adapter(HostScsiTopologyInterface::with(|interface| {
        interface.set_key(INTERFACE).set_adapter(KEY);
    }));
    device.plug_store_topology_mut().push_adapter(HostPlugStoreTopologyAdapter::with(|adapter| {
        adapter.set_key(PLUG_STORE).set_adapter(KEY);
    }));
}

fn remove(device: &mut HostStorageDeviceInfo) {
    device.host_bus_adapter_mut().retain(|adapter| adapter.device() != DEVICE);
    device.scsi_topology_mut().adapter_mut().retain(|interface| interface.key() != INTERFACE);
    device.plug_store_topology_mut().adapter_mut().retain(|adapter| adapter.key() != PLUG_STORE);
}

/// Changes an iSCSI adapter of the host.
///
/// - `NotFound` if the host has no such one; what `change` faults with.
fn change(
    call: &mut System<'_>,
    device: &str,
    change: &mut dyn FnMut(&mut HostInternetScsiHba) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let device_info = host_managers::edit_config(call)?.storage_device_mut();
    let mut adapters = device_info.host_bus_adapter_mut();
    let known = adapters.iter_mut().find(|adapter: &&mut HostHostBusAdapter| adapter.device() == device);
    let known = known.and_then(|adapter| adapter.downcast_mut::<HostInternetScsiHba>());
    let known = known.ok_or_else(|| not_found("iSCSI adapter", device))?;
    change(known)?;
    inherit(known);
    Ok(())
}

/// Gives the targets what they inherit from the adapter.
fn inherit(hba: &mut HostInternetScsiHba) {
    let (authentication, digest) = (hba.authentication_properties().clone(), hba.digest_properties().cloned());
    let supported = hba.as_object().get(HostInternetScsiHba::SUPPORTED_ADVANCED_OPTIONS).clone();
    let options: Vec<HostInternetScsiHbaParamValue> = hba.advanced_options().iter().cloned().collect();
    for_targets(hba, &mut |target| {
        let own = target.authentication;
        if own.chap_inherited() == Some(true) {
            for slot in
                [Authentication::CHAP_AUTH_ENABLED, Authentication::CHAP_NAME, Authentication::CHAP_AUTHENTICATION_TYPE]
            {
                own.as_object_mut().set(slot, authentication.as_object().get(slot).clone());
            }
        }
        if own.mutual_chap_inherited() == Some(true) {
            for slot in [Authentication::MUTUAL_CHAP_NAME, Authentication::MUTUAL_CHAP_AUTHENTICATION_TYPE] {
                own.as_object_mut().set(slot, authentication.as_object().get(slot).clone());
            }
        }
        let own = target.digest;
        if let Some(digest) = digest.as_ref().map(Digests::as_object) {
            if own.header_digest_inherited() == Some(true) {
                own.as_object_mut().set(Digests::HEADER_DIGEST_TYPE, digest.get(Digests::HEADER_DIGEST_TYPE).clone());
            }
            if own.data_digest_inherited() == Some(true) {
                own.as_object_mut().set(Digests::DATA_DIGEST_TYPE, digest.get(Digests::DATA_DIGEST_TYPE).clone());
            }
        }
        *target.supported = supported.clone();
        let mut known: Vec<HostInternetScsiHbaParamValue> = Vec::new();
        for option in &options {
            let own = target.options.iter().find(|own| own.key() == option.key());
            known.push(match own {
                Some(own) if own.is_inherited() != Some(true) => own.clone(),
                _ => {
                    let mut option = option.clone();
                    option.set_is_inherited(true);
                    option
                }
            });
        }
        *target.options = known;
    });
}

/// What both kinds of targets have.
struct Target<'a> {
    authentication: &'a mut Authentication,
    digest: &'a mut Digests,
    supported: &'a mut Value,
    options: &'a mut Vec<HostInternetScsiHbaParamValue>,
}

/// Changes each target.
fn for_targets(hba: &mut HostInternetScsiHba, change: &mut dyn FnMut(Target<'_>)) {
    type Send = HostInternetScsiHbaSendTarget;
    type Static = HostInternetScsiHbaStaticTarget;
    let send = [
        Send::AUTHENTICATION_PROPERTIES,
        Send::DIGEST_PROPERTIES,
        Send::SUPPORTED_ADVANCED_OPTIONS,
        Send::ADVANCED_OPTIONS,
    ];
    let fixed = [
        Static::AUTHENTICATION_PROPERTIES,
        Static::DIGEST_PROPERTIES,
        Static::SUPPORTED_ADVANCED_OPTIONS,
        Static::ADVANCED_OPTIONS,
    ];
    for target in hba.configured_send_target_mut().iter_mut() {
        edit_target(target.as_object_mut(), send, change);
    }
    for target in hba.configured_static_target_mut().iter_mut() {
        edit_target(target.as_object_mut(), fixed, change);
    }
    // An empty list is one that is not there.
    for slot in [HostInternetScsiHba::CONFIGURED_SEND_TARGET, HostInternetScsiHba::CONFIGURED_STATIC_TARGET] {
        if hba.as_object().get(slot).items().is_empty() {
            hba.as_object_mut().set(slot, Value::Unset);
        }
    }
}

fn edit_target(target: &mut Object, slots: [usize; 4], change: &mut dyn FnMut(Target<'_>)) {
    let [authentication_at, digest_at, supported_at, options_at] = slots;
    let held = |slot: usize| target.get(slot).object().cloned();
    let mut authentication = held(authentication_at).map_or_else(Authentication::new, View::from_object_unchecked);
    let mut digest = held(digest_at).map_or_else(Digests::new, View::from_object_unchecked);
    let mut supported = target.get(supported_at).clone();
    let params = target.get(options_at).items().iter();
    let mut options: Vec<HostInternetScsiHbaParamValue> =
        params.filter_map(|param| HostInternetScsiHbaParamValue::from_ref(param.object()?).cloned()).collect();
    change(Target {
        authentication: &mut authentication,
        digest: &mut digest,
        supported: &mut supported,
        options: &mut options,
    });
    target.set(authentication_at, Value::Object(authentication.into()));
    target.set(digest_at, Value::Object(digest.into()));
    target.set(supported_at, supported);
    let mut holder = HostInternetScsiHba::new();
    holder.set_advanced_options(options);
    target.set(options_at, holder.as_object().get(HostInternetScsiHba::ADVANCED_OPTIONS).clone());
}

fn is_send(known: &HostInternetScsiHbaSendTarget, other: &HostInternetScsiHbaSendTarget) -> bool {
    known.address() == other.address() && known.port().unwrap_or(PORT) == other.port().unwrap_or(PORT)
}

fn is_static(known: &HostInternetScsiHbaStaticTarget, other: &HostInternetScsiHbaStaticTarget) -> bool {
    known.address() == other.address()
        && known.port().unwrap_or(PORT) == other.port().unwrap_or(PORT)
        && known.i_scsi_name() == other.i_scsi_name()
}

/// The targets of the set, changed; the adapter itself if there is no set.
///
/// - `NotFound` for a target that is not configured.
fn change_of(
    call: &mut System<'_>,
    device: &str,
    set: Option<&HostInternetScsiHbaTargetSet>,
    of_adapter: &dyn Fn(&mut HostInternetScsiHba),
    of_target: &dyn Fn(Target<'_>),
) -> Result<(), Fault> {
    change(call, device, &mut |hba| {
        let Some(set) = set.filter(|set| !set.send_targets().is_empty() || !set.static_targets().is_empty()) else {
            of_adapter(hba);
            return Ok(());
        };
        let unknown = |address: &str| not_found("target at", address);
        if let Some(target) =
            set.send_targets().iter().find(|it| !hba.configured_send_target().iter().any(|known| is_send(known, it)))
        {
            return Err(unknown(target.address()));
        }
        if let Some(target) = set
            .static_targets()
            .iter()
            .find(|it| !hba.configured_static_target().iter().any(|known| is_static(known, it)))
        {
            return Err(unknown(target.address()));
        }
        let is_meant: Vec<bool> = hba
            .configured_send_target()
            .iter()
            .map(|known| set.send_targets().iter().any(|it| is_send(known, it)))
            .chain(
                hba.configured_static_target()
                    .iter()
                    .map(|known| set.static_targets().iter().any(|it| is_static(known, it))),
            )
            .collect();
        let mut meant = is_meant.into_iter();
        for_targets(hba, &mut |target| {
            if meant.next() == Some(true) {
                of_target(target);
            }
        });
        Ok(())
    })
}

/// Changes how targets are found. What the software adapter does cannot be changed.
///
/// - `NotFound` for an adapter that there is not; `HostConfigFault` for anything else than what it does.
fn set_discovery(call: &mut System<'_>, request: UpdateInternetScsiDiscoveryProperties) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        let (known, wanted) = (hba.discovery_properties(), request.discovery_properties());
        let is_same = known.i_sns_discovery_enabled() == wanted.i_sns_discovery_enabled()
            && known.slp_discovery_enabled() == wanted.slp_discovery_enabled()
            && known.static_target_discovery_enabled() == wanted.static_target_discovery_enabled()
            && known.send_targets_discovery_enabled() == wanted.send_targets_discovery_enabled();
        is_same.then_some(()).ok_or_else(|| refused("the software adapter finds targets in one way only"))
    })
}

/// `HostConfigFault` unless somebody could authenticate like this.
fn check_authentication(wanted: &Authentication) -> Result<(), Fault> {
    let kind = |text: Option<&ArcStr>| match text {
        None => Ok(None),
        Some(text) => Chap::from_name(text).map(Some).ok_or_else(|| refused(format!("there is no CHAP as '{text}'"))),
    };
    let is_on = |kind: Option<Chap>| kind.is_some_and(|kind| kind != Chap::ChapProhibited);
    let chap = kind(wanted.chap_authentication_type())?;
    let mutual = kind(wanted.mutual_chap_authentication_type())?;
    if wanted.chap_inherited() != Some(true) && is_on(chap) && wanted.chap_name().is_none_or(|name| name.is_empty()) {
        return Err(refused("CHAP needs a name"));
    }
    if wanted.mutual_chap_inherited() != Some(true) && is_on(mutual) {
        if chap != Some(Chap::ChapRequired) {
            return Err(refused("mutual CHAP needs CHAP that is required"));
        }
        if wanted.mutual_chap_name().is_none_or(|name| name.is_empty()) {
            return Err(refused("mutual CHAP needs a name"));
        }
        if wanted.chap_secret().is_some() && wanted.chap_secret() == wanted.mutual_chap_secret() {
            return Err(refused("the secrets of CHAP and of mutual CHAP are the same"));
        }
    }
    Ok(())
}

/// The properties as they are shown.
fn shown(wanted: &Authentication) -> Authentication {
    let mut shown = wanted.clone();
    for slot in [Authentication::CHAP_SECRET, Authentication::MUTUAL_CHAP_SECRET] {
        shown.as_object_mut().set(slot, Value::Unset);
    }
    let is_on = wanted.chap_auth_enabled();
    let first = if is_on { Chap::ChapRequired } else { Chap::ChapProhibited };
    if shown.chap_authentication_type().is_none() {
        shown.set_chap_authentication_type(first.name());
    }
    if shown.mutual_chap_authentication_type().is_none() {
        shown.set_mutual_chap_authentication_type(Chap::ChapProhibited.name());
    }
    shown
}

/// Changes how the adapter, or some of its targets, authenticate.
///
/// - `NotFound` for an adapter or target that there is not; `HostConfigFault` for a way that there is not, or CHAP without a
///   name.
fn set_authentication(call: &mut System<'_>, request: UpdateInternetScsiAuthenticationProperties) -> Result<(), Fault> {
    connected(call)?;
    let wanted = request.authentication_properties();
    check_authentication(wanted)?;
    let shown = shown(wanted);
    change_of(
        call,
        request.i_scsi_hba_device(),
        request.target_set(),
        &|hba| {
            let mut own = shown.clone();
            for slot in [Authentication::CHAP_INHERITED, Authentication::MUTUAL_CHAP_INHERITED] {
                own.as_object_mut().set(slot, Value::Unset);
            }
            hba.set_authentication_properties(own);
        },
        &|target| {
            let own = target.authentication;
            *own = shown.clone();
            own.set_chap_inherited(shown.chap_inherited().unwrap_or(false));
            own.set_mutual_chap_inherited(shown.mutual_chap_inherited().unwrap_or(false));
        },
    )
}

/// Changes which parts of a message the adapter, or some of its targets, send checksums of.
///
/// - `NotFound` for an adapter or target that there is not; `HostConfigFault` for a way that there is not.
fn set_digest(call: &mut System<'_>, request: UpdateInternetScsiDigestProperties) -> Result<(), Fault> {
    connected(call)?;
    let wanted = request.digest_properties();
    let kinds = [wanted.header_digest_type(), wanted.data_digest_type()];
    if let Some(unknown) = kinds.into_iter().flatten().find(|kind| Digest::from_name(kind).is_none()) {
        return Err(refused(format!("there is no digest as '{unknown}'")));
    }
    let write = |own: &mut Digests, is_target: bool| {
        if let Some(kind) = wanted.header_digest_type() {
            own.set_header_digest_type(kind);
        }
        if let Some(kind) = wanted.data_digest_type() {
            own.set_data_digest_type(kind);
        }
        if is_target {
            own.set_header_digest_inherited(wanted.header_digest_inherited().unwrap_or(false));
            own.set_data_digest_inherited(wanted.data_digest_inherited().unwrap_or(false));
        }
    };
    let device = request.i_scsi_hba_device();
    change_of(call, device, request.target_set(), &|hba| write(hba.digest_properties_mut(), false), &|target| {
        write(target.digest, true);
    })
}

/// Changes settings of the protocol, for the adapter or some of its targets.
///
/// - `NotFound` for an adapter or target that there is not; `HostConfigFault` for a setting that there is not, or that
///   cannot have this value.
fn set_options(call: &mut System<'_>, request: UpdateInternetScsiAdvancedOptions) -> Result<(), Fault> {
    connected(call)?;
    let mut options: Vec<HostInternetScsiHbaParamValue> = Vec::new();
    for option in request.options() {
        options.push(iscsi_adapter::setting(option, option.is_inherited() == Some(true))?);
    }
    let device = request.i_scsi_hba_device();
    change_of(
        call,
        device,
        request.target_set(),
        &|hba| {
            for known in hba.advanced_options_mut().iter_mut() {
                if let Some(wanted) = options.iter().find(|wanted| wanted.key() == known.key()) {
                    let value = wanted.as_object().get(OptionValue::VALUE).clone();
                    known.as_object_mut().set(OptionValue::VALUE, value);
                }
            }
        },
        &|target| {
            target.options.retain(|known| !options.iter().any(|wanted| wanted.key() == known.key()));
            target.options.extend(options.iter().cloned());
        },
    )
}

/// Changes the addresses of an adapter that has some of its own. The software adapter has none.
///
/// - `NotFound` for an adapter that there is not; `HostConfigFault` for any address.
fn set_addresses(call: &mut System<'_>, request: UpdateInternetScsiIPProperties) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        let is_same = hba.ip_properties().as_object() == request.ip_properties().as_object();
        is_same.then_some(()).ok_or_else(|| refused("the software adapter has the addresses of VMkernel interfaces"))
    })
}

/// `HostConfigFault` unless this can be the name of an initiator or target (RFC 3720, 3.2.6).
fn check_name(name: &str) -> Result<(), Fault> {
    let rest = ["iqn.", "eui.", "naa."].iter().find_map(|kind| name.strip_prefix(kind));
    let is_fine = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace)) && name.len() <= 223;
    is_fine.then_some(()).ok_or_else(|| refused(format!("'{name}' is no iSCSI name")))
}

/// Changes the name by which targets know the adapter.
///
/// - `NotFound` for an adapter that there is not; `HostConfigFault` for what is no iSCSI name.
fn set_name(call: &mut System<'_>, request: UpdateInternetScsiName) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        check_name(request.i_scsi_name())?;
        hba.set_i_scsi_name(request.i_scsi_name());
        Ok(())
    })
}

/// Changes the adapter's other name.
///
/// - `NotFound` for an adapter that there is not.
fn set_alias(call: &mut System<'_>, request: UpdateInternetScsiAlias) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        hba.set_i_scsi_alias(request.i_scsi_alias());
        Ok(())
    })
}

/// `HostConfigFault` unless there can be a target at this address.
fn check_address(address: &str, port: Option<i32>) -> Result<(), Fault> {
    let is_fine = !address.is_empty() && !address.contains(char::is_whitespace);
    match is_fine && (1..=65_535).contains(&port.unwrap_or(PORT)) {
        true => Ok(()),
        false => Err(refused(format!("there can be no target at '{address}'"))),
    }
}

fn taken(address: &str) -> Fault {
    refused(format!("the target at '{address}' is configured already"))
}

/// The properties of a new target: what it says of its own, and the rest inherited.
fn new_target(given: Option<&Authentication>, digest: Option<&Digests>) -> Result<(Authentication, Digests), Fault> {
    let authentication = match given {
        Some(given) => {
            check_authentication(given)?;
            let mut shown = shown(given);
            shown.set_chap_inherited(given.chap_inherited().unwrap_or(false));
            shown.set_mutual_chap_inherited(given.mutual_chap_inherited().unwrap_or(false));
            shown
        }
        None => Authentication::with(|own| _ = own.set_chap_inherited(true).set_mutual_chap_inherited(true)),
    };
    let inherited = || Digests::with(|own| _ = own.set_header_digest_inherited(true).set_data_digest_inherited(true));
    Ok((authentication, digest.cloned().unwrap_or_else(inherited)))
}

/// Adds addresses to ask for targets.
///
/// - `NotFound` for an adapter that there is not; `HostConfigFault` for an address that cannot be, or is there already.
fn add_send_targets(call: &mut System<'_>, request: AddInternetScsiSendTargets) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        for wanted in request.targets() {
            check_address(wanted.address(), wanted.port())?;
            if hba.configured_send_target().iter().any(|known| is_send(known, wanted)) {
                return Err(taken(wanted.address()));
            }
            let (authentication, digest) = new_target(wanted.authentication_properties(), wanted.digest_properties())?;
            let mut target = wanted.clone();
            target.set_port(wanted.port().unwrap_or(PORT)).set_parent(DEVICE);
            target.set_authentication_properties(authentication).set_digest_properties(digest);
            hba.push_configured_send_target(target);
        }
        Ok(())
    })
}

/// Removes addresses to ask for targets.
///
/// - `NotFound` for an adapter or address that there is not.
fn remove_send_targets(call: &mut System<'_>, request: RemoveInternetScsiSendTargets) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        for wanted in request.targets() {
            if !hba.configured_send_target().iter().any(|known| is_send(known, wanted)) {
                return Err(not_found("target at", wanted.address()));
            }
            hba.configured_send_target_mut().retain(|known| !is_send(known, wanted));
        }
        Ok(())
    })
}

/// Adds targets.
///
/// - `NotFound` for an adapter that there is not; `HostConfigFault` for a target that cannot be, or is there already.
fn add_static_targets(call: &mut System<'_>, request: AddInternetScsiStaticTargets) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        for wanted in request.targets() {
            check_address(wanted.address(), wanted.port())?;
            check_name(wanted.i_scsi_name())?;
            if hba.configured_static_target().iter().any(|known| is_static(known, wanted)) {
                return Err(taken(wanted.address()));
            }
            let (authentication, digest) = new_target(wanted.authentication_properties(), wanted.digest_properties())?;
            let mut target = wanted.clone();
            target.set_port(wanted.port().unwrap_or(PORT)).set_parent(DEVICE).set_discovery_method("staticMethod");
            target.set_authentication_properties(authentication).set_digest_properties(digest);
            hba.push_configured_static_target(target);
        }
        Ok(())
    })
}

/// Removes targets.
///
/// - `NotFound` for an adapter or target that there is not.
fn remove_static_targets(call: &mut System<'_>, request: RemoveInternetScsiStaticTargets) -> Result<(), Fault> {
    change(call, request.i_scsi_hba_device(), &mut |hba| {
        for wanted in request.targets() {
            if !hba.configured_static_target().iter().any(|known| is_static(known, wanted)) {
                return Err(not_found("target", wanted.i_scsi_name()));
            }
            hba.configured_static_target_mut().retain(|known| !is_static(known, wanted));
        }
        Ok(())
    })
}
