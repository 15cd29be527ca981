//! All kinds of managed objects: what the dispatcher and the rules look up.

use std::collections::HashMap;

use vimsim_types::TypeId;

use crate::kind::{Compute, Handler, Table};

/// The table of each type that has a file in `objects/`. Other types use that of their nearest ancestor.
pub(crate) struct Kinds(HashMap<TypeId, Table>);

impl Kinds {
    pub(crate) fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        Self(tables.into_iter().filter_map(|table| Some((table.kind?, table))).collect())
    }

    pub(crate) fn table(&self, kind: TypeId) -> Option<&Table> {
        // The usual case first: walking the lineage costs a look-up for each ancestor.
        self.0.get(&kind).or_else(|| kind.lineage().find_map(|ancestor| self.0.get(&ancestor)))
    }

    /// How `method` of an object of type `kind` is run, if anybody has written that: for the type itself, or for the
    /// nearest ancestor that has it.
    pub(crate) fn handler(&self, kind: TypeId, method: TypeId) -> Option<&Handler> {
        kind.lineage().find_map(|kind| self.0.get(&kind)?.methods.get(&method))
    }

    /// How a property is worked out, if it is not stored.
    pub(crate) fn compute(&self, kind: TypeId, slot: usize) -> Option<Compute> {
        let computed = &self.table(kind)?.computed;
        computed.iter().find(|(known, _)| *known == slot).map(|(_, compute)| *compute)
    }

    /// Every written method: the managed type and the method's request type.
    pub(crate) fn written(&self) -> impl Iterator<Item = (TypeId, TypeId)> {
        self.0.iter().flat_map(|(kind, table)| table.methods.keys().map(|method| (*kind, *method)))
    }
}
