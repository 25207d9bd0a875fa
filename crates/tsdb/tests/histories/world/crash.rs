//! Ends of a process, and what must be there afterwards.

use std::path::{Path, PathBuf};

use testkit::CrashingDirectory;
use tsdb::Db;

use super::look::everything;
use super::{World, open};
use crate::naive::{Kept, Segments};
use crate::steps::{Crash, RANGE};

impl World {
    pub(super) fn restart(&mut self) {
        self.let_go();
        let closed = self.db().close();
        if let Err(error) = &closed {
            assert!(self.may_fail(), "{error}");
        }
        self.db = None;
        if self.is_dead() {
            return;
        }
        self.doubted_chunks |= self.doubts_chunks();
        let logs = [segments(&self.disk, "wal"), segments(&self.disk, "wbl")];
        let failed_sync = logs.iter().flatten().any(|it| self.disk.is_sync_failed(&it.1));
        self.disk = self.disk.kill();
        // Closed in peace, nothing is lost any more.
        let is_durable = closed.is_ok() && !failed_sync;
        let segments = (!is_durable).then(|| self.newest_segments());
        self.reopen(|_, _| true, segments);
    }

    pub(super) fn crash(&mut self, crash: Crash) {
        let rule = self.fall(crash);
        self.reopen(|t, kept| rule.is_required(t, kept), rule.segments(&self.disk));
    }

    pub(super) fn crash_twice(&mut self, first: Crash, second: Crash, after: u64) {
        let rule = self.fall(first);
        self.disk.die_after(after);
        let opened = open(&self.options, &self.disk, &self.clock);
        if let Err(error) = &opened {
            assert!(self.may_fail(), "{error}");
        }
        let before = self.disk.clone();
        let again = self.rule(second);
        self.disk = crashed(&before, second);
        drop(opened);
        self.reopen(
            |t, kept| rule.is_required_after(&again, t, kept),
            rule.segments(&self.disk).and(again.segments(&self.disk)),
        );
    }

    pub(super) fn fail_at_start(&mut self, crash: Crash, after: u64) {
        let rule = self.fall(crash);
        self.disk.fail_after(after);
        let opened = open(&self.options, &self.disk, &self.clock);
        let segments = rule.segments(&self.disk);
        match opened {
            // A block that could not be read is named, and tried again.
            Ok(db) if db.storage_status().left_out.is_empty() => {
                self.begin(db, |t, kept| rule.is_required(t, kept), segments);
                self.is_unkind = true;
            }
            _ => {
                // As if it had not been tried.
                self.disk = self.disk.kill();
                self.reopen(|t, kept| rule.is_required(t, kept), segments);
            }
        }
    }

    /// Crashes; returns what must be left.
    fn fall(&mut self, crash: Crash) -> Rule {
        let rule = self.rule(crash);
        self.doubted_chunks |= self.doubts_chunks();
        self.lost_power |= rule.is_power();
        self.disk = crashed(&self.disk, crash);
        self.views = std::array::from_fn(|_| None);
        self.open = std::array::from_fn(|_| None);
        self.db = None;
        rule
    }

    /// True if a chunk file could not be synced.
    fn doubts_chunks(&self) -> bool {
        let files = self.disk.files().into_iter().map(|it| it.0);
        let mut chunk_files = files.filter(|it| it.starts_with("chunks_head"));
        chunk_files.any(|it| it.ends_with("unsynced") || self.disk.is_sync_failed(&it))
    }

    fn rule(&self, crash: Crash) -> Rule {
        match crash {
            Crash::Kill => Rule::All,
            Crash::Power => {
                let lost_from = |log: &str| {
                    let segments = segments(&self.disk, log);
                    let lost = segments.iter().find(|(_, path)| !self.disk.is_durable(path));
                    lost.map_or(u32::MAX, |it| it.0)
                };
                Rule::Durable {
                    lost_from: Segments { wal: lost_from("wal"), wbl: lost_from("wbl") },
                    in_blocks_below: self.durable_blocks_maxt(),
                }
            }
        }
    }

