//! The checkpoint that a start may use.

use std::io;
use std::path::{Path, PathBuf};

use stdx::Directory;
use stdx::varint::{take_i64, take_u64};
use wal::{checkpoint, segment};

use super::super::chunk_files::ChunkAt;
use super::super::{References, WAL_FOLDER};
use super::file::{SectionError, SectionReader};
use super::{FOLDER, Kind, Start, UNFINISHED};

/// A checkpoint that is not known to be worthless.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(super) path: PathBuf,
    pub(crate) start: Start,
}

impl Found {
    /// Gives it up for good.
    ///
    /// # Errors
    /// If it cannot be removed: then it must not be there when more is written.
    pub(crate) fn discard(&self, directory: &dyn Directory, why: &str) -> io::Result<()> {
        discard(directory, &self.path, why)
    }
}

/// Finds the newest checkpoint. Removes others, and one that is of no use. To be called before anything is
/// written, for that hides who wrote last. Blocks hold what is older than `min_valid`.
///
/// # Errors
/// If the disk refuses.
pub(crate) fn find(directory: &dyn Directory, min_valid: i64) -> io::Result<Option<Found>> {
    remove_unfinished(directory)?;
    let mut all = list(directory)?;
    let Some((n, path)) = all.pop() else { return Ok(None) };
    for (_, older) in all {
        directory.remove_file(&older)?;
    }
    let start = match read_start(directory, &path) {
        Ok(start) if start.segment == n => start,
        Ok(_) => return discard(directory, &path, "its name is not its segment").map(|()| None),
        Err(SectionError::Corrupt(why)) => {
            return discard(directory, &path, why).map(|()| None);
        }
        Err(SectionError::Io(why)) => {
            return discard(directory, &path, &why.to_string()).map(|()| None);
        }
    };
    match why_not(directory, start, min_valid)? {
        Some(why) => discard(directory, &path, why).map(|()| None),
        None => Ok(Some(Found { path, start })),
    }
}

/// Why the log does not go with a checkpoint.
fn why_not(
    directory: &dyn Directory,
    start: Start,
    min_valid: i64,
) -> io::Result<Option<&'static str>> {
    let folder = Path::new(WAL_FOLDER);
    let folded = checkpoint::last(directory, folder)?.map(|it| it.index);
    let Ok(segments) = segment::list(directory, folder) else {
        return Ok(Some("the segments of the log are not sequential"));
    };
    Ok(if folded.is_some_and(|it| start.segment <= it) {
        Some("the log was folded beyond it")
    } else if !segments.contains(&start.segment) {
        Some("the segment of the log that follows it is gone")
    } else if min_valid < start.held_from {
        // The log may have what is missing.
        Some("a block is gone that it leaves samples to")
    } else if !References::speak_for(directory, &segments, start.last_ref) {
        Some("another program may have written here since")
    } else {
        None
    })
}

fn discard(directory: &dyn Directory, path: &Path, why: &str) -> io::Result<()> {
    let size = directory.size(path).unwrap_or(0);
    tracing::warn!(path = %path.display(), size, why, "head checkpoint given up: the log is replayed instead");
    directory.remove_file(path)?;
    directory.sync_dir(Path::new(FOLDER))
}

fn remove_unfinished(directory: &dyn Directory) -> io::Result<()> {
    let folder = Path::new(FOLDER);
    if directory.exists(folder)? {
        for it in directory.list(folder)? {
            if Path::new(&it.name).extension().is_some_and(|it| it == UNFINISHED) {
                directory.remove_file(&folder.join(it.name))?;
            }
        }
    }
    Ok(())
}

/// All checkpoints by segment, ascending.
pub(super) fn list(directory: &dyn Directory) -> io::Result<Vec<(u32, PathBuf)>> {
    let folder = Path::new(FOLDER);
    if !directory.exists(folder)? {
        return Ok(Vec::new());
    }
    let entries = directory.list(folder)?.into_iter().filter(|it| !it.is_dir);
    let mut all: Vec<(u32, PathBuf)> =
        entries.filter_map(|it| Some((it.name.parse().ok()?, folder.join(it.name)))).collect();
    all.sort_unstable();
    Ok(all)
}

fn read_start(directory: &dyn Directory, path: &Path) -> Result<Start, SectionError> {
    let mut sections = SectionReader::open(directory, path)?;
    match sections.next()? {
        Some((Kind::Start, bytes)) => {
            Start::take(bytes).ok_or(SectionError::Corrupt("its start is malformed"))
        }
        _ => Err(SectionError::Corrupt("it has no start")),
    }
}

impl Start {
    fn take(mut bytes: &[u8]) -> Option<Self> {
        let mut number = || take_u64(&mut bytes);
        let (segment, last_ref) = (u32::try_from(number()?).ok()?, number()?);
        let (file, offset) = (u32::try_from(number()?).ok()?, u32::try_from(number()?).ok()?);
        let (held_from, n_series) = (take_i64(&mut bytes)?, take_u64(&mut bytes)?);
        let is_whole = bytes.is_empty() && last_ref < 1 << 40;
        let chunks = ChunkAt { file, offset };
        is_whole.then_some(Self { segment, last_ref, chunks, held_from, n_series })
    }
}
