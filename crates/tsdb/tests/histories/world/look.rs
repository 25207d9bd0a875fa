//! Reading, and comparing with the map.

use std::path::Path;
use std::sync::Arc;

use model::{Labels, MatchType, Matcher};
use stdx::Directory;
use storage::{ListHints, Queryable, SelectHints};
use testkit::CrashingDirectory;
use tsdb::Db;

use super::{View, World, open};
use crate::steps::RANGE;
use crate::support::Contents;
use crate::values::{all_series, read_all};

const SNAPSHOT: &str = "snapshots";

impl World {
    /// Compares everything.
    pub(super) fn check(&mut self) {
        let found = everything(self.db());
        let bound = self.retention_bound(self.db());
        self.naive.remove_old(&found, bound);
        self.naive.check(&found, |_| true, (i64::MIN, i64::MAX));
        self.exemplars.check(self.db());
    }

    pub(super) fn view(&mut self, slot: usize, ago: i64) {
        let mint = self.now - ago;
        self.close_view(slot);
        let querier = self.db().querier(mint, i64::MAX).expect("opens a view");
        let mut expected = self.naive.contents();
        for samples in expected.values_mut() {
            *samples = samples.split_off(&mint);
        }
        expected.retain(|_, it| !it.is_empty());
        let is_beside = self.views.iter().any(Option::is_some);
        for it in self.views.iter_mut().flatten() {
            it.is_beside = true;
        }
        self.views[slot] = Some(View { querier, mint, expected, is_beside });
    }

    /// Closes those views that are to be closed.
    pub(super) fn close_views(&mut self, is_closed: impl Fn(&View) -> bool) {
        for slot in 0..self.views.len() {
            if self.views[slot].as_ref().is_some_and(&is_closed) {
                self.close_view(slot);
            }
        }
    }

    /// A view shows what was there when it was opened.
    fn close_view(&mut self, slot: usize) {
        let Some(View { querier, mint, expected, is_beside }) = self.views[slot].take() else {
            return;
        };
        let found = match read_all(querier.as_ref(), &all_series(), mint, i64::MAX) {
            // The disk refuses just now.
            Err(_) if self.may_fail() => return,
            found => found.expect("reads"),
        };
        for (labels, samples) in &expected {
            let found = found.get(labels);
            for (t, v) in samples {
                assert_eq!(found.and_then(|it| it.get(t)), Some(v), "a view has {labels} at {t}");
            }
        }
        for (labels, samples) in &found {
            for (t, v) in samples {
                let was_there = expected.get(labels).and_then(|it| it.get(t)) == Some(v);
                // Of several views one may see what came later, and each what came out of order.
                let is_fine = was_there || self.naive.may_see_later(labels, (*t, *v), is_beside);
                assert!(is_fine, "a view has {v:x} of {labels} at {t}, which came later");
            }
        }
    }

    pub(super) fn read_only(&self) {
        if self.setting.starts {
            // Who reads beside keeps no start times of the head.
            return;
        }
        let directory = Arc::new(self.disk.clone());
        match Db::open_read_only(directory, self.clock.clone()) {
            Ok(beside) => {
                self.naive.check_beside(everything(&beside));
            }
            Err(error) => assert!(self.may_fail(), "reads beside: {error}"),
        }
    }

    pub(super) fn snapshot(&mut self, with_head: bool) {
        let folder = Path::new(SNAPSHOT);
        // A power cut may have brought back an older one.
        self.remove_snapshot();
        let made = self.db().snapshot(folder, with_head);
        assert!(made.is_ok() || self.may_fail(), "{made:?}");
        if made.is_ok() {
            let copy = copied(&self.disk, folder);
            let found = everything(&open(&self.options, &copy, &self.clock).expect("opens"));
            if with_head {
                let bound = self.retention_bound(self.db());
                self.naive.remove_old(&found, bound);
                self.naive.check(&found, |_| true, (i64::MIN, i64::MAX));
            }
        }
        self.remove_snapshot();
    }

    fn remove_snapshot(&self) {
        let folder = Path::new(SNAPSHOT);
        if self.disk.exists(folder).is_ok_and(|it| it) {
            let _ = self.disk.remove_dir_all(folder);
        }
    }

    pub(super) fn query(&self, kind: usize, pattern: usize, mint: i64, maxt: i64) {
        let matchers = matchers(kind, pattern);
        let querier = self.db().querier(mint, maxt).expect("opens a view");
        let found = read_all(querier.as_ref(), &matchers, mint, maxt).expect("reads");
        let is_matched =
            |labels: &Labels| matchers.iter().all(|it| it.matches(labels.value(it.name())));
        self.naive.check(&found, is_matched, (mint, maxt));
        let names = querier.label_names(&matchers, &ListHints::default()).expect("lists");
        let mut of_found = found.keys().flat_map(|it| it.iter().map(|(name, _)| name.to_owned()));
        assert!(of_found.all(|it| names.contains(&it)) && names.is_sorted());
        let values = querier.label_values("job", &matchers, &ListHints::default()).expect("lists");
        assert!(found.keys().all(|it| values.contains(&it.value("job").to_owned())));
        let hints = SelectHints { sorted: true, limit: 3, ..SelectHints::default() };
        let set = querier.select(&hints, &matchers).expect("selects");
        assert!(set.len() <= 3 && (1..set.len()).all(|at| set.labels(at - 1) < set.labels(at)));
    }

    /// Before this, retention may have removed anything.
    pub(super) fn retention_bound(&self, db: &Db) -> i64 {
        let blocks = db.blocks();
        let ends = || blocks.iter().map(|it| it.meta().maxt);
        let by_time = match self.options.retention_ms {
            0 => None,
            retention => ends().max().map(|it| it - retention),
        };
        // Whatever is in a block may be too much.
        let is_sized = 0 < self.options.retention_bytes;
        let by_size = is_sized.then_some(self.now - RANGE / 2);
        by_time.max(by_size).unwrap_or(i64::MIN)
    }
}

/// A disk of its own with the files of a folder.
fn copied(disk: &CrashingDirectory, folder: &Path) -> CrashingDirectory {
    let copy = CrashingDirectory::new(0);
    for (path, _) in disk.files() {
        let Ok(inner) = path.strip_prefix(folder) else { continue };
        copy.create_dir_all(inner.parent().unwrap_or(Path::new(""))).expect("a kind disk");
        let bytes = disk.read(&path).expect("reads");
        let mut file = copy.create(inner).expect("a kind disk");
        file.write_all(&bytes).expect("a kind disk");
    }
    copy
}

pub(super) fn everything(db: &dyn Queryable) -> Contents {
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens a view");
    read_all(querier.as_ref(), &all_series(), i64::MIN, i64::MAX).expect("reads")
}

pub(super) fn matchers(kind: usize, pattern: usize) -> [Matcher; 2] {
    let kind =
        [MatchType::Equal, MatchType::NotEqual, MatchType::Regexp, MatchType::NotRegexp][kind];
    let (name, value) = [
        ("__name__", "up"),
        ("mode", ""),
        ("mode", "m1|m2|m9"),
        ("mode", ".*"),
        ("mode", ".+"),
        ("instance", "host-[0-2].*"),
        ("job", "a|"),
        ("nothing", "x"),
    ][pattern];
    [
        Matcher::new(kind, name, value).expect("is valid"),
        Matcher::new(MatchType::NotEqual, "instance", "host-3:9100").expect("is valid"),
    ]
}
