//! `PerformanceManager`: counters, and what they have counted.

mod counters;
mod interval;
mod level;
mod query;

use vimsim_types::enums::{PerfStatsType, PerfSummaryType};
use vimsim_types::views::{PerfInterval, PerformanceManager};
use vimsim_types::{EnumView, View};

use super::descriptions::element;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<PerformanceManager> {
    let kind = Kind::new();
    let kind =
        kind.computed(PerformanceManager::PERF_COUNTER, |context, _, _| counters::list(context.is_virtual_center()));
    query::add(kind).write(interval::update)
}

/// The intervals of a vCenter: number, seconds between samples, name, seconds kept.
const INTERVALS: &[(i32, i32, &str, i32)] = &[
    (1, 300, "Past Day", 86_400),
    (2, 1_800, "Past Week", 604_800),
    (3, 7_200, "Past Month", 2_592_000),
    (4, 86_400, "Past Year", 31_536_000),
];

/// The performance manager's own properties.
pub(crate) fn properties(is_virtual_center: bool) -> PerformanceManager {
    let interval = |&(key, period, name, length): &(i32, i32, &str, i32)| {
        PerfInterval::with(|interval| {
            interval.set_key(key).set_sampling_period(period).set_name(name).set_length(length).set_enabled(true);
            interval.set_level(is_virtual_center.then_some(1));
        })
    };
    PerformanceManager::with(|manager| {
        if is_virtual_center {
            manager.set_historical_interval(INTERVALS.iter().map(interval));
        } else {
            manager.set_historical_interval([interval(&(1, 300, "PastDay", 129_600))]);
        }
        let description = manager.description_mut();
        description.set_counter_type(PerfSummaryType::ALL.iter().map(|value| {
            let (label, summary) = match value {
                PerfSummaryType::Average => ("Average", "The mean of the values in the interval"),
                PerfSummaryType::Maximum => ("Maximum", "The largest value in the interval"),
                PerfSummaryType::Minimum => ("Minimum", "The smallest value in the interval"),
                PerfSummaryType::Latest => ("Latest", "The last value in the interval"),
                PerfSummaryType::Summation => ("Summation", "The sum of the values in the interval"),
                PerfSummaryType::None => ("None", "Each value by itself"),
            };
            element(value.name(), label, summary)
        }));
        description.set_stats_type(PerfStatsType::ALL.iter().map(|value| {
            let (label, summary) = match value {
                PerfStatsType::Absolute => ("Absolute", "The value at the time of the sample"),
                PerfStatsType::Delta => ("Delta", "The change since the sample before"),
                PerfStatsType::Rate => ("Rate", "The change, for each second"),
            };
            element(value.name(), label, summary)
        }));
    })
}
