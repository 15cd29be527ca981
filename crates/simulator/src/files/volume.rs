//! A datastore's tree of folders and files, to read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use vimsim_types::views::{Datastore, VirtualMachine, VsanDatastoreInfo};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, View, literal};

use super::machine::{self, Own};
use super::store::{Entry, Files, Folder, Item};
use super::{File, path, window};
use crate::call::not_found;
use crate::walk::Inventory;

/// The files of a datastore.
pub(crate) struct Volume<'a, I> {
    inventory: &'a I,
    moref: Moref,
    datastore: &'a Datastore,
    files: Option<&'a Files>,
}

impl<'a, I: Inventory> Volume<'a, I> {
    /// The files of this datastore; `ManagedObjectNotFound` if there is none.
    pub(crate) fn of(inventory: &'a I, moref: &Moref) -> Result<Self, Fault> {
        let object = inventory.find(moref).ok_or_else(|| not_found(moref))?;
        let datastore = object.view::<Datastore>().ok_or_else(|| not_found(moref))?;
        Ok(Self { inventory, moref: object.moref().clone(), datastore, files: object.private::<Files>() })
    }

    pub(crate) fn datastore(&self) -> &'a Datastore {
        self.datastore
    }

    /// A path as clients write it: `[datastore] folder/file`.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("[{}] {path}", self.datastore.name())
    }

    /// Whether what is at the top are objects of vSAN, which have a UUID beside their name.
    pub(crate) fn is_vsan(&self) -> bool {
        self.datastore.info().as_object().is::<VsanDatastoreInfo>()
    }

    /// A path with the name of the folder at the top in place of its UUID.
    pub(crate) fn named(&self, path: &str) -> String {
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        if !self.is_vsan() || uuid::Uuid::parse_str(first).is_err() {
            return path.into();
        }
        let top = self.list("").unwrap_or_default();
        let known = top.into_iter().find(|(_, item)| matches!(item, Item::Folder(folder) if folder.id == first));
        match (known, rest) {
            (Some((name, _)), Some(rest)) => format!("{name}/{rest}"),
            (Some((name, _)), None) => name,
            (None, _) => path.into(),
        }
    }

    /// What is at a path.
    pub(crate) fn get(&self, path: &str) -> Option<Item> {
        if path.is_empty() {
            return Some(Item::Folder(self.folder(ArcStr::new())));
        }
        let kept = self.files.and_then(|files| files.get(path));
        if let Some(Entry::Is(item)) = kept {
            return Some(item.clone());
        }
        for (moref, machine) in self.machines() {
            // Most machines have nothing near: look at their paths before working out their files.
            let (mut is_above, mut is_near) = (false, false);
            machine::each_path(machine, self.datastore.name(), &mut |own| {
                is_above |= path::below(own, path).is_some();
                is_near |= path::split(own).0 == path::split(path).0;
            });
            if is_above || is_near {
                for own in self.own(&moref, machine) {
                    if own.path == path {
                        return Some(Item::File(own.file));
                    }
                    if path::below(&own.path, path).is_some() {
                        return Some(Item::Folder(self.folder(id(&moref, path))));
                    }
                }
            }
        }
        // Where a file was deleted, there may be a folder of a machine, but nothing shows through.
        if kept.is_some() { None } else { window::get(self.directory()?, path) }
    }

    /// The directory of this machine that shows through.
    fn directory(&self) -> Option<&'a Path> {
        self.files?.directory.as_deref()
    }

    /// The file at a path, if there is one.
    pub(crate) fn file(&self, path: &str) -> Option<File> {
        match self.get(path)? {
            Item::File(file) => Some(file),
            Item::Folder(_) => None,
        }
    }

    /// What is in a folder, by name; `None` if there is no such folder.
    pub(crate) fn list(&self, folder: &str) -> Option<BTreeMap<String, Item>> {
        if !folder.is_empty() && !matches!(self.get(folder)?, Item::Folder(_)) {
            return None;
        }
        let mut items = BTreeMap::new();
        let kept = self.files.into_iter().flat_map(|files| files.below(folder));
        for (path, entry) in kept {
            if let (Some(name), Entry::Is(item)) = (path::below(path, folder), entry)
                && !name.contains('/')
            {
                items.insert(name.to_string(), item.clone());
            }
        }
        for (moref, machine) in self.machines() {
            let mut is_near = false;
            machine::each_path(machine, self.datastore.name(), &mut |own| {
                is_near |= path::below(own, folder).is_some_and(|rest| match rest.split_once('/') {
                    // At the top of a large datastore, one look at each machine is enough.
                    Some((first, _)) => !items.contains_key(first),
                    None => true,
                });
            });
            if !is_near {
                continue;
            }
            for own in self.own(&moref, machine) {
                let Some(rest) = path::below(&own.path, folder) else { continue };
                match rest.split_once('/') {
                    Some((first, _)) if items.contains_key(first) => {}
                    Some((first, _)) => {
                        let id = id(&moref, &path::join(folder, first));
                        items.insert(first.into(), Item::Folder(self.folder(id)));
                    }
                    None => _ = items.entry(rest.into()).or_insert(Item::File(own.file)),
                }
            }
        }
        for (name, item) in self.directory().map(|root| window::list(root, folder)).unwrap_or_default() {
            let is_gone = self.files.is_some_and(|files| files.get(&path::join(folder, &name)).is_some());
            if !is_gone {
                items.entry(name).or_insert(item);
            }
        }
        Some(items)
    }

    /// Everything below a folder, parents before what is in them.
    pub(crate) fn walk(&self, folder: &str) -> Vec<(String, Item)> {
        let mut all = Vec::new();
        let mut pending = vec![folder.to_string()];
        while let Some(folder) = pending.pop() {
            let items = self.list(&folder).unwrap_or_default();
            for (name, item) in items {
                let path = path::join(&folder, &name);
                if matches!(item, Item::Folder(_)) {
                    pending.push(path.clone());
                }
                all.push((path, item));
            }
        }
        all
    }

    /// Whether a running machine has one of its files at this path or below it.
    pub(crate) fn is_locked(&self, path: &str) -> bool {
        !self.holders(path).is_empty()
    }

    /// The running machines that have one of their files at this path or below it.
    pub(crate) fn holders(&self, path: &str) -> Vec<Moref> {
        let running = self.machines().filter(|(_, machine)| machine::is_running(machine));
        let holds = |moref: &Moref, machine: &VirtualMachine| {
            let mut is_near = false;
            machine::each_path(machine, self.datastore.name(), &mut |own| {
                let is_beside = path::split(own).0 == path::split(path).0;
                is_near |= is_beside || path::below(own, path).is_some();
            });
            let is_own = |own: &Own| own.path == path || path::below(&own.path, path).is_some();
            is_near && self.own(moref, machine).iter().any(is_own)
        };
        running.filter(|(moref, machine)| holds(moref, machine)).map(|(moref, _)| moref).collect()
    }

    /// The files of a machine here that are what the machine says: not deleted, and not replaced.
    fn own(&self, moref: &Moref, machine: &VirtualMachine) -> Vec<Own> {
        let mut own = machine::files(moref, machine, self.datastore);
        if let Some(files) = self.files.filter(|files| !files.is_empty()) {
            own.retain(|own| files.get(&own.path).is_none());
        }
        own
    }

    /// The machines that have a file beside one of these.
    pub(super) fn machines_beside(&self, paths: &[ArcStr]) -> Vec<Moref> {
        let folders: BTreeSet<&str> = paths.iter().map(|path| path::split(path).0).collect();
        let is_near = |machine: &VirtualMachine| {
            let mut is_near = false;
            let name = self.datastore.name();
            machine::each_path(machine, name, &mut |own| is_near |= folders.contains(path::split(own).0));
            is_near
        };
        self.machines().filter(|(_, machine)| is_near(machine)).map(|(moref, _)| moref).collect()
    }

    /// Whether a machine has this file, and what it is of is counted whole: nothing that is written into it takes more.
    pub(super) fn is_counted(&self, path: &str) -> bool {
        let is_it = |moref: &Moref, machine: &VirtualMachine| {
            let mut is_near = false;
            machine::each_path(machine, self.datastore.name(), &mut |own| {
                is_near |= path::split(own).0 == path::split(path).0;
            });
            is_near && machine::files(moref, machine, self.datastore).iter().any(|own| own.path == path)
        };
        machine::is_data(path)
            && !path.ends_with("-delta.vmdk")
            && self.machines().any(|(moref, machine)| is_it(&moref, machine))
    }

    fn machines(&self) -> impl Iterator<Item = (Moref, &'a VirtualMachine)> {
        let inventory = self.inventory;
        self.datastore.vm().iter().filter_map(move |moref| Some((moref.clone(), inventory.seen(&moref)?)))
    }

    /// A folder that nobody made.
    fn folder(&self, id: ArcStr) -> Folder {
        let modified = self.datastore.info().timestamp().unwrap_or(DateTime::from_micros(0));
        Folder { modified, owner: literal!("root"), id }
    }

    /// The datastore.
    pub(crate) fn moref(&self) -> &Moref {
        &self.moref
    }
}

/// The UUID of a folder that a machine has.
fn id(machine: &Moref, path: &str) -> ArcStr {
    crate::uuid::named(&format!("{machine}/{path}")).into()
}
