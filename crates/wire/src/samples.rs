//! Values of every type, for tests.

use vimsim_types::views::ManagedObject;
use vimsim_types::{DateTime, Field, List, Namespace, Object, Ty, TypeId, Value, View};

use crate::names::Known;

/// An object of this type with every field set; in objects within it, down to `depth`.
pub(crate) fn object(kind: TypeId, depth: usize) -> Object {
    let mut object = Object::new(kind);
    for (slot, field) in kind.info().fields().iter().enumerate() {
        object.set(slot, field_value(field, slot, depth));
    }
    object
}

fn field_value(field: &Field, slot: usize, depth: usize) -> Value {
    if !field.is_list() {
        return value(field.ty, slot, depth);
    }
    // One item of the declared type and one of a type derived from it, if there is one.
    let mut items = vec![value(field.ty, slot, depth), value(field.ty, slot + 1, depth)];
    if let (Ty::Data(kind), Some(last)) = (field.ty, items.last_mut()) {
        let derived = TypeId::all().skip(kind.index()).take_while(|id| id.is_a(kind)).last().unwrap_or(kind);
        *last = Value::Object(self::object_or_empty(derived, depth));
    }
    items.retain(|item| !item.is_unset());
    if items.is_empty() { Value::Unset } else { Value::List(List::new(field.ty, items)) }
}

fn object_or_empty(kind: TypeId, depth: usize) -> Object {
    if depth == 0 { Object::new(kind) } else { object(kind, depth - 1) }
}

/// A value of this type, one of several: `variant` says which.
pub(crate) fn value(ty: Ty, variant: usize, depth: usize) -> Value {
    let sign = if variant.is_multiple_of(2) { 1 } else { -1 };
    match ty {
        Ty::Bool => Value::Bool(variant.is_multiple_of(2)),
        Ty::Byte => Value::Byte(sign * 100),
        Ty::Short => Value::Short(i16::MIN),
        Ty::Int => Value::Int(i32::MAX - variant as i32),
        Ty::Long => Value::Long(i64::MIN + variant as i64),
        Ty::Float => Value::Float([1.5, f32::MAX, f32::INFINITY, 1e-30][variant % 4]),
        Ty::Double => Value::Double([-0.1, f64::MIN_POSITIVE, f64::NEG_INFINITY, 7.0][variant % 4]),
        Ty::String => Value::String(["a <b> & \"c\"", "", " é\r\n", "]]>"][variant % 4].into()),
        Ty::Uri => Value::Uri("https://host/a?b=c&d=e".into()),
        Ty::DateTime => Value::DateTime(DateTime::from_micros(1_700_000_000_123_456 + variant as i64)),
        Ty::Binary => Value::from((0..variant as u8 % 5).collect::<Vec<u8>>()),
        Ty::Any => any(variant, depth),
        Ty::Enum(id) if id.info().values.is_empty() => Value::Unset,
        Ty::Enum(id) => Value::Enum(id, (variant % id.info().values.len()) as u16),
        Ty::Moref(id) => Value::Moref(id, "object-1".into()),
        Ty::Data(id) => Value::Object(object_or_empty(id, depth)),
    }
}

fn any(variant: usize, depth: usize) -> Value {
    let find = |name| TypeId::find(Namespace::VIM25, name).expect("known");
    let power_state = Ty::Enum(find("VirtualMachinePowerState"));
    let simple = [
        Ty::String,
        Ty::Bool,
        Ty::Int,
        Ty::DateTime,
        Ty::Moref(ManagedObject::TYPE),
        power_state,
        Ty::Data(find("OptionValue")),
        Ty::Binary,
        Ty::Data(find("LocalizedMethodFault")),
        Ty::Double,
        Ty::Uri,
    ];
    let ty = simple[variant % simple.len()];
    match (variant / simple.len()).is_multiple_of(2) || depth == 0 {
        true => value(ty, variant, 0),
        false => Value::List(List::new(ty, vec![value(ty, variant, 0)])),
    }
}

/// What a client that knows only so much sees of a value.
pub(crate) fn seen(value: &Value, declared: Ty, known: Known) -> Value {
    match value {
        Value::Object(object) => {
            let kind = known.nearest(object.kind(), declared);
            let mut seen_object = Object::new(kind);
            for (slot, field) in kind.info().fields().iter().enumerate() {
                if known.has(kind.info().namespace, field.since) {
                    seen_object.set(slot, seen(object.get(slot), field.ty, known));
                }
            }
            Value::Object(seen_object)
        }
        Value::List(list) => {
            let items = list.items().iter().map(|item| seen(item, list.element(), known));
            Value::List(List::new(list.element(), items.collect()))
        }
        Value::Moref(kind, id) => Value::Moref(known.nearest(*kind, Ty::Any), id.clone()),
        _ => value.clone(),
    }
}
