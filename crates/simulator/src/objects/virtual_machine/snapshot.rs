//! Snapshots: what a virtual machine was at a moment, and the way back.
//!
//! A `VirtualMachineSnapshot` keeps the machine's configuration as it was; it shares with the machine what has not changed
//! since. The machine keeps the tree of its snapshots in `snapshot`, and in its own `layoutEx` the files that only snapshots
//! have ([`super::layout`]): `summary::layout_ex` adds to them what the machine's configuration says.

use vimsim_types::enums::{VirtualMachinePowerState as Power, VirtualSCSISharing};
use vimsim_types::method::{
    CreateSnapshotExTask, CreateSnapshotTask, RemoveAllSnapshotsTask, RevertToCurrentSnapshotTask,
};
use vimsim_types::views::{
    Datastore, EventEx, HostSystem, InvalidName, InvalidState, KeyAnyValue, ManagedEntity,
    MemorySnapshotOnIndependentDisk, NotFound, NotSupported, SnapshotDisabled, SnapshotIncompatibleDeviceInVm,
    SnapshotLocked, TooManySnapshotLevels, VirtualMachine, VirtualMachineConfigInfo, VirtualMachineSnapshot,
    VirtualMachineSnapshotTree, VirtualSCSIController, VmPoweredOffEvent, VmPoweredOnEvent, VmSuspendedEvent,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use super::device::Site;
use super::disk::DatastorePath;
use super::layout::keep_layout;
use super::{chain, config, guest, places, power, summary};
use crate::call::Call;
use crate::data_sets;
use crate::files::edit;

/// The deepest tree that vSphere allows.
const DEEPEST: usize = 32;

/// What is asked of a new snapshot.
struct Wanted {
    name: ArcStr,
    description: ArcStr,
    memory: bool,
    quiesce: bool,
}

/// Keeps what the machine is now.
///
/// - As faults of the task: `InvalidName` without a name or with one longer than 80 characters; `NotSupported` for a
///   template; `SnapshotDisabled`, `SnapshotLocked` if the machine's flags say so; `TooManySnapshotLevels` below 32 others;
///   `MemorySnapshotOnIndependentDisk` and `SnapshotIncompatibleDeviceInVm` for a running machine with such disks.
pub(super) fn create_snapshot(
    call: &mut Call<'_, VirtualMachine>,
    request: CreateSnapshotTask,
) -> Result<Moref, Fault> {
    let wanted = Wanted {
        name: request.name().clone(),
        description: request.description().cloned().unwrap_or_default(),
        memory: request.memory(),
        quiesce: request.quiesce(),
    };
    call.start_task(move |call| create(call, &wanted))
}

/// [`create_snapshot`], with more to say about how the guest is made quiet.
pub(super) fn create_snapshot_ex(
    call: &mut Call<'_, VirtualMachine>,
    request: CreateSnapshotExTask,
) -> Result<Moref, Fault> {
    let wanted = Wanted {
        name: request.name().clone(),
        description: request.description().cloned().unwrap_or_default(),
        memory: request.memory(),
        quiesce: request.quiesce_spec().is_some(),
    };
    call.start_task(move |call| create(call, &wanted))
}

fn create(call: &mut Call<'_, VirtualMachine>, wanted: &Wanted) -> Result<Moref, Fault> {
    check_name(&wanted.name)?;
    let this = call.moref();
    let mut machine = call.this()?.clone();
    check_new(&machine, wanted)?;
    let id = next_id(&machine);
    let snapshot = call.create_moref(VirtualMachineSnapshot::TYPE);
    chain::stamp(machine.config_mut(), &snapshot);
    let Some(kept) = machine.config().cloned() else { return Err(nothing_to_keep()) };
    let is_on = machine.runtime().power_state() == Power::PoweredOn;
    let state = match machine.runtime().power_state() {
        // Without its memory, a running machine is kept as one that lost its power.
        Power::PoweredOn if !wanted.memory => Power::PoweredOff,
        state => state,
    };
    let has_tools = machine.guest().and_then(|guest| guest.tools_running_status());
    let has_tools = has_tools.is_some_and(|status| *status == "guestToolsRunning");

    let kept = VirtualMachineSnapshot::with(|snapshot| {
        snapshot.set_config(kept).set_vm(this.clone());
    });
    call.insert(snapshot.clone(), kept);
    let now = call.now();
    let node = VirtualMachineSnapshotTree::with(|node| {
        node.set_snapshot(snapshot.clone()).set_vm(this.clone());
        node.set_name(&wanted.name).set_description(&wanted.description);
        node.set_id(id).set_create_time(now).set_state(state);
        node.set_quiesced(wanted.quiesce && is_on && has_tools).set_replay_supported(false);
    });
    let current = machine.snapshot().and_then(|info| info.current_snapshot());
    let info = machine.snapshot_mut();
    match current {
        Some(current) => {
            let roots = rebuild(info.root_snapshot_list().iter(), &mut |mut known| {
                if known.snapshot() == current {
                    known.push_child_snapshot_list(node.clone());
                }
                vec![known]
            });
            info.set_root_snapshot_list(roots);
        }
        None => _ = info.push_root_snapshot_list(node),
    }
    info.set_current_snapshot(snapshot.clone());
    let mut taken = taken_names(call, &machine);
    chain::extend(machine.config_mut(), &mut taken);
    config::touch(machine.config_mut(), now);
    store(call, &this, machine)?;
    data_sets::copy(call, &this, &snapshot)?;
    Ok(snapshot)
}

fn nothing_to_keep() -> Fault {
    Fault::new(InvalidState::new(), "the virtual machine has no configuration")
}

/// `InvalidName` for a name that a snapshot cannot have.
pub(crate) fn check_name(name: &str) -> Result<(), Fault> {
    if !name.is_empty() && name.chars().count() <= 80 {
        return Ok(());
    }
    let detail = InvalidName::with(|fault| _ = fault.set_name(name));
    Err(Fault::new(detail, format!("The name '{name}' is not valid: it must have 1 to 80 characters")))
}

fn check_new(machine: &VirtualMachine, wanted: &Wanted) -> Result<(), Fault> {
    let config = machine.config().ok_or_else(nothing_to_keep)?;
    check_changeable(machine)?;
    if config.flags().snapshot_disabled().unwrap_or_default() {
        return Err(Fault::new(SnapshotDisabled::new(), "snapshots of this virtual machine are disabled"));
    }
    let current = machine.snapshot().and_then(|info| info.current_snapshot());
    let depth = match (machine.snapshot(), &current) {
        (Some(info), Some(current)) => depth(info.root_snapshot_list().iter(), current).unwrap_or_default(),
        _ => 0,
    };
    if depth >= DEEPEST {
        return Err(Fault::new(TooManySnapshotLevels::new(), format!("there are {depth} snapshots above this one")));
    }
    if machine.runtime().power_state() != Power::PoweredOn {
        return Ok(());
    }
    let devices = config.hardware().device();
    let is_shared = |bus: &VirtualSCSIController| bus.shared_bus() != VirtualSCSISharing::NoSharing;
    let shared = devices.iter().find(|device| device.downcast::<VirtualSCSIController>().is_some_and(is_shared));
    if let Some(shared) = shared {
        let why = format!("the bus of controller {} is shared", shared.key());
        let detail = SnapshotIncompatibleDeviceInVm::with(|fault| {
            fault.set_fault(Fault::new(NotSupported::new(), why.clone()).localized());
        });
        return Err(Fault::new(detail, why));
    }
    if wanted.memory && chain::backings(config).any(chain::is_independent) {
        let why = "the memory of a machine with independent disks cannot be kept";
        return Err(Fault::new(MemorySnapshotOnIndependentDisk::new(), why));
    }
    Ok(())
}

/// `NotSupported` for a template, `SnapshotLocked` if the machine's flags say so.
fn check_changeable(machine: &VirtualMachine) -> Result<(), Fault> {
    let Some(config) = machine.config() else { return Ok(()) };
    if config.template() {
        return Err(Fault::new(NotSupported::new(), format!("'{}' is a template", machine.name())));
    }
    if config.flags().snapshot_locked().unwrap_or_default() {
        return Err(Fault::new(SnapshotLocked::new(), "the snapshots of this virtual machine are locked"));
    }
    Ok(())
}

/// How many snapshots there are down to this one, itself included.
fn depth<'a>(mut nodes: impl Iterator<Item = &'a VirtualMachineSnapshotTree>, moref: &Moref) -> Option<usize> {
    nodes.find_map(|node| match node.snapshot() == *moref {
        true => Some(1),
        false => {
            depth(Box::new(node.child_snapshot_list().iter()) as Box<dyn Iterator<Item = _>>, moref).map(|n| n + 1)
        }
    })
}

