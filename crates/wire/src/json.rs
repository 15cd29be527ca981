//! Values to JSON and back, in the way of VMware's VI/JSON: every object begins with `_typeName`, and where anything
//! may stand, what is no object is boxed as `{"_typeName": "string", "_value": "..."}`.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json};
use vimsim_types::table::Kind;
use vimsim_types::views::{InvalidArgument, InvalidType, ManagedObject};
use vimsim_types::{DateTime, Fault, List, Moref, Namespace, Object, Ty, TypeId, Value, Version, View};

use crate::Limits;
use crate::names::{self, Known};

const TYPE_NAME: &str = "_typeName";
const BOXED: &str = "_value";
const REFERENCE: &str = "ManagedObjectReference";

/// A value as JSON, for a client of `version`. Unset is `null` on its own and absent in an object.
pub fn to_json(value: &Value, declared: Ty, list: bool, version: Version) -> Json {
    let known = Known { namespace: Namespace::VIM25, version };
    match value {
        Value::List(items) if list || declared != Ty::Any => items_to_json(items, known),
        _ => value_to_json(value, declared, known),
    }
}

fn items_to_json(list: &List, known: Known) -> Json {
    list.items().iter().map(|item| value_to_json(item, list.element(), known)).collect()
}

fn value_to_json(value: &Value, declared: Ty, known: Known) -> Json {
    let (name, json) = match value {
        Value::Unset => return Json::Null,
        Value::Object(object) => return object_to_json(object, declared, known),
        Value::Moref(kind, id) => {
            let kind = known.nearest(*kind, Ty::Any).name();
            let fields = [(TYPE_NAME, REFERENCE), ("type", kind), ("value", id)];
            return Json::Object(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        }
        Value::List(items) => (names::list(items.element()), items_to_json(items, known)),
        Value::Bool(value) => ("boolean".into(), Json::from(*value)),
        Value::Byte(value) => ("byte".into(), Json::from(*value)),
        Value::Short(value) => ("short".into(), Json::from(*value)),
        Value::Int(value) => ("int".into(), Json::from(*value)),
        Value::Long(value) => ("long".into(), Json::from(*value)),
        // The shortest text of a float is not the shortest of the double it becomes.
        Value::Float(value) => ("float".into(), float(value.to_string().parse().unwrap_or_default())),
        Value::Double(value) => ("double".into(), float(*value)),
        Value::String(text) => ("string".into(), Json::from(text.as_str())),
        Value::Uri(text) => ("anyURI".into(), Json::from(text.as_str())),
        Value::DateTime(time) => ("dateTime".into(), Json::from(time.to_string())),
        Value::Binary(bytes) => ("base64Binary".into(), Json::from(BASE64.encode(bytes.as_slice()))),
        Value::Enum(id, _) => (id.name().into(), Json::from(value.text().unwrap_or_default())),
    };
    match declared {
        Ty::Any => Json::Object([(TYPE_NAME.into(), name.into()), (BOXED.into(), json)].into_iter().collect()),
        _ => json,
    }
}

fn object_to_json(object: &Object, declared: Ty, known: Known) -> Json {
    let kind = known.nearest(object.kind(), declared);
    let mut map = Map::new();
    map.insert(TYPE_NAME.into(), kind.name().into());
    for (field, value) in kind.info().fields().iter().zip(object.slots()) {
        if value.is_unset() || !known.has(kind.info().namespace, field.since) {
            continue;
        }
        let json = match value {
            Value::List(items) if field.is_list() || field.ty != Ty::Any => items_to_json(items, known),
            _ => value_to_json(value, field.ty, known),
        };
        map.insert(field.name.into(), json);
    }
    Json::Object(map)
}

/// JSON has no infinities: they are strings, as XML Schema spells them.
fn float(value: f64) -> Json {
    match value {
        f64::INFINITY => Json::from("INF"),
        f64::NEG_INFINITY => Json::from("-INF"),
        _ if value.is_nan() => Json::from("NaN"),
        _ => Json::from(value),
    }
}

/// Reads a value declared as `declared`, or as a list of those. Types are looked up in `namespace` first. `null` is
/// unset, and an object of the declared type needs no `_typeName`, so a method's arguments are read as its request type.
///
/// The faults are those of [`decode_request`](crate::decode_request).
pub fn from_json(json: &Json, declared: Ty, list: bool, namespace: Namespace, limits: &Limits) -> Result<Value, Fault> {
    let known = Known { namespace, version: limits.version.unwrap_or(Version::NEWEST) };
    let mut decoder = Decoder { known, limits, left: limits.values, path: Vec::new() };
    match list {
        true => decoder.list(json, declared),
        false => decoder.value(json, declared),
    }
}

struct Decoder<'a> {
    known: Known,
    limits: &'a Limits,
    left: usize,
    path: Vec<&'a str>,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, json: &'a Json, declared: Ty) -> Result<Value, Fault> {
        if json.is_null() {
            return Ok(Value::Unset);
        }
        match declared {
            Ty::Any => self.any(json),
            Ty::Data(base) => self.object(json, base).map(Value::Object),
            Ty::Moref(declared) => self.moref(json, declared).map(Value::from),
            Ty::Enum(id) => self.enumeration(json, id),
            _ => self.primitive(json, declared),
        }
    }

    fn list(&mut self, json: &'a Json, element: Ty) -> Result<Value, Fault> {
        let Json::Array(array) = json else { return Err(self.invalid_type("a list is expected")) };
        self.spend(array.len())?;
        let mut items = Vec::with_capacity(array.len());
        for json in array {
            let item = self.value(json, element)?;
            if !item.is_unset() {
                items.push(item);
            }
        }
        Ok(Value::List(List::new(element, items)))
    }

    fn object(&mut self, json: &'a Json, base: TypeId) -> Result<Object, Fault> {
        let Json::Object(map) = json else {
            return Err(self.invalid_type(format_args!("a {} is expected", base.name())));
        };
        let kind = self.object_type(map, base)?;
        let fields = kind.info().fields();
        if self.path.len() >= self.limits.depth {
            return Err(self.fault(format_args!("objects are nested deeper than {}", self.limits.depth)));
        }
        self.spend(fields.len())?;
        let mut object = Object::new(kind);
        for (name, json) in map.iter().filter(|(name, _)| *name != TYPE_NAME) {
            let slot = kind.info().slot(name);
            let Some(slot) = slot.filter(|slot| self.known.has(kind.info().namespace, fields[*slot].since)) else {
                if self.limits.ignore_unknown_elements {
                    continue;
                }
                return Err(self.fault(format_args!("unknown element in {}: {name}", kind.name())));
            };
            self.path.push(name);
            let field = &fields[slot];
            let value = match field.is_list() && !json.is_null() {
                true => self.list(json, field.ty)?,
                false => self.value(json, field.ty)?,
            };
            object.set(slot, value);
            self.path.pop();
        }
        let required = self.limits.require_all_fields || kind.info().kind == Kind::Request;
        match names::missing(&object, self.known).filter(|_| required) {
            Some(field) => Err(self.fault(format_args!("missing required element {}", field.name))),
            None => Ok(object),
        }
    }

    fn object_type(&self, map: &Map<String, Json>, base: TypeId) -> Result<TypeId, Fault> {
        let Some(name) = map.get(TYPE_NAME).and_then(Json::as_str) else { return Ok(base) };
        if name == base.name() {
            return Ok(base);
        }
        match self.known.value_type(name) {
            Some(Ty::Data(kind)) if kind.is_a(base) => Ok(kind),
            Some(_) => Err(self.invalid_type(format_args!("{name} is not a {}", base.name()))),
            None => Err(self.invalid_type(format_args!("unknown type {name}"))),
        }
    }

    fn any(&mut self, json: &'a Json) -> Result<Value, Fault> {
        let Some(name) = json.get(TYPE_NAME).and_then(Json::as_str) else {
            return Err(self.invalid_type("a value of any type needs a _typeName"));
        };
        let boxed = || json.get(BOXED).unwrap_or(&Json::Null);
        match self.known.value_type(name) {
            Some(Ty::Data(kind)) => self.object(json, kind).map(Value::Object),
            Some(Ty::Moref(_)) => self.moref(json, ManagedObject::TYPE).map(Value::from),
            Some(Ty::Any) => Err(self.invalid_type("anyType is no type of a value")),
            Some(ty) => self.value(boxed(), ty),
            None => match self.known.list_type(name) {
                Some(element) => self.list(boxed(), element),
                None => Err(self.invalid_type(format_args!("unknown type {name}"))),
            },
        }
    }

    fn moref(&mut self, json: &'a Json, declared: TypeId) -> Result<Moref, Fault> {
        let Some(value) = json.get("value").and_then(Json::as_str) else {
            return Err(self.invalid_type("a reference with a value is expected"));
        };
        let name = json.get("type").and_then(Json::as_str).unwrap_or_default();
        match self.known.managed_type(name, declared) {
            Ok(kind) => Ok(Moref::new(kind, value)),
            Err(kind) => Err(self.invalid_type(format_args!("{} is not a {}", kind.name(), declared.name()))),
        }
    }

    fn enumeration(&mut self, json: &Json, id: TypeId) -> Result<Value, Fault> {
        let values = id.info().values;
        if let Some(index) = json.as_str().and_then(|name| values.iter().position(|known| *known == name)) {
            return Ok(Value::Enum(id, index as u16));
        }
        let property = self.path.last().copied().unwrap_or_default();
        let why = self.located(format_args!("{json} is not a {}", id.name()));
        let detail = InvalidArgument::with(|fault| {
            fault.set_invalid_property(property);
        });
        Err(Fault::new(detail, format!("A specified parameter was not correct: {property}: {why}")))
    }

    fn primitive(&mut self, json: &Json, ty: Ty) -> Result<Value, Fault> {
        let text = json.as_str();
        let value = match ty {
            Ty::Bool => json.as_bool().map(Value::Bool),
            Ty::Byte => integer(json).map(Value::Byte),
            Ty::Short => integer(json).map(Value::Short),
            Ty::Int => integer(json).map(Value::Int),
            Ty::Long => integer(json).map(Value::Long),
            Ty::Float => number(json).map(|value| Value::Float(value as f32)),
            Ty::Double => number(json).map(Value::Double),
            Ty::String => text.map(|text| Value::String(text.into())),
            Ty::Uri => text.map(|text| Value::Uri(text.into())),
            Ty::DateTime => text.and_then(DateTime::parse).map(Value::DateTime),
            Ty::Binary => text.and_then(|text| BASE64.decode(text).ok()).map(Value::from),
            Ty::Any | Ty::Enum(_) | Ty::Data(_) | Ty::Moref(_) => None,
        };
        value.ok_or_else(|| {
            let text: String = json.to_string().chars().take(40).collect();
            self.invalid_type(format_args!("{text} is not {}", names::with_article(ty)))
        })
    }

    fn spend(&mut self, values: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(values).ok_or_else(|| {
            Fault::invalid_request(format_args!("the request has more than {} values", self.limits.values))
        })?;
        Ok(())
    }

    fn located(&self, why: impl Display) -> String {
        match self.path.as_slice() {
            [] => why.to_string(),
            path => format!("{why}, in {}", path.join(".")),
        }
    }

    fn fault(&self, why: impl Display) -> Fault {
        Fault::invalid_request(self.located(why))
    }

    fn invalid_type(&self, why: impl Display) -> Fault {
        let detail = InvalidType::with(|fault| {
            fault.set_argument(self.path.last().copied().unwrap_or_default());
        });
        Fault::new(detail, self.located(why))
    }
}

