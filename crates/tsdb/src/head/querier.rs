//! Reading the head.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use chunk::Columns;
use model::{LabelList, Labels, LabelsRef, Matcher, Speller};
use storage::merge::sort_since;
use storage::{Guard, ListHints, Querier, ReadError, Samples, SelectHints, SeriesSet, list_bytes};

use super::Head;
use super::index::pairs_of;
use super::isolation::View;
use super::open::Open;
use super::pairs::{PairId, Pairs};
use super::series::{Finished, Page, Series, for_each_page, page_of};
use crate::sync::{lock, read};

/// Series looked at before it is asked whether to go on.
const SERIES_PER_CHECK: usize = 8192;

/// Chunks read before it is asked whether to go on: some hundred thousand samples.
const CHUNKS_PER_CHECK: usize = 512;

/// Roughly what a label pair's number takes in a set, and where it is collected.
const PAIR_BYTES: usize = 16;

/// Series whose labels are made, or texts copied, before the index is let go for writers that wait.
const LABELS_PER_LOCK: usize = 1024;

/// A view of the head within a time range.
pub(crate) struct HeadQuerier {
    head: Arc<Head>,
    view: Arc<View>,
    mint: i64,
    /// Where out-of-order samples are read from: they stay when the others move into a block.
    late_mint: i64,
    maxt: i64,
}

impl HeadQuerier {
    /// Opens a view of `mint..=maxt`; what is already being moved into a block is left to that.
    pub(crate) fn new(head: Arc<Head>, mint: i64, maxt: i64) -> Self {
        let view = Arc::new(head.isolation.view(mint));
        let late_mint = mint;
        let mint = mint.max(head.truncating_below());
        Self { head, view, mint, late_mint, maxt }
    }

    /// The selected series that may have samples in the range.
    fn find(&self, matchers: &[Matcher], guard: &Guard) -> Result<Vec<u64>, ReadError> {
        let found = self.head.find_series(matchers, guard)?;
        guard.check(2 * size_of_val(&found[..]))?;
        let mut kept = Vec::with_capacity(found.len());
        for some in found.chunks(SERIES_PER_CHECK) {
            guard.check(0)?;
            self.keep_those_there(some, &mut kept);
        }
        Ok(kept)
    }

    /// Adds those of the series to `kept` that may have samples in the range.
    fn keep_those_there(&self, found: &[u64], kept: &mut Vec<u64>) {
        for_each_page(
            &self.head.pages,
            found,
            |it| *it,
            |page, series| {
                let Some(record) = page.get(*series) else { return };
                let range = (self.mint, self.maxt);
                let is_there = self.overlaps(page, record)
                    && !self.head.is_deleted(page, *series, record, range)
                    || page.late.overlaps(*series, self.late_mint, self.maxt);
                kept.extend(is_there.then_some(*series));
            },
        );
    }

    fn overlaps(&self, page: &Page, series: &Series) -> bool {
        if page.last_t(series).is_none_or(|last| last < self.mint) {
            return false;
        }
        if let Some(open) = &series.open
            && (open.last_t() <= self.maxt || open.first_t() <= self.maxt)
        {
            return true;
        }
        // All of the open chunk is too late. The oldest chunk decides, and its file knows when it starts.
        let Some(oldest) = page.finished(series).last() else { return false };
        oldest.maxt <= self.maxt
            || self.head.chunk_files.mint(oldest.at).is_ok_and(|mint| mint <= self.maxt)
    }

    /// The distinct `pick`ed pairs of the selected series. No lock of the index is taken while a page is
    /// locked, so `pick` takes none.
    fn pairs(
        &self,
        matchers: &[Matcher],
        guard: &Guard,
        pick: impl Fn(PairId) -> bool,
    ) -> Result<Vec<PairId>, ReadError> {
        let found = self.find(matchers, guard)?;
        let mut pairs = BTreeSet::new();
        for some in found.chunks(SERIES_PER_CHECK) {
            guard.check(size_of_val(&found[..]) + PAIR_BYTES * pairs.len())?;
            for_each_page(
                &self.head.pages,
                some,
                |it| *it,
                |page, series| {
                    if let Some(record) = page.get(*series) {
                        pairs.extend(pairs_of(page.key(record)).filter(|id| pick(*id)));
                    }
                },
            );
        }
        Ok(pairs.into_iter().collect())
    }

