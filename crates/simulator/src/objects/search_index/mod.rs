//! `SearchIndex`: finding entities by what people know of them. Every look-up but a query is one
//! in the registry's index.

mod query;

use vimsim_registry::{IndexKey, ManagedObject};
use vimsim_types::method::{
    FindAllByDnsName, FindAllByIp, FindAllByUuid, FindByDatastorePath, FindByDnsName, FindByInventoryPath, FindByIp,
    FindByUuid, FindChild,
};
use vimsim_types::views::{Datacenter, HostSystem, ManagedEntity, SearchIndex, VirtualMachine};
use vimsim_types::{Fault, Moref};

use super::service_instance;
use crate::call::Look;
use crate::kind::Kind;
use crate::rules::{child_key, dns_key, instance_uuid_key, ip_key, path_key, uuid_key};
use crate::walk::{Inventory, children};

pub(crate) fn kind() -> Kind<SearchIndex> {
    Kind::new()
        .read(find_by_uuid)
        .read(find_all_by_uuid)
        .read(find_by_ip)
        .read(find_all_by_ip)
        .read(find_by_dns_name)
        .read(find_all_by_dns_name)
        .read(find_by_datastore_path)
        .read(find_by_inventory_path)
        .read(find_child)
        .read(query::query)
        .read(query::query_next)
}

/// The virtual machines (or hosts) indexed under a key for which `matches` holds, in the datacenter if one is given.
fn find_all(
    look: &Look<'_, SearchIndex>,
    key: IndexKey,
    datacenter: Option<Moref>,
    vm_search: bool,
    matches: impl Fn(&ManagedObject) -> bool,
) -> Result<Vec<Moref>, Fault> {
    if let Some(datacenter) = &datacenter {
        look.get::<Datacenter>(datacenter)?;
    }
    let snapshot = look.snapshot();
    let found = snapshot.indexed(key).filter(|object| {
        let moref = object.moref();
        let wanted = if vm_search { moref.is::<VirtualMachine>() } else { moref.is::<HostSystem>() };
        let inside = datacenter.is_none() || snapshot.ancestor::<Datacenter>(moref) == datacenter;
        wanted && inside && matches(object)
    });
    Ok(found.map(|object| object.moref().clone()).collect())
}

fn by_uuid(
    look: &Look<'_, SearchIndex>,
    datacenter: Option<Moref>,
    uuid: &str,
    vm_search: bool,
    instance_uuid: Option<bool>,
) -> Result<Vec<Moref>, Fault> {
    let instance = instance_uuid == Some(true) && vm_search;
    let key = if instance { instance_uuid_key(uuid) } else { uuid_key(uuid) };
    find_all(look, key, datacenter, vm_search, |object| {
        let found = match (object.view::<VirtualMachine>(), object.view::<HostSystem>()) {
            (Some(machine), _) if instance => machine.config().and_then(|config| config.instance_uuid()),
            (Some(machine), _) => machine.config().map(|config| config.uuid()),
            (None, Some(host)) => host.hardware().map(|hardware| hardware.system_info().uuid()),
            (None, None) => None,
        };
        found.is_some_and(|found| found.eq_ignore_ascii_case(uuid))
    })
}

fn by_ip(
    look: &Look<'_, SearchIndex>,
    datacenter: Option<Moref>,
    ip: &str,
    vm_search: bool,
) -> Result<Vec<Moref>, Fault> {
    find_all(look, ip_key(ip), datacenter, vm_search, |object| {
        let of_machine = object.view::<VirtualMachine>().and_then(|machine| machine.guest()).is_some_and(|guest| {
            guest.ip_address().is_some_and(|known| known == ip)
                || guest.net().iter().any(|nic| nic.ip_address().contains(ip))
        });
        let network = object.view::<HostSystem>().and_then(|host| host.config()?.network());
        let of_host = network.is_some_and(|network| {
            network
                .vnic()
                .iter()
                .any(|vnic| vnic.spec().ip().and_then(|config| config.ip_address()).is_some_and(|known| known == ip))
        });
        of_machine || of_host
    })
}

fn by_dns_name(
    look: &Look<'_, SearchIndex>,
    datacenter: Option<Moref>,
    name: &str,
    vm_search: bool,
) -> Result<Vec<Moref>, Fault> {
    find_all(look, dns_key(name), datacenter, vm_search, |object| {
        let guest = object.view::<VirtualMachine>().and_then(|machine| machine.guest()?.host_name());
        let host = object.view::<HostSystem>().and_then(|host| host.config()?.network()?.dns_config());
        // A host is known by the name with which it was added, too.
        let added = object.view::<HostSystem>().is_some_and(|host| host.name().eq_ignore_ascii_case(name));
        guest.is_some_and(|known| known.eq_ignore_ascii_case(name))
            || added
            || host.is_some_and(|dns| {
                dns.host_name().eq_ignore_ascii_case(name)
                    || format!("{}.{}", dns.host_name(), dns.domain_name()).eq_ignore_ascii_case(name)
            })
    })
}

