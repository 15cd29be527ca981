//! What can stand as a value where any can.

use arcstr::ArcStr;

use crate::date_time::DateTime;
use crate::moref::Moref;
use crate::table::Ty;
use crate::value::{List, Value};
use crate::view::View;

/// Something that a method may answer, as a value.
pub trait IntoValue {
    /// The value; unset for nothing.
    fn into_value(self) -> Value;
}

impl IntoValue for () {
    fn into_value(self) -> Value {
        Value::Unset
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Unset, IntoValue::into_value)
    }
}

impl<V: View> IntoValue for V {
    fn into_value(self) -> Value {
        Value::Object(self.into())
    }
}

/// The list's declared element type is for those to put in who know the declaration.
impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Value {
        Value::List(List::new(Ty::Any, self.into_iter().map(IntoValue::into_value).collect()))
    }
}

macro_rules! values {
    ($($rust:ty)*) => {$(
        impl IntoValue for $rust {
            fn into_value(self) -> Value {
                self.into()
            }
        }
    )*};
}

values! { Value Moref bool i32 i64 &str DateTime }

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::String(self.into())
    }
}

impl IntoValue for ArcStr {
    fn into_value(self) -> Value {
        Value::String(self)
    }
}
