//! The static tables: what types, fields and methods there are. The rows are generated.

use std::fmt;

use crate::generated::tables;

/// A wire namespace (`urn:vim25` ...), each with its own line of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(pub(crate) u8);

impl Namespace {
    /// The vSphere Web Services API.
    pub const VIM25: Namespace = Namespace(0);

    /// All namespaces.
    pub fn all() -> impl Iterator<Item = Namespace> {
        (0..tables::NAMESPACES.len()).map(|index| Namespace(index as u8))
    }

    /// The namespace with this URN, as in an element's `xmlns`; `urn:vim2` is the old name of `urn:vim25`.
    pub fn from_urn(urn: &str) -> Option<Namespace> {
        let urn = if urn == "urn:vim2" { "urn:vim25" } else { urn };
        let name = urn.strip_prefix("urn:internal").or_else(|| urn.strip_prefix("urn:"))?;
        Self::all().find(|namespace| namespace.urn().strip_prefix("urn:") == Some(name))
    }

    /// The short name: `vim25`.
    #[inline]
    pub fn name(self) -> &'static str {
        tables::NAMESPACES[usize::from(self.0)].0
    }

    /// The URN: `urn:vim25`.
    pub fn urn(self) -> &'static str {
        tables::NAMESPACES[usize::from(self.0)].1
    }

    /// The identifiers of this namespace's versions, oldest first.
    pub fn versions(self) -> &'static [&'static str] {
        tables::NAMESPACES[usize::from(self.0)].2
    }
}

/// A version of a namespace, as its place in the line of versions: all that is not `since` a later one is known to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u8);

impl Version {
    /// Knows everything.
    pub const NEWEST: Version = Version(u8::MAX);

    /// The version of `namespace` that a client means by `id`: the one of that name, or else the newest that is not
    /// newer (`8.0.3.7` is served as `8.0.3.1`). `None` if `id` is no version number.
    pub fn parse(namespace: Namespace, id: &str) -> Option<Version> {
        let versions = namespace.versions();
        if let Some(index) = versions.iter().position(|known| *known == id) {
            return Some(Version(index as u8));
        }
        let wanted = numbers(id)?;
        let older = versions.iter().rposition(|known| numbers(known).is_some_and(|known| known <= wanted));
        Some(Version(older.unwrap_or(0) as u8))
    }

    /// The version's identifier on the wire: `8.0.3.0`.
    pub fn id(self, namespace: Namespace) -> &'static str {
        let versions = namespace.versions();
        versions[usize::from(self.0).min(versions.len() - 1)]
    }
}

/// `8.0.3.0` as numbers, trailing zeros dropped, so that `8.0` equals `8.0.0.0`.
fn numbers(id: &str) -> Option<Vec<u32>> {
    let mut parts = id.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()?;
    while parts.len() > 1 && parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

/// A type of the API, as its row in the table. Identifiers are in depth-first order of inheritance, so that being derived
/// is being in a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub(crate) u16);

impl TypeId {
    /// The type's row.
    #[inline]
    pub fn info(self) -> &'static TypeInfo {
        &tables::TYPES[usize::from(self.0)]
    }

    /// The type's name on the wire.
    #[inline]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The type of this wire name: the one of `namespace`, or else of vim25, whose types all namespaces use.
    pub fn find(namespace: Namespace, name: &str) -> Option<TypeId> {
        let lookup = |namespace: Namespace| {
            let names = tables::NAMES;
            let found = names.binary_search_by(|(ns, known, _)| (*ns, *known).cmp(&(namespace.0, name)));
            found.ok().map(|index| TypeId(names[index].2))
        };
        lookup(namespace).or_else(|| lookup(Namespace::VIM25))
    }

    /// All types, in table order.
    pub fn all() -> impl Iterator<Item = TypeId> {
        (0..tables::TYPES.len()).map(|index| TypeId(index as u16))
    }

    /// Whether this is `base` or derived from it.
    #[inline]
    pub fn is_a(self, base: TypeId) -> bool {
        self >= base && self.0 <= base.info().last
    }

    /// The type and its ancestors, nearest first.
    pub fn lineage(self) -> impl Iterator<Item = TypeId> {
        std::iter::successors(Some(self), |kind| kind.info().base())
    }

    /// The row's place in the table.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What kind of type a row describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A data object.
    Data,
    /// A managed object; its fields are its properties.
    Managed,
    /// The parameters of a method.
    Request,
    /// An enumeration.
    Enum,
}

