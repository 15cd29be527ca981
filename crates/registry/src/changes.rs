//! What changed from version to version, for those who would rather not look at everything.

use std::collections::VecDeque;
use std::sync::Arc;

use vimsim_types::Moref;

/// The objects that one version changed, created or removed.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version that this change made.
    pub version: u64,
    /// The objects it touched, each once.
    pub objects: Arc<[Moref]>,
}

/// The last changes, bounded by the number of objects they name.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    changes: VecDeque<Change>,
    named: usize,
}

impl ChangeLog {
    /// A follower that is further behind than this looks at everything, which is then the cheaper way.
    const MOST_NAMED: usize = 16_384;

    pub(crate) fn push(&mut self, change: Change) {
        self.named += change.objects.len();
        self.changes.push_back(change);
        while self.named > Self::MOST_NAMED
            && let Some(oldest) = self.changes.pop_front()
        {
            self.named -= oldest.objects.len();
        }
    }

    /// What changed after version `from` up to and with `to`; `None` if that is no longer known.
    pub(crate) fn between(&self, from: u64, to: u64) -> Option<Vec<Moref>> {
        if from >= to {
            return Some(Vec::new());
        }
        let first = self.changes.front()?.version;
        if from + 1 < first {
            return None;
        }
        let skip = usize::try_from(from + 1 - first).ok()?;
        let changes = self.changes.iter().skip(skip).take_while(|change| change.version <= to);
        Some(changes.flat_map(|change| change.objects.iter().cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vimsim_types::views::Folder;

    #[test]
    fn names_what_changed_between_two_versions() {
        let mut log = ChangeLog::default();
        for version in 1..=5 {
            let objects = [Moref::of::<Folder>(format!("group-{version}"))].into();
            log.push(Change { version, objects });
        }
        let names = |from, to| {
            let changed: Option<Vec<Moref>> = log.between(from, to);
            changed.map(|changed| changed.iter().map(|moref| moref.value().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(names(2, 4), Some(vec!["group-3".into(), "group-4".into()]));
        assert_eq!(names(5, 5), Some(vec![]));
        assert_eq!(names(0, 1), Some(vec!["group-1".into()]));
    }

    #[test]
    fn forgets_what_is_too_long_ago() {
        let mut log = ChangeLog::default();
        for version in 1..=3 {
            let objects = vec![Moref::of::<Folder>("group-1"); ChangeLog::MOST_NAMED / 2].into();
            log.push(Change { version, objects });
        }
        assert!(log.between(0, 3).is_none());
        assert!(log.between(1, 3).is_some());
    }
}
