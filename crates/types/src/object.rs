//! Objects: a type and a slot for each of its fields.

use std::sync::OnceLock;

use triomphe::{Arc, ThinArc};

use crate::generated::tables;
use crate::moref::Moref;
use crate::table::TypeId;
use crate::value::{UNSET, Value};
use crate::view::View;

/// A data object, the properties of a managed object, or the parameters of a method. Shared until it is changed.
///
/// One allocation holds the type and the slots. A compact object leaves out the last slots, if they are optional and unset.
#[derive(Clone, Debug)]
pub struct Object(ThinArc<TypeId, Value>);

impl Object {
    /// An object of this type with nothing set. One such object is shared by all.
    pub fn new(kind: TypeId) -> Self {
        Self::empty(kind).clone()
    }

    /// The shared object of this type with nothing set.
    pub fn empty(kind: TypeId) -> &'static Object {
        static EMPTY: [OnceLock<Object>; tables::TYPES.len()] = [const { OnceLock::new() }; tables::TYPES.len()];
        EMPTY[kind.index()].get_or_init(|| Self::of(kind, kind.info().field_count.into(), |_| Value::Unset))
    }

    fn of(kind: TypeId, count: usize, value: impl FnMut(usize) -> Value) -> Self {
        Self(ThinArc::from_header_and_iter(kind, (0..count).map(value)))
    }

    /// The object's dynamic type.
    #[inline]
    pub fn kind(&self) -> TypeId {
        self.0.header.header
    }

    /// One value for each field of the type, in wire order. A compact object leaves out the last ones, if they are optional
    /// and unset.
    #[inline]
    pub fn slots(&self) -> &[Value] {
        &self.0.slice
    }

    /// All slots, to change; copies the object (not what is behind it) if it is shared.
    pub fn slots_mut(&mut self) -> &mut [Value] {
        self.resize(self.kind().info().field_count.into());
        self.own_slots()
    }

    /// One slot of the type, to change; copies the object (not what is behind it) if it is shared.
    #[inline]
    pub fn slot_mut(&mut self, slot: usize) -> &mut Value {
        if slot >= self.slots().len() {
            self.resize(self.kind().info().field_count.into());
        }
        &mut self.own_slots()[slot]
    }

    /// The slots that there are, if nobody else shares them.
    #[inline]
    #[allow(unsafe_code)]
    fn unshared(&mut self) -> Option<&mut [Value]> {
        let slots = self.0.with_arc_mut(|body| Arc::get_mut(body).map(|body| std::ptr::from_mut(body.slice_mut())))?;
        // SAFETY: `get_mut` found this object to be the only owner of the slots, which live as long as it does. It is
        // borrowed for as long as what is returned, so that nobody can clone, change or drop it meanwhile.
        Some(unsafe { &mut *slots })
    }

    /// The slots that there are, to change; copies them if they are shared.
    #[inline]
    fn own_slots(&mut self) -> &mut [Value] {
        if self.unshared().is_none() {
            self.0 = ThinArc::from_header_and_iter(self.kind(), self.slots().iter().cloned());
        }
        self.unshared().expect("its own copy")
    }

    /// Lets the object have this number of slots.
    fn resize(&mut self, count: usize) {
        if self.slots().len() != count {
            let kind = self.kind();
            let slots = self.own_slots();
            *self = Self::of(kind, count, |slot| slots.get_mut(slot).map(std::mem::take).unwrap_or_default());
        }
    }

    /// Gives back the memory of slots that are not needed, in this object and in what it alone holds. For objects of which
    /// there are many.
    pub fn compact(&mut self) {
        let fields = self.kind().info().fields();
        let Some(slots) = self.unshared() else { return };
        let is_needed = |(slot, value): (usize, &Value)| {
            !value.is_unset() || fields.get(slot).is_some_and(|field| !field.is_optional())
        };
        let needed = slots.iter().enumerate().rposition(is_needed).map_or(0, |last| last + 1);
        slots.iter_mut().for_each(Value::compact);
        self.resize(needed);
    }

    /// The value in a slot; unset for a slot that the type does not have.
    #[inline]
    pub fn get(&self, slot: usize) -> &Value {
        self.slots().get(slot).unwrap_or(&UNSET)
    }

    /// Sets a slot of the type; leaves the object shared if that changes nothing.
    #[inline]
    pub fn set(&mut self, slot: usize, value: Value) {
        if !self.get(slot).same(&value) {
            *self.slot_mut(slot) = value;
        }
    }

    /// The value of the field with this name; unset where there is none.
    #[inline]
    pub fn field(&self, name: &str) -> &Value {
        self.kind().info().slot(name).map_or(&UNSET, |slot| self.get(slot))
    }

    /// Whether the dynamic type is `V` or derived from it.
    #[inline]
    pub fn is<V: View>(&self) -> bool {
        V::matches(self.kind())
    }

    /// Whether both are the same object in memory.
    #[inline]
    pub fn same(&self, other: &Object) -> bool {
        std::ptr::eq(self.0.ptr(), other.0.ptr())
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
        if self.same(other) {
            return true;
        }
        let (own, others) = (self.slots(), other.slots());
        let common = own.len().min(others.len());
        self.kind() == other.kind()
            && own[..common] == others[..common]
            && own[common..].iter().chain(&others[common..]).all(Value::is_unset)
    }
}

#[cfg(test)]
mod tests {
    use crate::View;
    use crate::views::{OptionValue, VirtualMachineConfigInfo};

    #[test]
    fn a_compact_object_is_the_same_object() {
        let make = || {
            VirtualMachineConfigInfo::with(|config| {
                config.set_name("n").set_guest_id("g");
                config.files_mut().set_vm_path_name("[a] b");
                config.push_extra_config(OptionValue::with(|option| _ = option.set_key("k")));
            })
        };
        let (whole, mut compact) = (make(), make());
        compact.as_object_mut().compact();
        assert!(compact.as_object().slots().len() < whole.as_object().slots().len());
        assert!(compact.files().as_object().slots().len() < whole.files().as_object().slots().len());
        assert!(compact.as_object() == whole.as_object() && whole.as_object() == compact.as_object());
        assert_eq!(compact.nested_hv_enabled(), None);
        compact.set_nested_hv_enabled(true);
        assert!(compact.as_object() != whole.as_object());
        assert_eq!(compact.as_object().slots().len(), whole.as_object().slots().len());
    }

    #[test]
    fn what_others_hold_stays_as_it_is() {
        let mut config = VirtualMachineConfigInfo::with(|config| _ = config.files_mut().set_vm_path_name("[a] b"));
        let shared = config.files().clone();
        config.as_object_mut().compact();
        assert!(config.files().as_object().same(shared.as_object()));
    }
}
