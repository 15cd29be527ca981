//! Managed objects as `govc object.save` writes them to files.

use vimsim_types::table::Kind;
use vimsim_types::views::{ManagedObject, ObjectContent};
use vimsim_types::{Fault, Field, List, Method, Moref, Namespace, Object, Ty, Value, View};

use crate::Limits;
use crate::soap::read_result;
use crate::xml::decode::{Decoder, decode_value};
use crate::xml::reader::{Reader, document};

/// What is saved was written by another server, of another version: what is unknown is passed over.
fn limits() -> Limits {
    Limits { ignore_unknown_elements: true, values: usize::MAX, ..Limits::default() }
}

/// Reads an `ObjectContent`: the object's reference and its properties. `None` for an object of a type that is not known.
/// A property that is not known, or whose value is not of its type, is left unset.
pub fn decode_saved_object(xml: &[u8]) -> Result<Option<(Moref, Object)>, Fault> {
    let value = decode_value(xml, Ty::Data(ObjectContent::TYPE), Namespace::VIM25, &limits())?;
    let content = value.object().and_then(ObjectContent::from_ref);
    let content = content.ok_or_else(|| Fault::invalid_request("an ObjectContent is expected"))?;
    let moref = content.obj();
    if moref.value().is_empty() {
        return Err(Fault::invalid_request("element obj is missing: this is no ObjectContent"));
    }
    if moref.kind() == ManagedObject::TYPE || moref.kind().info().kind != Kind::Managed {
        return Ok(None);
    }
    let mut object = Object::new(moref.kind());
    let info = object.kind().info();
    for property in content.prop_set() {
        let Some(slot) = info.slot(property.name()) else { continue };
        if let Some(value) = fit(&info.fields()[slot], property.val()) {
            object.set(slot, value);
        }
    }
    Ok(Some((moref, object)))
}

/// Reads what `method` answered: the element `XxxResponse` without an envelope.
pub fn decode_saved_answer(method: &'static Method, xml: &[u8]) -> Result<Value, Fault> {
    let (text, limits) = (document(xml)?, limits());
    let mut decoder = Decoder::new(Reader::new(&text, &limits), method.namespace(), &limits);
    decoder.root()?;
    let value = read_result(&mut decoder, method)?;
    decoder.reader.finish()?;
    Ok(value)
}

/// The value as one of the field, if it is one.
fn fit(field: &Field, value: &Value) -> Option<Value> {
    if !field.is_list() {
        return fit_one(field.ty, value);
    }
    let items = match value {
        Value::List(list) => list.items(),
        _ => std::slice::from_ref(value),
    };
    let items = items.iter().map(|item| fit_one(field.ty, item)).collect::<Option<_>>()?;
    Some(List::new(field.ty, items).into())
}

fn fit_one(declared: Ty, value: &Value) -> Option<Value> {
    let number = match value {
        Value::Byte(number) => Some(i64::from(*number)),
        Value::Short(number) => Some(i64::from(*number)),
        Value::Int(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        _ => None,
    };
    Some(match (declared, value) {
        (_, Value::Unset | Value::List(_)) => return None,
        (Ty::Any, _) => value.clone(),
        // Servers do not agree on the sizes of numbers, nor on whether a choice is text.
        (Ty::Byte, _) => Value::Byte(number?.try_into().ok()?),
        (Ty::Short, _) => Value::Short(number?.try_into().ok()?),
        (Ty::Int, _) => Value::Int(number?.try_into().ok()?),
        (Ty::Long, _) => Value::Long(number?),
        (Ty::Enum(id), Value::String(text)) => {
            let index = id.info().values.iter().position(|known| *known == text.as_str())?;
            Value::Enum(id, u16::try_from(index).ok()?)
        }
        (Ty::String, Value::Enum(..) | Value::Uri(_)) => Value::from(value.text()?),
        (Ty::Uri, Value::String(text)) => Value::Uri(text.clone()),
        (Ty::Data(base), Value::Object(object)) => object.kind().is_a(base).then(|| value.clone())?,
        (Ty::Moref(base), Value::Moref(kind, _)) => (kind.is_a(base) || base.is_a(*kind)).then(|| value.clone())?,
        _ => (value.ty() == Some(declared)).then(|| value.clone())?,
    })
}

#[cfg(test)]
mod tests {
    use vimsim_types::enums::ManagedEntityStatus;
    use vimsim_types::views::VirtualMachine;

    use super::*;

    fn saved(properties: &str) -> Option<(Moref, Object)> {
        let xml = format!(
            r#"<ObjectContent xmlns:x="http://www.w3.org/2001/XMLSchema-instance">
                 <obj type="VirtualMachine">vm-1</obj>{properties}</ObjectContent>"#
        );
        decode_saved_object(xml.as_bytes()).expect("is readable")
    }

    #[test]
    fn properties_are_those_of_the_type() {
        let (moref, object) = saved(
            r#"<propSet><name>name</name><val x:type="xsd:string">a</val></propSet>
               <propSet><name>overallStatus</name><val x:type="xsd:string">green</val></propSet>
               <propSet><name>effectiveRole</name><val x:type="ArrayOfInt"><int>-1</int></val></propSet>
               <propSet><name>parent</name><val type="Folder" x:type="ManagedObjectReference">group-2</val></propSet>
               <propSet><name>configStatus</name><val x:type="ManagedEntityStatus"></val></propSet>
               <propSet><name>tag</name><val x:type="xsd:string">of another type</val></propSet>
               <propSet><name>noSuchProperty</name><val x:type="NoSuchType"><a/></val></propSet>"#,
        )
        .expect("a known type");
        let machine = VirtualMachine::from_ref(&object).expect("a virtual machine");
        assert_eq!(moref, Moref::of::<VirtualMachine>("vm-1"));
        assert_eq!(machine.name(), "a");
        assert_eq!(machine.overall_status(), ManagedEntityStatus::Green);
        assert!(machine.effective_role().iter().eq([-1]));
        assert_eq!(machine.parent().map(|parent| parent.to_string()), Some("Folder:group-2".into()));
        assert!(object.get(vimsim_types::views::ManagedEntity::TAG).is_unset());
    }

    #[test]
    fn objects_of_other_types_are_passed_over() {
        let xml = br#"<ObjectContent><obj type="Newer">newer-1</obj></ObjectContent>"#;
        assert_eq!(decode_saved_object(xml).expect("is readable"), None);
        assert!(decode_saved_object(b"<ObjectContent></ObjectContent>").is_err());
        assert!(decode_saved_object(b"<ObjectContent><obj").is_err());
    }

    #[test]
    fn answers_have_no_envelope() {
        let method = Method::find(Namespace::VIM25, "QueryNetworkHint").expect("is known");
        let xml =
            b"<QueryNetworkHintResponse><returnval><device>vmnic0</device></returnval></QueryNetworkHintResponse>";
        assert_eq!(decode_saved_answer(method, xml).expect("is readable").items().len(), 1);
        assert!(decode_saved_answer(method, b"<QueryNetworkHintResponse>").is_err());
    }
}
