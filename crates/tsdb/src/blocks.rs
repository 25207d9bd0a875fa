//! The blocks of a database: finding them, writing and merging them, letting them go.

mod aligned;
mod stale;
mod uploaded;

pub use uploaded::UploadList;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use block::meta::{HINT_OUT_OF_ORDER, HINT_SELECTED_SERIES, HINT_STALE_SERIES};
use block::{Block, ChunkToWrite, Error, Meta, Ulid};
use chunk::cut;
use stdx::Directory;

use crate::compact::{compact, write_block_counting};
use crate::db::Inner;
use crate::head::{Head, HeadRange, What};
use crate::metrics::Metrics;
use crate::plan::{is_overlapping, plan, ranges};
use crate::quarantine::{self, Quarantined};
use crate::retention::{Reason, block_names, deletable, delete_block};
use crate::source::SeriesSource;
use crate::sync::{lock, read, write};

/// What is open. Replaced as a whole, so a query keeps the blocks it began with.
#[derive(Default)]
pub(crate) struct Blocks {
    /// Oldest first.
    open: Arc<[Arc<Block>]>,
    /// Those that cannot be read. They are tried again, and not complained about twice.
    bad: BTreeMap<Ulid, Bad>,
    /// Those whose files changed since they were opened. What is open serves until the new files do.
    changed: BTreeSet<Ulid>,
}

/// Why a block cannot be read.
#[derive(Clone, Debug)]
struct Bad {
    reason: String,
    /// Trying again will not help.
    is_damaged: bool,
}

impl Bad {
    fn new(error: &Error) -> Self {
        let is_damaged = match error {
            Error::Io { source, .. } => source.kind() == ErrorKind::NotFound,
            Error::Corrupt { .. } | Error::Refused(_) => true,
            Error::Interrupted => false,
        };
        Self { reason: error.to_string(), is_damaged }
    }
}

impl Blocks {
    /// Opens blocks that are new in the directory and forgets those that are gone.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub(crate) fn load(
        &mut self,
        directory: &dyn Directory,
        metrics: &Metrics,
    ) -> Result<(), Error> {
        let names = block_names(directory)?;
        let mut open: Vec<Arc<Block>> = Vec::with_capacity(names.len());
        for ulid in &names {
            let known = self.open.iter().find(|it| it.meta().ulid == *ulid).cloned();
            if let Some(known) = known.clone().filter(|_| !self.changed.contains(ulid)) {
                open.push(known);
                continue;
            }
            match (Block::open(directory, &PathBuf::from(ulid.to_string())), known) {
                (Ok(block), _) if block.meta().ulid == *ulid => {
                    self.bad.remove(ulid);
                    self.changed.remove(ulid);
                    open.push(Arc::new(block));
                }
                (Err(_), Some(known)) => open.push(known),
                (Ok(block), _) => {
                    let reason = format!("its name in meta.json is {}", block.meta().ulid);
                    self.complain(*ulid, Bad { reason, is_damaged: true });
                }
                (Err(error), None) => self.complain(*ulid, Bad::new(&error)),
            }
        }
        self.bad.retain(|ulid, _| names.contains(ulid));
        self.changed.retain(|ulid| names.contains(ulid));
        #[expect(clippy::cast_precision_loss, reason = "a number of blocks")]
        metrics.blocks.corrupt.set(self.bad.len() as f64);
        open.sort_by_key(|it| (it.meta().mint, it.meta().maxt));
        self.open = open.into();
        Ok(())
    }

    /// Where the log takes over: the end of the newest block that was cut from the head in order.
    pub(crate) fn in_order_maxt(&self) -> i64 {
        end_of(self.open.iter().map(|it| it.meta()))
    }

    /// Puts a block in the place of the one with its name.
    pub(crate) fn replace(&mut self, block: Arc<Block>) {
        let ulid = block.meta().ulid;
        let put = |it: &Arc<Block>| Arc::clone(if it.meta().ulid == ulid { &block } else { it });
        self.open = self.open.iter().map(put).collect();
    }

    /// Sets damaged blocks aside, and removes those that another block was made of: at the start, when
    /// nobody can be copying them here.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn quarantine(
        &mut self,
        directory: &dyn Directory,
        metrics: &Metrics,
    ) -> Result<(), Error> {
        let parents = self.open.iter().flat_map(|it| &it.meta().compaction.parents);
        let replaced: Vec<Ulid> = parents.map(|it| it.ulid).collect();
        for (ulid, bad) in self.bad.iter().filter(|it| it.1.is_damaged) {
            if replaced.contains(ulid) {
                tracing::info!(block = %ulid, "damaged block removed: another was made of it");
                delete_block(directory, *ulid)?;
            } else {
                let name = quarantine::set_aside(directory, *ulid, &bad.reason)?;
                tracing::error!(block = %ulid, %name, why = %bad.reason, "damaged block set aside");
            }
        }
        self.bad.retain(|_, it| !it.is_damaged);
        #[expect(clippy::cast_precision_loss, reason = "a number of blocks")]
        metrics.blocks.corrupt.set(self.bad.len() as f64);
        Ok(())
    }

    /// Those that are left out, and why.
    pub(crate) fn left_out(&self) -> Vec<Quarantined> {
        let bad = |(ulid, it): (&Ulid, &Bad)| Quarantined {
            name: ulid.to_string(),
            reason: it.reason.clone(),
        };
        self.bad.iter().map(bad).collect()
    }

    fn complain(&mut self, ulid: Ulid, bad: Bad) {
        if !self.bad.contains_key(&ulid) {
            tracing::error!(block = %ulid, why = %bad.reason, "block left out, for it cannot be read");
        }
        self.bad.insert(ulid, bad);
    }
}