/// All snapshots of a tree, parents before children.
fn all<'a>(nodes: impl Iterator<Item = &'a VirtualMachineSnapshotTree>) -> Vec<&'a VirtualMachineSnapshotTree> {
    let mut found = Vec::new();
    let mut pending: Vec<&VirtualMachineSnapshotTree> = nodes.collect();
    pending.reverse();
    while let Some(node) = pending.pop() {
        found.push(node);
        let first = pending.len();
        pending.extend(node.child_snapshot_list().iter());
        pending[first..].reverse();
    }
    found
}

/// The snapshots of a machine, parents before children.
pub(super) fn of(machine: &VirtualMachine) -> Vec<&VirtualMachineSnapshotTree> {
    machine.snapshot().map(|info| all(info.root_snapshot_list().iter())).unwrap_or_default()
}

/// The number of the machine's next snapshot, which its files are named for.
fn next_id(machine: &VirtualMachine) -> i32 {
    of(machine).iter().map(|node| node.id()).max().unwrap_or_default() + 1
}

/// The tree with every node replaced by what `edit` makes of it, children first.
fn rebuild<'a>(
    nodes: impl Iterator<Item = &'a VirtualMachineSnapshotTree>,
    edit: &mut dyn FnMut(VirtualMachineSnapshotTree) -> Vec<VirtualMachineSnapshotTree>,
) -> Vec<VirtualMachineSnapshotTree> {
    let mut rebuilt = Vec::new();
    for node in nodes {
        let children = rebuild(Box::new(node.child_snapshot_list().iter()) as Box<dyn Iterator<Item = _>>, edit);
        let mut node = node.clone();
        if !node.child_snapshot_list().is_empty() {
            set_children(&mut node, children);
        }
        rebuilt.extend(edit(node));
    }
    rebuilt
}

