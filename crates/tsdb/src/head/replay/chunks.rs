//! Chunks of chunk files on their way to their series.

use super::super::chunk_files::Entry;
use super::super::open::Open;
use super::super::out_of_order::LateReplay;
use super::super::series::{Finished, Page, page_of};
use super::Replay;
use crate::sync::lock;

/// Chunks of chunk files that wait for their series.
pub(in crate::head) struct NewChunks {
    min_valid: i64,
    mapped: Vec<Entry>,
    late: LateReplay,
}

impl NewChunks {
    /// Leaves out what ends before `min_valid`.
    pub(in crate::head) fn new(min_valid: i64) -> Self {
        Self { min_valid, mapped: Vec::new(), late: LateReplay::default() }
    }

    pub(in crate::head) fn take(&mut self, it: Entry) {
        let is_needed = !self.late.take(&it) && self.min_valid <= it.maxt && it.encoding.is_some();
        self.mapped.extend(is_needed.then_some(it));
    }

    /// Chunks by series and then in file order, and late ones.
    pub(in crate::head) fn finish(mut self) -> (Vec<Entry>, LateReplay) {
        self.mapped.sort_by_key(|it| it.series);
        (self.mapped, self.late)
    }
}

impl Replay<'_> {
    /// Gives the mapped chunks logged under one reference to a series. A series that was dropped and came
    /// back may have chunks under two references, and under the older one later chunks than under the
    /// younger: they are put in the order of time. A chunk that overlaps others is left out, for the log
    /// has its samples too.
    pub(super) fn attach(&mut self, series: u64, target: u64) {
        let start = self.mapped.partition_point(|it| it.series < series);
        let n = self.mapped[start..].iter().take_while(|it| it.series == series).count();
        if n == 0 {
            return;
        }
        if series != target {
            self.workers.wait();
        }
        let page = self.head.pages.make(page_of(target));
        let mut page = lock(&page);
        let Some(record) = page.get(target) else { return };
        let until = record.open.as_ref().map_or(i64::MAX, Open::first_t);
        let mut all: Vec<(i64, Finished)> = Vec::new();
        for it in page.finished(record) {
            all.extend(self.head.chunk_files.mint(it.at).ok().map(|mint| (mint, it)));
        }
        let added = self.mapped[start..start + n].iter().filter(|it| it.maxt < until);
        all.extend(added.map(|it| (it.mint, Finished { at: it.at, maxt: it.maxt })));
        all.sort_by_key(|(mint, _)| *mint);
        let mut last = i64::MIN;
        all.retain(|(mint, it)| {
            let is_behind = last < *mint;
            last = if is_behind { it.maxt } else { last };
            is_behind
        });
        if let (Some((mint, _)), Some((_, newest))) = (all.first(), all.last()) {
            self.head.widen(*mint, newest.maxt);
        }
        page.set_finished(target, all.iter().map(|(_, it)| *it));
    }

    /// Gives the chunks that were written after the head checkpoint to its series.
    pub(super) fn attach_newer(&mut self) {
        for chunks in self.mapped.chunk_by(|a, b| a.series == b.series) {
            let series = chunks[0].series;
            let Some(page) = self.head.pages.find(page_of(series)) else { continue };
            let mut page = lock(&page);
            for it in chunks.iter().filter(|it| attach_newer(&mut page, it, self.min_valid)) {
                self.head.widen(it.mint, it.maxt);
            }
        }
        self.late.attach_known(&self.head);
    }

    /// Counts series that have mapped chunks but no labels: their record was lost.
    pub(super) fn count_unknown(&self) -> u64 {
        let is_known = |series: u64| {
            let page = self.head.pages.find(page_of(series));
            self.aliases.contains_key(&series) || page.is_some_and(|page| lock(&page).has(series))
        };
        let series = self.mapped.chunk_by(|a, b| a.series == b.series).map(|it| it[0].series);
        series.filter(|it| !is_known(*it)).count() as u64
    }
}

/// Gives a chunk to a series that may have it already, or the beginning of it as its open chunk; or the beginning of
/// one that came before, which blocks hold: it ended before `min_valid`. One that does not fit is left out: its samples are
/// in the open chunk, or in the log. False if it is not taken.
pub(in crate::head) fn attach_newer(page: &mut Page, it: &Entry, min_valid: i64) -> bool {
    let Some(record) = page.get(it.series) else { return false };
    let is_newer = page.finished(record).next().is_none_or(|last| last.maxt < it.mint);
    let fits = record.open.as_ref().is_none_or(|open| {
        let (first, last) = (open.first_t(), open.last_t());
        it.maxt < first
            || (it.mint == first && last <= it.maxt)
            || (last < min_valid && last < it.mint)
    });
    if !is_newer || !fits {
        return false;
    }
    if record.open.as_ref().is_some_and(|open| open.first_t() <= it.maxt) {
        page.close_open(it.series);
    }
    page.push_finished(it.series, Finished { at: it.at, maxt: it.maxt });
    true
}
