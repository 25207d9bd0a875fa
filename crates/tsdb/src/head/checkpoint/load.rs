//! Reading a checkpoint into a head.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use block::Interval;
use model::Labels;
use stdx::varint::{take_i64, take_u64};

use super::super::chunk_files::{ChunkFiles, Entry, FileEnd, Repaired};
use super::super::out_of_order::LateReplay;
use super::super::pairs::StoredPairs;
use super::super::replay::{NewChunks, Setup};
use super::super::series::{Page, Present, page_of};
use super::super::{Head, Index};
use super::file::{SectionError, SectionReader};
use super::{Found, Kind};
use crate::exemplars::Stored;
use crate::sync::{lock, write};

/// A head as a checkpoint has it, and what chunk files have beyond it.
pub(crate) struct Loaded {
    pub(crate) head: Arc<Head>,
    /// Chunks behind the checkpoint, by series and then in file order.
    pub(crate) mapped: Vec<Entry>,
    pub(crate) late: LateReplay,
    pub(crate) aliases: HashMap<u64, u64>,
    pub(crate) repaired: Option<Repaired>,
    pub(crate) n_series: u64,
    pub(crate) n_bytes: u64,
}

/// Why a checkpoint is not used.
#[derive(Debug)]
pub(crate) struct Doubt(pub(crate) String);

impl From<SectionError> for Doubt {
    fn from(error: SectionError) -> Self {
        Self(match error {
            SectionError::Io(why) => why.to_string(),
            SectionError::Corrupt(why) => why.to_owned(),
        })
    }
}

impl From<io::Error> for Doubt {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Doubt {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// What is gathered until the end is seen.
struct Loading<'a> {
    head: &'a Head,
    present: Present,
    index: Index,
    pairs: StoredPairs,
    /// One past the greatest pair number of a series.
    pairs_end: u64,
    aliases: HashMap<u64, u64>,
    exemplars: Vec<Stored>,
    n_series: u64,
    maxt: Option<i64>,
    end: Option<End>,
}

struct End {
    mint: i64,
    n_series: u64,
    files: Vec<FileEnd>,
}

impl Loaded {
    /// Reads a checkpoint, then the chunks that were written behind it.
    pub(crate) fn read(setup: &Setup, found: &Found) -> Result<Self, Doubt> {
        let directory = Arc::clone(&setup.directory);
        let mut sections = SectionReader::open(directory.as_ref(), &found.path)?;
        let mut chunks = NewChunks::new(setup.min_valid);
        let from = Some(found.start.chunks);
        let (chunk_files, repaired) =
            ChunkFiles::open(directory, setup.read_only, from, |it| chunks.take(it))
                .map_err(|error| Doubt(error.to_string()))?;
        let (mapped, late) = chunks.finish();
        let head = Arc::new(Head::empty(setup, chunk_files));
        let mut loading = Loading::new(&head, setup.min_valid);
        loading.index.reserve(found.start.n_series.min(sections.size));
        while let Some((kind, bytes)) = sections.next()? {
            if loading.end.is_some() {
                return Err("something follows its end".into());
            }
            loading.take(kind, bytes)?;
        }
        let (n_series, aliases) = loading.finish()?;
        let n_bytes = sections.size;
        let loaded = Self { head, mapped, late, aliases, repaired, n_series, n_bytes };
        Ok(loaded)
    }
}

impl<'a> Loading<'a> {
    fn new(head: &'a Head, min_valid: i64) -> Self {
        let first_file = head.chunk_files.first().unwrap_or(u32::MAX);
        Self {
            head,
            present: Present { first_file, min_valid },
            index: Index::default(),
            pairs: StoredPairs::default(),
            pairs_end: 0,
            aliases: HashMap::new(),
            exemplars: Vec::new(),
            n_series: 0,
            maxt: None,
            end: None,
        }
    }

