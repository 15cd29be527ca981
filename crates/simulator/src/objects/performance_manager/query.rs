//! What counters there are for an entity, and what they have counted: a wave for each, whose shape follows from who, what
//! and when, so that the same question always has the same answer.

use std::hash::Hasher;

use rustc_hash::FxHasher;
use vimsim_types::enums::{PerfSummaryType, VirtualMachinePowerState};
use vimsim_types::method::{
    QueryAvailablePerfMetric, QueryPerf, QueryPerfComposite, QueryPerfCounter, QueryPerfCounterByLevel,
    QueryPerfProviderSummary,
};
use vimsim_types::views::{
    ClusterComputeResource, Datacenter, Datastore, HostSystem, PerfCompositeMetric, PerfCounterInfo, PerfEntityMetric,
    PerfEntityMetricBase, PerfEntityMetricCSV, PerfMetricId, PerfMetricIntSeries, PerfMetricSeriesCSV,
    PerfProviderSummary, PerfQuerySpec, PerfSampleInfo, PerformanceManager, ResourcePool, VirtualMachine,
};
use vimsim_types::{DateTime, Fault, Moref, Object, Value, View};

use super::counters::{self, Counter};
use super::level;
use crate::call::Look;
use crate::kind::Kind;
use crate::walk::Inventory;

/// Seconds between the samples of the last hour.
const REAL_TIME: i32 = 20;
/// Samples of the last hour.
const REAL_TIME_SAMPLES: usize = 180;
/// Samples that are answered at most for each counter.
const MOST_SAMPLES: usize = 10_000;

type Manager<'a> = Look<'a, PerformanceManager>;

pub(super) fn add(kind: Kind<PerformanceManager>) -> Kind<PerformanceManager> {
    kind.read(query_perf_provider_summary)
        .read(query_perf_counter)
        .read(query_perf_counter_by_level)
        .read(query_available_perf_metric)
        .read(query_perf)
        .read(query_perf_composite)
}

/// The letter of an entity's type in the table, if there are counters for it.
fn letter(entity: &Moref) -> Option<char> {
    let is = |kind| entity.kind().is_a(kind);
    let letters = [
        (VirtualMachine::TYPE, 'v'),
        (HostSystem::TYPE, 'h'),
        (ResourcePool::TYPE, 'p'),
        (ClusterComputeResource::TYPE, 'c'),
        (Datastore::TYPE, 's'),
        (Datacenter::TYPE, 'd'),
    ];
    letters.into_iter().find(|(kind, _)| is(*kind)).map(|(_, letter)| letter)
}

/// Whether samples are taken of it every 20 seconds.
fn is_real_time(letter: char) -> bool {
    matches!(letter, 'v' | 'h' | 'p')
}

/// The entity, as it is called here.
///
/// - `ManagedObjectNotFound` if it is not there; `InvalidArgument` for something without counters.
fn provider(look: &Manager<'_>, entity: &Moref) -> Result<(Moref, char), Fault> {
    let entity = look.snapshot().find(entity).ok_or_else(|| crate::call::not_found(entity))?.moref().clone();
    let letter =
        letter(&entity).ok_or_else(|| Fault::invalid_argument("entity", format!("{entity} has no counters")))?;
    Ok((entity, letter))
}

/// How an entity is measured.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` for something that is not.
fn query_perf_provider_summary(
    look: &Manager<'_>,
    request: QueryPerfProviderSummary,
) -> Result<PerfProviderSummary, Fault> {
    let (entity, letter) = provider(look, &request.entity())?;
    Ok(PerfProviderSummary::with(|summary| {
        summary.set_entity(entity);
        summary.set_current_supported(is_real_time(letter));
        summary.set_summary_supported(true);
        summary.set_refresh_rate(is_real_time(letter).then_some(REAL_TIME));
    }))
}

fn by_key(key: i32, is_virtual_center: bool) -> Option<&'static Counter> {
    counters::all().iter().find(|counter| counter.key(is_virtual_center) == Some(key))
}

