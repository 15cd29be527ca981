//! What selections hold now.

use rustc_hash::FxHashMap;
use vimsim_types::views::{DynamicProperty, MissingProperty, ObjectContent};
use vimsim_types::{Fault, Moref, Object, View};

use crate::path::{Path, invalid_property};
use crate::selection::{Plans, Selection};
use crate::walk::Walk;
use crate::world::World;

/// The objects that the selections hold, with the properties that they ask for, first selected first.
///
/// A property that has no value is left out; one that the caller may not read is in the object's `missingSet`. An object
/// that several selections hold comes once, with the properties of all (API reference, `PropertySpec`).
///
/// Fails with `ManagedObjectNotFound` if an object that a selection starts from is not there; one that reports missing
/// objects leaves it out.
pub fn retrieve(world: &(impl World + ?Sized), selections: &[Selection]) -> Result<Vec<ObjectContent>, Fault> {
    let mut contents: Vec<ObjectContent> = Vec::new();
    let mut index: FxHashMap<Moref, usize> = FxHashMap::default();
    for selection in selections {
        selection.check(world)?;
        Walk::new(world, selection, &mut Plans::default(), |moref, object, plan| {
            let Some(paths) = &plan.paths else { return };
            let known = match selections {
                [_] => contents.len(),
                _ => *index.entry(moref.clone()).or_insert(contents.len()),
            };
            match contents.get_mut(known) {
                Some(content) => {
                    let paths = paths.iter().filter(|path| !holds(content, path)).cloned().collect::<Vec<_>>();
                    fill(content, world, moref, object, &paths);
                }
                None => contents.push(ObjectContent::with(|content| {
                    content.set_obj(moref.clone());
                    fill(content, world, moref, object, paths);
                })),
            }
            for text in &plan.unknown {
                contents[known].push_missing_set(missing(text, &invalid_property(text)));
            }
        });
    }
    Ok(contents)
}

/// Adds these properties of the object.
fn fill(content: &mut ObjectContent, world: &(impl World + ?Sized), moref: &Moref, object: &Object, paths: &[Path]) {
    for path in paths {
        if let Err(fault) = world.readable(moref, object, path.slot()) {
            content.push_missing_set(missing(path.name(), &fault));
            continue;
        }
        let value = path.get(object);
        if !value.is_unset() {
            content.push_prop_set(DynamicProperty::with(|property| {
                property.set_name(path.name()).set_val(value.into_owned());
            }));
        }
    }
}

/// Whether another selection put this property into the content.
fn holds(content: &ObjectContent, path: &Path) -> bool {
    content.prop_set().iter().any(|property| property.name() == path.name())
        || content.missing_set().iter().any(|missing| missing.path() == path.name())
}

/// A `MissingProperty`.
pub(crate) fn missing(path: &str, fault: &Fault) -> MissingProperty {
    MissingProperty::with(|missing| {
        missing.set_path(path).set_fault(fault.localized());
    })
}
