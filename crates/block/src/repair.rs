//! Blocks of Prometheus 2.1.0, which wrote wrong versions: 2 into `meta.json`, and 1 into an index of version 2.

use std::path::Path;

use stdx::Directory;

use crate::index::INDEX_FILE;
use crate::meta::replace_file;
use crate::{Error, Meta};

/// Where the index says its version, behind its magic number.
const VERSION_AT: usize = 4;

/// Corrects the versions in the block in folder `block`, if they are those of 2.1.0. Returns whether they were.
/// What is wrong with other blocks is for those to say who open them.
///
/// # Errors
/// If the disk refuses.
pub fn repair_version(dir: &dyn Directory, block: &Path) -> Result<bool, Error> {
    let Some(mut meta) = Meta::read_mislabelled(dir, block) else { return Ok(false) };
    let path = block.join(INDEX_FILE);
    let Ok(mut index) = dir.read(&path) else { return Ok(false) };
    let Some(version) = index.get_mut(VERSION_AT) else { return Ok(false) };
    *version = 2;
    // The index first: a crash in between leaves a block that is repaired again.
    replace_file(dir, &path, &index)?;
    meta.set_version();
    meta.write(dir, block)?;
    Ok(true)
}