    /// The texts that `text` finds of pairs, sorted.
    fn texts(
        &self,
        pairs: &[PairId],
        hints: &ListHints,
        text: impl Fn(&Pairs, PairId) -> Option<&str>,
    ) -> Result<Vec<String>, ReadError> {
        let (mut texts, mut bytes) = (BTreeSet::new(), size_of_val(pairs));
        for some in pairs.chunks(LABELS_PER_LOCK) {
            hints.guard.check(bytes)?;
            let index = read(&self.head.index);
            for text in some.iter().filter_map(|it| text(&index.pairs, *it)) {
                if !texts.contains(text) {
                    bytes += list_bytes(text);
                    texts.insert(text.to_owned());
                }
            }
            while 0 < hints.limit && hints.limit < texts.len() {
                bytes -= texts.pop_last().map_or(0, |it: String| list_bytes(&it));
            }
        }
        hints.guard.check(bytes + size_of::<String>() * texts.len())?;
        Ok(texts.into_iter().collect())
    }

    /// True if the head has nothing in the range.
    pub(crate) fn is_outside(&self) -> bool {
        let (mint, maxt) = self.head.time_range();
        let (late_mint, late_maxt) = self.head.out_of_order.time_range();
        (self.maxt < mint || maxt < self.mint || self.maxt < self.mint)
            && (self.maxt < late_mint || late_maxt < self.late_mint)
    }
}

impl Querier for HeadQuerier {
    fn select(
        &self,
        hints: &SelectHints,
        matchers: &[Matcher],
    ) -> Result<Box<dyn SeriesSet>, ReadError> {
        let guard = &hints.guard;
        let found = if self.is_outside() { Vec::new() } else { self.find(matchers, guard)? };
        let mut set = HeadSet {
            head: Arc::clone(&self.head),
            view: Arc::clone(&self.view),
            mint: self.mint,
            late_mint: self.late_mint,
            maxt: self.maxt,
            series: found,
            labels: Vec::new(),
            labels_bytes: 0,
            guard: guard.clone(),
        };
        // A series may be gone when it is asked for its labels; a block has it then.
        if hints.sorted || self.head.is_evicting.load(SeqCst) {
            set.sort()?;
        }
        if 0 < hints.limit {
            set.series.truncate(hints.limit);
            set.labels.truncate(hints.limit);
        }
        Ok(Box::new(set))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        if self.is_outside() {
            return Ok(Vec::new());
        }
        let known = {
            let index = read(&self.head.index);
            index.pairs.find_name(name.as_bytes()).map(|id| (id, index.pairs.of_name(id).to_vec()))
        };
        let Some((id, mut pairs)) = known else { return Ok(Vec::new()) };
        if !matchers.is_empty() {
            pairs.sort_unstable();
            let guard = hints.guard.holding(size_of_val(&pairs[..]));
            pairs = self.pairs(matchers, &guard, |it| pairs.binary_search(&it).is_ok())?;
        }
        self.texts(&pairs, hints, |all, it| (all.name_of(it) == Some(id)).then(|| all.value(it)))
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        if self.is_outside() {
            return Ok(Vec::new());
        }
        let pairs = if matchers.is_empty() {
            let index = read(&self.head.index);
            index.pairs.names().filter_map(|(_, pairs)| pairs.first().copied()).collect()
        } else {
            self.pairs(matchers, &hints.guard, |_| true)?
        };
        self.texts(&pairs, hints, |all, it| all.name_of(it).map(|_| all.get(it).0))
    }

    fn n_listed(&self, name: Option<&str>) -> usize {
        let pairs = &read(&self.head.index).pairs;
        match name {
            None => pairs.names().count(),
            Some(name) => pairs.find_name(name.as_bytes()).map_or(0, |id| pairs.of_name(id).len()),
        }
    }
}

/// Selected series of the head.
struct HeadSet {
    head: Arc<Head>,
    view: Arc<View>,
    mint: i64,
    late_mint: i64,
    maxt: i64,
    series: Vec<u64>,
    /// Of each series, if they had to be sorted.
    labels: Vec<Labels>,
    /// What these take.
    labels_bytes: usize,
    guard: Guard,
}

