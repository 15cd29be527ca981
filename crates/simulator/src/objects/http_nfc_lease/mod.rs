//! `HttpNfcLease`: the time in which the files of an import or export travel.
//!
//! ```text
//!  initializing ──▶ ready ──┬─▶ done   (complete: an import's machines stay)
//!        │                  └─▶ error  (abort, or nothing happens for too long: an import's machines are removed)
//!        └────────────────────▶ error  (the import could not begin)
//! ```
//!
//! A lease belongs to its session, but its URLs do not: who knows one may use it, since the key in it is secret.

mod device;
mod export;
mod import;
mod pull;
mod transfer;

use std::sync::Arc;

use vimsim_registry::{ManagedObject, Transaction};
use vimsim_types::enums::{HttpNfcLeaseMode, HttpNfcLeaseState as State, TaskInfoState};
use vimsim_types::method::{
    HttpNfcLeaseAbort, HttpNfcLeaseComplete, HttpNfcLeaseGetManifest, HttpNfcLeaseProgress,
    HttpNfcLeaseSetManifestChecksumType,
};
use vimsim_types::views::{
    HttpNfcLease, HttpNfcLeaseInfo, HttpNfcLeaseManifestEntry, InvalidState, LocalizedMethodFault, Task, Timedout,
    VirtualMachine,
};
use vimsim_types::{ArcStr, DateTime, EnumView, Fault, IntoValue, Moref, Value, View};

use crate::call::{Call, Context, Look};
use crate::files::Place;
use crate::files::content::Blob;
use crate::files::disk::Disk;
use crate::kind::Kind;
use crate::occupied::Hold;
use crate::service::Service;

pub(crate) use device::address;
pub(crate) use export::{export_snapshot, export_v_app, export_vm};
pub(crate) use import::import_v_app;

pub(crate) fn kind() -> Kind<HttpNfcLease> {
    Kind::new()
        .write(complete)
        .write(abort)
        .write(progress)
        .write(set_manifest_checksum_type)
        .read(get_manifest)
        .write(pull::pull_from_urls)
        .wait(pull::probe_urls)
}

/// How many seconds a lease lives without a sign of life, as in vCenter.
const TIMEOUT: i32 = 300;

/// What a lease remembers.
#[derive(Clone, Default)]
struct Transfer {
    is_import: bool,
    /// The machines and the vApp that an import made, in the order in which they are to be removed.
    made: Vec<Moref>,
    files: Vec<LeaseFile>,
    /// When the last sign of life came; unknown before the lease is ready.
    alive: Option<DateTime>,
    /// The task that runs as long as the lease is ready: its machines can do nothing else meanwhile ("While the lease is
    /// held, operations that alter the state of the virtual machines covered by the lease are blocked", API reference).
    task: Option<(Moref, Arc<Hold>)>,
}

/// A file that travels.
#[derive(Clone)]
struct LeaseFile {
    /// The last part of its URL.
    name: ArcStr,
    /// The device that it is of.
    key: ArcStr,
    place: Place,
    is_disk: bool,
    /// The size of the disk, in bytes.
    capacity: i64,
    /// What came or is to go.
    blob: Option<Arc<Blob>>,
    /// The disk and its data that are to go, while nobody has asked for them.
    unpacked: Option<(Disk, Arc<Blob>)>,
    /// `sha1` unless the client wants another.
    checksum: Option<ArcStr>,
}

/// A lease of the caller's session, which does not have its files yet.
///
/// - `NotAuthenticated` without a session.
fn create<T>(call: &mut Call<'_, T>, is_import: bool) -> Result<Moref, Fault> {
    let key = call.context().session()?.key().clone();
    let lease = Moref::of::<HttpNfcLease>(format!("session[{key}]{}", crate::uuid::random()));
    let properties = HttpNfcLease::with(|lease| {
        lease.set_initialize_progress(0).set_transfer_progress(0).set_state(State::Initializing);
        lease.set_mode(HttpNfcLeaseMode::PushOrGet.name());
        lease.capabilities_mut().set_pull_mode_supported(is_import).set_cors_supported(true);
    });
    call.insert_for_session(lease.clone(), properties, Some(key));
    call.private::<Transfer>(&lease)?.is_import = is_import;
    Ok(lease)
}

