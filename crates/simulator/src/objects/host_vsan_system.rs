//! `HostVsanSystem`: a host's part in the vSAN of its cluster.

use vimsim_types::enums::{VsanHostHealthState, VsanHostNodeState};
use vimsim_types::method::QueryHostStatus;
use vimsim_types::views::{ComputeResource, HostSystem, HostVsanSystem, VsanHostClusterStatus};
use vimsim_types::{EnumView, Fault, Moref, View};

use super::host_managers::{host_seen, look_host};
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostVsanSystem> {
    Kind::new().read(query_host_status)
}

/// What the host is in its vSAN cluster: the first of the cluster's hosts leads, the second stands in for it. A host where
/// vSAN is off is in none, and nothing is known of its health.
fn query_host_status(look: &Look<'_, HostVsanSystem>, _: QueryHostStatus) -> Result<VsanHostClusterStatus, Fault> {
    look_host(look)?;
    let snapshot = look.snapshot();
    let node = |host: &Moref| {
        let hardware = snapshot.view::<HostSystem>(host)?.hardware()?;
        Some(hardware.system_info().uuid().clone())
    };
    let this = host_seen(snapshot, look.moref());
    let host = this.as_ref().and_then(|host| snapshot.view::<HostSystem>(host));
    let vsan = host.and_then(|host| host.config()?.vsan_host_config()).filter(|vsan| vsan.enabled() == Some(true));
    let cluster = host.and_then(|host| host.parent()).and_then(|parent| snapshot.view::<ComputeResource>(&parent));
    Ok(VsanHostClusterStatus::with(|status| {
        status.set_node_uuid(this.as_ref().and_then(node));
        let Some((vsan, cluster)) = vsan.zip(cluster) else {
            status.set_health(VsanHostHealthState::Unknown.name());
            status.node_state_mut().set_state(VsanHostNodeState::Disabled.name());
            return;
        };
        let place = cluster.host().iter().position(|host| this.as_ref() == Some(&host));
        let state = match place {
            Some(0) => VsanHostNodeState::Master,
            Some(1) => VsanHostNodeState::Backup,
            _ => VsanHostNodeState::Agent,
        };
        status.set_uuid(vsan.cluster_info().and_then(|cluster| cluster.uuid()).cloned());
        status.set_health(VsanHostHealthState::Healthy.name());
        status.node_state_mut().set_state(state.name());
        status.set_member_uuid(cluster.host().iter().filter_map(|host| node(&host)));
    }))
}
