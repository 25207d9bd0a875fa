//! Reading a snapshot into a head.
//!
//! It stands for the log before its position. That must be there, not folded beyond, and all that is beside the
//! log must be of series that the snapshot has: what it lacks is found in the log only.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use block::Interval;
use chunk::{ChunkData, Encoding};
use model::Labels;
use stdx::Directory;
use wal::record::{RefExemplar, Tombstone};
use wal::snapshot::{self, Entry, Found, NewestChunk, SeriesEntry};
use wal::{Position, checkpoint, segment};

use super::super::checkpoint::{Doubt, Loaded};
use super::super::chunk_files::{self, ChunkFiles};
use super::super::index::{Index, Key};
use super::super::open::Open;
use super::super::out_of_order::{LateReplay, has_log};
use super::super::replay::{NewChunks, Setup, attach_newer};
use super::super::series::page_of;
use super::super::{Head, References, WAL_FOLDER};
use crate::OpenError;
use crate::exemplars::Stored;
use crate::sync::{lock, write};

/// A head as a snapshot has it, with all mapped chunks.
pub(in crate::head) struct FromSnapshot {
    pub(in crate::head) loaded: Loaded,
    /// Where the log goes on.
    pub(in crate::head) at: Position,
    /// The greatest reference that the snapshot, or the log before it, has.
    pub(in crate::head) last_ref: u64,
}

/// Loads the newest snapshot; `None` without one, if none is wanted, or if there is a doubt about it: it is gone
/// then.
pub(in crate::head) fn load_snapshot(setup: &Setup) -> Result<Option<FromSnapshot>, OpenError> {
    if !setup.options.snapshot_at_close || setup.read_only {
        return Ok(None);
    }
    let (directory, root) = (setup.directory.as_ref(), Path::new(""));
    let io = OpenError::io("look for a chunk snapshot");
    let Some(found) = snapshot::last(directory, root).map_err(io)? else { return Ok(None) };
    let path = found.folder.display();
    match read(setup, &found) {
        Ok(it) => {
            tracing::info!(%path, series = it.loaded.n_series, "chunk snapshot loaded");
            Ok(Some(it))
        }
        Err(Doubt(why)) => {
            setup.metrics.snapshot_replay_errors.inc();
            tracing::warn!(%path, why, "chunk snapshot given up: the log is replayed instead");
            remove_snapshots(directory)?;
            Ok(None)
        }
    }
}

/// Removes all snapshots: the log is no longer what they go with.
///
/// # Errors
/// If the disk refuses.
pub(in crate::head) fn remove_snapshots(directory: &dyn Directory) -> Result<(), OpenError> {
    let end = Position { segment: u32::MAX, offset: u64::MAX };
    snapshot::remove_before(directory, Path::new(""), end)
        .map_err(OpenError::io("remove a chunk snapshot"))
}

fn read(setup: &Setup, found: &Found) -> Result<FromSnapshot, Doubt> {
    let directory = &setup.directory;
    if let Some(why) = why_not(directory.as_ref(), found.at)? {
        return Err(why.into());
    }
    let taken = taken_before(directory, found.at)?;
    let mut chunks = NewChunks::new(setup.min_valid);
    let (chunk_files, repaired) =
        ChunkFiles::open(Arc::clone(directory), false, None, |it| chunks.take(it))
            .map_err(|error| Doubt(error.to_string()))?;
    let head = Arc::new(Head::empty(setup, chunk_files));
    let mut loading = Loading::new(&head, setup.min_valid);
    let mut reader = snapshot::open(Arc::clone(directory), found)?;
    while let Some(record) = reader.next().map_err(|error| Doubt(error.to_string()))? {
        let entry = snapshot::decode(record.bytes).map_err(|error| Doubt(error.rule.to_owned()))?;
        loading.take(entry)?;
    }
    let (n_series, last_ref) = (loading.n_series, loading.last_ref);
    let late = loading.finish(chunks)?;
    let (mapped, aliases) = (Vec::new(), HashMap::new());
    let loaded = Loaded { head, mapped, late, aliases, repaired, n_series, n_bytes: 0 };
    Ok(FromSnapshot { loaded, at: found.at, last_ref: last_ref.max(taken) })
}

/// Why the other files do not go with a snapshot.
fn why_not(directory: &dyn Directory, at: Position) -> Result<Option<&'static str>, Doubt> {
    let folder = Path::new(WAL_FOLDER);
    let folded = checkpoint::last(directory, folder)?.map(|it| it.index);
    let segments = segment::list(directory, folder)?;
    Ok(if folded.is_some_and(|it| at.segment <= it) {
        Some("the log was folded beyond it")
    } else if !segments.contains(&at.segment) {
        Some("the segment of the log at which it ends is gone")
    } else if directory.size(&segment::path(folder, at.segment))? < at.offset {
        Some("the log is shorter than it was")
    } else if has_log(directory) {
        Some("samples out of order may be of series that only the log tells apart")
    } else {
        None
    })
}