/// The part of a lease's URLs that names it.
fn token(lease: &Moref) -> String {
    lease.value().trim_start_matches("session[").replacen(']', "-", 1)
}

/// Makes a lease ready: its files can travel from now on.
fn make_ready<T>(
    call: &mut Call<'_, T>,
    lease: &Moref,
    entity: &Moref,
    made: Vec<Moref>,
    devices: Vec<device::Device>,
    task: Option<(Moref, Hold)>,
) -> Result<(), Fault> {
    let now = call.now();
    let context = call.context();
    // On a host the client is to put the address in, which it knows and the host may not.
    let base = match context.is_virtual_center() {
        true => super::option_settings::base_url(context),
        false => {
            let url = super::option_settings::base_url(context);
            let (scheme, rest) = url.split_once("://").unwrap_or(("https", &url));
            let port = rest.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
            format!("{scheme}://*{port}")
        }
    };
    let token = token(lease);
    let total: i64 = devices.iter().map(|device| device.file.capacity).sum();
    let info = HttpNfcLeaseInfo::with(|info| {
        info.set_lease(lease.clone()).set_entity(entity.clone()).set_lease_timeout(TIMEOUT);
        info.set_total_disk_capacity_in_kb(total / 1024);
        info.set_device_url(devices.iter().map(|device| device.url(&format!("{base}/nfc/{token}"))));
    });
    let properties = call.edit::<HttpNfcLease>(lease)?;
    properties.set_info(info).set_state(State::Ready).set_initialize_progress(100);
    let transfer = call.private::<Transfer>(lease)?;
    transfer.made = made;
    transfer.files = devices.into_iter().map(|device| device.file).collect();
    transfer.alive = Some(now);
    transfer.task = task.map(|(task, hold)| (task, Arc::new(hold)));
    Ok(())
}

/// Puts a lease into error.
fn fail(transaction: &mut Transaction, lease: &Moref, error: LocalizedMethodFault) -> Result<(), Fault> {
    if transaction.object(lease).is_some() {
        transaction.edit::<HttpNfcLease>(lease)?.set_state(State::Error).set_error(error);
    }
    Ok(())
}

fn timed_out() -> Fault {
    Fault::new(Timedout::new(), "The operation timed out: the lease has ended")
}

fn is_expired(transfer: &Transfer, now: DateTime) -> bool {
    transfer.alive.is_some_and(|alive| now > alive.plus_seconds(i64::from(TIMEOUT)))
}

/// `InvalidState` unless the lease is ready; `Timedout` if it was, and nothing happened for too long.
fn expect_ready(object: &ManagedObject, now: DateTime) -> Result<(), Fault> {
    let state = object.view::<HttpNfcLease>().map(|lease| lease.state());
    if object.private::<Transfer>().is_some_and(|transfer| is_expired(transfer, now)) && state == Some(State::Ready) {
        return Err(timed_out());
    }
    match state {
        Some(State::Ready) => Ok(()),
        Some(state) => Err(Fault::new(InvalidState::new(), format!("the lease is in the state {}", state.name()))),
        None => Err(timed_out()),
    }
}

fn check<T>(call: &Call<'_, T>) -> Result<(), Fault> {
    let this = call.moref();
    let object = call.object(&this).ok_or_else(|| crate::call::not_found(&this))?;
    expect_ready(object, call.now())
}

/// Ends the lease well: what was imported stays.
///
/// - `InvalidState` unless it is ready; `Timedout`.
fn complete(call: &mut Call<'_, HttpNfcLease>, _: HttpNfcLeaseComplete) -> Result<(), Fault> {
    check(call)?;
    let lease = call.this_mut()?;
    lease.set_state(State::Done).set_transfer_progress(100);
    let entity = lease.info().map(HttpNfcLeaseInfo::entity);
    let this = call.moref();
    end(call, &this, Ok(entity.into_value()))
}

/// Ends the task of a lease, and lets go of the lease's machines.
fn end<T>(call: &mut Call<'_, T>, lease: &Moref, result: Result<Value, Fault>) -> Result<(), Fault> {
    match call.private::<Transfer>(lease)?.task.take() {
        Some((task, _)) => call.end_task(&task, result),
        None => Ok(()),
    }
}