/// The counters of these numbers.
///
/// - `InvalidArgument` for a number that no counter has.
fn query_perf_counter(look: &Manager<'_>, request: QueryPerfCounter) -> Result<Vec<PerfCounterInfo>, Fault> {
    let is_virtual_center = look.context().is_virtual_center();
    let find = |key| {
        let counter = by_key(key, is_virtual_center).and_then(|counter| counters::info(counter, is_virtual_center));
        counter.ok_or_else(|| Fault::invalid_argument("counterId", format!("no counter has the number {key}")))
    };
    request.counter_id().iter().map(find).collect()
}

/// The counters of this level and those below.
///
/// - `InvalidArgument` for a level that is not within 1 and 4.
fn query_perf_counter_by_level(
    look: &Manager<'_>,
    request: QueryPerfCounterByLevel,
) -> Result<Vec<PerfCounterInfo>, Fault> {
    let level = request.level();
    if !(1..=4).contains(&level) {
        return Err(Fault::invalid_argument("level", format!("{level} is not within 1 and 4")));
    }
    let at_most = counters::all().iter().filter(|counter| counter.level.is_some_and(|needs| needs <= level));
    Ok(at_most.filter_map(|counter| counters::info(counter, look.context().is_virtual_center())).collect())
}

/// How many processors an entity has, each of which is measured by itself.
fn processors(look: &Manager<'_>, entity: &Moref) -> i32 {
    let snapshot = look.snapshot();
    let machine = snapshot.seen::<VirtualMachine>(entity).and_then(|machine| machine.config());
    let machine = machine.map(|config| config.hardware().num_cpu());
    let host = snapshot.seen::<HostSystem>(entity).and_then(|host| host.hardware());
    machine.or_else(|| host.map(|hardware| i32::from(hardware.cpu_info().num_cpu_threads()))).unwrap_or(0)
}

/// The counters of an entity and, of some, its parts.
fn available(look: &Manager<'_>, entity: &Moref, letter: char) -> Vec<(&'static Counter, String)> {
    let processors = processors(look, entity);
    let mut found = Vec::new();
    for counter in counters::all().iter().filter(|counter| counter.of.contains(letter)) {
        found.push((counter, String::new()));
        let of_each = matches!(counter.name, "idle" | "ready" | "run" | "system" | "usage" | "used" | "wait");
        if counter.group == "cpu" && of_each {
            found.extend((0..processors).map(|number| (counter, number.to_string())));
        }
    }
    found
}

fn metric(counter: &Counter, instance: &str, is_virtual_center: bool) -> Option<PerfMetricId> {
    let key = counter.key(is_virtual_center)?;
    Some(PerfMetricId::with(|metric| _ = metric.set_counter_id(key).set_instance(instance)))
}

/// The counters that an entity has, in an interval if one is named: clusters, datastores and datacenters have none that
/// are sampled every 20 seconds.
///
/// - `ManagedObjectNotFound`
fn query_available_perf_metric(
    look: &Manager<'_>,
    request: QueryAvailablePerfMetric,
) -> Result<Vec<PerfMetricId>, Fault> {
    let entity = request.entity();
    let entity = look.snapshot().find(&entity).ok_or_else(|| crate::call::not_found(&entity))?.moref();
    let Some(letter) = letter(entity) else { return Ok(Vec::new()) };
    if request.interval_id() == Some(REAL_TIME) && !is_real_time(letter) {
        return Ok(Vec::new());
    }
    let is_virtual_center = look.context().is_virtual_center();
    let available = available(look, entity, letter);
    Ok(available.iter().filter_map(|(counter, instance)| metric(counter, instance, is_virtual_center)).collect())
}

/// The samples asked for.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` for an entity without counters, or an interval that there is not.
fn query_perf(look: &Manager<'_>, request: QueryPerf) -> Result<Vec<Value>, Fault> {
    request.query_spec().iter().map(|spec| samples(look, spec).map(Value::Object)).collect()
}

