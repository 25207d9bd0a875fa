//! The head as the files describe it: mapped chunks, then checkpoint, then log.
//!
//! A sample that a mapped chunk of its series holds already is passed over, and so is one that is in a
//! block. Postings are built at the end, in the order of references, because the log may name series in
//! any order.
//!
//! [`Head::open`] replays all, then returns. [`load_behind`] replays while another head, the young one, takes
//! samples into a new segment of the same log; see [`behind`].

mod behind;
mod chunks;
mod damage;
mod extras;
mod histograms;
mod workers;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, RwLock};

use block::Interval;
use model::{Labels, SeriesRef};
use stdx::{Clock, Directory};
use storage::Samples;
use wal::record::{self, DecodeError, Kind, RefSample, Tombstone};
use wal::{Position, Reader, checkpoint, segment};

use super::appender::OpenAppenders;
use super::batch::Other;
use super::checkpoint::{Doubt, Found, Loaded};
use super::chunk_files::{ChunkFiles, Entry};
use super::chunk_snapshot::{FromSnapshot, load_snapshot, remove_snapshots};
use super::deletion::Deletions;
use super::index::{Index, Key};
use super::isolation::Isolation;
use super::out_of_order::{LateReplay, OutOfOrder};
use super::series::{Pages, page_of};
use super::{Head, References, WAL_FOLDER, metadata};
use crate::exemplars::Exemplars;
use crate::generations::Loading;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::sync::{lock, write};
use crate::{OpenError, Options};
use behind::open_log;
pub(crate) use behind::{Live, load_behind};
pub(in crate::head) use chunks::{NewChunks, attach_newer};
use damage::Bad;
pub(crate) use damage::{read_records, repair};
use extras::Extras;
use workers::Workers;

/// What replay found. Each loss names its place.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) n_samples: u64,
    pub(crate) n_unknown_series: u64,
    pub(crate) n_unknown_samples: u64,
    pub(crate) n_unknown_tombstones: u64,
    /// What was cut off, and where.
    pub(crate) repairs: Vec<String>,
    pub(crate) n_wal_corruptions: u64,
}

/// What a head is opened with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) memory: Arc<Memory>,
    pub(crate) exemplars: Arc<Exemplars>,
    /// Blocks hold what is older.
    pub(crate) min_valid: i64,
    /// Repair nothing, write nothing.
    pub(crate) read_only: bool,
    /// May be used instead of what was logged before it.
    pub(crate) checkpoint: Option<Found>,
}

impl Head {
    /// Opens the head: loads mapped chunks, replays the log, and begins a new segment of it.
    ///
    /// # Errors
    /// If the disk refuses, or something is damaged that must not be repaired by guessing.
    pub(crate) fn open(
        setup: &Setup,
        wal_metrics: wal::Metrics,
        loading: &Loading,
    ) -> Result<(Arc<Self>, Replayed), OpenError> {
        let mut replayed = Replayed::default();
        let mut replay = Replay::start(setup, loading, &mut replayed)?;
        replay.files(None, setup.read_only)?;
        replay.late(setup.read_only)?;
        replay.index(u64::MAX);
        let (head, _) = replay.finish(u64::MAX);
        if !setup.read_only {
            let writer = open_log(setup, wal_metrics)?;
            head.begin_references(head.last_ref.load(SeqCst), writer.segment())?;
            *lock(&head.log) = Some(writer);
        }
        Ok((head, replayed))
    }

    fn begin_references(&self, taken: u64, segment: u32) -> Result<(), OpenError> {
        let references = References::start(Arc::clone(&self.directory), taken, segment)
            .map_err(OpenError::io("set series references aside"))?;
        *write(&self.references) = Arc::new(references);
        Ok(())
    }