/// Ends the lease with an error: what was imported is removed.
///
/// - `InvalidState` unless it is ready; `Timedout`.
fn abort(call: &mut Call<'_, HttpNfcLease>, request: HttpNfcLeaseAbort) -> Result<(), Fault> {
    let this = call.moref();
    // A lease that is not ready yet can be given up as well.
    if call.this()?.state() != State::Initializing {
        check(call)?;
    }
    let error = request.fault().cloned().unwrap_or_else(|| canceled().localized());
    end(call, &this, Err(canceled()))?;
    undo(call, &this)?;
    fail(call, &this, error)
}

fn canceled() -> Fault {
    Fault::new(vimsim_types::views::RequestCanceled::new(), "The operation was canceled by the user")
}

/// Removes what an import made.
fn undo<T>(call: &mut Call<'_, T>, lease: &Moref) -> Result<(), Fault> {
    let made = call.private::<Transfer>(lease)?.made.clone();
    let service = call.context().service.clone();
    for moref in made {
        let Some(destroy) = service.kinds().table(moref.kind()).and_then(|table| table.destroy.clone()) else {
            continue;
        };
        // One that runs meanwhile, or is gone, is no longer the lease's to remove.
        let is_off = call.view::<VirtualMachine>(&moref).is_none_or(|machine| {
            machine.runtime().power_state() == vimsim_types::enums::VirtualMachinePowerState::PoweredOff
        });
        if call.object(&moref).is_some() && is_off {
            let context = call.context();
            destroy(call, context, moref)?;
        }
    }
    Ok(())
}

/// Says how far the transfer is, and that the client is alive.
///
/// - `InvalidArgument` for a number that is no percentage; `InvalidState` unless the lease is ready; `Timedout`.
fn progress(call: &mut Call<'_, HttpNfcLease>, request: HttpNfcLeaseProgress) -> Result<(), Fault> {
    check(call)?;
    let percent = request.percent();
    if !(0..=100).contains(&percent) {
        return Err(Fault::invalid_argument("percent", format!("{percent} is none")));
    }
    let (this, now) = (call.moref(), call.now());
    call.this_mut()?.set_transfer_progress(percent);
    let transfer = call.private::<Transfer>(&this)?;
    transfer.alive = Some(now);
    let task = transfer.task.as_ref().map(|(task, _)| task.clone());
    if let Some(task) = task.filter(|task| call.object(task).is_some()) {
        call.edit::<Task>(&task)?.info_mut().set_progress(percent);
    }
    Ok(())
}

/// Chooses which checksums the manifest shows: `SHA1`, `SHA256` for devices by their keys.
///
/// - `InvalidState` unless the lease is ready; `InvalidArgument` for a checksum or device that there is not.
fn set_manifest_checksum_type(
    call: &mut Call<'_, HttpNfcLease>,
    request: HttpNfcLeaseSetManifestChecksumType,
) -> Result<(), Fault> {
    check(call)?;
    let this = call.moref();
    let property = "deviceUrlsToChecksumTypes";
    for pair in request.device_urls_to_checksum_types().iter() {
        let kind = pair.value().to_ascii_lowercase();
        if !["sha1", "sha256"].contains(&kind.as_str()) {
            return Err(Fault::invalid_argument(property, format!("'{}' is none of SHA1, SHA256", pair.value())));
        }
        let files = &mut call.private::<Transfer>(&this)?.files;
        let file = files.iter_mut().find(|file| file.key == *pair.key());
        let file = file.ok_or_else(|| Fault::invalid_argument(property, format!("no device '{}'", pair.key())))?;
        file.checksum = Some(kind.into());
    }
    Ok(())
}

/// The sizes and checksums of what travelled.
///
/// - `InvalidState` unless the lease is ready; `Timedout`; `SystemError` if the bytes cannot be read.
fn get_manifest(
    look: &Look<'_, HttpNfcLease>,
    _: HttpNfcLeaseGetManifest,
) -> Result<Vec<HttpNfcLeaseManifestEntry>, Fault> {
    let this = look.moref();
    let object = look.snapshot().object(this).ok_or_else(|| crate::call::not_found(this))?;
    expect_ready(object, look.context().now)?;
    let files = object.private::<Transfer>().map(|transfer| transfer.files.as_slice()).unwrap_or_default();
    files.iter().filter_map(|file| Some((file, file.blob.as_ref()?))).map(|(file, blob)| entry(file, blob)).collect()
}

