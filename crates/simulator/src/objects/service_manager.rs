//! `ServiceManager`: services that other servers have registered.

use vimsim_types::Fault;
use vimsim_types::method::QueryServiceList;
use vimsim_types::views::{ServiceManager, ServiceManagerServiceInfo};

use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ServiceManager> {
    Kind::new().read(query_service_list)
}

/// The services of this name, and at one of these locations, as far as either is given.
fn query_service_list(
    look: &Look<'_, ServiceManager>,
    request: QueryServiceList,
) -> Result<Vec<ServiceManagerServiceInfo>, Fault> {
    let has_name = |service: &&ServiceManagerServiceInfo| {
        request.service_name().is_none_or(|name| name.is_empty() || name == service.service_name())
    };
    let is_there = |service: &&ServiceManagerServiceInfo| {
        request.location().is_empty() || service.location().iter().any(|known| request.location().contains(known))
    };
    Ok(look.this()?.service().iter().filter(has_name).filter(is_there).cloned().collect())
}
