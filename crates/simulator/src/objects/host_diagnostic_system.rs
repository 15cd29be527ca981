//! `HostDiagnosticSystem`: where a host's kernel writes what it knows when it fails.

use vimsim_types::method::{QueryAvailablePartition, SelectActivePartition};
use vimsim_types::views::{HostConfigInfo, HostDiagnosticPartition, HostDiagnosticSystem};
use vimsim_types::{Fault, Value, View};

use super::host_managers::{edit_config, look_host, no_such};
use super::host_system;
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostDiagnosticSystem> {
    Kind::new().read(query_available).write(select)
}

/// The partitions that it could be: the one of the installation.
fn query_available(
    look: &Look<'_, HostDiagnosticSystem>,
    _: QueryAvailablePartition,
) -> Result<Vec<HostDiagnosticPartition>, Fault> {
    look_host(look)?;
    Ok(vec![host_system::diagnostic_partition()])
}

/// Says which it is; none without one.
///
/// - `NotFound` for a partition that it cannot be.
fn select(call: &mut Call<'_, HostDiagnosticSystem>, request: SelectActivePartition) -> Result<(), Fault> {
    let config = edit_config(call)?;
    let Some(wanted) = request.partition() else {
        config.as_object_mut().set(HostConfigInfo::ACTIVE_DIAGNOSTIC_PARTITION, Value::Unset);
        return Ok(());
    };
    let known = host_system::diagnostic_partition();
    if known.id().as_object() != wanted.as_object() {
        return Err(no_such("diagnostic partition", &format!("{}:{}", wanted.disk_name(), wanted.partition())));
    }
    config.set_active_diagnostic_partition(known);
    Ok(())
}
