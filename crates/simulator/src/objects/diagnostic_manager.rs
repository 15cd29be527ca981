//! `DiagnosticManager`: the logs of the service and of hosts.
// Fidelity: what a log says is what events say, a line for each, and what clients have marked.

use std::sync::Arc;

use vimsim_types::enums::{
    DiagnosticManagerLogCreator as Creator, DiagnosticManagerLogFormat, EventFilterSpecRecursionOption,
};
use vimsim_types::method::{BrowseDiagnosticLog, EmitSyslogMark, QueryDescriptions};
use vimsim_types::views::{
    CannotAccessFile, Description, DiagnosticManager, DiagnosticManagerLogDescriptor, DiagnosticManagerLogHeader,
    EventFilterSpec, EventFilterSpecByEntity, HostSystem,
};
use vimsim_types::{ArcStr, DateTime, EnumView, Fault, Moref, View};

use super::event_manager::{self, Filter, Log};
use super::host_managers::expect_connected;
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<DiagnosticManager> {
    Kind::new().read(query_descriptions).read(browse).write(mark)
}

/// A log: key, file, who writes it, what it is about.
type Kept = (&'static str, &'static str, Creator, &'static str);

const OF_SERVICE: Kept = ("vpxd:vpxd.log", "/var/log/vmware/vpxd/vpxd.log", Creator::Vpxd, "vCenter Server log");
const OF_HOST: [Kept; 2] = [
    ("hostd", "/var/log/hostd.log", Creator::Hostd, "Server log in 'plain' format"),
    ("vpxa", "/var/log/vpxa.log", Creator::Vpxa, "vCenter agent log in 'plain' format"),
];
/// The most lines of one answer.
const MOST: usize = 1_000;

/// What clients have marked: when, and with which words.
#[derive(Clone, Default)]
struct Marks(Arc<Vec<(DateTime, ArcStr)>>);

/// The logs of a host, or of the service.
///
/// - `ManagedObjectNotFound`; `HostNotConnected` for a host that vCenter does not reach.
fn logs(look: &Look<'_, DiagnosticManager>, host: Option<&Moref>) -> Result<&'static [Kept], Fault> {
    if let Some(host) = host {
        expect_connected(look.get::<HostSystem>(host)?)?;
    }
    match host.is_some() || !look.context().is_virtual_center() {
        true if look.context().is_virtual_center() => Ok(&OF_HOST),
        true => Ok(&OF_HOST[..1]),
        false => Ok(std::slice::from_ref(&OF_SERVICE)),
    }
}

/// The logs that there are.
///
/// - `ManagedObjectNotFound`, `HostNotConnected`.
fn query_descriptions(
    look: &Look<'_, DiagnosticManager>,
    request: QueryDescriptions,
) -> Result<Vec<DiagnosticManagerLogDescriptor>, Fault> {
    let describe = |(key, file, creator, summary): &Kept| {
        DiagnosticManagerLogDescriptor::with(|log| {
            log.set_key(*key).set_file_name(*file).set_creator(creator.name());
            log.set_format(DiagnosticManagerLogFormat::Plain.name()).set_mime_type("text/plain");
            log.set_info(Description::with(|info| _ = info.set_label(*key).set_summary(*summary)));
        })
    };
    Ok(logs(look, request.host().as_ref())?.iter().map(describe).collect())
}

/// The lines of a log: of each event of the host, or of all.
fn lines(look: &Look<'_, DiagnosticManager>, process: &str, host: Option<&Moref>) -> Result<Vec<String>, Fault> {
    let spec = EventFilterSpec::with(|spec| {
        if let Some(host) = host {
            spec.set_entity(EventFilterSpecByEntity::with(|by| {
                by.set_entity(host.clone()).set_recursion(EventFilterSpecRecursionOption::Self_);
            }));
        }
    });
    let filter = Filter::new(&spec, look.snapshot())?;
    let manager = event_manager::moref(look.context().is_virtual_center());
    let log = look.snapshot().object(&manager).and_then(|object| object.private::<Log>());
    let entries = log.into_iter().flat_map(|log| log.entries()).filter(|entry| filter.matches(entry, look.snapshot()));
    let mut found: Vec<(DateTime, String)> = entries
        .map(|entry| {
            let event = filter.show(entry);
            let words = event.full_formatted_message().cloned().unwrap_or_default();
            let kind = event.as_object().kind().name();
            let user = event.user_name();
            let line = format!("info {process} [sub=vpxLro opID={} user={user}] {kind}: {words}", event.chain_id());
            (event.created_time(), line)
        })
        .collect();
    let marks = look.snapshot().object(look.moref()).and_then(|object| object.private::<Marks>());
    let marks = marks.into_iter().flat_map(|marks| marks.0.iter());
    found.extend(marks.map(|(time, words)| (*time, format!("info {process} [sub=mark] {words}"))));
    found.sort_by_key(|(time, _)| *time);
    Ok(found.into_iter().map(|(time, line)| format!("{time} {line}")).collect())
}

/// Some lines of a log, from one on; none, and the number of the last, from behind the end on.
///
/// - `CannotAccessFile` for a log that there is not; `ManagedObjectNotFound`, `HostNotConnected`;
/// - `InvalidArgument` for a number below zero.
fn browse(
    look: &Look<'_, DiagnosticManager>,
    request: BrowseDiagnosticLog,
) -> Result<DiagnosticManagerLogHeader, Fault> {
    let host = request.host();
    let key = request.key();
    let Some((_, _, creator, _)) = logs(look, host.as_ref())?.iter().find(|(known, ..)| known == key) else {
        let detail = CannotAccessFile::with(|fault| _ = fault.set_file(key));
        return Err(Fault::new(detail, format!("there is no log '{key}'")));
    };
    let number = |property: &str, given: Option<i32>, usual: usize| match given.map(usize::try_from) {
        None => Ok(usual),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(Fault::invalid_argument(property, "is below zero")),
    };
    let first = number("start", request.start(), 1)?.max(1);
    let most = number("lines", request.lines(), MOST)?.min(MOST);
    let all = lines(look, creator.name(), host.as_ref())?;
    let shown: Vec<&String> = all.iter().skip(first - 1).take(most).collect();
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    Ok(DiagnosticManagerLogHeader::with(|header| {
        let start = if shown.is_empty() { all.len() } else { first };
        header.set_line_start(count(start)).set_line_end(count(start + shown.len().saturating_sub(1)));
        if !shown.is_empty() {
            header.set_line_text(shown.into_iter().map(String::as_str));
        }
    }))
}

/// Writes a line into the logs.
fn mark(call: &mut Call<'_, DiagnosticManager>, request: EmitSyslogMark) -> Result<(), Fault> {
    let (this, now) = (call.moref(), call.now());
    let marks = call.private::<Marks>(&this)?;
    Arc::make_mut(&mut marks.0).push((now, request.message().clone()));
    Ok(())
}
