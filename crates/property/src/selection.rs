//! `PropertyFilterSpec`s, checked and compiled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vimsim_types::table::Kind;
use vimsim_types::views::{
    ComputeResource, InvalidType, ManagedObjectNotFound, PropertyFilterSpec, SelectionSpec, TraversalSpec,
    VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Items, Moref, Namespace, TypeId, Version, View};

use crate::path::Path;
use crate::world::World;

/// More `TraversalSpec`s in one `PropertyFilterSpec` are refused. Real ones have some twenty; the cost of a walk is bounded
/// by their number times that of the objects.
const MAX_TRAVERSALS: usize = 256;

/// A compiled `PropertyFilterSpec`: which objects are selected, and which of their properties.
///
/// - An object is reported once, however often it is met, and only if a `PropertySpec` names its type or a type that this
///   is derived from. If several do, it has the properties of all of them (API reference, `PropertySpec`).
/// - `all` is all properties of the object, not only those of the type named.
/// - A name in a `selectSet` is that of a `TraversalSpec` anywhere in the same `ObjectSpec`, or else in another
///   `ObjectSpec` of the filter. Selection sets may be cyclic.
#[derive(Debug)]
pub struct Selection {
    properties: Vec<Properties>,
    pub(crate) roots: Vec<Root>,
    pub(crate) traversals: Vec<Traversal>,
    reports_missing: bool,
    is_lenient: bool,
    version: Version,
}

/// A `PropertySpec`.
#[derive(Debug)]
struct Properties {
    kind: TypeId,
    all: bool,
    paths: Vec<Path>,
    /// The paths that only some of the types derived from it have, or none does.
    late: Vec<ArcStr>,
}

/// An `ObjectSpec`.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) moref: Moref,
    pub(crate) reach: Reach,
}

/// A `TraversalSpec`.
#[derive(Debug)]
pub(crate) struct Traversal {
    pub(crate) kind: TypeId,
    pub(crate) path: Path,
    pub(crate) reach: Reach,
}

/// What happens with the objects that an `ObjectSpec` or `TraversalSpec` leads to.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Not reported for this.
    pub(crate) skip: bool,
    /// The traversals that go on from them.
    pub(crate) next: Vec<usize>,
}

/// What a selection wants of objects of one concrete type.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: TypeId,
    /// The properties to report; `None` if objects of the type are not reported.
    pub(crate) paths: Option<Vec<Path>>,
    /// The paths that the type does not have, where that is to be said of the objects.
    pub(crate) unknown: Vec<ArcStr>,
    /// For each path whether another one leads to what contains its value, so that fine changes are told under that one.
    pub(crate) is_nested: Vec<bool>,
    /// The slots that the paths and the traversals read.
    pub(crate) slots: Vec<usize>,
}

/// Whether a type derived from this one has the path.
fn has_derived(kind: TypeId, text: &str, version: Version) -> bool {
    let derived = TypeId::all().filter(|other| *other != kind && other.is_a(kind));
    derived.into_iter().any(|other| Path::compile(text, other, version).is_ok())
}

impl Selection {
    /// Compiles a filter's specification, for a client of this version.
    ///
    /// Fails with `InvalidProperty` for a path that its type does not have, `InvalidType` for a name that is no managed
    /// type's, and `InvalidArgument` for a selection set that names no `TraversalSpec`.
    pub fn compile(spec: &PropertyFilterSpec, version: Version) -> Result<Selection, Fault> {
        Self::compile_as(spec, version, false)
    }

    /// Compiles a filter's specification as vcsim reads it: the names in a path may begin with a capital, and a path that
    /// its type does not have is in the `missingSet` of what is retrieved.
    ///
    /// Fails with `InvalidType` and `InvalidArgument` as [`Selection::compile`] does.
    pub fn compile_leniently(spec: &PropertyFilterSpec, version: Version) -> Result<Selection, Fault> {
        Self::compile_as(spec, version, true)
    }

