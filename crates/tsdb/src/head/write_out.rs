//! Giving memory back: open chunks that are worth it become finished ones, on disk.

use super::Head;
use super::series::{Finished, Page};
use crate::sync::lock;

/// A shorter chunk costs about as much on disk and in its series' list as in memory.
const BYTES_MIN: usize = 64;

impl Head {
    /// Writes out open chunks; their series go on in new ones. Stops where the disk refuses.
    pub(crate) fn write_out(&self) {
        let mut n = 0;
        for (number, page) in self.pages.all() {
            let mut page = lock(&page);
            for series in page.refs(number).collect::<Vec<_>>() {
                match self.finish_open(&mut page, series) {
                    Ok(is_finished) => n += u64::from(is_finished),
                    Err(error) => return tracing::error!(%error, "writing out open chunks failed"),
                }
            }
        }
        tracing::info!(chunks = n, "open chunks written out to give memory back");
    }

    fn finish_open(&self, page: &mut Page, series: u64) -> Result<bool, String> {
        let Some(record) = page.get_mut(series) else { return Ok(false) };
        let Some(open) = record.open.as_ref().filter(|it| BYTES_MIN <= it.n_bytes()) else {
            return Ok(false);
        };
        let (mint, maxt) = (open.first_t(), open.last_t());
        let at = self
            .chunk_files
            .write(series, (mint, maxt), open.as_data())
            .map_err(|error| error.to_string())?;
        page.close_open(series);
        page.push_finished(series, Finished { at, maxt });
        self.metrics.mmap_chunks.inc();
        Ok(true)
    }
}
