//! Snapshots: all data under a second name, while work goes on.

use std::path::Path;

use block::Meta;
use stdx::Subdirectory;

use crate::compact::write_block;
use crate::db::Inner;
use crate::head::{HeadRange, What};
use crate::source::SeriesSource;
use crate::{AdminError, Db};

impl Db {
    /// Makes a data directory of its own in `folder`, below the database's: the blocks by hard links and, if
    /// `with_head`, what the head has as one block more.
    ///
    /// # Errors
    /// If the disk refuses or cannot link. What is there then is to be removed.
    pub fn snapshot(&self, folder: &Path, with_head: bool) -> Result<(), AdminError> {
        self.inner.snapshot(folder, with_head)
    }
}

impl Inner {
    fn snapshot(&self, folder: &Path, with_head: bool) -> Result<(), AdminError> {
        let _maintaining = self.change()?;
        let directory = self.directory.as_ref();
        directory.create_dir_all(folder).map_err(block::Error::io(folder))?;
        for block in self.blocks().iter() {
            tracing::info!(block = %block.meta().ulid, "Snapshotting block");
            block.link_into(directory, folder)?;
        }
        if with_head {
            self.write_head_into(folder)?;
        }
        directory.sync_dir(folder).map_err(block::Error::io(folder))?;
        Ok(())
    }

    fn write_head_into(&self, folder: &Path) -> Result<(), AdminError> {
        let head = self.head();
        let (mint, maxt) = head.time_range();
        let (late_mint, late_maxt) = head.out_of_order.time_range();
        let (mint, maxt) = (mint.min(late_mint), maxt.max(late_maxt));
        if maxt < mint {
            return Ok(());
        }
        let ulid = self.new_ulid();
        let mut meta = Meta::new(ulid, mint, maxt.saturating_add(1));
        meta.compaction.level = 1;
        meta.compaction.sources = vec![ulid];
        let directory = Subdirectory::new(self.directory.as_ref(), folder);
        let source =
            |what| -> Box<dyn SeriesSource> { Box::new(HeadRange::new(&head, what, mint, maxt)) };
        let mut sources = [source(What::InOrder), source(What::Late(None))];
        let segment_bytes = self.options.block_segment_bytes;
        write_block(&directory, meta, segment_bytes, &mut sources)?;
        Ok(())
    }
}
