//! `CryptoManagerKmip`: the key providers of a vCenter, the servers of the standard ones, and the keys.
//!
//! The providers are the property `kmipServers`. There is no key server behind a standard provider: the service plays it, it
//! can always be reached, and it shows the service's own certificate.

mod certificates;
mod keys;
mod native;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use vimsim_registry::Transaction;
use vimsim_types::enums::KmipClusterInfoKmsManagementType as ManagementType;
use vimsim_types::method::{
    GetDefaultKmsCluster, MarkDefault, RegisterKmipServer, RegisterKmsCluster, RemoveKmipServer, SetDefaultKmsCluster,
    UnregisterKmsCluster, UpdateKmipServer,
};
use vimsim_types::views::{
    ClusterComputeResource, ComputeResource, CryptoManagerKmip, Folder, KeyProviderId, KmipClusterInfo, KmipServerInfo,
};
use vimsim_types::{ArcStr, DateTime, EnumView, Fault, Moref, View};

use crate::call::{Call, Look, not_found};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) use keys::key_for;
pub use native::{NativeProvider, NativeProviderBackup};

pub(crate) fn kind() -> Kind<CryptoManagerKmip> {
    let kind = Kind::new()
        .write(register_kmip_server)
        .write(update_kmip_server)
        .write(remove_kmip_server)
        .write(register_kms_cluster)
        .write(unregister_kms_cluster)
        .write(mark_default)
        .write(set_default_kms_cluster)
        .read(get_default_kms_cluster);
    certificates::add(keys::add(status::add(kind)))
}

type Manager<'a> = Call<'a, CryptoManagerKmip>;

/// What the manager keeps beside its properties.
#[derive(Clone, Default)]
struct State {
    /// How many keys were ever made.
    made: u64,
    /// The keys of each provider.
    keys: BTreeMap<ArcStr, BTreeSet<ArcStr>>,
    /// How each provider and we know each other.
    trust: BTreeMap<ArcStr, certificates::Trust>,
    /// Backups of native providers that can be fetched: by token, the provider, and until when.
    exports: BTreeMap<ArcStr, (ArcStr, DateTime)>,
}

pub(crate) fn moref() -> Moref {
    Moref::of::<CryptoManagerKmip>("CryptoManager")
}

/// The manager; there is none in an ESXi host.
fn manager(inventory: &impl Inventory) -> Result<&CryptoManagerKmip, Fault> {
    inventory.seen(&moref()).ok_or_else(|| not_found(&moref()))
}

/// What the manager keeps.
fn state(inventory: &impl Inventory) -> Option<&State> {
    inventory.find(&moref())?.private()
}

fn find<'a>(manager: &'a CryptoManagerKmip, id: &str) -> Option<&'a KmipClusterInfo> {
    manager.kmip_servers().iter().find(|provider| *provider.cluster_id().id() == id)
}

/// The provider of this name.
///
/// - `InvalidArgument` for the parameter `name` if there is none.
fn provider<'a>(manager: &'a CryptoManagerKmip, id: &str, name: &str) -> Result<&'a KmipClusterInfo, Fault> {
    let why = || format!("there is no key provider '{id}'");
    find(manager, id).ok_or_else(|| Fault::invalid_argument(name, why()))
}

/// Changes the provider of this name.
fn change(transaction: &mut Transaction, id: &str, mut how: impl FnMut(&mut KmipClusterInfo)) -> Result<(), Fault> {
    let manager = transaction.edit::<CryptoManagerKmip>(&moref())?;
    manager.kmip_servers_mut().iter_mut().filter(|known| *known.cluster_id().id() == id).for_each(&mut how);
    Ok(())
}

fn is_of(provider: &KmipClusterInfo, kind: ManagementType) -> bool {
    provider.management_type().is_some_and(|known| *known == kind.name())
}

/// - `InvalidArgument` without a name, an address, or with a port that is none.
fn check_server(server: &KmipServerInfo) -> Result<(), Fault> {
    for (text, property) in [(server.name(), "server.info.name"), (server.address(), "server.info.address")] {
        if text.is_empty() {
            return Err(Fault::invalid_argument(property, "it is empty"));
        }
    }
    match server.port() {
        1..=65_535 => Ok(()),
        port => Err(Fault::invalid_argument("server.info.port", format!("{port} is no port"))),
    }
}

