//! Responses: what a method returned, or the fault it raised.

use vimsim_types::views::RuntimeFault;
use vimsim_types::{Fault, List, Method, Namespace, Object, Ty, Value, Version, View};

use super::request::envelope;
use super::{BODY, END, START, namespaces, namespaces_within};
use crate::Limits;
use crate::names::Known;
use crate::xml::decode::Decoder;
use crate::xml::encode::{Encoder, escape};
use crate::xml::reader::{Reader, Space, document};

/// Writes the response of a method that returned `result`, as a client of `version` understands it. A method that
/// returns any value (`Fetch`) answers a list as one `ArrayOf`, all others as repeated elements.
pub fn encode_response(method: &Method, result: &Value, version: Version, out: &mut Vec<u8>) {
    let namespace = method.namespace();
    out.extend_from_slice(START.as_bytes());
    out.extend_from_slice(BODY.as_bytes());
    let mut encoder = Encoder::new(Known { namespace, version }, out);
    encoder.open(method.name);
    encoder.out.extend_from_slice(b"Response");
    // What the service of storage policies does not publish it answers in a namespace of its own, which govmomi insists on.
    let own = if method.is_internal() && namespace.name() == "pbm" { "urn:internalpbm" } else { namespace.urn() };
    namespaces_within(namespace, own, encoder.out);
    encoder.out.push(b'>');
    if let Some(declared) = method.returns {
        encoder.value("returnval", result, declared, method.returns_list());
    }
    encoder.out.extend_from_slice(b"</");
    encoder.out.extend_from_slice(method.name.as_bytes());
    encoder.out.extend_from_slice(b"Response>");
    out.extend_from_slice(END.as_bytes());
}

/// Writes a fault, as a client that speaks this version of `namespace` understands it.
pub fn encode_fault(fault: &Fault, namespace: Namespace, version: Version, out: &mut Vec<u8>) {
    out.extend_from_slice(START.as_bytes());
    out.extend_from_slice(BODY.as_bytes());
    out.extend_from_slice(b"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>");
    escape(fault.message(), out);
    out.extend_from_slice(b"</faultstring><detail>");
    let known = Known { namespace, version };
    let detail = fault.detail().as_object();
    let kind = known.nearest(detail.kind(), Ty::Any);
    let name = format!("{}Fault", kind.name());
    let mut encoder = Encoder::new(known, out);
    encoder.open(&name);
    namespaces(namespace, encoder.out);
    encoder.type_attribute(kind);
    encoder.out.push(b'>');
    encoder.fields(detail, kind);
    encoder.close(&name);
    out.extend_from_slice(b"</detail></soapenv:Fault>");
    out.extend_from_slice(END.as_bytes());
}

/// Reads the response to `method`, as a client does: the outer error says that it is none, the inner one is the fault
/// that the method raised.
pub fn decode_response(method: &Method, body: &[u8], limits: &Limits) -> Result<Result<Value, Fault>, Fault> {
    let text = document(body)?;
    let mut decoder = Decoder::new(Reader::new(&text, limits), method.namespace(), limits);
    envelope(&mut decoder)?;
    while let Some(tag) = decoder.reader.child()? {
        if (tag.space, tag.name) != (Space::Soap, "Body") {
            decoder.reader.skip()?;
            continue;
        }
        let Some(tag) = decoder.reader.child()? else { break };
        if (tag.space, tag.name) == (Space::Soap, "Fault") {
            return read_fault(&mut decoder).map(Err);
        }
        if tag.name.strip_suffix("Response") != Some(method.name) {
            return Err(decoder.reader.fault(format_args!("{} is not a response to {}", tag.name, method.name)));
        }
        return read_result(&mut decoder, method).map(Ok);
    }
    Err(decoder.reader.fault("nothing in the body"))
}

pub(crate) fn read_result(decoder: &mut Decoder<'_, '_>, method: &Method) -> Result<Value, Fault> {
    let mut values = Vec::new();
    while let Some(tag) = decoder.reader.child()? {
        let Some(declared) = method.returns else {
            return Err(decoder.reader.fault("a value from a method that returns none"));
        };
        values.push(decoder.value(&tag, declared)?);
    }
    match (method.returns, values.len()) {
        (Some(declared), _) if method.returns_list() => Ok(Value::List(List::new(declared, values))),
        (_, 0 | 1) => Ok(values.pop().unwrap_or_default()),
        _ => Err(decoder.reader.fault("more than one value from a method that returns one")),
    }
}

fn read_fault(decoder: &mut Decoder<'_, '_>) -> Result<Fault, Fault> {
    let mut message = String::new();
    let mut detail = Object::new(RuntimeFault::TYPE);
    while let Some(tag) = decoder.reader.child()? {
        match tag.name {
            "faultstring" => message = decoder.reader.text()?.into_owned(),
            "detail" => {
                while let Some(tag) = decoder.reader.child()? {
                    if let Value::Object(object) = decoder.value(&tag, Ty::Any)? {
                        detail = object;
                    }
                }
            }
            _ => decoder.reader.skip()?,
        }
    }
    Ok(Fault::from_object(detail, message))
}

#[cfg(test)]
mod tests {
    use vimsim_types::views::{
        Folder, ManagedEntity, NoPermission, NotAuthenticated, ServiceContent, VirtualMachine, VsanDiskFault,
    };
    use vimsim_types::{EnumView, MethodView, Moref, enums, method};

    use super::*;

