//! `LicenseAssignmentManager`: which licence goes where.

use std::collections::BTreeMap;

use vimsim_types::method::{QueryAssignedLicenses, RemoveAssignedLicense, UpdateAssignedLicense};
use vimsim_types::views::{
    ClusterComputeResource, HostSystem, LicenseAssignmentManager, LicenseAssignmentManagerLicenseAssignment,
    LicenseEntityNotFound, LicenseManagerLicenseInfo, ManagedEntity, ServiceInstance,
};
use vimsim_types::{ArcStr, Fault, View};

use super::{license_manager, service_instance};
use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<LicenseAssignmentManager> {
    Kind::new().write(update_assigned_license).write(remove_assigned_license).read(query_assigned_licenses)
}

/// The licences that were assigned, by entity; all others are evaluated.
#[derive(Clone, Default)]
pub(super) struct Assigned(pub(super) BTreeMap<ArcStr, ArcStr>);

/// The identifier of the server itself.
fn server(inventory: &impl Inventory) -> ArcStr {
    let instance = inventory.seen::<ServiceInstance>(&service_instance::moref());
    instance.and_then(|instance| instance.content().about().instance_uuid().cloned()).unwrap_or_default()
}

/// The name of something that can have a licence: the server, a host or a cluster.
fn licensed(inventory: &impl Inventory, id: &str) -> Option<ArcStr> {
    if id == server(inventory) {
        return Some("vimsim".into());
    }
    let object = inventory.find_value(id)?;
    let has_license = object.moref().is::<HostSystem>() || object.moref().is::<ClusterComputeResource>();
    object.view::<ManagedEntity>().filter(|_| has_license).map(|entity| entity.name().clone())
}

/// - `LicenseEntityNotFound` unless this is the server, a host or a cluster.
fn check_entity(inventory: &impl Inventory, id: &str) -> Result<ArcStr, Fault> {
    licensed(inventory, id).ok_or_else(|| {
        let detail = LicenseEntityNotFound::with(|fault| _ = fault.set_entity_id(id));
        Fault::new(detail, format!("'{id}' is nothing that can have a license"))
    })
}

/// Assigns a licence, which is added if it is not known; the key of evaluation mode takes it away again.
///
/// - `LicenseEntityNotFound`; `InvalidArgument` for a key that is none.
fn update_assigned_license(
    call: &mut Call<'_, LicenseAssignmentManager>,
    request: UpdateAssignedLicense,
) -> Result<LicenseManagerLicenseInfo, Fault> {
    let inventory: &vimsim_registry::Transaction = call;
    check_entity(inventory, request.entity())?;
    let license = license_manager::add(call, request.license_key())?;
    let this = call.moref();
    let assigned = &mut call.private::<Assigned>(&this)?.0;
    if license.license_key() == license_manager::EVALUATION_KEY {
        assigned.remove(request.entity());
    } else {
        assigned.insert(request.entity().clone(), license.license_key().clone());
    }
    Ok(license)
}

/// Takes the licence of an entity away: it is evaluated.
///
/// - `LicenseEntityNotFound`
fn remove_assigned_license(
    call: &mut Call<'_, LicenseAssignmentManager>,
    request: RemoveAssignedLicense,
) -> Result<(), Fault> {
    let inventory: &vimsim_registry::Transaction = call;
    check_entity(inventory, request.entity_id())?;
    let this = call.moref();
    call.private::<Assigned>(&this)?.0.remove(request.entity_id());
    Ok(())
}

/// The licences of one entity, or of the server and every host and cluster.
fn query_assigned_licenses(
    look: &Look<'_, LicenseAssignmentManager>,
    request: QueryAssignedLicenses,
) -> Result<Vec<LicenseAssignmentManagerLicenseAssignment>, Fault> {
    let snapshot = look.snapshot();
    let server = server(snapshot);
    let mut entities: Vec<ArcStr> = match request.entity_id().filter(|id| !id.is_empty()) {
        Some(id) => vec![id.clone()],
        None => snapshot.objects().map(|object| object.moref().value().clone()).chain([server.clone()]).collect(),
    };
    entities.retain(|id| licensed(snapshot, id).is_some());
    // The server first, then in the order in which they came.
    entities.sort_by_key(|id| (*id != server, id.len(), id.clone()));
    let assigned = snapshot.object(look.moref()).and_then(|object| object.private::<Assigned>());
    let assignment = |id: &ArcStr| {
        let key = assigned.and_then(|assigned| assigned.0.get(id));
        let license = license_manager::known(snapshot, key.map_or(license_manager::EVALUATION_KEY, |key| key))?;
        Some(LicenseAssignmentManagerLicenseAssignment::with(|assignment| {
            assignment.set_entity_id(id).set_entity_display_name(licensed(snapshot, id));
            assignment.set_scope((*id != server).then_some(&server));
            assignment.set_assigned_license(license);
        }))
    };
    Ok(entities.iter().filter_map(assignment).collect())
}
