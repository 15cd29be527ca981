//! `HostDateTimeSystem`: a host's clock.

use vimsim_types::enums::HostDateTimeInfoProtocol;
use vimsim_types::method::{
    QueryAvailableTimeZones, QueryDateTime, RefreshDateTimeSystem, TestTimeService, UpdateDateTime,
    UpdateDateTimeConfig,
};
use vimsim_types::views::{
    HostDateTimeInfo, HostDateTimeSystem, HostDateTimeSystemServiceTestResult, HostDateTimeSystemTimeZone,
};
use vimsim_types::{DateTime, EnumView, Fault, View};

use super::host_managers::{edit_config, keep, kept, look_host, refreshed};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostDateTimeSystem> {
    Kind::new()
        .read(query_date_time)
        .read(query_available_time_zones)
        .write(update_date_time_config)
        .write(update_date_time)
        .read(test_time_service)
        .read(refreshed::<HostDateTimeSystem, RefreshDateTimeSystem>)
}

/// By how many microseconds somebody has put a host's clock forward.
struct Ahead(i64);

/// The host's time: the service's clock's, unless somebody has said another.
fn query_date_time(look: &Look<'_, HostDateTimeSystem>, _: QueryDateTime) -> Result<DateTime, Fault> {
    look_host(look)?;
    let ahead = kept::<Ahead>(look.snapshot(), look.moref()).map_or(0, |ahead| ahead.0);
    Ok(later(look.context().now, ahead))
}

fn later(time: DateTime, microseconds: i64) -> DateTime {
    DateTime::from_micros(time.micros().saturating_add(microseconds))
}

/// Sets the host's clock.
fn update_date_time(call: &mut Call<'_, HostDateTimeSystem>, request: UpdateDateTime) -> Result<(), Fault> {
    edit_config(call)?;
    let (this, now) = (call.moref(), call.now());
    keep(call, &this, Ahead(request.date_time().micros().saturating_sub(now.micros())))
}

/// Says whether the host takes its time from somewhere, and from where.
fn test_time_service(
    look: &Look<'_, HostDateTimeSystem>,
    _: TestTimeService,
) -> Result<HostDateTimeSystemServiceTestResult, Fault> {
    let config = look_host(look)?.config();
    let info = look.this()?.date_time_info();
    let servers: Vec<&str> = info.ntp_config().iter().flat_map(|ntp| ntp.server()).map(|it| it.as_str()).collect();
    let mut services = config.and_then(|config| config.service()).into_iter().flat_map(|info| info.service());
    let runs = services.any(|service| *service.key() == "ntpd" && service.running());
    let mut report = vec![match info.enabled() == Some(true) || runs {
        true => "the time service is enabled".to_owned(),
        false => "the time service is disabled".to_owned(),
    }];
    report.push(match servers.is_empty() {
        true => "no time server is configured".to_owned(),
        false => format!("time servers: {}", servers.join(", ")),
    });
    Ok(HostDateTimeSystemServiceTestResult::with(|result| {
        result.set_working_normally((info.enabled() == Some(true) || runs) && !servers.is_empty()).set_report(report);
    }))
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
