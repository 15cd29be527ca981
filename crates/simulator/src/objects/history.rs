//! What the two collectors of the past, `EventHistoryCollector` and `TaskHistoryCollector`, have in common.
//!
//! A collector is a *scrollable view* of the items that pass its filter. Its position is a place between two items,
//! written as the number of the item behind it: reading onwards starts with that item, reading backwards with the one
//! before. The *viewable latest page* beside it always has the newest items.

use vimsim_types::views::InvalidState;
use vimsim_types::{Fault, Moref, View};

use super::property_collector::session_moref;
use crate::call::Call;

/// Items of the latest page of a collector whose client has not said otherwise.
const USUAL_PAGE: usize = 10;
/// Items of a page at most.
const MOST_PER_PAGE: i32 = 1_000;

/// A collector's filter and position.
#[derive(Clone)]
pub(crate) struct History<F> {
    pub(crate) filter: F,
    /// Items of the latest page.
    pub(crate) page: usize,
    /// The number of the item behind the position.
    pub(crate) position: i64,
}

/// The collectors of all sessions that a manager has made.
#[derive(Clone, Default)]
pub(crate) struct Made(Vec<Moref>);

/// Adds a collector to the caller's session.
///
/// - `InvalidState` if the session has `most` of those `made` before.
pub(crate) fn create<T, C: View, F: Clone + Send + Sync + 'static>(
    call: &mut Call<'_, T>,
    collector: C,
    most: i32,
    filter: F,
    made: &[Moref],
) -> Result<Moref, Fault> {
    let session = call.context().session()?.key().clone();
    let own = |moref: &&Moref| call.object(moref).is_some_and(|object| object.session() == Some(&session));
    if made.iter().filter(own).count() >= usize::try_from(most).unwrap_or(0) {
        return Err(Fault::new(InvalidState::new(), format!("a session can have no more than {most} collectors")));
    }
    let moref = session_moref::<C>(&session);
    call.insert_for_session(moref.clone(), collector, Some(session));
    *call.private::<Option<History<F>>>(&moref)? = Some(History { filter, page: USUAL_PAGE, position: 0 });
    Ok(moref)
}

impl Made {
    /// The collectors that still exist.
    pub(crate) fn living<T>(&self, call: &Call<'_, T>) -> Vec<Moref> {
        self.0.iter().filter(|moref| call.object(moref).is_some()).cloned().collect()
    }

    pub(crate) fn set(&mut self, collectors: Vec<Moref>) {
        self.0 = collectors;
    }
}

/// The collector's filter and position, to change.
pub(crate) fn history_mut<'a, T, F: Clone + Send + Sync + 'static>(
    call: &'a mut Call<'_, T>,
) -> Result<&'a mut History<F>, Fault> {
    let this = call.moref();
    let history = call.private::<Option<History<F>>>(&this)?.as_mut();
    history.ok_or_else(|| crate::call::not_found(&this))
}

/// A number of items asked for.
///
/// - `InvalidArgument` unless it is from 1 to 1,000.
pub(crate) fn count(asked: i32) -> Result<usize, Fault> {
    let valid = (1..=MOST_PER_PAGE).contains(&asked);
    let why = || format!("{asked} is not within 1 and {MOST_PER_PAGE}");
    usize::try_from(asked).ok().filter(|_| valid).ok_or_else(|| Fault::invalid_argument("maxCount", why()))
}

/// Sets the size of the latest page; 0 for the usual.
///
/// - `InvalidArgument` for one below 0 or above 1,000.
pub(crate) fn set_page_size<T, F: Clone + Send + Sync + 'static>(
    call: &mut Call<'_, T>,
    asked: i32,
) -> Result<(), Fault> {
    let page = if asked == 0 { USUAL_PAGE } else { count(asked)? };
    history_mut::<T, F>(call)?.page = page;
    Ok(())
}

/// Puts the position before the oldest item.
pub(crate) fn rewind<T, F: Clone + Send + Sync + 'static>(call: &mut Call<'_, T>) -> Result<(), Fault> {
    history_mut::<T, F>(call)?.position = 0;
    Ok(())
}

/// Ends the collector.
pub(crate) fn destroy<T>(call: &mut Call<'_, T>) -> Result<(), Fault> {
    let this = call.moref();
    call.remove(&this);
    Ok(())
}
