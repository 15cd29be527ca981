//! Data values, as the JSON-RPC wire writes them: structures carry their name, what is unset is `OPTIONAL`, and maps are
//! lists of pairs. They are made of plain JSON by the declared type, and made plain by it.

use serde_json::{Map, Value, json};
use vimsim_types::DateTime;

use super::schema::{Schema, full};

/// What a map is made of.
const ENTRY: &str = "map-entry";
/// Where plain JSON of any structure says which.
const CLASS: &str = "@class";
/// How errors are called before their names.
const ERRORS: &str = "com.vmware.vapi.std.errors";

/// The key's and the value's type of a map.
fn map_of(kind: &'static str) -> Option<(&'static str, &'static str)> {
    kind.strip_prefix('<')?.split_once('>')
}

/// The data value of a type that says what plain JSON says. What is declared and missing is empty.
pub(super) fn write(kind: &'static str, value: &Value) -> Value {
    if let Some(inner) = kind.strip_prefix('?') {
        return json!({ "OPTIONAL": if value.is_null() { Value::Null } else { write(inner, value) } });
    }
    if let Some(inner) = kind.strip_prefix('*') {
        return value.as_array().into_iter().flatten().map(|value| write(inner, value)).collect();
    }
    if let Some((key, kind)) = map_of(kind) {
        return write_map(key, kind, value);
    }
    match kind {
        "void" => Value::Null,
        "string" => json!(text(value)),
        "secret" => json!({ "SECRET": text(value) }),
        "binary" => json!({ "BINARY": text(value) }),
        "time" => {
            let micros = value.as_str().and_then(DateTime::parse).map_or(0, |time| time.micros());
            json!(milliseconds(micros))
        }
        "long" => json!(value.as_i64().or_else(|| text(value).parse().ok()).unwrap_or_default()),
        "double" => json!(value.as_f64().unwrap_or_default()),
        "boolean" => json!(value.as_bool().unwrap_or_default()),
        "error" => {
            let name = value["error_type"].as_str().unwrap_or("ERROR").to_ascii_lowercase();
            error(&name, &value["messages"])
        }
        "any" => match value[CLASS].as_str() {
            Some(name) => write_structure(name, value),
            None => write_anything(value),
        },
        name => write_structure(name, value),
    }
}

fn write_structure(name: &str, value: &Value) -> Value {
    let Some(fields) = Schema::get().fields(name) else { return write_anything(value) };
    let fields: Map<_, _> = fields.map(|(field, kind)| (field.into(), write(kind, &value[field]))).collect();
    json!({ "STRUCTURE": { full(name): fields } })
}

fn write_map(key: &'static str, kind: &'static str, value: &Value) -> Value {
    let entry = |name: &Value, value: &Value| json!({ "STRUCTURE": { ENTRY: { "key": write(key, name), "value": write(kind, value) } } });
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| entry(&json!(name), value)).collect(),
        Value::Array(pairs) => pairs.iter().map(|pair| entry(&pair["key"], &pair["value"])).collect(),
        _ => json!([]),
    }
}

/// Of what nobody says the type.
fn write_anything(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let name = fields.get(CLASS).and_then(Value::as_str).unwrap_or("structure");
            let known = fields.iter().filter(|(name, _)| *name != CLASS);
            let known: Map<_, _> = known.map(|(name, value)| (name.clone(), write_anything(value))).collect();
            json!({ "STRUCTURE": { name: known } })
        }
        Value::Array(values) => values.iter().map(write_anything).collect(),
        plain => plain.clone(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A time with three digits behind the second, which is how bindings read it.
fn milliseconds(micros: i64) -> String {
    let text = DateTime::from_micros(micros).to_string();
    let seconds = text.split(['.', 'Z']).next().unwrap_or_default();
    format!("{seconds}.{:03}Z", micros.rem_euclid(1_000_000) / 1000)
}

/// An error of this name, with messages in plain JSON.
pub(super) fn error(name: &str, messages: &Value) -> Value {
    let one = |message: &Value| {
        let arguments: Vec<String> = message["args"].as_array().into_iter().flatten().map(text).collect();
        json!({ "STRUCTURE": { "com.vmware.vapi.std.localizable_message": {
            "id": text(&message["id"]),
            "default_message": text(&message["default_message"]),
            "args": arguments,
        } } })
    };
    let messages: Value = messages.as_array().into_iter().flatten().map(one).collect();
    json!({ "ERROR": { format!("{ERRORS}.{name}"): {
        "messages": messages,
        "data": { "OPTIONAL": null },
        "error_type": { "OPTIONAL": name.to_ascii_uppercase() },
    } } })
}

/// What a data value of a type says, in plain JSON. What is unset is `null`, and left out of structures.
pub(super) fn read(kind: &'static str, value: &Value) -> Value {
    let kind = kind.strip_prefix('?').unwrap_or(kind);
    let object = match value {
        Value::Array(values) => return read_list(kind, values),
        Value::Object(object) => object,
        plain => return plain.clone(),
    };
    let Some((tag, inside)) = object.iter().next() else { return Value::Null };
    match (tag.as_str(), inside) {
        ("OPTIONAL", inside) => read(kind, inside),
        ("STRUCTURE", Value::Object(named)) => {
            let Some((name, fields)) = named.iter().next() else { return Value::Null };
            let mut plain = Map::new();
            if kind == "any" {
                plain.insert(CLASS.into(), json!(name));
            }
            for (field, value) in fields.as_object().into_iter().flatten() {
                let declared =
                    Schema::get().fields(name).and_then(|mut fields| fields.find(|(known, _)| known == field));
                let value = read(declared.map_or("", |(_, kind)| kind), value);
                if !value.is_null() {
                    plain.insert(field.clone(), value);
                }
            }
            Value::Object(plain)
        }
        (_, inside) => inside.clone(),
    }
}

fn read_list(kind: &'static str, values: &[Value]) -> Value {
    let entries = values.iter().map(|value| value.pointer("/STRUCTURE/map-entry")).collect::<Option<Vec<_>>>();
    if let Some((_, kind)) = map_of(kind)
        && let Some(entries) = entries
    {
        let pairs =
            entries.into_iter().map(|entry| (text(&read("string", &entry["key"])), read(kind, &entry["value"])));
        return Value::Object(pairs.collect());
    }
    values.iter().map(|value| read(kind.strip_prefix('*').unwrap_or(kind), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_out_by_their_declared_type_and_come_in_again() {
        let plain = json!({ "name": "a", "associable_types": ["x"], "cardinality": "SINGLE", "description": "" });
        let written = write(".cis.tagging.category.create_spec", &plain);
        assert_eq!(
            written,
            json!({ "STRUCTURE": { "com.vmware.cis.tagging.category.create_spec": {
                "name": "a", "associable_types": ["x"], "cardinality": "SINGLE", "description": "",
                "category_id": { "OPTIONAL": null },
            } } })
        );
        assert_eq!(read(".cis.tagging.category.create_spec", &written), plain);
        let map = json!({ "2000": true });
        let written = write("<long>boolean", &map);
        assert_eq!(written, json!([{ "STRUCTURE": { "map-entry": { "key": 2000, "value": true } } }]));
        assert_eq!(read("<long>boolean", &written), map);
        assert_eq!(write("?time", &json!("2024-02-03T04:05:06.1Z")), json!({ "OPTIONAL": "2024-02-03T04:05:06.100Z" }));
    }
}
