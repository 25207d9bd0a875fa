//! Segment files: their names, and the numbers of the framing.

use std::io;
use std::path::{Path, PathBuf};

use stdx::Directory;

/// Fragments never cross a multiple of this.
pub const PAGE_BYTES: usize = 32 << 10;

/// Type, length, checksum.
pub(crate) const HEADER_BYTES: usize = 7;

/// Bit of a fragment's type: the record is a snappy block.
pub(crate) const FLAG_SNAPPY: u8 = 0x08;
/// Bit of a fragment's type: the record is a zstd frame.
pub(crate) const FLAG_ZSTD: u8 = 0x10;

/// Low three bits of a fragment's type.
pub(crate) const PAGE_END: u8 = 0;
pub(crate) const FULL: u8 = 1;
pub(crate) const FIRST: u8 = 2;
pub(crate) const MIDDLE: u8 = 3;
pub(crate) const LAST: u8 = 4;

/// The name of segment `n` of the log in `folder`.
pub fn path(folder: &Path, n: u32) -> PathBuf {
    folder.join(format!("{n:08}"))
}

/// Lists the numbers of the segments in `folder`, ascending. Any name that is a decimal number counts;
/// a folder that is not there is empty.
///
/// # Errors
/// If the folder cannot be listed, or a number between the first and the last is missing.
pub fn list(directory: &dyn Directory, folder: &Path) -> io::Result<Vec<u32>> {
    if !directory.exists(folder)? {
        return Ok(Vec::new());
    }
    let entries = directory.list(folder)?;
    let mut numbers: Vec<u32> =
        entries.iter().filter(|it| !it.is_dir).filter_map(|it| it.name.parse().ok()).collect();
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] + 1 != pair[1]) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "segments are not sequential"));
    }
    Ok(numbers)
}
