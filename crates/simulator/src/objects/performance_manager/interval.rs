//! What a vCenter keeps of its counters, and for how long.

use vimsim_types::Fault;
use vimsim_types::View;
use vimsim_types::method::UpdatePerfInterval;
use vimsim_types::views::{NotSupported, PerfInterval, PerformanceManager};

use super::INTERVALS;
use crate::call::Call;

/// The lengths that the first interval can have, in days, and the last, in years.
const DAYS: std::ops::RangeInclusive<i32> = 1..=5;
const YEARS: std::ops::RangeInclusive<i32> = 1..=5;
/// The seconds between samples that the first interval can have.
const PERIODS: [i32; 5] = [60, 120, 180, 240, 300];

fn wrong(property: &str, why: &str) -> Fault {
    Fault::invalid_argument(&format!("interval.{property}"), why)
}

/// Changes one of the intervals: the level of what it keeps, whether it does, and of the first and the last one how long.
///
/// - `InvalidArgument` for an interval that there is not, a level out of 1 to 4 or above that of the interval before, one
///   that is turned off before a longer one, and a length that the interval cannot have;
/// - `NotSupported` on a host, whose one interval stays as it is.
pub(super) fn update(call: &mut Call<'_, PerformanceManager>, request: UpdatePerfInterval) -> Result<(), Fault> {
    if !call.context().is_virtual_center() {
        return Err(Fault::new(NotSupported::new(), "a host keeps one interval, which stays as it is"));
    }
    let wanted = request.interval();
    let intervals: Vec<PerfInterval> = call.this()?.historical_interval().iter().cloned().collect();
    let place = intervals.iter().position(|known| known.key() == wanted.key());
    let place = place.ok_or_else(|| wrong("key", "is no interval's"))?;
    let known = &intervals[place];
    let level = wanted.level().or(known.level()).unwrap_or(1);
    if !(1..=4).contains(&level) {
        return Err(wrong("level", "is not within 1 and 4"));
    }
    let before = place.checked_sub(1).and_then(|place| intervals.get(place));
    if before.is_some_and(|before| before.level().unwrap_or(1) < level) {
        return Err(wrong("level", "is above that of the interval before"));
    }
    let after = intervals.get(place + 1);
    if after.is_some_and(|after| after.enabled() && after.level().unwrap_or(1) > level) {
        return Err(wrong("level", "is below that of the interval after"));
    }
    if wanted.enabled() && before.is_some_and(|before| !before.enabled()) {
        return Err(wrong("enabled", "the interval before is turned off"));
    }
    if !wanted.enabled() && after.is_some_and(|after| after.enabled()) {
        return Err(wrong("enabled", "the interval after is turned on"));
    }
    let (first, last) = (place == 0, place + 1 == INTERVALS.len());
    let unit = if first { 86_400 } else { 31_536_000 };
    let range = if first { DAYS } else { YEARS };
    let fits = (first || last) && wanted.length() % unit == 0 && range.contains(&(wanted.length() / unit));
    if wanted.length() != known.length() && !fits {
        return Err(wrong("length", "is none that the interval can have"));
    }
    if wanted.sampling_period() != known.sampling_period() && !(first && PERIODS.contains(&wanted.sampling_period())) {
        return Err(wrong("samplingPeriod", "is none that the interval can have"));
    }
    let (key, length, period, enabled) = (wanted.key(), wanted.length(), wanted.sampling_period(), wanted.enabled());
    for interval in call.this_mut()?.historical_interval_mut().iter_mut().filter(|interval| interval.key() == key) {
        interval.set_level(level).set_enabled(enabled).set_length(length).set_sampling_period(period);
    }
    Ok(())
}
