//! `PbmServiceInstance`: what the endpoint of storage policies, `/pbm`, begins with.

use vimsim_types::method::PbmRetrieveServiceContent;
use vimsim_types::views::{
    PbmAboutInfo, PbmCapabilityMetadataManager, PbmComplianceManager, PbmPlacementSolver, PbmReplicationManager,
    PbmServiceInstance, PbmServiceInstanceContent, PbmSessionManager,
};
use vimsim_types::{Fault, Moref, Object, View};

use super::pbm_profile_manager;
use crate::call::{Context, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<PbmServiceInstance> {
    Kind::new().read(retrieve_service_content)
}

/// The identifier by which it is kept. Clients call it `ServiceInstance`, as they do that of vSphere itself.
pub(crate) fn moref() -> Moref {
    Moref::of::<PbmServiceInstance>("PbmServiceInstance")
}

/// The service instance and the managers that have nothing to say of themselves.
pub(crate) fn objects(context: &Context) -> Vec<(Moref, Object)> {
    let instance = PbmServiceInstance::with(|instance| _ = instance.set_content(content(context)));
    let content = instance.content();
    let managers = [
        content.session_manager(),
        content.capability_metadata_manager(),
        content.compliance_manager(),
        content.placement_solver(),
        content.profile_manager(),
    ];
    let managers = managers.into_iter().chain(content.replication_manager());
    let mut objects: Vec<(Moref, Object)> = managers.map(|it| (it.clone(), Object::new(it.kind()))).collect();
    objects.push((moref(), instance.into()));
    objects
}

fn content(context: &Context) -> PbmServiceInstanceContent {
    PbmServiceInstanceContent::with(|content| {
        content.set_about_info(PbmAboutInfo::with(|about| {
            about.set_name("PBM").set_version("2.0");
            about.set_instance_uuid(crate::uuid::named(&format!("PBM/{}", context.service.claimed_version())));
        }));
        content.set_session_manager(Moref::of::<PbmSessionManager>("PbmSessionManager"));
        content.set_capability_metadata_manager(Moref::of::<PbmCapabilityMetadataManager>("CapabilityMetadataManager"));
        content.set_profile_manager(pbm_profile_manager::moref());
        content.set_compliance_manager(Moref::of::<PbmComplianceManager>("complianceManager"));
        content.set_placement_solver(Moref::of::<PbmPlacementSolver>("placementSolver"));
        content.set_replication_manager(Moref::of::<PbmReplicationManager>("ReplicationManager"));
    })
}

/// Who the service is, and where its managers are.
fn retrieve_service_content(
    look: &Look<'_, PbmServiceInstance>,
    _: PbmRetrieveServiceContent,
) -> Result<PbmServiceInstanceContent, Fault> {
    Ok(look.this()?.content().clone())
}
