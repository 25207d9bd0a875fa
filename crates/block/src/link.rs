//! A second name for all files of a block.

use std::path::Path;

use stdx::Directory;

use crate::index::INDEX_FILE;
use crate::meta::META_FILE;
use crate::tombstones::TOMBSTONES_FILE;
use crate::{Block, CHUNKS_DIR, Error};

impl Block {
    /// Makes the block appear in `folder` too, by hard links: it takes no room until one of the two is
    /// gone, and neither sees later deletions in the other.
    ///
    /// # Errors
    /// If the disk refuses, or cannot link. What was linked stays.
    pub fn link_into(&self, dir: &dyn Directory, folder: &Path) -> Result<(), Error> {
        let target = folder.join(self.meta().ulid.to_string());
        let chunks = target.join(CHUNKS_DIR);
        dir.create_dir_all(&chunks).map_err(Error::io(&chunks))?;
        let link = |name: &Path| {
            let path = self.path().join(name);
            dir.hard_link(&path, &target.join(name)).map_err(Error::io(&path))
        };
        let source = self.path().join(CHUNKS_DIR);
        for entry in dir.list(&source).map_err(Error::io(&source))? {
            link(&Path::new(CHUNKS_DIR).join(entry.name))?;
        }
        link(Path::new(INDEX_FILE))?;
        link(Path::new(META_FILE))?;
        // Blocks of old versions may have none.
        let tombstones = self.path().join(TOMBSTONES_FILE);
        if dir.exists(&tombstones).map_err(Error::io(&tombstones))? {
            link(Path::new(TOMBSTONES_FILE))?;
        }
        [&chunks, &target].into_iter().try_for_each(|it| dir.sync_dir(it).map_err(Error::io(it)))
    }
}