fn integer<N: TryFrom<i64>>(json: &Json) -> Option<N> {
    json.as_i64().and_then(|value| N::try_from(value).ok())
}

fn number(json: &Json) -> Option<f64> {
    match json.as_str() {
        None => json.as_f64(),
        Some(name @ ("INF" | "-INF" | "NaN")) => name.parse().ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vimsim_types::views::OptionValue;
    use vimsim_types::{MethodView, method};

    use super::*;
    use crate::samples;

    fn read(json: &Json, declared: Ty) -> Result<Value, Fault> {
        from_json(json, declared, false, Namespace::VIM25, &Limits::default())
    }

    #[test]
    fn every_data_object_is_read_as_it_was_written() {
        for kind in TypeId::all().filter(|id| id.info().kind == Kind::Data) {
            let namespace = kind.info().namespace;
            let value = Value::Object(samples::object(kind, 1));
            let json = to_json(&value, Ty::Any, false, Version::NEWEST);
            let read = from_json(&json, Ty::Any, false, namespace, &Limits::default());
            assert_eq!(read, Ok(value), "{kind:?}: {json}");
        }
    }

    #[test]
    fn the_type_comes_first_and_any_is_boxed() {
        let option = OptionValue::with(|option| {
            option.set_key("RUN.container");
            option.set_value("nginx");
        });
        let json = to_json(&Value::Object(option.into()), Ty::Any, false, Version::NEWEST);
        let expected = concat!(
            r#"{"_typeName":"OptionValue","key":"RUN.container","#,
            r#""value":{"_typeName":"string","_value":"nginx"}}"#
        );
        assert_eq!(json.to_string(), expected);
        let list = Value::List(List::new(Ty::Int, vec![Value::from(1)]));
        let json = to_json(&list, Ty::Any, false, Version::NEWEST);
        assert_eq!(json, json!({"_typeName": "ArrayOfInt", "_value": [1]}));
        let moref = Value::from(Moref::of::<ManagedObject>("x"));
        let json = to_json(&moref, Ty::Any, false, Version::NEWEST);
        assert_eq!(json.to_string(), r#"{"_typeName":"ManagedObjectReference","type":"ManagedObject","value":"x"}"#);
    }

    #[test]
    fn arguments_are_read_as_the_request_type() {
        let request = Ty::Data(method::ReconfigVMTask::method().request);
        let json = json!({"spec": {"_typeName": "VirtualMachineConfigSpec", "numCPUs": 2}});
        let arguments = read(&json, request).expect("valid");
        let spec = arguments.object().and_then(|arguments| arguments.field("spec").object());
        assert_eq!(spec.map(|spec| spec.field("numCPUs").clone()), Some(Value::from(2)));
        for (json, part) in [
            (json!({}), "missing required element spec"),
            (json!([]), "is expected"),
            (json!({"spec": {"numCPUs": 1.5}}), "1.5 is not an int, in spec.numCPUs"),
            (json!({"spec": {"numCPUs": 3_000_000_000_u32}}), "is not an int"),
            (json!({"spec": {"nmae": 1}}), "unknown element in VirtualMachineConfigSpec: nmae, in spec"),
            (json!({"spec": {"_typeName": "VirtualDisk"}}), "VirtualDisk is not a VirtualMachineConfigSpec"),
            (json!({"spec": {"_typeName": "Nothing"}}), "unknown type Nothing"),
            (json!({"spec": {"extraConfig": 1}}), "a list is expected"),
            (json!({"spec": {"extraConfig": [{"value": 1}]}}), "needs a _typeName"),
            (json!({"spec": {"deviceChange": [{"operation": "eat"}]}}), "\"eat\" is not a VirtualDeviceConfigSpecOper"),
        ] {
            let fault = read(&json, request).expect_err(part);
            assert!(fault.message().contains(part), "{part}: {fault}");
        }
    }
}
