//! Namespaces and names that more than one part of a codec needs.

use vimsim_types::table::Kind;
use vimsim_types::views::LocalizedMethodFault;
use vimsim_types::views::ManagedObject;
use vimsim_types::{Namespace, Ty, TypeId, Version, View};

/// The SOAP 1.1 envelope.
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// XML Schema, the namespace of primitive types.
pub(crate) const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
/// XML Schema instances, the namespace of `xsi:type`.
pub(crate) const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The primitive types by their names in XML Schema.
const PRIMITIVES: [(&str, Ty); 12] = [
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

/// The name of the items of a list in an `Any`; with `ArrayOf` before it, and a capital, that of the list.
pub(crate) fn item(element: Ty) -> &'static str {
    match element {
        // A property of type fault holds the fault beside its message; a list of them keeps the name of the fault.
        Ty::Data(LocalizedMethodFault::TYPE) => "MethodFault",
        _ => element.name(),
    }
}

/// The item type of the list that is called `ArrayOf` and this.
pub(crate) fn list_item(namespace: Namespace, name: &str) -> Option<Ty> {
    match name {
        "MethodFault" => return Some(Ty::Data(LocalizedMethodFault::TYPE)),
        "ManagedObjectReference" => return Some(Ty::Moref(ManagedObject::TYPE)),
        _ => (),
    }
    let capital = |known: &str| {
        known.len() == name.len() && known[..1].eq_ignore_ascii_case(&name[..1]) && known[1..] == name[1..]
    };
    let primitive = PRIMITIVES.iter().find(|(known, _)| capital(known)).map(|(_, ty)| *ty);
    primitive.or_else(|| TypeId::find(namespace, name).and_then(value_type))
}

/// The type of a value that a row of the table describes.
pub(crate) fn value_type(id: TypeId) -> Option<Ty> {
    match id.info().kind {
        Kind::Data => Some(Ty::Data(id)),
        Kind::Managed => Some(Ty::Moref(id)),
        Kind::Enum => Some(Ty::Enum(id)),
        Kind::Request => None,
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

    /// The type itself or the nearest ancestor that is known.
    #[inline]
    pub(crate) fn nearest(self, kind: TypeId) -> TypeId {
        let known = |kind: &TypeId| self.has(kind.info().namespace, kind.info().since);
        if known(&kind) { kind } else { kind.lineage().find(known).unwrap_or(kind) }
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