/// Adds a server to a standard provider, or makes the provider with its first server. The first provider that there is
/// becomes the default one (vSphere Web Services SDK Programming Guide, "Key Management Server").
///
/// - `InvalidArgument` for a server without a name, an address or a port, one of a name that the provider has already, or a
///   provider that is no standard one.
fn register_kmip_server(call: &mut Manager<'_>, request: RegisterKmipServer) -> Result<(), Fault> {
    let (id, server) = (request.server().cluster_id().id().clone(), request.server().info().clone());
    check_server(&server)?;
    if id.is_empty() {
        return Err(Fault::invalid_argument("server.clusterId", "it is empty"));
    }
    let this = call.this()?;
    let Some(known) = find(this, &id) else {
        let is_first = this.kmip_servers().is_empty();
        call.this_mut()?.push_kmip_servers(KmipClusterInfo::with(|provider| {
            provider.cluster_id_mut().set_id(id);
            provider.set_servers([server]).set_use_as_default(is_first);
            provider.set_management_type(ManagementType::VCenter.name());
        }));
        return Ok(());
    };
    if !is_of(known, ManagementType::VCenter) {
        return Err(Fault::invalid_argument("server.clusterId", format!("'{id}' is no standard key provider")));
    }
    if known.servers().iter().any(|known| known.name() == server.name()) {
        let why = format!("the key provider '{id}' has a server '{}' already", server.name());
        return Err(Fault::invalid_argument("server.info.name", why));
    }
    change(call, &id, |provider| _ = provider.push_servers(server.clone()))
}

/// - `InvalidArgument` if there is no such provider, or it has no such server.
fn expect_server(call: &Manager<'_>, id: &str, server: &str, parameters: [&str; 2]) -> Result<(), Fault> {
    let known = provider(call.this()?, id, parameters[0])?;
    if known.servers().iter().any(|known| *known.name() == server) {
        return Ok(());
    }
    Err(Fault::invalid_argument(parameters[1], format!("the key provider '{id}' has no server '{server}'")))
}

/// Changes where a server is.
///
/// - `InvalidArgument` if there is no such provider or server, or the new place is none.
fn update_kmip_server(call: &mut Manager<'_>, request: UpdateKmipServer) -> Result<(), Fault> {
    let (id, server) = (request.server().cluster_id().id(), request.server().info());
    check_server(server)?;
    expect_server(call, id, server.name(), ["server.clusterId", "server.info.name"])?;
    change(call, id, |provider| {
        let mut same = provider.servers_mut();
        same.iter_mut().filter(|known| known.name() == server.name()).for_each(|known| *known = server.clone());
    })
}

/// Takes a server out of its provider. The provider stays, even without servers.
///
/// - `InvalidArgument` if there is no such provider or server.
fn remove_kmip_server(call: &mut Manager<'_>, request: RemoveKmipServer) -> Result<(), Fault> {
    let id = request.cluster_id().id();
    expect_server(call, id, request.server_name(), ["clusterId", "serverName"])?;
    change(call, id, |provider| provider.servers_mut().retain(|known| known.name() != request.server_name()))
}

/// Registers a provider that others look after.
///
/// - `InvalidArgument` if there is one of that name, or for one of vCenter's own type: those come with their servers.
// Fidelity: vCenter registers those of the type `trustAuthority` only. vcsim takes native ones and unknown ones too, and
// clients' tests make their native providers so.
fn register_kms_cluster(call: &mut Manager<'_>, request: RegisterKmsCluster) -> Result<(), Fault> {
    let id = request.cluster_id().id();
    let kind =
        request.management_type().map_or(Some(ManagementType::TrustAuthority), |kind| ManagementType::from_name(kind));
    let Some(kind) = kind.filter(|kind| *kind != ManagementType::VCenter) else {
        return Err(Fault::invalid_argument("managementType", "providers of this type are not registered so"));
    };
    if id.is_empty() || find(call.this()?, id).is_some() {
        return Err(Fault::invalid_argument("clusterId", format!("there is a key provider '{id}' already")));
    }
    call.this_mut()?.push_kmip_servers(KmipClusterInfo::with(|provider| {
        provider.cluster_id_mut().set_id(id);
        provider.set_use_as_default(false).set_management_type(kind.name());
    }));
    Ok(())
}

/// Forgets a provider. Machines that are encrypted with its keys stay so.
///
/// - `InvalidArgument` if there is no such provider.
fn unregister_kms_cluster(call: &mut Manager<'_>, request: UnregisterKmsCluster) -> Result<(), Fault> {
    remove(call, request.cluster_id().id())
}