    pub(super) fn empty(setup: &Setup, chunk_files: ChunkFiles) -> Self {
        let Options { block_range_min_ms, wal_segment_bytes, wal_compression, .. } = setup.options;
        Self {
            directory: Arc::clone(&setup.directory),
            clock: Arc::clone(&setup.clock),
            metrics: setup.metrics.clone(),
            memory: Arc::clone(&setup.memory),
            chunk_range_ms: block_range_min_ms,
            wal_options: wal::Options {
                segment_bytes: wal_segment_bytes,
                compression: wal_compression,
            },
            index: RwLock::new(Index::default()),
            pages: Pages::default(),
            last_ref: AtomicU64::new(0),
            references: RwLock::new(Arc::new(References::unlimited())),
            log: Mutex::new(None),
            unlogged: Mutex::default(),
            chunk_files,
            deletions: Deletions::default(),
            out_of_order: OutOfOrder::new(setup.options.out_of_order_window_ms),
            isolation: Arc::new(Isolation::default()),
            is_recording: AtomicBool::new(false),
            is_evicting: AtomicBool::new(false),
            mint: AtomicI64::new(i64::MAX),
            maxt: AtomicI64::new(i64::MIN),
            min_valid: AtomicI64::new(setup.min_valid),
            blocks_end: AtomicI64::new(setup.min_valid),
            truncating_below: AtomicI64::new(setup.min_valid),
            aliases: Mutex::default(),
            exemplars: Arc::clone(&setup.exemplars),
            metadata: metadata::Known::new(setup.options.log_metadata),
            stores_starts: setup.options.store_starts,
            histogram_starts: setup.options.store_starts && setup.options.histogram_starts,
            float_xor2: AtomicBool::new(setup.options.float_xor2),
            pool: Mutex::default(),
            open_appenders: OpenAppenders::default(),
            committing: RwLock::default(),
            newest_checkpoint: Mutex::default(),
        }
    }
}

fn read_error(error: &storage::ReadError) -> OpenError {
    match error {
        storage::ReadError::Corrupt { place, reason } => {
            OpenError::Corrupt { path: place.into(), reason: reason.clone() }
        }
        other => OpenError::Io {
            what: "open head chunk files".to_owned(),
            source: std::io::Error::other(other.to_string()),
        },
    }
}

/// Loads the head checkpoint; `None` without one, or if there is a doubt about it: it is gone then.
pub(crate) fn load_checkpoint(setup: &Setup) -> Result<Option<Loaded>, OpenError> {
    let Some(found) = &setup.checkpoint else { return Ok(None) };
    let start = setup.clock.monotonic();
    match Loaded::read(setup, found) {
        Ok(loaded) => {
            let seconds = (setup.clock.monotonic() - start).as_secs_f64();
            let Loaded { n_series, n_bytes, .. } = loaded;
            let segment = found.start.segment;
            setup.metrics.head_checkpoint.loaded.set(1.0);
            tracing::info!(
                segment,
                series = n_series,
                bytes = n_bytes,
                seconds,
                "head checkpoint loaded"
            );
            Ok(Some(loaded))
        }
        Err(Doubt(why)) => {
            found
                .discard(setup.directory.as_ref(), &why)
                .map_err(OpenError::io("remove a head checkpoint"))?;
            Ok(None)
        }
    }
}

/// Opens an empty head, and all mapped chunks, which wait for their series.
fn load_chunks(setup: &Setup) -> Result<Loaded, OpenError> {
    let directory = Arc::clone(&setup.directory);
    let mut found = NewChunks::new(setup.min_valid);
    let (chunk_files, repaired) =
        ChunkFiles::open(directory, setup.read_only, None, |it| found.take(it))
            .map_err(|error| read_error(&error))?;
    let (mapped, late) = found.finish();
    let head = Arc::new(Head::empty(setup, chunk_files));
    let aliases = HashMap::new();
    Ok(Loaded { head, mapped, late, aliases, repaired, n_series: 0, n_bytes: 0 })
}

struct Replay<'a> {
    head: Arc<Head>,
    loading: &'a Loading,
    /// Where replay of the log begins, if a head checkpoint or a snapshot stands for what is before.
    from: Option<Position>,
    /// Bytes of the head checkpoint; 0 without one.
    checkpoint_bytes: u64,
    /// Chunks of `chunks_head`, by series and then in file order; those behind the head checkpoint.
    mapped: Vec<Entry>,
    late: LateReplay,
    /// Deletions beyond what their series had in order.
    of_late: Vec<(u64, Interval)>,
    aliases: HashMap<u64, u64>,
    last_ref: u64,
    min_valid: i64,
    workers: Workers,
    extras: Extras,
    key: Key,
    replayed: &'a mut Replayed,
}

impl<'a> Replay<'a> {
    /// Loads the head checkpoint, if there is one, or else a snapshot, or else mapped chunks into a head that has
    /// no series yet.
    fn start(
        setup: &Setup,
        loading: &'a Loading,
        replayed: &'a mut Replayed,
    ) -> Result<Self, OpenError> {
        if let Some(loaded) = load_checkpoint(setup)? {
            return Self::behind(setup, loaded, loading, replayed);
        }
        match load_snapshot(setup)? {
            Some(FromSnapshot { loaded, at, last_ref }) => {
                Self::of(setup, loaded, Some((at, last_ref)), loading, replayed)
            }
            None => Self::of(setup, load_chunks(setup)?, None, loading, replayed),
        }
    }

