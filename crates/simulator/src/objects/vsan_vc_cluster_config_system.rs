//! `VsanVcClusterConfigSystem`: what vSAN is configured to do in a cluster. It is one of the managed objects of vSAN's own
//! endpoint, `/vsanHealth`.
//!
//! What `ClusterConfigInfoEx.vsanConfigInfo` has is read and written there; what only this service knows is kept here.

use std::collections::BTreeMap;

use vimsim_types::method::{VsanClusterGetConfig, VsanClusterReconfig};
use vimsim_types::views::{
    ClusterComputeResource, ClusterConfigInfoEx, ClusterConfigSpecEx, VsanConfigInfoEx, VsanVcClusterConfigSystem,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::cluster_compute_resource;
use crate::call::{Call, Look};
use crate::kind::Kind;

type System = VsanVcClusterConfigSystem;

/// What was configured, by the cluster's identifier.
#[derive(Clone, Default)]
struct Configured(BTreeMap<ArcStr, VsanConfigInfoEx>);

pub(crate) fn kind() -> Kind<System> {
    Kind::new().read(get_config).write(reconfigure)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<System>("vsan-cluster-config-system")
}

/// What vSAN is configured to do in a cluster.
///
/// - `ManagedObjectNotFound` if there is no such cluster.
fn get_config(look: &Look<'_, System>, request: VsanClusterGetConfig) -> Result<VsanConfigInfoEx, Fault> {
    let cluster = request.cluster();
    let basic = look.get::<ClusterComputeResource>(&cluster)?.configuration_ex();
    let basic = basic.downcast::<ClusterConfigInfoEx>().and_then(|config| config.vsan_config_info());
    let kept = look.snapshot().object(look.moref()).and_then(|object| object.private::<Configured>());
    let mut config = kept.and_then(|kept| kept.0.get(cluster.value()).cloned()).unwrap_or_else(VsanConfigInfoEx::new);
    if let Some(basic) = basic {
        config.set_enabled(basic.enabled());
        if let Some(default) = basic.default_config() {
            config.set_default_config(default.clone());
        }
    }
    if config.default_config().is_none_or(|default| default.uuid().is_none()) {
        config.default_config_mut().set_uuid(crate::uuid::named(&format!("vsan/{cluster}")));
    }
    Ok(config)
}

/// Changes what vSAN is configured to do in a cluster: what the specification has over what there is.
///
/// - `ManagedObjectNotFound` if there is no such cluster; as faults of the task, those of `ReconfigureComputeResource_Task`
///   for `vsanConfig`.
fn reconfigure(call: &mut Call<'_, System>, request: VsanClusterReconfig) -> Result<Moref, Fault> {
    let cluster = request.cluster();
    call.get::<ClusterComputeResource>(&cluster)?;
    call.start_task(move |call| {
        let (cluster, spec) = (request.cluster(), request.vsan_reconfig_spec());
        if let Some(basic) = spec.vsan_cluster_config() {
            let wanted = ClusterConfigSpecEx::with(|wanted| _ = wanted.set_vsan_config(basic.clone()));
            cluster_compute_resource::change(&mut call.on::<ClusterComputeResource>(&cluster), &wanted)?;
        }
        let this = call.moref();
        let Configured(all) = call.private::<Configured>(&this)?;
        let config = all.entry(cluster.value().clone()).or_insert_with(VsanConfigInfoEx::new);
        let fields = spec.as_object().kind().info().fields();
        for (field, value) in fields.iter().zip(spec.as_object().slots()) {
            let slot = config.as_object().kind().info().slot(field.name);
            // What both have by the same name is configured and answered alike.
            if let Some(slot) = slot.filter(|_| !value.is_unset()) {
                config.as_object_mut().set(slot, value.clone());
            }
        }
        Ok(())
    })
}
