//! A page as a head checkpoint has it: see `docs/format/head-checkpoint.md`.
//!
//! Everything is in the order of references, so that vectors are filled once, and at their final size.

use chunk::{ChunkData, Encoding, OpenChunk};
use stdx::varint::{put_i64, put_u64, take_i64, take_u64};

use super::super::chunk_files::ChunkAt;
use super::super::open::Open;
use super::super::out_of_order::LateChunk;
use super::super::pairs::PairOrder;
use super::{Link, NO_SLOT, NONE, PAGE_REFS, Page, Series, join, page_of, split, within};

/// What is before the data of an open chunk of floats; other ones have their encoding there.
const FLOATS: u8 = 0x80 | Encoding::Xor as u8;

/// Which chunks a page may name.
#[derive(Clone, Copy)]
pub(crate) struct Present {
    /// The first file there is.
    pub(crate) first_file: u32,
    /// Chunks that end before need no file any more.
    pub(crate) min_valid: i64,
}

/// Why a page cannot be taken.
type Rule = &'static str;

impl Page {
    /// Appends the series of the page up to the reference `last`, with label pairs as `pairs` numbers them.
    /// Returns how many.
    pub(crate) fn store(
        &self,
        page: u64,
        last: u64,
        pairs: &mut PairOrder,
        out: &mut Vec<u8>,
    ) -> usize {
        let all: Vec<u64> = self.refs(page).take_while(|it| *it <= last).collect();
        let records = || all.iter().filter_map(|it| self.get(*it));
        let keys = pairs.keys(records().map(|it| self.key(it)));
        put_u64(out, page);
        put_u64(out, all.len() as u64);
        put_u64(out, keys.len() as u64);
        out.extend_from_slice(keys);
        put_u64(out, records().map(|it| self.finished(it).count() as u64).sum());
        let mut next = page * PAGE_REFS;
        for (series, record) in all.iter().zip(records()) {
            put_u64(out, series - next);
            next = series + 1;
            store_open(record, out);
            self.store_finished(record, out);
            let late = self.late.mapped(*series);
            put_u64(out, late.len() as u64);
            late.iter().for_each(|it| store_late(it, out));
        }
        all.len()
    }

    /// Newest first.
    fn store_finished(&self, record: &Series, out: &mut Vec<u8>) {
        put_u64(out, self.finished(record).count() as u64);
        for it in self.finished(record) {
            put_i64(out, it.maxt);
            store_place(it.at, out);
        }
    }

    /// Reads what [`Page::store`] wrote: the number of the page, and the page. `pairs_end` rises above the label
    /// pairs it names.
    ///
    /// # Errors
    /// If it is malformed, or a chunk's file is gone that is still needed.
    pub(crate) fn restore(
        bytes: &[u8],
        present: Present,
        pairs_end: &mut u64,
    ) -> Result<(u64, Self), Rule> {
        let rest = &mut &bytes[..];
        let number =
            take_u64(rest).filter(|it| *it < page_of(1 << 40)).ok_or("a page has no number")?;
        let (mut page, n_series) =
            Self::with_room(rest).ok_or("a page is larger than it can be")?;
        let (mut at, mut key_at) = (0, 0);
        for _ in 0..n_series {
            let slot = take_u64(rest).and_then(|gap| gap.checked_add(at));
            let slot = slot.filter(|it| *it < PAGE_REFS && 0 < number + it);
            let slot = slot.ok_or("a page has a reference that it cannot have")?;
            at = slot + 1;
            page.restore_series(number * PAGE_REFS + slot, key_at, rest, present)?;
            key_at += check_key(&page.keys[key_at..], pairs_end).ok_or("a series has no labels")?;
        }
        page.slots.shrink_to_fit();
        page.links.shrink_to_fit();
        let is_whole = rest.is_empty() && key_at == page.keys.len();
        if is_whole { Ok((number, page)) } else { Err("a page has more bytes than it needs") }
    }

    /// A page with its keys, and room for its series, whose number comes with it, and their chunks.
    fn with_room(rest: &mut &[u8]) -> Option<(Self, usize)> {
        let size = |rest: &mut &[u8]| take_u64(rest).and_then(|it| usize::try_from(it).ok());
        let n_series = size(rest).filter(|it| *it as u64 <= PAGE_REFS)?;
        let n_key_bytes = size(rest).filter(|it| u32::try_from(*it).is_ok())?;
        let keys = rest.split_off(..n_key_bytes)?.to_vec();
        // A link takes three bytes at least.
        let n_links = size(rest).filter(|it| *it <= rest.len() / 3)?;
        let (series, links) = (Vec::with_capacity(n_series), Vec::with_capacity(n_links));
        Some((Self { keys, series, links, ..Self::default() }, n_series))
    }

