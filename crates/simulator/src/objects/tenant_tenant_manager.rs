//! `TenantManager`: the entities that belong to the provider of the service, and not to its tenants.

use vimsim_types::method::{
    MarkServiceProviderEntities, RetrieveServiceProviderEntities, UnmarkServiceProviderEntities,
};
use vimsim_types::views::{ManagedEntity, TenantTenantManager};
use vimsim_types::{Fault, Moref};

use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<TenantTenantManager> {
    Kind::new().write(mark_service_provider_entities).write(unmark_service_provider_entities).read(retrieve)
}

/// The entities that are marked, in the order in which they were.
#[derive(Clone, Default)]
struct Marked(Vec<Moref>);

/// Marks entities as the provider's.
///
/// - `ManagedObjectNotFound` for an entity that is not there.
fn mark_service_provider_entities(
    call: &mut Call<'_, TenantTenantManager>,
    request: MarkServiceProviderEntities,
) -> Result<(), Fault> {
    let this = call.moref();
    for entity in request.entity() {
        call.get::<ManagedEntity>(&entity)?;
        let marked = &mut call.private::<Marked>(&this)?.0;
        if !marked.contains(&entity) {
            marked.push(entity);
        }
    }
    Ok(())
}

/// Takes the mark off entities.
///
/// - `ManagedObjectNotFound` for an entity that is not there.
fn unmark_service_provider_entities(
    call: &mut Call<'_, TenantTenantManager>,
    request: UnmarkServiceProviderEntities,
) -> Result<(), Fault> {
    let this = call.moref();
    for entity in request.entity() {
        call.get::<ManagedEntity>(&entity)?;
        call.private::<Marked>(&this)?.0.retain(|marked| *marked != entity);
    }
    Ok(())
}

/// The entities that are marked, as far as they are there still.
fn retrieve(look: &Look<'_, TenantTenantManager>, _: RetrieveServiceProviderEntities) -> Result<Vec<Moref>, Fault> {
    let object = look.snapshot().object(look.moref());
    let marked = object.and_then(|object| object.private::<Marked>()).map(|marked| marked.0.clone());
    let mut marked = marked.unwrap_or_default();
    marked.retain(|entity| look.snapshot().object(entity).is_some());
    Ok(marked)
}