/// A node without children has no list of them.
fn set_children(node: &mut VirtualMachineSnapshotTree, children: Vec<VirtualMachineSnapshotTree>) {
    if children.is_empty() {
        node.as_object_mut().set(VirtualMachineSnapshotTree::CHILD_SNAPSHOT_LIST, Value::Unset);
    } else {
        node.set_child_snapshot_list(children);
    }
}

/// The snapshot's parent; `None` for the first of a tree.
fn parent_of(machine: &VirtualMachine, moref: &Moref) -> Option<Moref> {
    let is_parent =
        |node: &&VirtualMachineSnapshotTree| node.child_snapshot_list().iter().any(|child| child.snapshot() == *moref);
    of(machine).into_iter().find(is_parent).map(|node| node.snapshot())
}

/// The names of the files of the machine's disks and of its snapshots' disks.
pub(super) fn taken_names<T>(call: &Call<'_, T>, machine: &VirtualMachine) -> Vec<ArcStr> {
    let kept = of(machine).into_iter().filter_map(|node| call.view::<VirtualMachineSnapshot>(&node.snapshot()));
    chain::names(kept.map(|snapshot| snapshot.config()).chain(machine.config()))
}

/// Writes the machine with its changed snapshots, and all that follows from those.
pub(super) fn store<T>(call: &mut Call<'_, T>, moref: &Moref, mut machine: VirtualMachine) -> Result<(), Fault> {
    let roots: Vec<Moref> = match machine.snapshot() {
        Some(info) => info.root_snapshot_list().iter().map(|node| node.snapshot()).collect(),
        None => Vec::new(),
    };
    if roots.is_empty() {
        machine.as_object_mut().set(VirtualMachine::SNAPSHOT, Value::Unset);
    }
    machine.set_root_snapshot(roots);
    let nodes: Vec<(Moref, Vec<Moref>)> = of(&machine)
        .iter()
        .map(|node| (node.snapshot(), node.child_snapshot_list().iter().map(|child| child.snapshot()).collect()))
        .collect();
    for (snapshot, children) in nodes {
        if call.get::<VirtualMachineSnapshot>(&snapshot)?.child_snapshot().iter().ne(children.iter().cloned()) {
            call.edit::<VirtualMachineSnapshot>(&snapshot)?.set_child_snapshot(children);
        }
    }
    let datacenter = call.datacenter_of(moref);
    keep_layout(call, datacenter.as_ref(), &mut machine);
    let home = machine.datastore().first();
    if let (Some(datacenter), Some(host), Some(home)) = (datacenter, machine.runtime().host(), home) {
        let uuid = machine.config().map(|config| config.uuid().clone()).unwrap_or_default();
        let is_on = machine.runtime().power_state() == Power::PoweredOn;
        let site = Site { uuid: &uuid, datacenter: &datacenter, host: &host, is_on, is_new: false };
        places::refresh(call, &site, moref, &mut machine, &home)?;
    }
    summary::count_storage(&mut machine, call.now());
    *call.edit::<VirtualMachine>(moref)? = machine;
    Ok(())
}

