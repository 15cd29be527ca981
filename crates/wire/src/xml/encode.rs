//! Values to XML, driven by the tables.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use vimsim_types::{Field, List, Namespace, Object, Ty, TypeId, Value, Version};

use crate::names::{self, Known};

/// Writes a value as elements called `name`: one, or one for each item if `list` says that the value is declared as a
/// list. Where the value's type is not the declared one, or that is `Any`, an `xsi:type` says what it is. The prefixes
/// `xsi` and `xsd` are not declared here.
pub fn encode_value(name: &str, value: &Value, declared: Ty, list: bool, version: Version, out: &mut Vec<u8>) {
    Encoder::new(Known { namespace: Namespace::VIM25, version }, out).value(name, value, declared, list);
}

/// Writes a value as an XML document of its own, such as a saved object: what
/// [`decode_value`](crate::decode_value) reads.
pub fn encode_document(name: &str, value: &Value, declared: Ty, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let start = out.len() + 1 + name.len();
    encode_value(name, value, declared, false, Version::NEWEST, out);
    let urn = Namespace::VIM25.urn();
    let (schema, instance) = (names::SCHEMA, names::INSTANCE);
    let declarations = format!(" xmlns=\"{urn}\" xmlns:xsd=\"{schema}\" xmlns:xsi=\"{instance}\"");
    out.splice(start..start, declarations.into_bytes());
    out.push(b'\n');
}

/// Writes values into a buffer.
pub(crate) struct Encoder<'o> {
    pub(crate) out: &'o mut Vec<u8>,
    /// What the client knows. `known.namespace` is also the namespace of the document.
    known: Known,
    /// The default namespace at this place of the document.
    space: Namespace,
    /// The next start tag declares `space` as the default namespace.
    enters: bool,
    /// Write asterisks for what is secret.
    redact: bool,
}

impl<'o> Encoder<'o> {
    /// An encoder for a place in a document whose default namespace is that of `known`.
    pub(crate) fn new(known: Known, out: &'o mut Vec<u8>) -> Self {
        Self { out, known, space: known.namespace, enters: false, redact: false }
    }

    /// The same, writing asterisks for what is secret.
    pub(crate) fn redacting(self) -> Self {
        Self { redact: true, ..self }
    }

    /// A value declared as `declared`, or as a list of those.
    pub(crate) fn value(&mut self, name: &str, value: &Value, declared: Ty, list: bool) {
        match value {
            Value::List(items) if list || declared != Ty::Any => {
                for item in items.items() {
                    self.element(name, item, declared);
                }
            }
            _ => self.element(name, value, declared),
        }
    }

    /// The fields of an object, as far as `kind`, its type or an ancestor of that, has them.
    pub(crate) fn fields(&mut self, object: &Object, kind: TypeId) {
        let namespace = kind.info().namespace;
        let all_here = namespace == Namespace::VIM25 && self.space == Namespace::VIM25;
        let version = if self.known.namespace == namespace { self.known.version } else { Version::NEWEST };
        for (slot, (field, value)) in kind.info().fields().iter().zip(object.slots()).enumerate() {
            if value.is_unset() || field.since > version {
                continue;
            }
            if all_here {
                self.field(field, value);
            } else {
                self.foreign_field(field, value, names::declared_in(kind, slot));
            }
        }
    }

    #[inline]
    fn field(&mut self, field: &Field, value: &Value) {
        if self.redact && field.is_secret() {
            return self.element(field.name, &Value::from("********"), Ty::String);
        }
        self.value(field.name, value, field.ty, field.is_list());
    }

    /// A field declared in a namespace that may be another than the default one here.
    fn foreign_field(&mut self, field: &Field, value: &Value, declared_in: Namespace) {
        if declared_in == self.space {
            return self.field(field, value);
        }
        let outside = std::mem::replace(&mut self.space, declared_in);
        match value {
            Value::List(items) if field.is_list() || field.ty != Ty::Any => {
                for item in items.items() {
                    self.enters = true;
                    self.element(field.name, item, field.ty);
                }
            }
            _ => {
                self.enters = true;
                self.element(field.name, value, field.ty);
            }
        }
        self.space = outside;
    }