/// A row of the table of types.
#[derive(Debug)]
pub struct TypeInfo {
    /// The name on the wire.
    pub name: &'static str,
    /// The namespace that declares it.
    pub namespace: Namespace,
    /// What it is.
    pub kind: Kind,
    /// The first version that knows it.
    pub since: Version,
    pub(crate) base: u16,
    pub(crate) last: u16,
    pub(crate) first_field: u32,
    pub(crate) field_count: u16,
    pub(crate) inherited: u16,
    /// The values of an enumeration, else empty.
    pub values: &'static [&'static str],
}

impl TypeInfo {
    /// The base type; none for the roots (`DataObject`, `ManagedObject`), requests and enumerations.
    pub fn base(&self) -> Option<TypeId> {
        (self.base != u16::MAX).then_some(TypeId(self.base))
    }

    /// All fields, inherited ones first, in wire order.
    #[inline]
    pub fn fields(&self) -> &'static [Field] {
        let first = self.first_field as usize;
        &tables::FIELDS[first..first + usize::from(self.field_count)]
    }

    /// The fields that this type adds to its base.
    pub fn own_fields(&self) -> &'static [Field] {
        &self.fields()[usize::from(self.inherited)..]
    }

    /// The slot of the field with this name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.fields().iter().position(|field| field.name == name)
    }
}

/// The type of one value, lists aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    /// `xsd:boolean`
    Bool,
    /// `xsd:byte`
    Byte,
    /// `xsd:short`
    Short,
    /// `xsd:int`
    Int,
    /// `xsd:long`
    Long,
    /// `xsd:float`
    Float,
    /// `xsd:double`
    Double,
    /// `xsd:string`, and the vmodl types that travel as one (`TypeName`, `MethodName`, `PropertyPath`).
    String,
    /// `xsd:anyURI`
    Uri,
    /// `xsd:dateTime`
    DateTime,
    /// `xsd:base64Binary`
    Binary,
    /// Any value; its `xsi:type` says which.
    Any,
    /// An enumeration.
    Enum(TypeId),
    /// A data object of this type or one derived from it.
    Data(TypeId),
    /// A reference to a managed object of this type or one derived from it.
    Moref(TypeId),
}

impl Ty {
    /// The name of a list of these in an `Any`, without the `ArrayOf`; also the name of its items' elements where that is
    /// no primitive.
    #[inline]
    pub fn name(self) -> &'static str {
        match self {
            Ty::Bool => "boolean",
            Ty::Byte => "byte",
            Ty::Short => "short",
            Ty::Int => "int",
            Ty::Long => "long",
            Ty::Float => "float",
            Ty::Double => "double",
            Ty::String => "string",
            Ty::Uri => "anyURI",
            Ty::DateTime => "dateTime",
            Ty::Binary => "base64Binary",
            Ty::Any => "anyType",
            Ty::Moref(_) => "ManagedObjectReference",
            Ty::Enum(id) | Ty::Data(id) => id.name(),
        }
    }
}

/// A field of a data object, a property of a managed object or a parameter of a method.
#[derive(Debug)]
pub struct Field {
    /// The name on the wire.
    pub name: &'static str,
    /// The type of the value, or of a list's items.
    pub ty: Ty,
    pub(crate) flags: u8,
    /// The first version that knows it.
    pub since: Version,
    pub(crate) privilege: u16,
}

