//! The counters, from a table. The list is made when somebody asks for it.

use std::sync::OnceLock;

use vimsim_types::enums::{PerfStatsType, PerfSummaryType};
use vimsim_types::views::PerfCounterInfo;
use vimsim_types::{EnumView, List, Ty, Value, View};

use crate::objects::descriptions::{element, rows};

/// A counter.
pub(super) struct Counter {
    /// The number that a vCenter knows it by.
    key: i32,
    /// The number that a host knows it by, if it does.
    host_key: Option<i32>,
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) rollup: PerfSummaryType,
    pub(super) unit: &'static str,
    stats: PerfStatsType,
    pub(super) level: Option<i32>,
    device_level: Option<i32>,
    /// The letters of the types of entities that have it.
    pub(super) of: &'static str,
    label: &'static str,
}

impl Counter {
    /// The number of this counter in the product, if it has it.
    pub(super) fn key(&self, is_virtual_center: bool) -> Option<i32> {
        if is_virtual_center { Some(self.key) } else { self.host_key }
    }
}

/// All counters, in the order of their numbers.
pub(super) fn all() -> &'static [Counter] {
    static ALL: OnceLock<Vec<Counter>> = OnceLock::new();
    ALL.get_or_init(|| {
        let rows = rows(include_str!("../../../data/perf_counters.txt"), 11);
        rows.filter_map(|row| {
            Some(Counter {
                key: row[0].parse().ok()?,
                host_key: row[1].parse().ok(),
                group: row[2],
                name: row[3],
                rollup: PerfSummaryType::from_name(row[4])?,
                unit: row[5],
                stats: PerfStatsType::from_name(row[6])?,
                level: row[7].parse().ok(),
                device_level: row[8].parse().ok(),
                of: row[9],
                label: row[10],
            })
        })
        .collect()
    })
}

/// The label of a group of counters.
fn group_label(group: &str) -> &str {
    match group {
        "clusterServices" => "Cluster services",
        "cpu" => "CPU",
        "datastore" => "Datastore",
        "disk" => "Disk",
        "gpu" => "GPU",
        "hbr" => "vSphere Replication",
        "managementAgent" => "Management agent",
        "mem" => "Memory",
        "net" => "Network",
        "pmem" => "PMEM",
        "power" => "Power",
        "rescpu" => "Resource group CPU",
        "storageAdapter" => "Storage adapter",
        "storagePath" => "Storage path",
        "sys" => "System",
        "vcDebugInfo" => "vCenter debugging information",
        "vcResources" => "vCenter resource usage information",
        "vflashModule" => "Virtual flash",
        "virtualDisk" => "Virtual disk",
        "vmop" => "Virtual machine operations",
        "vsanDomObj" => "VSAN DOM Objects",
        group => group,
    }
}

/// The sign and the name of a unit.
fn unit_label(unit: &str) -> (&str, &str) {
    match unit {
        "celsius" => ("℃", "Temperature in degrees Celsius"),
        "joule" => ("J", "Joule"),
        "kiloBytes" => ("KB", "Kilobyte"),
        "kiloBytesPerSecond" => ("KBps", "Kilobytes per second"),
        "megaBytes" => ("MB", "Megabyte"),
        "megaHertz" => ("MHz", "Megahertz"),
        "microsecond" => ("µs", "Microsecond"),
        "millisecond" => ("ms", "Millisecond"),
        "number" => ("num", "Number"),
        "percent" => ("%", "Percentage"),
        "second" => ("s", "Second"),
        "teraBytes" => ("TB", "Terabyte"),
        "watt" => ("W", "Watt"),
        unit => (unit, unit),
    }
}

/// What one counter is, as the API shows it.
pub(super) fn info(counter: &Counter, is_virtual_center: bool) -> Option<PerfCounterInfo> {
    let key = counter.key(is_virtual_center)?;
    let group = group_label(counter.group);
    let (sign, unit) = unit_label(counter.unit);
    let rollup = match counter.rollup {
        PerfSummaryType::Average => "average over the interval, ",
        PerfSummaryType::Maximum => "highest in the interval, ",
        PerfSummaryType::Minimum => "lowest in the interval, ",
        PerfSummaryType::Latest => "at the end of the interval, ",
        PerfSummaryType::Summation => "sum of the interval, ",
        PerfSummaryType::None => "",
    };
    let summary = format!("{group}: {} ({rollup}{unit})", counter.label);
    Some(PerfCounterInfo::with(|info| {
        info.set_key(key);
        info.set_name_info(element(counter.name, counter.label, &summary));
        info.set_group_info(element(counter.group, group, group));
        info.set_unit_info(element(counter.unit, sign, unit));
        info.set_rollup_type(counter.rollup);
        info.set_stats_type(counter.stats);
        if is_virtual_center {
            info.set_level(counter.level);
            info.set_per_device_level(counter.device_level);
        } else if counter.rollup == PerfSummaryType::None {
            // A host names the counters that sum this one up.
            let same = |other: &&Counter| {
                (other.group, other.name) == (counter.group, counter.name) && other.rollup != counter.rollup
            };
            info.set_associated_counter_id(all().iter().filter(same).filter_map(|other| other.host_key));
        }
    }))
}

/// `perfCounter`
pub(super) fn list(is_virtual_center: bool) -> Value {
    static LISTS: [OnceLock<Value>; 2] = [const { OnceLock::new() }; 2];
    let make = || {
        let items = all().iter().filter_map(|counter| info(counter, is_virtual_center));
        let items = items.map(|info| Value::Object(info.into())).collect();
        Value::List(List::new(Ty::Data(PerfCounterInfo::TYPE), items))
    };
    LISTS[usize::from(is_virtual_center)].get_or_init(make).clone()
}