impl HeadSet {
    fn sort(&mut self) -> Result<(), ReadError> {
        let mut all: Vec<(Labels, u64)> = Vec::new();
        let mut bytes = 0;
        for some in self.series.chunks(LABELS_PER_LOCK) {
            self.guard.check(bytes)?;
            let index = read(&self.head.index);
            for_each_page(
                &self.head.pages,
                some,
                |it| *it,
                |page, series| {
                    if let Some(record) = page.get(*series) {
                        let labels = index.labels(page.key(record));
                        bytes += labels.as_bytes().len() + size_of::<(Labels, u64)>() + 16;
                        all.push((labels, *series));
                    }
                },
            );
        }
        let all = stdx::sort::try_sort_by(all, Ord::cmp, || self.guard.check(bytes))?;
        self.labels_bytes = bytes;
        (self.labels, self.series) = all.into_iter().unzip();
        Ok(())
    }

    /// Spells the labels of some series into `list`, from its start on. Those that are gone have none.
    fn spell(&self, some: &[u64], list: &mut LabelList) {
        list.clear();
        // Pairs keep their numbers while the index is locked.
        let mut speller: Speller<PairId> = Speller::default();
        let index = read(&self.head.index);
        let pair = |id| Ok::<_, Infallible>(index.pairs.get(id));
        let mut left = some.iter();
        for_each_page(
            &self.head.pages,
            some,
            |it| *it,
            |page, series| {
                left.by_ref()
                    .take_while(|it| *it != series)
                    .for_each(|_| list.push(LabelsRef::EMPTY));
                let spelled =
                    page.get(*series).map(|it| speller.spell(pairs_of(page.key_onward(it)), pair));
                list.push(match spelled {
                    Some(Ok(labels)) => labels,
                    None => LabelsRef::EMPTY,
                });
            },
        );
        left.for_each(|_| list.push(LabelsRef::EMPTY));
    }
}

impl SeriesSet for HeadSet {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn bytes(&self) -> usize {
        8 * self.series.len() + self.labels_bytes
    }

    fn labels(&self, at: usize) -> Labels {
        match self.labels.get(at) {
            Some(labels) => labels.clone(),
            None => self.head.labels(self.series[at]).unwrap_or_default(),
        }
    }

