//! Deleting from a block: its data stays, its tombstones grow.

use model::Matcher;
use stdx::Directory;

use crate::index::SeriesEntry;
use crate::{Block, Error, Interval, Tombstones};

impl Block {
    /// Marks as deleted what the series that fulfil all matchers have in `mint..=maxt`, on disk: an open
    /// block does not change, so it has to be opened again. Returns whether there was anything.
    ///
    /// An interval ends where the series does. Only series with a chunk in the range are marked.
    ///
    /// # Errors
    /// If the block cannot be read, or the disk refuses. Then nothing has changed, but perhaps the count
    /// of intervals in `meta.json`.
    pub fn delete(
        &self,
        dir: &dyn Directory,
        mint: i64,
        maxt: i64,
        matchers: &[Matcher],
    ) -> Result<bool, Error> {
        let mut found = Tombstones::default();
        let mut entry = SeriesEntry::default();
        for number in self.series_matching(matchers)? {
            self.index().read_series(number, &mut entry)?;
            let (Some(first), Some(last)) = (entry.chunks.first(), entry.chunks.last()) else {
                continue;
            };
            if entry.chunks.iter().any(|it| it.mint <= maxt && mint <= it.maxt) {
                let interval = Interval { mint: mint.max(first.mint), maxt: maxt.min(last.maxt) };
                found.add(u64::from(number), interval);
            }
        }
        if found.is_empty() {
            return Ok(false);
        }
        for (series, intervals) in self.tombstones().iter() {
            intervals.as_slice().iter().for_each(|it| found.add(series, *it));
        }
        let path = self.path();
        found.write(dir, path)?;
        let mut meta = self.meta().clone();
        meta.stats.n_tombstones = found.n_intervals();
        meta.write(dir, path)?;
        Ok(true)
    }
}
