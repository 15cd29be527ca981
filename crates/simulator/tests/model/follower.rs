//! A client that follows the inventory through `WaitForUpdatesEx`, from the first moment on: what it was told must be what a
//! client reads that comes only now.

use std::collections::{BTreeMap, BTreeSet};

use vimsim_types::enums::ObjectUpdateKind;
use vimsim_types::method::{ContinueRetrievePropertiesEx, WaitForUpdatesEx};
use vimsim_types::method::{CreateContainerView, CreateFilter, CreatePropertyCollector, RetrievePropertiesEx};
use vimsim_types::views::*;
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use crate::driver::Run;
use crate::invariants::Wrong;

/// What is followed of each type.
const FOLLOWED: &[(&str, &[&str])] = &[
    ("ManagedEntity", &["name", "parent", "recentTask", "overallStatus", "customValue", "declaredAlarmState"]),
    ("Folder", &["childEntity"]),
    ("Datacenter", &["datastore", "network"]),
    ("ComputeResource", &["host", "datastore", "network", "summary", "configurationEx"]),
    ("HostSystem", &["vm", "datastore", "network", "runtime", "config.network", "config.option"]),
    ("ResourcePool", &["vm", "resourcePool", "config", "runtime", "summary", "childConfiguration"]),
    ("Datastore", &["vm", "host", "summary", "info"]),
    ("Network", &["vm", "host", "summary"]),
    ("DistributedVirtualSwitch", &["portgroup", "summary", "config"]),
    (
        "VirtualMachine",
        &[
            "config",
            "runtime",
            "guest",
            "snapshot",
            "rootSnapshot",
            "datastore",
            "network",
            "storage",
            "layoutEx",
            "resourcePool",
            "parentVApp",
            "summary.config",
            "summary.runtime",
            "summary.storage",
            "environmentBrowser",
        ],
    ),
];

/// What is known of each object: its properties by their paths.
type Known = BTreeMap<Moref, BTreeMap<ArcStr, Value>>;

pub(crate) struct Follower {
    collector: Moref,
    spec: PropertyFilterSpec,
    version: ArcStr,
    known: Known,
}

impl Follower {
    /// Begins to follow all entities.
    pub(crate) async fn new(run: &Run) -> Self {
        let content = run.content();
        let request = CreateContainerView::with(|request| {
            request.set_container(content.root_folder()).push_type("ManagedEntity").set_recursive(true);
        });
        let view = run.call(&content.view_manager().expect("named"), request).await.expect("a view");
        let spec = PropertyFilterSpec::with(|spec| {
            for (name, paths) in FOLLOWED {
                spec.push_prop_set(PropertySpec::with(|it| _ = it.set_type(*name).set_path_set(paths.iter().copied())));
            }
            spec.push_object_set(ObjectSpec::with(|it| {
                it.set_obj(view.moref().expect("a view")).set_skip(true);
                it.push_select_set(TraversalSpec::with(|it| {
                    it.set_type("ContainerView").set_path("view").set_skip(false);
                }));
            }));
        });
        let main = content.property_collector();
        let collector = run.call(&main, CreatePropertyCollector::new()).await.expect("a collector");
        let collector = collector.moref().expect("a collector");
        let request = CreateFilter::with(|request| _ = request.set_spec(spec.clone()).set_partial_updates(false));
        run.call(&collector, request).await.expect("a filter");
        Self { collector, spec, version: ArcStr::new(), known: Known::new() }
    }

    /// Takes all that is new, and compares what is known now with what there is. Nobody changes anything meanwhile.
    pub(crate) async fn check(&mut self, run: &Run, wrong: &mut Wrong) {
        if let Err(fault) = self.catch_up(run, wrong).await {
            return wrong.0.push(format!("the updates cannot be had: {fault}"));
        }
        let fresh = match self.read(run).await {
            Ok(fresh) => fresh,
            Err(fault) => return wrong.0.push(format!("what is followed cannot be read: {fault}")),
        };
        let all: BTreeSet<&Moref> = self.known.keys().chain(fresh.keys()).collect();
        for moref in all {
            let (Some(known), Some(fresh)) = (self.known.get(moref), fresh.get(moref)) else {
                let is_known = self.known.contains_key(moref);
                wrong.0.push(format!("{moref} was told of: {is_known}; it is there: {}", fresh.contains_key(moref)));
                continue;
            };
            for path in known.keys().chain(fresh.keys()).collect::<BTreeSet<_>>() {
                wrong.unless(known.get(path) == fresh.get(path), || {
                    format!("{moref}.{path} is not what was told of it")
                });
            }
        }
    }

    async fn catch_up(&mut self, run: &Run, wrong: &mut Wrong) -> Result<(), Fault> {
        loop {
            let request = WaitForUpdatesEx::with(|request| {
                request.set_version(self.version.clone());
                request.set_options(WaitOptions::with(|options| _ = options.set_max_wait_seconds(0)));
            });
            let answer = run.call(&self.collector, request).await?;
            let Some(set) = answer.object().and_then(UpdateSet::from_ref) else { return Ok(()) };
            self.version = set.version().clone();
            for update in set.filter_set().iter().flat_map(|filter| filter.object_set().iter()) {
                self.take(update, wrong);
            }
        }
    }

    fn take(&mut self, update: &ObjectUpdate, wrong: &mut Wrong) {
        let moref = update.obj();
        let was_known = self.known.contains_key(&moref);
        wrong.unless(was_known == (update.kind() != ObjectUpdateKind::Enter), || {
            format!("{moref} was known: {was_known}, and now comes: {:?}", update.kind())
        });
        if update.kind() == ObjectUpdateKind::Leave {
            self.known.remove(&moref);
            return;
        }
        let known = self.known.entry(moref).or_default();
        for change in update.change_set() {
            match change.val() {
                Value::Unset => _ = known.remove(change.name()),
                value => _ = known.insert(change.name().clone(), value.clone()),
            }
        }
    }

    /// What there is.
    async fn read(&self, run: &Run) -> Result<Known, Fault> {
        let request = RetrievePropertiesEx::with(|request| {
            request.push_spec_set(self.spec.clone()).set_options(RetrieveOptions::new());
        });
        let collector = run.content().property_collector();
        let mut answer = run.call(&collector, request).await?;
        let mut all = Known::new();
        while let Some(result) = answer.object().and_then(RetrieveResult::from_ref) {
            for content in result.objects() {
                let properties = content.prop_set().iter().map(|it| (it.name().clone(), it.val().clone()));
                all.entry(content.obj()).or_default().extend(properties);
            }
            let Some(token) = result.token().cloned() else { break };
            let request = ContinueRetrievePropertiesEx::with(|request| _ = request.set_token(token));
            answer = run.call(&collector, request).await?;
        }
        Ok(all)
    }
}
