//! `CustomizationSpecManager`: stored specifications of how a new virtual machine's guest is set up.

use vimsim_types::enums::CustomizationLicenseDataMode;
use vimsim_types::method::{
    CheckCustomizationResources, CreateCustomizationSpec, CustomizationSpecItemToXml, DeleteCustomizationSpec,
    DoesCustomizationSpecExist, DuplicateCustomizationSpec, GetCustomizationSpec, IsGuestOsCustomizable,
    OverwriteCustomizationSpec, RenameCustomizationSpec, XmlToCustomizationSpecItem,
};
use vimsim_types::views::{
    AlreadyExists, ConcurrentAccess, CustomizationAdapterMapping, CustomizationDhcpIpGenerator,
    CustomizationIPSettings, CustomizationLinuxOptions, CustomizationLinuxPrep, CustomizationPassword,
    CustomizationPrefixName, CustomizationSpec, CustomizationSpecItem, CustomizationSpecManager, CustomizationSysprep,
    CustomizationUnknownIpGenerator, CustomizationVirtualMachineName, CustomizationWinOptions, NotFound,
    UncustomizableGuest,
};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, View};

use super::{customization_spec_xml, environment_browser};
use crate::call::{Call, Context, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<CustomizationSpecManager> {
    Kind::new()
        .read(does_customization_spec_exist)
        .read(get_customization_spec)
        .read(check_customization_resources)
        .read(is_guest_os_customizable)
        .read(item_to_xml)
        .read(xml_to_item)
        .write(create_customization_spec)
        .write(overwrite_customization_spec)
        .write(delete_customization_spec)
        .write(duplicate_customization_spec)
        .write(rename_customization_spec)
}

/// The names, types and change versions of the specifications that vcsim begins with.
const PRESETS: &[(&str, &str, &str)] = &[
    ("vcsim-linux", "Linux", "1569965707"),
    ("vcsim-linux-static", "Linux", "1569969598"),
    ("vcsim-windows-static", "Windows", "1569978029"),
    ("vcsim-windows-domain", "Windows", "1569970234"),
];

/// The specifications that were changed; before, they are those the manager begins with.
#[derive(Clone, Default)]
struct Stored(Option<Vec<CustomizationSpecItem>>);

type Manager<'a> = Call<'a, CustomizationSpecManager>;

/// The specifications, as the manager keeps them.
fn stored(inventory: &impl Inventory, manager: &Moref) -> Vec<CustomizationSpecItem> {
    let Some(object) = inventory.find(manager) else { return Vec::new() };
    if let Some(Stored(Some(items))) = object.private::<Stored>() {
        return items.clone();
    }
    let info = object.view::<CustomizationSpecManager>().and_then(|manager| manager.info().first());
    presets(info.and_then(|info| info.last_update_time()).unwrap_or(DateTime::from_micros(0))).collect()
}

/// Keeps these specifications.
fn keep(call: &mut Manager<'_>, items: Vec<CustomizationSpecItem>) -> Result<(), Fault> {
    let this = call.moref();
    call.this_mut()?.set_info(items.iter().map(|item| item.info().clone()));
    call.private::<Stored>(&this)?.0 = Some(items);
    Ok(())
}

/// The place of the specification of this name.
///
/// - `NotFound` if there is none.
fn place(items: &[CustomizationSpecItem], name: &str) -> Result<usize, Fault> {
    let place = items.iter().position(|item| item.info().name() == name);
    place.ok_or_else(|| Fault::new(NotFound::new(), format!("no customization specification has the name '{name}'")))
}

/// - `AlreadyExists` if a specification has this name; `InvalidArgument` if it is empty.
fn check_new(items: &[CustomizationSpecItem], name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::invalid_argument("name", "a specification must have a name"));
    }
    match place(items, name) {
        Ok(_) => Err(AlreadyExists::with(|fault| _ = fault.set_name(name)).into()),
        Err(_) => Ok(()),
    }
}

/// The item with a new version of itself: what the next overwriting must name.
fn versioned(call: &Manager<'_>, item: &CustomizationSpecItem) -> CustomizationSpecItem {
    let mut item = item.clone();
    item.info_mut().set_change_version(call.now().micros().to_string()).set_last_update_time(call.now());
    item
}