    fn element(&mut self, name: &str, value: &Value, declared: Ty) {
        match value {
            Value::Unset => (),
            Value::Object(object) => {
                let kind = self.known.nearest(object.kind(), declared);
                self.open(name);
                if declared != Ty::Data(kind) {
                    self.type_attribute(kind);
                }
                self.out.push(b'>');
                self.fields(object, kind);
                self.close(name);
            }
            Value::Moref(kind, identifier) => {
                self.open(name);
                if declared == Ty::Any {
                    self.vim_type("", "ManagedObjectReference");
                }
                self.moref(*kind, identifier);
                self.close(name);
            }
            Value::List(items) => self.array(name, items),
            Value::Enum(kind, _) => {
                self.open(name);
                if declared == Ty::Any {
                    self.type_attribute(*kind);
                }
                self.out.push(b'>');
                self.out.extend_from_slice(value.text().unwrap_or_default().as_bytes());
                self.close(name);
            }
            _ => {
                self.open(name);
                if let (Ty::Any, Some(ty)) = (declared, value.ty()) {
                    self.out.extend_from_slice(b" xsi:type=\"xsd:");
                    self.out.extend_from_slice(ty.name().as_bytes());
                    self.out.push(b'"');
                }
                self.out.push(b'>');
                self.simple(value);
                self.close(name);
            }
        }
    }

    /// A list where anything may stand: one element, and in it one for each item.
    fn array(&mut self, name: &str, list: &List) {
        let item = names::item(list.element());
        let array = names::list(list.element());
        self.open(name);
        match list.element() {
            Ty::Data(kind) | Ty::Enum(kind) => self.qualified_type(kind.info().namespace, &array),
            _ => self.vim_type("", &array),
        }
        self.out.push(b'>');
        for value in list.items() {
            self.element(item, value, list.element());
        }
        self.close(name);
    }

    /// The rest of a reference's start tag, and its content.
    pub(crate) fn moref(&mut self, kind: TypeId, identifier: &str) {
        self.out.extend_from_slice(b" type=\"");
        self.out.extend_from_slice(self.known.nearest(kind, Ty::Any).name().as_bytes());
        self.out.extend_from_slice(b"\">");
        escape(identifier, self.out);
    }

