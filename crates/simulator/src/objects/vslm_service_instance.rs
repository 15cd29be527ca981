//! `VslmServiceInstance`: what the service of first class disks, `/vslm/sdk`, begins with.

use vimsim_types::method::RetrieveContent;
use vimsim_types::views::{
    VslmAboutInfo, VslmServiceInstance, VslmServiceInstanceContent, VslmSessionManager, VslmStorageLifecycleManager,
};
use vimsim_types::{Fault, Moref, Object, View};

use super::vslm_v_storage_object_manager;
use crate::call::{Context, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<VslmServiceInstance> {
    Kind::new().read(retrieve_content)
}

/// The identifier by which it is kept. Clients call it `ServiceInstance`, as they do that of vSphere itself.
pub(crate) fn moref() -> Moref {
    Moref::of::<VslmServiceInstance>("VslmServiceInstance")
}

/// The service instance and what it refers to.
pub(crate) fn objects(context: &Context) -> Vec<(Moref, Object)> {
    let instance = VslmServiceInstance::with(|instance| _ = instance.set_content(content(context)));
    let content = instance.content();
    let managers = [content.session_manager(), content.v_storage_object_manager(), content.storage_lifecycle_manager()];
    let mut objects: Vec<(Moref, Object)> = managers.map(|it| (it.clone(), Object::new(it.kind()))).into();
    objects.push((moref(), instance.into()));
    objects
}

fn content(context: &Context) -> VslmServiceInstanceContent {
    VslmServiceInstanceContent::with(|content| {
        content.set_about_info(VslmAboutInfo::with(|about| {
            about.set_name("VMware Virtual Storage Lifecycle Manager Service");
            about.set_full_name("VMware Virtual Storage Lifecycle Manager Service 1.0.0");
            about.set_vendor("VMware, Inc.").set_api_version("1.0.0");
            about.set_instance_uuid(crate::uuid::named(&format!("VSLM/{}", context.service.claimed_version())));
        }));
        content.set_session_manager(Moref::of::<VslmSessionManager>("VslmSessionManager"));
        content.set_v_storage_object_manager(vslm_v_storage_object_manager::moref());
        let manager = Moref::of::<VslmStorageLifecycleManager>("VslmStorageLifecycleManager");
        content.set_storage_lifecycle_manager(manager);
    })
}

/// Who the service is, and where its managers are.
fn retrieve_content(
    look: &Look<'_, VslmServiceInstance>,
    _: RetrieveContent,
) -> Result<VslmServiceInstanceContent, Fault> {
    Ok(look.this()?.content().clone())
}
