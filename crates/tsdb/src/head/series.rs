//! Series records, in pages by reference.
//!
//! A page holds up to 1024 series with neighbouring references: the records, their label keys back to
//! back, and the places of their finished chunks, newest first, as linked lists through one vector. So a
//! series has no allocation of its own but the buffer of its open chunk. One lock guards a page; a scrape
//! touches its page or two, and takes the lock once for a run of samples.

mod stored;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use super::chunk_files::ChunkAt;
use super::index::key_len;
use super::open::Open;
use super::out_of_order::LateTable;
use crate::sync::{lock, read, write};
pub(crate) use stored::Present;

/// References on a page.
pub(crate) const PAGE_REFS: u64 = 1024;

/// No finished chunk.
const NONE: u32 = u32::MAX;
/// No record.
const NO_SLOT: u16 = u16::MAX;
/// Words of a bit for each reference.
const PRESENT_WORDS: usize = 16;

/// What is known of one series: 72 bytes.
pub(crate) struct Series {
    pub(crate) open: Option<Open>,
    /// When the open chunk ends at the latest.
    pub(crate) next_at: i64,
    /// Where its key starts in the page's keys.
    key_at: u32,
    /// Its newest finished chunk in the page's chunks.
    newest: u32,
    /// The commit that the first sample of the tail came with.
    pub(crate) tail_commit: u32,
    /// How many of the newest samples a reader opened before that commit must not see.
    pub(crate) tail: u8,
}

/// The place of a finished chunk, and the one before it: 20 bytes.
#[derive(Clone, Copy)]
struct Link {
    at: ChunkAt,
    before: u32,
    maxt: [u32; 2],
}

/// A finished chunk of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) at: ChunkAt,
    /// The time of its last sample.
    pub(crate) maxt: i64,
}

/// What a page is at a moment, as far as batches ask.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot {
    present: [u64; PRESENT_WORDS],
    /// No series has a later sample; the lowest time without any.
    maxt: i64,
}

impl Snapshot {
    /// True if the series was there.
    pub(crate) fn has(&self, series: u64) -> bool {
        let at = within(series);
        self.present[at / 64] >> (at % 64) & 1 == 1
    }

    /// True if no series had a sample at `t` or later.
    pub(crate) fn is_before(&self, t: i64) -> bool {
        self.maxt < t
    }
}

/// Series with neighbouring references.
#[derive(Default)]
pub(crate) struct Page {
    /// By reference within the page: which record.
    slots: Vec<u16>,
    series: Vec<Series>,
    keys: Vec<u8>,
    links: Vec<Link>,
    /// Which references within the page have a record.
    present: [u64; PRESENT_WORDS],
    /// How many open batches may have samples for series here: none of these may be dropped.
    n_holders: u32,
    /// No series here has a later sample; `None` without any.
    maxt: Option<i64>,
    n_open: usize,
    /// Series whose open chunk holds histograms, and the buckets of those.
    histograms: (usize, usize),
    /// Out-of-order samples of those series that have some.
    pub(crate) late: LateTable,
}

impl Page {
    /// Adds a series; its reference must not be there yet.
    pub(crate) fn insert(&mut self, series: u64, key: &[u8]) {
        let at = within(series);
        if self.slots.len() <= at {
            self.slots.resize(at + 1, NO_SLOT);
        }
        debug_assert_eq!(self.slots[at], NO_SLOT, "references are used once");
        self.slots[at] = u16::try_from(self.series.len()).expect("a page has few series");
        self.note_present(at);
        let key_at = u32::try_from(self.keys.len()).expect("a page's keys are short");
        reserve(&mut self.keys, key.len());
        self.keys.extend_from_slice(key);
        reserve(&mut self.series, 1);
        let open = None;
        self.series.push(Series {
            open,
            next_at: 0,
            key_at,
            newest: NONE,
            tail_commit: 0,
            tail: 0,
        });
        if at + 1 == usize::try_from(PAGE_REFS).expect("small") {
            self.keys.shrink_to_fit();
            self.slots.shrink_to_fit();
        }
    }

    /// The record of a series, if it is here.
    pub(crate) fn get(&self, series: u64) -> Option<&Series> {
        self.series.get(usize::from(*self.slots.get(within(series))?))
    }

    /// As [`Page::get`].
    pub(crate) fn get_mut(&mut self, series: u64) -> Option<&mut Series> {
        self.series.get_mut(usize::from(*self.slots.get(within(series))?))
    }

