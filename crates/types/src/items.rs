//! How slots are read and written as Rust types: what the generated accessors call.

use std::marker::PhantomData;

use arcstr::ArcStr;

use crate::date_time::DateTime;
use crate::moref::Moref;
use crate::object::Object;
use crate::table::Ty;
use crate::text::IntoText;
use crate::value::{List, Value};
use crate::view::{EnumView, View};

/// A Rust type that a slot, or an item of a list, can be read as.
pub trait Slot {
    /// What reading gives: a reference for data objects and text, else the value itself.
    type Get<'a>;
    /// The value read, or `None` if it is unset or of another type.
    fn get(value: &Value) -> Option<Self::Get<'_>>;
    /// What an unset required field reads as; `unset` only lends its lifetime.
    fn missing(unset: &Value) -> Self::Get<'_>;
}

macro_rules! scalar {
    ($($rust:ty, $variant:ident, $zero:expr;)*) => {$(
        impl Slot for $rust {
            type Get<'a> = $rust;
            #[inline]
            fn get(value: &Value) -> Option<$rust> {
                match value {
                    Value::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
            fn missing(_: &Value) -> $rust {
                $zero
            }
        }
    )*};
}

scalar! {
    bool, Bool, false;
    i8, Byte, 0;
    i16, Short, 0;
    i32, Int, 0;
    i64, Long, 0;
    f32, Float, 0.0;
    f64, Double, 0.0;
    DateTime, DateTime, DateTime::from_micros(0);
}

static EMPTY_TEXT: ArcStr = ArcStr::new();

impl Slot for ArcStr {
    type Get<'a> = &'a ArcStr;
    #[inline]
    fn get(value: &Value) -> Option<&ArcStr> {
        match value {
            Value::String(text) | Value::Uri(text) => Some(text),
            _ => None,
        }
    }
    fn missing(_: &Value) -> &ArcStr {
        &EMPTY_TEXT
    }
}

impl Slot for Vec<u8> {
    type Get<'a> = &'a [u8];
    fn get(value: &Value) -> Option<&[u8]> {
        match value {
            Value::Binary(bytes) => Some(bytes.as_slice()),
            _ => None,
        }
    }
    fn missing(_: &Value) -> &[u8] {
        &[]
    }
}

impl Slot for Value {
    type Get<'a> = &'a Value;
    #[inline]
    fn get(value: &Value) -> Option<&Value> {
        (!value.is_unset()).then_some(value)
    }
    fn missing(_: &Value) -> &Value {
        &crate::value::UNSET
    }
}

impl Slot for Moref {
    type Get<'a> = Moref;
    #[inline]
    fn get(value: &Value) -> Option<Moref> {
        value.moref()
    }
    /// A reference to no object.
    fn missing(_: &Value) -> Moref {
        Moref::of::<crate::views::ManagedObject>(ArcStr::new())
    }
}

impl<V: View> Slot for V {
    type Get<'a> = &'a V;
    #[inline]
    fn get(value: &Value) -> Option<&V> {
        value.object().and_then(V::from_ref)
    }
    /// The shared object with nothing set.
    fn missing(_: &Value) -> &V {
        V::from_ref_unchecked(Object::empty(V::TYPE))
    }
}

/// Marks an enumeration as what a slot is read as.
pub struct Choice<E>(PhantomData<E>);

impl<E: EnumView> Slot for Choice<E> {
    type Get<'a> = E;
    #[inline]
    fn get(value: &Value) -> Option<E> {
        match value {
            Value::Enum(id, index) if *id == E::TYPE => E::ALL.get(usize::from(*index)).copied(),
            _ => None,
        }
    }
    /// The first declared value.
    fn missing(_: &Value) -> E {
        E::ALL[0]
    }
}

/// The items of a list property, read as `T`.
pub struct Items<'a, T> {
    items: &'a [Value],
    item: PhantomData<T>,
}

impl<T> Clone for Items<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Items<'_, T> {}

impl<'a, T: Slot> Items<'a, T> {
    /// How many there are.
    pub fn len(self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.items.is_empty()
    }

    /// The first.
    pub fn first(self) -> Option<T::Get<'a>> {
        self.get(0)
    }

    /// The one at this place.
    pub fn get(self, index: usize) -> Option<T::Get<'a>> {
        self.items.get(index).and_then(T::get)
    }

    /// All of them.
    pub fn iter(self) -> ItemsIter<'a, T> {
        ItemsIter { items: self.items.iter(), item: PhantomData }
    }

    /// The values behind them.
    pub fn values(self) -> &'a [Value] {
        self.items
    }
}

impl Items<'_, Moref> {
    /// Whether the reference is among them.
    pub fn contains(self, moref: &Moref) -> bool {
        self.items.iter().any(|item| matches!(item, Value::Moref(_, value) if value == moref.value()))
    }
}

impl Items<'_, ArcStr> {
    /// Whether the text is among them.
    pub fn contains(self, text: &str) -> bool {
        self.items.iter().any(|item| item.text() == Some(text))
    }
}