    fn restore_series(
        &mut self,
        series: u64,
        key_at: usize,
        rest: &mut &[u8],
        present: Present,
    ) -> Result<(), Rule> {
        self.slots.resize(within(series), NO_SLOT);
        self.slots.push(u16::try_from(self.series.len()).expect("a page has few series"));
        self.note_present(within(series));
        let key_at = u32::try_from(key_at).expect("looked at before");
        let (next_at, open) = restore_open(rest).ok_or("an open chunk is malformed")?;
        self.n_open += usize::from(open.is_some());
        self.count_buckets(None, open.as_ref().and_then(Open::n_buckets));
        let newest = self.restore_finished(rest, present)?;
        let record = Series { open, next_at, key_at, newest, tail_commit: 0, tail: 0 };
        if let Some(last) = self.last_t(&record) {
            self.widen(last);
        }
        self.series.push(record);
        let n_late = take_u64(rest).ok_or("the late chunks of a series are missing")?;
        for _ in 0..n_late {
            let chunk = take_late(rest).ok_or("a late chunk is malformed")?;
            // One whose file is gone is in a block.
            if present.first_file <= chunk.at.file {
                self.late.add_mapped(series, chunk);
            }
        }
        Ok(())
    }

    /// Returns the newest.
    fn restore_finished(&mut self, rest: &mut &[u8], present: Present) -> Result<u32, Rule> {
        const MALFORMED: Rule = "a finished chunk is malformed";
        let n = take_u64(rest).ok_or(MALFORMED)?;
        let first = self.links.len();
        for _ in 0..n {
            let maxt = take_i64(rest).ok_or(MALFORMED)?;
            let at = take_place(rest).ok_or(MALFORMED)?;
            if at.file < present.first_file {
                if present.min_valid <= maxt {
                    return Err("the file of a chunk is gone");
                }
                continue;
            }
            let before = u32::try_from(self.links.len() + 1).map_err(|_| MALFORMED)?;
            self.links.push(Link { at, before, maxt: split(maxt) });
        }
        let added = &mut self.links[first..];
        if added.windows(2).any(|it| join(it[0].maxt) <= join(it[1].maxt)) {
            return Err("the chunks of a series are not in order");
        }
        let Some(oldest) = added.last_mut() else { return Ok(NONE) };
        oldest.before = NONE;
        u32::try_from(first).map_err(|_| MALFORMED)
    }
}

/// The length of the key at the start of `keys`, if it is one.
fn check_key(keys: &[u8], pairs_end: &mut u64) -> Option<usize> {
    let mut rest = keys;
    let n = take_u64(&mut rest).filter(|n| (1..=keys.len() as u64).contains(n))?;
    for _ in 0..n {
        let id = take_u64(&mut rest)?;
        *pairs_end = (*pairs_end).max(id.checked_add(1)?);
    }
    Some(keys.len() - rest.len())
}

fn store_open(record: &Series, out: &mut Vec<u8>) {
    let Some(open) = &record.open else { return out.push(0) };
    match open {
        Open::Float(it) => {
            out.push(FLOATS);
            it.save(out);
        }
        Open::Rare(_) => {
            let ChunkData { encoding, data } = open.as_data();
            out.push(encoding.byte());
            put_u64(out, data.len() as u64);
            out.extend_from_slice(data);
        }
    }
    put_i64(out, record.next_at);
}

/// When the open chunk ends, and the chunk.
fn restore_open(rest: &mut &[u8]) -> Option<(i64, Option<Open>)> {
    let open = match *rest.split_off_first()? {
        0 => return Some((0, None)),
        FLOATS => Open::Float(OpenChunk::restore(rest).ok()?),
        other => {
            let encoding = Encoding::from_byte(other)?;
            let len = usize::try_from(take_u64(rest)?).ok()?;
            Open::resume(ChunkData { encoding, data: rest.split_off(..len)? })?
        }
    };
    Some((take_i64(rest)?, Some(open)))
}

fn store_place(at: ChunkAt, out: &mut Vec<u8>) {
    put_u64(out, u64::from(at.file));
    put_u64(out, u64::from(at.offset));
}

fn take_place(rest: &mut &[u8]) -> Option<ChunkAt> {
    let mut number = || take_u64(rest).and_then(|it| u32::try_from(it).ok());
    Some(ChunkAt { file: number()?, offset: number()? })
}

fn store_late(it: &LateChunk, out: &mut Vec<u8>) {
    put_i64(out, it.mint);
    put_i64(out, it.maxt);
    store_place(it.at, out);
}

fn take_late(rest: &mut &[u8]) -> Option<LateChunk> {
    let (mint, maxt) = (take_i64(rest)?, take_i64(rest)?);
    Some(LateChunk { mint, maxt, at: take_place(rest)? })
}