    fn take(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), Doubt> {
        let taken = match kind {
            // Read before.
            Kind::Start => Some(()),
            Kind::Page => return self.page(bytes),
            Kind::Names => self.pairs.names(bytes),
            Kind::Pairs => self.pairs.pairs(bytes),
            Kind::Deletions => self.deletions(bytes),
            Kind::Aliases => self.aliases(bytes),
            Kind::Exemplars => self.exemplars(bytes),
            Kind::End => {
                self.end = End::take(bytes);
                self.end.is_some().then_some(())
            }
        };
        taken.ok_or_else(|| Doubt(format!("its section of {kind:?} is malformed")))
    }

    fn page(&mut self, bytes: &[u8]) -> Result<(), Doubt> {
        let (number, page) = Page::restore(bytes, self.present, &mut self.pairs_end)?;
        for series in page.refs(number) {
            let record = page.get(series).expect("just listed");
            self.index.insert(page.key(record), series);
        }
        self.n_series += page.len() as u64;
        self.maxt = self.maxt.max(page.maxt());
        for (mint, maxt) in page.late.spans() {
            self.head.out_of_order.widen(mint, maxt);
        }
        if self.head.pages.add(number, page) { Ok(()) } else { Err("it has a page twice".into()) }
    }

    fn deletions(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let series = take_u64(&mut bytes)?;
            let (mint, maxt) = (take_i64(&mut bytes)?, take_i64(&mut bytes)?);
            let page = self.head.pages.find(page_of(series));
            if page.is_some_and(|it| lock(&it).has(series)) {
                self.head.deletions.add(series, Interval { mint, maxt });
            }
        }
        Some(())
    }

    fn aliases(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            self.aliases.insert(take_u64(&mut bytes)?, take_u64(&mut bytes)?);
        }
        Some(())
    }

    fn exemplars(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let (series, labels) = (take_labels(&mut bytes)?, take_labels(&mut bytes)?);
            let t = take_i64(&mut bytes)?;
            let v = u64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?);
            if self.present.min_valid <= t {
                self.exemplars.push(Stored { series, labels, t, v: f64::from_bits(v) });
            }
        }
        Some(())
    }

    /// Puts the index into the head; returns how many series there are, and the aliases.
    fn finish(mut self) -> Result<(u64, HashMap<u64, u64>), Doubt> {
        let end = self.end.ok_or("it has no end")?;
        if end.n_series != self.n_series {
            return Err("series are missing".into());
        }
        let files = &self.head.chunk_files;
        let is_there = |it: &&FileEnd| self.present.first_file <= it.file;
        if !end.files.iter().filter(is_there).all(|it| files.holds(*it)) {
            return Err("the chunk files are not those that it names".into());
        }
        let pairs = self.pairs.finish();
        if pairs.end() as u64 != self.pairs_end {
            return Err("its label pairs are not those of its series".into());
        }
        self.index.set_pairs(pairs);
        *write(&self.head.index) = self.index;
        // They are kept beside the head: only now it is sure that this one will be in use.
        self.exemplars.iter().for_each(|it| self.head.exemplars.restore(it));
        if let Some(maxt) = self.maxt {
            self.head.widen(end.mint, maxt);
        }
        Ok((self.n_series, self.aliases))
    }
}

impl End {
    fn take(mut bytes: &[u8]) -> Option<Self> {
        let (mint, n_series) = (take_i64(&mut bytes)?, take_u64(&mut bytes)?);
        let mut files = Vec::new();
        while !bytes.is_empty() {
            let mut number = || take_u64(&mut bytes).and_then(|it| u32::try_from(it).ok());
            files.push(FileEnd { file: number()?, len: number()?, tail_crc: number()? });
        }
        Some(Self { mint, n_series, files })
    }
}

fn take_labels(bytes: &mut &[u8]) -> Option<Labels> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for _ in 0..take_u64(bytes)? {
        pairs.push((take_text(bytes)?, take_text(bytes)?));
    }
    pairs.is_sorted_by(|a, b| a.0 < b.0).then(|| Labels::from_sorted(pairs))
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::try_from(take_u64(bytes)?).ok()?;
    std::str::from_utf8(bytes.split_off(..len)?).ok()
}