impl Inner {
    /// The open blocks, oldest first.
    pub(crate) fn blocks(&self) -> Arc<[Arc<Block>]> {
        Arc::clone(&read(&self.blocks).open)
    }

    /// Where the log takes over.
    pub(crate) fn blocks_end(&self) -> i64 {
        read(&self.blocks).in_order_maxt()
    }

    /// One round of maintenance.
    pub(crate) fn maintain(&self) {
        let Ok(_maintaining) = self.change() else { return };
        if let Err(error) = self.head().sync_finished() {
            tracing::error!(%error, "syncing the head failed");
        }
        // What makes room comes first.
        let done = self.keep_floor().and_then(|()| self.reload());
        if let Err(error) = done.and_then(|()| self.compact()).and_then(|()| self.reload()) {
            self.metrics.blocks.compactions_failed.inc();
            tracing::error!(%error, "compaction failed");
        }
        self.write_due_checkpoint();
    }

    fn compact(&self) -> Result<(), Error> {
        let mut is_cut = false;
        while self.is_cut_due() && !self.is_stopping() {
            if self.is_head_stuck() {
                self.metrics.blocks.compactions_skipped.inc();
                break;
            }
            self.metrics.blocks.compactions_triggered.inc();
            if !self.compact_head()? {
                break;
            }
            is_cut = true;
        }
        if is_cut {
            self.cut_delay.reset();
            self.head().truncate_log(self.head().time_range().0);
            self.compact_late()?;
        }
        self.compact_stale()?;
        self.compact_blocks()
    }

    /// True if a block is to be cut from the head now.
    fn is_cut_due(&self) -> bool {
        self.head().is_compactable() && self.cut_delay.is_over(self.clock.monotonic())
    }

