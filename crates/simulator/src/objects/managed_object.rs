//! `ManagedObject`: what every managed object answers.

use vimsim_property::{Path, World};
use vimsim_types::method::Fetch;
use vimsim_types::views::ManagedObject;
use vimsim_types::{Fault, Value};

use super::property_collector::SessionWorld;
use crate::call::{Look, not_found};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ManagedObject> {
    Kind::new().read(fetch)
}

/// Reads one property. pyVmomi does this for every attribute.
///
/// - `InvalidProperty` if the object has no such property; the fault that says why if the caller may not read it.
fn fetch(look: &Look<'_, ManagedObject>, request: Fetch) -> Result<Value, Fault> {
    let world = SessionWorld::new(look.snapshot(), look.context());
    let object = world.object(look.moref()).ok_or_else(|| not_found(look.moref()))?;
    let path = Path::compile(request.prop(), object.kind(), look.context().version)?;
    world.readable(look.moref(), object, path.slot())?;
    if world.stamp(look.moref(), object).is_none() && world.follows(look.moref(), object, path.slot()).is_none() {
        return Ok(path.get(object).into_owned());
    }
    let mut seen = object.clone();
    seen.set(path.slot(), world.property(look.moref(), object, path.slot()));
    Ok(path.get(&seen).into_owned())
}
