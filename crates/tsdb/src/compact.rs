//! Writes blocks: from a head, or by merging blocks.
//!
//! ```text
//! sources ─symbols▶ merged symbols, and for each source a table: its position ▸ the merged one
//!         ─series▶ k-way merge by labels ─chunks▶ verbatim | trimmed | merged ─▶ block::BlockWriter
//! ```
//!
//! Labels are compared as merged symbol positions, which sort as the strings do: no label is spelled
//! out. A chunk that lies within the block, overlaps no other and has nothing deleted is copied; one
//! that does not is decoded and written again: alone it stays one chunk of its encoding, several that
//! overlap become chunks of 120 samples, one kind in each. Of equal timestamps the one of the chunk that
//! begins first stays.
//!
//! Memory: 4 bytes a symbol and source, one series of each source, a read window of 256 KiB each, and
//! what [`block::index::IndexWriter`] needs. Nothing grows with the number of samples: merging a day of
//! 10,000 series at 15 s, 57.6 million samples in twelve blocks, takes 25 MB at its peak and 7 ms of CPU a
//! million samples (`cargo bench -p pyrrha-tsdb --bench compact`).

mod merge;
mod series;
mod symbols;

use std::collections::BTreeSet;
use std::path::PathBuf;

use block::meta::{HINT_OUT_OF_ORDER, HINT_SELECTED_SERIES, HINT_STALE_SERIES};
use block::{BlockWriter, ChunkToWrite, Error, Meta, Ulid};
use stdx::Directory;

use crate::source::{BlockSource, SeriesSource};
use merge::Merge;
use series::Pieces;