    /// Turns the oldest range of the head into a block. False if the database is being closed.
    fn compact_head(&self) -> Result<bool, Error> {
        let head = self.head();
        let mint = head.time_range().0;
        let maxt = cut::range_end(mint, head.chunk_range_ms);
        if !head.wait_for_appenders_before(maxt, &|| self.is_stopping()) {
            return Ok(false);
        }
        let ulid = self.new_ulid();
        let mut meta = Meta::new(ulid, mint, maxt);
        meta.compaction.level = 1;
        meta.compaction.sources = vec![ulid];
        let start = self.clock.monotonic();
        let source = HeadRange::new(&head, What::InOrder, mint, maxt - 1);
        let written = self.write_first(meta, Box::new(source))?;
        let Some(meta) = written else { return Ok(self.cut_nothing(&head, maxt)) };
        let seconds = (self.clock.monotonic() - start).as_secs_f64();
        tracing::info!(block = %meta.ulid, mint, maxt, series = meta.stats.n_series, seconds, "write block");
        self.open_written(&[meta.ulid])?;
        Ok(head.truncate(maxt, &|| self.is_stopping()))
    }

    /// Cuts the head at `from`, before which it has nothing, or later, where it has something. False if the
    /// database is being closed.
    fn cut_nothing(&self, head: &Head, from: i64) -> bool {
        let stop = || self.is_stopping();
        // Who has a batch open may put samples there.
        head.wait_for_appenders_before(head.end_of_nothing(from), &stop)
            && head.truncate(head.end_of_nothing(from), &stop)
    }

    /// Writes a block of what was in none before.
    pub(crate) fn write_first(
        &self,
        meta: Meta,
        source: Box<dyn SeriesSource + '_>,
    ) -> Result<Option<Meta>, Error> {
        let directory = self.directory.as_ref();
        let segment_bytes = self.options.block_segment_bytes;
        let each = |it: &ChunkToWrite<'_>| self.metrics.blocks.first_written(it);
        self.timed(|| write_block_counting(directory, meta, segment_bytes, &mut [source], &each))
    }

    /// Counts a compaction and measures it.
    fn timed<T>(&self, compact: impl FnOnce() -> T) -> T {
        let metrics = &self.metrics.blocks;
        let start = self.clock.monotonic();
        metrics.populating.set(1.0);
        let done = compact();
        metrics.populating.set(0.0);
        metrics.compacted((self.clock.monotonic() - start).as_secs_f64());
        done
    }

    /// The blocks that may be merged. One of out-of-order samples is not while the log has others of its time:
    /// merged with one that was cut in order, it would say at the next start that the log is not needed there.
    fn mergeable(&self) -> Vec<Meta> {
        let cut = self.head().min_valid();
        let blocks = self.blocks();
        let metas = blocks.iter().map(|it| it.meta()).filter(|it| !it.compaction.deletable);
        let free = metas.filter(|it| !it.has_hint(HINT_OUT_OF_ORDER) || it.maxt <= cut);
        self.without_awaited(free.cloned().collect())
    }

    /// Merges blocks until there is nothing to merge, or the head is due again.
    fn compact_blocks(&self) -> Result<(), Error> {
        let ranges = ranges(self.options.block_range_min_ms, self.options.block_range_max_ms);
        while !self.is_stopping() && !self.is_cut_due() {
            let metas = self.mergeable();
            let parents = plan(&metas, &ranges);
            if parents.is_empty() {
                return Ok(());
            }
            if self.is_paused() {
                self.metrics.blocks.compactions_skipped.inc();
                return Ok(());
            }
            self.metrics.blocks.compactions_triggered.inc();
            self.metrics.blocks.vertical_compactions.add(u64::from(is_overlapping(&parents)));
            let ulid = self.new_ulid();
            let segment_bytes = self.options.block_segment_bytes;
            let done =
                self.timed(|| compact(self.directory.as_ref(), ulid, segment_bytes, &parents));
            // What a failed merge says of its parents has to be read, too.
            self.read_again(&parents);
            self.reload()?;
            tracing::info!(block = %ulid, parents = parents.len(), "compact blocks");
            done?;
        }
        Ok(())
    }

    /// Lets the next reload open these blocks again.
    pub(crate) fn read_again(&self, changed: &[&Meta]) {
        write(&self.blocks).changed.extend(changed.iter().map(|it| it.ulid));
    }

