//! Loading the head while another one takes samples.
//!
//! The young head logs into a new segment, with references above all others. Here the files before that
//! segment are replayed, and then the segment itself, as it grows, until nearly nothing is left. Then, for
//! some milliseconds, no batch is opened; once none is open the rest is replayed, and the loaded head takes
//! the place of the young one, with its log. Nothing has to be logged again: a series that both know keeps its
//! older reference, and whoever comes with the younger one is told that it is not known, as after a restart.
//!
//! If there is a head checkpoint, no young head is needed: the head of the checkpoint knows nearly all series. It
//! *records*: batches are logged into the new segment and not applied, for here they are read anyhow. So the
//! start costs no second index, and references stay what they are. Until the end a series on its pages counts as
//! one with an open batch, which keeps it from being dropped.
//!
//! A sample that the young head took and that is not later than the last one of its series in the files is
//! kept until the end, and then appended to the loaded head as if it came only now: that one takes it as a late
//! sample, if it takes any, and else counts it as out of order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use model::SeriesRef;
use storage::Appender;
use wal::record::DecodeError;
use wal::{Next, Position, Progress, ReadError, Tail};

use super::{Replay, Replayed, Setup};
use crate::exemplars::Exemplars;
use crate::generations::Generations;
use crate::head::apply::as_any;
use crate::head::batch::Other;
use crate::head::checkpoint::Loaded;
use crate::head::chunk_files::ChunkFiles;
use crate::head::out_of_order::OutOfOrder;
use crate::head::{Head, References, WAL_FOLDER};
use crate::sync::{lock, write};
use crate::{OpenError, Options};

/// So long new batches are held back while open ones are awaited.
const PATIENCE: Duration = Duration::from_millis(100);
/// Late samples are appended in batches of so many.
const COMMITTED_TOGETHER: usize = 4096;
/// So long open ones are awaited without holding anything back.
const PAUSE: Duration = Duration::from_secs(1);

/// Loads what is in the files and puts it in the place of the young head of `generations`.
///
/// # Errors
/// As [`Head::open`]; the young head goes on then.
pub(crate) fn load_behind(
    setup: &Setup,
    generations: &Generations,
    live: Live,
) -> Result<Replayed, OpenError> {
    let mut replayed = Replayed::default();
    let young = generations.head();
    let Live { segment, first_ref, progress, loaded } = live;
    let mut replay = match loaded {
        Some(loaded) => Replay::behind(setup, loaded, &generations.loading, &mut replayed)?,
        None => Replay::start(setup, &generations.loading, &mut replayed)?,
    };
    replay.files(Some(segment), false)?;
    replay.late(false)?;
    if first_ref <= replay.last_ref {
        References::forget(setup.directory.as_ref());
        return Err(OpenError::Corrupt {
            path: setup.directory.root().join(WAL_FOLDER),
            reason: format!(
                "the log names series {}, and from {first_ref} on none was to be taken; the next start reads it first",
                replay.last_ref
            ),
        });
    }
    replay.index(first_ref);
    replay.workers.keep_late();
    let from = Position { segment, offset: 0 };
    let folder = Path::new(WAL_FOLDER);
    let mut tail = Tail::new(Arc::clone(&setup.directory), folder, from, Some(progress));
    replay.follow(&mut tail)?;
    let (head, late) = loop {
        let mut current = write(&generations.head);
        if young.open_appenders.wait_for_none(PATIENCE) {
            replay.follow(&mut tail)?;
            let (head, late) = replay.finish(first_ref);
            if Arc::ptr_eq(&head, &young) {
                head.end_recording();
            } else {
                head.take_over(&young);
            }
            *current = Arc::clone(&head);
            break (head, late);
        }
        drop(current);
        young.open_appenders.wait_for_none(PAUSE);
        replay.follow(&mut tail)?;
    };
    append_again(&head, &late);
    Ok(replayed)
}

/// Appends samples that the young head took, not knowing that later ones of their series are in the files.
fn append_again(head: &Arc<Head>, late: &[Other]) {
    let mut n_left_out = 0;
    for some in late.chunks(COMMITTED_TOGETHER) {
        let mut appender: Box<dyn Appender> = Box::new(head.appender());
        let mut n_taken = 0;
        for Other { series, sample } in some {
            let taken = appender.append_any_ref(SeriesRef(*series), as_any(sample));
            n_taken += usize::from(taken.is_ok());
        }
        if let Err(error) = appender.commit() {
            tracing::error!(%error, "late samples could not be logged");
            n_taken = 0;
        }
        n_left_out += some.len() - n_taken;
    }
    if 0 < n_left_out {
        tracing::warn!(
            samples = n_left_out,
            "samples taken while the log was read are older than those in it; left out"
        );
    }
}