/// The first virtual machine (or host) with this BIOS (or instance) UUID.
fn find_by_uuid(look: &Look<'_, SearchIndex>, request: FindByUuid) -> Result<Option<Moref>, Fault> {
    let found = by_uuid(look, request.datacenter(), request.uuid(), request.vm_search(), request.instance_uuid())?;
    Ok(found.into_iter().next())
}

/// All virtual machines (or hosts) with this BIOS (or instance) UUID.
fn find_all_by_uuid(look: &Look<'_, SearchIndex>, request: FindAllByUuid) -> Result<Vec<Moref>, Fault> {
    by_uuid(look, request.datacenter(), request.uuid(), request.vm_search(), request.instance_uuid())
}

/// The first virtual machine (or host) with this address.
fn find_by_ip(look: &Look<'_, SearchIndex>, request: FindByIp) -> Result<Option<Moref>, Fault> {
    Ok(by_ip(look, request.datacenter(), request.ip(), request.vm_search())?.into_iter().next())
}

/// All virtual machines (or hosts) with this address.
fn find_all_by_ip(look: &Look<'_, SearchIndex>, request: FindAllByIp) -> Result<Vec<Moref>, Fault> {
    by_ip(look, request.datacenter(), request.ip(), request.vm_search())
}

/// The first virtual machine (or host) with this DNS name.
fn find_by_dns_name(look: &Look<'_, SearchIndex>, request: FindByDnsName) -> Result<Option<Moref>, Fault> {
    Ok(by_dns_name(look, request.datacenter(), request.dns_name(), request.vm_search())?.into_iter().next())
}

/// All virtual machines (or hosts) with this DNS name.
fn find_all_by_dns_name(look: &Look<'_, SearchIndex>, request: FindAllByDnsName) -> Result<Vec<Moref>, Fault> {
    by_dns_name(look, request.datacenter(), request.dns_name(), request.vm_search())
}

/// The virtual machine whose `.vmx` file has this path.
fn find_by_datastore_path(look: &Look<'_, SearchIndex>, request: FindByDatastorePath) -> Result<Option<Moref>, Fault> {
    let path = request.path();
    let found = find_all(look, path_key(path), Some(request.datacenter()), true, |object| {
        let files = object.view::<VirtualMachine>().and_then(|machine| machine.config()).map(|config| config.files());
        files.and_then(|files| files.vm_path_name()).is_some_and(|known| known == path)
    })?;
    Ok(found.into_iter().next())
}

/// The entity at this path of names, from the root folder: `DC0/vm/DC0_H0_VM0`, with or without slashes around it.
fn find_by_inventory_path(look: &Look<'_, SearchIndex>, request: FindByInventoryPath) -> Result<Option<Moref>, Fault> {
    let mut at = service_instance::root_folder(look.context().is_virtual_center());
    for name in request.inventory_path().split('/').filter(|name| !name.is_empty()) {
        match child(look, &at, name) {
            Some(child) => at = child,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The child of this name.
fn find_child(look: &Look<'_, SearchIndex>, request: FindChild) -> Result<Option<Moref>, Fault> {
    look.get::<ManagedEntity>(&request.entity())?;
    Ok(child(look, &request.entity(), request.name()))
}

fn child(look: &Look<'_, SearchIndex>, parent: &Moref, name: &str) -> Option<Moref> {
    let is_named = |object: &ManagedObject| object.view::<ManagedEntity>().is_some_and(|entity| entity.name() == name);
    let snapshot = look.snapshot();
    let found = snapshot.indexed(child_key(parent, name)).find(|object| {
        object.view::<ManagedEntity>().is_some_and(|entity| entity.parent().as_ref() == Some(parent))
            && is_named(object)
    });
    if let Some(found) = found {
        return Some(found.moref().clone());
    }
    // A resource pool and a host list virtual machines whose parent is a folder.
    let parent = snapshot.object(parent)?;
    let listed = children(parent).into_iter().filter(|moref| moref.is::<VirtualMachine>());
    listed.into_iter().find(|moref| snapshot.object(moref).is_some_and(|object| is_named(object)))
}