/// Makes the machine what it was at a snapshot again. Its name and its place in the inventory stay.
///
/// - `SnapshotLocked`, `NotSupported` as when one is created; `InvalidState` for a host that cannot take it.
pub(crate) fn revert<T>(
    call: &mut Call<'_, T>,
    snapshot: &Moref,
    host: Option<Moref>,
    suppress_power_on: bool,
) -> Result<(), Fault> {
    let kept = call.get::<VirtualMachineSnapshot>(snapshot)?;
    let (this, mut config) = (kept.vm(), kept.config().clone());
    let mut machine = call.get::<VirtualMachine>(&this)?.clone();
    check_changeable(&machine)?;
    let state = of(&machine).into_iter().find(|node| node.snapshot() == *snapshot).map(|node| node.state());
    let state = state.ok_or_else(|| Fault::new(NotFound::new(), format!("{snapshot} is no snapshot of {this}")))?;
    let state = if suppress_power_on { Power::PoweredOff } else { state };
    let was = machine.runtime().power_state();
    if was != Power::PoweredOff {
        power::set_state(call, &this, Power::PoweredOff)?;
        machine = call.get::<VirtualMachine>(&this)?.clone();
    }
    if let Some(host) = host.filter(|host| machine.runtime().host().as_ref() != Some(host)) {
        let current = machine.runtime().host();
        power::change_host(call, &this, current.as_ref(), &host)?;
        machine = call.get::<VirtualMachine>(&this)?.clone();
    }
    let before = taken_names(call, &machine);
    config.set_name(machine.name());
    if let Some(files) = machine.config().map(|config| config.files().clone()) {
        config.set_files(files);
    }
    machine.set_config(config);
    machine.snapshot_mut().set_current_snapshot(snapshot.clone());
    // What was written since is gone, and a new file may get the name of one that was written to.
    discard(call, &before, &machine)?;
    let kept = of(&machine).into_iter().filter_map(|node| call.view::<VirtualMachineSnapshot>(&node.snapshot()));
    let mut taken = chain::names(kept.map(|snapshot| snapshot.config()));
    chain::extend(machine.config_mut(), &mut taken);
    config::touch(machine.config_mut(), call.now());
    store(call, &this, machine)?;
    data_sets::restore(call, snapshot, &this)?;
    match state {
        Power::PoweredOff => {}
        Power::Suspended => power::set_state(call, &this, state)?,
        Power::PoweredOn => {
            power::set_state(call, &this, state)?;
            guest::boot(call, &this)?;
        }
    }
    tell_reverted(call, &this, snapshot, (was, state))
}