    /// Looks for blocks, then removes those that must go.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        self.metrics.blocks.reloads.inc();
        let result = self.load_and_delete();
        if result.is_err() {
            self.metrics.blocks.reloads_failed.inc();
        }
        result
    }

    /// As [`Inner::reload`], and an error if one of the blocks that were just written cannot be opened: then the head
    /// must not give up what is in them.
    fn open_written(&self, written: &[Ulid]) -> Result<(), Error> {
        self.reload()?;
        let blocks = read(&self.blocks);
        match written.iter().find_map(|it| Some((it, blocks.bad.get(it)?))) {
            Some((ulid, bad)) => Err(Error::Refused(format!("block {ulid}: {}", bad.reason))),
            None => Ok(()),
        }
    }

    fn load_and_delete(&self) -> Result<(), Error> {
        let directory = self.directory.as_ref();
        let mut next = {
            let now = read(&self.blocks);
            Blocks {
                open: Arc::clone(&now.open),
                bad: now.bad.clone(),
                changed: now.changed.clone(),
            }
        };
        next.load(directory, &self.metrics)?;
        let sizes: Vec<(&Meta, u64)> =
            next.open.iter().map(|it| (it.meta(), it.n_bytes())).collect();
        let gone = self.deletable(&sizes);
        next.open =
            next.open.iter().filter(|it| !gone.contains_key(&it.meta().ulid)).cloned().collect();
        self.head().note_blocks_end(next.in_order_maxt());
        *write(&self.blocks) = next;
        for (ulid, reason) in gone {
            match reason {
                Reason::Time => self.metrics.blocks.time_retentions.inc(),
                Reason::Size => self.metrics.blocks.size_retentions.inc(),
                Reason::Empty | Reason::Replaced => {}
            }
            tracing::info!(block = %ulid, ?reason, "Deleting obsolete block");
            delete_block(directory, ulid)?;
        }
        Ok(())
    }

    fn deletable(&self, sizes: &[(&Meta, u64)]) -> BTreeMap<Ulid, Reason> {
        let retention = *lock(&self.retention);
        let space = self.directory.space();
        if let (true, Err(error)) = (0.0 < retention.percentage, &space) {
            tracing::warn!(%error, "Unable to retrieve filesystem size of database directory, skip percentage limitation and default to fixed size limitation");
        }
        let bytes_max = retention.bytes_of(space.ok().map(|it| it.total));
        let gone = deletable(sizes, self.head().disk_bytes(), retention.time_ms, bytes_max);
        without_newest_empty(gone, sizes)
    }

    /// A name for a block. Chance comes from the hasher of the standard library.
    pub(crate) fn new_ulid(&self) -> Ulid {
        let chance = RandomState::new();
        let random = u128::from(chance.hash_one(1)) << 64 | u128::from(chance.hash_one(2));
        Ulid::new(self.clock.now_ms(), random)
    }
}

/// The end of the newest block that was cut from a head in order.
fn end_of<'a>(blocks: impl Iterator<Item = &'a Meta>) -> i64 {
    let hints = [HINT_OUT_OF_ORDER, HINT_STALE_SERIES, HINT_SELECTED_SERIES];
    let in_order = blocks.filter(|it| !hints.iter().any(|hint| it.has_hint(hint)));
    in_order.map(|it| it.maxt).max().unwrap_or(i64::MIN)
}

/// A block of which all is deleted stays while no younger one tells a start to pass over what the log has of
/// it: otherwise that would come back.
fn without_newest_empty(
    mut gone: BTreeMap<Ulid, Reason>,
    blocks: &[(&Meta, u64)],
) -> BTreeMap<Ulid, Reason> {
    let metas = || blocks.iter().map(|it| it.0);
    let end_of_rest = end_of(metas().filter(|it| !gone.contains_key(&it.ulid)));
    for it in metas().filter(|it| end_of_rest < end_of([*it].into_iter())) {
        if gone.get(&it.ulid) == Some(&Reason::Empty) {
            gone.remove(&it.ulid);
        }
    }
    gone
}
