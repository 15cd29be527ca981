//! `HttpNfcLeasePullFromUrls_Task` and `HttpNfcLeaseProbeUrls`: files that a lease fetches itself from where its client says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use vimsim_types::enums::HttpNfcLeaseMode;
use vimsim_types::method::{HttpNfcLeaseProbeUrls, HttpNfcLeasePullFromUrlsTask};
use vimsim_types::views::{
    HttpNfcLease, HttpNfcLeaseProbeResult, HttpNfcLeaseSourceFile, InvalidState, NoDiskSpace, NotSupported, SystemError,
};
use vimsim_types::{ArcStr, EnumView, Fault, MethodView, Moref, View};

use super::{Transfer, check, expect_ready, token};
use crate::call::{Call, Wait, not_found};
use crate::fetch::{Fetch, Source};
use crate::files::content::{Blob, Upload};
use crate::files::fault;
use crate::files::transfer::TransferError;
use crate::objects::authorization_manager::Access;
use crate::service::Service;
use crate::task::Cancel;
use crate::work::Work;

/// For how many seconds a server may be asked whether it is there, at most and where nothing is said.
const LONGEST_PROBE: i32 = 60;
/// How often a lease that fetches gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// What an archive's file is made of.
const BLOCK: u64 = 512;

/// A file that is to be fetched.
struct Wanted {
    /// Its name in the lease.
    name: ArcStr,
    source: Source,
    /// The file in the archive that is there.
    member: Option<ArcStr>,
}

fn fetcher(service: &Service) -> Result<Arc<dyn Fetch>, Fault> {
    let fetch = service.fetch().cloned();
    fetch.ok_or_else(|| Fault::new(NotSupported::new(), "nothing here gets files from elsewhere"))
}

/// Where a client says that a file is.
///
/// - `InvalidArgument` for one that says of its server's certificate in two ways what it is.
fn source(file: &HttpNfcLeaseSourceFile) -> Result<Source, Fault> {
    let given = |text: Option<&ArcStr>| text.filter(|text| !text.is_empty()).map(ToString::to_string);
    let (thumbprint, certificate) = (given(file.ssl_thumbprint()), given(file.ssl_certificate()));
    if thumbprint.is_some() && certificate.is_some() {
        return Err(Fault::invalid_argument("files.sslCertificate", "a thumbprint is given as well"));
    }
    let headers = file.http_headers().iter().map(|pair| (pair.key().to_string(), pair.value().to_string()));
    Ok(Source { uri: file.url().to_string(), headers: headers.collect(), thumbprint, certificate, most: None })
}