/// Writes what `sources` hold in `meta.mint..meta.maxt` as one block. `meta` says what the block is;
/// its counts are filled in. Returns what was written, `None` if there was no sample.
///
/// # Errors
/// If a source cannot be read, a chunk that would have to be decoded cannot be, or the disk refuses.
/// Nothing is left behind then.
pub fn write_block(
    dir: &dyn Directory,
    meta: Meta,
    segment_bytes_max: u64,
    sources: &mut [Box<dyn SeriesSource + '_>],
) -> Result<Option<Meta>, Error> {
    write_block_counting(dir, meta, segment_bytes_max, sources, &|_| ())
}

/// As [`write_block`], showing each chunk to `each` before it is written.
///
/// # Errors
/// As there.
pub fn write_block_counting(
    dir: &dyn Directory,
    meta: Meta,
    segment_bytes_max: u64,
    sources: &mut [Box<dyn SeriesSource + '_>],
    each: &dyn Fn(&ChunkToWrite<'_>),
) -> Result<Option<Meta>, Error> {
    let tables = symbols::tables(sources)?;
    let mut writer = BlockWriter::create(dir, meta.ulid, segment_bytes_max, &|each| {
        symbols::each_symbol(sources, &mut |symbol, _| each(symbol));
    })?;
    match write_series(&mut writer, &meta, sources, &tables, each) {
        Ok(()) => writer.finish(meta),
        Err(error) => {
            writer.discard();
            Err(error)
        }
    }
}

/// Merges the blocks `parents` of `dir` into one named `ulid`. Returns what was written; `None` if all
/// samples are deleted, the parents are then marked to be removed. The parents stay: they go when the
/// database next looks for blocks that have been replaced.
///
/// # Errors
/// If a parent cannot be read or the disk refuses. Parents that cannot be read are marked as failed, so
/// that they are left alone from then on.
pub fn compact(
    dir: &dyn Directory,
    ulid: Ulid,
    segment_bytes_max: u64,
    parents: &[&Meta],
) -> Result<Option<Meta>, Error> {
    match merge_blocks(dir, ulid, segment_bytes_max, parents) {
        Ok(None) => {
            mark(dir, parents, |it| it.compaction.deletable = true)?;
            Ok(None)
        }
        Err(error @ (Error::Corrupt { .. } | Error::Refused(_))) => {
            // The first error is what the caller should see.
            let _ = mark(dir, parents, |it| it.compaction.failed = true);
            Err(error)
        }
        done => done,
    }
}

/// Writes a block anew, named `ulid`, without what is deleted in it. Returns what was written; `None` if
/// nothing is left, the old block is then marked to be removed. It stays otherwise, too, as in
/// [`compact`].
///
/// # Errors
/// If it cannot be read or the disk refuses.
pub fn rewrite(
    dir: &dyn Directory,
    ulid: Ulid,
    segment_bytes_max: u64,
    old: &Meta,
) -> Result<Option<Meta>, Error> {
    let mut meta = Meta::new(ulid, old.mint, old.maxt);
    meta.compaction.level = 1;
    meta.compaction.sources = vec![ulid];
    meta.compaction.parents = vec![old.as_parent()];
    meta.compaction.hints.clone_from(&old.compaction.hints);
    let source = BlockSource::open(dir, &PathBuf::from(old.ulid.to_string()))?;
    let written = write_block(dir, meta, segment_bytes_max, &mut [Box::new(source)])?;
    if written.is_none() {
        mark(dir, &[old], |it| it.compaction.deletable = true)?;
    }
    Ok(written)
}

fn merge_blocks(
    dir: &dyn Directory,
    ulid: Ulid,
    segment_bytes_max: u64,
    parents: &[&Meta],
) -> Result<Option<Meta>, Error> {
    let mut sources: Vec<Box<dyn SeriesSource>> = Vec::with_capacity(parents.len());
    for it in parents {
        sources.push(Box::new(BlockSource::open(dir, &PathBuf::from(it.ulid.to_string()))?));
    }
    write_block(dir, merged_meta(ulid, parents), segment_bytes_max, &mut sources)
}

/// Describes what the merge of `parents` will be.
fn merged_meta(ulid: Ulid, parents: &[&Meta]) -> Meta {
    let mint = parents.iter().map(|it| it.mint).min().unwrap_or(0);
    let maxt = parents.iter().map(|it| it.maxt).max().unwrap_or(0);
    let mut meta = Meta::new(ulid, mint, maxt);
    meta.compaction.level = parents.iter().map(|it| it.compaction.level).max().unwrap_or(0) + 1;
    let sources: BTreeSet<Ulid> =
        parents.iter().flat_map(|it| &it.compaction.sources).copied().collect();
    meta.compaction.sources = sources.into_iter().collect();
    meta.compaction.parents = parents.iter().map(|it| it.as_parent()).collect();
    let mut hint = |hint: &str, holds: bool| {
        if holds {
            meta.compaction.hints.push(hint.to_owned());
        }
    };
    let any = |hint| parents.iter().any(|it: &&Meta| it.has_hint(hint));
    hint(HINT_OUT_OF_ORDER, parents.iter().all(|it| it.has_hint(HINT_OUT_OF_ORDER)));
    hint(HINT_STALE_SERIES, any(HINT_STALE_SERIES));
    hint(HINT_SELECTED_SERIES, any(HINT_SELECTED_SERIES));
    meta
}

fn write_series(
    writer: &mut BlockWriter<'_>,
    meta: &Meta,
    sources: &mut [Box<dyn SeriesSource + '_>],
    tables: &[Vec<u32>],
    each: &dyn Fn(&ChunkToWrite<'_>),
) -> Result<(), Error> {
    let mut merge = Merge::new(sources, tables)?;
    let mut pieces = Pieces::new(meta.mint, meta.maxt);
    while let Some(labels) = merge.next_labels()? {
        for series in merge.current() {
            pieces.add(series)?;
        }
        writer.add_series(&labels, pieces.join()?.iter().map(series::to_write).inspect(each))?;
        pieces.clear();
    }
    Ok(())
}

/// Changes the files of `metas`.
fn mark(dir: &dyn Directory, metas: &[&Meta], change: impl Fn(&mut Meta)) -> Result<(), Error> {
    for it in metas {
        let mut changed = (*it).clone();
        change(&mut changed);
        changed.write(dir, &PathBuf::from(it.ulid.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
