//! What `CryptoManagerKmip` lists, and how the providers and their servers are.

use vimsim_types::enums::{KmipClusterInfoKmsManagementType as ManagementType, ManagedEntityStatus};
use vimsim_types::method::{IsKmsClusterActive, ListKmipServers, ListKmsClusters, RetrieveKmipServersStatusTask};
use vimsim_types::views::{
    CryptoManagerKmip, CryptoManagerKmipClusterStatus, CryptoManagerKmipServerStatus, KmipClusterInfo,
};
use vimsim_types::{Fault, List, Moref, Ty, Value, View};

use super::{Manager, certificates, find, global_default, is_of, provider, state};
use crate::call::Look;
use crate::kind::Kind;

pub(super) fn add(kind: Kind<CryptoManagerKmip>) -> Kind<CryptoManagerKmip> {
    kind.read(list_kmip_servers).read(list_kms_clusters).read(is_kms_cluster_active).write(retrieve_kmip_servers_status)
}

/// Whether a provider can be used: a native one once there is a backup of it, a standard one with a server.
pub(super) fn is_active(provider: &KmipClusterInfo) -> bool {
    if is_of(provider, ManagementType::VCenter) {
        !provider.servers().is_empty()
    } else {
        provider.has_backup() != Some(false)
    }
}

/// No more than `limit` of them; a negative limit is none.
pub(super) fn first<T>(items: impl Iterator<Item = T>, limit: Option<i32>) -> Vec<T> {
    items.take(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))).collect()
}

fn list_kmip_servers(
    look: &Look<'_, CryptoManagerKmip>,
    request: ListKmipServers,
) -> Result<Vec<KmipClusterInfo>, Fault> {
    Ok(first(look.this()?.kmip_servers().iter().cloned(), request.limit()))
}

/// The providers of some types, active ones or others, with or without their servers.
fn list_kms_clusters(
    look: &Look<'_, CryptoManagerKmip>,
    request: ListKmsClusters,
) -> Result<Vec<KmipClusterInfo>, Fault> {
    let wanted = |filter: Option<i32>, bit: i32| filter.is_none_or(|filter| filter & bit != 0);
    let is_wanted = |provider: &&KmipClusterInfo| {
        let types =
            [(ManagementType::VCenter, 1), (ManagementType::TrustAuthority, 2), (ManagementType::NativeProvider, 8)];
        let kind = types.iter().find(|(kind, _)| is_of(provider, *kind)).map(|(_, bit)| *bit);
        kind.map_or(request.management_type_filter().is_none_or(|filter| filter == -1), |bit| {
            wanted(request.management_type_filter(), bit)
        }) && wanted(request.status_filter(), if is_active(provider) { 1 } else { 2 })
    };
    let mut providers: Vec<KmipClusterInfo> = look.this()?.kmip_servers().iter().filter(is_wanted).cloned().collect();
    if !request.include_kms_servers().unwrap_or_default() {
        providers.iter_mut().for_each(|provider| provider.servers_mut().retain(|_| false));
    }
    Ok(providers)
}

/// Whether a provider, or the default one, can be used.
///
/// - `InvalidArgument` if there is no such provider, or no default one.
fn is_kms_cluster_active(look: &Look<'_, CryptoManagerKmip>, request: IsKmsClusterActive) -> Result<bool, Fault> {
    let this = look.this()?;
    let id = request.cluster().or_else(|| global_default(this)).map(|id| id.id());
    let id = id.ok_or_else(|| Fault::invalid_argument("cluster", "there is no default key provider"))?;
    Ok(is_active(provider(this, id, "cluster")?))
}

/// Asks the servers of providers, or those of them that are named, how they are. What is not registered is left out.
// Fidelity: a server answers whether or not it has been told of us and we of it, as in vcsim; which of them trusts the other
// is said beside it.
fn retrieve_kmip_servers_status(
    call: &mut Manager<'_>,
    request: RetrieveKmipServersStatusTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let all: Vec<KmipClusterInfo> = match request.clusters().is_empty() {
            true => call.this()?.kmip_servers().iter().cloned().collect(),
            false => request.clusters().iter().cloned().collect(),
        };
        let status = |wanted: &KmipClusterInfo| {
            let known = find(call.this().ok()?, wanted.cluster_id().id())?;
            Some(Value::Object(cluster_status(call, known, wanted).into()))
        };
        let all: Vec<Value> = all.iter().filter_map(status).collect();
        Ok(Value::List(List::new(Ty::Data(CryptoManagerKmipClusterStatus::TYPE), all)))
    })
}

fn cluster_status(
    call: &Manager<'_>,
    known: &KmipClusterInfo,
    wanted: &KmipClusterInfo,
) -> CryptoManagerKmipClusterStatus {
    let id = known.cluster_id().id();
    let names: Vec<_> = wanted.servers().iter().map(|server| server.name()).collect();
    let trust = state(&**call).and_then(|state| state.trust.get(id));
    let own = call.context().service.certificate();
    let certificate = certificates::info(own.der(), call.now());
    let is_trusted = trust.is_some_and(|trust| trust.trusts(own.der()));
    CryptoManagerKmipClusterStatus::with(|status| {
        status.set_cluster_id(known.cluster_id().clone());
        status.set_management_type(known.management_type());
        let color = if is_active(known) { ManagedEntityStatus::Green } else { ManagedEntityStatus::Yellow };
        status.set_overall_status(color);
        let servers = known.servers().iter().filter(|known| names.is_empty() || names.contains(&known.name()));
        status.set_servers(servers.map(|server| {
            CryptoManagerKmipServerStatus::with(|status| {
                status.set_name(server.name()).set_status(ManagedEntityStatus::Green);
                status.set_connection_status("Connected");
                if let Some(certificate) = certificate.clone() {
                    status.set_cert_info(certificate);
                }
                status.set_client_trust_server(is_trusted);
                status.set_server_trust_client(trust.is_some_and(|trust| trust.client.is_some()));
            })
        }));
        let client = trust.and_then(|trust| certificates::info_of(trust.client.as_ref()?, call.now()));
        if let Some(client) = client {
            status.set_client_cert_info(client);
        }
    })
}