fn does_customization_spec_exist(
    look: &Look<'_, CustomizationSpecManager>,
    request: DoesCustomizationSpecExist,
) -> Result<bool, Fault> {
    Ok(place(&stored(look.snapshot(), look.moref()), request.name()).is_ok())
}

/// The specification of a name.
///
/// - `NotFound` if there is none.
fn get_customization_spec(
    look: &Look<'_, CustomizationSpecManager>,
    request: GetCustomizationSpec,
) -> Result<CustomizationSpecItem, Fault> {
    let mut items = stored(look.snapshot(), look.moref());
    let place = place(&items, request.name())?;
    Ok(items.swap_remove(place))
}

/// Whether guests with this identifier can be customized: those of Windows and Linux.
fn is_customizable(guest: &str) -> bool {
    ["windowsGuest", "linuxGuest"].contains(&environment_browser::guest_family(guest))
}

/// Checks that what customizing such a guest takes is there.
///
/// - `UncustomizableGuest` for one that cannot be customized.
fn check_customization_resources(
    _: &Look<'_, CustomizationSpecManager>,
    request: CheckCustomizationResources,
) -> Result<(), Fault> {
    let guest = request.guest_os();
    if is_customizable(guest) {
        return Ok(());
    }
    let detail = UncustomizableGuest::with(|fault| _ = fault.set_uncustomizable_guest_os(guest));
    Err(Fault::new(detail, format!("guests of '{guest}' cannot be customized")))
}

fn is_guest_os_customizable(
    _: &Look<'_, CustomizationSpecManager>,
    request: IsGuestOsCustomizable,
) -> Result<bool, Fault> {
    Ok(is_customizable(request.guest_id()))
}

/// A specification as XML.
fn item_to_xml(_: &Look<'_, CustomizationSpecManager>, request: CustomizationSpecItemToXml) -> Result<ArcStr, Fault> {
    Ok(customization_spec_xml::write(request.item()).into())
}

/// The specification that XML is.
///
/// - `CustomizationFault` if it is none.
fn xml_to_item(
    _: &Look<'_, CustomizationSpecManager>,
    request: XmlToCustomizationSpecItem,
) -> Result<CustomizationSpecItem, Fault> {
    customization_spec_xml::read(request.spec_item_xml())
}

/// Adds a specification.
///
/// - `AlreadyExists` if another has its name.
fn create_customization_spec(call: &mut Manager<'_>, request: CreateCustomizationSpec) -> Result<(), Fault> {
    let mut items = stored(&**call, &call.moref());
    check_new(&items, request.item().info().name())?;
    items.push(versioned(call, request.item()));
    keep(call, items)
}

/// Replaces a specification.
///
/// - `NotFound` if there is none of that name; `ConcurrentAccess` if it has been changed since the caller read it.
fn overwrite_customization_spec(call: &mut Manager<'_>, request: OverwriteCustomizationSpec) -> Result<(), Fault> {
    let mut items = stored(&**call, &call.moref());
    let info = request.item().info();
    let place = place(&items, info.name())?;
    if info.change_version().is_some() && info.change_version() != items[place].info().change_version() {
        let message = format!("the specification '{}' has been changed meanwhile", info.name());
        return Err(Fault::new(ConcurrentAccess::new(), message));
    }
    items[place] = versioned(call, request.item());
    keep(call, items)
}

/// Removes a specification.
///
/// - `NotFound` if there is none of that name.
fn delete_customization_spec(call: &mut Manager<'_>, request: DeleteCustomizationSpec) -> Result<(), Fault> {
    let mut items = stored(&**call, &call.moref());
    let place = place(&items, request.name())?;
    items.remove(place);
    keep(call, items)
}

/// Adds a copy of a specification.
///
/// - `NotFound`; `AlreadyExists` if another has the new name.
fn duplicate_customization_spec(call: &mut Manager<'_>, request: DuplicateCustomizationSpec) -> Result<(), Fault> {
    let mut items = stored(&**call, &call.moref());
    let place = place(&items, request.name())?;
    check_new(&items, request.new_name())?;
    let mut copy = versioned(call, &items[place]);
    copy.info_mut().set_name(request.new_name());
    items.push(copy);
    keep(call, items)
}

