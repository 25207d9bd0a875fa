//! Reads an index.

use std::path::{Path, PathBuf};

use model::Labels;
use stdx::{Directory, Mapped};

use super::series::SeriesEntry;
use super::symbols::Symbols;
use super::table::Table;
use super::{Format, INDEX_FILE, Postings, SERIES_ALIGNMENT, Toc, read_head, section};
use crate::Error;
use crate::take::take_u32;

/// An index, mapped. Series are named by numbers that ascend in label order.
pub struct Index {
    path: PathBuf,
    bytes: Mapped,
    format: Format,
    toc: Toc,
    symbols: Symbols,
    table: Table,
}

impl Index {
    /// Maps the index of the block in folder `block` and checks its frame: table of contents, symbols,
    /// postings table. Series and postings are checked when read.
    ///
    /// # Errors
    /// If it cannot be read, or its bytes are wrong.
    pub fn open(dir: &dyn Directory, block: &Path) -> Result<Self, Error> {
        let path = block.join(INDEX_FILE);
        let bytes = dir.map(&path).map_err(Error::io(&path))?;
        let format = read_head(&path, &bytes)?;
        let toc = Toc::read(&path, &bytes)?;
        let symbols = Symbols::open(&path, &bytes, toc.symbols, format)?;
        let table = Table::open(&path, &bytes, toc.postings_table, format)?;
        Ok(Self { path, bytes, format, toc, symbols, table })
    }

    /// Bytes of the file.
    pub fn n_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// How many symbols there are.
    pub fn n_symbols(&self) -> usize {
        self.symbols.len()
    }

    /// Bytes of memory that finding symbols takes.
    pub fn symbol_table_bytes(&self) -> u64 {
        self.symbols.heap_bytes()
    }

    /// Walks the symbols, sorted bytewise, each with the number that [`SeriesEntry::labels`] calls it.
    pub fn symbols(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.symbols.iter(&self.bytes)
    }

    /// Returns the symbol that [`SeriesEntry::labels`] calls `number`.
    ///
    /// # Errors
    /// If there is none.
    pub fn symbol(&self, number: u32) -> Result<&str, Error> {
        let symbol = self.symbols.get(&self.bytes, number);
        symbol.ok_or_else(|| Error::corrupt(&self.path, format!("unknown symbol offset {number}")))
    }

    /// Walks the label names, sorted.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.table.names()
    }

    /// How many values a label has.
    pub fn n_values(&self, name: &str) -> usize {
        self.table.n_values(name)
    }

    /// Walks the values of a label that begin with `prefix`, sorted.
    pub fn values<'a>(&'a self, name: &str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.values_with_lists(name, prefix).map(|(value, _)| value)
    }

    /// As [`Index::values`], each with what [`Index::postings_at`] takes.
    pub(crate) fn values_with_lists<'a>(
        &'a self,
        name: &str,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, u64)> {
        self.table
            .values_from(&self.bytes, name, prefix)
            .take_while(move |(value, _)| value.starts_with(prefix))
    }

    /// Returns the series with a label pair; none if no series has it.
    ///
    /// # Errors
    /// If the bytes of the list are wrong.
    pub fn postings(&self, name: &str, value: &str) -> Result<Postings<'_>, Error> {
        match self.table.find(&self.bytes, name, value) {
            Some(offset) => self.postings_at(offset),
            None => Ok(Postings::default()),
        }
    }

    /// Returns all series.
    ///
    /// # Errors
    /// If the bytes of the list are wrong.
    pub fn all_postings(&self) -> Result<Postings<'_>, Error> {
        self.postings("", "")
    }

    pub(crate) fn postings_at(&self, offset: u64) -> Result<Postings<'_>, Error> {
        let mut list = section(&self.path, &self.bytes, offset)?;
        match take_u32(&mut list) {
            Some(n) if (n as usize).checked_mul(4) == Some(list.len()) => Ok(Postings::new(list)),
            _ => Err(Error::corrupt_at(&self.path, offset, "unexpected postings length")),
        }
    }

    /// Reads series `number` into `out`.
    ///
    /// # Errors
    /// If there is none, or its bytes are wrong.
    pub fn read_series(&self, number: u32, out: &mut SeriesEntry) -> Result<(), Error> {
        self.read(number, out, true)
    }

    /// Reads the labels of series `number` into `out` and leaves its chunks empty.
    ///
    /// # Errors
    /// If there is none, or its bytes are wrong.
    pub fn read_labels(&self, number: u32, out: &mut SeriesEntry) -> Result<(), Error> {
        self.read(number, out, false)
    }

    /// Spells out the labels of a series.
    ///
    /// # Errors
    /// If a symbol is unknown, or names are not sorted.
    pub fn labels(&self, entry: &SeriesEntry) -> Result<Labels, Error> {
        let mut pairs = Vec::with_capacity(entry.labels.len());
        for (name, value) in &entry.labels {
            pairs.push((self.symbol(*name)?, self.symbol(*value)?));
        }
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Error::corrupt(&self.path, "labels of a series are not sorted"));
        }
        Ok(Labels::from_sorted(pairs))
    }

    /// Checks that [`Index::labels`] will spell the labels of a series.
    pub(crate) fn check_labels(&self, entry: &SeriesEntry) -> Result<(), Error> {
        let is_known = |it: u32| match self.format {
            Format::V1 => self.symbols.get(&self.bytes, it).is_some(),
            Format::V2 => (it as usize) < self.symbols.len(),
        };
        // Symbols are numbered in their order.
        let is_sorted = entry.labels.is_sorted_by(|a, b| a.0 < b.0);
        if is_sorted && entry.labels.iter().all(|(name, value)| is_known(*name) && is_known(*value))
        {
            return Ok(());
        }
        Err(Error::corrupt(
            &self.path,
            format!("a series has unknown or unsorted labels: {:?}", entry.labels),
        ))
    }

    /// Returns the number of `symbol`, if the index has it.
    pub(crate) fn find_symbol(&self, symbol: &str) -> Option<u32> {
        match self.format {
            Format::V2 => self.symbols.find(&self.bytes, symbol),
            Format::V1 => {
                self.symbols().find(|(_, it)| *it == symbol.as_bytes()).map(|(number, _)| number)
            }
        }
    }

    fn read(&self, number: u32, out: &mut SeriesEntry, with_chunks: bool) -> Result<(), Error> {
        let offset = match self.format {
            Format::V1 => u64::from(number),
            Format::V2 => u64::from(number) * SERIES_ALIGNMENT,
        };
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let end =
            usize::try_from(self.toc.label_indices).unwrap_or(usize::MAX).min(self.bytes.len());
        let bytes = self.bytes.get(at..end).unwrap_or_default();
        out.decode(bytes, with_chunks)
            .map_err(|it| Error::corrupt_at(&self.path, offset, it.text()))
    }
}