    /// What a method's response has between its tags.
    fn returned<M: MethodView>(result: &Value) -> String {
        let mut out = Vec::new();
        encode_response(M::method(), result, Version::NEWEST, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let body = text.strip_prefix(START).and_then(|text| text.strip_prefix(BODY)).expect("an envelope");
        let body = body.strip_suffix(END).expect("an envelope");
        let start = format!("<{}Response xmlns=\"urn:vim25\">", M::NAME);
        let body = body.strip_prefix(start.as_str()).expect("the response element");
        body.strip_suffix(format!("</{}Response>", M::NAME).as_str()).expect("the response element").to_string()
    }

    #[test]
    fn an_envelope_is_as_a_vcenter_sends_it() {
        let mut out = Vec::new();
        encode_response(method::DestroyPropertyFilter::method(), &Value::Unset, Version::NEWEST, &mut out);
        let expected = concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" ",
            "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" ",
            "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" ",
            "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<soapenv:Body>\n",
            "<DestroyPropertyFilterResponse xmlns=\"urn:vim25\"></DestroyPropertyFilterResponse>\n",
            "</soapenv:Body>\n</soapenv:Envelope>",
        );
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn a_list_is_repeated_and_any_list_is_one_array() {
        let morefs = ["vm-1", "vm-2"].map(|id| Moref::of::<VirtualMachine>(id).into());
        let list = Value::List(List::new(Ty::Moref(ManagedEntity::TYPE), morefs.into()));
        assert_eq!(
            returned::<method::FindAllByUuid>(&list),
            "<returnval type=\"VirtualMachine\">vm-1</returnval><returnval type=\"VirtualMachine\">vm-2</returnval>"
        );
        assert_eq!(
            returned::<method::Fetch>(&list),
            "<returnval xsi:type=\"ArrayOfManagedObjectReference\">\
             <ManagedObjectReference type=\"VirtualMachine\">vm-1</ManagedObjectReference>\
             <ManagedObjectReference type=\"VirtualMachine\">vm-2</ManagedObjectReference></returnval>"
        );
        let empty = Value::List(List::new(Ty::String, Vec::new()));
        assert_eq!(returned::<method::Fetch>(&empty), "<returnval xsi:type=\"ArrayOfString\"></returnval>");
        assert_eq!(returned::<method::Fetch>(&Value::Unset), "");
        let state = enums::VirtualMachinePowerState::PoweredOn;
        assert_eq!(
            returned::<method::Fetch>(&Value::Enum(enums::VirtualMachinePowerState::TYPE, state.index())),
            "<returnval xsi:type=\"VirtualMachinePowerState\">poweredOn</returnval>"
        );
        assert_eq!(returned::<method::Fetch>(&Value::from(1i64)), "<returnval xsi:type=\"xsd:long\">1</returnval>");
    }

    #[test]
    fn text_is_escaped_and_what_xml_forbids_replaced() {
        let text = Value::from("a<b>&\"c\"\r\n\t\u{1}\u{FFFF}\u{EFFF}é");
        assert_eq!(
            returned::<method::Fetch>(&text),
            "<returnval xsi:type=\"xsd:string\">a&lt;b&gt;&amp;&quot;c&quot;&#13;\n\t\u{FFFD}\u{FFFD}\u{EFFF}é</returnval>"
        );
    }

    #[test]
    fn a_fault_is_typed_and_has_a_message() {
        let fault = Fault::new(
            NoPermission::with(|fault| {
                fault.set_privilege_id("System.View");
            }),
            "no <way>",
        );
        let mut out = Vec::new();
        encode_fault(&fault, Namespace::VIM25, Version::NEWEST, &mut out);
        let text = String::from_utf8(out.clone()).expect("UTF-8");
        assert!(
            text.contains(
                "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>no &lt;way&gt;</faultstring><detail>\
                 <NoPermissionFault xmlns=\"urn:vim25\" xsi:type=\"NoPermission\"><privilegeId>System.View</privilegeId>\
                 </NoPermissionFault></detail></soapenv:Fault>"
            ),
            "{text}"
        );
        let read = decode_response(method::CurrentTime::method(), &out, &Limits::default()).expect("a response");
        assert_eq!(read, Err(fault));
    }

    #[test]
    fn another_namespace_names_types_with_prefixes() {
        let pbm = Namespace::from_urn("urn:pbm").expect("known");
        let mut out = Vec::new();
        encode_fault(&NotAuthenticated::new().into(), pbm, Version::NEWEST, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let expected = concat!(
            "<NotAuthenticatedFault xmlns=\"urn:pbm\" xmlns:vim25=\"urn:vim25\" xmlns:pbm=\"urn:pbm\" ",
            "xsi:type=\"vim25:NotAuthenticated\"></NotAuthenticatedFault>"
        );
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn an_older_client_sees_the_nearest_ancestor() {
        let fault = Fault::new(VsanDiskFault::new(), "x");
        let version = Version::parse(Namespace::VIM25, "5.1").expect("a version");
        let mut out = Vec::new();
        encode_fault(&fault, Namespace::VIM25, version, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.contains("<VimFaultFault xmlns=\"urn:vim25\" xsi:type=\"VimFault\"></VimFaultFault>"), "{text}");
    }

    #[test]
    fn responses_are_read_back() {
        let method = method::RetrieveServiceContent::method();
        let content = ServiceContent::with(|content| {
            content.set_root_folder(Moref::of::<Folder>("group-d1"));
        });
        let result = Value::Object(content.into());
        let mut out = Vec::new();
        encode_response(method, &result, Version::NEWEST, &mut out);
        assert_eq!(decode_response(method, &out, &Limits::default()), Ok(Ok(result)));
        let other = method::CurrentTime::method();
        assert!(decode_response(other, &out, &Limits::default()).is_err());
    }
}
