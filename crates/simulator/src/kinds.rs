//! All kinds of managed objects: what the dispatcher and the rules look up.

use std::collections::HashMap;

use vimsim_types::{DateTime, Moref, Object, TypeId, Value};

use crate::kind::{Compute, Follow, Handler, Table};

/// All kinds.
pub(crate) struct Kinds {
    /// The table of each type that has a file in `objects/`. Other types use that of their nearest ancestor.
    tables: HashMap<TypeId, Table>,
    /// The properties that follow from others, of all types: there are few, and every property read asks for them.
    follows: Vec<(TypeId, usize, Follow)>,
}

impl Kinds {
    pub(crate) fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        let tables: HashMap<_, _> = tables.into_iter().filter_map(|table| Some((table.kind?, table))).collect();
        let of = |(kind, table): (&TypeId, &Table)| {
            let kind = *kind;
            table.follows.iter().map(move |(slot, follow)| (kind, *slot, *follow)).collect::<Vec<_>>()
        };
        let follows = tables.iter().flat_map(of).collect();
        Self { tables, follows }
    }

    /// The value of a property that follows from the object's stored ones.
    pub(crate) fn follows(&self, moref: &Moref, object: &Object, slot: usize, now: DateTime) -> Option<Value> {
        let kind = object.kind();
        let found = self.follows.iter().find(|(known, at, _)| *known == kind && *at == slot);
        found.map(|(.., follow)| follow(moref, object, now))
    }

    pub(crate) fn table(&self, kind: TypeId) -> Option<&Table> {
        // The usual case first: walking the lineage costs a look-up for each ancestor.
        self.tables.get(&kind).or_else(|| kind.lineage().find_map(|ancestor| self.tables.get(&ancestor)))
    }

    /// How `method` of an object of type `kind` is run, if anybody has written that: for the type itself, or for the
    /// nearest ancestor that has it.
    pub(crate) fn handler(&self, kind: TypeId, method: TypeId) -> Option<&Handler> {
        kind.lineage().find_map(|kind| self.tables.get(&kind)?.methods.get(&method))
    }

    /// How a property is worked out, if it is not stored.
    pub(crate) fn compute(&self, kind: TypeId, slot: usize) -> Option<Compute> {
        let computed = &self.table(kind)?.computed;
        computed.iter().find(|(known, _)| *known == slot).map(|(_, compute)| *compute)
    }

    /// Every written method: the managed type and the method's request type.
    pub(crate) fn written(&self) -> impl Iterator<Item = (TypeId, TypeId)> {
        self.tables.iter().flat_map(|(kind, table)| table.methods.keys().map(|method| (*kind, *method)))
    }
}