/// Fetches files for the lease's devices, which are known by their import keys. The lease is then still the client's to
/// complete.
///
/// - `InvalidState` unless the lease is ready and takes files; `Timedout`; `NoPermission`; `InvalidArgument` for a device that the
///   lease does not have or that is named twice, and for a certificate that is given in two ways;
/// - as faults of the task: `HttpFault`, `SSLVerifyFault` for another certificate than was said, `FileNotFound` for a file that
///   is not in its archive, `NoDiskSpace`, `RequestCanceled`; `InvalidState` if the lease has ended meanwhile.
pub(super) fn pull_from_urls(
    call: &mut Call<'_, HttpNfcLease>,
    request: HttpNfcLeasePullFromUrlsTask,
) -> Result<Moref, Fault> {
    check(call)?;
    let this = call.moref();
    if !call.private::<Transfer>(&this)?.is_import {
        return Err(Fault::new(InvalidState::new(), "the lease gives out files and takes none"));
    }
    expect_privilege(call)?;
    let fetch = fetcher(&call.context().service)?;
    let mut wanted: Vec<Wanted> = Vec::new();
    for file in request.files() {
        let urls = call.this()?.info().map(|info| info.device_url());
        let mut urls = urls.iter().flat_map(|urls| urls.iter());
        let url = urls.find(|url| url.import_key() == file.target_device_id() || url.key() == file.target_device_id());
        let name = url.and_then(|url| url.target_id().cloned());
        let Some(name) = name.filter(|name| wanted.iter().all(|known| known.name != *name)) else {
            let why = format!("'{}' is no device of the lease, or is named twice", file.target_device_id());
            return Err(Fault::invalid_argument("files.targetDeviceId", why));
        };
        let member = file.member_name().filter(|name| !name.is_empty()).cloned();
        wanted.push(Wanted { name, source: source(file)?, member });
    }
    call.this_mut()?.set_mode(HttpNfcLeaseMode::Pull.name()).set_transfer_progress(0);
    call.start_work(HttpNfcLeasePullFromUrlsTask::method(), Cancel::Yes, move |work| async move {
        let alive = async {
            loop {
                tokio::time::sleep(SIGN_OF_LIFE).await;
                sign(&work, &this, None)?;
            }
        };
        tokio::select! {
            fetched = work.unless_cancelled(all(&work, &this, &*fetch, wanted)) => fetched??,
            ended = alive => return ended,
        }
        Ok(|_: &mut Call<'_, HttpNfcLease>| Ok(()))
    })
}

/// `NoPermission` without `VApp.PullFromUrls` at what is imported, which the API's type tables do not say.
fn expect_privilege(call: &Call<'_, HttpNfcLease>) -> Result<(), Fault> {
    let (context, entity) = (call.context(), call.this()?.info().map(|info| info.entity()));
    let snapshot = context.service.snapshot();
    let access = Access::of(&snapshot, context.session.as_deref(), context.is_virtual_center());
    match (access, entity) {
        (Some(access), Some(entity)) => access.check(&entity, "VApp.PullFromUrls"),
        _ => Ok(()),
    }
}

/// Gives a sign of life, and says how far the lease is.
fn sign(work: &Work, lease: &Moref, percent: Option<i32>) -> Result<(), Fault> {
    work.write::<HttpNfcLease, _>(lease, |call| {
        check(call)?;
        if let Some(percent) = percent {
            call.this_mut()?.set_transfer_progress(percent);
        }
        let (now, lease) = (call.now(), call.moref());
        call.private::<Transfer>(&lease)?.alive = Some(now);
        Ok(())
    })
}

/// Fetches file after file.
async fn all(work: &Work, lease: &Moref, fetch: &dyn Fetch, wanted: Vec<Wanted>) -> Result<(), Fault> {
    let (service, token, count) = (work.service().clone(), token(lease), wanted.len());
    for (at, Wanted { name, mut source, member }) in wanted.into_iter().enumerate() {
        let percent = |done: usize| i32::try_from(done * 100 / count).unwrap_or(100);
        let uri = source.uri.clone();
        work.progress(percent(at), &format!("Fetching {uri}"));
        source.most = Some(service.nfc_check(&token, &name).map_err(refused)?);
        let mut upload = fetch.fetch(source, service.upload()).await.map_err(|error| error.fault(&uri))?;
        if let Some(member) = member {
            let (blob, taken) = (upload.finish(), service.upload());
            let wanted = member.clone();
            let found = tokio::task::spawn_blocking(move || extract(&blob, &wanted, taken)).await;
            let found = found.map_err(io::Error::other).flatten().map_err(|error| system_error(&error.to_string()))?;
            upload = found.ok_or_else(|| fault::not_found(&format!("{uri}: {member}")))?;
        }
        service.nfc_put(&token, &name, upload).map_err(refused)?;
        sign(work, lease, Some(percent(at + 1)))?;
    }
    Ok(())
}

fn system_error(why: &str) -> Fault {
    Fault::new(SystemError::with(|fault| _ = fault.set_reason(why)), why)
}

/// Why a lease does not take a file.
fn refused(error: TransferError) -> Fault {
    let message = error.to_string();
    match error {
        TransferError::NotFound(_) | TransferError::Exists(_) => Fault::new(InvalidState::new(), message),
        TransferError::NoSpace(_) => Fault::new(NoDiskSpace::new(), message),
        _ => system_error(&message),
    }
}

/// Takes a file out of an archive in the form of tar, as an OVA is; `None` if it is not in there.
fn extract(archive: &Arc<Blob>, wanted: &str, mut out: Upload) -> io::Result<Option<Upload>> {
    let mut at = 0;
    while at + BLOCK <= archive.size() {
        let header: Vec<u8> = archive.read(at, BLOCK).collect::<io::Result<Vec<_>>>()?.concat();
        let text = |from: usize, to: usize| {
            let field = header.get(from..to).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let (name, prefix) = (text(0, 100), text(345, 500));
        if name.is_empty() {
            break;
        }
        let size = match header.get(124..136) {
            // What is too large for octal digits is a number by itself.
            Some([first, rest @ ..]) if first & 0x80 != 0 => {
                rest.iter().fold(0_u64, |size, byte| size.wrapping_shl(8) | u64::from(*byte))
            }
            _ => u64::from_str_radix(text(124, 136).trim(), 8).map_err(|_| io::Error::other("this is no archive"))?,
        };
        let is_it = name == wanted || (!prefix.is_empty() && format!("{prefix}/{name}") == wanted);
        if is_it {
            for piece in archive.read(at + BLOCK, size) {
                out.write(&piece?)?;
            }
            return if out.size() == size { Ok(Some(out)) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        at = at.saturating_add(BLOCK).saturating_add(size.saturating_add(BLOCK - 1) / BLOCK * BLOCK);
    }
    Ok(None)
}

/// Whether servers answer where files are to be: a result for each, in their order. Another certificate than was said is no
/// answer.
///
/// - `InvalidState` unless the lease is ready; `Timedout`; `InvalidArgument` for a time that is not from 1 to 60 seconds, and of
///   a certificate that is given in two ways.
pub(super) async fn probe_urls(
    wait: Wait,
    request: HttpNfcLeaseProbeUrls,
) -> Result<Vec<HttpNfcLeaseProbeResult>, Fault> {
    let snapshot = wait.service.snapshot();
    let lease = snapshot.object(&wait.this).ok_or_else(|| not_found(&wait.this))?;
    expect_ready(lease, wait.service.clock().now())?;
    let seconds = request.timeout().unwrap_or(LONGEST_PROBE);
    if !(1..=LONGEST_PROBE).contains(&seconds) {
        return Err(Fault::invalid_argument("timeout", format!("{seconds} is not from 1 to {LONGEST_PROBE}")));
    }
    let fetch = fetcher(&wait.service)?;
    let sources = request.files().iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let patience = Duration::from_secs(u64::from(seconds.unsigned_abs()));
    let answers = sources.into_iter().map(|source| tokio::time::timeout(patience, fetch.probe(source)));
    let answers = join_all(answers).await;
    let is_there = answers.into_iter().map(|answer| matches!(answer, Ok(Ok(()))));
    Ok(is_there.map(|it| HttpNfcLeaseProbeResult::with(|result| _ = result.set_server_accessible(it))).collect())
}
