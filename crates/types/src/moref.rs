//! References to managed objects.

use std::cmp::Ordering;
use std::fmt;

use arcstr::ArcStr;

use crate::table::TypeId;
use crate::view::View;

/// A `ManagedObjectReference`: a managed object's type and its identifier, such as `VirtualMachine:vm-62`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Moref {
    kind: TypeId,
    value: ArcStr,
}

impl Moref {
    /// A reference to the object `value` of the managed type `kind`.
    pub fn new(kind: TypeId, value: impl Into<ArcStr>) -> Self {
        Self { kind, value: value.into() }
    }

    /// A reference to the object `value` of the managed type `V`.
    pub fn of<V: View>(value: impl Into<ArcStr>) -> Self {
        Self::new(V::TYPE, value)
    }

    /// The managed object's type.
    #[inline]
    pub fn kind(&self) -> TypeId {
        self.kind
    }

    /// The identifier, unique among the objects of one server.
    #[inline]
    pub fn value(&self) -> &ArcStr {
        &self.value
    }

    /// Whether the referenced type is `V` or derived from it.
    #[inline]
    pub fn is<V: View>(&self) -> bool {
        V::matches(self.kind)
    }
}

/// By identifier, numbers in it by their value: `vm-9` before `vm-10`.
impl Ord for Moref {
    fn cmp(&self, other: &Self) -> Ordering {
        fn split(text: &str) -> (&str, Option<u64>) {
            let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
            let (prefix, number) = text.split_at(text.len() - digits);
            (prefix, number.parse().ok())
        }
        split(&self.value)
            .cmp(&split(&other.value))
            .then_with(|| self.value.cmp(&other.value))
            .then_with(|| self.kind.cmp(&other.kind))
    }
}

impl PartialOrd for Moref {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Moref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.value)
    }
}

impl fmt::Debug for Moref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