impl<'a, T: Slot> IntoIterator for Items<'a, T> {
    type Item = T::Get<'a>;
    type IntoIter = ItemsIter<'a, T>;
    fn into_iter(self) -> ItemsIter<'a, T> {
        self.iter()
    }
}

/// Iterates over the items of a list property.
pub struct ItemsIter<'a, T> {
    items: std::slice::Iter<'a, Value>,
    item: PhantomData<T>,
}

impl<'a, T: Slot> Iterator for ItemsIter<'a, T> {
    type Item = T::Get<'a>;
    fn next(&mut self) -> Option<T::Get<'a>> {
        self.items.find_map(T::get)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.items.size_hint().1)
    }
}

impl<T: Slot> DoubleEndedIterator for ItemsIter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.items.by_ref().rev().find_map(T::get)
    }
}

/// The items of a list property, to change in place.
pub struct ItemsMut<'a, T> {
    items: &'a mut Vec<Value>,
    item: PhantomData<T>,
}

impl<T: Slot> ItemsMut<'_, T> {
    /// Keeps those for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(T::Get<'_>) -> bool) {
        self.items.retain(|item| T::get(item).is_some_and(&mut keep));
    }

    /// The values behind them.
    pub fn values(&mut self) -> &mut Vec<Value> {
        self.items
    }
}

impl<V: View> ItemsMut<'_, V> {
    /// All of them, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.items.iter_mut().filter_map(|item| match item {
            Value::Object(object) => V::from_mut(object),
            _ => None,
        })
    }
}

/// The helpers behind the generated accessors.
impl Object {
    #[inline]
    pub(crate) fn read<T: Slot>(&self, slot: usize) -> T::Get<'_> {
        let value = self.get(slot);
        T::get(value).unwrap_or_else(|| T::missing(value))
    }

    #[inline]
    pub(crate) fn read_optional<T: Slot>(&self, slot: usize) -> Option<T::Get<'_>> {
        T::get(self.get(slot))
    }

    #[inline]
    pub(crate) fn read_list<T: Slot>(&self, slot: usize) -> Items<'_, T> {
        Items { items: self.get(slot).items(), item: PhantomData }
    }

    #[inline]
    pub(crate) fn write_text(&mut self, slot: usize, text: impl IntoText) {
        self.set(slot, text.into_text().map_or(Value::Unset, Value::String));
    }

    #[inline]
    pub(crate) fn write_enum<E: EnumView>(&mut self, slot: usize, value: Option<E>) {
        self.set(slot, value.map_or(Value::Unset, |value| Value::Enum(E::TYPE, value.index())));
    }

    /// Sets a field of type `B` to an object of type `B` or derived from it, which the compiler checks.
    #[inline]
    pub(crate) fn write_view<B: View, V: View>(&mut self, slot: usize, view: V) {
        const { assert!(B::TYPE.0 <= V::TYPE.0 && V::TYPE.0 <= B::LAST.0, "not of the field's type") }
        self.set(slot, Value::Object(view.into()));
    }

    /// The object in a slot, to change; a new one if there is none.
    #[inline]
    pub(crate) fn view_mut<B: View>(&mut self, slot: usize) -> &mut B {
        let value = self.slot_mut(slot);
        if value.object().is_none() {
            *value = Value::Object(Object::new(B::TYPE));
        }
        match value {
            Value::Object(object) => B::from_mut_unchecked(object),
            _ => unreachable!("an object was just put there"),
        }
    }

    /// The list in a slot, to change; a new one if there is none.
    #[inline]
    pub(crate) fn list_mut<T>(&mut self, slot: usize, element: Ty) -> ItemsMut<'_, T> {
        let value = self.slot_mut(slot);
        if value.list().is_none() {
            *value = Value::List(List::new(element, Vec::new()));
        }
        match value {
            Value::List(list) => ItemsMut { items: list.items_mut(), item: PhantomData },
            _ => unreachable!("a list was just put there"),
        }
    }

    #[inline]
    pub(crate) fn write_list(&mut self, slot: usize, element: Ty, items: impl Iterator<Item = Value>) {
        self.set(slot, Value::List(List::new(element, items.collect())));
    }
}

/// Values that an item of a list of data objects of type `B` can be made from.
#[inline]
pub(crate) fn view_value<B: View, V: View>(view: V) -> Value {
    const { assert!(B::TYPE.0 <= V::TYPE.0 && V::TYPE.0 <= B::LAST.0, "not of the list's type") }
    Value::Object(view.into())
}

/// The value of an enumeration.
#[inline]
pub(crate) fn enum_value<E: EnumView>(value: E) -> Value {
    Value::Enum(E::TYPE, value.index())
}

/// The value of a text.
#[inline]
pub(crate) fn text_value(text: impl IntoText) -> Value {
    Value::String(text.into_text().unwrap_or_default())
}
