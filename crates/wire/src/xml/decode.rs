//! XML to values, driven by the tables.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use vimsim_types::table::Kind;
use vimsim_types::views::{InvalidArgument, InvalidType, ManagedObject};
use vimsim_types::{ArcStr, DateTime, Fault, Field, List, Moref, Namespace, Object, Ty, TypeId, Value, Version, View};

use super::reader::{Reader, Space, Tag, TypeName, document, split};
use crate::Limits;
use crate::names::{self, Known};

/// Reads one XML document: an element of this type, whatever its name. Types are looked up in `namespace` first.
pub fn decode_value(xml: &[u8], ty: Ty, namespace: Namespace, limits: &Limits) -> Result<Value, Fault> {
    let text = document(xml)?;
    let mut decoder = Decoder::new(Reader::new(&text, limits), namespace, limits);
    let root = decoder.root()?;
    let value = decoder.value(&root, ty)?;
    decoder.reader.finish()?;
    Ok(value)
}

/// Base64 as clients write it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Turns the elements of a reader into values.
pub(crate) struct Decoder<'a, 'l> {
    pub(crate) reader: Reader<'a, 'l>,
    pub(crate) known: Known,
    limits: &'l Limits,
    /// How many more values there may be.
    left: usize,
}

impl<'a, 'l> Decoder<'a, 'l> {
    /// A decoder for documents of `namespace`.
    pub(crate) fn new(reader: Reader<'a, 'l>, namespace: Namespace, limits: &'l Limits) -> Self {
        let known = Known { namespace, version: limits.version.unwrap_or(Version::NEWEST) };
        Self { reader, known, limits, left: limits.values }
    }

