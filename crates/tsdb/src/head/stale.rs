//! Series that have ended: their last sample is the marker for it.
//!
//! When they are many, they are written into blocks and given up before their time. From then on the log says
//! that they are removed, so that replay gives them up at the same place.

use std::sync::atomic::Ordering::SeqCst;

use model::SeriesRef;
use wal::record::{self, Kind, Tombstone};

use super::Head;
use super::querier::decode;
use super::series::{Page, Series, page_of};
use crate::sync::lock;

/// Series that had ended at a moment.
pub(crate) struct StaleCut {
    /// References, ascending, with the times of the last samples.
    series: Vec<(u64, i64)>,
    /// Times of the head then.
    pub(crate) mint: i64,
    pub(crate) maxt: i64,
}

impl StaleCut {
    /// True if a series belongs to the cut.
    pub(super) fn has(&self, series: u64) -> bool {
        self.series.binary_search_by_key(&series, |it| it.0).is_ok()
    }
}

impl Head {
    /// True if the head becomes blocks before a twelfth of their range has passed: ten minutes of two hours.
    pub(crate) fn is_nearly_compactable(&self) -> bool {
        let (mint, maxt) = self.time_range();
        let soon = maxt.saturating_add(self.chunk_range_ms / 12);
        mint <= maxt && self.chunk_range_ms.saturating_mul(3) / 2 < soon.saturating_sub(mint)
    }

    /// Counts series that have ended.
    pub(crate) fn n_stale(&self) -> u64 {
        self.pages.all().iter().fold(0, |n, (number, page)| {
            let page = lock(page);
            let ended = page.refs(*number).filter_map(|it| page.get(it));
            n + ended.filter(|it| self.is_stale(&page, it)).count() as u64
        })
    }

    /// Picks the series that have ended and have no late samples, when the batches are closed that may hold
    /// more for one. `None` without any, or if `stop` became true before.
    pub(crate) fn pick_stale(&self, stop: &dyn Fn() -> bool) -> Option<StaleCut> {
        let (mint, maxt) = self.time_range();
        let mut cut = StaleCut { series: Vec::new(), mint, maxt };
        for (number, page) in self.pages.all() {
            let page = lock(&page);
            let ended = page.refs(number).filter_map(|it| Some((it, self.ended(&page, it)?)));
            cut.series.extend(ended);
        }
        (!cut.series.is_empty() && self.open_appenders.wait_for_open(stop)).then_some(cut)
    }

    /// Gives up the series of a cut that have got no sample since; blocks hold them by now. Waits for those
    /// who may read without these blocks; `None` if `stop` became true before, else how many went.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub(crate) fn evict_stale(
        &self,
        cut: &StaleCut,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<usize>, String> {
        // A start that takes samples for the series of a checkpoint must not read later that they are removed.
        self.drop_checkpoint().map_err(|error| error.to_string())?;
        self.is_evicting.store(true, SeqCst);
        let is_done = self.isolation.wait_for_open_views(stop);
        let mut gone = Vec::new();
        let logged = if is_done { self.evict(cut, &mut gone) } else { Ok(()) };
        self.forget(&gone);
        self.metadata.forget(gone.iter().map(|(series, _)| *series));
        gone.iter().for_each(|(series, _)| self.deletions.remove(*series));
        self.metrics.series_removed.add(gone.len() as u64);
        self.is_evicting.store(false, SeqCst);
        logged.map(|()| is_done.then_some(gone.len()))
    }

    /// Takes series from their pages into `gone`, with their keys.
    fn evict(&self, cut: &StaleCut, gone: &mut Vec<(u64, Vec<u8>)>) -> Result<(), String> {
        for of_page in cut.series.chunk_by(|a, b| page_of(a.0) == page_of(b.0)) {
            let number = page_of(of_page[0].0);
            let Some(page) = self.pages.find(number) else { continue };
            // Held meanwhile, so that who has the labels next is logged behind.
            let mut log = lock(&self.log);
            let writer = log.as_mut().ok_or("the database is closed")?;
            let mut page = lock(&page);
            let is_same = |it: &&(u64, i64)| self.ended(&page, it.0) == Some(it.1);
            let ended: Vec<u64> = of_page.iter().filter(is_same).map(|it| it.0).collect();
            if ended.is_empty() {
                continue;
            }
            let evicted = page.evict(number, &ended);
            drop(page);
            gone.extend(evicted.series);
            self.metrics.chunks_removed.add(evicted.n_chunks as u64);
            let mut record = Vec::new();
            record::start(Kind::Tombstones, &mut record);
            for series in ended.into_iter().map(SeriesRef) {
                let removed = Tombstone { series, mint: i64::MIN, maxt: i64::MAX };
                record::put_tombstone(&mut record, removed);
            }
            writer.log(&[&record]).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// When a series ended; `None` if it goes on, has late samples, or a batch holds its page.
    fn ended(&self, page: &Page, series: u64) -> Option<i64> {
        let record = page.get(series)?;
        let is_over = !page.is_held() && !page.late.has(series) && self.is_stale(page, record);
        page.last_t(record).filter(|_| is_over)
    }

    /// True if the last sample of a series is the marker for its end.
    fn is_stale(&self, page: &Page, series: &Series) -> bool {
        if let Some(open) = &series.open {
            return open.is_stale();
        }
        let Some(last) = page.finished(series).next() else { return false };
        let mut samples = storage::Samples::default();
        let Ok(bytes) = self.chunk_files.read(last.at) else { return false };
        // A chunk that cannot be read is no reason to give its series up.
        decode(bytes.data(), last.maxt, last.maxt, &mut samples).is_ok()
            && (samples.v.last().is_some_and(|it| model::is_stale_nan(*it))
                || samples.histogram.last().is_some_and(|it| it.is_stale()))
    }
}