    fn simple(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => self.out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Value::Byte(value) => self.integer(*value),
            Value::Short(value) => self.integer(*value),
            Value::Int(value) => self.integer(*value),
            Value::Long(value) => self.integer(*value),
            Value::Float(value) => self.float(f64::from(*value), format_args!("{value:?}")),
            Value::Double(value) => self.float(*value, format_args!("{value:?}")),
            Value::String(text) | Value::Uri(text) => escape(text, self.out),
            Value::DateTime(time) => self.display(format_args!("{time}")),
            Value::Binary(bytes) => {
                let start = self.out.len();
                self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
                let written = BASE64.encode_slice(bytes.as_slice(), &mut self.out[start..]);
                self.out.truncate(start + written.expect("there is room for it"));
            }
            Value::Unset | Value::Enum(..) | Value::Moref(..) | Value::Object(_) | Value::List(_) => (),
        }
    }

    fn integer(&mut self, value: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// XML Schema spells infinity in its own way.
    fn float(&mut self, value: f64, text: std::fmt::Arguments<'_>) {
        match value {
            f64::INFINITY => self.out.extend_from_slice(b"INF"),
            f64::NEG_INFINITY => self.out.extend_from_slice(b"-INF"),
            _ => self.display(text),
        }
    }

    fn display(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a buffer in memory takes everything");
    }

    /// ` xsi:type` for a type of the table.
    pub(crate) fn type_attribute(&mut self, kind: TypeId) {
        self.qualified_type(kind.info().namespace, kind.name());
    }

    /// ` xsi:type` for a name in a namespace. vim25 answers use no prefix, as a vCenter's do. Those of the other
    /// endpoints use one always, which is declared at the top for their own namespace and vim25: govmomi looks their
    /// types up with it.
    fn qualified_type(&mut self, namespace: Namespace, name: &str) {
        if self.known.namespace == Namespace::VIM25 && namespace == self.space {
            return self.vim_type("", name);
        }
        // Those of container volumes go without everywhere, also in tasks that clients read through `/sdk`: govmomi and
        // pyVmomi know them by their names alone.
        if namespace.name() == "vsan" && name.starts_with("Cns") {
            return self.vim_type("", name);
        }
        let declared = self.known.namespace != Namespace::VIM25
            && (namespace == Namespace::VIM25 || namespace == self.known.namespace);
        if !declared {
            self.display(format_args!(" xmlns:{}=\"{}\"", namespace.name(), namespace.urn()));
        }
        self.vim_type(namespace.name(), name);
    }

    fn vim_type(&mut self, prefix: &str, name: &str) {
        self.out.extend_from_slice(b" xsi:type=\"");
        if !prefix.is_empty() {
            self.out.extend_from_slice(prefix.as_bytes());
            self.out.push(b':');
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
    }

    /// The start tag without its `>`.
    #[inline]
    pub(crate) fn open(&mut self, name: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        if self.enters {
            self.enters = false;
            self.display(format_args!(" xmlns=\"{}\"", self.space.urn()));
        }
    }

    /// The end tag.
    #[inline]
    pub(crate) fn close(&mut self, name: &str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }
}

/// Text with what XML reserves written as references. What XML 1.0 does not allow at all becomes U+FFFD.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if !SPECIAL[usize::from(*byte)] {
            continue;
        }
        let (replacement, len): (&[u8], usize) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'"' => (b"&quot;", 1),
            // A parser would read a bare one as a line feed.
            b'\r' => (b"&#13;", 1),
            0xEF if bytes[index..].starts_with(b"\xEF\xBF\xBE") || bytes[index..].starts_with(b"\xEF\xBF\xBF") => {
                (b"\xEF\xBF\xBD", 3)
            }
            0xEF => continue,
            _ => (b"\xEF\xBF\xBD", 1),
        };
        out.extend_from_slice(&bytes[done..index]);
        out.extend_from_slice(replacement);
        done = index + len;
    }
    out.extend_from_slice(&bytes[done..]);
}

/// The bytes at which [`escape`] looks twice.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut control = 0;
    while control < b' ' as usize {
        special[control] = control != b'\t' as usize && control != b'\n' as usize;
        control += 1;
    }
    special[b'&' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special[b'"' as usize] = true;
    special[0xEF] = true;
    special
};

#[cfg(test)]
mod tests {
    use vimsim_types::table::Kind;
    use vimsim_types::views::HostConnectInfo;
    use vimsim_types::{Fault, View};

    use super::*;
    use crate::{Limits, decode_value, samples};

    /// Encodes for a client that knows so much, and decodes knowing everything.
    fn through(value: &Value, ty: Ty, known: Known) -> Result<Value, Fault> {
        let mut out = Vec::new();
        Encoder::new(known, &mut out).value("value", value, ty, false);
        let text = String::from_utf8(out).expect("UTF-8");
        let prefixes: String = Namespace::all()
            .filter(|declared| [known.namespace, Namespace::VIM25].contains(declared))
            .map(|declared| format!(" xmlns:{}='{}'", declared.name(), declared.urn()))
            .collect();
        let start = format!(
            "<value xmlns='{}'{prefixes} xmlns:xsi='{}' xmlns:xsd='{}'",
            known.namespace.urn(),
            names::INSTANCE,
            names::SCHEMA
        );
        let text = text.replacen("<value", &start, 1);
        decode_value(text.as_bytes(), ty, known.namespace, &Limits::default())
            .map_err(|fault| Fault::invalid_request(format_args!("{fault} in {text}")))
    }

