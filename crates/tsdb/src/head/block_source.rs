//! The head as a source of a block.
//!
//! Label pairs are ranked by name and value, so series sort by their ranks, four bytes a label, and a
//! rank leads to the two symbols. That, and the text of the symbols, is what writing a block from the
//! head takes in memory.

use block::Error;

use super::index::pairs_of;
use super::pairs::PairId;
use super::series::{for_each_page, page_of};
use super::{Head, LateCut, StaleCut, isolation};
use crate::source::{SeriesSource, SourceSeries};
use crate::sync::{lock, read};

/// The series that had samples in a time range, in label order.
pub(crate) struct HeadRange<'a> {
    head: &'a Head,
    mint: i64,
    /// Last millisecond.
    maxt: i64,
    /// All symbols back to back, sorted.
    text: Vec<u8>,
    /// Where each symbol ends.
    ends: Vec<usize>,
    /// For each pair number, the positions of its name and its value.
    symbols: Vec<(u32, u32)>,
    what: What<'a>,
    /// Series to come.
    series: std::vec::IntoIter<u64>,
}

/// Which samples go into the block.
#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    /// Those in order, of all series.
    InOrder,
    /// Those out of order; if a cut is named, those that belong to it.
    Late(Option<&'a LateCut>),
    /// Those in order, of the series of a cut.
    Stale(&'a StaleCut),
}

impl<'a> HeadRange<'a> {
    /// Ranks and sorts what the head holds now. No chunk is read yet.
    pub(crate) fn new(head: &'a Head, what: What<'a>, mint: i64, maxt: i64) -> Self {
        let (text, ends, symbols, ranks) = rank_pairs(head);
        let series = sorted_series(head, candidates(head, what, mint, maxt), &ranks).into_iter();
        Self { head, mint, maxt, text, ends, symbols, what, series }
    }

    fn push_late(
        &self,
        series: u64,
        cut: Option<&LateCut>,
        out: &mut SourceSeries,
    ) -> Result<(), Error> {
        let Some(late) = self.head.late(series, self.mint, self.maxt) else { return Ok(()) };
        for it in late.mapped.iter().filter(|it| cut.is_none_or(|cut| cut.has(it.at))) {
            let bytes = self.head.chunk_files.read(it.at).map_err(corrupt)?;
            out.push_chunk(it.mint, it.maxt, bytes.data());
        }
        if cut.is_none() {
            for it in late.open_chunks() {
                out.push_chunk(it.mint, it.maxt, it.chunk.as_data());
            }
        }
        Ok(())
    }
}

impl SeriesSource for HeadRange<'_> {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        Box::new(starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end]))
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error> {
        let Some(series) = self.series.next() else { return Ok(false) };
        if let Some(page) = self.head.pages.find(page_of(series)) {
            let page = lock(&page);
            if let Some(record) = page.get(series) {
                out.labels.extend(pairs_of(page.key(record)).map(|id| self.symbols[id as usize]));
            }
        }
        if let Some(deleted) = self.head.deletions.get(series) {
            deleted.as_slice().iter().for_each(|it| out.deleted.add(*it));
        }
        if let What::Late(cut) = self.what {
            self.push_late(series, cut, out)?;
            return Ok(true);
        }
        let no_view: Option<&isolation::View> = None;
        let Some(chunks) = self.head.chunks(series, self.mint, self.maxt, no_view) else {
            return Ok(true);
        };
        for it in &chunks.finished {
            let (mint, bytes) = self.head.chunk_files.read_with_mint(it.at).map_err(corrupt)?;
            out.push_chunk(mint, it.maxt, bytes.data());
        }
        if let Some((mint, maxt, open)) = &chunks.open {
            out.push_chunk(*mint, *maxt, open.as_data());
        }
        Ok(true)
    }
}

fn corrupt(error: storage::ReadError) -> Error {
    match error {
        storage::ReadError::Corrupt { place, reason } => Error::Corrupt { place, reason },
        other => Error::Corrupt { place: "chunks_head".to_owned(), reason: other.to_string() },
    }
}

/// Symbols (their text, and where each ends), and for each pair number its symbols and its rank.
#[expect(clippy::type_complexity, reason = "four results of one pass, taken apart at once")]
fn rank_pairs(head: &Head) -> (Vec<u8>, Vec<usize>, Vec<(u32, u32)>, Vec<u32>) {
    let index = read(&head.index);
    let mut pairs: Vec<PairId> =
        index.pairs.names().flat_map(|(_, pairs)| pairs).copied().collect();
    let mut texts: Vec<&str> = Vec::with_capacity(pairs.len() + 1);
    texts.push("");
    for (name, of_name) in index.pairs.names() {
        texts.push(name);
        texts.extend(of_name.iter().map(|id| index.pairs.value(*id)));
    }
    texts.sort_unstable();
    texts.dedup();
    let position = |text: &str| {
        let at = texts.binary_search(&text).expect("all texts are listed");
        u32::try_from(at).expect("less than 2^32 symbols")
    };
    let mut symbols = vec![(0, 0); index.pairs.end()];
    for (name, of_name) in index.pairs.names() {
        let name = position(name);
        for id in of_name {
            symbols[*id as usize] = (name, position(index.pairs.value(*id)));
        }
    }
    pairs.sort_unstable_by_key(|id| symbols[*id as usize]);
    let mut ranks = vec![u32::MAX; symbols.len()];
    for (rank, id) in (0..).zip(&pairs) {
        ranks[*id as usize] = rank;
    }
    let text: Vec<u8> = texts.iter().flat_map(|it| it.bytes()).collect();
    let ends = texts.iter().scan(0, |end, it| {
        *end += it.len();
        Some(*end)
    });
    (text, ends.collect(), symbols, ranks)
}

/// The series that may have samples in `mint..=maxt`, ascending.
fn candidates(head: &Head, what: What<'_>, mint: i64, maxt: i64) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::new();
    for (n, page) in head.pages.all() {
        let page = lock(&page);
        let in_order = |it: u64| {
            page.get(it).and_then(|record| page.last_t(record)).is_some_and(|last| mint <= last)
        };
        let in_range = |it: &u64| match what {
            What::Late(_) => page.late.overlaps(*it, mint, maxt),
            What::InOrder => in_order(*it),
            What::Stale(cut) => cut.has(*it) && in_order(*it),
        };
        all.extend(page.refs(n).filter(in_range));
    }
    all
}

/// Sorts series by the ranks of their labels.
fn sorted_series(head: &Head, all: Vec<u64>, ranks: &[u32]) -> Vec<u64> {
    // The ranks of all series back to back, and where those of each start.
    let (mut flat, mut starts): (Vec<u32>, Vec<usize>) =
        (Vec::new(), Vec::with_capacity(all.len() + 1));
    let mut kept = Vec::with_capacity(all.len());
    for_each_page(
        &head.pages,
        &all,
        |it| *it,
        |page, series| {
            let Some(record) = page.get(*series) else { return };
            let key = pairs_of(page.key(record))
                .map(|id| ranks.get(id as usize).copied().unwrap_or(u32::MAX));
            let start = flat.len();
            flat.extend(key);
            if flat[start..].contains(&u32::MAX) {
                // Younger than the ranking; nothing of it is in the range.
                flat.truncate(start);
                return;
            }
            starts.push(start);
            kept.push(*series);
        },
    );
    starts.push(flat.len());
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_unstable_by(|a, b| {
        flat[starts[*a]..starts[*a + 1]].cmp(&flat[starts[*b]..starts[*b + 1]])
    });
    order.into_iter().map(|at| kept[at]).collect()
}