    /// The document's root element.
    pub(crate) fn root(&mut self) -> Result<Tag<'a>, Fault> {
        self.reader.child()?.ok_or_else(|| self.reader.fault("an element is expected"))
    }

    /// The value of the element just opened, which is declared as `ty`.
    pub(crate) fn value(&mut self, tag: &Tag<'a>, ty: Ty) -> Result<Value, Fault> {
        if tag.nil {
            self.reader.skip()?;
            return Ok(Value::Unset);
        }
        match ty {
            Ty::Any => self.any(tag),
            Ty::Data(base) => {
                let kind = self.data_type(tag, base)?;
                self.object(kind).map(Value::Object)
            }
            Ty::Moref(declared) => self.moref(tag, declared).map(Value::from),
            Ty::Enum(id) => {
                self.check_simple(tag, Some(id))?;
                self.enumeration(id)
            }
            _ => {
                self.check_simple(tag, None)?;
                self.primitive(ty)
            }
        }
    }

    /// An object of this type: the content of the element just opened.
    pub(crate) fn object(&mut self, kind: TypeId) -> Result<Object, Fault> {
        let mut object = Object::new(kind);
        self.fields(&mut object)?;
        if self.limits.require_all_fields {
            self.check_required(&object)?;
        }
        Ok(object)
    }

    /// Reads fields until the open element ends.
    pub(crate) fn fields(&mut self, object: &mut Object) -> Result<(), Fault> {
        let kind = object.kind();
        let fields = kind.info().fields();
        let mut expected = 0;
        let mut first = true;
        while let Some(tag) = self.reader.child()? {
            let Some(slot) = self.slot(kind, fields, expected, tag.name) else {
                self.unknown(&tag, kind)?;
                continue;
            };
            let field = &fields[slot];
            expected = slot;
            let value = self.value(&tag, field.ty)?;
            if std::mem::take(&mut first) {
                // An object with nothing set is shared, one with something set has all its slots.
                self.spend(fields.len())?;
            }
            if value.is_unset() {
                continue;
            }
            let place = object.slot_mut(slot);
            match place {
                Value::List(list) => list.items_mut().push(value),
                Value::Unset if field.is_list() => *place = Value::List(List::new(field.ty, vec![value])),
                Value::Unset => *place = value,
                _ => return Err(self.reader.fault(format_args!("element {} is given more than once", field.name))),
            }
            if field.is_list() {
                self.spend(1)?;
            }
        }
        Ok(())
    }

    /// Checks that every field is set that must be.
    pub(crate) fn check_required(&self, object: &Object) -> Result<(), Fault> {
        match names::missing(object, self.known) {
            None => Ok(()),
            Some(field) => Err(self.reader.fault(format_args!("missing required element {}", field.name))),
        }
    }

    /// A reference: the content of the element just opened.
    pub(crate) fn moref(&mut self, tag: &Tag<'a>, declared: TypeId) -> Result<Moref, Fault> {
        let (_, local) = split(tag.kind.unwrap_or_default());
        match self.known.managed_type(local, declared) {
            Ok(kind) => Ok(Moref::new(kind, self.reader.text()?.trim())),
            Err(kind) => Err(self.invalid_type(format_args!("{} is not a {}", kind.name(), declared.name()))),
        }
    }

    /// The slot of the field with this name that the client may know; the next one in order is the likely one.
    #[inline]
    fn slot(&self, kind: TypeId, fields: &[Field], expected: usize, name: &str) -> Option<usize> {
        let ahead = fields[expected..].iter().position(|field| field.name == name).map(|offset| expected + offset);
        let slot = ahead.or_else(|| fields[..expected].iter().position(|field| field.name == name))?;
        self.known.has(kind.info().namespace, fields[slot].since).then_some(slot)
    }

    fn unknown(&mut self, tag: &Tag<'a>, kind: TypeId) -> Result<(), Fault> {
        // Fields of every data object that carry nothing: they have been accepted and ignored since the first version.
        let dynamic = matches!(tag.name, "dynamicType" | "dynamicProperty");
        if self.limits.ignore_unknown_elements || dynamic {
            return self.reader.skip();
        }
        let what = match kind.info().kind {
            Kind::Request => "parameter of",
            _ => "element in",
        };
        let owner = kind.name().strip_suffix("RequestType").unwrap_or(kind.name());
        Err(self.reader.fault(format_args!("unknown {what} {owner}: {}", tag.name)))
    }

    fn any(&mut self, tag: &Tag<'a>) -> Result<Value, Fault> {
        let Some(name) = &tag.xsi_type else {
            return Err(self.invalid_type("a value of any type needs an xsi:type"));
        };
        if let Some(ty) = self.value_type(name) {
            return match ty {
                Ty::Any => Err(self.invalid_type("anyType is no type of a value")),
                Ty::Data(kind) => self.object(kind).map(Value::Object),
                Ty::Moref(_) => self.moref(tag, ManagedObject::TYPE).map(Value::from),
                Ty::Enum(id) => self.enumeration(id),
                _ => self.primitive(ty),
            };
        }
        match self.names(name.space).list_type(name.local) {
            Some(element) => self.list(element),
            None if self.limits.ignore_unknown_elements => {
                self.reader.skip()?;
                Ok(Value::Unset)
            }
            None => Err(self.invalid_type(format_args!("unknown type {}", name.local))),
        }
    }

    /// The items of an `ArrayOf`, whatever their elements are called.
    fn list(&mut self, element: Ty) -> Result<Value, Fault> {
        let mut items = Vec::new();
        while let Some(tag) = self.reader.child()? {
            let item = self.value(&tag, element)?;
            if !item.is_unset() {
                self.spend(1)?;
                items.push(item);
            }
        }
        Ok(Value::List(List::new(element, items)))
    }

    /// The type of one value that this name means, if the client may know it. Lists are not found. Any prefix will do
    /// for a primitive, except that no name of the API is hidden by it.
    fn value_type(&self, name: &TypeName<'a>) -> Option<Ty> {
        match name.space {
            Space::Schema => names::primitive(name.local),
            space => self.names(space).value_type(name.local),
        }
    }

    /// What is known, seen from the namespace of a type's name.
    fn names(&self, space: Space) -> Known {
        match space {
            Space::Api(namespace) if namespace != self.known.namespace => Known { namespace, version: Version::NEWEST },
            _ => self.known,
        }
    }

    /// The type of a data object declared as `base`.
    fn data_type(&mut self, tag: &Tag<'a>, base: TypeId) -> Result<TypeId, Fault> {
        let Some(name) = &tag.xsi_type else { return Ok(base) };
        if name.local == base.name() {
            return Ok(base);
        }
        match self.value_type(name) {
            Some(Ty::Data(kind)) if kind.is_a(base) => Ok(kind),
            Some(_) => Err(self.invalid_type(format_args!("{} is not a {}", name.local, base.name()))),
            // One derived from what is declared, one hopes; what is of the declared type can be read.
            None if self.limits.ignore_unknown_elements => Ok(base),
            None => Err(self.invalid_type(format_args!("unknown type {}", name.local))),
        }
    }

    /// Checks that an `xsi:type`, if there is one, is not at odds with a simple type. Which primitive it names does not
    /// matter: clients of other languages have other ideas of numbers.
    fn check_simple(&mut self, tag: &Tag<'a>, declared: Option<TypeId>) -> Result<(), Fault> {
        let Some(name) = &tag.xsi_type else { return Ok(()) };
        match self.value_type(name) {
            Some(Ty::Enum(id)) if declared.is_none_or(|declared| id == declared) => Ok(()),
            Some(ty) if names::is_primitive(ty) => Ok(()),
            Some(_) => Err(self.invalid_type(format_args!("{} is not the type of this element", name.local))),
            None => Err(self.invalid_type(format_args!("unknown type {}", name.local))),
        }
    }

    fn enumeration(&mut self, id: TypeId) -> Result<Value, Fault> {
        let element = self.reader.name();
        let text = self.reader.text()?;
        let name = text.trim();
        match id.info().values.iter().position(|known| *known == name) {
            Some(index) => Ok(Value::Enum(id, index as u16)),
            None if self.limits.ignore_unknown_elements => Ok(Value::Unset),
            None => {
                let why = self.reader.located_in(element, format_args!("'{name}' is not a {}", id.name()));
                let detail = InvalidArgument::with(|fault| {
                    fault.set_invalid_property(element);
                });
                Err(Fault::new(detail, format!("A specified parameter was not correct: {element}: {why}")))
            }
        }
    }

    fn primitive(&mut self, ty: Ty) -> Result<Value, Fault> {
        let element = self.reader.name();
        let text = self.reader.text()?;
        let wrong = |this: &Self| this.wrong(element, &text, ty);
        Ok(match ty {
            Ty::String => Value::String(self.string(&text)),
            Ty::Uri => Value::Uri(self.string(text.trim())),
            Ty::Bool => match text.trim() {
                "true" | "1" => Value::Bool(true),
                "false" | "0" => Value::Bool(false),
                _ => return Err(wrong(self)),
            },
            Ty::Byte => Value::Byte(number(&text).ok_or_else(|| wrong(self))?),
            Ty::Short => Value::Short(number(&text).ok_or_else(|| wrong(self))?),
            Ty::Int => Value::Int(number(&text).ok_or_else(|| wrong(self))?),
            Ty::Long => Value::Long(number(&text).ok_or_else(|| wrong(self))?),
            Ty::Float => Value::Float(number(&text).ok_or_else(|| wrong(self))?),
            Ty::Double => Value::Double(number(&text).ok_or_else(|| wrong(self))?),
            Ty::DateTime => Value::DateTime(DateTime::parse(&text).ok_or_else(|| wrong(self))?),
            Ty::Binary => {
                let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
                let bytes = BASE64.decode(compact).map_err(|_| wrong(self))?;
                Value::from(bytes)
            }
            Ty::Any | Ty::Enum(_) | Ty::Data(_) | Ty::Moref(_) => unreachable!("not a primitive"),
        })
    }

    fn string(&self, text: &str) -> ArcStr {
        if text.is_empty() { ArcStr::new() } else { text.into() }
    }

    fn wrong(&self, element: &str, text: &str, ty: Ty) -> Fault {
        let start: String = text.chars().take(40).collect();
        let why = format_args!("'{start}' is not {}", names::with_article(ty));
        invalid_type(element, self.reader.located_in(element, why))
    }

    fn invalid_type(&self, why: impl Display) -> Fault {
        invalid_type(self.reader.name(), self.reader.located(why))
    }

    fn spend(&mut self, values: usize) -> Result<(), Fault> {
        match self.left.checked_sub(values) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.reader.fault(format_args!("the request has more than {} values", self.limits.values))),
        }
    }
}

fn invalid_type(argument: &str, message: String) -> Fault {
    let detail = InvalidType::with(|fault| {
        fault.set_argument(argument);
    });
    Fault::new(detail, message)
}

/// A number with XML's white space around it. `INF` and `NaN` are read as such, a leading `+` is allowed.
fn number<N: FromStr>(text: &str) -> Option<N> {
    text.trim_matches([' ', '\t', '\n', '\r']).parse().ok()
}