fn remove(transaction: &mut Transaction, id: &str) -> Result<(), Fault> {
    provider(manager(transaction)?, id, "clusterId")?;
    let manager = transaction.edit::<CryptoManagerKmip>(&moref())?;
    manager.kmip_servers_mut().retain(|known| *known.cluster_id().id() != id);
    let state = transaction.private::<State>(&moref())?;
    state.keys.remove(id);
    state.trust.remove(id);
    Ok(())
}

/// Makes a provider the default one of all.
///
/// - `InvalidArgument` if there is no such provider.
fn mark_default(call: &mut Manager<'_>, request: MarkDefault) -> Result<(), Fault> {
    set_default(call, None, Some(request.cluster_id().id()))
}

/// Makes a provider the default one, of a cluster or a folder of hosts or of all; without one, there is no default.
///
/// - `InvalidArgument` if there is no such provider, or for any other entity; `ManagedObjectNotFound`.
fn set_default_kms_cluster(call: &mut Manager<'_>, request: SetDefaultKmsCluster) -> Result<(), Fault> {
    set_default(call, request.entity(), request.cluster_id().map(|id| id.id()).filter(|id| !id.is_empty()))
}

fn set_default(call: &mut Manager<'_>, entity: Option<Moref>, id: Option<&ArcStr>) -> Result<(), Fault> {
    if let Some(id) = id {
        provider(call.this()?, id, "clusterId")?;
    }
    if let Some(entity) = &entity {
        expect_hosts(call, entity)?;
    }
    for known in call.this_mut()?.kmip_servers_mut().iter_mut() {
        let is_it = id == Some(known.cluster_id().id());
        let Some(entity) = &entity else {
            known.set_use_as_default(is_it);
            continue;
        };
        known.use_as_entity_default_mut().retain(|other| other != *entity);
        if is_it {
            known.push_use_as_entity_default(entity.clone());
        }
    }
    Ok(())
}

/// `InvalidArgument` for what is neither a cluster nor a folder of hosts.
fn expect_hosts(call: &Manager<'_>, entity: &Moref) -> Result<(), Fault> {
    call.object(entity).ok_or_else(|| not_found(entity))?;
    let is_host_folder = |folder: &Folder| folder.child_type().iter().any(|kind| *kind == ComputeResource::TYPE.name());
    if entity.is::<ClusterComputeResource>() || call.view::<Folder>(entity).is_some_and(is_host_folder) {
        return Ok(());
    }
    Err(Fault::invalid_argument("entity", format!("{entity} is neither a cluster nor a folder of hosts")))
}

/// The default provider, of an entity or of all.
///
/// - `ManagedObjectNotFound`.
fn get_default_kms_cluster(
    look: &Look<'_, CryptoManagerKmip>,
    request: GetDefaultKmsCluster,
) -> Result<Option<KeyProviderId>, Fault> {
    let Some(entity) = request.entity() else { return Ok(global_default(look.this()?).cloned()) };
    look.snapshot().object(&entity).ok_or_else(|| not_found(&entity))?;
    if request.defaults_to_parent().unwrap_or_default() {
        return Ok(default_for(look.snapshot(), &entity)?.cloned());
    }
    Ok(entity_default(look.this()?, &entity).cloned())
}

fn global_default(manager: &CryptoManagerKmip) -> Option<&KeyProviderId> {
    manager.kmip_servers().iter().find(|provider| provider.use_as_default()).map(|provider| provider.cluster_id())
}

fn entity_default<'a>(manager: &'a CryptoManagerKmip, entity: &Moref) -> Option<&'a KeyProviderId> {
    let mut providers = manager.kmip_servers().iter();
    providers.find(|provider| provider.use_as_entity_default().contains(entity)).map(|provider| provider.cluster_id())
}

/// The default provider for an entity: its own, the nearest of what it is in, or that of all.
fn default_for<'a>(inventory: &'a impl Inventory, entity: &Moref) -> Result<Option<&'a KeyProviderId>, Fault> {
    let manager = manager(inventory)?;
    let ancestry = inventory.ancestry(entity);
    Ok(ancestry.iter().find_map(|entity| entity_default(manager, entity)).or_else(|| global_default(manager)))
}

/// Forgets an entity that is no more.
pub(crate) fn forget(transaction: &mut Transaction, entity: &Moref) -> Result<(), Fault> {
    let Some(manager) = transaction.view::<CryptoManagerKmip>(&moref()) else { return Ok(()) };
    let Some(id) = entity_default(manager, entity).map(|id| id.id().clone()) else { return Ok(()) };
    change(transaction, &id, |provider| provider.use_as_entity_default_mut().retain(|other| other != *entity))
}
