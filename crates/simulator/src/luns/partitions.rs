//! Tables of partitions as the API has them: as sectors, and as ranges of blocks.

use vimsim_types::views::{
    HostDiskDimensionsLba, HostDiskPartitionAttributes, HostDiskPartitionBlockRange, HostDiskPartitionInfo,
    HostDiskPartitionLayout, HostDiskPartitionSpec,
};
use vimsim_types::{ArcStr, Fault, View};

use super::{Lun, SECTOR, VMFS, refused};

/// Where the first partition begins.
pub(super) const FIRST: i64 = 2_048;
/// The sectors at the end of a LUN that the second copy of a GPT takes.
const TAIL: i64 = 33;

/// A partition. Its type is one of `HostDiskPartitionInfoType`.
pub(crate) fn partition(number: i32, start: i64, end: i64, kind: &str) -> HostDiskPartitionAttributes {
    HostDiskPartitionAttributes::with(|partition| {
        partition.set_partition(number).set_start_sector(start).set_end_sector(end).set_type(kind);
        if kind == VMFS {
            partition.set_guid("aa31e02a400f11db9590000c2911d1b8");
        }
        partition.set_logical(false).set_attributes(0).set_partition_alignment(0);
    })
}

/// The last sector that a partition can have.
pub(super) fn last(lun: &Lun) -> i64 {
    lun.sectors() - TAIL - 1
}

/// The sectors of the LUN that no partition has, as ranges of more than a mebibyte.
pub(super) fn gaps(lun: &Lun, partitions: &[HostDiskPartitionAttributes]) -> Vec<(i64, i64)> {
    let mut taken: Vec<(i64, i64)> = partitions.iter().map(|it| (it.start_sector(), it.end_sector())).collect();
    taken.sort_unstable();
    taken.push((last(lun) + 1, i64::MAX));
    let (mut gaps, mut from) = (Vec::new(), FIRST);
    for (start, end) in taken {
        if start - from > FIRST {
            gaps.push((from, start - 1));
        }
        from = from.max(end.saturating_add(1));
    }
    gaps
}

/// `HostConfigFault` unless the partitions are on the LUN, and beside each other.
pub(super) fn check(lun: &Lun, partitions: &[HostDiskPartitionAttributes]) -> Result<(), Fault> {
    let overlaps = |one: &HostDiskPartitionAttributes, other: &HostDiskPartitionAttributes| {
        one.start_sector() <= other.end_sector() && other.start_sector() <= one.end_sector()
    };
    for (at, one) in partitions.iter().enumerate() {
        let number = one.partition();
        if number < 1 || partitions[..at].iter().any(|other| other.partition() == number) {
            return Err(refused(format!("{number} cannot be the number of a partition")));
        }
        if one.start_sector() < 1 || one.end_sector() < one.start_sector() || one.end_sector() >= lun.sectors() {
            return Err(refused(format!("the partition {number} is not on the LUN of {} sectors", lun.sectors())));
        }
        // The logical partitions of an MBR are in its extended one.
        if partitions[..at].iter().any(|other| overlaps(one, other) && !one.logical() && !other.logical()) {
            return Err(refused(format!("the partition {number} overlaps another")));
        }
    }
    Ok(())
}

/// A table as a specification has it.
pub(super) fn spec(lun: &Lun, format: &str, partitions: &[HostDiskPartitionAttributes]) -> HostDiskPartitionSpec {
    HostDiskPartitionSpec::with(|spec| {
        spec.set_partition_format(format).set_total_sectors(lun.sectors());
        let chs = spec.chs_mut();
        chs.set_cylinder(lun.sectors() / (255 * 63)).set_head(255).set_sector(63);
        spec.set_partition(partitions.iter().cloned());
    })
}

fn block(sector: i64) -> HostDiskDimensionsLba {
    HostDiskDimensionsLba::with(|block| _ = block.set_block_size(SECTOR as i32).set_block(sector))
}

/// A partition as a range of blocks.
pub(super) fn range(partition: &HostDiskPartitionAttributes) -> HostDiskPartitionBlockRange {
    HostDiskPartitionBlockRange::with(|range| {
        range.set_partition(partition.partition()).set_type(partition.type_());
        range.set_start(block(partition.start_sector())).set_end(block(partition.end_sector()));
    })
}

/// A table as ranges of blocks.
pub(super) fn layout(lun: &Lun, partitions: &[HostDiskPartitionAttributes]) -> HostDiskPartitionLayout {
    HostDiskPartitionLayout::with(|layout| {
        layout.set_total(block(lun.sectors())).set_partition(partitions.iter().map(range));
    })
}

/// A table as both.
pub(super) fn info(lun: &Lun, format: &str, partitions: &[HostDiskPartitionAttributes]) -> HostDiskPartitionInfo {
    HostDiskPartitionInfo::with(|info| {
        info.set_device_name(lun.disk.device_path());
        info.set_spec(spec(lun, format, partitions)).set_layout(layout(lun, partitions));
    })
}

/// The partition that a range of blocks is; it has this number if the range has none.
pub(super) fn of_range(range: &HostDiskPartitionBlockRange, number: i32) -> HostDiskPartitionAttributes {
    let sector = |block: &HostDiskDimensionsLba| block.block().saturating_mul(i64::from(block.block_size())) / SECTOR;
    partition(range.partition().unwrap_or(number), sector(range.start()), sector(range.end()), range.type_())
}

/// The format of a table that was asked for.
///
/// - `InvalidArgument` for one that there is not.
pub(super) fn format(wanted: Option<&ArcStr>) -> Result<&str, Fault> {
    match wanted.map(|format| format.as_str()).filter(|format| !format.is_empty()) {
        None => Ok("gpt"),
        Some(known @ ("gpt" | "mbr")) => Ok(known),
        Some(other) => Err(Fault::invalid_argument("partitionFormat", format!("'{other}' is none of gpt, mbr"))),
    }
}