    fn compile_as(spec: &PropertyFilterSpec, version: Version, is_lenient: bool) -> Result<Selection, Fault> {
        let properties = spec.prop_set().iter().map(|spec| {
            let kind = managed_type(spec.type_())?;
            let all = spec.all() == Some(true);
            // Fidelity: vCenter answers a fault; govc sends a flag of its own (`-name`) as a path when its value is left
            // out, and counts on vcsim, which passes over it.
            let texts = spec.path_set().iter().filter(|text| !all && !text.starts_with('-'));
            let (mut paths, mut late) = (Vec::new(), Vec::new());
            for text in texts {
                let path = match is_lenient {
                    true => Path::compile_leniently(text, kind, version),
                    false => Path::compile(text, kind, version),
                };
                match path {
                    Ok(path) => paths.push(path),
                    // Fidelity: vCenter answers a fault; govc asks networks for what only portgroups have, and counts on
                    // vcsim, which looks at the objects and not at the type that was named.
                    Err(_) if is_lenient || has_derived(kind, text, version) => late.push(text.clone()),
                    Err(fault) => return Err(fault),
                }
            }
            Ok(Properties { kind, all, paths, late })
        });
        let properties = properties.collect::<Result<_, Fault>>()?;
        let (roots, traversals) = Compiler::default().compile(spec, version)?;
        let reports_missing = spec.report_missing_objects_in_results() == Some(true);
        Ok(Selection { properties, roots, traversals, reports_missing, is_lenient, version })
    }

    /// Fails with `ManagedObjectNotFound` if an object that the filter starts from is not there, unless it was told to
    /// report those (`reportMissingObjectsInResults`).
    pub fn check(&self, world: &(impl World + ?Sized)) -> Result<(), Fault> {
        if self.reports_missing {
            return Ok(());
        }
        let missing = self.roots.iter().find(|root| world.object(&root.moref).is_none());
        missing.map_or(Ok(()), |root| Err(not_found(&root.moref)))
    }

    /// Whether missing objects are reported and no fault.
    pub(crate) fn reports_missing(&self) -> bool {
        self.reports_missing
    }

    /// Which traversals go on from an object that was come to by `from`, and whether this does not report it.
    pub(crate) fn reach(&self, from: From) -> &Reach {
        match from {
            From::Root(root) => &self.roots[root].reach,
            From::Traversal(traversal) => &self.traversals[traversal].reach,
        }
    }

    fn plan(&self, kind: TypeId) -> Plan {
        let mut paths: Option<Vec<Path>> = None;
        let mut names: HashSet<ArcStr> = HashSet::new();
        let mut unknown = Vec::new();
        for spec in self.properties.iter().filter(|spec| kind.is_a(spec.kind)) {
            let all = spec.all.then(|| Path::all(kind, self.version)).into_iter().flatten();
            let late = spec.late.iter().map(|text| (text, Path::compile(text, kind, self.version)));
            let (late, missing): (Vec<_>, Vec<_>) = late.partition(|(_, path)| path.is_ok());
            if self.is_lenient {
                unknown.extend(missing.into_iter().map(|(text, _)| text.clone()));
            }
            let late = late.into_iter().filter_map(|(_, path)| path.ok());
            let wanted = all.chain(spec.paths.iter().cloned()).chain(late);
            paths.get_or_insert_default().extend(wanted.filter(|path| names.insert(path.name().clone())));
        }
        let is_nested = |path: &Path| !path.is_projection() && path.prefixes().any(|prefix| names.contains(prefix));
        let is_nested = paths.iter().flatten().map(is_nested).collect();
        let traversals = self.traversals.iter().filter(|traversal| kind.is_a(traversal.kind));
        let read = traversals.map(|traversal| &traversal.path).chain(paths.iter().flatten());
        let mut slots: Vec<usize> = read.map(Path::slot).collect();
        slots.sort_unstable();
        slots.dedup();
        Plan { kind, paths, unknown, is_nested, slots }
    }
}

/// How a walk came to an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// It is where the `ObjectSpec` of this place starts.
    Root(usize),
    /// The `TraversalSpec` of this place led to it.
    Traversal(usize),
}

/// The plans of a selection for the concrete types that were met so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plans(Vec<Arc<Plan>>);

impl Plans {
    /// The plan for a type, made if it is met for the first time.
    pub(crate) fn of(&mut self, selection: &Selection, kind: TypeId) -> &Arc<Plan> {
        let known = self.0.iter().position(|plan| plan.kind == kind);
        let place = known.unwrap_or_else(|| {
            self.0.push(Arc::new(selection.plan(kind)));
            self.0.len() - 1
        });
        &self.0[place]
    }

    /// The plan for a type that was met.
    pub(crate) fn get(&self, kind: TypeId) -> Option<&Plan> {
        self.0.iter().find(|plan| plan.kind == kind).map(|plan| &**plan)
    }
}

/// `ManagedObjectNotFound` for this object.
pub(crate) fn not_found(moref: &Moref) -> Fault {
    ManagedObjectNotFound::with(|fault| {
        fault.set_obj(moref.clone());
    })
    .into()
}

/// The managed type of this name.
fn managed_type(name: &str) -> Result<TypeId, Fault> {
    let found = TypeId::find(Namespace::VIM25, name).filter(|kind| kind.info().kind == Kind::Managed);
    found.ok_or_else(|| {
        let detail = InvalidType::with(|fault| {
            fault.set_argument(name);
        });
        Fault::new(detail, format!("Unable to resolve WSDL type name {name}"))
    })
}

