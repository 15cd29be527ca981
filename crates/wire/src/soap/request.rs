//! Requests: a method, the object it is called on, and its arguments.

use vimsim_types::table::Kind;
use vimsim_types::views::ManagedObject;
use vimsim_types::{ArcStr, Fault, Method, Moref, Namespace, Object, Version, View};

use super::{BODY, END, START, namespaces};
use crate::Limits;
use crate::names::Known;
use crate::xml::decode::Decoder;
use crate::xml::encode::{Encoder, escape};
use crate::xml::reader::{Reader, Space, Tag, document};

/// A call of a method, as a client sent it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The namespace that the method was called in. What the method is declared in may be vim25 where this is not.
    pub namespace: Namespace,
    /// The method.
    pub method: &'static Method,
    /// The object it is called on, with the type that the client gave it: its own, an ancestor, or `ManagedObject` if
    /// the client's word for it is unknown.
    pub this: Moref,
    /// The arguments: an object of the method's request type.
    pub arguments: Object,
    /// What the envelope's header says.
    pub header: Header,
}

/// What we read of an envelope's header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The client's identifier of the operation, for logs and task descriptions.
    pub operation_id: Option<ArcStr>,
    /// The session, where a client does not use the cookie.
    pub vc_session_cookie: Option<ArcStr>,
    /// The `Security` element as it was written: the token of `LoginByToken`. Prefixes in it may be declared outside.
    pub security: Option<ArcStr>,
}

/// Reads a request. Whatever the bytes are, this returns, and what is wrong with them is in the fault.
///
/// - `InvalidRequest`: not XML, not UTF-8, not an envelope, too deep, an unknown method or element, one that is missing
///   or given twice.
/// - `InvalidType`: a value that is not of the declared type, an unknown type.
/// - `InvalidArgument`: no such value of an enumeration.
pub fn decode_request(body: &[u8], limits: &Limits) -> Result<Request, Fault> {
    let text = document(body)?;
    let mut decoder = Decoder::new(Reader::new(&text, limits), Namespace::VIM25, limits);
    let mut header = Header::default();
    let mut request = None;
    envelope(&mut decoder)?;
    while let Some(tag) = decoder.reader.child()? {
        match (tag.space, tag.name) {
            (Space::Soap, "Header") => header = read_header(&mut decoder)?,
            (Space::Soap, "Body") if request.is_none() => request = Some(read_body(&mut decoder, limits)?),
            _ => return Err(decoder.reader.fault("unexpected element in the envelope")),
        }
    }
    decoder.reader.finish()?;
    let (namespace, method, this, arguments) =
        request.ok_or_else(|| decoder.reader.fault("no body in the envelope"))?;
    Ok(Request { namespace, method, this, arguments, header })
}

/// Enters the envelope.
pub(super) fn envelope(decoder: &mut Decoder<'_, '_>) -> Result<(), Fault> {
    let root = decoder.root()?;
    match root.space == Space::Soap && root.name == "Envelope" {
        true => Ok(()),
        false => Err(decoder.reader.fault(format_args!("{} is not a SOAP 1.1 envelope", root.name))),
    }
}

fn read_header(decoder: &mut Decoder<'_, '_>) -> Result<Header, Fault> {
    let mut header = Header::default();
    while let Some(tag) = decoder.reader.child()? {
        match tag.name {
            "operationID" => header.operation_id = Some(decoder.reader.text()?.trim().into()),
            "vcSessionCookie" => header.vc_session_cookie = Some(decoder.reader.text()?.trim().into()),
            "Security" => header.security = Some(decoder.reader.raw()?.into()),
            _ => decoder.reader.skip()?,
        }
    }
    Ok(header)
}

fn read_body(
    decoder: &mut Decoder<'_, '_>,
    limits: &Limits,
) -> Result<(Namespace, &'static Method, Moref, Object), Fault> {
    let Some(tag) = decoder.reader.child()? else { return Err(decoder.reader.fault("nothing in the body")) };
    let (namespace, method) = find_method(decoder, &tag, limits)?;
    decoder.known.namespace = namespace;
    let this = match decoder.reader.child()? {
        Some(tag) if tag.name == "_this" => decoder.moref(&tag, ManagedObject::TYPE)?,
        _ => return Err(decoder.reader.fault(format_args!("{} must begin with _this", method.name))),
    };
    let mut arguments = Object::new(method.request);
    decoder.fields(&mut arguments)?;
    decoder.check_required(&arguments)?;
    match decoder.reader.child()? {
        None => Ok((namespace, method, this, arguments)),
        Some(_) => Err(decoder.reader.fault("a second element in the body")),
    }
}

