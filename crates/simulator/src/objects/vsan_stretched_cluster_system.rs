//! `VimClusterVsanVcStretchedClusterSystem`: vSAN clusters whose hosts are at two sites, with a witness at a third. It is
//! one of the managed objects of vSAN's own endpoint, `/vsanHealth`.

use std::collections::BTreeMap;

use vimsim_registry::Transaction;
use vimsim_types::method::{
    VSANVcConvertToStretchedCluster, VSANVcGetPreferredFaultDomain, VSANVcGetWitnessHosts, VSANVcIsWitnessHost,
    VSANVcRemoveWitnessHost, VSANVcSetPreferredFaultDomain,
};
use vimsim_types::views::{
    ClusterComputeResource, HostSystem, InvalidState, VimClusterVSANPreferredFaultDomainInfo,
    VimClusterVSANStretchedClusterFaultDomainConfig, VimClusterVSANWitnessHostInfo,
    VimClusterVsanVcStretchedClusterSystem, VsanHostFaultDomainInfo,
};
use vimsim_types::{ArcStr, Fault, Items, Moref, View};

use crate::call::{Call, Look};
use crate::kind::Kind;

type System = VimClusterVsanVcStretchedClusterSystem;

pub(crate) fn kind() -> Kind<System> {
    Kind::new()
        .write(convert)
        .write(remove_witness)
        .write(set_preferred)
        .read(get_preferred)
        .read(get_witnesses)
        .read(is_witness)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<System>("vsan-stretched-cluster-system")
}

/// The stretched clusters.
#[derive(Clone, Default)]
struct Stretched(BTreeMap<ArcStr, Stretch>);

/// What makes a cluster a stretched one; its hosts know their fault domains themselves.
#[derive(Clone)]
struct Stretch {
    witness: Moref,
    domains: [ArcStr; 2],
    preferred: ArcStr,
}

fn stretch<'a>(look: &Look<'a, System>, cluster: &Moref) -> Result<Option<&'a Stretch>, Fault> {
    look.get::<ClusterComputeResource>(cluster)?;
    let known = look.snapshot().object(look.moref()).and_then(|object| object.private::<Stretched>());
    Ok(known.and_then(|known| known.0.get(cluster.value())))
}

fn stretched(transaction: &mut Transaction) -> Result<&mut BTreeMap<ArcStr, Stretch>, Fault> {
    Ok(&mut transaction.private::<Stretched>(&moref())?.0)
}

fn not_stretched(cluster: &Moref) -> Fault {
    Fault::new(InvalidState::new(), format!("{cluster} is no stretched cluster"))
}

/// Makes the cluster a stretched one: its hosts get their fault domains, and it gets its witness.
///
/// - `InvalidArgument` for fault domains without a name or of the same one, hosts that are not the cluster's, a witness
///   that is, and a preferred fault domain that is neither; `ManagedObjectNotFound`;
/// - `InvalidState` if it is a stretched cluster already, as a fault of the task.
// Fidelity: vCenter wants vSAN enabled, and each host in one of the fault domains. govc's suite stretches a cluster without
// vSAN, and names a host twice, which vcsim takes: the host is then in the second.
fn convert(call: &mut Call<'_, System>, request: VSANVcConvertToStretchedCluster) -> Result<Moref, Fault> {
    let (cluster, witness) = (request.cluster(), request.witness_host());
    let config = request.fault_domain_config();
    let preferred = request.preferred_fd();
    let domains = [config.first_fd_name().clone(), config.second_fd_name().clone()];
    if domains.iter().any(|name| name.is_empty()) || domains[0] == domains[1] {
        let why = "the two fault domains need a name each";
        return Err(Fault::invalid_argument("faultDomainConfig", why));
    }
    if !domains.contains(preferred) {
        return Err(Fault::invalid_argument("preferredFd", format!("'{preferred}' is no fault domain of the cluster")));
    }
    let hosts = call.get::<ClusterComputeResource>(&cluster)?.host();
    check_hosts(hosts, config)?;
    call.get::<HostSystem>(&witness)?;
    if hosts.contains(&witness) {
        return Err(Fault::invalid_argument("witnessHost", "the witness must not be a host of the cluster"));
    }
    let (config, preferred) = (config.clone(), preferred.clone());
    call.on::<ClusterComputeResource>(&cluster).start_task(move |call| {
        let known = stretched(call)?;
        if known.contains_key(cluster.value()) {
            return Err(Fault::new(InvalidState::new(), format!("{cluster} is a stretched cluster already")));
        }
        known.insert(cluster.value().clone(), Stretch { witness, domains: domains.clone(), preferred });
        for host in config.first_fd_hosts() {
            set_domain(call, &host, &domains[0])?;
        }
        for host in config.second_fd_hosts() {
            set_domain(call, &host, &domains[1])?;
        }
        Ok(())
    })
}