    /// The end of the newest block that was cut in order and is on the medium.
    fn durable_blocks_maxt(&self) -> i64 {
        let blocks = self.db.as_ref().map(Db::blocks).unwrap_or_default();
        let files = self.disk.files();
        let is_durable = |folder: &Path| {
            let mut files = files.iter().filter(|(path, _)| path.starts_with(folder));
            files.all(|(path, _)| self.disk.is_durable(path)) && self.disk.is_durable(folder)
        };
        let in_order = blocks.iter().filter(|it| it.meta().compaction.hints.is_empty());
        let durable = in_order.filter(|it| is_durable(it.path()));
        durable.map(|it| it.meta().maxt).max().unwrap_or(i64::MIN)
    }

    fn reopen(&mut self, is_required: impl Fn(i64, Kept) -> bool, segments: Option<Segments>) {
        if self.is_unkind {
            match open(&self.options, &self.disk, &self.clock) {
                Ok(db) => return self.begin(db, is_required, segments),
                // The next one has what it needs.
                Err(_) => self.disk.set_capacity(u64::MAX),
            }
            self.disk = self.disk.kill();
        }
        match open(&self.options, &self.disk, &self.clock) {
            Ok(db) => self.begin(db, is_required, segments),
            Err(error) => panic!("does not start: {error}"),
        }
    }

    fn begin(
        &mut self,
        db: Db,
        is_required: impl Fn(i64, Kept) -> bool,
        segments: Option<Segments>,
    ) {
        self.disk.be_kind();
        self.is_unkind = self.disk.is_limited();
        // References are good for the life of a process: those of series that are gone may come again.
        self.refs.clear();
        let found = everything(&db);
        let bound = self.retention_bound(&db);
        self.naive.remove_old(&found, bound);
        // What a power cut left of the log is all that stands behind chunk files.
        let is_alone = self.lost_power && std::mem::take(&mut self.doubted_chunks);
        let is_required =
            |t, kept: Kept| is_required(t, kept) && !(is_alone && kept.segments.is_none());
        self.naive.survive(&found, is_required, segments);
        // Of what blocks may hold, the log gives exemplars up, and of series that ended.
        let (in_head, ends) = (self.now - RANGE / 2, 0.0 < self.setting.stale_threshold);
        let is_held = |t, kept| !ends && in_head <= t && is_required(t, kept);
        self.exemplars.survive(&db, is_held, segments);
        self.db = Some(db);
    }

    /// The newest segments of both logs.
    pub(super) fn newest_segments(&self) -> Segments {
        newest_segments(&self.disk)
    }
}

/// What a crash must leave.
enum Rule {
    All,
    Durable {
        /// These segments, and those after them, were not synced.
        lost_from: Segments,
        /// Samples in order before this are in blocks.
        in_blocks_below: i64,
    },
}

impl Rule {
    fn is_required(&self, t: i64, kept: Kept) -> bool {
        let Self::Durable { lost_from, in_blocks_below } = self else { return true };
        let is_synced =
            |it: Segments| it.wal < lost_from.wal && (!kept.is_late || it.wbl < lost_from.wbl);
        (!kept.is_late && t < *in_blocks_below) || kept.segments.is_none_or(is_synced)
    }

    /// What must be left of what this crash left, after another.
    fn is_required_after(&self, again: &Self, t: i64, kept: Kept) -> bool {
        // A segment that the first crash left is on the medium if that took the power.
        self.is_required(t, kept) && (self.is_power() || again.is_required(t, kept))
    }

    fn is_power(&self) -> bool {
        matches!(self, Self::Durable { .. })
    }

    /// Where what is found may be; `None`: on the medium.
    fn segments(&self, disk: &CrashingDirectory) -> Option<Segments> {
        (!self.is_power()).then(|| newest_segments(disk))
    }
}

fn crashed(disk: &CrashingDirectory, crash: Crash) -> CrashingDirectory {
    match crash {
        Crash::Kill => disk.kill(),
        Crash::Power => disk.cut_power(),
    }
}

/// The segments of a log.
fn segments(disk: &CrashingDirectory, log: &str) -> Vec<(u32, PathBuf)> {
    let number = |path: PathBuf| {
        let name = path.strip_prefix(log).ok()?.to_str()?;
        Some((name.parse().ok()?, path))
    };
    disk.files().into_iter().filter_map(|(path, _)| number(path)).collect()
}

fn newest_segments(disk: &CrashingDirectory) -> Segments {
    let newest = |log| segments(disk, log).last().map_or(0, |it| it.0);
    Segments { wal: newest("wal"), wbl: newest("wbl") }
}