/// The method that an element calls: that of the element's namespace or else that of vim25, which is also where
/// elements of internal namespaces (`urn:internalvim25`, `urn:reflect`) and of none belong.
fn find_method(
    decoder: &Decoder<'_, '_>,
    tag: &Tag<'_>,
    limits: &Limits,
) -> Result<(Namespace, &'static Method), Fault> {
    let namespace = match tag.space {
        Space::Api(namespace) => namespace,
        _ => Namespace::VIM25,
    };
    let method = Method::find(namespace, tag.name).or_else(|| Method::find(Namespace::VIM25, tag.name));
    let known = Known { namespace, version: limits.version.unwrap_or(Version::NEWEST) };
    match method.filter(|method| known.has(method.namespace(), method.since)) {
        Some(method) => Ok((namespace, method)),
        None => Err(decoder.reader.fault(format_args!("unknown method {}", tag.name))),
    }
}

/// Writes a request as a client would: for tests, and, with `redact`, for traces, where asterisks stand for secrets.
pub fn encode_request(request: &Request, version: Version, redact: bool, out: &mut Vec<u8>) {
    debug_assert_eq!(request.arguments.kind().info().kind, Kind::Request);
    out.extend_from_slice(START.as_bytes());
    let header =
        [("operationID", &request.header.operation_id), ("vcSessionCookie", &request.header.vc_session_cookie)];
    if header.iter().any(|(_, value)| value.is_some()) {
        out.extend_from_slice(b"<soapenv:Header>");
        for (name, value) in header {
            let Some(value) = value else { continue };
            out.extend_from_slice(format!("<{name}>").as_bytes());
            escape(if redact && name == "vcSessionCookie" { "********" } else { value }, out);
            out.extend_from_slice(format!("</{name}>").as_bytes());
        }
        out.extend_from_slice(b"</soapenv:Header>\n");
    }
    out.extend_from_slice(BODY.as_bytes());
    let mut encoder = Encoder::new(Known { namespace: request.namespace, version }, out);
    if redact {
        encoder = encoder.redacting();
    }
    encoder.open(request.method.name);
    namespaces(request.namespace, encoder.out);
    encoder.out.extend_from_slice(b"><_this");
    encoder.moref(request.this.kind(), request.this.value());
    encoder.out.extend_from_slice(b"</_this>");
    encoder.fields(&request.arguments, request.method.request);
    encoder.close(request.method.name);
    out.extend_from_slice(END.as_bytes());
}

#[cfg(test)]
mod tests {
    use vimsim_types::views::{InvalidArgument, InvalidRequest, InvalidType};
    use vimsim_types::{Value, method};

    use super::*;

    fn envelope(body: &str) -> String {
        format!(
            "<soapenv:Envelope xmlns:soapenv='{}' xmlns:xsi='{}' xmlns:xsd='{}'><soapenv:Body>{body}</soapenv:Body>\
             </soapenv:Envelope>",
            crate::names::SOAP,
            crate::names::INSTANCE,
            crate::names::SCHEMA,
        )
    }

    fn call(name: &str, arguments: &str) -> String {
        envelope(&format!("<{name} xmlns='urn:vim25'><_this type='VirtualMachine'>vm-1</_this>{arguments}</{name}>"))
    }

    fn read(request: &str) -> Result<Request, Fault> {
        decode_request(request.as_bytes(), &Limits::default())
    }

    /// The fault that the request meets.
    fn fault(request: &str) -> Fault {
        read(request).expect_err(request)
    }