/// Tells that a machine is what it was at a snapshot, and of its power if that changed.
fn tell_reverted<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    snapshot: &Moref,
    (was, is): (Power, Power),
) -> Result<(), Fault> {
    if was != is {
        match is {
            Power::PoweredOff => call.post(moref, VmPoweredOffEvent::with(|event| _ = event.set_template(false)))?,
            Power::Suspended => call.post(moref, VmSuspendedEvent::with(|event| _ = event.set_template(false)))?,
            Power::PoweredOn => call.post(moref, VmPoweredOnEvent::with(|event| _ = event.set_template(false)))?,
        }
    }
    let machine = call.get::<VirtualMachine>(moref)?;
    let node = of(machine).into_iter().find(|node| node.snapshot() == *snapshot);
    let (name, id) = node.map_or_else(Default::default, |node| (node.name().clone(), node.id()));
    let host = machine.runtime().host().and_then(|host| call.view::<HostSystem>(&host));
    let owner = host.and_then(|host| call.view::<ManagedEntity>(&host.parent()?)).map(|owner| owner.name().clone());
    let text = format!(
        "The execution state of the virtual machine {} on host {}, in compute resource {} has been reverted to the state \
         of snapshot {name}, with ID {id}",
        machine.name(),
        host.map_or("", |host| host.name().as_str()),
        owner.unwrap_or_default(),
    );
    let subject = machine.name().clone();
    let argument = |key: &str, value: Value| KeyAnyValue::with(|it| _ = it.set_key(key).set_value(value));
    let event = EventEx::with(|event| {
        event.set_event_type_id("com.vmware.vc.vm.VmStateRevertedToSnapshot").set_severity("info").set_message(text);
        event.set_arguments([
            argument("snapshotName", Value::String(name)),
            argument("snapshotId", Value::String(id.to_string().into())),
        ]);
        event.set_object_id(moref.value()).set_object_type("VirtualMachine").set_object_name(subject);
    });
    call.post(moref, event)
}

/// [`revert`] to the snapshot that the machine was last at.
///
/// - `NotFound` if it has none, as a fault of the task.
pub(super) fn revert_to_current_snapshot(
    call: &mut Call<'_, VirtualMachine>,
    request: RevertToCurrentSnapshotTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let current = call.this()?.snapshot().and_then(|info| info.current_snapshot());
        let current = current.ok_or_else(|| Fault::new(NotFound::new(), "the virtual machine has no snapshot"))?;
        revert(call, &current, request.host(), request.suppress_power_on().unwrap_or_default())
    })
}

/// Forgets a snapshot, with those below it or not. The machine stays as it is.
pub(crate) fn remove<T>(
    call: &mut Call<'_, T>,
    snapshot: &Moref,
    remove_children: bool,
    consolidates: bool,
) -> Result<(), Fault> {
    let this = call.get::<VirtualMachineSnapshot>(snapshot)?.vm();
    let mut machine = call.get::<VirtualMachine>(&this)?.clone();
    let node = of(&machine).into_iter().find(|node| node.snapshot() == *snapshot);
    let node = node.ok_or_else(|| Fault::new(NotFound::new(), format!("{snapshot} is no snapshot of {this}")))?;
    let mut gone = vec![snapshot.clone()];
    if remove_children {
        gone.extend(all(node.child_snapshot_list().iter()).iter().map(|node| node.snapshot()));
    }
    let parent = parent_of(&machine, snapshot);
    let info = machine.snapshot_mut();
    let roots = rebuild(info.root_snapshot_list().iter(), &mut |node| {
        if !gone.contains(&node.snapshot()) {
            return vec![node];
        }
        node.child_snapshot_list().iter().cloned().collect()
    });
    info.set_root_snapshot_list(roots);
    if info.current_snapshot().is_some_and(|current| gone.contains(&current)) {
        info.set_current_snapshot(parent);
    }
    forget(call, &this, machine, &gone, consolidates)
}

/// Removes snapshots that are out of the tree, and merges their files or notes that this is to be done.
fn forget<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    mut machine: VirtualMachine,
    gone: &[Moref],
    consolidates: bool,
) -> Result<(), Fault> {
    let before = taken_names(call, call.get::<VirtualMachine>(moref)?);
    gone.iter().for_each(|snapshot| call.remove(snapshot));
    if consolidates {
        consolidate(call, &mut machine)?;
    } else if machine.config().is_some_and(|config| chain::backings(config).any(|it| it.parent().is_some())) {
        machine.runtime_mut().set_consolidation_needed(true);
    }
    discard(call, &before, &machine)?;
    store(call, moref, machine)
}

/// Forgets what clients put into files that the machine's disks had, and have no more.
fn discard<T>(call: &mut Call<'_, T>, before: &[ArcStr], machine: &VirtualMachine) -> Result<(), Fault> {
    let after = taken_names(call, machine);
    for file in before.iter().filter(|file| !after.contains(file)) {
        let Some(path) = DatastorePath::parse(file) else { continue };
        let is_named = |moref: &Moref| call.view::<Datastore>(moref).is_some_and(|it| *it.name() == path.datastore);
        let Some(datastore) = machine.datastore().iter().find(is_named) else { continue };
        let stem = path.path.strip_suffix(".vmdk").unwrap_or(&path.path);
        for path in [path.path.clone(), format!("{stem}-delta.vmdk")] {
            edit::discard(call, &datastore, &path)?;
        }
    }
    Ok(())
}

