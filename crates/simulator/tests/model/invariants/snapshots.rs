//! The trees of virtual machines' snapshots.

use std::collections::BTreeSet;

use vimsim_registry::Snapshot;
use vimsim_types::Moref;
use vimsim_types::views::{VirtualMachine, VirtualMachineSnapshot, VirtualMachineSnapshotTree};

use super::{Wrong, all};

pub(super) fn check(snapshot: &Snapshot, wrong: &mut Wrong) {
    let mut known = BTreeSet::new();
    for (moref, machine) in all::<VirtualMachine>(snapshot) {
        let (mut ids, mut own) = (BTreeSet::new(), BTreeSet::new());
        let roots: Vec<&VirtualMachineSnapshotTree> =
            machine.snapshot().map(|info| info.root_snapshot_list().iter().collect()).unwrap_or_default();
        for node in &roots {
            check_node(snapshot, moref, node, &mut ids, &mut own, wrong);
        }
        let listed: Vec<Moref> = machine.root_snapshot().iter().collect();
        let found: Vec<Moref> = roots.iter().map(|node| node.snapshot()).collect();
        wrong.unless(listed == found, || format!("{moref}.rootSnapshot is {listed:?}, and the tree has {found:?}"));
        let current = machine.snapshot().and_then(|info| info.current_snapshot());
        wrong.unless(current.as_ref().is_none_or(|current| own.contains(current.value())), || {
            format!("{moref} has the current snapshot {current:?}, which is not in its tree")
        });
        wrong.unless(machine.snapshot().is_none() || !roots.is_empty(), || format!("{moref} has an empty tree"));
        known.extend(own);
    }
    for (moref, _) in all::<VirtualMachineSnapshot>(snapshot) {
        wrong.unless(known.contains(moref.value()), || format!("{moref} is in no machine's tree"));
    }
}

fn check_node(
    snapshot: &Snapshot,
    machine: &Moref,
    node: &VirtualMachineSnapshotTree,
    ids: &mut BTreeSet<i32>,
    own: &mut BTreeSet<vimsim_types::ArcStr>,
    wrong: &mut Wrong,
) {
    let moref = node.snapshot();
    wrong.unless(own.insert(moref.value().clone()), || format!("{moref} is twice in the tree of {machine}"));
    wrong.unless(ids.insert(node.id()), || format!("{machine} has two snapshots with the number {}", node.id()));
    wrong.unless(node.vm() == *machine, || format!("{moref} is in the tree of {machine}, and of {}", node.vm()));
    let Some(kept) = snapshot.view::<VirtualMachineSnapshot>(&moref) else { return };
    wrong.unless(kept.vm() == *machine, || format!("{moref} is of {}, and in the tree of {machine}", kept.vm()));
    let children: Vec<Moref> = node.child_snapshot_list().iter().map(|child| child.snapshot()).collect();
    let listed: Vec<Moref> = kept.child_snapshot().iter().collect();
    wrong.unless(children == listed, || format!("{moref} has the children {listed:?}, and the tree {children:?}"));
    for child in node.child_snapshot_list() {
        check_node(snapshot, machine, child, ids, own, wrong);
    }
}