/// The log of a young head, from where on it is its own.
pub(crate) struct Live {
    segment: u32,
    /// All its references are this or greater; a page starts with it.
    first_ref: u64,
    progress: Arc<Progress>,
    /// The head checkpoint, whose head is the one that logs there.
    loaded: Option<Loaded>,
}

impl Head {
    /// Opens a head that holds nothing, logs into a new segment, and gives out references from the first
    /// page above `taken` on. Its chunks stay in memory.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn open_young(
        setup: &Setup,
        taken: u64,
        wal_metrics: wal::Metrics,
    ) -> Result<(Arc<Self>, Live), OpenError> {
        // A ring of its own: in the other one older exemplars must come before these.
        let n_max = setup.options.exemplars_max;
        let exemplars = Arc::new(Exemplars::new(n_max, 0, &client::Registry::default()));
        let own = Setup { exemplars, ..setup.clone() };
        let mut head = Self::empty(&own, ChunkFiles::none(Arc::clone(&setup.directory)));
        head.out_of_order = OutOfOrder::refusing(setup.options.out_of_order_window_ms);
        let head = Arc::new(head);
        let live = head.begin_live(setup, taken, wal_metrics, None)?;
        Ok((head, live))
    }

    /// Begins to record with the head of a checkpoint: it knows series, logs into a new segment what comes for
    /// them and for new ones, and leaves it to [`load_behind`] to read that and the log before it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn record(
        setup: &Setup,
        loaded: Loaded,
        taken: u64,
        wal_metrics: wal::Metrics,
    ) -> Result<(Arc<Self>, Live), OpenError> {
        let head = Arc::clone(&loaded.head);
        head.is_recording.store(true, SeqCst);
        let live = head.begin_live(setup, taken, wal_metrics, Some(loaded))?;
        Ok((head, live))
    }

    fn begin_live(
        &self,
        setup: &Setup,
        taken: u64,
        wal_metrics: wal::Metrics,
        loaded: Option<Loaded>,
    ) -> Result<Live, OpenError> {
        let writer = open_log(setup, wal_metrics)?;
        let first_ref = References::first_above(taken);
        let (segment, progress) = (writer.segment(), writer.progress());
        self.last_ref.store(first_ref - 1, SeqCst);
        self.begin_references(first_ref - 1, segment)?;
        *lock(&self.log) = Some(writer);
        Ok(Live { segment, first_ref, progress, loaded })
    }

    /// From now on batches are applied. All that were logged are, and none is open.
    fn end_recording(&self) {
        for (_, page) in self.pages.all() {
            lock(&page).release_all();
        }
        self.is_recording.store(false, SeqCst);
    }

    /// Takes the log and the references of a head that nobody appends to any more.
    fn take_over(&self, young: &Self) {
        self.last_ref.fetch_max(young.last_ref.load(SeqCst), SeqCst);
        self.float_xor2.store(young.float_xor2.load(SeqCst), SeqCst);
        self.out_of_order.inherit(&young.out_of_order);
        *write(&self.references) = Arc::clone(&write(&young.references));
        *lock(&self.log) = lock(&young.log).take();
    }
}

/// Begins a new segment of the log.
pub(super) fn open_log(setup: &Setup, metrics: wal::Metrics) -> Result<wal::Writer, OpenError> {
    let Options { wal_segment_bytes, wal_compression, .. } = setup.options;
    let options = wal::Options { segment_bytes: wal_segment_bytes, compression: wal_compression };
    let (directory, clock) = (Arc::clone(&setup.directory), Arc::clone(&setup.clock));
    wal::Writer::open(directory, Path::new(WAL_FOLDER), options, clock, metrics)
        .map_err(OpenError::io("open WAL"))
}

impl Replay<'_> {
    /// Replays what was logged since.
    fn follow(&mut self, tail: &mut Tail) -> Result<(), OpenError> {
        loop {
            let at = tail.position();
            match tail.next() {
                Ok(Next::CaughtUp) => return Ok(()),
                Ok(Next::Record(it)) => {
                    if !self.loading.is_wanted() {
                        return Err(OpenError::Closed);
                    }
                    let bad = |DecodeError { rule }| corrupt(at, rule);
                    self.record(it.bytes).map_err(bad)?;
                }
                Err(ReadError::Corrupt { segment, offset, rule }) => {
                    return Err(corrupt(Position { segment, offset }, rule));
                }
                Err(ReadError::Io { segment, source }) => {
                    return Err(OpenError::Io {
                        what: format!("read WAL segment: {segment}"),
                        source,
                    });
                }
            }
        }
    }
}

fn corrupt(at: Position, rule: &str) -> OpenError {
    OpenError::Corrupt { path: WAL_FOLDER.into(), reason: format!("corruption at {at}: {rule}") }
}
