//! Writes an index.

use std::collections::BTreeMap;
use std::path::Path;

use stdx::{Directory, varint};

use super::series::{ChunkMeta, SeriesEntry, encode_body};
use super::symbols::Symbols;
use super::{Format, HEAD_BYTES, INDEX_FILE, MAGIC, SERIES_ALIGNMENT, Toc, VERSION};
use crate::Error;
use crate::output::Output;
use crate::take::take_string;

/// Calls back with every symbol of an index: sorted bytewise, each once, `""` first. Called twice; the
/// second time must give the same.
pub type EachSymbol<'a> = dyn Fn(&mut dyn FnMut(&[u8])) + 'a;

/// Postings gathered in one reading of the series.
const BATCH_POSTINGS: u64 = 2 << 20;
const INDEX_BYTES_MAX: u64 = 64 << 30;

/// Writes an index: symbols, then series in label order, then [`IndexWriter::finish`].
///
/// Memory: 4 bytes a series, 12 a label pair, and 8 for each label of each series while postings are
/// gathered, but of so many label names only that they stay below 16 MiB, or of one name if it alone
/// has more.
pub struct IndexWriter<'a> {
    dir: &'a dyn Directory,
    out: Output,
    toc: Toc,
    n_symbols: u32,
    /// Numbers of the series so far.
    series: Vec<u32>,
    /// For each label name how many series have it.
    names: BTreeMap<u32, u64>,
    last_labels: Vec<(u32, u32)>,
    last_reference: u64,
    scratch: Vec<u8>,
    body: Vec<u8>,
}