fn entry(file: &LeaseFile, blob: &Arc<Blob>) -> Result<HttpNfcLeaseManifestEntry, Fault> {
    let digests = blob.digests().map_err(|error| {
        let detail = vimsim_types::views::SystemError::with(|fault| _ = fault.set_reason(error.to_string()));
        Fault::new(detail, format!("cannot read {}: {error}", file.place.text))
    })?;
    Ok(HttpNfcLeaseManifestEntry::with(|entry| {
        let size = i64::try_from(blob.size()).unwrap_or(i64::MAX);
        entry.set_key(&file.key).set_sha1(&digests.sha1).set_size(size).set_disk(file.is_disk);
        let (kind, sum) = match file.checksum.as_deref() {
            Some("sha256") => ("SHA256", &digests.sha256),
            _ => ("SHA1", &digests.sha1),
        };
        entry.set_checksum(sum).set_checksum_type(kind);
        if file.is_disk {
            entry.set_capacity(file.capacity).set_populated_size(size);
        }
    }))
}

/// Watches a lease: tells it that its import failed, ends it when nothing happens, and removes it some time after its end.
fn watch(context: &Context, lease: &Moref, task: Option<Moref>) {
    let (service, lease) = (context.service.clone(), lease.clone());
    context.service.spawner().spawn(async move {
        if let Some(task) = &task {
            let mut changes = service.registry().subscribe();
            loop {
                let info = service.snapshot().view::<Task>(task).map(|task| task.info().clone());
                match info.map(|info| (info.state(), info.error().cloned())) {
                    Some((TaskInfoState::Error, Some(mut error))) => {
                        // Fidelity: vcsim's message is the fault's name alone, for which its clients look.
                        let name = error.fault().as_object().kind().name();
                        let message = error.localized_message().map_or("", |text| text);
                        error.set_localized_message(format!("{name}: {message}"));
                        let failed = service.registry().write(|transaction| fail(transaction, &lease, error));
                        failed.unwrap_or_else(|fault| tracing::error!(%lease, %fault, "cannot end a lease"));
                        break;
                    }
                    Some((TaskInfoState::Success, _)) => break,
                    _ => {}
                }
                let lease = service.snapshot().view::<HttpNfcLease>(&lease).map(HttpNfcLease::state);
                if lease != Some(State::Initializing) {
                    break;
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        }
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            if sweep(&service, &lease) {
                break;
            }
        }
        // A lease that went with its session has ended nothing.
        let running = |task: &Task| task.info().state() == TaskInfoState::Running;
        if let Some(task) = task.filter(|task| service.snapshot().view::<Task>(task).is_some_and(running)) {
            let ended = service.transact::<Task, _>(&task, |call| call.end_task(&task, Err(canceled())));
            ended.unwrap_or_else(|fault| tracing::error!(%lease, %fault, "cannot end the task of a lease"));
        }
    });
}

/// Ends the lease if its time is up; whether it is gone.
fn sweep(service: &Arc<Service>, lease: &Moref) -> bool {
    let snapshot = service.snapshot();
    let Some(object) = snapshot.object(lease) else { return true };
    let state = object.view::<HttpNfcLease>().map(|lease| lease.state());
    let now = service.clock().now();
    if !object.private::<Transfer>().is_none_or(|transfer| is_expired(transfer, now)) {
        return false;
    }
    let context = Context::internal(service.clone(), false);
    let ended = service.registry().write(|transaction| {
        if state == Some(State::Ready) {
            let mut call = Call::<HttpNfcLease>::new(transaction, &context, lease.clone());
            end(&mut call, lease, Err(timed_out()))?;
            undo(&mut call, lease)?;
            transaction.private::<Transfer>(lease)?.alive = Some(now);
            return fail(transaction, lease, timed_out().localized());
        }
        transaction.remove(lease);
        Ok::<_, Fault>(())
    });
    if let Err(fault) = ended {
        tracing::error!(%lease, %fault, "cannot end a lease");
        return true;
    }
    state != Some(State::Ready)
}