/// The samples asked for of a host and of its machines, or of a machine, which has no parts.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` for any other entity, or an interval that there is not.
fn query_perf_composite(look: &Manager<'_>, request: QueryPerfComposite) -> Result<PerfCompositeMetric, Fault> {
    let spec = request.query_spec();
    let (entity, letter) = provider(look, &spec.entity())?;
    if !matches!(letter, 'h' | 'v') {
        return Err(Fault::invalid_argument("querySpec.entity", format!("{entity} is neither a host nor a machine")));
    }
    let parts: Vec<Moref> =
        look.snapshot().seen::<HostSystem>(&entity).map(|host| host.vm().iter().collect()).unwrap_or_default();
    let own = samples(look, spec)?;
    let mut answer = PerfCompositeMetric::new();
    PerfEntityMetricBase::from_object(own).into_iter().for_each(|own| _ = answer.set_entity(own));
    for part in parts {
        let mut of_part = spec.clone();
        of_part.set_entity(part);
        let found = samples(look, &of_part)?;
        PerfEntityMetricBase::from_object(found).into_iter().for_each(|found| _ = answer.push_child_entity(found));
    }
    Ok(answer)
}

/// The counters that a question is about.
fn wanted(look: &Manager<'_>, spec: &PerfQuerySpec, entity: &Moref, letter: char) -> Vec<(&'static Counter, String)> {
    let mut available = available(look, entity, letter);
    if !spec.metric_id().is_empty() {
        let is_virtual_center = look.context().is_virtual_center();
        available.retain(|(counter, instance)| {
            spec.metric_id().iter().any(|metric| {
                counter.key(is_virtual_center) == Some(metric.counter_id())
                    && (metric.instance() == "*" || metric.instance() == instance.as_str())
            })
        });
    }
    available
}

/// The times of the samples that a question is about: the ends of whole intervals.
fn times(look: &Manager<'_>, spec: &PerfQuerySpec, interval: i32) -> Vec<DateTime> {
    let step = i64::from(interval) * 1_000_000;
    let end = spec.end_time().unwrap_or(look.context().now).min(look.context().now);
    let newest = end.micros().div_euclid(step);
    let asked = spec.max_sample().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let most = match spec.start_time() {
        Some(start) => usize::try_from(newest - start.micros().div_euclid(step)).unwrap_or(0),
        None if interval == REAL_TIME => REAL_TIME_SAMPLES,
        None => 24 * 60 * 60 / usize::try_from(interval).unwrap_or(300).max(1),
    };
    let count = most.min(asked.unwrap_or(MOST_SAMPLES)).min(MOST_SAMPLES);
    let oldest = newest - i64::try_from(count).unwrap_or(0);
    (oldest + 1..=newest).map(|number| DateTime::from_micros(number * step)).collect()
}

