//! Typed views: newtypes over [`Object`] that the generated code declares with `views!`.
//!
//! This module and one function of `object.rs` have unsafe code: here, a `&Object` becomes a `&View`, which is sound because every view is a
//! `repr(transparent)` wrapper around an `Object` and adds no invariant that safety rests on: the accessors of a view read
//! slots with bounds and variant checks, so a view of the wrong type would read nonsense, not memory.
#![allow(unsafe_code)]

use crate::object::Object;
use crate::table::{Method, TypeId};

/// A typed view of an [`Object`].
///
/// # Safety
/// The implementing type must be a `repr(transparent)` newtype of `Object`. Only the `views!` macro implements it.
pub unsafe trait View: Sized + Clone + Into<Object> + 'static {
    /// The type this is a view of.
    const TYPE: TypeId;
    /// The last type derived from it.
    const LAST: TypeId;

    /// A new object of this type with nothing set.
    fn new() -> Self {
        Self::from_object_unchecked(Object::new(Self::TYPE))
    }

    /// A new object, filled in by `fill`.
    fn with(fill: impl FnOnce(&mut Self)) -> Self {
        let mut view = Self::new();
        fill(&mut view);
        view
    }

    /// Whether `kind` is this type or derived from it.
    #[inline]
    fn matches(kind: TypeId) -> bool {
        Self::TYPE <= kind && kind <= Self::LAST
    }

    /// The object as this type, if it is of it or derived from it.
    fn from_object(object: Object) -> Option<Self> {
        object.is::<Self>().then(|| Self::from_object_unchecked(object))
    }

    /// The object seen as this type, if it is of it or derived from it.
    #[inline]
    fn from_ref(object: &Object) -> Option<&Self> {
        object.is::<Self>().then(|| Self::from_ref_unchecked(object))
    }

    /// The object seen as this type, to change, if it is of it or derived from it.
    fn from_mut(object: &mut Object) -> Option<&mut Self> {
        object.is::<Self>().then(|| Self::from_mut_unchecked(object))
    }

    /// The object as this type, whatever it is.
    #[doc(hidden)]
    fn from_object_unchecked(object: Object) -> Self;

    /// The object seen as this type, whatever it is.
    #[doc(hidden)]
    #[inline]
    fn from_ref_unchecked(object: &Object) -> &Self {
        // SAFETY: `Self` is a transparent wrapper of `Object` (the contract of this trait).
        unsafe { &*std::ptr::from_ref(object).cast::<Self>() }
    }

    /// The object seen as this type, to change, whatever it is.
    #[doc(hidden)]
    #[inline]
    fn from_mut_unchecked(object: &mut Object) -> &mut Self {
        // SAFETY: `Self` is a transparent wrapper of `Object` (the contract of this trait).
        unsafe { &mut *std::ptr::from_mut(object).cast::<Self>() }
    }

    /// The object behind the view.
    #[inline]
    fn as_object(&self) -> &Object {
        // SAFETY: `Self` is a transparent wrapper of `Object` (the contract of this trait).
        unsafe { &*std::ptr::from_ref(self).cast::<Object>() }
    }

    /// The object behind the view, to change.
    #[inline]
    fn as_object_mut(&mut self) -> &mut Object {
        // SAFETY: `Self` is a transparent wrapper of `Object` (the contract of this trait).
        unsafe { &mut *std::ptr::from_mut(self).cast::<Object>() }
    }

    /// This object seen as a derived (or base) type, if it is one.
    #[inline]
    fn downcast<V: View>(&self) -> Option<&V> {
        V::from_ref(self.as_object())
    }

    /// This object seen as a derived (or base) type, to change, if it is one.
    fn downcast_mut<V: View>(&mut self) -> Option<&mut V> {
        V::from_mut(self.as_object_mut())
    }
}

/// An enumeration of the API.
pub trait EnumView: Sized + Copy + 'static {
    /// The type this is.
    const TYPE: TypeId;
    /// All values, in declared order.
    const ALL: &'static [Self];

    /// The value's place in the declared order.
    fn index(self) -> u16;

    /// The value's name on the wire.
    fn name(self) -> &'static str {
        Self::TYPE.info().values[usize::from(self.index())]
    }

    /// The value of this name.
    fn from_name(name: &str) -> Option<Self> {
        Self::TYPE.info().values.iter().position(|known| *known == name).map(|index| Self::ALL[index])
    }
}

/// The parameters of a method; the type stands for the method.
pub trait MethodView: View {
    /// The method's name on the wire.
    const NAME: &'static str;

    /// The method's row in the table.
    fn method() -> &'static Method {
        Method::find(Self::TYPE.info().namespace, Self::NAME).expect("generated from the same schema")
    }
}

/// `views! { Name: Base, id, last; ... }` declares views.
macro_rules! views {
    ($($name:ident: $base:ty, $id:literal, $last:literal;)*) => {$(
        #[doc = concat!("A view of `", stringify!($name), "`.")]
        #[derive(Clone)]
        #[repr(transparent)]
        pub struct $name($base);

        // SAFETY: transparent over a transparent chain that ends in `Object`.
        #[allow(unsafe_code)]
        unsafe impl $crate::view::View for $name {
            const TYPE: $crate::table::TypeId = $crate::table::TypeId($id);
            const LAST: $crate::table::TypeId = $crate::table::TypeId($last);
            #[inline]
            fn from_object_unchecked(object: $crate::object::Object) -> Self {
                Self($crate::view::wrap(object))
            }
        }

        impl std::ops::Deref for $name {
            type Target = $base;
            #[inline]
            fn deref(&self) -> &$base {
                &self.0
            }
        }

        impl std::ops::DerefMut for $name {
            #[inline]
            fn deref_mut(&mut self) -> &mut $base {
                &mut self.0
            }
        }

        impl From<$name> for $crate::object::Object {
            #[inline]
            fn from(view: $name) -> Self {
                view.0.into()
            }
        }
    )*};
}
pub(crate) use views;

/// What the innermost field of a view is made from: the object itself, or the view of the base.
pub(crate) trait Wrap {
    fn wrap(object: Object) -> Self;
}

impl Wrap for Object {
    #[inline]
    fn wrap(object: Object) -> Self {
        object
    }
}

impl<V: View> Wrap for V {
    #[inline]
    fn wrap(object: Object) -> Self {
        V::from_object_unchecked(object)
    }
}

#[inline]
pub(crate) fn wrap<W: Wrap>(object: Object) -> W {
    W::wrap(object)
}