    #[test]
    fn every_data_object_is_read_as_it_was_written() {
        for kind in TypeId::all().filter(|id| id.info().kind == Kind::Data) {
            let known = Known { namespace: kind.info().namespace, version: Version::NEWEST };
            let value = Value::Object(samples::object(kind, 1));
            assert_eq!(through(&value, Ty::Data(kind), known), Ok(value.clone()), "{kind:?}");
            assert_eq!(through(&value, Ty::Any, known), Ok(value), "{kind:?}");
        }
    }

    #[test]
    fn an_older_client_loses_what_is_newer_and_nothing_else() {
        let version = Version::parse(Namespace::VIM25, "6.7").expect("a version");
        let known = Known { namespace: Namespace::VIM25, version };
        let everything = Known { namespace: Namespace::VIM25, version: Version::NEWEST };
        let mut lost = 0;
        for kind in TypeId::all().filter(|id| id.info().kind == Kind::Data) {
            if !known.has(kind.info().namespace, kind.info().since) {
                continue;
            }
            let value = Value::Object(samples::object(kind, 1));
            let seen = samples::seen(&value, Ty::Data(kind), known);
            assert_eq!(through(&value, Ty::Data(kind), known), Ok(seen.clone()), "{kind:?}");
            lost += usize::from(seen != samples::seen(&value, Ty::Data(kind), everything));
        }
        assert!(lost > 100, "6.7 lacks fields of many types, not of {lost}");
    }

    #[test]
    fn another_namespace_is_declared_where_it_begins() {
        let sms = Namespace::from_urn("urn:sms").expect("known");
        let kind = TypeId::all().find(|id| {
            let inherits = id.info().base().is_some_and(|base| base.info().namespace == Namespace::VIM25);
            id.info().namespace == sms && inherits && names::declared_in(*id, 0) == Namespace::VIM25
        });
        let value = Value::Object(samples::object(kind.expect("some fault"), 0));
        let mut out = Vec::new();
        Encoder::new(Known { namespace: sms, version: Version::NEWEST }, &mut out).value(
            "value",
            &value,
            Ty::Any,
            false,
        );
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.starts_with("<value xsi:type=\"sms:") && text.contains(" xmlns=\"urn:vim25\""), "{text}");
    }

    #[test]
    fn a_list_of_any_is_repeated_and_a_list_in_any_is_an_array() {
        let list = Value::List(List::new(Ty::Any, vec![Value::from(1), Value::from("b")]));
        let mut out = Vec::new();
        encode_value("val", &list, Ty::Any, true, Version::NEWEST, &mut out);
        assert_eq!(out, b"<val xsi:type=\"xsd:int\">1</val><val xsi:type=\"xsd:string\">b</val>");
        out.clear();
        encode_value("val", &list, Ty::Any, false, Version::NEWEST, &mut out);
        let expected = concat!(
            "<val xsi:type=\"ArrayOfAnyType\"><anyType xsi:type=\"xsd:int\">1</anyType>",
            "<anyType xsi:type=\"xsd:string\">b</anyType></val>"
        );
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn a_document_is_read_back() {
        let value = Value::Object(samples::object(HostConnectInfo::TYPE, 2));
        let mut out = Vec::new();
        encode_document("HostConnectInfo", &value, Ty::Any, &mut out);
        assert_eq!(decode_value(&out, Ty::Any, Namespace::VIM25, &Limits::default()), Ok(value));
    }

    #[test]
    fn an_unset_object_has_an_element_and_an_unset_field_none() {
        let mut out = Vec::new();
        encode_value("info", &Value::Object(HostConnectInfo::new().into()), Ty::Any, false, Version::NEWEST, &mut out);
        assert_eq!(out, b"<info xsi:type=\"HostConnectInfo\"></info>");
        out.clear();
        encode_value("info", &Value::Unset, Ty::Any, false, Version::NEWEST, &mut out);
        assert!(out.is_empty());
    }
}