impl Field {
    /// Whether this is a list.
    #[inline]
    pub const fn is_list(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether it may be unset.
    #[inline]
    pub const fn is_optional(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Whether it holds something secret, such as a password, which logs must not show.
    pub const fn is_secret(&self) -> bool {
        self.flags & 4 != 0
    }

    /// The privilege that reading the property, or passing the parameter's object, needs.
    pub fn privilege(&self) -> Option<&'static str> {
        privilege(self.privilege)
    }
}

fn privilege(index: u16) -> Option<&'static str> {
    (index != 0).then(|| tables::PRIVILEGES[usize::from(index)])
}

/// A row of the table of methods.
#[derive(Debug)]
pub struct Method {
    /// The name on the wire, case and `_Task` included.
    pub name: &'static str,
    /// The name that task descriptions and permissions use: `Folder.createVm`.
    pub vmodl: &'static str,
    /// The managed type that declares it.
    pub owner: TypeId,
    /// The type of its parameters.
    pub request: TypeId,
    /// The first version that knows it.
    pub since: Version,
    /// What it returns, if anything.
    pub returns: Option<Ty>,
    pub(crate) flags: u8,
    /// For a `_Task` method: what `Task.info.result` will hold, if anything.
    pub task_result: Option<Ty>,
    pub(crate) privilege: u16,
    pub(crate) faults: &'static [u16],
}

impl Method {
    /// The method of this wire name.
    pub fn find(namespace: Namespace, name: &str) -> Option<&'static Method> {
        let methods = tables::METHODS;
        let key = |method: &Method| (method.request.info().namespace.0, method.name);
        let found = methods.binary_search_by(|method| key(method).cmp(&(namespace.0, name)));
        found.ok().map(|index| &methods[index])
    }

    /// All methods of all namespaces, by namespace and name.
    pub fn all() -> &'static [Method] {
        tables::METHODS
    }

    /// The namespace that declares it.
    pub fn namespace(&self) -> Namespace {
        self.request.info().namespace
    }

    /// Whether it returns a list.
    pub const fn returns_list(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether it may return nothing.
    pub const fn returns_optional(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Whether `Task.info.result` will be a list.
    pub const fn task_result_list(&self) -> bool {
        self.flags & 4 != 0
    }

    /// Whether servers answer it though the published API does not list it.
    pub const fn is_internal(&self) -> bool {
        self.flags & 8 != 0
    }

    /// The privilege that calling it needs on the object it is called on.
    pub fn privilege(&self) -> Option<&'static str> {
        privilege(self.privilege)
    }

    /// The faults it declares, `RuntimeFault` aside.
    pub fn faults(&self) -> impl Iterator<Item = TypeId> {
        self.faults.iter().map(|id| TypeId(*id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_name() {
        for id in TypeId::all().filter(|id| id.info().kind != Kind::Request) {
            assert_eq!(TypeId::find(id.info().namespace, id.name()), Some(id), "{id:?}");
        }
        for method in Method::all() {
            let found = Method::find(method.namespace(), method.name).expect("found");
            assert_eq!(found.request, method.request);
        }
    }

    #[test]
    fn derived_types_are_in_their_base_range() {
        let find = |name| TypeId::find(Namespace::VIM25, name).expect("known");
        assert!(find("VirtualDisk").is_a(find("VirtualDevice")));
        assert!(find("ClusterComputeResource").is_a(find("ManagedEntity")));
        assert!(!find("VirtualDevice").is_a(find("VirtualDisk")));
        for id in TypeId::all() {
            assert!(id.lineage().all(|base| id.is_a(base)), "{id:?}");
        }
    }

    #[test]
    fn versions_are_read_as_clients_write_them() {
        let version = |id| Version::parse(Namespace::VIM25, id).map(|version| version.id(Namespace::VIM25));
        assert_eq!(version("8.0.3.0"), Some("8.0.3.0"));
        assert_eq!(version("8.0.3.7"), Some("8.0.3.1"));
        assert_eq!(version("6.5"), Some("6.5"));
        assert_eq!(version("7.0"), Some("7.0.0.0"));
        assert_eq!(version("99.0"), Some("9.1.1.0"));
        assert_eq!(version("new"), None);
    }
}
