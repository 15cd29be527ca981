//! How a property changed between two states of an object.
//!
//! What the operations mean is from the API reference (`PropertyChangeOp`): `assign` is a new value, and none for a
//! property that was unset; `add` and `remove` are items of a list that came and went; `indirectRemove` is a property that
//! went because what contains it went.

use std::collections::HashMap;
use std::fmt::Write;

use vimsim_types::enums::PropertyChangeOp;
use vimsim_types::views::PropertyChange;
use vimsim_types::{List, Object, Value, View};

use crate::key::Identity;
use crate::path::{Path, is_known};

/// The changes that turn what `path` leads to in `old` into what it leads to in `new`, added to `changes`.
///
/// Without `partial` a changed property is assigned whole. With it, changes are as small as paths can name them: data
/// objects are compared field by field, lists of data objects that have keys item by item; other lists, and objects that
/// became ones of another type, are assigned whole.
pub fn diff(path: &Path, old: &Object, new: &Object, partial: bool, changes: &mut Vec<PropertyChange>) {
    if old.get(path.slot()).same(new.get(path.slot())) {
        return;
    }
    let (was, is) = (path.get(old), path.get(new));
    let had_parent = |object| path.parent(object).is_none_or(|parent| !parent.is_unset());
    let op = match (was.is_unset(), is.is_unset()) {
        (true, true) => return,
        (false, false) if partial && !path.is_projection() => {
            let mut nested = Nested { path, name: path.name().to_string(), changes };
            return nested.compare(&was, &is);
        }
        (false, false) if was == is => return,
        (false, true) if !had_parent(new) => PropertyChangeOp::IndirectRemove,
        (false, true) if path.ends_at_item() => PropertyChangeOp::Remove,
        (true, false) if path.ends_at_item() && had_parent(old) => PropertyChangeOp::Add,
        _ => PropertyChangeOp::Assign,
    };
    changes.push(change(path.name(), op, is.into_owned()));
}

/// A `PropertyChange`; unset is no value.
pub(crate) fn change(name: &str, op: PropertyChangeOp, value: Value) -> PropertyChange {
    PropertyChange::with(|change| {
        change.set_name(name).set_op(op).set_val(value);
    })
}

/// Compares within a property.
struct Nested<'a> {
    path: &'a Path,
    /// The path of what is being compared.
    name: String,
    changes: &'a mut Vec<PropertyChange>,
}

impl Nested<'_> {
    fn push(&mut self, op: PropertyChangeOp, value: &Value) {
        self.changes.push(change(&self.name, op, value.clone()));
    }

    /// Goes on with the name extended.
    fn within(&mut self, suffix: impl std::fmt::Display, compare: impl FnOnce(&mut Self)) {
        let length = self.name.len();
        write!(self.name, "{suffix}").expect("a string takes all text");
        compare(self);
        self.name.truncate(length);
    }

    fn compare(&mut self, was: &Value, is: &Value) {
        if was.same(is) {
            return;
        }
        match (was, is) {
            (Value::Object(was), Value::Object(is)) if was.kind() == is.kind() => self.fields(was, is),
            (Value::List(was), Value::List(is)) if self.items(was, is) => {}
            _ if was != is => self.push(PropertyChangeOp::Assign, is),
            _ => {}
        }
    }

    fn fields(&mut self, was: &Object, is: &Object) {
        let kind = is.kind();
        for (slot, field) in kind.info().fields().iter().enumerate() {
            let (was, is) = (was.get(slot), is.get(slot));
            if !was.same(is) && is_known(kind, field, self.path.version()) {
                self.within(format_args!(".{}", field.name), |nested| nested.compare(was, is));
            }
        }
    }

    /// Compares lists by their items' keys. Says no if that cannot be done: items without keys or with equal ones, or in
    /// an order that removing and adding at the end does not give.
    fn items(&mut self, was: &List, is: &List) -> bool {
        let (Some(old), Some(new)) = (keyed(was), keyed(is)) else { return false };
        let index: HashMap<Identity<'_>, &Value> = old.iter().copied().collect();
        let kept = new.iter().take_while(|(key, _)| index.contains_key(key)).count();
        let (common, added) = new.split_at(kept);
        let has_common: HashMap<Identity<'_>, usize> =
            common.iter().zip(0..).map(|((key, _), at)| (*key, at)).collect();
        let order = old.iter().filter_map(|(key, _)| has_common.get(key));
        let in_order = order.copied().eq(0..common.len());
        let unique = index.len() == old.len() && has_common.len() == common.len();
        let added_is_new = added.iter().all(|(key, _)| !index.contains_key(key));
        if !(in_order && unique && added_is_new && are_unique(added)) {
            return false;
        }
        for (key, _) in old.iter().filter(|(key, _)| !has_common.contains_key(key)) {
            self.within(key, |nested| nested.push(PropertyChangeOp::Remove, &Value::Unset));
        }
        for (key, item) in common {
            self.within(key, |nested| nested.compare(index[key], item));
        }
        for (key, item) in added {
            self.within(key, |nested| nested.push(PropertyChangeOp::Add, item));
        }
        true
    }
}

/// The items of a list of data objects with their keys; `None` if one has none.
fn keyed(list: &List) -> Option<Vec<(Identity<'_>, &Value)>> {
    list.items().iter().map(|item| Some((Identity::of(item.object().map(|_| item)?)?, item))).collect()
}

fn are_unique(items: &[(Identity<'_>, &Value)]) -> bool {
    let mut seen = std::collections::HashSet::new();
    items.iter().all(|(key, _)| seen.insert(*key))
}