    fn each_labels(&self, each: &mut dyn FnMut(usize, LabelsRef<'_>) -> ControlFlow<()>) {
        if !self.labels.is_empty() {
            let _ = (0..self.len()).try_for_each(|at| each(at, self.labels[at].borrowed()));
            return;
        }
        let mut list = LabelList::default();
        for (run, some) in self.series.chunks(LABELS_PER_LOCK).enumerate() {
            // Nobody waits for `each`.
            self.spell(some, &mut list);
            let first = run * LABELS_PER_LOCK;
            if (0..some.len()).try_for_each(|at| each(first + at, list.get(at))).is_break() {
                return;
            }
        }
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        let late_mint = mint.max(self.late_mint);
        let (mint, maxt) = (mint.max(self.mint), maxt.min(self.maxt));
        let mark = out.mark();
        self.read_in_order(at, (mint, maxt), out)?;
        if let Some(late) = self.head.late(self.series[at], late_mint, maxt) {
            late.read(&self.head, (late_mint, maxt), out)?;
            sort_since(out, mark);
        }
        if let Some(deleted) = self.head.deletions.get(self.series[at]) {
            out.retain_since(mark, |t| !deleted.contains(t));
        }
        Ok(())
    }

    fn read_newest(
        &self,
        at: usize,
        mint: i64,
        maxt: i64,
        out: &mut Samples,
    ) -> Result<(), ReadError> {
        let (series, range) = (self.series[at], (mint.max(self.mint), maxt.min(self.maxt)));
        let is_plain =
            !self.head.out_of_order.is_used() && self.head.deletions.get(series).is_none();
        let newest = if is_plain { self.head.newest(series, range, &self.view) } else { None };
        match newest {
            Some((t, v)) => {
                out.push(t, v);
                Ok(())
            }
            None => self.read(at, mint, maxt, out),
        }
    }
}

impl HeadSet {
    fn read_in_order(
        &self,
        at: usize,
        (mint, maxt): (i64, i64),
        out: &mut Samples,
    ) -> Result<(), ReadError> {
        let Some(chunks) = self.head.chunks(self.series[at], mint, maxt, Some(&self.view)) else {
            return Ok(());
        };
        let mark = out.mark();
        // What is hidden is at the end, so the end has to be read to leave it out.
        let until = if chunks.n_hidden == 0 { maxt } else { i64::MAX };
        for (n, finished) in chunks.finished.iter().enumerate() {
            if n % CHUNKS_PER_CHECK == CHUNKS_PER_CHECK - 1 {
                self.guard.check(out.bytes())?;
            }
            let bytes = self.head.chunk_files.read(finished.at)?;
            decode(bytes.data(), mint, until, out)?;
        }
        if let Some((_, _, open)) = &chunks.open {
            decode(open.as_data(), mint, until, out)?;
        }
        if 0 < chunks.n_hidden {
            out.drop_newest_since(mark, chunks.n_hidden);
            out.retain_since(mark, |t| t <= maxt);
        }
        Ok(())
    }
}

/// Appends the samples of a chunk in a range.
pub(super) fn decode(
    chunk: chunk::ChunkData<'_>,
    mint: i64,
    maxt: i64,
    out: &mut Samples,
) -> Result<(), ReadError> {
    let Samples { st, t, v, histogram_st, histogram_t, histogram } = out;
    let mut columns = Columns { st, t, v, histogram_st, histogram_t, histogram };
    chunk::decode(chunk, mint, maxt, &mut columns).map_err(|error| ReadError::Corrupt {
        place: "chunk of the head".to_owned(),
        reason: error.to_string(),
    })
}

/// The chunks of a series that overlap a range.
pub(crate) struct Chunks {
    /// Oldest first.
    pub(crate) finished: Vec<Finished>,
    /// A copy of the open chunk, with the times of its first and last sample.
    pub(crate) open: Option<(i64, i64, chunk::Chunk)>,
    /// How many of the newest samples the view must not see.
    pub(crate) n_hidden: usize,
}

impl Head {
    /// Collects the chunks of a series that may have samples in `mint..=maxt`. Without a view nothing is
    /// hidden. `None` if the series is gone.
    pub(crate) fn chunks(
        &self,
        series: u64,
        mint: i64,
        maxt: i64,
        view: Option<&View>,
    ) -> Option<Chunks> {
        let page = self.pages.find(page_of(series))?;
        let page = lock(&page);
        let record = page.get(series)?;
        let is_hidden = 0 < record.tail && view.is_some_and(|it| it.hides(record.tail_commit));
        let n_hidden = if is_hidden { usize::from(record.tail) } else { 0 };
        let wanted = |open: &&Open| mint <= open.last_t() && (is_hidden || open.first_t() <= maxt);
        let open = record.open.as_ref().filter(wanted).map(|it| {
            let chunk::ChunkData { encoding, data } = it.as_data();
            let copy = chunk::Chunk { encoding, data: data.into() };
            (it.first_t(), it.last_t(), copy)
        });
        let mut finished: Vec<Finished> =
            page.finished(record).take_while(|it| mint <= it.maxt).collect();
        finished.reverse();
        if !is_hidden {
            // A chunk starts after the one before it ends.
            let n = finished.partition_point(|it| it.maxt < maxt);
            finished.truncate(n + 1);
        }
        Some(Chunks { finished, open, n_hidden })
    }

    /// The newest sample of a series, if that is a float in the range which the view may see: it is at hand then.
    fn newest(&self, series: u64, (mint, maxt): (i64, i64), view: &View) -> Option<(i64, f64)> {
        let page = self.pages.find(page_of(series))?;
        let page = lock(&page);
        let record = page.get(series)?;
        let is_hidden = 0 < record.tail && view.hides(record.tail_commit);
        let (t, v) = record.open.as_ref()?.newest_float()?;
        (!is_hidden && mint <= t && t <= maxt).then_some((t, v))
    }

    /// The labels of a series, if it is there.
    pub(crate) fn labels(&self, series: u64) -> Option<Labels> {
        let index = read(&self.index);
        let page = self.pages.find(page_of(series))?;
        let page = lock(&page);
        page.get(series).map(|it| index.labels(page.key(it)))
    }
}