fn samples(look: &Manager<'_>, spec: &PerfQuerySpec) -> Result<Object, Fault> {
    let (entity, letter) = provider(look, &spec.entity())?;
    let usual = if is_real_time(letter) { REAL_TIME } else { 300 };
    let interval = spec.interval_id().filter(|interval| *interval != 0).unwrap_or(usual);
    let is_kept = look.this()?.historical_interval().iter().any(|kept| kept.sampling_period() == interval);
    if !is_kept && (interval != REAL_TIME || !is_real_time(letter)) {
        return Err(Fault::invalid_argument("querySpec.interval", format!("{interval} is no interval of {entity}")));
    }
    let is_off = look
        .snapshot()
        .seen::<VirtualMachine>(&entity)
        .is_some_and(|machine| machine.runtime().power_state() == VirtualMachinePowerState::PoweredOff);
    let times = if is_off { Vec::new() } else { times(look, spec, interval) };
    let wanted = if is_off { Vec::new() } else { wanted(look, spec, &entity, letter) };
    let is_virtual_center = look.context().is_virtual_center();
    let series = wanted.iter().filter_map(|(counter, instance)| {
        let id = metric(counter, instance, is_virtual_center)?;
        let measured = instance.is_empty().then(|| level::of(look, &entity, counter)).flatten();
        let wave = match measured {
            Some(level) => Wave::around(entity.value(), counter, level),
            None => Wave::new(entity.value(), counter, instance),
        };
        Some((id, times.iter().map(move |time| wave.at(*time)).collect::<Vec<i64>>()))
    });
    if spec.format().is_some_and(|format| format == "csv") {
        return Ok(PerfEntityMetricCSV::with(|answer| {
            answer.set_entity(entity.clone());
            let info = times.iter().map(|time| format!("{interval},{time}")).collect::<Vec<_>>().join(",");
            answer.set_sample_info_csv(info);
            answer.set_value(series.map(|(id, values)| {
                PerfMetricSeriesCSV::with(|series| {
                    series.set_value(values.iter().map(i64::to_string).collect::<Vec<_>>().join(","));
                    series.set_id(id);
                })
            }));
        })
        .into());
    }
    Ok(PerfEntityMetric::with(|answer| {
        answer.set_entity(entity.clone());
        answer.set_sample_info(
            times.iter().map(|time| PerfSampleInfo::with(|info| _ = info.set_timestamp(*time).set_interval(interval))),
        );
        answer.set_value(series.map(|(id, values)| {
            PerfMetricIntSeries::with(|series| {
                series.set_value(values);
                series.set_id(id);
            })
        }));
    })
    .into())
}

/// The values of one counter of one entity: a level, a slow wave and a little noise.
#[derive(Clone, Copy)]
struct Wave {
    seed: u64,
    level: i64,
    /// Whether the level is the middle of the wave, and not its foot.
    is_middle: bool,
}

fn hash(words: &[&[u8]]) -> u64 {
    let mut hasher = FxHasher::default();
    words.iter().for_each(|word| hasher.write(word));
    let hash = hasher.finish();
    // The low bits of the hash are the weak ones.
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

impl Wave {
    fn new(entity: &str, counter: &Counter, instance: &str) -> Self {
        let seed = hash(&[entity.as_bytes(), counter.group.as_bytes(), counter.name.as_bytes(), instance.as_bytes()]);
        // Percentages are in hundredths.
        let most = match counter.unit {
            "percent" => 5_000,
            "megaHertz" => 2_000,
            "kiloBytes" => 1_000_000,
            "millisecond" | "microsecond" => 400,
            "kiloBytesPerSecond" => 4_000,
            "second" => 1_000_000,
            _ => 200,
        };
        let level = 1 + i64::try_from(seed % most).unwrap_or(0);
        let level = if counter.rollup == PerfSummaryType::Minimum { level / 2 } else { level };
        Self { seed, level, is_middle: false }
    }

    /// A wave around what `quickStats` say.
    fn around(entity: &str, counter: &Counter, level: i64) -> Self {
        Self { seed: hash(&[entity.as_bytes(), counter.group.as_bytes()]), level, is_middle: true }
    }

    fn at(self, time: DateTime) -> i64 {
        let seconds = time.micros() / 1_000_000;
        // A triangle with a period between one and two hours, a fifth of the level high.
        let period = 3_600 + i64::try_from(self.seed % 3_600).unwrap_or(0);
        let place = seconds.rem_euclid(period);
        let rise = place.min(period - place) * 2;
        let noise = i64::try_from(hash(&[&self.seed.to_le_bytes(), &seconds.to_le_bytes()]) % 100).unwrap_or(0);
        if self.is_middle {
            // A tenth of it up and down.
            return self.level + self.level * (rise * 2 - period) / period / 20 + self.level * (noise - 50) / 1_000;
        }
        self.level + self.level * rise / period / 5 + self.level * noise / 1_000
    }
}
