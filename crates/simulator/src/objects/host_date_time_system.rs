//! `HostDateTimeSystem`: a host's clock.

use vimsim_types::enums::HostDateTimeInfoProtocol;
use vimsim_types::method::{QueryAvailableTimeZones, QueryDateTime, RefreshDateTimeSystem, UpdateDateTimeConfig};
use vimsim_types::views::{HostDateTimeInfo, HostDateTimeSystem, HostDateTimeSystemTimeZone};
use vimsim_types::{DateTime, EnumView, Fault, View};

use super::host_managers::{edit_config, look_host, refreshed};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostDateTimeSystem> {
    Kind::new()
        .read(query_date_time)
        .read(query_available_time_zones)
        .write(update_date_time_config)
        .read(refreshed::<HostDateTimeSystem, RefreshDateTimeSystem>)
}

/// The host's time. All hosts have the service's clock.
fn query_date_time(look: &Look<'_, HostDateTimeSystem>, _: QueryDateTime) -> Result<DateTime, Fault> {
    look_host(look)?;
    Ok(look.context().now)
}

/// The time zones that can be set: since ESXi 6 there is only UTC.
fn query_available_time_zones(
    look: &Look<'_, HostDateTimeSystem>,
    _: QueryAvailableTimeZones,
) -> Result<Vec<HostDateTimeSystemTimeZone>, Fault> {
    look_host(look)?;
    Ok(vec![look.this()?.date_time_info().time_zone().clone()])
}

/// Changes what the request names of where the host takes its time from.
///
/// - `InvalidArgument` for another time zone than UTC, and for an unknown protocol.
fn update_date_time_config(
    call: &mut Call<'_, HostDateTimeSystem>,
    request: UpdateDateTimeConfig,
) -> Result<(), Fault> {
    let config = request.config();
    if config.time_zone().is_some_and(|zone| zone != "UTC") {
        return Err(Fault::invalid_argument("config.timeZone", "is not UTC"));
    }
    if config.protocol().is_some_and(|protocol| HostDateTimeInfoProtocol::from_name(protocol).is_none()) {
        return Err(Fault::invalid_argument("config.protocol", "is neither ntp nor ptp"));
    }
    let info = edit_config(call)?.date_time_info_mut();
    if config.reset_to_factory_defaults() == Some(true) {
        info.ntp_config_mut().set_server(std::iter::empty::<&str>());
        info.set_system_clock_protocol(HostDateTimeInfoProtocol::Ntp.name()).set_enabled(false);
        info.set_disable_events(false).set_disable_fallback(false);
    }
    if let Some(ntp) = config.ntp_config() {
        info.set_ntp_config(ntp.clone());
    }
    if let Some(ptp) = config.ptp_config() {
        info.set_ptp_config(ptp.clone());
    }
    if let Some(protocol) = config.protocol() {
        info.set_system_clock_protocol(protocol);
    }
    for (value, set) in [
        (config.enabled(), HostDateTimeInfo::ENABLED),
        (config.disable_events(), HostDateTimeInfo::DISABLE_EVENTS),
        (config.disable_fallback(), HostDateTimeInfo::DISABLE_FALLBACK),
    ] {
        if let Some(value) = value {
            info.as_object_mut().set(set, value.into());
        }
    }
    Ok(())
}
