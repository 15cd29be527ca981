//! One managed object at one version.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use vimsim_types::{ArcStr, Moref, Object, View};

/// A managed object: its reference, its properties, and what its behaviour keeps beside them.
#[derive(Clone)]
pub struct ManagedObject {
    moref: Moref,
    properties: Object,
    private: Option<Arc<dyn Any + Send + Sync>>,
    session: Option<ArcStr>,
}

impl ManagedObject {
    pub(crate) fn new(moref: Moref, properties: Object, session: Option<ArcStr>) -> Self {
        Self { moref, properties, private: None, session }
    }

    /// The object's reference.
    #[inline]
    pub fn moref(&self) -> &Moref {
        &self.moref
    }

    /// The object's stored properties: one slot for each property of its type.
    #[inline]
    pub fn properties(&self) -> &Object {
        &self.properties
    }

    /// The session that alone can see this object (a view, a filter), by its key; `None` for the inventory.
    #[inline]
    pub fn session(&self) -> Option<&ArcStr> {
        self.session.as_ref()
    }

    /// The properties as the view `T`, if the object is a `T`.
    #[inline]
    pub fn view<T: View>(&self) -> Option<&T> {
        T::from_ref(&self.properties)
    }

    /// What the object's behaviour keeps beside its properties, if it has kept a `T`.
    #[inline]
    pub fn private<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.private.as_ref()?.downcast_ref()
    }

    pub(crate) fn properties_mut(&mut self) -> &mut Object {
        &mut self.properties
    }

    pub(crate) fn private_mut<T: Any + Send + Sync + Clone + Default>(&mut self) -> &mut T {
        let kept = self.private.take().and_then(|private| private.downcast::<T>().ok()).unwrap_or_default();
        let private = self.private.insert(kept);
        // The place now holds a `T`. Copy it if a snapshot still shares it.
        if Arc::get_mut(private).is_none() {
            let copy: T = private.downcast_ref::<T>().cloned().unwrap_or_default();
            *private = Arc::new(copy);
        }
        Arc::get_mut(private)
            .and_then(|private| private.downcast_mut())
            .expect("the place holds an unshared value of this type")
    }

    /// Whether nothing in it differs, by pointers.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let private = match (&self.private, &other.private) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        private && self.properties.same(&other.properties)
    }
}

impl fmt::Debug for ManagedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.moref, f)
    }
}
