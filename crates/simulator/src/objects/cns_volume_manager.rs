//! `CnsVolumeManager`: volumes of containers (CNS). It is one of the managed objects of vSAN's own endpoint, `/vsanHealth`.
//!
//! Nothing makes volumes yet, so that there are none to find.

use vimsim_types::method::CnsQueryVolume;
use vimsim_types::views::{CnsCursor, CnsQueryResult, CnsVolumeManager};
use vimsim_types::{Fault, Moref, View};

use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<CnsVolumeManager> {
    Kind::new().read(query_volume)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<CnsVolumeManager>("cns-volume-manager")
}

/// How many volumes are answered at most where the client does not say.
const PAGE: i64 = 100;

/// The volumes that the filter lets through, a page at a time.
///
/// - `InvalidArgument` for a cursor before the first volume, or one of less than no volumes.
fn query_volume(_: &Look<'_, CnsVolumeManager>, request: CnsQueryVolume) -> Result<CnsQueryResult, Fault> {
    let (offset, limit) = request.filter().cursor().map_or((0, PAGE), |cursor| (cursor.offset(), cursor.limit()));
    if offset < 0 || limit < 0 {
        return Err(Fault::invalid_argument("filter.cursor", "offset and limit must not be negative"));
    }
    Ok(CnsQueryResult::with(|result| {
        result.set_cursor(CnsCursor::with(|cursor| {
            cursor.set_offset(offset).set_limit(limit).set_total_records(0);
        }));
    }))
}