/// Gives a specification another name.
///
/// - `NotFound`; `AlreadyExists` if another has the new name.
fn rename_customization_spec(call: &mut Manager<'_>, request: RenameCustomizationSpec) -> Result<(), Fault> {
    let mut items = stored(&**call, &call.moref());
    let place = place(&items, request.name())?;
    check_new(&items, request.new_name())?;
    items[place] = versioned(call, &items[place]);
    items[place].info_mut().set_name(request.new_name());
    keep(call, items)
}

/// The manager's own properties.
pub(crate) fn properties(context: &Context) -> CustomizationSpecManager {
    CustomizationSpecManager::with(|manager| {
        manager.set_info(presets(context.now).map(|item| item.info().clone()));
        // A certificate in binary form, with whose public key clients encrypt passwords.
        manager.set_encryption_key(context.service.certificate().der().iter().map(|byte| byte.cast_signed()));
    })
}

/// The specifications that the manager begins with.
fn presets(now: DateTime) -> impl Iterator<Item = CustomizationSpecItem> {
    PRESETS.iter().map(move |(name, kind, version)| {
        CustomizationSpecItem::with(|item| {
            let info = item.info_mut();
            info.set_name(*name).set_description("").set_type(*kind).set_change_version(*version);
            info.set_last_update_time(now);
            item.set_spec(if *kind == "Linux" { linux(name) } else { windows(name) });
        })
    })
}

fn adapter(is_dhcp: bool) -> CustomizationAdapterMapping {
    CustomizationAdapterMapping::with(|mapping| {
        mapping.set_adapter(CustomizationIPSettings::with(|settings| {
            if is_dhcp {
                settings.set_ip(CustomizationDhcpIpGenerator::new());
            } else {
                settings.set_ip(CustomizationUnknownIpGenerator::new());
                settings.set_subnet_mask("255.255.255.0");
                settings.set_gateway(["10.0.0.1"]);
            }
        }));
    })
}

fn linux(name: &str) -> CustomizationSpec {
    let is_dhcp = name == "vcsim-linux";
    CustomizationSpec::with(|spec| {
        spec.set_options(CustomizationLinuxOptions::new());
        spec.set_identity(CustomizationLinuxPrep::with(|identity| {
            if is_dhcp {
                identity.set_host_name(CustomizationVirtualMachineName::new());
            } else {
                identity.set_host_name(CustomizationPrefixName::with(|name| _ = name.set_base("vcsim")));
            }
            identity.set_domain("eng.vmware.com");
            identity.set_time_zone(if is_dhcp { "Pacific/Apia" } else { "Africa/Cairo" });
            identity.set_hw_clock_utc(true);
        }));
        spec.global_ip_settings_mut().set_dns_server_list(["127.0.1.1"]);
        spec.set_nic_setting_map([adapter(is_dhcp)]);
    })
}

fn password(value: &str) -> CustomizationPassword {
    CustomizationPassword::with(|password| _ = password.set_value(value).set_plain_text(false))
}

fn windows(name: &str) -> CustomizationSpec {
    let in_domain = name == "vcsim-windows-domain";
    CustomizationSpec::with(|spec| {
        spec.set_options(CustomizationWinOptions::with(|options| {
            options.set_change_sid(true).set_delete_accounts(false);
        }));
        spec.set_identity(CustomizationSysprep::with(|identity| {
            let unattended = identity.gui_unattended_mut();
            unattended.set_time_zone(if in_domain { 15 } else { 2 }).set_auto_logon(false).set_auto_logon_count(1);
            if in_domain {
                unattended.set_password(password("3Gs...=="));
            }
            let user = identity.user_data_mut();
            user.set_full_name("vcsim").set_org_name("VMware").set_product_id("");
            user.set_computer_name(CustomizationVirtualMachineName::new());
            let identification = identity.identification_mut();
            if in_domain {
                identification.set_join_domain("DOMAIN").set_domain_admin("vcsim");
                identification.set_domain_admin_password(password("H3g...=="));
            } else {
                identification.set_join_workgroup("WORKGROUP");
            }
            let license = identity.license_file_print_data_mut();
            license.set_auto_mode(CustomizationLicenseDataMode::PerServer).set_auto_users(5);
        }));
        spec.set_global_ip_settings(vimsim_types::views::CustomizationGlobalIPSettings::new());
        spec.set_nic_setting_map([adapter(false)]);
    })
}