/// Numbers the `TraversalSpec`s of a filter, then resolves the names in its selection sets.
#[derive(Default)]
struct Compiler {
    traversals: Vec<Traversal>,
    /// By the `ObjectSpec` they are in, and name.
    names: HashMap<(usize, ArcStr), usize>,
    /// By name alone, the first in the filter.
    any_names: HashMap<ArcStr, usize>,
    /// References by name: the `ObjectSpec`, whose selection set and which place in it, and the name.
    references: Vec<(usize, From, usize, ArcStr)>,
    /// The traversals that go with others.
    twins: HashMap<usize, usize>,
}

impl Compiler {
    fn compile(mut self, spec: &PropertyFilterSpec, version: Version) -> Result<(Vec<Root>, Vec<Traversal>), Fault> {
        let mut roots = Vec::new();
        for (root, spec) in spec.object_set().iter().enumerate() {
            let mut pending = Vec::new();
            let next = self.number(root, From::Root(root), spec.select_set(), version, &mut pending)?;
            while let Some((traversal, selections)) = pending.pop() {
                let from = From::Traversal(traversal);
                self.traversals[traversal].reach.next = self.number(root, from, selections, version, &mut pending)?;
            }
            roots.push(Root { moref: spec.obj(), reach: Reach { skip: spec.skip() == Some(true), next } });
        }
        for (root, from, place, name) in self.references {
            let found = self.names.get(&(root, name.clone())).or_else(|| self.any_names.get(&name));
            let undefined =
                || Fault::invalid_argument("selectSet", format_args!("undefined TraversalSpec name '{name}'"));
            let next = match from {
                From::Root(root) => &mut roots[root].reach.next,
                From::Traversal(traversal) => &mut self.traversals[traversal].reach.next,
            };
            next[place] = *found.ok_or_else(undefined)?;
            next.extend(self.twins.get(&next[place]));
        }
        Ok((roots, self.traversals))
    }

    /// Numbers the traversals of one selection set and puts theirs on the pile. A reference by name is filled in later.
    fn number<'a>(
        &mut self,
        root: usize,
        from: From,
        selections: Items<'a, SelectionSpec>,
        version: Version,
        pending: &mut Vec<(usize, Items<'a, SelectionSpec>)>,
    ) -> Result<Vec<usize>, Fault> {
        let mut next = Vec::with_capacity(selections.len());
        for selection in selections {
            let name = selection.name().filter(|name| !name.is_empty());
            let Some(spec) = selection.downcast::<TraversalSpec>() else {
                let unnamed = || Fault::invalid_argument("selectSet", "a SelectionSpec has no name");
                self.references.push((root, from, next.len(), name.ok_or_else(unnamed)?.clone()));
                next.push(usize::MAX);
                continue;
            };
            let number = self.traversals.len();
            if number >= MAX_TRAVERSALS {
                let why = format_args!("there are more than {MAX_TRAVERSALS} TraversalSpecs");
                return Err(Fault::invalid_argument("selectSet", why));
            }
            let kind = managed_type(spec.type_())?;
            let path = Path::compile(spec.path(), kind, version)?;
            let reach = Reach { skip: spec.skip() == Some(true), next: Vec::new() };
            self.traversals.push(Traversal { kind, path, reach });
            if let Some(name) = name {
                self.names.entry((root, name.clone())).or_insert(number);
                self.any_names.entry(name.clone()).or_insert(number);
            }
            pending.push((number, spec.select_set()));
            next.push(number);
            next.extend(self.number_twin(spec, number, version)?);
        }
        Ok(next)
    }

    /// Numbers the traversal that goes with this one, if there is one.
    // Fidelity: a virtual machine has the environment browser of its compute resource. vcsim goes from one to it whatever
    // type the TraversalSpec names, and `govc object.save` of virtual machines alone counts on that.
    fn number_twin(&mut self, spec: &TraversalSpec, number: usize, version: Version) -> Result<Option<usize>, Fault> {
        if !self.traversals[number].kind.is_a(ComputeResource::TYPE) || spec.path() != "environmentBrowser" {
            return Ok(None);
        }
        let path = Path::compile(spec.path(), VirtualMachine::TYPE, version)?;
        let reach = Reach { skip: spec.skip() == Some(true), next: Vec::new() };
        let twin = self.traversals.len();
        self.traversals.push(Traversal { kind: VirtualMachine::TYPE, path, reach });
        self.twins.insert(number, twin);
        Ok(Some(twin))
    }
}