impl<'a> IndexWriter<'a> {
    /// Creates the index of the block in folder `block` and writes its symbols.
    ///
    /// # Errors
    /// If symbols are out of order or too many, or the disk refuses.
    pub fn create(
        dir: &'a dyn Directory,
        block: &Path,
        symbols: &EachSymbol<'_>,
    ) -> Result<Self, Error> {
        let mut out = Output::create(dir, &block.join(INDEX_FILE))?;
        out.put(&MAGIC.to_be_bytes())?;
        out.put(&[VERSION])?;
        let n_symbols = write_symbols(&mut out, symbols)?;
        let (symbols, series) = (HEAD_BYTES as u64, out.position());
        let toc = Toc {
            symbols,
            series,
            label_indices: 0,
            label_indices_table: 0,
            postings: 0,
            postings_table: 0,
        };
        Ok(Self {
            dir,
            out,
            toc,
            n_symbols,
            series: Vec::new(),
            names: BTreeMap::new(),
            last_labels: Vec::new(),
            last_reference: 0,
            scratch: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Adds a series. Labels are `(name, value)` as positions in the symbols.
    ///
    /// # Errors
    /// [`Error::Refused`] if series, or the references or times of chunks, do not ascend; or the disk
    /// refuses.
    pub fn add_series(&mut self, labels: &[(u32, u32)], chunks: &[ChunkMeta]) -> Result<(), Error> {
        self.check(labels, chunks)?;
        self.out.pad_to(SERIES_ALIGNMENT)?;
        let number = u32::try_from(self.out.position() / SERIES_ALIGNMENT);
        self.series.push(number.map_err(|_| self.too_large())?);
        self.body.clear();
        encode_body(&mut self.body, labels, chunks);
        self.scratch.clear();
        varint::put_u64(&mut self.scratch, self.body.len() as u64);
        self.out.put(&self.scratch)?;
        self.out.put(&self.body)?;
        self.out.put(&crc32c::crc32c(&self.body).to_be_bytes())?;
        for (name, _) in labels {
            *self.names.entry(*name).or_default() += 1;
        }
        self.last_labels.clear();
        self.last_labels.extend_from_slice(labels);
        self.last_reference = chunks.last().map_or(self.last_reference, |it| it.reference);
        Ok(())
    }

    /// How many series were added.
    pub fn n_series(&self) -> usize {
        self.series.len()
    }

    /// Writes postings and tables and makes the file durable.
    ///
    /// # Errors
    /// If a table is too large, or the disk refuses.
    pub fn finish(mut self) -> Result<(), Error> {
        let end = self.out.position();
        (self.toc.label_indices, self.toc.postings) = (end, end);
        let lists = self.write_postings()?;
        self.toc.postings_table = self.out.position();
        self.toc.label_indices_table = self.toc.postings_table;
        self.write_table(&lists)?;
        self.out.put(&self.toc.encode())?;
        if INDEX_BYTES_MAX < self.out.position() {
            return Err(self.too_large());
        }
        self.out.finish()
    }

    fn check(&self, labels: &[(u32, u32)], chunks: &[ChunkMeta]) -> Result<(), Error> {
        if !self.series.is_empty() && labels <= &self.last_labels[..] {
            let reason = format!("out-of-order series added with label set {labels:?}");
            return Err(Error::Refused(reason));
        }
        let known = |(name, value): &(u32, u32)| *name < self.n_symbols && *value < self.n_symbols;
        if !labels.iter().all(known) || !labels.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Error::Refused(format!("labels are no symbols or not sorted: {labels:?}")));
        }
        let (mut reference, mut maxt) = (self.last_reference, None);
        for it in chunks {
            if it.reference < reference {
                let reason =
                    format!("unsorted chunk reference: {}, previous: {reference}", it.reference);
                return Err(Error::Refused(reason));
            }
            if let Some(maxt) = maxt.filter(|maxt| it.mint <= *maxt) {
                let reason =
                    format!("chunk minT {} is not higher than previous chunk maxT {maxt}", it.mint);
                return Err(Error::Refused(reason));
            }
            (reference, maxt) = (it.reference, Some(it.maxt));
        }
        Ok(())
    }

    /// Writes all lists in the order of the table.
    fn write_postings(&mut self) -> Result<Lists, Error> {
        let mut lists = Lists::default();
        let all = std::mem::take(&mut self.series);
        lists.begin_name(0);
        lists.push(0, self.out.position().next_multiple_of(4));
        self.write_list(all.iter().copied(), all.len())?;
        let names = std::mem::take(&mut self.names);
        let mut batch: Vec<Gathered> = Vec::new();
        let mut n_postings = 0;
        for (name, n) in names {
            if !batch.is_empty() && BATCH_POSTINGS < n_postings + n {
                self.write_batch(std::mem::take(&mut batch), &all, &mut lists)?;
                n_postings = 0;
            }
            n_postings += n;
            batch.push(Gathered {
                name,
                pairs: Vec::with_capacity(usize::try_from(n).unwrap_or(0)),
            });
        }
        self.write_batch(batch, &all, &mut lists)?;
        Ok(lists)
    }

    /// Gathers the postings of some names by reading all series back, and writes them.
    fn write_batch(
        &mut self,
        mut batch: Vec<Gathered>,
        series: &[u32],
        lists: &mut Lists,
    ) -> Result<(), Error> {
        self.out.flush()?;
        let written = self.dir.map(self.out.path()).map_err(Error::io(self.out.path()))?;
        let mut entry = SeriesEntry::default();
        for number in series {
            let at = usize::try_from(u64::from(*number) * SERIES_ALIGNMENT).unwrap_or(usize::MAX);
            let read = entry.decode(written.get(at..).unwrap_or_default(), false);
            read.map_err(|it| Error::corrupt_at(self.out.path(), at as u64, it.text()))?;
            let mut names = batch.iter_mut().peekable();
            for (name, value) in &entry.labels {
                while names.next_if(|it| it.name < *name).is_some() {}
                if let Some(it) = names.next_if(|it| it.name == *name) {
                    it.pairs.push(u64::from(*value) << 32 | u64::from(*number));
                }
            }
        }
        for it in &mut batch {
            it.pairs.sort_unstable();
            lists.begin_name(it.name);
            for list in it.pairs.chunk_by(|a, b| a >> 32 == b >> 32) {
                let value = u32::try_from(list[0] >> 32).expect("32 bits");
                lists.push(value, self.out.position().next_multiple_of(4));
                #[expect(clippy::cast_possible_truncation, reason = "the low half is the series")]
                self.write_list(list.iter().map(|it| *it as u32), list.len())?;
            }
        }
        Ok(())
    }

    fn write_list(&mut self, numbers: impl Iterator<Item = u32>, n: usize) -> Result<(), Error> {
        self.out.pad_to(4)?;
        let n = u32::try_from(n).map_err(|_| self.too_large())?;
        let len =
            n.checked_mul(4).and_then(|it| it.checked_add(4)).ok_or_else(|| self.too_large())?;
        self.scratch.clear();
        self.scratch.extend_from_slice(&n.to_be_bytes());
        self.scratch.extend(numbers.flat_map(u32::to_be_bytes));
        self.out.put(&len.to_be_bytes())?;
        self.out.put(&self.scratch)?;
        self.out.put(&crc32c::crc32c(&self.scratch).to_be_bytes())
    }

    /// Writes the postings offset table: its length first, which takes a pass of its own.
    fn write_table(&mut self, lists: &Lists) -> Result<(), Error> {
        self.out.flush()?;
        let written = self.dir.map(self.out.path()).map_err(Error::io(self.out.path()))?;
        let symbols = Symbols::open(self.out.path(), &written, self.toc.symbols, Format::V2)?;
        let symbol = |number: u32| symbols.get(&written, number).unwrap_or_default().as_bytes();
        let mut len = 4u64;
        let mut entry = Vec::new();
        lists.each(&symbol, |name, value, offset| {
            encode_entry(&mut entry, name, value, offset);
            len += entry.len() as u64;
            Ok(())
        })?;
        let len_field = u32::try_from(len).map_err(|_| {
            Error::Refused(format!("postings table length size exceeds 4 bytes: {len}"))
        })?;
        let n = u32::try_from(lists.values.len()).map_err(|_| self.too_large())?;
        self.out.put(&len_field.to_be_bytes())?;
        self.out.put(&n.to_be_bytes())?;
        let mut crc = crc32c::crc32c(&n.to_be_bytes());
        lists.each(&symbol, |name, value, offset| {
            encode_entry(&mut entry, name, value, offset);
            crc = crc32c::crc32c_append(crc, &entry);
            self.out.put(&entry)
        })?;
        self.out.put(&crc.to_be_bytes())
    }

    fn too_large(&self) -> Error {
        Error::Refused(format!(
            "{:?} exceeding max size of 64GiB",
            self.out.path().display().to_string()
        ))
    }
}

/// The postings of one label name: value in the high, series in the low half.
struct Gathered {
    name: u32,
    pairs: Vec<u64>,
}

/// Where the lists of all label pairs are, in the order of the table.
#[derive(Default)]
struct Lists {
    /// Each name with where its values begin.
    names: Vec<(u32, usize)>,
    values: Vec<u32>,
    offsets: Vec<u64>,
}

impl Lists {
    fn begin_name(&mut self, name: u32) {
        self.names.push((name, self.values.len()));
    }