/// Merges the files of the machine's disks that no snapshot needs.
pub(super) fn consolidate<T>(call: &mut Call<'_, T>, machine: &mut VirtualMachine) -> Result<(), Fault> {
    let snapshots: Vec<Moref> = of(machine).iter().map(|node| node.snapshot()).collect();
    let mut configs: Vec<VirtualMachineConfigInfo> = machine.config().into_iter().cloned().collect();
    for snapshot in &snapshots {
        configs.push(call.get::<VirtualMachineSnapshot>(snapshot)?.config().clone());
    }
    let own = linked_files(machine);
    for (old, new) in chain::consolidate(&mut configs, &|file| !own.iter().any(|known| known == file)) {
        chain::carry(call, &old, &new, true)?;
    }
    let mut configs = configs.into_iter();
    machine.set_config(configs.next().unwrap_or_else(View::new));
    for (snapshot, config) in snapshots.iter().zip(configs) {
        call.edit::<VirtualMachineSnapshot>(snapshot)?.set_config(config);
    }
    machine.runtime_mut().set_consolidation_needed(false);
    Ok(())
}

/// The files of a machine's disks that are another machine's: those outside its own folders that its disks are linked to.
pub(super) fn linked_files(machine: &VirtualMachine) -> Vec<ArcStr> {
    let Some(config) = machine.config() else { return Vec::new() };
    let folder = |file: &str| DatastorePath::parse(file).map(|path| path.parent());
    let mut linked = Vec::new();
    for backing in chain::backings(config) {
        let own = folder(backing.file_name());
        let files = chain::files(backing);
        linked.extend(files.iter().map(|file| file.file_name()).filter(|file| folder(file) != own).cloned());
    }
    linked
}

/// Forgets all snapshots of the machine. It stays as it is.
pub(super) fn remove_all_snapshots(
    call: &mut Call<'_, VirtualMachine>,
    request: RemoveAllSnapshotsTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let this = call.moref();
        let mut machine = call.this()?.clone();
        check_changeable(&machine)?;
        let gone: Vec<Moref> = of(&machine).iter().map(|node| node.snapshot()).collect();
        if gone.is_empty() {
            return Ok(());
        }
        machine.as_object_mut().set(VirtualMachine::SNAPSHOT, Value::Unset);
        forget(call, &this, machine, &gone, request.consolidate().unwrap_or(true))
    })
}

/// Has the tree of a machine's snapshots be that of a machine with another reference.
pub(super) fn adopt(machine: &mut VirtualMachine, moref: &Moref) {
    let Some(info) = machine.snapshot() else { return };
    let roots = rebuild(info.root_snapshot_list().iter(), &mut |mut node| {
        node.set_vm(moref.clone());
        vec![node]
    });
    machine.set_root_snapshot(roots.iter().map(|node| node.snapshot()).collect::<Vec<_>>());
    machine.snapshot_mut().set_root_snapshot_list(roots);
}

/// Removes the snapshots of a machine that is being removed.
pub(super) fn remove_with_machine<T>(call: &mut Call<'_, T>, machine: &VirtualMachine) {
    of(machine).iter().for_each(|node| call.remove(&node.snapshot()));
}

/// Gives a snapshot another name or description.
///
/// - `InvalidName` as when one is created.
pub(crate) fn rename<T>(
    call: &mut Call<'_, T>,
    snapshot: &Moref,
    name: Option<&ArcStr>,
    description: Option<&ArcStr>,
) -> Result<(), Fault> {
    if let Some(name) = name {
        check_name(name)?;
    }
    let this = call.get::<VirtualMachineSnapshot>(snapshot)?.vm();
    let info = call.edit::<VirtualMachine>(&this)?.snapshot_mut();
    let roots = rebuild(info.root_snapshot_list().iter(), &mut |mut node| {
        if node.snapshot() == *snapshot {
            name.into_iter().for_each(|name| _ = node.set_name(name));
            description.into_iter().for_each(|text| _ = node.set_description(text));
        }
        vec![node]
    });
    info.set_root_snapshot_list(roots);
    Ok(())
}
