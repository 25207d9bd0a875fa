//! The log of late samples, `wbl`.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use model::SeriesRef;
use wal::record::{self, Kind, MmapMarker, RefSample};
use wal::segment;

use super::super::Head;
use super::super::batch::{Other, Part};
use super::super::chunk_files::ChunkAt;
use super::table::{LateChunk, LateSample};
use super::{WBL_FOLDER, has_log};
use crate::sync::lock;

/// The log. It is not made before there is something to be logged.
#[derive(Default)]
pub(super) enum Log {
    #[default]
    Untouched,
    Open(Box<wal::Writer>),
    Closed,
}

/// Late samples of one commit, in groups: markers, then samples.
#[derive(Default)]
pub(crate) struct LateRecords {
    done: Vec<Group>,
    group: Group,
}

#[derive(Default)]
struct Group {
    markers: Vec<u8>,
    part: Part,
    /// Series with samples in the group.
    series: HashSet<u64>,
}

impl LateRecords {
    /// Adds a sample, and before it, if the samples of its series so far were written to chunks, those.
    pub(super) fn add(&mut self, series: u64, sample: &LateSample, mapped: &[LateChunk]) {
        if !mapped.is_empty() {
            if self.group.series.contains(&series) {
                // A marker concerns what is before it.
                self.done.push(std::mem::take(&mut self.group));
            }
            let markers = &mut self.group.markers;
            if markers.is_empty() {
                record::start(Kind::MmapMarkers, markers);
            }
            for it in mapped {
                let marker = MmapMarker { series: SeriesRef(series), chunk: it.at.packed() };
                record::put_mmap_marker(markers, marker);
            }
        }
        let part = &mut self.group.part;
        match sample.plain_float() {
            Some(v) => {
                part.samples.push(RefSample { series: SeriesRef(series), t: sample.t, v });
            }
            None => part.others.push(Other { series, sample: sample.to_sample() }),
        }
        self.group.series.insert(series);
    }

    /// The records, in the order of the log.
    pub(super) fn finish(mut self, with_starts: bool) -> Vec<Vec<u8>> {
        self.done.push(self.group);
        let mut records = Vec::new();
        for Group { markers, part, .. } in self.done {
            records.extend(Some(markers).filter(|it| !it.is_empty()));
            records.extend(part.records(with_starts));
        }
        records
    }
}

impl ChunkAt {
    /// As markers hold it.
    pub(super) fn packed(self) -> u64 {
        u64::from(self.file) << 32 | u64::from(self.offset)
    }
}

impl Head {
    /// The writer of the log, which is begun if need be.
    pub(super) fn open_late_log<'a>(
        &self,
        log: &'a mut Log,
    ) -> Result<&'a mut wal::Writer, String> {
        if matches!(log, Log::Untouched) {
            let writer = wal::Writer::open(
                Arc::clone(&self.directory),
                Path::new(WBL_FOLDER),
                self.wal_options,
                Arc::clone(&self.clock),
                self.metrics.wbl.clone(),
            );
            *log = Log::Open(Box::new(writer.map_err(|error| format!("open WBL: {error}"))?));
        }
        match log {
            Log::Open(writer) => Ok(writer),
            Log::Untouched | Log::Closed => Err("the database is closed".to_owned()),
        }
    }

    /// Ends the log.
    pub(crate) fn close_late_log(&self) -> Result<(), String> {
        match std::mem::replace(&mut *lock(&self.out_of_order.log), Log::Closed) {
            Log::Open(writer) => writer.close().map_err(|error| error.to_string()),
            Log::Untouched => self.sync_leftovers().map_err(|error| format!("sync WBL: {error}")),
            Log::Closed => Ok(()),
        }
    }

    /// Syncs what an earlier process that was killed may have left unsynced.
    fn sync_leftovers(&self) -> io::Result<()> {
        let folder = Path::new(WBL_FOLDER);
        if !has_log(self.directory.as_ref()) {
            return Ok(());
        }
        for n in segment::list(self.directory.as_ref(), folder)? {
            self.directory.append(&segment::path(folder, n))?.sync()?;
        }
        self.directory.sync_dir(folder)
    }
}
