//! Which series the log names, and their newest times.

use std::path::Path;
use std::sync::Arc;

use model::{FloatHistogram, Histogram};
use stdx::Directory;
use wal::record::{self, DecodeError, Kind};
use wal::{Position, ReadError, Reader, checkpoint, segment};

use super::WAL_FOLDER;
use super::metrics::Metrics;
use super::series::Table;
use crate::OpenError;

/// Where a record is damaged, and how.
struct Bad {
    at: Position,
    rule: &'static str,
}

/// Reads checkpoint and log, and repairs the log.
pub(super) fn replay(
    directory: &Arc<dyn Directory>,
    metrics: &Metrics,
) -> Result<Table, OpenError> {
    let folder = Path::new(WAL_FOLDER);
    let mut table = Table::default();
    let mut first = 0;
    let found = checkpoint::last(directory.as_ref(), folder);
    if let Some(found) = found.map_err(OpenError::io("find checkpoint"))? {
        let mut reader = checkpoint::open(Arc::clone(directory), &found)
            .map_err(OpenError::io("open checkpoint"))?;
        if let Some(Bad { at, rule }) = read(&mut reader, &mut table)? {
            return Err(OpenError::Corrupt {
                path: directory.root().join(segment::path(&found.folder, at.segment)),
                reason: format!("corruption at {}: {rule}", at.offset),
            });
        }
        first = found.index + 1;
    }
    let numbers =
        segment::list(directory.as_ref(), folder).map_err(OpenError::io("list WAL segments"))?;
    let Some(last) = numbers.last().copied().filter(|last| first <= *last) else {
        return Ok(table);
    };
    let mut from = Position { segment: first, offset: 0 };
    loop {
        let mut reader = Reader::from(Arc::clone(directory), folder, from, last);
        let Some(Bad { at, rule }) = read(&mut reader, &mut table)? else { return Ok(table) };
        drop(reader);
        metrics.corruptions.inc();
        let lost = wal::repair(directory.as_ref(), folder, at)
            .map_err(OpenError::io("repair corrupted WAL"))?;
        tracing::error!(place = %at, rule, bytes = lost.bytes, "repaired corruption");
        from = at;
    }
}

fn read(reader: &mut Reader, table: &mut Table) -> Result<Option<Bad>, OpenError> {
    loop {
        let (at, rule) = match reader.next() {
            Ok(None) => return Ok(None),
            Ok(Some(it)) => {
                let at = Position { segment: it.segment, offset: it.offset };
                match take(it.bytes, table) {
                    Ok(()) => continue,
                    Err(DecodeError { rule }) => (at, rule),
                }
            }
            Err(ReadError::Corrupt { segment, offset, rule }) => {
                (Position { segment, offset }, rule)
            }
            Err(ReadError::Io { segment, source }) => {
                return Err(OpenError::Io { what: format!("open WAL segment: {segment}"), source });
            }
        };
        return Ok(Some(Bad { at, rule }));
    }
}

fn take(bytes: &[u8], table: &mut Table) -> Result<(), DecodeError> {
    let Some((kind, body)) = record::split(bytes) else { return Ok(()) };
    // A time of a series that is not known is of no use.
    let mut time = |series: model::SeriesRef, t| {
        let _ = table.replay_time(series.0, t);
    };
    match kind {
        Kind::Series => record::series(body, |series, labels| table.replay(series.0, labels)),
        Kind::Samples => record::samples(body, |it| time(it.series, it.t)),
        Kind::SamplesV2 => record::samples_v2(body, |it, _| time(it.series, it.t)),
        Kind::Histograms | Kind::CustomHistograms | Kind::HistogramsV2 => {
            record::histograms::<Histogram>(kind, body, |it| time(it.series, it.t)).map(drop)
        }
        Kind::FloatHistograms | Kind::CustomFloatHistograms | Kind::FloatHistogramsV2 => {
            record::histograms::<FloatHistogram>(kind, body, |it| time(it.series, it.t)).map(drop)
        }
        Kind::Tombstones | Kind::Exemplars | Kind::Metadata | Kind::MmapMarkers => Ok(()),
    }
}