    /// Counts an open chunk that was begun where there was none.
    pub(crate) fn count_opened(&mut self) {
        self.n_open += 1;
    }

    /// Gives a series without an open chunk one, which ends with its next sample.
    pub(crate) fn set_open(&mut self, series: u64, open: Open) {
        self.widen(open.last_t());
        self.count_opened();
        self.count_buckets(None, open.n_buckets());
        if let Some(it) = self.get_mut(series) {
            it.next_at = open.last_t().saturating_add(1);
            it.open = Some(open);
        }
    }

    /// Gives an open chunk up, which is finished, with none in its place.
    pub(crate) fn close_open(&mut self, series: u64) {
        let closed = self.get_mut(series).and_then(|it| it.open.take());
        self.n_open -= usize::from(closed.is_some());
        self.count_buckets(closed.and_then(|it| it.n_buckets()), None);
    }

    /// Counts the buckets of an open chunk, which were `before`; none where it holds no histograms.
    pub(crate) fn count_buckets(&mut self, before: Option<usize>, after: Option<usize>) {
        let (n_series, n_buckets) = &mut self.histograms;
        *n_series = *n_series + usize::from(after.is_some()) - usize::from(before.is_some());
        *n_buckets = *n_buckets + after.unwrap_or(0) - before.unwrap_or(0);
    }

    /// Counts the series whose open chunk holds histograms, and the buckets of those.
    pub(crate) fn n_histograms(&self) -> (usize, usize) {
        self.histograms
    }

    /// The newest time of all series, or a later one; `None` without samples.
    pub(crate) fn maxt(&self) -> Option<i64> {
        self.maxt
    }

    /// Says that a series here has a sample at `t`.
    pub(crate) fn widen(&mut self, t: i64) {
        self.maxt = self.maxt.max(Some(t));
    }

    /// Lets no series be dropped while a batch is open that may have samples for some.
    pub(crate) fn hold(&mut self) -> Snapshot {
        self.n_holders += 1;
        Snapshot { present: self.present, maxt: self.maxt.unwrap_or(i64::MIN) }
    }

    /// Takes back one [`Page::hold`]: the samples are there now, or never will be.
    pub(crate) fn release(&mut self) {
        self.n_holders = self.n_holders.saturating_sub(1);
    }

    /// Says that no batch is open.
    pub(crate) fn release_all(&mut self) {
        self.n_holders = 0;
    }

    /// True if an open batch may have samples for series here.
    pub(crate) fn is_held(&self) -> bool {
        self.n_holders != 0
    }

    fn note_present(&mut self, at: usize) {
        self.present[at / 64] |= 1 << (at % 64);
    }

    /// Reads a little of each record and its open chunk, so that the memory of all of them is on its
    /// way at once when they are appended to: at a million series each is far away.
    pub(crate) fn touch(&self, series: impl Iterator<Item = u64>) {
        let mut read = 0;
        for open in series.filter_map(|it| self.get(it)?.open.as_ref()) {
            let data = open.as_data().data;
            read ^= data[0] ^ data[data.len() - 1];
        }
        std::hint::black_box(read);
    }

    /// The label key of a record.
    pub(crate) fn key(&self, series: &Series) -> &[u8] {
        let rest = self.key_onward(series);
        &rest[..key_len(rest)]
    }

    /// The label key of a record and what follows it: finding its end takes as long as reading it.
    pub(crate) fn key_onward(&self, series: &Series) -> &[u8] {
        &self.keys[series.key_at as usize..]
    }

    /// True if the series is here.
    pub(crate) fn has(&self, series: u64) -> bool {
        self.slots.get(within(series)).is_some_and(|slot| *slot != NO_SLOT)
    }

    /// True if the series has this key.
    pub(crate) fn has_key(&self, series: u64, key: &[u8]) -> bool {
        // Keys tell where they end, so no key is the beginning of another.
        self.get(series).is_some_and(|it| self.keys[it.key_at as usize..].starts_with(key))
    }

