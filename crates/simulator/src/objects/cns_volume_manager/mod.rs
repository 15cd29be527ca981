//! `CnsVolumeManager`: volumes of containers (CNS), which drivers of container storage make and attach. It is one of the
//! managed objects of vSAN's own endpoint, `/vsanHealth`.
//!
//! A volume is a first class disk of which more is known: the cluster of containers that it is for, and what that calls it.
//! Volumes that are file shares are not simulated.

mod create;
mod metadata;
mod operate;
mod query;
mod snapshots;

use rpds::RedBlackTreeMapSync as Map;
use vimsim_registry::Transaction;
use vimsim_types::views::{
    CnsFault, CnsVolumeId, CnsVolumeManager, CnsVolumeMetadata, CnsVolumeOperationBatchResult,
    CnsVolumeOperationResult, NotFound,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::call::Call;
use crate::first_class;
use crate::kind::Kind;
use crate::walk::Inventory;

type Manager = CnsVolumeManager;

pub(crate) fn kind() -> Kind<Manager> {
    Kind::new()
        .read(query::query_volume)
        .read(query::query_all_volume)
        .write(query::query_async)
        .write(query::query_volume_info)
        .write(create::create_volume)
        .write(operate::delete_volume)
        .write(operate::attach_volume)
        .write(operate::detach_volume)
        .write(operate::extend_volume)
        .write(operate::relocate_volume)
        .write(operate::reconfigure_policy)
        .write(operate::unregister_volume)
        .write(operate::set_control_flags)
        .write(operate::clear_control_flags)
        .write(operate::sync_volume)
        .write(operate::sync_datastore)
        .write(metadata::update)
        .write(snapshots::create)
        .write(snapshots::delete)
        .write(snapshots::query)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<Manager>("cns-volume-manager")
}

/// What is known of a volume beside its disk.
#[derive(Clone)]
struct Volume {
    name: ArcStr,
    kind: ArcStr,
    metadata: CnsVolumeMetadata,
}

/// The volumes, by the identifiers of their disks. Cloning it shares everything.
#[derive(Clone, Default)]
struct Volumes(Map<ArcStr, Volume>);

fn volumes(inventory: &impl Inventory) -> Option<&Volumes> {
    inventory.find(&moref())?.private()
}

fn edit(transaction: &mut Transaction) -> Result<&mut Volumes, Fault> {
    transaction.private(&moref())
}

/// The volume of this identifier.
///
/// - `NotFound` if there is none, or its disk is gone.
fn find<'a>(inventory: &'a impl Inventory, id: &CnsVolumeId) -> Result<&'a Volume, Fault> {
    let known = volumes(inventory).and_then(|volumes| volumes.0.get(id.id()));
    let known = known.filter(|_| first_class::find(inventory, id.id(), None).is_ok());
    known.ok_or_else(|| Fault::new(NotFound::new(), format!("The volume {} was not found", id.id())))
}

fn volume_id(id: &str) -> CnsVolumeId {
    CnsVolumeId::with(|it| _ = it.set_id(id))
}

/// The manager of first class disks, to change these.
fn disks<'a>(call: &'a mut Call<'_, Manager>) -> Result<Call<'a, first_class::Manager>, Fault> {
    let manager = first_class::manager(&**call)?;
    Ok(call.on(&manager))
}

/// What became of one volume.
type Outcome = Result<CnsVolumeOperationResult, Fault>;

/// The result of a task: what became of each volume. One that cannot be done changes nothing and has its fault.
fn batch(
    call: &mut Call<'_, Manager>,
    ids: Vec<Option<CnsVolumeId>>,
    one: &mut dyn FnMut(&mut Call<'_, Manager>, usize) -> Outcome,
) -> CnsVolumeOperationBatchResult {
    let results = ids.into_iter().enumerate().map(|(at, id)| match one(call, at) {
        Ok(mut result) => {
            if let Some(id) = id {
                result.set_volume_id(id);
            }
            result
        }
        Err(fault) => CnsVolumeOperationResult::with(|result| {
            if let Some(id) = id {
                result.set_volume_id(id);
            }
            result.set_fault(declared(fault).localized());
        }),
    });
    let results: Vec<CnsVolumeOperationResult> = results.collect();
    CnsVolumeOperationBatchResult::with(|batch| _ = batch.set_volume_results(results))
}

/// A fault as drivers expect it: those that they tell apart as they are, others as `CnsFault` with the reason.
fn declared(fault: Fault) -> Fault {
    use vimsim_types::views::{InvalidArgument, ManagedObjectNotFound, ResourceInUse};
    let is_told_apart = fault.is::<CnsFault>()
        || fault.is::<NotFound>()
        || fault.is::<ResourceInUse>()
        || fault.is::<InvalidArgument>()
        || fault.is::<ManagedObjectNotFound>();
    if is_told_apart {
        return fault;
    }
    let why = fault.message().clone();
    Fault::new(CnsFault::with(|detail| _ = detail.set_reason(&why)), why)
}

/// `InvalidArgument` unless there is one specification, which is what vCenter can do at a time.
fn expect_one(count: usize) -> Result<(), Fault> {
    if count == 1 {
        return Ok(());
    }
    Err(Fault::invalid_argument("InputSpec", format!("there must be one specification, not {count}")))
}

/// `InvalidArgument` without any specification.
fn expect_some(count: usize, property: &str) -> Result<(), Fault> {
    if count > 0 { Ok(()) } else { Err(Fault::invalid_argument(property, "there is no specification")) }
}