    /// Goes on from a head checkpoint, the one of `setup`.
    fn behind(
        setup: &Setup,
        loaded: Loaded,
        loading: &'a Loading,
        replayed: &'a mut Replayed,
    ) -> Result<Self, OpenError> {
        let start = setup.checkpoint.as_ref().map(|it| it.start);
        let from = start.map(|it| (Position { segment: it.segment, offset: 0 }, it.last_ref));
        Self::of(setup, loaded, from, loading, replayed)
    }

    /// `from`: where the log goes on, and the greatest reference before it.
    fn of(
        setup: &Setup,
        loaded: Loaded,
        from: Option<(Position, u64)>,
        loading: &'a Loading,
        replayed: &'a mut Replayed,
    ) -> Result<Self, OpenError> {
        let Loaded { head, mapped, late, aliases, repaired, n_bytes, .. } = loaded;
        if let Some(it) = repaired {
            setup.metrics.mmap_corruptions.inc();
            replayed.repairs.push(format!("{} at {}: {}", it.path.display(), it.offset, it.rule));
        }
        let last_ref = mapped.last().map_or(0, |it| it.series);
        let workers = Workers::start(&head).map_err(OpenError::io("start replaying"))?;
        let mut replay = Self {
            head,
            loading,
            from: from.map(|it| it.0),
            checkpoint_bytes: n_bytes,
            mapped,
            late,
            of_late: Vec::new(),
            aliases,
            last_ref: from.map_or(last_ref, |it| last_ref.max(it.1)),
            min_valid: setup.min_valid,
            workers,
            extras: Extras::default(),
            key: Key::default(),
            replayed,
        };
        if from.is_some() {
            replay.attach_newer();
        }
        Ok(replay)
    }

    /// Replays the newest checkpoint of the log and the segments behind it, or what nothing stands for. Segments from `live` on are left out.
    fn files(&mut self, live: Option<u32>, read_only: bool) -> Result<(), OpenError> {
        let folder = Path::new(WAL_FOLDER);
        let directory = Arc::clone(&self.head.directory);
        let mut from = match self.from {
            Some(from) => from,
            None => Position { segment: self.folded()?, offset: 0 },
        };
        let first = from.segment;
        let numbers = segment::list(directory.as_ref(), folder)
            .map_err(OpenError::io("list WAL segments"))?;
        let old = numbers.iter().copied().take_while(|n| live.is_none_or(|live| *n < live));
        let old: Vec<u32> = old.collect();
        self.note_behind(first, &old);
        let Some(last) = old.last().copied().filter(|last| first <= *last) else {
            return Ok(());
        };
        self.loading.begin(first, last);
        if !numbers.contains(&first) {
            let reason = format!("open WAL segment: {first}: no such file");
            return Err(OpenError::Corrupt {
                path: directory.root().join(segment::path(folder, first)),
                reason,
            });
        }
        loop {
            let mut reader = Reader::from(Arc::clone(&directory), folder, from, last);
            let Some(bad) = self.records(&mut reader)? else { return Ok(()) };
            drop(reader);
            if !read_only {
                // Of what they say where the log goes on, nothing may be left.
                remove_snapshots(directory.as_ref())?;
            }
            from = repair(directory.as_ref(), folder, &bad, read_only, self.replayed)?;
        }
    }

    /// Tells the head how much of the log is replayed.
    fn note_behind(&self, first: u32, segments: &[u32]) {
        let size = |n: &u32| {
            let path = segment::path(Path::new(WAL_FOLDER), *n);
            self.head.directory.size(&path).unwrap_or(0)
        };
        let behind = match self.checkpoint_bytes {
            0 => self.head.wal_bytes(),
            _ => segments.iter().filter(|n| first <= **n).map(size).sum(),
        };
        self.head.note_loaded(self.checkpoint_bytes, behind);
    }