    /// The finished chunks of a record, newest first.
    pub(crate) fn finished(&self, series: &Series) -> impl Iterator<Item = Finished> + '_ {
        let mut next = series.newest;
        std::iter::from_fn(move || {
            let link = self.links.get(next as usize)?;
            next = link.before;
            Some(Finished { at: link.at, maxt: join(link.maxt) })
        })
    }

    /// Adds a finished chunk behind all others of the series.
    pub(crate) fn push_finished(&mut self, series: u64, chunk: Finished) {
        self.widen(chunk.maxt);
        let at = u32::try_from(self.links.len()).expect("a page has few chunks");
        let Some(it) = self.get_mut(series) else { return };
        let before = std::mem::replace(&mut it.newest, at);
        reserve(&mut self.links, 1);
        self.links.push(Link { at: chunk.at, before, maxt: split(chunk.maxt) });
    }

    /// Replaces the finished chunks of a series; they come oldest first.
    pub(crate) fn set_finished(&mut self, series: u64, chunks: impl Iterator<Item = Finished>) {
        let Some(it) = self.get_mut(series) else { return };
        it.newest = NONE;
        chunks.for_each(|chunk| self.push_finished(series, chunk));
    }

    /// The time of a record's newest sample, if it has one.
    pub(crate) fn last_t(&self, series: &Series) -> Option<i64> {
        match &series.open {
            Some(open) => Some(open.last_t()),
            None => self.finished(series).next().map(|it| it.maxt),
        }
    }

    /// References of all series, ascending.
    pub(crate) fn refs(&self, page: u64) -> impl Iterator<Item = u64> + '_ {
        let first = page * PAGE_REFS;
        let used = self.slots.iter().zip(first..).filter(|(slot, _)| **slot != NO_SLOT);
        used.map(|(_, series)| series)
    }

    /// Counts the series.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    /// Counts chunks, open ones included.
    pub(crate) fn n_chunks(&self) -> usize {
        self.links.len() + self.n_open + self.late.n_chunks()
    }

    /// Bytes of memory held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * 2
            + self.series.capacity() * size_of::<Series>()
            + self.keys.capacity()
            + self.links.capacity() * size_of::<Link>()
            + self.late.heap_bytes()
            + self
                .series
                .iter()
                .filter_map(|it| it.open.as_ref())
                .map(Open::heap_bytes)
                .sum::<usize>()
    }

    /// Drops the chunks that end before `mint`, then the series without any (unless a batch holds the
    /// page), and moves the rest together. Returns what went.
    pub(crate) fn truncate(&mut self, page: u64, mint: i64) -> Truncated {
        let mut gone = Truncated::default();
        if !self.is_all_needed(mint) {
            self.drop_before(page, mint, &mut gone);
        }
        let files = self.links.iter().map(|it| it.at.file).chain(self.late.file_min());
        gone.file_min = files.min().unwrap_or(u32::MAX);
        // The newest page still grows; the next truncation would only move it again.
        self.series.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.links.shrink_to_fit();
        gone
    }

    /// True if every series has samples, no chunk ends before `mint`, and no link is out of use: mostly so after
    /// a start, and for pages that are younger than the cut.
    fn is_all_needed(&self, mint: i64) -> bool {
        let is_needed = |it: &Series| match &it.open {
            Some(open) => mint <= open.last_t(),
            None => it.newest != NONE,
        };
        self.links.iter().all(|it| mint <= join(it.maxt))
            && self.series.iter().all(is_needed)
            && self.series.iter().map(|it| self.finished(it).count()).sum::<usize>()
                == self.links.len()
    }

    fn drop_before(&mut self, page: u64, mint: i64, gone: &mut Truncated) {
        let mut old = std::mem::take(self);
        (self.maxt, self.n_holders) = (old.maxt, old.n_holders);
        self.late = std::mem::take(&mut old.late);
        for series in old.refs(page).collect::<Vec<_>>() {
            let record = old.get_mut(series).expect("just listed");
            if record.open.as_ref().is_some_and(|it| it.last_t() < mint) {
                record.open = None;
                gone.n_chunks += 1;
            }
            let open = record.open.take();
            let (next_at, tail_commit, tail) = (record.next_at, record.tail_commit, record.tail);
            let record = old.get(series).expect("just listed");
            let mut kept: Vec<Finished> = old.finished(record).collect();
            let n_finished = kept.len();
            kept.retain(|it| mint <= it.maxt);
            gone.n_chunks += n_finished - kept.len();
            let key = old.key(record);
            let is_empty = open.is_none() && kept.is_empty() && !self.late.has(series);
            if is_empty && !self.is_held() {
                gone.series.push((series, key.to_vec()));
                continue;
            }
            self.insert(series, key);
            let record = self.get_mut(series).expect("just put in");
            record.open = open;
            let is_open = record.open.is_some();
            let n_buckets = record.open.as_ref().and_then(Open::n_buckets);
            (record.next_at, record.tail_commit, record.tail) = (next_at, tail_commit, tail);
            self.n_open += usize::from(is_open);
            self.count_buckets(None, n_buckets);
            kept.iter().rev().for_each(|it| self.push_finished(series, *it));
        }
    }

    /// Drops these series with all they have. As in [`Page::truncate`], others without samples go too.
    pub(crate) fn evict(&mut self, page: u64, series: &[u64]) -> Truncated {
        let before = self.n_chunks();
        for it in series {
            self.set_finished(*it, std::iter::empty());
            self.close_open(*it);
        }
        let mut gone = self.truncate(page, i64::MIN);
        gone.n_chunks = before - self.n_chunks();
        gone
    }
}

