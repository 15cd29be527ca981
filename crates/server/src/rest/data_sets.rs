//! `vcenter/vm/{vm}/data-sets`: data sets of virtual machines, and their entries.
// Fidelity: errors here have vcsim's statuses and no messages, which govc's tests compare letter by letter.

use axum::http::Method;
use serde_json::{Value, json};
use vimsim_simulator::{DataSetAccess, DataSetSpec};
use vimsim_types::views::VirtualMachine;

use super::call::Call;
use super::{Answer, RestError, Result};

const ACCESS: [(&str, DataSetAccess); 3] =
    [("NONE", DataSetAccess::None), ("READ_ONLY", DataSetAccess::ReadOnly), ("READ_WRITE", DataSetAccess::ReadWrite)];

fn show(access: DataSetAccess) -> &'static str {
    ACCESS.iter().find(|(_, known)| *known == access).map_or("NONE", |(name, _)| name)
}

/// The privilege that a request needs, of `VirtualMachine.DataSets`.
fn privilege(method: &Method, rest: &[&str]) -> &'static str {
    match (method.as_str(), rest.len()) {
        ("GET", 0) => "VirtualMachine.DataSets.DataSetList",
        ("POST", 0) => "VirtualMachine.DataSets.DataSetCreate",
        ("PATCH", 1) => "VirtualMachine.DataSets.DataSetUpdate",
        ("DELETE", 1) => "VirtualMachine.DataSets.DataSetDelete",
        (_, 0 | 1) => "VirtualMachine.DataSets.DataSetGet",
        ("PUT", 3) => "VirtualMachine.DataSets.DataSetEntrySet",
        ("DELETE", 3) => "VirtualMachine.DataSets.DataSetEntryDelete",
        (_, 2) => "VirtualMachine.DataSets.DataSetEntryList",
        _ => "VirtualMachine.DataSets.DataSetEntryGet",
    }
}

pub(super) fn answer(call: &Call, machine: &str, rest: &[&str]) -> Result {
    let machine = call.object::<VirtualMachine>(machine)?;
    call.may(Some(&machine), privilege(&call.method, rest))?;
    let (service, bare) = (call.service(), |fault| RestError::from(fault).bare());
    let nothing = |result: Result<(), vimsim_types::Fault>| result.map(|()| Answer::Nothing).map_err(bare);
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let sets = service.data_sets(&machine).map_err(bare)?;
            let one = |(name, set): &(vimsim_types::ArcStr, vimsim_simulator::DataSet)| json!({ "data_set": name.as_str(), "name": name.as_str(), "description": set.description.as_str() });
            Ok(Answer::Value(sets.iter().map(one).collect()))
        }
        ("POST", []) => {
            let name = call.text("/name").unwrap_or_default();
            service.create_data_set(&machine, name, spec(&call.body)?).map_err(bare)?;
            Ok(Answer::Created(json!(name)))
        }
        ("GET", [name]) => {
            let set = service.data_set(&machine, name).map_err(bare)?;
            Ok(Answer::Value(json!({
                "name": name,
                "description": set.description.as_str(),
                "host": show(set.host),
                "guest": show(set.guest),
                "used": set.used(),
                "omit_from_snapshot_and_clone": set.omitted,
            })))
        }
        ("PATCH", [name]) => nothing(service.update_data_set(&machine, name, spec(&call.body)?)),
        ("DELETE", [name]) => {
            let force = call.parameters.get("force").is_some_and(|force| force.eq_ignore_ascii_case("true"));
            nothing(service.delete_data_set(&machine, name, force))
        }
        ("GET", [name, "entries"]) => {
            let keys = service.data_set_keys(&machine, name).map_err(bare)?;
            Ok(Answer::Value(keys.iter().map(|key| key.as_str()).collect()))
        }
        ("GET", [name, "entries", key]) => {
            let value = service.data_set_entry(&machine, name, key).map_err(bare)?;
            Ok(Answer::Value(json!(value.as_str())))
        }
        ("PUT", [name, "entries", key]) => {
            let value = call.body.as_str().ok_or_else(|| RestError::invalid(&"the value must be a text"))?;
            nothing(service.set_data_set_entry(&machine, name, key, Some(value)))
        }
        ("DELETE", [name, "entries", key]) => nothing(service.set_data_set_entry(&machine, name, key, None)),
        _ => Err(call.unknown()),
    }
}

fn spec(body: &Value) -> Result<DataSetSpec> {
    let access = |name: &str| match body.get(name).and_then(Value::as_str) {
        None | Some("") => Ok(None),
        Some(word) => {
            let known = ACCESS.iter().find(|(known, _)| *known == word).map(|(_, access)| *access);
            known.map(Some).ok_or_else(|| RestError::invalid(&format!("{name} cannot be {word}")))
        }
    };
    Ok(DataSetSpec {
        description: body.get("description").and_then(Value::as_str).map(str::to_string),
        host: access("host")?,
        guest: access("guest")?,
        omitted: body.get("omit_from_snapshot_and_clone").and_then(Value::as_bool),
    })
}