fn check_hosts(hosts: Items<'_, Moref>, config: &VimClusterVSANStretchedClusterFaultDomainConfig) -> Result<(), Fault> {
    for named in [config.first_fd_hosts(), config.second_fd_hosts()] {
        if named.is_empty() {
            return Err(Fault::invalid_argument("faultDomainConfig", "a fault domain has no hosts"));
        }
        if let Some(foreign) = named.iter().find(|host| !hosts.contains(host)) {
            let why = format!("{foreign} is not a host of the cluster");
            return Err(Fault::invalid_argument("faultDomainConfig", why));
        }
    }
    Ok(())
}

/// Says in which fault domain a host is.
fn set_domain(transaction: &mut Transaction, host: &Moref, name: &ArcStr) -> Result<(), Fault> {
    let config = transaction.edit::<HostSystem>(host)?.config_mut().vsan_host_config_mut();
    config.set_fault_domain_info(VsanHostFaultDomainInfo::with(|info| _ = info.set_name(name)));
    Ok(())
}

/// Takes the witness away, and with it makes the cluster an ordinary one. The hosts keep their fault domains, as in vCenter.
///
/// - `InvalidState` if it is none; `InvalidArgument` for another witness; as faults of the method.
fn remove_witness(call: &mut Call<'_, System>, request: VSANVcRemoveWitnessHost) -> Result<Moref, Fault> {
    let cluster = request.cluster();
    call.get::<ClusterComputeResource>(&cluster)?;
    let known = stretched(call)?.get(cluster.value()).ok_or_else(|| not_stretched(&cluster))?;
    if request.witness_host().is_some_and(|host| host != known.witness) {
        return Err(Fault::invalid_argument("witnessHost", "another host is the cluster's witness"));
    }
    call.on::<ClusterComputeResource>(&cluster).start_task(move |call| {
        stretched(call)?.remove(cluster.value());
        Ok(())
    })
}

/// Chooses the fault domain that works on when the two cannot reach each other.
///
/// - `InvalidState` if the cluster is no stretched one; `InvalidArgument` for a fault domain that it does not have.
fn set_preferred(call: &mut Call<'_, System>, request: VSANVcSetPreferredFaultDomain) -> Result<Moref, Fault> {
    let (cluster, preferred) = (request.cluster(), request.preferred_fd().clone());
    call.get::<ClusterComputeResource>(&cluster)?;
    let known = stretched(call)?.get(cluster.value()).ok_or_else(|| not_stretched(&cluster))?;
    if !known.domains.contains(&preferred) {
        return Err(Fault::invalid_argument("preferredFd", format!("'{preferred}' is no fault domain of the cluster")));
    }
    call.on::<ClusterComputeResource>(&cluster).start_task(move |call| {
        let known = stretched(call)?.get_mut(cluster.value()).ok_or_else(|| not_stretched(&cluster))?;
        known.preferred = preferred;
        Ok(())
    })
}

/// The preferred fault domain; none of a cluster that is no stretched one.
fn get_preferred(
    look: &Look<'_, System>,
    request: VSANVcGetPreferredFaultDomain,
) -> Result<Option<VimClusterVSANPreferredFaultDomainInfo>, Fault> {
    let cluster = request.cluster();
    Ok(stretch(look, &cluster)?.map(|stretch| {
        VimClusterVSANPreferredFaultDomainInfo::with(|info| {
            info.set_preferred_fault_domain_name(&stretch.preferred);
            info.set_preferred_fault_domain_id(domain_id(&cluster, &stretch.preferred));
        })
    }))
}

fn domain_id(cluster: &Moref, name: &str) -> String {
    crate::uuid::named(&format!("{cluster}/{name}")).to_string()
}

/// The witness, of a stretched cluster.
fn get_witnesses(
    look: &Look<'_, System>,
    request: VSANVcGetWitnessHosts,
) -> Result<Vec<VimClusterVSANWitnessHostInfo>, Fault> {
    let cluster = request.cluster();
    let Some(stretch) = stretch(look, &cluster)? else { return Ok(Vec::new()) };
    let node = look.snapshot().view::<HostSystem>(&stretch.witness).and_then(|host| host.hardware());
    let node = node.map(|hardware| hardware.system_info().uuid().clone()).unwrap_or_default();
    Ok(vec![VimClusterVSANWitnessHostInfo::with(|info| {
        info.set_node_uuid(node).set_host(stretch.witness.clone()).set_metadata_mode(false);
        info.set_preferred_fd_name(&stretch.preferred).set_preferred_fd_uuid(domain_id(&cluster, &stretch.preferred));
    })])
}

/// Whether the host is the witness of a cluster.
fn is_witness(look: &Look<'_, System>, request: VSANVcIsWitnessHost) -> Result<bool, Fault> {
    let host = request.host();
    look.get::<HostSystem>(&host)?;
    let known = look.snapshot().object(look.moref()).and_then(|object| object.private::<Stretched>());
    Ok(known.is_some_and(|known| known.0.values().any(|stretch| stretch.witness == host)))
}
