//! Resource pools and hosts that come, change and go, and the policies for storage.

use serde_json::{Value as Json, json};
use vimsim_types::enums::SharesLevel;
use vimsim_types::method::{
    AddStandaloneHostTask, CreateResourcePool, DestroyTask, DisconnectHostTask, PbmQueryProfile, PbmRetrieveContent,
    ReconnectHostTask, UpdateConfig,
};
use vimsim_types::views::{
    ComputeResource, Folder, HostConnectSpec, HostSystem, PbmProfile, PbmProfileId, PbmProfileProfileManager,
    PbmProfileResourceType, ResourceAllocationInfo, ResourceConfigSpec, ResourcePool, SharesInfo,
};
use vimsim_types::{EnumView, Moref, View};

use super::call::Call;
use super::{Answer, ErrorKind, RestError, Result};

fn spec(call: &Call) -> &Json {
    call.body.get("spec").unwrap_or(&call.body)
}

/// Creates a resource pool in another.
pub(super) async fn create_pool(call: &Call) -> Result {
    let wanted = spec(call);
    let parent = call.object::<ResourcePool>(wanted["parent"].as_str().unwrap_or_default())?;
    let mut config = ResourceConfigSpec::new();
    let usual = ResourceAllocationInfo::with(|allocation| {
        allocation.set_reservation(0).set_expandable_reservation(true).set_limit(-1);
        allocation.set_shares(SharesInfo::with(|shares| _ = shares.set_level(SharesLevel::Normal).set_shares(0)));
    });
    config.set_cpu_allocation(usual.clone()).set_memory_allocation(usual);
    allocate(config.cpu_allocation_mut(), &wanted["cpu_allocation"])?;
    allocate(config.memory_allocation_mut(), &wanted["memory_allocation"])?;
    let name = wanted["name"].as_str().unwrap_or_default();
    let request = CreateResourcePool::with(|request| _ = request.set_name(name).set_spec(config));
    let made = call.soap(&parent, request).await?;
    Ok(Answer::Created(json!(made.moref().map(|moref| moref.value().to_string()))))
}

/// Changes a resource pool.
pub(super) async fn update_pool(call: &Call, pool: &Moref) -> Result {
    let wanted = spec(call);
    let snapshot = call.service().snapshot();
    let view: &ResourcePool = snapshot.view(pool).ok_or_else(|| call.no_object(ResourcePool::TYPE, pool.value()))?;
    let mut config = view.config().clone();
    allocate(config.cpu_allocation_mut(), &wanted["cpu_allocation"])?;
    allocate(config.memory_allocation_mut(), &wanted["memory_allocation"])?;
    let request = UpdateConfig::with(|request| _ = request.set_name(wanted["name"].as_str()).set_config(config));
    call.soap(pool, request).await?;
    Ok(Answer::Nothing)
}

/// Takes over what is said of an allocation.
fn allocate(allocation: &mut ResourceAllocationInfo, wanted: &Json) -> Result<()> {
    if let Some(reservation) = wanted["reservation"].as_i64() {
        allocation.set_reservation(reservation);
    }
    if let Some(expandable) = wanted["expandable_reservation"].as_bool() {
        allocation.set_expandable_reservation(expandable);
    }
    if let Some(limit) = wanted["limit"].as_i64() {
        allocation.set_limit(limit);
    }
    if let Some(level) = wanted["shares"]["level"].as_str() {
        let known = SharesLevel::from_name(&level.to_lowercase());
        let known = known.ok_or_else(|| RestError::invalid(&"there is no such level of shares"))?;
        let number = wanted["shares"]["shares"].as_i64().and_then(|number| i32::try_from(number).ok());
        allocation.set_shares(SharesInfo::with(|shares| {
            shares.set_level(known).set_shares(number.unwrap_or_default());
        }));
    }
    Ok(())
}

/// Adds a host of its own; in the folder that is named.
pub(super) async fn create_host(call: &Call) -> Result {
    let wanted = spec(call);
    let folder = call.object::<Folder>(wanted["folder"].as_str().unwrap_or_default())?;
    let request = AddStandaloneHostTask::with(|request| {
        request.set_add_connected(true);
        request.set_spec(HostConnectSpec::with(|spec| {
            spec.set_host_name(wanted["hostname"].as_str()).set_user_name(wanted["user_name"].as_str());
            spec.set_password(wanted["password"].as_str()).set_force(wanted["force_add"] == true);
            spec.set_ssl_thumbprint(wanted["thumbprint"].as_str());
            spec.set_port(wanted["port"].as_i64().and_then(|port| i32::try_from(port).ok()));
        }));
    });
    let made = call.task(&folder, request).await?.moref();
    let snapshot = call.service().snapshot();
    let host = made.and_then(|moref| snapshot.view::<ComputeResource>(&moref)?.host().first());
    Ok(Answer::Created(json!(host.map(|host| host.value().to_string()))))
}

/// Takes a host away, or connects it; `NOT_ALLOWED_IN_CURRENT_STATE` for one in a cluster that works.
pub(super) async fn act_on_host(call: &Call, host: &Moref, action: Option<&str>) -> Result {
    match action {
        Some("connect") => call.task(host, ReconnectHostTask::new()).await?,
        Some("disconnect") => call.task(host, DisconnectHostTask::new()).await?,
        Some(_) => return Err(call.unknown()),
        None => {
            let snapshot = call.service().snapshot();
            let view: &HostSystem =
                snapshot.view(host).ok_or_else(|| call.no_object(HostSystem::TYPE, host.value()))?;
            // A host of its own goes with what it is in.
            let above = view.parent().filter(|parent| parent.kind() == ComputeResource::TYPE);
            call.task(above.as_ref().unwrap_or(host), DestroyTask::new()).await?
        }
    };
    Ok(Answer::Nothing)
}

/// The policies for storage.
pub(super) async fn policies(call: &Call) -> Result {
    let manager = Moref::of::<PbmProfileProfileManager>("ProfileManager");
    let request = PbmQueryProfile::with(|request| {
        request.set_resource_type(PbmProfileResourceType::with(|it| _ = it.set_resource_type("STORAGE")));
    });
    let ids = call.soap(&manager, request).await?;
    let ids: Vec<_> =
        ids.items().iter().filter_map(|it| it.object().and_then(PbmProfileId::from_ref).cloned()).collect();
    let request = PbmRetrieveContent::with(|request| _ = request.set_profile_ids(ids));
    let profiles = call.soap(&manager, request).await?;
    let wanted = call.wanted("policies");
    let mut shown = Vec::new();
    for profile in profiles.items().iter().filter_map(|it| it.object().and_then(PbmProfile::from_ref)) {
        let id = profile.profile_id().unique_id();
        if wanted.is_empty() || wanted.contains(&id.as_str()) {
            shown.push(json!({
                "policy": id.as_str(),
                "name": profile.name().as_str(),
                "description": profile.description().map(|it| it.to_string()).unwrap_or_default(),
            }));
        }
    }
    if shown.len() > 1024 {
        let message = "There are more than 1024 policies.";
        return Err(RestError::new(
            ErrorKind::UnableToAllocateResource,
            "com.vmware.api.vcenter.too_many_matches",
            message,
        ));
    }
    Ok(Answer::Value(json!(shown)))
}