    /// Replays the newest checkpoint of the log; returns the number of the first segment behind it.
    fn folded(&mut self) -> Result<u32, OpenError> {
        let folder = Path::new(WAL_FOLDER);
        let directory = Arc::clone(&self.head.directory);
        let found = checkpoint::last(directory.as_ref(), folder)
            .map_err(OpenError::io("find checkpoint"))?;
        let Some(found) = found else { return Ok(0) };
        let mut reader = checkpoint::open(Arc::clone(&directory), &found)
            .map_err(OpenError::io("open checkpoint"))?;
        if let Some(bad) = self.records(&mut reader)? {
            // All series of the log may hang on it, so nothing is thrown away here.
            let path = segment::path(&found.folder, bad.segment);
            let reason = format!("corruption at {}: {}", bad.offset, bad.rule);
            return Err(OpenError::Corrupt { path: directory.root().join(path), reason });
        }
        Ok(found.index + 1)
    }

    /// Replays the log of out-of-order samples.
    fn late(&mut self, read_only: bool) -> Result<(), OpenError> {
        self.workers.wait();
        self.late.log(&self.head, &self.aliases, self.loading, read_only, self.replayed)?;
        self.last_ref = self.last_ref.max(self.late.last_ref);
        self.delete_late();
        Ok(())
    }

    /// Replays records until the end or until one that is bad.
    fn records(&mut self, reader: &mut Reader) -> Result<Option<Bad>, OpenError> {
        let loading = self.loading;
        read_records(reader, |segment| loading.reach(segment), |bytes| self.record(bytes))
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let Some((kind, body)) = record::split(bytes) else { return Ok(()) };
        match kind {
            Kind::Series => record::series(body, |series, labels| self.series(series.0, &labels)),
            Kind::Samples => record::samples(body, |it| self.sample(it)),
            Kind::SamplesV2 => record::samples_v2(body, |it, st| self.sample_with_start(it, st)),
            Kind::Tombstones => {
                self.workers.wait();
                record::tombstones(body, |it| self.tombstone(it))
            }
            Kind::Exemplars => record::exemplars(body, |it| self.exemplar(it)),
            Kind::Metadata => record::metadata(body, |series, it| self.metadata(series, it)),
            Kind::Histograms | Kind::CustomHistograms | Kind::HistogramsV2 => {
                self.histograms(kind, body)
            }
            Kind::FloatHistograms | Kind::CustomFloatHistograms | Kind::FloatHistogramsV2 => {
                self.float_histograms(kind, body)
            }
            // Of the log of out-of-order samples only.
            _ => Ok(()),
        }
    }

    fn series(&mut self, series: u64, labels: &Labels) {
        if labels.is_empty() || series == 0 || 1 << 40 <= series {
            return;
        }
        self.last_ref = self.last_ref.max(series);
        let mut key = std::mem::take(&mut self.key);
        let target = self.place(series, labels, &mut key);
        self.key = key;
        if let Some(target) = target {
            self.attach(series, target);
            self.late.attach(&self.head, series, target);
        }
    }

    /// Finds or makes the series for a reference of the log. `None` if there is nothing to attach.
    fn place(&mut self, series: u64, labels: &Labels, key: &mut Key) -> Option<u64> {
        let mut index = write(&self.head.index);
        index.make_key(labels, key);
        let key = key.as_bytes();
        let page_has = |it: u64| {
            self.head.pages.find(page_of(it)).is_some_and(|page| lock(&page).has_key(it, key))
        };
        let target = match index.find(key, page_has) {
            Some(found) if found != series => {
                self.aliases.insert(series, found);
                found
            }
            Some(_) => return None,
            None => {
                let page = self.head.pages.make(page_of(series));
                let mut page = lock(&page);
                if page.get(series).is_some() {
                    // The reference is taken by other labels: nothing that follows can be told apart.
                    return None;
                }
                page.insert(series, key);
                index.insert(key, series);
                series
            }
        };
        Some(target)
    }

    fn sample(&mut self, mut it: RefSample) {
        self.take_note_of(it.series.0);
        if it.t < self.min_valid {
            return;
        }
        if !self.aliases.is_empty() {
            it.series.0 = self.aliases.get(&it.series.0).copied().unwrap_or(it.series.0);
        }
        self.workers.push(it);
    }

    /// Lets a reference, even if its series is lost, not name another one that comes later.
    fn take_note_of(&mut self, series: u64) {
        if series < 1 << 40 {
            self.last_ref = self.last_ref.max(series);
        }
    }

