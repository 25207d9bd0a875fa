//! Which blocks must go, and how they go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use block::{CREATION_SUFFIX, DELETION_SUFFIX, Error, Meta, Ulid};
use stdx::Directory;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Retention {
    /// Age in milliseconds, counted back from the end of the newest block; 0 keeps all.
    pub time_ms: i64,
    /// Bytes on disk of head and blocks together; 0 keeps all.
    pub bytes: u64,
    /// The same as a share of the file system, in percent; 0 leaves it to `bytes`.
    pub percentage: f64,
}

impl Retention {
    /// The bytes that hold on a file system of `total` bytes; of one whose size is not known the
    /// percentage cannot.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a size, rounded"
    )]
    pub fn bytes_of(&self, total: Option<u64>) -> u64 {
        match total {
            Some(total) if 0.0 < self.percentage => (total as f64 * self.percentage / 100.0) as u64,
            _ => self.bytes,
        }
    }
}

/// Why a block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It holds nothing.
    Empty,
    /// Another block was made of it.
    Replaced,
    /// It is too old.
    Time,
    /// There is no room for it.
    Size,
}

/// Returns the blocks that must go, and why. `blocks` are all that could be opened, with their sizes;
/// `head_bytes` is what log and head chunks take; older than `time_ms` and over `bytes_max` goes, 0 is no
/// limit. Blocks that go anyway do not count against the others.
pub fn deletable(
    blocks: &[(&Meta, u64)],
    head_bytes: u64,
    time_ms: i64,
    bytes_max: u64,
) -> BTreeMap<Ulid, Reason> {
    let mut all = useless(blocks);
    let mut newest_first = blocks.to_vec();
    newest_first.retain(|it| !all.contains_key(&it.0.ulid));
    newest_first.sort_by_key(|it| std::cmp::Reverse((it.0.maxt, it.0.ulid)));
    if 0 < time_ms
        && let Some((newest, _)) = newest_first.first()
    {
        let is_old = |it: &Meta| time_ms <= newest.maxt.saturating_sub(it.maxt);
        all.extend(
            newest_first.iter().filter(|it| is_old(it.0)).map(|it| (it.0.ulid, Reason::Time)),
        );
    }
    if 0 < bytes_max {
        let mut bytes = head_bytes;
        for (meta, block_bytes) in &newest_first {
            bytes = bytes.saturating_add(*block_bytes);
            if bytes_max < bytes {
                all.entry(meta.ulid).or_insert(Reason::Size);
            }
        }
    }
    all
}

/// Blocks that hold nothing, or nothing that is not in another block.
fn useless(blocks: &[(&Meta, u64)]) -> BTreeMap<Ulid, Reason> {
    let mut all = BTreeMap::new();
    let loaded: BTreeSet<Ulid> = blocks.iter().map(|it| it.0.ulid).collect();
    for (meta, _) in blocks {
        let parents = meta.compaction.parents.iter().map(|it| it.ulid);
        all.extend(parents.filter(|it| loaded.contains(it)).map(|it| (it, Reason::Replaced)));
        if meta.compaction.deletable {
            all.insert(meta.ulid, Reason::Empty);
        }
    }
    all
}

/// Removes a block: its name first, so that a crash leaves none that is half there.
///
/// # Errors
/// If the disk refuses.
pub fn delete_block(dir: &dyn Directory, ulid: Ulid) -> Result<(), Error> {
    let path = PathBuf::from(ulid.to_string());
    let tmp = PathBuf::from(format!("{ulid}{DELETION_SUFFIX}"));
    if dir.exists(&tmp).map_err(Error::io(&tmp))? {
        dir.remove_dir_all(&tmp).map_err(Error::io(&tmp))?;
    }
    dir.rename(&path, &tmp).map_err(Error::io(&path))?;
    // Before the first file goes, or a power cut could leave half a block under its name.
    dir.sync_dir(Path::new("")).map_err(Error::io(&path))?;
    dir.remove_dir_all(&tmp).map_err(Error::io(&tmp))
}

/// Removes folders of blocks that were being written or removed when the process ended.
///
/// # Errors
/// If the disk refuses.
pub fn remove_leftovers(dir: &dyn Directory) -> Result<(), Error> {
    let root = Path::new("");
    for it in dir.list(root).map_err(Error::io(root))? {
        // `.tmp` alone is what old versions wrote.
        let suffixes = [CREATION_SUFFIX, DELETION_SUFFIX, ".tmp"];
        let name = suffixes.iter().find_map(|suffix| it.name.strip_suffix(suffix));
        if it.is_dir && name.is_some_and(|it| Ulid::parse(it).is_some()) {
            let path = PathBuf::from(&it.name);
            dir.remove_dir_all(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

/// Corrects what Prometheus 2.1.0 wrote wrongly into its blocks.
///
/// # Errors
/// If the disk refuses.
pub fn repair_versions(dir: &dyn Directory) -> Result<(), Error> {
    for ulid in block_names(dir)? {
        if block::repair_version(dir, Path::new(&ulid.to_string()))? {
            tracing::info!(block = %ulid, "block of version 2.1.0 repaired");
        }
    }
    Ok(())
}

/// Lists the blocks in `dir`: folders whose name is a ULID, in capital letters as blocks are written.
///
/// # Errors
/// If the disk refuses.
pub fn block_names(dir: &dyn Directory) -> Result<Vec<Ulid>, Error> {
    let root = Path::new("");
    let entries = dir.list(root).map_err(Error::io(root))?;
    let name = |it: &stdx::Entry| {
        Ulid::parse(&it.name).filter(|ulid| it.is_dir && ulid.to_string() == it.name)
    };
    Ok(entries.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests;