/// A reference that none in the log before a place is above. A series that is gone from the head is not in the
/// snapshot, and still no other one may have its reference.
fn taken_before(directory: &Arc<dyn Directory>, at: Position) -> Result<u64, Doubt> {
    if References::taken(directory).is_some() {
        // Known without the log; whoever asked for it has set it aside.
        return Ok(0);
    }
    References::taken_before(directory, at).ok_or_else(|| "the log before it is damaged".into())
}

/// What is gathered until the end.
struct Loading<'a> {
    head: &'a Head,
    min_valid: i64,
    index: Index,
    key: Key,
    exemplars: Vec<RefExemplar>,
    n_series: u64,
    last_ref: u64,
    /// The record of deletions was there, which no snapshot is without.
    has_deletions: bool,
}

impl<'a> Loading<'a> {
    fn new(head: &'a Head, min_valid: i64) -> Self {
        Self {
            head,
            min_valid,
            index: Index::default(),
            key: Key::default(),
            exemplars: Vec::new(),
            n_series: 0,
            last_ref: 0,
            has_deletions: false,
        }
    }

    fn take(&mut self, entry: Entry<'_>) -> Result<(), Doubt> {
        match entry {
            Entry::Series(it) => self.series(&it)?,
            Entry::Tombstones(all) => {
                self.has_deletions = true;
                all.iter().for_each(|it| self.deletion(it));
            }
            Entry::Exemplars(all) => self.exemplars.extend(all),
        }
        Ok(())
    }

    fn series(&mut self, it: &SeriesEntry<'_>) -> Result<(), Doubt> {
        let series = it.series.0;
        if series == 0 || 1 << 40 <= series || it.labels.is_empty() {
            return Err("a series has no labels, or a reference that it cannot have".into());
        }
        self.index.make_key(&it.labels, &mut self.key);
        let key = self.key.as_bytes();
        let pages = &self.head.pages;
        let has_key =
            |series| pages.find(page_of(series)).is_some_and(|it| lock(&it).has_key(series, key));
        if self.index.find(key, has_key).is_some() {
            return Err("it has a series twice".into());
        }
        let page = pages.make(page_of(series));
        let mut page = lock(&page);
        if page.has(series) {
            return Err("it has a reference twice".into());
        }
        page.insert(series, key);
        self.index.insert(key, series);
        self.n_series += 1;
        self.last_ref = self.last_ref.max(series);
        if let Some(chunk) = it.chunk.as_ref().filter(|it| self.min_valid <= it.maxt) {
            let open = resume(chunk).ok_or("a chunk is not what it is said to be")?;
            self.head.widen(chunk.mint, chunk.maxt);
            page.set_open(series, open);
        }
        Ok(())
    }

    fn deletion(&self, it: &Tombstone) {
        let Tombstone { series, mint, maxt } = *it;
        if self.has(series.0) {
            self.head.deletions.add(series.0, Interval { mint, maxt });
        }
    }

    fn has(&self, series: u64) -> bool {
        self.head.pages.find(page_of(series)).is_some_and(|page| lock(&page).has(series))
    }

    /// Puts the index, the mapped chunks and the exemplars into the head. Returns what there is of late samples.
    fn finish(mut self, chunks: NewChunks) -> Result<LateReplay, Doubt> {
        if !self.has_deletions {
            return Err("it has no end".into());
        }
        let (mapped, mut late) = chunks.finish();
        for chunks in mapped.chunk_by(|a, b| a.series == b.series) {
            self.attach(chunks)?;
        }
        late.attach_known(self.head);
        if !late.is_attached() {
            return Err("a chunk is of a series that it does not have".into());
        }
        *write(&self.head.index) = std::mem::take(&mut self.index);
        // They are kept beside the head: only now it is sure that this one will be in use.
        self.exemplars();
        Ok(late)
    }

    /// Gives a series its mapped chunks.
    fn attach(&self, chunks: &[chunk_files::Entry]) -> Result<(), Doubt> {
        let page = self.head.pages.find(page_of(chunks[0].series));
        let page = page.ok_or("a chunk is of a series that it does not have")?;
        let mut page = lock(&page);
        for it in chunks {
            if !attach_newer(&mut page, it, self.min_valid) {
                return Err("the chunks of a series do not fit together".into());
            }
            self.head.widen(it.mint, it.maxt);
        }
        Ok(())
    }

    fn exemplars(&self) {
        let mut labels: HashMap<u64, Option<Labels>> = HashMap::new();
        for RefExemplar { series, t, v, labels: own } in &self.exemplars {
            let found = labels.entry(series.0).or_insert_with(|| self.head.labels(series.0));
            if let Some(series) = found.clone().filter(|_| self.min_valid <= *t) {
                self.head.exemplars.restore(&Stored { series, labels: own.clone(), t: *t, v: *v });
            }
        }
    }
}

fn resume(chunk: &NewestChunk<'_>) -> Option<Open> {
    let encoding = Encoding::from_byte(chunk.encoding)?;
    let open = Open::resume(ChunkData { encoding, data: chunk.data })?;
    ((open.first_t(), open.last_t()) == (chunk.mint, chunk.maxt)).then_some(open)
}
