//! Upstream's chunk snapshot: the open chunks of the head at a clean end, and where the log goes on.
//!
//! It is written for Prometheus, and read where that left one; our own starts go by the head checkpoint. As with
//! that, whenever there is a doubt it is given up, and the log is replayed: see [`load`].
//!
//! None is written while references of the log stand for others: chunk files and the log of late samples may
//! name series by them, and a snapshot has no place for it.

mod load;

use std::io;
use std::path::Path;
use std::sync::Arc;

use chunk::Value;
use model::{Labels, SeriesRef};
use wal::record::{RefExemplar, Tombstone};
use wal::snapshot::{self, Build, Last, NewestChunk, SeriesEntry};
use wal::{Position, WriteError};

use super::Head;
use super::index::{Index, Key};
use super::open::{Open, Rare};
use super::series::page_of;
use crate::sync::{lock, read};
pub(super) use load::{FromSnapshot, load_snapshot, remove_snapshots};

/// Records are written together up to this size.
const WRITE_BYTES: usize = 1 << 20;
/// As upstream.
const EXEMPLARS_TOGETHER: usize = 10_000;

/// A snapshot on its way to the disk.
struct Records {
    build: Build,
    waiting: Vec<Vec<u8>>,
    n_bytes: usize,
}

impl Records {
    fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut record = Vec::new();
        put(&mut record);
        self.n_bytes += record.len();
        self.waiting.push(record);
        if WRITE_BYTES < self.n_bytes { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let records: Vec<&[u8]> = self.waiting.iter().map(|it| &it[..]).collect();
        self.build.log(&records).map_err(|WriteError { source, .. }| source)?;
        self.waiting.clear();
        self.n_bytes = 0;
        Ok(())
    }
}

impl Head {
    /// Writes the snapshot of this head, whose log was closed with its end at `at`. False if there is none to be
    /// written.
    ///
    /// # Errors
    /// If the disk refuses; an older snapshot stays then.
    pub(crate) fn write_snapshot(&self, at: Position) -> io::Result<bool> {
        let (directory, root) = (Arc::clone(&self.directory), Path::new(""));
        let is_there = snapshot::last(directory.as_ref(), root)?.is_some_and(|it| it.at == at);
        if is_there || !lock(&self.aliases).is_empty() {
            return Ok(false);
        }
        let build = Build::new(directory, root, at, self.wal_options, Arc::clone(&self.clock))?;
        let mut records = Records { build, waiting: Vec::new(), n_bytes: 0 };
        let index = read(&self.index);
        self.put_series(&index, &mut records)?;
        let deletions = self.deletions.all().into_iter();
        let stones = deletions.map(|(series, it)| Tombstone {
            series: SeriesRef(series),
            mint: it.mint,
            maxt: it.maxt,
        });
        records.add(|out| snapshot::put_tombstones(out, stones))?;
        for some in self.known_exemplars(&index).chunks(EXEMPLARS_TOGETHER) {
            records.add(|out| snapshot::put_exemplars(out, some))?;
        }
        records.flush()?;
        records.build.finish().map(|_| true)
    }

    fn put_series(&self, index: &Index, records: &mut Records) -> io::Result<()> {
        for (number, page) in self.pages.all() {
            let page = lock(&page);
            for series in page.refs(number) {
                let record = page.get(series).expect("just listed");
                let labels = index.labels(page.key(record));
                let chunk = record.open.as_ref().map(newest);
                let entry = SeriesEntry { series: SeriesRef(series), labels, chunk };
                records.add(|out| snapshot::put_series(out, &entry))?;
            }
        }
        Ok(())
    }

    /// Exemplars of series that are in the head.
    fn known_exemplars(&self, index: &Index) -> Vec<RefExemplar> {
        let mut key = Key::default();
        let all = self.exemplars.all().into_iter();
        all.filter_map(|it| {
            let series = SeriesRef(self.find_exact(index, &it.series, &mut key)?);
            Some(RefExemplar { series, t: it.t, v: it.v, labels: it.labels })
        })
        .collect()
    }

    fn find_exact(&self, index: &Index, labels: &Labels, key: &mut Key) -> Option<u64> {
        if !index.find_key(labels, key) {
            return None;
        }
        let key = key.as_bytes();
        let has_key = |series| {
            self.pages.find(page_of(series)).is_some_and(|page| lock(&page).has_key(series, key))
        };
        index.find(key, has_key)
    }
}

fn newest(open: &Open) -> NewestChunk<'_> {
    let chunk = open.as_data();
    let last = match open {
        Open::Float(it) => Last::Float(it.last_v()),
        Open::Rare(rare) => match &**rare {
            Rare::Xor2(it) => Last::Float(it.last_v()),
            Rare::Histogram(it) => last_histogram(it),
        },
    };
    NewestChunk {
        mint: open.first_t(),
        maxt: open.last_t(),
        encoding: chunk.encoding.byte(),
        data: chunk.data,
        last,
    }
}

fn last_histogram(open: &chunk::OpenHistogram) -> Last {
    let mut samples = Vec::new();
    chunk::decode_samples(open.as_data(), open.last_t(), i64::MAX, &mut samples)
        .expect("an open chunk is sound");
    match samples.pop().expect("an open chunk has samples").value {
        Value::Float(v) => Last::Float(v),
        Value::Histogram(it) => Last::Histogram(it),
        Value::FloatHistogram(it) => Last::FloatHistogram(it),
    }
}