    fn push(&mut self, value: u32, offset: u64) {
        self.values.push(value);
        self.offsets.push(offset);
    }

    /// Walks name, value and offset.
    fn each<'s>(
        &self,
        symbol: &impl Fn(u32) -> &'s [u8],
        mut each: impl FnMut(&[u8], &[u8], u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let ends = self.names.iter().skip(1).map(|it| it.1).chain([self.values.len()]);
        for ((name, start), end) in self.names.iter().zip(ends) {
            let name = symbol(*name);
            for at in *start..end {
                each(name, symbol(self.values[at]), self.offsets[at])?;
            }
        }
        Ok(())
    }
}

fn encode_entry(out: &mut Vec<u8>, name: &[u8], value: &[u8], offset: u64) {
    out.clear();
    out.push(2);
    for text in [name, value] {
        varint::put_u64(out, text.len() as u64);
        out.extend_from_slice(text);
    }
    varint::put_u64(out, offset);
}

/// Writes the section in two passes: the first finds its length. Returns how many symbols there are.
fn write_symbols(out: &mut Output, symbols: &EachSymbol<'_>) -> Result<u32, Error> {
    let (mut n, mut len) = (0u32, 4u64);
    let mut entry = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    let mut result = Ok(());
    symbols(&mut |symbol| {
        if 0 < n && symbol <= &last[..] {
            result = Err(Error::Refused(format!(
                "symbol {:?} out-of-order",
                String::from_utf8_lossy(symbol)
            )));
        }
        last.clear();
        last.extend_from_slice(symbol);
        encode_symbol(&mut entry, symbol);
        len += entry.len() as u64;
        n = n.saturating_add(1);
    });
    result?;
    let too_large =
        |_| Error::Refused(format!("symbol table size exceeds 4294967295 bytes: {len}"));
    out.put(&u32::try_from(len).map_err(too_large)?.to_be_bytes())?;
    out.put(&n.to_be_bytes())?;
    let mut crc = crc32c::crc32c(&n.to_be_bytes());
    let mut result = Ok(());
    symbols(&mut |symbol| {
        encode_symbol(&mut entry, symbol);
        crc = crc32c::crc32c_append(crc, &entry);
        if result.is_ok() {
            result = out.put(&entry);
        }
    });
    result?;
    out.put(&crc.to_be_bytes())?;
    Ok(n)
}

fn encode_symbol(out: &mut Vec<u8>, symbol: &[u8]) {
    out.clear();
    varint::put_u64(out, symbol.len() as u64);
    out.extend_from_slice(symbol);
    debug_assert_eq!(take_string(&mut &out[..]), Some(symbol));
}
