//! What the property collector sees of the managed objects.

use std::borrow::Cow;

use vimsim_types::{Fault, Moref, Object, Value};

/// The managed objects at one moment, as one caller sees them.
///
/// An owner of plain stored objects implements [`World::object`] alone; the other methods are for properties that are
/// computed and for permissions, and cost nothing where they are left out.
pub trait World {
    /// The stored properties of a managed object: one slot for each property of its type. `None` if there is no such
    /// object, or the caller may not know of it.
    fn object(&self, moref: &Moref) -> Option<&Object>;

    /// For an object that has computed properties, such as a view's `view` or a session manager's `currentSession`: a
    /// number that is another one whenever the value of one of them may be another one. `None`, for nearly all objects,
    /// says that all properties are stored.
    fn stamp(&self, moref: &Moref, object: &Object) -> Option<u64> {
        let _ = (moref, object);
        None
    }

    /// The value of a property of an object that has a [`World::stamp`]; asked only for properties that are looked at.
    fn property(&self, moref: &Moref, object: &Object, slot: usize) -> Value {
        let _ = moref;
        object.get(slot).clone()
    }

    /// The value of a property that is not stored because it follows from the object's stored ones and its
    /// reference, and from nothing else;
    /// `None` for any other.
    fn follows(&self, moref: &Moref, object: &Object, slot: usize) -> Option<Value> {
        let _ = (moref, object, slot);
        None
    }

    /// Whether the caller may read a property; else why not (`NoPermission`, `NotAuthenticated`), which is reported in
    /// the object's `missingSet`.
    fn readable(&self, moref: &Moref, object: &Object, slot: usize) -> Result<(), Fault> {
        let _ = (moref, object, slot);
        Ok(())
    }
}

/// The object with the computed ones among these properties filled in.
pub(crate) fn see<'w>(
    world: &'w (impl World + ?Sized),
    moref: &Moref,
    object: &'w Object,
    slots: &[usize],
) -> Cow<'w, Object> {
    let is_stamped = world.stamp(moref, object).is_some();
    let mut seen = Cow::Borrowed(object);
    for &slot in slots {
        let value = match is_stamped {
            true => Some(world.property(moref, object, slot)),
            false => world.follows(moref, object, slot),
        };
        if let Some(value) = value {
            seen.to_mut().set(slot, value);
        }
    }
    seen
}