    /// What govc sends for `govc ls`: a prefix of its own for `xsi`, declared on the element that uses it.
    const GOVMOMI: &str = concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Header>",
        "<operationID xmlns=\"urn:vim25\">5e2c11d8-20</operationID></Header><Body>",
        "<RetrieveProperties xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">propertyCollector</_this>",
        "<specSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>",
        "<objectSet><obj type=\"Folder\">group-d1</obj><skip>false</skip>",
        "<selectSet xmlns:_XMLSchema-instance=\"http://www.w3.org/2001/XMLSchema-instance\" ",
        "_XMLSchema-instance:type=\"TraversalSpec\">",
        "<name>traverseParent</name><type>ManagedEntity</type><path>parent</path><skip>false</skip>",
        "<selectSet xmlns:_XMLSchema-instance=\"http://www.w3.org/2001/XMLSchema-instance\" ",
        "_XMLSchema-instance:type=\"SelectionSpec\"><name>traverseParent</name></selectSet>",
        "</selectSet></objectSet></specSet></RetrieveProperties></Body></Envelope>",
    );

    /// What pyVmomi sends: `versionId` on every argument.
    const PYVMOMI: &str = concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" ",
        "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" ",
        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\n",
        "<soapenv:Header><vcSessionCookie xsi:type=\"xsd:string\">52f0</vcSessionCookie></soapenv:Header>\n",
        "<soapenv:Body><Fetch xmlns=\"urn:vim25\">",
        "<_this versionId=\"8.0.3.0\" type=\"ServiceInstance\">ServiceInstance</_this>",
        "<prop versionId=\"8.0.3.0\">content</prop></Fetch></soapenv:Body>\n</soapenv:Envelope>",
    );

    #[test]
    fn reads_what_govmomi_sends() {
        let request = read(GOVMOMI).expect("valid");
        assert_eq!(request.method.name, "RetrieveProperties");
        assert_eq!(request.this.to_string(), "PropertyCollector:propertyCollector");
        assert_eq!(request.header.operation_id.as_deref(), Some("5e2c11d8-20"));
        let arguments = method::RetrieveProperties::from_object(request.arguments).expect("its request type");
        let spec = arguments.spec_set().first().expect("one");
        assert_eq!(spec.prop_set().first().expect("one").path_set().len(), 2);
        let object_spec = spec.object_set().first().expect("one");
        let traversal = object_spec.select_set().first().expect("one");
        assert_eq!(traversal.as_object().kind().name(), "TraversalSpec");
        assert_eq!(traversal.as_object().field("path").text(), Some("parent"));
        let inner = traversal.as_object().field("selectSet").items();
        assert_eq!(inner.first().and_then(Value::object).map(|spec| spec.kind().name()), Some("SelectionSpec"));
    }

    #[test]
    fn reads_what_pyvmomi_sends() {
        let request = read(PYVMOMI).expect("valid");
        assert_eq!(request.method.name, "Fetch");
        assert_eq!(request.arguments.field("prop").text(), Some("content"));
        assert_eq!(request.header.vc_session_cookie.as_deref(), Some("52f0"));
    }

    #[test]
    fn what_is_no_request_is_an_invalid_request() {
        let billion = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>".to_string() + GOVMOMI;
        let deep = GOVMOMI.replace("<operationID xmlns=\"urn:vim25\">", &"<deeper>".repeat(100));
        let wide =
            call("PowerOnVM_Task", &format!("<host {}/>", (0..100).map(|n| format!("a{n}='' ")).collect::<String>()));
        for (request, part) in [
            ("", "ends too early"),
            ("hello", "text 'hello'"),
            ("<a", "malformed XML"),
            ("<a>", "not a SOAP 1.1 envelope"),
            (&GOVMOMI[..GOVMOMI.len() - 18], "ends too early"),
            (&GOVMOMI[..GOVMOMI.len() - 40], "malformed XML"),
            (&format!("{GOVMOMI}<more/>"), "content after the end"),
            (&GOVMOMI.replace("</skip>", "</skop>"), "malformed XML"),
            (&GOVMOMI.replace("UTF-8", "ISO-8859-1"), "encoding ISO-8859-1 is not supported"),
            (&GOVMOMI.replace("<name>", "<x:name>"), "prefix 'x' is not declared"),
            (&GOVMOMI.replace("traverseParent", "&parent;"), "unknown entity &parent;"),
            (&GOVMOMI.replace("traverseParent", "&#0;"), "unknown entity &#0;"),
            (&GOVMOMI.replace("traverseParent", "\u{1}"), "XML does not allow U+0001"),
            (&GOVMOMI.replace("traverseParent", "\u{FFFE}"), "XML does not allow U+FFFE"),
            (&billion, "document type declaration"),
            (&deep, "nested deeper than 64"),
            (&wide, "more than 64 attributes"),
            (&envelope(""), "nothing in the body"),
            (&envelope("<x:Foo xmlns:x='urn:vim25'/>"), "unknown method Foo"),
            (&envelope("<RetrievePropertiesExRequestType xmlns='urn:vim25'/>"), "unknown method"),
            (&envelope("<CurrentTime xmlns='urn:vim25'/>"), "must begin with _this"),
            (&call("PowerOnVM_Task", "<where type='HostSystem'>host-1</where>"), "unknown parameter of PowerOnVM"),
            (&call("CreateFolder", ""), "missing required element name"),
            (&call("CreateFolder", "<name>a</name><name>b</name>"), "name is given more than once"),
            (&call("CreateFolder", "<name>a<b/></name>"), "an element where text is expected"),
            (&call("ReconfigVM_Task", "<spec><nmae>a</nmae></spec>"), "in VirtualMachineConfigSpec: nmae"),
            (&call("ReconfigVM_Task", "<spec>huh</spec>"), "text 'huh'"),
        ] {
            let fault = fault(request);
            assert!(fault.is::<InvalidRequest>() && fault.message().contains(part), "{part}: {fault} for {request}");
        }
        let utf16: Vec<u8> = "\u{FEFF}<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let fault = decode_request(&utf16, &Limits::default()).expect_err("UTF-16");
        assert!(fault.message().contains("UTF-16"), "{fault}");
        assert!(decode_request(b"<\xFF/>", &Limits::default()).is_err());
    }

    #[test]
    fn what_is_of_the_wrong_type_is_an_invalid_type() {
        let spec = |inner: &str| call("ReconfigVM_Task", &format!("<spec>{inner}</spec>"));
        for (request, argument, part) in [
            (
                spec("<numCPUs>abc</numCPUs>"),
                "numCPUs",
                "'abc' is not an int, in element Envelope/Body/ReconfigVM_Task/spec/numCPUs",
            ),
            (spec("<numCPUs>2147483648</numCPUs>"), "numCPUs", "is not an int"),
            (spec("<numCPUs></numCPUs>"), "numCPUs", "'' is not an int"),
            (spec("<memoryMB>1.5</memoryMB>"), "memoryMB", "'1.5' is not a long"),
            (spec("<nestedHVEnabled>yes</nestedHVEnabled>"), "nestedHVEnabled", "'yes' is not a boolean"),
            (spec("<changeTrackingEnabled/>"), "changeTrackingEnabled", "'' is not a boolean"),
            (spec("<createDate>now</createDate>"), "createDate", "'now' is not a dateTime"),
            (spec("<files xsi:type='Nothing'/>"), "files", "unknown type Nothing"),
            (spec("<files xsi:type='VirtualDisk'/>"), "files", "VirtualDisk is not a VirtualMachineFileInfo"),
            (spec("<extraConfig><value>1</value></extraConfig>"), "value", "needs an xsi:type"),
            (
                spec("<extraConfig><value xsi:type='ArrayOfNothing'/></extraConfig>"),
                "value",
                "unknown type ArrayOfNothing",
            ),
            (spec("<extraConfig><value xsi:type='xsd:int'>x</value></extraConfig>"), "value", "'x' is not an int"),
            (spec("<name xsi:type='VirtualDisk'/>"), "name", "VirtualDisk is not the type"),
            (call("PowerOnVM_Task", "<host type='Datastore'>x</host>"), "host", "Datastore is not a HostSystem"),
        ] {
            let fault = fault(&request);
            assert!(fault.is::<InvalidType>() && fault.message().contains(part), "{part}: {fault} for {request}");
            assert_eq!(fault.detail().as_object().field("argument").text(), Some(argument), "{fault}");
        }
    }

    #[test]
    fn what_is_no_value_of_an_enumeration_is_an_invalid_argument() {
        let fault = fault(&call(
            "ReconfigVM_Task",
            "<spec><firmware>x</firmware><deviceChange><operation>eat</operation></deviceChange></spec>",
        ));
        assert!(fault.is::<InvalidArgument>(), "{fault}");
        assert_eq!(fault.detail().as_object().field("invalidProperty").text(), Some("operation"));
        let empty = call("ReconfigVM_Task", "<spec><deviceChange><operation></operation></deviceChange></spec>");
        let lenient = Limits { ignore_unknown_elements: true, ..Limits::default() };
        assert!(decode_request(empty.as_bytes(), &lenient).is_ok());
        assert!(read(&empty).is_err());
    }

    #[test]
    fn text_is_read_as_xml_means_it() {
        let name = |text: &str| {
            let request = read(&call("CreateFolder", &format!("<name>{text}</name>"))).expect(text);
            request.arguments.field("name").text().expect("set").to_string()
        };
        assert_eq!(name("a &lt;&#98;&#x63;&amp;<![CDATA[<d>&]]><!-- e -->f<?g h?>"), "a <bc&<d>&f");
        assert_eq!(name(" a\r\nb\rc "), " a\nb\nc ");
        assert_eq!(name("a&#13;b"), "a\rb");
        assert_eq!(name("\u{FFFD}\u{10FFFF}"), "\u{FFFD}\u{10FFFF}");
        assert_eq!(name(""), "");
        let marked = format!("\u{FEFF}{GOVMOMI}");
        assert!(read(&marked).is_ok());
        assert!(read(&format!("\u{FEFF}{marked}")).is_err());
    }

    #[test]
    fn nil_is_unset_and_prefixes_are_free() {
        let request = read(&call("PowerOnVM_Task", "<host xsi:nil='true'/>")).expect("valid");
        assert!(request.arguments.field("host").is_unset());
        let request = concat!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>",
            "<v:ReconfigVM_Task xmlns:v='urn:vim2' xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:d='http://www.w3.org/2001/XMLSchema'>",
            "<v:_this type='v:VirtualMachine'>vm-1</v:_this><v:spec i:type='v:VirtualMachineConfigSpec'>",
            "<v:extraConfig><v:key>a</v:key><v:value i:type='d:string'>b</v:value></v:extraConfig>",
            "<v:extraConfig><v:key>c</v:key><v:value i:type='undeclared:string'>d</v:value></v:extraConfig>",
            "<v:extraConfig><v:key>e</v:key><v:value i:type='v:ArrayOfString'>",
            "<v:string>f</v:string></v:value></v:extraConfig>",
            "</v:spec></v:ReconfigVM_Task></e:Body></e:Envelope>",
        );
        let request = read(request).expect("valid");
        let arguments = method::ReconfigVMTask::from_object(request.arguments).expect("its request type");
        let values: Vec<_> = arguments.spec().extra_config().iter().map(|option| option.value().clone()).collect();
        assert_eq!(values[..2], [Value::from("b"), Value::from("d")]);
        assert_eq!(values[2].items(), [Value::from("f")]);
    }

    #[test]
    fn an_unknown_kind_of_this_is_any_managed_object() {
        let read_this = |kind| read(&call("PowerOnVM_Task", "").replace("VirtualMachine", kind)).expect(kind).this;
        assert_eq!(read_this("Unheard").kind(), ManagedObject::TYPE);
        assert_eq!(read_this("ManagedEntity").kind().name(), "ManagedEntity");
    }

    #[test]
    fn newer_elements_are_unknown_to_an_older_client() {
        let spec = call("ReconfigVM_Task", "<spec><sgxInfo><epcSize>1</epcSize></sgxInfo></spec>");
        assert!(read(&spec).is_ok());
        let old = Limits { version: Version::parse(Namespace::VIM25, "6.5"), ..Limits::default() };
        let fault = decode_request(spec.as_bytes(), &old).expect_err("newer than 6.5");
        assert!(fault.message().contains("sgxInfo"), "{fault}");
        let lenient = Limits { ignore_unknown_elements: true, ..old };
        assert!(decode_request(spec.as_bytes(), &lenient).is_ok());
    }

    #[test]
    fn a_small_request_cannot_ask_for_much_memory() {
        let many = "<deviceChange><operation>add</operation></deviceChange>".repeat(1000);
        let request = call("ReconfigVM_Task", &format!("<spec>{many}</spec>"));
        let limits = Limits { values: 1000, ..Limits::default() };
        let fault = decode_request(request.as_bytes(), &limits).expect_err("too many");
        assert!(fault.message().contains("more than 1000 values"), "{fault}");
        assert!(read(&request).is_ok());
    }

    #[test]
    fn the_security_header_is_kept_as_written() {
        let security = "<w:Security xmlns:w='x'><token a='b'>c &amp; <d/></token></w:Security>";
        let request = GOVMOMI.replace("</Header>", &format!("{security}</Header>"));
        let header = read(&request).expect("valid").header;
        assert_eq!(header.security.as_deref(), Some(security));
    }

    #[test]
    fn a_trace_shows_no_secret() {
        let login = call("Login", "<userName>u</userName><password>p455</password>");
        let request = read(&login).expect("valid");
        let mut out = Vec::new();
        encode_request(&request, Version::NEWEST, true, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.contains("<userName>u</userName><password>********</password>"), "{text}");
        let mut out = Vec::new();
        encode_request(&request, Version::NEWEST, false, &mut out);
        let again = decode_request(&out, &Limits::default()).expect("valid");
        assert_eq!(again.arguments, request.arguments);
    }
}
