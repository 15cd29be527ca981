//! Namespaces and names that more than one part of a codec needs.

use vimsim_types::table::Kind;
use vimsim_types::views::LocalizedMethodFault;
use vimsim_types::views::ManagedObject;
use vimsim_types::{Field, Namespace, Object, Ty, TypeId, Value, Version, View};

/// The SOAP 1.1 envelope.
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// XML Schema, the namespace of primitive types.
pub(crate) const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
/// XML Schema instances, the namespace of `xsi:type`.
pub(crate) const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The primitive types by their names in XML Schema.
pub(crate) const PRIMITIVES: [(&str, Ty); 12] = [
    ("string", Ty::String),
    ("int", Ty::Int),
    ("boolean", Ty::Bool),
    ("long", Ty::Long),
    ("dateTime", Ty::DateTime),
    ("double", Ty::Double),
    ("float", Ty::Float),
    ("short", Ty::Short),
    ("byte", Ty::Byte),
    ("base64Binary", Ty::Binary),
    ("anyURI", Ty::Uri),
    ("anyType", Ty::Any),
];

/// The primitive type (or `anyType`) of this name.
pub(crate) fn primitive(name: &str) -> Option<Ty> {
    PRIMITIVES.iter().find(|(known, _)| *known == name).map(|(_, ty)| *ty)
}

/// Whether the type is one of XML Schema.
pub(crate) fn is_primitive(ty: Ty) -> bool {
    !matches!(ty, Ty::Data(_) | Ty::Enum(_) | Ty::Moref(_))
}

/// The primitive's name with its article: `an int`.
pub(crate) fn with_article(ty: Ty) -> String {
    let article = if ty.name().starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {}", ty.name())
}

/// The name of a list in an `Any`: `ArrayOfString`.
pub(crate) fn list(element: Ty) -> String {
    let (first, rest) = item(element).split_at(1);
    format!("ArrayOf{}{rest}", first.to_ascii_uppercase())
}

/// The name of the items of a list in an `Any`.
pub(crate) fn item(element: Ty) -> &'static str {
    match element {
        // A property of type fault holds the fault beside its message; a list of them keeps the name of the fault.
        Ty::Data(LocalizedMethodFault::TYPE) => "MethodFault",
        _ => element.name(),
    }
}

/// What a client knows: everything that its version of the namespace it speaks has, and all of other namespaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) namespace: Namespace,
    pub(crate) version: Version,
}

impl Known {
    /// Whether it knows what `namespace` has since version `since`.
    #[inline]
    pub(crate) fn has(self, namespace: Namespace, since: Version) -> bool {
        since <= self.version || namespace != self.namespace
    }

    /// The type of one value that goes by this name, if it is known. Lists do not.
    pub(crate) fn value_type(self, name: &str) -> Option<Ty> {
        if name == "ManagedObjectReference" {
            return Some(Ty::Moref(ManagedObject::TYPE));
        }
        // JSON has no prefixes, and govmomi's are not declared: a name may be of any namespace.
        let found = TypeId::find(self.namespace, name);
        let Some(id) = found.or_else(|| Namespace::all().find_map(|namespace| TypeId::find(namespace, name))) else {
            return primitive(name);
        };
        let info = id.info();
        match info.kind {
            _ if !self.has(info.namespace, info.since) => None,
            Kind::Data => Some(Ty::Data(id)),
            Kind::Managed => Some(Ty::Moref(id)),
            Kind::Enum => Some(Ty::Enum(id)),
            Kind::Request => None,
        }
    }

    /// The item type of the list that goes by this name.
    pub(crate) fn list_type(self, name: &str) -> Option<Ty> {
        let name = name.strip_prefix("ArrayOf")?;
        if name == "MethodFault" {
            return Some(Ty::Data(LocalizedMethodFault::TYPE));
        }
        let (first, rest) = name.split_at_checked(1)?;
        primitive(&format!("{}{rest}", first.to_ascii_lowercase())).or_else(|| self.value_type(name))
    }

    /// The type of the managed object that a reference names, or that is not what is declared. One that is not known is
    /// taken for the declared one: the identifier says which object is meant.
    pub(crate) fn managed_type(self, name: &str, declared: TypeId) -> Result<TypeId, TypeId> {
        let kind = match TypeId::find(self.namespace, name) {
            Some(id) if id.info().kind == Kind::Managed => id,
            _ => declared,
        };
        if kind.is_a(declared) || declared.is_a(kind) { Ok(kind) } else { Err(kind) }
    }

    /// The type itself or its nearest ancestor that is known; for an object, an ancestor that its declared type allows.
    #[inline]
    pub(crate) fn nearest(self, kind: TypeId, declared: Ty) -> TypeId {
        let known = |kind: &TypeId| self.has(kind.info().namespace, kind.info().since);
        if known(&kind) {
            return kind;
        }
        let nearest = kind.lineage().find(known).unwrap_or(kind);
        match declared {
            Ty::Data(base) if !nearest.is_a(base) => base,
            _ => nearest,
        }
    }
}

/// The namespace that declares each field of a type: an inherited field's is that of the base.
#[inline]
pub(crate) fn declared_in(kind: TypeId, slot: usize) -> Namespace {
    let info = kind.info();
    // What vim25 declares inherits from vim25 only.
    if info.namespace == Namespace::VIM25 {
        return Namespace::VIM25;
    }
    let inherited = info.fields().len() - info.own_fields().len();
    match info.base() {
        Some(base) if slot < inherited => declared_in(base, slot),
        _ => info.namespace,
    }
}

/// The first field that is not set though it must be. A list may be empty, which on the wire is the same as absent.
pub(crate) fn missing(object: &Object, known: Known) -> Option<&'static Field> {
    let info = object.kind().info();
    let unset = |field: &Field, value: &Value| value.is_unset() && !field.is_optional() && !field.is_list();
    let mut fields = info.fields().iter().zip(object.slots());
    let missing = fields.find(|(field, value)| unset(field, value) && known.has(info.namespace, field.since));
    missing.map(|(field, _)| field)
}
