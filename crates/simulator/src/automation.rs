//! What the Automation API keeps that no managed object shows, and how LUNs are partitioned. It lies beside the properties of the search index, so that
//! it is part of each snapshot, and a write that fails changes nothing of it.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::sync::Arc;

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::views::{ManagedEntity, SearchIndex};
use vimsim_types::{Fault, Moref, TypeId};

use crate::cluster_modules::Modules;
use crate::config::Product;
use crate::data_sets::DataSets;
use crate::luns::Tables;
use crate::objects::authorization_manager::Access;
use crate::objects::service_instance;
use crate::service::Service;
use crate::session::Session;
use crate::tagging::Tags;

/// All of it. Copied by each write that changes any: what can become large shares its parts.
#[derive(Clone, Default)]
pub(crate) struct Automation {
    pub(crate) modules: Modules,
    pub(crate) tags: Tags,
    pub(crate) data_sets: DataSets,
    pub(crate) luns: Tables,
    /// What [`Service::change_kept`] keeps, by the name of its type.
    kept: BTreeMap<&'static str, Arc<dyn Any + Send + Sync>>,
}

/// Where it lies: an object has one place for such things, and this one needs it for nothing else.
fn place() -> Moref {
    Moref::of::<SearchIndex>("SearchIndex")
}

/// What is kept, if anything is.
pub(crate) fn of(snapshot: &Snapshot) -> Option<&Automation> {
    snapshot.object(&place())?.private()
}

/// [`of`], as a write sees it.
pub(crate) fn written(transaction: &Transaction) -> Option<&Automation> {
    transaction.object(&place())?.private()
}

/// What is kept, to change.
pub(crate) fn edit(transaction: &mut Transaction) -> Result<&mut Automation, Fault> {
    transaction.private(&place())
}

impl Service {
    /// What services of the Automation API that no managed object stands for have kept: a `T`, the default at first.
    pub fn kept<T: Any + Send + Sync + Clone + Default>(&self) -> Arc<T> {
        let snapshot = self.snapshot();
        let kept = of(&snapshot).and_then(|kept| kept.kept.get(type_name::<T>()));
        kept.and_then(|kept| kept.clone().downcast().ok()).unwrap_or_default()
    }

    /// Changes what is [`Self::kept`], all of it or, on an error, nothing.
    pub fn change_kept<T, R, E>(&self, change: impl FnOnce(&mut T, &Transaction) -> Result<R, E>) -> Result<R, E>
    where
        T: Any + Send + Sync + Clone + Default,
        E: From<Fault>,
    {
        self.registry().write(|transaction| {
            let known = written(transaction).and_then(|kept| kept.kept.get(type_name::<T>()));
            let mut kept: T = known.and_then(|kept| kept.downcast_ref::<T>()).cloned().unwrap_or_default();
            let answer = change(&mut kept, transaction)?;
            edit(transaction)?.kept.insert(type_name::<T>(), Arc::new(kept));
            Ok(answer)
        })
    }

    /// Checks that the session's user has a privilege at an object, or at the root folder if that is no entity's.
    ///
    /// - `NoPermission` otherwise.
    pub fn authorize(&self, session: &Session, object: Option<&Moref>, privilege: &str) -> Result<(), Fault> {
        let snapshot = self.snapshot();
        let is_virtual_center = self.config().product == Product::VirtualCenter;
        let Some(access) = Access::of(&snapshot, Some(session), is_virtual_center) else { return Ok(()) };
        let known = object.filter(|object| snapshot.view::<ManagedEntity>(object).is_some()).cloned();
        access.check(&known.unwrap_or_else(|| service_instance::root_folder(is_virtual_center)), privilege)
    }

    /// The objects of a type that the session's user may know of, by identifier, and the snapshot that they are in.
    pub fn visible_objects(&self, session: &Session, kind: TypeId) -> (Snapshot, Vec<Moref>) {
        let snapshot = self.snapshot();
        let access = Access::of(&snapshot, Some(session), self.config().product == Product::VirtualCenter);
        let all = snapshot.objects().map(|object| object.moref()).filter(|moref| moref.kind().is_a(kind));
        let seen = all.filter(|moref| access.as_ref().is_none_or(|access| access.sees(moref)));
        let mut seen: Vec<Moref> = seen.cloned().collect();
        seen.sort_unstable();
        drop(access);
        (snapshot, seen)
    }

    /// The folder that everything is in.
    pub fn root_folder(&self) -> Moref {
        service_instance::root_folder(self.config().product == Product::VirtualCenter)
    }

    /// Whether the session's user may know of an object.
    pub fn may_see(&self, session: &Session, object: &Moref) -> bool {
        self.authorize(session, Some(object), "System.View").is_ok()
    }
}
