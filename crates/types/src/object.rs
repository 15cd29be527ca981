//! Objects: a type and a slot for each of its fields.

use std::sync::OnceLock;

use triomphe::Arc;

use crate::generated::tables;
use crate::moref::Moref;
use crate::table::TypeId;
use crate::value::{UNSET, Value};
use crate::view::View;

/// A data object, the properties of a managed object, or the parameters of a method. Shared until it is changed.
#[derive(Clone, Debug)]
pub struct Object(Arc<Body>);

#[derive(Clone, Debug)]
struct Body {
    kind: TypeId,
    slots: Box<[Value]>,
}

impl Object {
    /// An object of this type with nothing set. One such object is shared by all.
    pub fn new(kind: TypeId) -> Self {
        Self::empty(kind).clone()
    }

    /// The shared object of this type with nothing set.
    pub fn empty(kind: TypeId) -> &'static Object {
        static EMPTY: [OnceLock<Object>; tables::TYPES.len()] = [const { OnceLock::new() }; tables::TYPES.len()];
        EMPTY[kind.index()].get_or_init(|| {
            let slots = vec![Value::Unset; usize::from(kind.info().field_count)].into();
            Object(Arc::new(Body { kind, slots }))
        })
    }

    /// The object's dynamic type.
    #[inline]
    pub fn kind(&self) -> TypeId {
        self.0.kind
    }

    /// One value for each field of the type, in wire order.
    #[inline]
    pub fn slots(&self) -> &[Value] {
        &self.0.slots
    }

    /// The slots, to change; copies the object (not what is behind it) if it is shared.
    #[inline]
    pub fn slots_mut(&mut self) -> &mut [Value] {
        &mut Arc::make_mut(&mut self.0).slots
    }

    /// The value in a slot; unset for a slot that the type does not have.
    #[inline]
    pub fn get(&self, slot: usize) -> &Value {
        self.0.slots.get(slot).unwrap_or(&UNSET)
    }

    /// Sets a slot of the type; leaves the object shared if that changes nothing.
    #[inline]
    pub fn set(&mut self, slot: usize, value: Value) {
        if !self.0.slots[slot].same(&value) {
            self.slots_mut()[slot] = value;
        }
    }

    /// The value of the field with this name; unset where there is none.
    pub fn field(&self, name: &str) -> &Value {
        self.kind().info().slot(name).map_or(&UNSET, |slot| self.get(slot))
    }

    /// Whether the dynamic type is `V` or derived from it.
    #[inline]
    pub fn is<V: View>(&self) -> bool {
        V::matches(self.kind())
    }

    /// Whether both are the same object in memory.
    pub fn same(&self, other: &Object) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// All references in this object and the objects in it.
    pub fn morefs(&self, found: &mut Vec<Moref>) {
        fn visit(value: &Value, found: &mut Vec<Moref>) {
            match value {
                Value::Object(object) => object.morefs(found),
                Value::List(list) => list.items().iter().for_each(|item| visit(item, found)),
                _ => found.extend(value.moref()),
            }
        }
        self.slots().iter().for_each(|value| visit(value, found));
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || (self.kind() == other.kind() && self.slots() == other.slots())
    }
}