    /// Takes a deletion. All that was logged before it must be appended: it ends where its series did then, as
    /// a later sample is not concerned. If the log lost what it was to delete, it would hide what comes in its place.
    fn tombstone(&mut self, it: Tombstone) {
        let Tombstone { series: SeriesRef(logged), mint, maxt } = it;
        self.take_note_of(logged);
        let series = self.aliases.get(&logged).copied().unwrap_or(logged);
        let is_removal = (mint, maxt) == (i64::MIN, i64::MAX);
        let Some(last) = self.last_in_order(series) else {
            // What is to be removed may be missing: a checkpoint leaves it out.
            self.replayed.n_unknown_tombstones += u64::from(!is_removal && self.min_valid <= maxt);
            return;
        };
        if is_removal {
            return self.unlink(series);
        }
        if mint <= last {
            // What concerns nothing goes at the end.
            self.head.deletions.add(series, Interval { mint, maxt: maxt.min(last) });
        }
        if last < maxt {
            // Of late samples, which are read later.
            self.of_late.push((series, Interval { mint: mint.max(last.saturating_add(1)), maxt }));
        }
    }

    /// Deletes what was put off until all late samples are there: those, and none that came in order since.
    fn delete_late(&mut self) {
        for (series, Interval { mint, maxt }) in std::mem::take(&mut self.of_late) {
            let mut found = Samples::default();
            if let Some(late) = self.head.late(series, mint, maxt) {
                // What cannot be read is not shown, deleted or not.
                let _ = late.read(&self.head, (mint, maxt), &mut found);
            }
            for t in found.t.into_iter().chain(found.histogram_t) {
                self.head.deletions.add(series, Interval { mint: t, maxt: t });
            }
        }
    }

    /// When a series has its last sample in order, `i64::MIN` without any; `None` if it is not known.
    fn last_in_order(&self, series: u64) -> Option<i64> {
        let page = self.head.pages.find(page_of(series))?;
        let page = lock(&page);
        let record = page.get(series)?;
        Some(page.last_t(record).unwrap_or(i64::MIN))
    }

    /// Takes a series out whose samples are in a block: a later one with the same labels is a new one. Its
    /// record goes with the first truncation, as it is empty.
    fn unlink(&mut self, series: u64) {
        self.workers.wait();
        let Some(page) = self.head.pages.find(page_of(series)) else { return };
        let mut page = lock(&page);
        page.set_finished(series, std::iter::empty());
        page.late.remove(series);
        page.close_open(series);
        let Some(record) = page.get(series) else { return };
        let key = page.key(record).to_vec();
        drop(page);
        write(&self.head.index).remove(&key, series);
        self.head.deletions.remove(series);
    }

    /// Builds postings of the series below the reference `live`, which starts a page, and drops what is not
    /// needed.
    fn index(&mut self, live: u64) {
        self.workers.wait();
        self.add_postings(0..page_of(live));
        // Series that were removed are known until they are dropped.
        let n_unknown = self.count_unknown();
        self.head.drop_unused(self.min_valid);
        self.replayed.n_unknown_series = n_unknown;
        self.head.metrics.unknown_series.add(n_unknown);
    }

    /// Adds the series on these pages to the postings; no later one may be there yet.
    fn add_postings(&self, pages: Range<u64>) {
        let mut all = self.head.pages.all();
        all.retain(|(n, _)| pages.contains(n));
        let each_key = |each: &mut dyn FnMut(&[u8], u64)| {
            for (n, page) in &all {
                let page = lock(page);
                for series in page.refs(*n) {
                    each(page.key(page.get(series).expect("just listed")), series);
                }
            }
        };
        let mut index = write(&self.head.index);
        index.reserve_postings(each_key);
        each_key(&mut |key, series| index.add_postings(key, series));
    }

    /// Ends the replay. Series from the reference `live` on, which starts a page, came after
    /// [`Replay::index`]. Returns what the workers were told to keep.
    fn finish(self, live: u64) -> (Arc<Head>, Vec<Other>) {
        let mut this = self;
        this.workers.wait();
        this.delete_late();
        this.add_postings(page_of(live)..u64::MAX);
        let Self { head, aliases, last_ref, workers, replayed, .. } = this;
        let done = workers.finish();
        head.widen(done.applied.mint, done.applied.maxt);
        replayed.n_samples = done.applied.n.iter().sum();
        replayed.n_unknown_samples += done.n_unknown.iter().sum::<u64>();
        head.last_ref.fetch_max(last_ref, SeqCst);
        for kind in 0..2 {
            head.metrics.unknown_samples[kind].add(done.n_unknown[kind]);
        }
        head.metrics.unknown_tombstones.add(replayed.n_unknown_tombstones);
        head.metrics.wal_corruptions.add(replayed.n_wal_corruptions);
        *lock(&head.aliases) = aliases;
        (head, done.late.unwrap_or_default())
    }
}