/// What [`Page::truncate`] dropped.
pub(crate) struct Truncated {
    /// Series and their keys, references ascending.
    pub(crate) series: Vec<(u64, Vec<u8>)>,
    pub(crate) n_chunks: usize,
    /// The lowest chunk file that is still needed; `u32::MAX` if none is.
    pub(crate) file_min: u32,
}

impl Default for Truncated {
    fn default() -> Self {
        Self { series: Vec::new(), n_chunks: 0, file_min: u32::MAX }
    }
}

/// All pages. The lock guards the list; each page has its own.
#[derive(Default)]
pub(crate) struct Pages(RwLock<BTreeMap<u64, Arc<Mutex<Page>>>>);

impl Pages {
    /// Finds a page by its number.
    pub(crate) fn find(&self, page: u64) -> Option<Arc<Mutex<Page>>> {
        read(&self.0).get(&page).cloned()
    }

    /// Adds a page; false if it is there.
    pub(crate) fn add(&self, number: u64, page: Page) -> bool {
        write(&self.0).insert(number, Arc::new(Mutex::new(page))).is_none()
    }

    /// Finds a page, or makes it.
    pub(crate) fn make(&self, page: u64) -> Arc<Mutex<Page>> {
        match self.find(page) {
            Some(found) => found,
            None => Arc::clone(write(&self.0).entry(page).or_default()),
        }
    }

    /// All pages with their numbers, ascending.
    pub(crate) fn all(&self) -> Vec<(u64, Arc<Mutex<Page>>)> {
        read(&self.0).iter().map(|(n, page)| (*n, Arc::clone(page))).collect()
    }

    /// Forgets pages without series, but not `newest`, which is still filled.
    pub(crate) fn drop_empty(&self, newest: u64) {
        write(&self.0).retain(|n, page| newest <= *n || 0 < lock(page).len());
    }
}

/// Walks references in the order given and hands each to `each` with its locked page, taking a lock once
/// for a run on the same page. A reference whose page is gone is left out.
pub(crate) fn for_each_page<T>(
    pages: &Pages,
    items: &[T],
    series_of: impl Fn(&T) -> u64,
    mut each: impl FnMut(&mut Page, &T),
) {
    for_each_run(pages, items, series_of, |page, run| run.iter().for_each(|it| each(page, it)));
}

/// As [`for_each_page`], handing over a run at once.
pub(crate) fn for_each_run<T>(
    pages: &Pages,
    items: &[T],
    series_of: impl Fn(&T) -> u64,
    mut each: impl FnMut(&mut Page, &[T]),
) {
    for run in items.chunk_by(|a, b| page_of(series_of(a)) == page_of(series_of(b))) {
        if let Some(page) = pages.find(page_of(series_of(&run[0]))) {
            each(&mut lock(&page), run);
        }
    }
}

/// The number of the page for a reference.
pub(crate) fn page_of(series: u64) -> u64 {
    series / PAGE_REFS
}

fn within(series: u64) -> usize {
    usize::try_from(series % PAGE_REFS).expect("small")
}

fn split(t: i64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = t.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn join([low, high]: [u32; 2]) -> i64 {
    (u64::from(low) | u64::from(high) << 32).cast_signed()
}

/// Grows by a quarter: doubling wastes too much where there are thousands of pages.
fn reserve<T>(all: &mut Vec<T>, n: usize) {
    if all.capacity() - all.len() < n {
        all.reserve_exact(n + all.len() / 4 + 16);
    }
}
