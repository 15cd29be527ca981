//! Values: what a property can hold.

use arcstr::ArcStr;
use triomphe::Arc;

use crate::date_time::DateTime;
use crate::moref::Moref;
use crate::object::Object;
use crate::table::{Ty, TypeId};

/// A value of the API, 16 bytes wide. Cloning one shares what is behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value: the property is not there.
    #[default]
    Unset,
    /// `xsd:boolean`
    Bool(bool),
    /// `xsd:byte`
    Byte(i8),
    /// `xsd:short`
    Short(i16),
    /// `xsd:int`
    Int(i32),
    /// `xsd:long`
    Long(i64),
    /// `xsd:float`
    Float(f32),
    /// `xsd:double`
    Double(f64),
    /// `xsd:string`
    String(ArcStr),
    /// `xsd:anyURI`
    Uri(ArcStr),
    /// `xsd:dateTime`
    DateTime(DateTime),
    /// `xsd:base64Binary`
    Binary(Arc<Vec<u8>>),
    /// A value of an enumeration: the type and the value's place in it.
    Enum(TypeId, u16),
    /// A reference to a managed object: its type and identifier. See [`Value::moref`].
    Moref(TypeId, ArcStr),
    /// A data object.
    Object(Object),
    /// A list.
    List(List),
}

const _: () = assert!(size_of::<Value>() == 16);

/// The value of every slot that has none.
pub(crate) static UNSET: Value = Value::Unset;

impl Value {
    /// Whether there is no value.
    #[inline]
    pub fn is_unset(&self) -> bool {
        matches!(self, Value::Unset)
    }

    /// The reference, if this is one.
    #[inline]
    pub fn moref(&self) -> Option<Moref> {
        match self {
            Value::Moref(kind, value) => Some(Moref::new(*kind, value.clone())),
            _ => None,
        }
    }

    /// The data object, if this is one.
    #[inline]
    pub fn object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The list, if this is one.
    #[inline]
    pub fn list(&self) -> Option<&List> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The items of a list; none for anything else.
    #[inline]
    pub fn items(&self) -> &[Value] {
        self.list().map_or(&[], |list| list.items())
    }

    /// The text of a string or URI, or the name of an enumeration's value.
    #[inline]
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Uri(text) => Some(text),
            Value::Enum(id, index) => id.info().values.get(usize::from(*index)).copied(),
            _ => None,
        }
    }

    /// The dynamic type of a value that is no list; `None` for lists and unset.
    pub fn ty(&self) -> Option<Ty> {
        Some(match self {
            Value::Unset | Value::List(_) => return None,
            Value::Bool(_) => Ty::Bool,
            Value::Byte(_) => Ty::Byte,
            Value::Short(_) => Ty::Short,
            Value::Int(_) => Ty::Int,
            Value::Long(_) => Ty::Long,
            Value::Float(_) => Ty::Float,
            Value::Double(_) => Ty::Double,
            Value::String(_) => Ty::String,
            Value::Uri(_) => Ty::Uri,
            Value::DateTime(_) => Ty::DateTime,
            Value::Binary(_) => Ty::Binary,
            Value::Enum(id, _) => Ty::Enum(*id),
            Value::Moref(id, _) => Ty::Moref(*id),
            Value::Object(object) => Ty::Data(object.kind()),
        })
    }

    /// See [`Object::compact`].
    pub(crate) fn compact(&mut self) {
        match self {
            Value::Object(object) => object.compact(),
            Value::List(list) => {
                if let Some(body) = Arc::get_mut(&mut list.0) {
                    body.items.shrink_to_fit();
                    body.items.iter_mut().for_each(Value::compact);
                }
            }
            _ => {}
        }
    }

    /// Whether both are the same value without looking behind pointers: cheap, and never true for different values.
    #[inline]
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Object(a), Value::Object(b)) => a.same(b),
            (Value::List(a), Value::List(b)) => Arc::ptr_eq(&a.0, &b.0),
            (Value::String(a), Value::String(b)) | (Value::Uri(a), Value::Uri(b)) => ArcStr::ptr_eq(a, b),
            (Value::Object(_) | Value::List(_) | Value::String(_) | Value::Uri(_) | Value::Binary(_), _) => false,
            _ => self == other,
        }
    }
}

impl From<Moref> for Value {
    fn from(moref: Moref) -> Self {
        Value::Moref(moref.kind(), moref.value().clone())
    }
}

impl From<&Moref> for Value {
    fn from(moref: &Moref) -> Self {
        Value::Moref(moref.kind(), moref.value().clone())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(object)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Value::List(list)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Int(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Long(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Binary(Arc::new(bytes))
    }
}

impl From<DateTime> for Value {
    fn from(value: DateTime) -> Self {
        Value::DateTime(value)
    }
}

/// A list of values that knows its declared element type, which names it in an `Any` even when it is empty.
#[derive(Clone, Debug)]
pub struct List(Arc<ListBody>);

#[derive(Clone, Debug)]
struct ListBody {
    element: Ty,
    items: Vec<Value>,
}

impl List {
    /// A list of `items`, each of type `element` or derived from it.
    pub fn new(element: Ty, items: Vec<Value>) -> Self {
        Self(Arc::new(ListBody { element, items }))
    }

    /// The declared type of the items.
    #[inline]
    pub fn element(&self) -> Ty {
        self.0.element
    }

    /// The items.
    #[inline]
    pub fn items(&self) -> &[Value] {
        &self.0.items
    }

    /// The items, to change; copies the list if it is shared.
    pub fn items_mut(&mut self) -> &mut Vec<Value> {
        &mut Arc::make_mut(&mut self.0).items
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.items == other.0.items
    }
}
