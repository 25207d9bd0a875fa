//! Cutting a log back to its last good record.

use std::io::{self, Write};
use std::path::Path;

use stdx::Directory;

use crate::segment::{self, PAGE_BYTES};

/// What a repair gave up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Bytes cut from the damaged segment, padding included.
    pub bytes: u64,
    /// Later segments removed whole.
    pub segments: u32,
}

/// Cuts the log in `folder` behind the last good record, which ends at `offset` in `segment`: removes
/// later segments, then cuts that one and pads its page. Doing it again after a crash halfway is fine.
///
/// # Errors
/// If the disk refuses.
pub fn repair(
    directory: &dyn Directory,
    folder: &Path,
    segment: u32,
    offset: u64,
) -> io::Result<Lost> {
    let mut lost = Lost::default();
    for later in segment::list(directory, folder)?.into_iter().rev().take_while(|n| segment < *n) {
        directory.remove_file(&segment::path(folder, later))?;
        lost.segments += 1;
    }
    let path = segment::path(folder, segment);
    lost.bytes = directory.size(&path)?.saturating_sub(offset);
    let mut file = directory.append(&path)?;
    file.set_len(offset)?;
    file.write_all(&vec![0; padding(offset)])?;
    file.sync()?;
    directory.sync_dir(folder)?;
    Ok(lost)
}

/// How many bytes are missing to the end of the page that `offset` is in.
pub(crate) fn padding(offset: u64) -> usize {
    let page = PAGE_BYTES as u64;
    usize::try_from((page - offset % page) % page).expect("less than a page")
}
